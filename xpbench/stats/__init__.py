"""Statistics of experiments: moments → pair of means with covariance → critical multiplier → result.

Pure functions over moments, never over rows; numpy and scipy only; no hidden defaults. The kind of a metric changes only
how a pair is made, the design changes only the multiplier, and every interval, p-value and margin is read off one pivot.

==================  ==================================================================================
moments             n, means, covariances of one variant; merging; many cells as arrays
functionals         a column, a ratio, a formula: value and gradient at the means
pairs               two estimates with their 2×2 covariance
cuped               the same pair, narrowed by covariates
quantiles           ranks and variance of a quantile, also clustered
multipliers         critical multipliers: fixed, anytime; p- and e-values of the same designs
spending            group-sequential boundaries and repeated p-values
fieller             the pivot: effect and lift read off one statistic
inference           results and decisions of one metric
proportion          score intervals for tiny proportions
marginals           posterior of one variant's mean: Beta, Student
bayes               posteriors as Mixpanel describes them, and with a prior on effect or lift
multiplicity        Bonferroni, Holm, BH, e-BH, levels of intervals, families by role
srm                 sample ratio: χ², anytime, and how much bias it could cause
winsorize           pooled caps
designs             looks and multipliers, as planning sees them
planning            sample size, MDE, power
win_chance          the same where a change must also be large enough to matter
accrual             days, from a curve of new units
rest                conditional power, units still needed, extensions that keep the level, futility
stopped             estimates that stopping early does not exaggerate
shrinking           the prior of a portfolio, and what one lift is worth in its light
simulate            A/A and power by simulation on given moments
batch, batch_cuped  all of the core for thousands of comparisons at once
compatible          Mixpanel's documented numbers, next to ours
status              why there is no number
==================  ==================================================================================
"""
