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
from scipy.special import ndtr, ndtri

from xpbench.stats.arguments import check_choice, check_positive, check_share, refuse
from xpbench.stats.fieller import z_lift
from xpbench.stats.functionals import Functional, functional
from xpbench.stats.inference import Direction
from xpbench.stats.marginals import Beta, Marginal, Student
from xpbench.stats.moments import Floats, Moments, merge
from xpbench.stats.pairs import Pair, pair_of
from xpbench.stats.proportion import EventCounts
from xpbench.stats.roots import brentq, minimize_scalar
from xpbench.stats.status import EstimateStatus

_FAR = 8.5
_NODES, _SHARES = np.polynomial.legendre.leggauss(4)


def _normal_rule(*breaks: float) -> tuple[Floats, Floats]:
    """Nodes and weights of an integral over a normal, in panels of a tenth of a standard deviation that end at the breaks."""
    edges = np.unique(np.concatenate([np.linspace(-_FAR, _FAR, 171), [b for b in breaks if abs(b) < _FAR]]))
    half, centre = np.diff(edges) / 2.0, (edges[1:] + edges[:-1]) / 2.0
    z = (centre[:, None] + half[:, None] * _NODES).ravel()
    weight = (half[:, None] * _SHARES).ravel() * np.exp(-0.5 * z * z)
    return z, weight / weight.sum()


def _zero_of(marginal: Marginal) -> float:
    """Where a marginal is 0, on the scale of a normal: there the size of a mean has a kink."""
    return float(ndtri(float(marginal.cdf(np.zeros(1))[0])))


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
    status: EstimateStatus = "ok"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        out: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in out.items()}


def _none(status: EstimateStatus) -> Posterior:
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
    z, weight = _normal_rule(_zero_of(control))
    z_t, weight_t = _normal_rule(_zero_of(treatment))
    at = control.at_normal(z)
    own = treatment.at_normal(_ONE)
    spread, effect = float(np.sqrt(weight @ (at - control.mean) ** 2)), treatment.mean - control.mean
    middle = control.at_normal(_ONE)
    # the wider one's distribution is smooth where the narrower one lies; the other way round it is a step between nodes
    reach, other_reach = float(middle[1] - middle[0]), float(own[1] - own[0])
    ratio = reach / other_reach if other_reach > 0.0 else math.inf
    of, size = treatment.at_normal(z_t), np.abs(at)
    piled = any(isinstance(m, Beta) and min(m.a, m.b) < 2.0 for m in (control, treatment))

    def over_control(values: Floats, others: Floats) -> bool:
        """Whether the integral over the control has the smaller steps between nodes: all but an atom at 0 or 1 has no width."""
        steps = [float(np.max(np.abs(np.diff(v)) * np.sqrt(w[1:] * w[:-1]))) for v, w in ((values, weight), (others, weight_t))]
        return steps[0] <= steps[1]

    if over_control(treatment.cdf(at), control.cdf(of)) if piled else ratio <= 1.0:
        below = float(weight @ treatment.cdf(at))
        loss_up = float(weight @ treatment.shortfall(at))  # E max(mc − mt, 0)
        loss_down = loss_up + effect  # E max(mt − mc, 0)
    else:
        below = float(weight_t @ (1.0 - control.cdf(of)))
        loss_down = float(weight_t @ control.shortfall(of))
        loss_up = loss_down - effect

    def cdf(r: float) -> float:
        if piled:
            by_control, by_treatment = treatment.cdf(at + r * size), _reaching(control, of, r)
            if over_control(by_control, by_treatment):
                return float(weight @ by_control)
            return float(weight_t @ by_treatment)
        if ratio * abs(1.0 + math.copysign(r, r * control.mean)) <= 1.0:  # mt − (1 + r) mc for a control above zero
            return float(weight @ treatment.cdf(at + r * size))
        return float(weight_t @ _reaching(control, of, r))

    up = direction == "increase"
    chance, risk, other = (1.0 - below, loss_up, loss_down) if up else (below, loss_down, loss_up)
    risks = max(risk, 0.0), max(other, 0.0)
    centre = control.mean
    below_edge = float(control.cdf(np.array([NEAR_ZERO * centre]))[0])
    near_zero = below_edge if centre > 0.0 else 1.0 - below_edge
    if near_zero > (1.0 - mass) / 2.0:
        return Posterior(chance, effect, math.nan, math.nan, math.nan, *risks, status="unbounded_lift")

    step = (spread + 0.5 * float(own[1] - own[0])) / abs(centre) * (1.0 + abs(effect / centre))
    quantile = _quantile(cdf, centre=effect / abs(centre), step=max(step, 1e-12))
    low, high = narrowest(quantile, mass=mass)
    return Posterior(chance, effect, quantile(0.5), low, high, *risks)


def beta_marginals(found: EventCounts) -> tuple[Beta, Beta]:
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


def beta_posterior(found: EventCounts, *, direction: Direction, mass: float) -> Posterior:
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
    lift = _Lift(pair, prior_mean=prior_mean, prior_sd=prior_sd)
    loss_up, loss_down = (x * abs(pair.mc) for x in lift.losses)
    below = lift.below(0.0)
    chance, risk, other = (1.0 - below, loss_up, loss_down) if direction == "increase" else (below, loss_down, loss_up)
    low, high = narrowest(lift.quantile, mass=mass)
    return Posterior(chance, loss_down - loss_up, lift.quantile(0.5), low, high, risk, other)


class _Lift:
    """Posterior of the lift on panels that adaptive quadrature has made as narrow as its shape asks for.

    A noisy control leaves mass over all of a wide prior, next to a sharp height where the data are: Fieller's contrast tells
    large lifts from each other badly. So panels are halved until Simpson's rule and its halves agree, from ends that lie
    densely around the prior, the data, what both together expect, and every height between them. One end is a lift of 0.
    """

    def __init__(self, pair: Pair, *, prior_mean: float, prior_sd: float) -> None:
        self._pair, self._prior, self._sign = pair, (prior_mean, prior_sd), -1.0 if pair.mc < 0.0 else 1.0
        ends, self._height = self._ends()
        low, high = ends[:-1], ends[1:]
        kept: list[Floats] = []
        fine: list[Floats] = []
        upto: list[Floats] = []
        moment: list[Floats] = []
        total = 0.0
        for depth in range(60):
            middle = 0.5 * (low + high)
            at = [low, 0.5 * (low + middle), middle, 0.5 * (middle + high), high]
            d = [self._density(x) for x in at]
            width = (high - low) / 12.0
            halves = width * (d[0] + 4.0 * d[1] + 2.0 * d[2] + 4.0 * d[3] + d[4])
            whole = 2.0 * width * (d[0] + 4.0 * d[2] + d[4])
            first = width * (at[0] * d[0] + 4.0 * at[1] * d[1] + 2.0 * at[2] * d[2] + 4.0 * at[3] * d[3] + at[4] * d[4])
            total = math.fsum(float(x.sum()) for x in (*fine, halves))
            done = (np.abs(halves - whole) <= 1e-11 * total) | (middle <= low) | (middle >= high) | (depth == 59)
            kept.append(low[done])
            fine.append((halves + (halves - whole) / 15.0)[done])
            upto.append(high[done])
            moment.append(first[done])
            low, high = np.concatenate([low[~done], middle[~done]]), np.concatenate([middle[~done], high[~done]])
            if not low.size:
                break
        order = np.argsort(np.concatenate(kept))
        self._low, self._high = np.concatenate(kept)[order], np.concatenate(upto)[order]
        mass, moments = np.maximum(np.concatenate(fine)[order], 0.0), np.concatenate(moment)[order]
        self._total = float(mass.sum())
        self._below = np.concatenate([[0.0], np.cumsum(mass)]) / self._total
        down = self._high <= 0.0
        self.losses = max(0.0, -float(moments[down].sum()) / self._total), max(0.0, float(moments[~down].sum()) / self._total)

    def _log(self, r: Floats) -> Floats:
        pair, (centre, sd), factor = self._pair, self._prior, 1.0 + self._sign * r
        variance = pair.vt + factor**2 * pair.vc - 2.0 * factor * pair.cov
        z = z_lift(mc=pair.mc, mt=pair.mt, vc=pair.vc, vt=pair.vt, cov=pair.cov, null=r)
        return np.asarray(-0.5 * z**2 - 0.5 * np.log(variance) - 0.5 * ((r - centre) / sd) ** 2, dtype=np.float64)

    def _density(self, r: Floats) -> Floats:
        return np.exp(self._log(r) - self._height)

    def _ends(self) -> tuple[Floats, float]:
        """Ends of the first panels, over all that is not negligible, and the logarithm of the greatest height."""
        (centre, sd), pair = self._prior, self._pair
        lift = pair.effect / abs(pair.mc)
        factor = pair.mt / pair.mc
        noise = math.sqrt(max(pair.vt + factor**2 * pair.vc - 2.0 * factor * pair.cov, 0.0)) / abs(pair.mc)
        around = [(centre, sd), (lift, noise), _lift_scale(pair, prior_mean=centre, prior_sd=sd)]
        around = [(c, s) for c, s in around if s > 0.0]
        low, high = min(c - 12.0 * s for c, s in around), max(c + 12.0 * s for c, s in around)
        for _ in range(200):  # a noisy control puts the height where neither prior nor data alone expect it
            at = np.unique(np.concatenate([[low, high], *(_around(c, s, low, high) for c, s in around)]))
            log = self._log(at)
            floor, width = float(log.max()) - 42.0, high - low
            open_left, open_right = log[0] > floor, log[-1] > floor
            if not open_left and not open_right:
                break
            low, high = low - width * open_left, high + width * open_right
        inner = np.flatnonzero((log[1:-1] >= log[:-2]) & (log[1:-1] >= log[2:]) & (log[1:-1] > floor)) + 1
        tops = []
        for i in inner:
            a, b = float(at[i - 1]), float(at[i + 1])
            for _ in range(30):
                x = np.linspace(a, b, 21)
                best = int(np.argmax(self._log(x)))
                a, b = float(x[max(best - 1, 0)]), float(x[min(best + 1, 20)])
                tops.append(x)
        at = np.unique(np.concatenate([at, [0.0], *tops]))
        log = self._log(at)
        height = float(log.max())
        kept = np.flatnonzero(log > height - 42.0)
        return at[max(kept[0] - 1, 0) : kept[-1] + 2], height

    def below(self, r: float) -> float:
        """Probability of a lift below r."""
        i = int(np.searchsorted(self._high, r))
        if i >= len(self._high):
            return 1.0
        if r <= self._low[i]:
            return float(self._below[i])
        return float(self._below[i]) + self._part(i, r)

    def _part(self, i: int, r: float) -> float:
        """Mass of panel i below r, by Boole's rule."""
        x = np.linspace(self._low[i], r, 5)
        return float((r - self._low[i]) / 90.0 * (self._density(x) @ _BOOLE)) / self._total

    def quantile(self, p: float) -> float:
        """The lift with probability p below it."""
        i = min(max(int(np.searchsorted(self._below, p)) - 1, 0), len(self._low) - 1)
        a, b = float(self._low[i]), float(self._high[i])
        aim = p - float(self._below[i])
        if aim <= 0.0 or self._part(i, b) <= aim:
            return a if aim <= 0.0 else b
        return brentq(lambda r: self._part(i, r) - aim, a, b, xtol=1e-14 * max(abs(a), abs(b)), rtol=1e-13)


_BOOLE = np.array([7.0, 32.0, 12.0, 32.0, 7.0])


def _around(centre: float, scale: float, low: float, high: float) -> Floats:
    """Places that lie densely around a centre, in units of its scale, and thin out towards both ends."""
    first, last = math.asinh((low - centre) / scale), math.asinh((high - centre) / scale)
    found = centre + scale * np.sinh(np.arange(math.ceil(first / 0.2), math.floor(last / 0.2) + 1) * 0.2)
    return np.asarray(found[(found > low) & (found < high)], dtype=np.float64)


def _lift_scale(pair: Pair, *, prior_mean: float, prior_sd: float) -> tuple[float, float]:
    """Centre and standard deviation of the posterior of the lift, were the likelihood normal in it."""
    lift, factor = pair.effect / abs(pair.mc), pair.mt / pair.mc
    noise = math.sqrt(max(pair.vt + factor**2 * pair.vc - 2.0 * factor * pair.cov, 0.0)) / abs(pair.mc)
    if noise <= 0.0:
        return lift, prior_sd
    share = 1.0 / (1.0 + (noise / prior_sd) ** 2)  # of the data
    return prior_mean + share * (lift - prior_mean), noise * math.sqrt(share)
