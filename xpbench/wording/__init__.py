"""Numbers, rows and verdicts in digits and words: one place, so that a row reads the same wherever it is shown.

Readout, charts, memo, forms and command line take their text from here. The verifier has its own, by design.

========  ============================================================
numbers   counts, shares, intervals, p-values
rows      one row of a readout: lift, effect, means, margin
verdicts  what a row shows, as a sign, a tone and a word
========  ============================================================
"""
