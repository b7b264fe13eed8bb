"""Preflight: the real hash over the real ids before launch, and every defect of ids, definition and hash by name.

==============  ==========================================================
preflighting    `xp.preflight`
report          what it says
defects         defects of ids, definitions and Mixpanel's hash
spellings       what ids are before they are hashed, and whether there are enough
predicted       what Mixpanel's hash forces on a flag
subject_shares  shares: planned, forced by the hash, realised
correlations    dependence between experiments on the same units
association     how strong a dependence is
balance         metrics of history by variant
==============  ==========================================================
"""
