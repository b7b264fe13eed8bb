"""Bayesian rows by quadrature: Mixpanel's pooled priors, and a normal prior on the lift.

The engine integrates over the quantiles of the control with library functions for Beta and Student's t; here densities are
integrated as they stand, on a scale where they fall off like a normal, and normalised by their own integral.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from xpbench.verifier.boundaries import legendre
from xpbench.verifier.designs import has_lift, lift_z
from xpbench.verifier.estimates import Estimate, functional_of
from xpbench.verifier.pairs import Pair, quadratic_form
from xpbench.verifier.report import J

DEPTH = 42.0
"""How far, as a logarithm, a density is followed down from its height."""
NEAR_ZERO = 0.01
WIDE = 100.0
FEW = 100
"""Units of a variant below which long tails leave two quadratures with fewer digits in common."""
LOOSE = 5e-3


class Marginal:
    """Distribution of one variant's mean, from the logarithm of a density on a scale `s` of its own.

    Args:
        log: Logarithm of the density in s, up to a constant, highest at 0 and about −s²/2 near it.
        place: The mean's value at s, increasing.
        where: The inverse of `place`; may be infinite.
        mean: Expectation, or a place near it.
    """

    def __init__(
        self, log: Callable[[float], float], place: Callable[[float], float], where: Callable[[float], float], mean: float
    ) -> None:
        self.log, self.place, self.where, self.mean = log, place, where, mean
        self.edges = [0.0]
        for sign in (-1.0, 1.0):
            at, width = 0.0, 0.75
            while log(at) > -DEPTH and len(self.edges) < 2_000:
                at, width = at + sign * width, min(width * 1.12, 0.75 + 0.25 * abs(at))
                self.edges = [at, *self.edges] if sign < 0 else [*self.edges, at]
        self.below, self.moment = [0.0], [0.0]
        for low, high in pairwise(self.edges):
            mass, moment = self._panel(low, high)
            self.below.append(self.below[-1] + mass)
            self.moment.append(self.moment[-1] + moment)
        self.total = self.below[-1]

    def _panel(self, low: float, high: float) -> tuple[float, float]:
        """Mass and first moment around the mean between two places of s."""
        middle, half, mass, moment = (low + high) / 2, (high - low) / 2, 0.0, 0.0
        for x, w in legendre(16):
            s = middle + half * x
            f = half * w * math.exp(self.log(s))
            mass += f
            moment += f * (self.place(s) - self.mean)
        return mass, moment

    def under(self, x: float) -> tuple[float, float]:
        """P(M < x) and E max(x − M, 0)."""
        s = self.where(x)
        if s <= self.edges[0]:
            return 0.0, 0.0
        if s >= self.edges[-1]:
            return 1.0, x - self.mean - self.moment[-1] / self.total
        i = bisect_right(self.edges, s) - 1
        mass, moment = self._panel(self.edges[i], s)
        mass, moment = (self.below[i] + mass) / self.total, (self.moment[i] + moment) / self.total
        return mass, (x - self.mean) * mass - moment

    def density(self, x: float) -> float:
        """Density of the mean at x, by the slope of `place`."""
        s = self.where(x)
        if not self.edges[0] < s < self.edges[-1]:
            return 0.0
        h = 1e-5
        return math.exp(self.log(s)) / self.total * 2 * h / (self.place(s + h) - self.place(s - h))

    def spread(self) -> float:
        """Half the distance between the values at s = −1 and 1: about a standard deviation."""
        return (self.place(1.0) - self.place(-1.0)) / 2

    def steps(self, fineness: float) -> list[tuple[float, float]]:
        """Values and weights of the trapezoidal rule in s, which is exact to rounding for densities like these."""
        h = 0.5 / fineness
        low, high = math.floor(self.edges[0] / h), math.ceil(self.edges[-1] / h)
        raw = [(self.place(i * h), math.exp(self.log(i * h))) for i in range(low, high + 1)]
        whole = math.fsum(w for _, w in raw)
        return [(x, w / whole) for x, w in raw if w > 1e-18 * whole]


def student(loc: float, scale: float, df: float) -> Marginal:
    """Student's t around `loc`, on the scale s of t = sqrt(ν) sinh(s / sqrt ν): its density there is cosh(s / sqrt ν)^−ν."""
    wide = math.sqrt(df)

    def log(s: float) -> float:
        u = abs(s) / wide
        if u < 1e-3:
            return -df * (u * u / 2 - u**4 / 12)
        return -df * (u + math.log1p(math.exp(-2 * u)) - math.log(2))

    return Marginal(
        log,
        lambda s: loc + scale * wide * math.sinh(s / wide),
        lambda x: wide * math.asinh((x - loc) / (scale * wide)),
        loc,
    )


def beta(a: float, b: float) -> Marginal:
    """Beta(a, b) on the scale of the log odds around their mode, in units of their own spread."""
    centre, spread = math.log(a / b), math.sqrt((a + b) / (a * b))

    def share(s: float) -> float:
        v = centre + spread * s
        return 1 / (1 + math.exp(-v)) if v > -700 else math.exp(v)

    def log_at(s: float) -> float:
        v = centre + spread * s
        return a * v - (a + b) * (v + math.log1p(math.exp(-v)) if v > 0 else math.log1p(math.exp(v)))

    height = log_at(0.0)

    def where(x: float) -> float:
        if x <= 0 or x >= 1:
            return math.copysign(math.inf, x - 0.5)
        return (math.log(x) - math.log1p(-x) - centre) / spread

    return Marginal(lambda s: log_at(s) - height, share, where, a / (a + b))


@dataclass(frozen=True)
class Posterior:
    """What the posterior says of one row.

    `below(r)` is the probability of a lift below r, `density(r)` its density; None where the lift has no meaning. `close` is
    the probability within which two quadratures of it agree: less so where a control near 0 puts a kink into the lift.
    """

    chance: float
    risk: float
    below: Callable[[float], float] | None = None
    density: Callable[[float], float] | None = None
    close: float = 1e-6


def _compared(c: Marginal, t: Marginal, *, up: bool, mass: float, few: bool) -> Posterior:
    steps = c.steps(max(1.0, math.sqrt((1 + (c.spread() / t.spread()) ** 2) / 2)))
    found = [(w, *t.under(x)) for x, w in steps]
    less = math.fsum(w * p for w, p, _ in found)
    loss_up = math.fsum(w * s for w, _, s in found)  # E max(mc − mt, 0)
    chance, risk = (1 - less, loss_up) if up else (less, loss_up + t.mean - c.mean)
    edge = NEAR_ZERO * abs(c.mean)
    near_zero = c.under(edge)[0] if c.mean > 0 else 1 - c.under(-edge)[0]
    if near_zero > (1 - mass) / 2:
        return Posterior(chance, max(risk, 0.0), close=LOOSE if few else 1e-6)
    return Posterior(
        chance,
        max(risk, 0.0),
        lambda r: math.fsum(w * t.under(x + r * abs(x))[0] for x, w in steps),
        lambda r: math.fsum(w * abs(x) * t.density(x + r * abs(x)) for x, w in steps),
        1e-6 if near_zero < 1e-9 and not few else LOOSE,
    )


def _nig(metric: J, c: J, t: J, *, up: bool, mass: float) -> Posterior:
    """Normal–Inverse-Gamma at the pooled mean and variance: κ0 = 1, α0 = 1/2, β0 = pooled variance / 2."""
    subject, _ = functional_of(metric, c["columns"])
    n, size = c["n"] + t["n"], len(c["mean"])
    mean = [(c["n"] * x + t["n"] * y) / n for x, y in zip(c["mean"], t["mean"], strict=True)]
    gap = [y - x for x, y in zip(c["mean"], t["mean"], strict=True)]
    cov = [
        [
            ((c["n"] - 1) * c["cov"][i][j] + (t["n"] - 1) * t["cov"][i][j] + c["n"] * t["n"] / n * gap[i] * gap[j]) / (n - 1)
            for j in range(size)
        ]
        for i in range(size)
    ]
    centre, gradient = subject(mean)
    guess = quadratic_form(gradient, cov, gradient)
    out = []
    for cell in (c, t):
        own, slope = subject(cell["mean"])
        variance = quadratic_form(slope, cell["cov"], slope)
        kappa, alpha = 1.0 + cell["n"], 0.5 + cell["n"] / 2.0
        rate = 0.5 * guess + 0.5 * (cell["n"] - 1) * variance + 0.5 * cell["n"] * (own - centre) ** 2 / kappa
        out.append(student((centre + cell["n"] * own) / kappa, math.sqrt(rate / (alpha * kappa)), 2 * alpha))
    return _compared(*out, up=up, mass=mass, few=min(c["n"], t["n"]) < FEW)


def _lift_prior(pair: Pair, mean: float, sd: float, *, up: bool) -> Posterior | None:
    """A normal prior on the lift: prior times the density of Fieller's contrast at 0; None where it is too wide to follow."""
    sign = -1.0 if pair.mc < 0 else 1.0
    if abs(pair.mc) < FIRM * math.sqrt(pair.vc):
        return None

    def log(r: float) -> float:
        f = 1 + sign * r
        return (
            -0.5 * lift_z(pair, r) ** 2
            - 0.5 * math.log(pair.vt + f * f * pair.vc - 2 * f * pair.cov)
            - 0.5 * ((r - mean) / sd) ** 2
        )

    lift = (pair.mt - pair.mc) / abs(pair.mc)
    own = math.sqrt(pair.vt + (1 + sign * lift) ** 2 * pair.vc - 2 * (1 + sign * lift) * pair.cov) / abs(pair.mc)
    weight = sd * sd / (sd * sd + own * own)
    low, high = min(mean, lift) - 9 * (sd + own), max(mean, lift) + 9 * (sd + own)
    for _ in range(40):  # the grid closes in on what is within DEPTH of the height
        places = [low + (high - low) * i / 400 for i in range(401)]
        heights = [log(r) for r in places]
        floor = max(heights) - DEPTH
        kept = [i for i, h in enumerate(heights) if h > floor]
        width = high - low
        low, high = places[max(kept[0] - 1, 0)], places[min(kept[-1] + 1, 400)]
        if high - low > width / 4:
            break
    tops = [i for i in range(1, 400) if heights[i - 1] < heights[i] >= heights[i + 1] and heights[i] > floor]
    if len(tops) != 1:  # two heights far from each other
        return None
    start, spread = places[tops[0]], own * math.sqrt(weight)
    for _ in range(80):  # to the height, by Newton's steps on a parabola through three points
        a, b, c = log(start - spread / 8), log(start), log(start + spread / 8)
        bend = a - 2 * b + c
        step = spread / 16 * (a - c) / bend if bend < 0 else 0.0
        start += max(-spread, min(spread, step))
        if bend < 0:
            spread = spread / 8 / math.sqrt(-bend)
        if abs(step) < 1e-9 * spread:
            break
    height = log(start)
    try:
        m = Marginal(
            lambda s: log(start + s * spread) - height, lambda s: start + s * spread, lambda r: (r - start) / spread, start
        )
    except OverflowError:  # a height so sharp that the steps missed it
        return None
    centre = start + m.moment[-1] / m.total
    less, short = m.under(0.0)
    loss_up = short * abs(pair.mc)  # E max(−r, 0) |mc|
    chance, risk = (1 - less, loss_up) if up else (less, loss_up + centre * abs(pair.mc))
    return Posterior(chance, max(risk, 0.0), lambda r: m.under(r)[0], m.density, 1e-5)  # the engine's grid has that many digits


FIRM = 9.0
"""Standard errors by which a control must differ from 0 for a prior on the lift to be followed here."""


def posterior_of(plan: J, metric: J, est: Estimate, c: J, t: J) -> Posterior | None:
    """The posterior that the plan asks for; None where it is left to the engine (a control that may be zero)."""
    model = plan["model"]
    prior, up = model.get("prior") or {}, metric["direction"] == "increase"
    if prior.get("kind") == "lift" and prior.get("sd") is not None and prior.get("mean") is not None:
        return _lift_prior(est.pair, prior["mean"], prior["sd"], up=up) if has_lift(est.pair) else None
    if est.reduction is not None or metric["kind"] == "quantile":
        return _lift_prior(est.pair, 0.0, WIDE, up=up) if has_lift(est.pair) else None
    if est.share:
        x = [round(cell["mean"][0] * cell["n"]) for cell in (c, t)]
        pooled = sum(x) / (c["n"] + t["n"])
        few = min(c["n"], t["n"]) < FEW
        both = [beta(k + pooled, cell["n"] - k + 1 - pooled) for k, cell in zip(x, (c, t), strict=True)]
        return _compared(*both, up=up, mass=model["confidence"], few=few)
    return _nig(metric, c, t, up=up, mass=model["confidence"])


def misses(found: Posterior, row: J, mass: float) -> str:
    """What is wrong with a row's lift and interval under a posterior: the median, the probability inside, the narrowest."""
    if found.below is None or found.density is None:
        return "" if row["lift"] is None or found.close >= LOOSE else "none: the control may be zero"
    ends = row["lift"], row["lift_low"], row["lift_high"]
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in ends):
        return "" if found.close >= LOOSE and row["lift"] is None else "a lift with an interval"
    middle, low, high = (found.below(x) for x in ends)
    if abs(middle - 0.5) > found.close:
        return f"half of the posterior below the lift, not {middle:.6f}"
    if abs(high - low - mass) > found.close:
        return f"{mass} of the posterior inside the interval, not {high - low:.6f}"
    if found.close >= LOOSE:
        return ""
    at_low, at_high = found.density(row["lift_low"]), found.density(row["lift_high"])
    spare = 1 - mass
    at_end = (low < 1e-4 * spare and at_high <= at_low * 1.01) or (low > spare * (1 - 1e-4) and at_low <= at_high * 1.01)
    if row["lift_low"] > -1.0 and not at_end and abs(at_low - at_high) > 0.01 * (at_low + at_high):
        return "the narrowest interval, not a shifted one"
    return ""
