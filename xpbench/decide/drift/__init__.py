"""The drift lock: what every metric means and computes, on record when a plan is frozen and compared at each look.

==========  ==============================================================
meanings    what a metric means, and where two meanings differ
golden      a small log of the plan's own events, and what it gives
drift_lock  both on record, and compared
==========  ==============================================================
"""
