"""Posteriors of the comparison: as Mixpanel describes its model, and with a prior on the effect or on the lift.

Closed form and quadrature throughout: no draws, no seed. None of it controls error rates under peeking: with a flat or a
one-observation prior, "chance to beat control" at a stopping rule is as inflated as a p-value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from xpbench.stats.arguments import check_choice, check_positive, check_share, refuse
from xpbench.stats.fieller import z_lift
from xpbench.stats.functionals import Functional, functional
from xpbench.stats.inference import Direction
from xpbench.stats.marginals import Beta, Marginal, Student
from xpbench.stats.moments import Floats, Moments, merge
from xpbench.stats.pairs import Pair, pair_of
from xpbench.stats.proportion import Counts
from xpbench.stats.roots import brentq, minimize_scalar
from xpbench.stats.status import Status

_Z = np.linspace(-8.5, 8.5, 341)
_WEIGHT = np.exp(-0.5 * _Z * _Z)
_WEIGHT = _WEIGHT / _WEIGHT.sum()
"""The trapezoidal rule over a normal: exact to rounding for smooth functions."""

_ONE = np.array([-1.0, 1.0])

NEAR_ZERO = 0.01
"""A control below this share of its expectation counts as zero for the lift."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """What the posterior says of one metric.

    Attributes:
        chance: Probability that the treatment is better, in the metric's direction.
        effect: Posterior mean of the effect, metric units.
        lift: Posterior median of the lift; NaN where it has no meaning.
        low: Lower end of the narrowest interval for the lift that holds the probability asked for.
        high: Upper end.
        risk: Expected loss of shipping: mean of the harm, in metric units, counting gain as 0.
        risk_control: Expected loss of not shipping.
        status: `ok`, or why there is no posterior.
    """

    chance: float
    effect: float
    lift: float
    low: float
    high: float
    risk: float
    risk_control: float
    status: Status = "ok"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        out: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in out.items()}


def _none(status: Status) -> Posterior:
    return Posterior(*(math.nan,) * 7, status=status)


def narrowest(quantile: Callable[[float], float], *, mass: float) -> tuple[float, float]:
    """Ends of the narrowest interval that holds `mass` of a unimodal distribution (highest density interval).

    Args:
        quantile: Inverse distribution function.
        mass: Probability inside, in (0, 1).
    """
    check_share("mass", mass)
    spare = 1.0 - mass

    def width(below: float) -> float:
        return quantile(below + mass) - quantile(below)

    found = minimize_scalar(
        width, bounds=(spare * 1e-6, spare * (1.0 - 1e-6)), method="bounded", options={"xatol": spare * 1e-7}
    )
    return quantile(float(found.x)), quantile(float(found.x) + mass)


def _quantile(cdf: Callable[[float], float], *, centre: float, step: float) -> Callable[[float], float]:
    """Inverse of a distribution function by bracketing outwards from its centre."""

    def at(p: float) -> float:
        low, high, width = centre - step, centre + step, step
        for _ in range(200):
            if cdf(low) <= p <= cdf(high):
                return brentq(lambda x: cdf(x) - p, low, high, xtol=1e-12 * step, rtol=1e-12)
            width *= 2.0
            low, high = (low - width, high) if cdf(low) > p else (low, high + width)
        return math.inf if p > 0.5 else -math.inf

    return at


def _reaching(control: Marginal, value: Floats, r: float) -> Floats:
    """P(M + r |M| >= value) of the control's mean M, for each value.

    M + r |M| rises with slope 1 + r from 0 to the right, and with slope 1 − r from the left to 0; for |r| > 1 one falls.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        right, left = value / (1.0 + r), value / (1.0 - r)
    positive = value > 0.0
    if r > 1.0 or r == 1.0:
        out = 1.0 - control.cdf(np.where(positive, right, 0.0))
        out = out + (control.cdf(np.where(positive, left, 0.0)) if r > 1.0 else 0.0)
        return np.where(positive, out, 1.0)
    if r < -1.0 or r == -1.0:
        reach = control.cdf(np.where(positive, 0.0, right)) if r < -1.0 else 1.0
        return np.where(positive, 0.0, reach - control.cdf(np.where(positive, 0.0, left)))
    return np.asarray(1.0 - control.cdf(np.where(positive, right, left)), dtype=np.float64)


def compare(control: Marginal, treatment: Marginal, *, direction: Direction, mass: float) -> Posterior:
    """Posterior of the comparison of two independent means, by quadrature over the control.

    Lift is (mt − mc) / |mc|, its distribution P(mt <= mc + r |mc|).

    Args:
        control: Posterior of the control's mean.
        treatment: Posterior of the treatment's mean.
        direction: Which way is better.
        mass: Probability inside the interval.

    Returns:
        The posterior; status `unbounded_lift`, with chance and risk but without lift, where the control's mean is near zero
        with more than half the probability left outside the interval.
    """
    check_choice("direction", direction, ("increase", "decrease"))
    at = control.at_normal(_Z)
    own = treatment.at_normal(_ONE)
    spread, effect = float(np.sqrt(_WEIGHT @ (at - control.mean) ** 2)), treatment.mean - control.mean
    middle = control.at_normal(_ONE)
    # the wider one's distribution is smooth where the narrower one lies; the other way round it is a step between nodes
    ratio = float((middle[1] - middle[0]) / (own[1] - own[0]))
    of, size = treatment.at_normal(_Z), np.abs(at)
    if ratio <= 1.0:
        below = float(_WEIGHT @ treatment.cdf(at))
        loss_up = float(_WEIGHT @ treatment.shortfall(at))  # E max(mc − mt, 0)
        loss_down = loss_up + effect  # E max(mt − mc, 0)
    else:
        below = float(_WEIGHT @ (1.0 - control.cdf(of)))
        loss_down = float(_WEIGHT @ control.shortfall(of))
        loss_up = loss_down - effect

    def cdf(r: float) -> float:
        if ratio * abs(1.0 + math.copysign(r, r * control.mean)) <= 1.0:  # mt − (1 + r) mc for a control above zero
            return float(_WEIGHT @ treatment.cdf(at + r * size))
        return float(_WEIGHT @ _reaching(control, of, r))

    up = direction == "increase"
    chance, risk, other = (1.0 - below, loss_up, loss_down) if up else (below, loss_down, loss_up)
    risks = max(risk, 0.0), max(other, 0.0)
    centre = control.mean
    near_zero = float(_WEIGHT @ (at * math.copysign(1.0, centre) < NEAR_ZERO * abs(centre)))
    if near_zero > (1.0 - mass) / 2.0:
        return Posterior(chance, effect, math.nan, math.nan, math.nan, *risks, status="unbounded_lift")

    step = (spread + 0.5 * float(own[1] - own[0])) / abs(centre) * (1.0 + abs(effect / centre))
    quantile = _quantile(cdf, centre=effect / abs(centre), step=max(step, 1e-12))
    low, high = narrowest(quantile, mass=mass)
    return Posterior(chance, effect, quantile(0.5), low, high, *risks)


def beta_marginals(found: Counts) -> tuple[Beta, Beta]:
    """Posteriors of two shares under Beta(m, 1 − m), m the pooled share: one pseudo-observation, as Mixpanel documents it.

    Raises:
        StatsError: `XPB-S01`, no unit, or all have (or all lack) the event, where the prior does not exist.
    """
    pooled = (found.x_c + found.x_t) / max(found.n_c + found.n_t, 1)
    if not 0.0 < pooled < 1.0:
        raise refuse(
            "events", f"{found.x_c + found.x_t} of {found.n_c + found.n_t}", "some units have the event and some lack it"
        )
    control = Beta(found.x_c + pooled, found.n_c - found.x_c + 1.0 - pooled)
    return control, Beta(found.x_t + pooled, found.n_t - found.x_t + 1.0 - pooled)


def beta_posterior(found: Counts, *, direction: Direction, mass: float) -> Posterior:
    """Chance, lift and risk for a 0/1 metric under Mixpanel's Beta prior.

    Args:
        found: Events and units.
        direction: Which way is better.
        mass: Probability inside the interval of the lift.

    Returns:
        The posterior; status `zero_variance` where all units have, or all lack, the event.
    """
    if found.n_c < 1 or found.n_t < 1:
        return _none("not_enough_units")
    if found.x_c + found.x_t in (0, found.n_c + found.n_t):
        return _none("zero_variance")
    posterior = compare(*beta_marginals(found), direction=direction, mass=mass)
    return replace(posterior, low=max(posterior.low, -1.0)) if posterior.low < -1.0 else posterior


def nig_marginal(*, n: int, mean: float, variance: float, prior_mean: float, prior_variance: float) -> Student:
    """Posterior of a mean under a Normal–Inverse-Gamma prior with one pseudo-observation.

    κ0 = 1, α0 = 1/2 and β0 = prior_variance / 2: one observation's worth of mean and one degree of freedom of variance, whose
    guess is `prior_variance`. Mixpanel does not publish α0 and β0; from a few hundred units on the choice can't be seen.

    Args:
        n: Units.
        mean: Mean.
        variance: Variance per unit, ddof 1.
        prior_mean: Centre of the prior.
        prior_variance: Guess of the variance per unit.

    Source: conjugate update, Murphy 2007, "Conjugate Bayesian analysis of the Gaussian distribution", eq. 85–110.
    """
    kappa, alpha = 1.0 + n, 0.5 + n / 2.0
    loc = (prior_mean + n * mean) / kappa
    beta = 0.5 * prior_variance + 0.5 * (n - 1) * variance + 0.5 * n * (mean - prior_mean) ** 2 / kappa
    return Student(loc, math.sqrt(beta / (alpha * kappa)), 2.0 * alpha)


def nig_posterior(c: Moments, t: Moments, *, subject: int | Functional, direction: Direction, mass: float) -> Posterior:
    """Chance, lift and risk for any metric under Mixpanel's Normal–Inverse-Gamma prior at the pooled mean and variance.

    Ratios and formulas use their linearised variance, with covariances (Mixpanel takes the parts as uncorrelated).

    Args:
        c: Moments of the control.
        t: Moments of the treatment.
        subject: Column, ratio or formula.
        direction: Which way is better.
        mass: Probability inside the interval of the lift.
    """
    pair = pair_of(c, t, subject=subject)
    if pair.status not in ("ok", "separation"):
        return _none(pair.status)
    pooled = merge(c, t)
    value, gradient = functional(subject).at(pooled.mean)
    finite = bool(np.isfinite(value)) and bool(np.isfinite(gradient).all())
    spread = float(gradient @ pooled.cov @ gradient) if finite else math.nan
    if not 0.0 < spread < math.inf:
        return _none("zero_variance" if spread == 0.0 else "not_finite")
    posteriors = []
    for m in (c, t):
        own, slope = functional(subject).at(m.mean)
        posteriors.append(
            nig_marginal(
                n=m.n, mean=float(own), variance=float(slope @ m.cov @ slope), prior_mean=float(value), prior_variance=spread
            )
        )
    return compare(posteriors[0], posteriors[1], direction=direction, mass=mass)


def posterior_effect(pair: Pair, *, prior_mean: float, prior_sd: float | None, direction: Direction, mass: float) -> Posterior:
    """Posterior under a normal prior on the effect, in closed form; `low` and `high` bound the effect, `lift` stays NaN.

    Args:
        pair: From any kind of metric, CUPED included.
        prior_mean: Centre of the prior, metric units.
        prior_sd: Its standard deviation; None for a flat prior, where chance = 1 − one-sided p.
        direction: Which way is better.
        mass: Probability inside the interval.
    """
    check_choice("direction", direction, ("increase", "decrease"))
    check_share("mass", mass)
    if pair.status != "ok":
        return _none(pair.status)
    precision = 1.0 / pair.variance
    prior = 0.0 if prior_sd is None else 1.0 / check_positive("prior_sd", prior_sd) ** 2
    sd = math.sqrt(1.0 / (precision + prior))
    mean = sd * sd * (precision * pair.effect + prior * prior_mean)
    up = Student(mean, sd, math.inf)
    loss_up, good = float(up.shortfall(np.zeros(1))[0]), 1.0 if direction == "increase" else -1.0
    risk, other = (loss_up, loss_up + mean) if good > 0 else (loss_up + mean, loss_up)
    low, high = up.at_normal(np.array([-1.0, 1.0]) * _z_of(mass))
    return Posterior(float(ndtr(good * mean / sd)), mean, math.nan, float(low), float(high), max(risk, 0.0), max(other, 0.0))


def _z_of(mass: float) -> float:
    """The z such that N(0, 1) holds `mass` within ± z."""
    return brentq(lambda z: 2.0 * ndtr(z) - 1.0 - mass, 0.0, 40.0, xtol=1e-13)


def posterior_lift(pair: Pair, *, prior_mean: float, prior_sd: float, direction: Direction, mass: float) -> Posterior:
    """Posterior under a normal prior on the lift and a flat one on the control's mean; risk is in units of the control's mean.

    With the control's mean integrated out, the likelihood of a lift r is the density of Fieller's contrast mt − (1 + r) mc at
    zero, so that the posterior is the prior times φ(z(r)) / sd(r): the same pivot as everywhere, on a grid.

    Args:
        pair: From any kind of metric, CUPED included.
        prior_mean: Centre of the prior of the lift, as a share.
        prior_sd: Its standard deviation.
        direction: Which way is better.
        mass: Probability inside the interval of the lift.

    Returns:
        The posterior; `effect`, `risk` and `risk_control` are lifts times |mc|.
    """
    check_choice("direction", direction, ("increase", "decrease"))
    check_positive("prior_sd", prior_sd)
    if pair.status != "ok":
        return _none(pair.status)
    if pair.mc == 0.0:
        return _none("control_near_zero")
    r, density = _lift_density(pair, prior_mean=prior_mean, prior_sd=prior_sd)
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
    density, cumulative = density / cumulative[-1], cumulative / cumulative[-1]

    def quantile(p: float) -> float:
        return float(np.interp(p, cumulative, r))

    below = float(np.interp(0.0, r, cumulative))
    loss_up, loss_down = (float(np.maximum(sign * r, 0.0) @ density) * abs(pair.mc) for sign in (-1.0, 1.0))
    chance, risk, other = (1.0 - below, loss_up, loss_down) if direction == "increase" else (below, loss_down, loss_up)
    low, high = narrowest(quantile, mass=mass)
    return Posterior(chance, float(r @ density) * abs(pair.mc), quantile(0.5), low, high, risk, other)


def _lift_density(pair: Pair, *, prior_mean: float, prior_sd: float) -> tuple[Floats, Floats]:
    """Grid of lifts and their posterior density, up to a factor; a grid that is not even has its own density beside it.

    The grid reaches over the prior, zooms in on where the mass is, and follows the data where they lie beyond the prior. A
    noisy control leaves mass over all of a wide prior (Fieller's contrast tells large lifts from each other badly): then
    the grid is even in asinh((r − centre) / scale), fine at the centre and coarse far out.
    """
    sign = -1.0 if pair.mc < 0.0 else 1.0
    centre, scale = _lift_scale(pair, prior_mean=prior_mean, prior_sd=prior_sd)

    def at(r: Floats) -> Floats:
        factor = 1.0 + sign * r
        variance = pair.vt + factor**2 * pair.vc - 2.0 * factor * pair.cov
        z = z_lift(mc=pair.mc, mt=pair.mt, vc=pair.vc, vt=pair.vt, cov=pair.cov, null=r)
        log = -0.5 * z**2 - 0.5 * np.log(variance) - 0.5 * ((r - prior_mean) / prior_sd) ** 2
        return np.asarray(np.exp(log - log.max()), dtype=np.float64)

    reach = 12.0 * prior_sd
    first, last = min(prior_mean - reach, centre - 12.0 * scale), max(prior_mean + reach, centre + 12.0 * scale)
    r = np.linspace(first, last, 4001)
    density = at(r)
    for _ in range(200):  # a noisy control puts the height where neither prior nor data alone expect it
        open_left, open_right = density[0] > 1e-18, density[-1] > 1e-18
        if not open_left and not open_right:
            break
        width = r[-1] - r[0]
        r = np.linspace(r[0] - width * open_left, r[-1] + width * open_right, 4001)
        density = at(r)
    for _ in range(20):
        kept = np.flatnonzero(density > 1e-18)
        low, high = r[max(kept[0] - 1, 0)], r[min(kept[-1] + 1, len(r) - 1)]
        if high - low > 0.5 * (r[-1] - r[0]):
            break
        r = np.linspace(low, high, 20_001)
        density = at(r)
    if r[1] - r[0] > 0.1 * scale:
        u = np.linspace(math.asinh((r[0] - centre) / scale), math.asinh((r[-1] - centre) / scale), 20_001)
        r = centre + scale * np.sinh(u)
        return r, at(r) * np.cosh(u)
    return r, density


def _lift_scale(pair: Pair, *, prior_mean: float, prior_sd: float) -> tuple[float, float]:
    """Centre and standard deviation of the posterior of the lift, were the likelihood normal in it."""
    lift, factor = pair.effect / abs(pair.mc), pair.mt / pair.mc
    noise = math.sqrt(max(pair.vt + factor**2 * pair.vc - 2.0 * factor * pair.cov, 0.0)) / abs(pair.mc)
    if noise <= 0.0:
        return lift, prior_sd
    share = 1.0 / (1.0 + (noise / prior_sd) ** 2)  # of the data
    return prior_mean + share * (lift - prior_mean), noise * math.sqrt(share)
