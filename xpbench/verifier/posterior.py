"""Bayesian rows by quadrature: Mixpanel's pooled priors, and a normal prior on the lift.

The engine integrates over the quantiles of the control with library functions for Beta and Student's t; here densities are
integrated as they stand, on a scale where they fall off like a normal, and normalised by their own integral.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
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
DIGITS = 1e-11
"""Relative distance within which two places are the same: a readout has twelve digits."""


def halved(ends: Sequence[float], log: Callable[[float], float]) -> list[float]:
    """Ends of panels, halved until a density's mass in each is that of its halves."""

    def mass(a: float, b: float) -> float:
        middle, half = (a + b) / 2, (b - a) / 2
        return half * math.fsum(w * math.exp(min(log(middle + half * x), 700.0)) for x, w in legendre(16))

    open_, done = [(a, b, mass(a, b)) for a, b in pairwise(ends)], [ends[0]]
    total = math.fsum(m for _, _, m in open_)
    open_.reverse()
    while open_:
        a, b, whole = open_.pop()
        middle = (a + b) / 2
        halves = mass(a, middle), mass(middle, b)
        if abs(sum(halves) - whole) <= 1e-12 * total or not a < middle < b or len(done) > 5_000:
            done.append(b)
        else:
            open_ += [(middle, b, halves[1]), (a, middle, halves[0])]
    return done


class Marginal:
    """Distribution of one variant's mean, from the logarithm of a density on a scale `s` of its own.

    Args:
        log: Logarithm of the density in s, up to a constant, highest at 0 and about −s²/2 near it.
        place: The mean's value at s, increasing.
        where: The inverse of `place`; may be infinite.
        mean: Expectation, or a place near it.
        edges: Ends of the panels on s; None to walk down from the height on both sides.
    """

    def __init__(
        self,
        log: Callable[[float], float],
        place: Callable[[float], float],
        where: Callable[[float], float],
        mean: float,
        edges: list[float] | None = None,
    ) -> None:
        self.log, self.place, self.where, self.mean = log, place, where, mean
        self.edges = edges or [0.0]
        for sign in (-1.0, 1.0) if edges is None else ():
            at, width = 0.0, 0.75
            while log(at) > -DEPTH and len(self.edges) < 2_000:
                at, width = at + sign * width, min(width * 1.12, 0.75 + 0.25 * abs(at))
                self.edges = [at, *self.edges] if sign < 0 else [*self.edges, at]
        if edges is None:
            self.edges = halved(self.edges, log)
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


def _over(c: Marginal, t: Marginal, r: float) -> list[tuple[float, float]]:
    """Values and weights over the control's mean that follow what the treatment's is up to at M + r |M|.

    The panels end at the control's own edges, at a mean of 0, and where M + r |M| is at an edge of the treatment: between
    them both densities are smooth, however narrow or one-sided the treatment's is.
    """
    ends = {*c.edges}
    for y in (0.0, *map(t.place, t.edges)):
        for side in (1.0, -1.0):
            x = y / (1 + side * r) if 1 + side * r else 0.0
            if side * x >= 0:
                ends.add(c.where(x))
    inside = sorted(x for x in ends if c.edges[0] <= x <= c.edges[-1])
    out = []
    for low, high in pairwise(inside):
        middle, half = (low + high) / 2, (high - low) / 2
        for x, w in legendre(10):
            s = middle + half * x
            out.append((c.place(s), half * w * math.exp(c.log(s)) / c.total))
    return out


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

    `below(r)` is the probability of a lift below r; None where the lift has no meaning. `close` is the probability within which
    two quadratures of it agree: less so where a control near 0 puts a kink into the lift.
    """

    chance: float
    risk: float
    below: Callable[[float], float] | None = None
    close: float = 1e-6


def _compared(c: Marginal, t: Marginal, *, up: bool, mass: float, few: bool) -> Posterior:
    found = [(w, *t.under(x)) for x, w in _over(c, t, 0.0)]
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
        lambda r: math.fsum(w * t.under(x + r * abs(x))[0] for x, w in _over(c, t, r)),
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


def _lift_prior(pair: Pair, mean: float, sd: float, *, up: bool) -> Posterior:
    """A normal prior on the lift: prior times the density of Fieller's contrast at 0, wherever its heights lie."""
    sign = -1.0 if pair.mc < 0 else 1.0

    def log(r: float) -> float:
        f = 1 + sign * r
        return (
            -0.5 * lift_z(pair, r) ** 2
            - 0.5 * math.log(pair.vt + f * f * pair.vc - 2 * f * pair.cov)
            - 0.5 * ((r - mean) / sd) ** 2
        )

    lift = (pair.mt - pair.mc) / abs(pair.mc)
    own = math.sqrt(pair.vt + (1 + sign * lift) ** 2 * pair.vc - 2 * (1 + sign * lift) * pair.cov) / abs(pair.mc)
    edges, top = _panels(log, [(mean, sd), (lift, own)])
    height = log(top)
    m = Marginal(lambda r: log(r) - height, float, float, top, edges)
    centre = top + m.moment[-1] / m.total
    less, short = m.under(0.0)
    loss_up = short * abs(pair.mc)  # E max(−r, 0) |mc|
    chance, risk = (1 - less, loss_up) if up else (less, loss_up + centre * abs(pair.mc))
    firm = abs(pair.mc) >= FIRM * math.sqrt(pair.vc)  # elsewhere earlier releases had a grid with three digits
    return Posterior(chance, max(risk, 0.0), lambda r: m.under(r)[0], 1e-5 if firm else LOOSE)


FIRM = 9.0
"""Standard errors by which a control differs from 0 where earlier releases had five digits of a lift under a prior."""


def _panels(log: Callable[[float], float], around: list[tuple[float, float]]) -> tuple[list[float], float]:
    """Ends of panels over all that lies within DEPTH of the height of a density, and where it is highest.

    A density may have a narrow height far out on a flat one, so the first ends lie densely around each of the given centres, in
    units of its scale, and panels are halved until the halves say the same.
    """
    low, high = min(c - 12 * s for c, s in around), max(c + 12 * s for c, s in around)
    for _ in range(200):
        ends = sorted({low, high, *(x for c, s in around for x in _spaced(c, s, low, high))})
        heights = [*map(log, ends)]
        floor = max(heights) - DEPTH
        width, left, right = high - low, heights[0] > floor, heights[-1] > floor
        if not left and not right:
            break
        low, high = low - width * left, high + width * right
    tops = [
        (_highest(log, ends[i - 1], ends[i + 1]), 1e-4 * (ends[i + 1] - ends[i - 1]))
        for i in range(1, len(ends) - 1)
        if heights[i - 1] <= heights[i] >= heights[i + 1] and heights[i] > floor
    ]
    top = max((at for at, _ in tops), key=log)
    floor = log(top) - DEPTH
    for at, step in tops:  # a height is as wide as a parabola through it says
        bend = 2 * log(at) - log(at - step) - log(at + step)
        if bend > 0:
            ends += [at, *(at + k * step / math.sqrt(bend) for k in (-9, -6, -4, -2.5, -1.2, 1.2, 2.5, 4, 6, 9))]
    ends = sorted(set(ends))
    kept = [i for i, x in enumerate(ends) if log(x) > floor]
    ends = ends[max(kept[0] - 1, 0) : kept[-1] + 2]
    height = log(top)
    return halved(ends, lambda x: log(x) - height), top


def _spaced(centre: float, scale: float, low: float, high: float) -> list[float]:
    """Places around a centre, half a scale apart near it and in steps of a quarter of the distance further out."""
    out, at, far = [centre], 0.5 * scale, max(high - centre, centre - low)
    while at < far:
        out += [x for x in (centre - at, centre + at) if low < x < high]
        at += max(0.5 * scale, 0.25 * at)
    return out


def _highest(log: Callable[[float], float], low: float, high: float) -> float:
    """The place of the height between two places, by golden sections."""
    share = (math.sqrt(5) - 1) / 2
    a, b = high - share * (high - low), low + share * (high - low)
    at_a, at_b = log(a), log(b)
    for _ in range(80):
        if at_a >= at_b:
            high, b, at_b = b, a, at_a
            a = high - share * (high - low)
            at_a = log(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + share * (high - low)
            at_b = log(b)
    return (low + high) / 2


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
    if found.below is None:
        return "" if row["lift"] is None or found.close >= LOOSE else "none: the control may be zero"
    ends = row["lift"], row["lift_low"], row["lift_high"]
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in ends):
        return "" if found.close >= LOOSE and row["lift"] is None else "a lift with an interval"
    less, more = ([found.below(x + side * DIGITS * (1 + abs(x))) for x in ends] for side in (-1, 1))
    if not less[0] - found.close <= 0.5 <= more[0] + found.close:  # a share that may be 0 puts all but an atom at one lift
        return f"half of the posterior below the lift, not {more[0]:.6f}"
    if not less[2] - more[1] - found.close <= mass <= more[2] - less[1] + found.close:
        return f"{mass} of the posterior inside the interval, not {more[2] - less[1]:.6f}"
    if found.close >= LOOSE:
        return ""
    _, low, high = ends
    step, spare = 1e-4 * (high - low), 1 - mass
    at_low, at_high = ([found.below(x + d) - found.below(x + d - step) for d in (0.0, step)] for x in (low, high))
    at_end = (more[1] < 1e-4 * spare and min(at_high) <= max(at_low) * 1.01) or (
        less[1] > spare * (1 - 1e-4) and min(at_low) <= max(at_high) * 1.01
    )
    crosses = (
        min(at_low) <= max(at_high) * 1.02 and min(at_high) <= max(at_low) * 1.02
    )  # a density may fall off a cliff at an end
    if low > -1.0 and not at_end and not crosses:
        return "the narrowest interval, not a shifted one"
    return ""
