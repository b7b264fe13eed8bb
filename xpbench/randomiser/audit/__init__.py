"""Audit: the assignment of every exposed unit computed again, compared with the log, and the cause of a difference named.

============  ==========================================================
auditing      `xp.audit`
report        what it says
exposure_log  the log as columns
causes        the questions about rows that disagree, in their order
hypotheses    what may be wrong with a log, and can be recomputed
============  ==========================================================
"""
