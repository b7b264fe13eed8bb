"""From moments to a decision: the seal, the readout, the rule of the plan, and what it recommends.

===========  ========================================================================================
seal         when effects may be seen
harm         a yes or no about guardrails that may be read daily
analysis     all rows of a readout
rows         one row: a metric for one treatment against control
estimate     from the moments of a metric to a pair of estimates
designs      the model of the plan as multiplier and p-value
bayesian     which posterior belongs to which metric and prior
margins      whether a guardrail is within its margin
segments     results by declared segment
novelty      whether an effect fades, grows or hangs on the day
interaction  two experiments on the same units
path         how the estimate moved as units came in
looks        what looking has cost
deviations   where the analysis differs from the plan as registered
locking      what every metric means, on record when a plan is frozen; drift, golden: how it is told
further      health that needs more than moments
rule         the decision rule: a total function
recommend    what the rule says about the rows
readout      what an analyst sees; exploration: the same for a table without a plan
power        what a plan can find
baselines    baselines from units of the past
history      values per unit from before the experiment
accrual      how fast units come in
rehearsal    a plan played on traffic of the past; rehearsal_report, rehearsal_stage, rehearsal_sums: its parts
calibration  A/A calibration of a plan on its own traffic
===========  ========================================================================================
"""

import xpbench.stats  # noqa: F401 - before scipy.special, so that it loads without what nobody uses
