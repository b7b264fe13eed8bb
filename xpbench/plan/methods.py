"""Editions of the statistical methods: a registered experiment keeps the one that it was registered under."""

from __future__ import annotations

FIRST = 1
"""What readouts used that name no edition: a constant variant had a status and no verdict, tiny shares waited in every design
with several looks."""
WHOLE = 2
"""No status drops out of the rule on the good side: a constant variant takes its noise from the other, tiny shares are judged
by the score in every design, a guardrail without a bad event by its score interval, a lost metric keeps from shipping."""
POWER = 3
"""The power that the error level allows: the daily sample ratio spends its level up to the horizon, shares are judged by the
score at every split (in a single reading only while the smaller variant expects fewer than 200 events), guardrails at one-sided
alpha."""
VERDICTS = 4
"""Verdicts that end the argument: a primary metric whose whole interval lies within the smallest lift that matters is a result
and has a row in the rule, and so has a guardrail that got worse within its margin."""
MATCHED = 5
"""Numbers in one row agree: intervals of segments are at the level of their corrected verdicts, and a boundary that was
crossed after several looks has an estimate next to it that stopping does not exaggerate."""
METHODS = MATCHED
"""The edition of plans that are registered now."""
