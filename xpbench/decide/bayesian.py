"""The Bayesian model of a plan: which posterior belongs to which metric and prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xpbench.decide.estimate import Estimate
from xpbench.plan.design import Bayesian
from xpbench.plan.metrics import MetricBase
from xpbench.stats.bayes import Posterior, beta_posterior, nig_posterior, posterior_effect, posterior_lift
from xpbench.stats.inference import Absolute, Relative
from xpbench.stats.proportion import counts

WIDE = 100.0
"""Standard deviation of a prior on the lift that says next to nothing: 10,000 %."""


@dataclass(frozen=True, slots=True)
class BayesianReading:
    """Posterior of one row.

    Attributes:
        chance: To beat control, in the metric's direction.
        effect: Posterior mean and central interval of the effect, metric units.
        lift: Posterior median and narrowest interval of the lift.
        risk: Expected loss of shipping.
        status: `ok`, or why there is no posterior.
    """

    chance: float
    effect: Absolute
    lift: Relative
    risk: float
    status: str


def read_posterior(model: Bayesian, metric: MetricBase, est: Estimate, *, mass: float) -> BayesianReading:
    """The posterior that the plan asks for.

    `pooled` prior: Beta for proportions, Normal–Inverse-Gamma for everything else, one pseudo-observation (after CUPED and for
    quantiles the pair is taken as normal, where one observation can't be seen). `lift` prior: normal on the lift.

    Args:
        model: From the plan.
        metric: Of the plan.
        est: Its estimate, status `ok`.
        mass: Probability inside the intervals.
    """
    pair, direction = est.pair, metric.direction
    flat = posterior_effect(pair, prior_mean=0.0, prior_sd=None, direction=direction, mass=mass)
    prior = model.prior
    found: Posterior
    if prior.kind == "lift" and prior.sd is not None and prior.mean is not None:
        found = posterior_lift(pair, prior_mean=prior.mean, prior_sd=prior.sd, direction=direction, mass=mass)
    elif est.reduction is not None or est.moments is None or est.is_quantile:
        found = posterior_lift(pair, prior_mean=0.0, prior_sd=WIDE, direction=direction, mass=mass)
    elif est.is_proportion:
        found = beta_posterior(counts(*est.moments, col=0), direction=direction, mass=mass)
    else:
        found = nig_posterior(*est.moments, subject=est.subject, direction=direction, mass=mass)
    known = all(math.isfinite(v) for v in (found.lift, found.low, found.high))
    return BayesianReading(
        found.chance,
        Absolute(flat.effect, pair.se, flat.low, flat.high),
        Relative(found.lift, found.low, found.high, "bounded" if known else "undefined"),
        found.risk,
        found.status,
    )
