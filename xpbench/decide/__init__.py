"""From moments to a decision: the seal, the readout, the rule of the plan, and what it recommends.

===========  ======================================================================
seal         when effects may be seen
harm         a yes or no about guardrails that may be read daily
analysis     all rows of a readout
row          one row: a metric for one treatment against control
estimate     from the moments of a metric to a pair of estimates
designs      the model of the plan as multiplier and p-value
saved        what each covariate takes out of the noise
worth        what a lift is worth in the light of other experiments
bayesian     which posterior belongs to which metric and prior
margins      whether a guardrail is within its margin
segments     results by declared segment
novelty      whether an effect fades, grows or depends on the day
interaction  two experiments on the same units
daily_path   how the estimate moved as units came in
looks        what looking has cost
drift        what every metric means, on record when a plan is frozen
deviations   where the analysis differs from the plan as registered
rule         the decision rule: a total function
recommend    what the rule says about the rows
whatnow      what keeps an experiment from an answer, and the cheapest way there
chances      what a run that has been read could have found
futility     when the rest is hopeless, and what giving up costs
readout      what an analyst sees; exploration: the same for a table without a plan
===========  ======================================================================
"""
