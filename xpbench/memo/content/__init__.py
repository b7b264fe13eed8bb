"""What the page says, as plain text and numbers ready to show: a pure function of the payload.

Nothing here computes a statistic; every number is one of the frozen readout, turned into text by `digits`.

================  =======================================================================
page              `content`: all sections in one value
decision          headline, hypothesis, the rule of the plan
run               page one: dates, units, planned against found, money, what happens next
brief             two to five sentences for one kind of reader
metrics           the table of metrics and the forest plots
further_sections  segments, trends, other experiments, sensitivity
trust             health, looks, deviations, split and accrual, data, provenance
plain_words       values as plain text, marks and tones
================  =======================================================================
"""

from xpbench.memo.content.page import content

__all__ = ["content"]
