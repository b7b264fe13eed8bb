"""Group-sequential boundaries by error spending, integrated numerically: Lan and DeMets 1983, Jennison and Turnbull 2000.

Between looks the score S = Z sqrt(t) is a Brownian motion. Its density on the continuation region is symmetric, so that only
its upper half is carried from look to look, on Gauss–Legendre nodes.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

from xpbench.verifier.pairs import NAN
from xpbench.verifier.quantiles import normal_isf, normal_tail

REFLECTION = "reflection"
FAR = 9.0
"""Standard deviations beyond which a density is nothing."""
CLOSEST = 1e-6
"""Looks that are less than this share of the information apart are one look, taken again."""
LEAST = 1e-14
"""The smallest p-value that is told apart from 0."""


@lru_cache(maxsize=8)
def legendre(n: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights of Gauss–Legendre over [−1, 1], by Newton's method on the recurrence."""
    out = []
    for i in range(n):
        x = math.cos(math.pi * (i + 0.75) / (n + 0.5))
        for _ in range(100):
            p, before = 1.0, 0.0
            for k in range(n):
                p, before = ((2 * k + 1) * x * p - k * before) / (k + 1), p
            slope = n * (x * p - before) / (x * x - 1)
            step = p / slope
            x -= step
            if abs(step) < 1e-15:
                break
        out.append((x, 2 / ((1 - x * x) * slope * slope)))
    return tuple(out)


def panels(edges: Sequence[float], n: int = 12) -> list[tuple[float, float]]:
    """Nodes and weights over neighbouring panels, from low to high."""
    out = []
    for low, high in pairwise(edges):
        middle, half = (low + high) / 2, (high - low) / 2
        out += [(middle + half * x, half * w) for x, w in reversed(legendre(n))]
    return out


def root(function: Callable[[float], float], low: float, high: float, *, close: float) -> float:
    """Where a function that changes sign between two places is zero: secants, kept inside, halving where they are slow."""
    at_low, at_high = function(low), function(high)
    if at_low == 0.0 or at_high == 0.0:
        return low if at_low == 0.0 else high
    for i in range(200):
        middle = (low + high) / 2
        if i % 3 != 2 and at_high != at_low:
            guess = high - at_high * (high - low) / (at_high - at_low)
            middle = guess if min(low, high) < guess < max(low, high) else middle
        value = function(middle)
        if value == 0.0 or abs(high - low) <= close:
            return middle
        if (value > 0) == (at_low > 0):
            if i % 3 == 0:
                at_high /= 2  # Illinois: the end that stays counts for less
            low, at_low = middle, value
        else:
            if i % 3 == 0:
                at_low /= 2
            high, at_high = middle, value
    return (low + high) / 2


class Boundary:
    """Multipliers and repeated p-values of the last of the looks that took place."""

    def __init__(self, information: tuple[float, ...], spending: str, final: bool) -> None:
        self.information, self.spending, self.final = information, spending, final
        self._known: dict[float, float] = {}

    @property
    def is_light(self) -> bool:
        """Whether so many looks, so close to each other, are integrated in a moment; the rest is left to the engine."""
        if self.spending == REFLECTION:
            return True
        gaps = [b - a for a, b in pairwise((0.0, *self.information))]
        counts = [4 * math.sqrt(t) / math.sqrt(min(gaps[i : i + 2])) for i, t in enumerate(self.information[:-1])]
        return len(gaps) <= 60 and sum(n * n for n in counts) <= 30_000 and min(gaps) > 0

    def _spent(self, i: int, alpha: float) -> float:
        t = self.information[i]
        if t >= 1.0 or (self.final and i == len(self.information) - 1):
            return alpha
        if self.spending == "pocock":
            return alpha * math.log1p((math.e - 1.0) * t)
        return 4.0 * normal_tail(normal_isf(alpha / 4.0) / math.sqrt(t))

    def q(self, alpha: float) -> float:
        """Two-sided multiplier of the last look; infinite where nothing is left to spend."""
        if self.spending == REFLECTION:  # z(1 − α/4) / √t: four tails of the last moment bound the way to it
            return normal_isf(alpha / 4.0) / math.sqrt(min(self.information[-1], 1.0))
        if alpha not in self._known:
            self._known[alpha] = self._integrated(alpha)
        return self._known[alpha]

    def _integrated(self, alpha: float) -> float:
        mass: list[tuple[float, float]] = [(0.0, 0.5)]  # the upper half of a point at 0
        gone, before, bound, planned = 0.0, 0.0, math.inf, -1.0
        for i, t in enumerate(self.information):
            sd = math.sqrt(t - before)
            amount = 0.0 if self._spent(i, alpha) == planned else self._spent(i, alpha) - gone
            planned = self._spent(i, alpha)
            bound = _bound(mass, math.sqrt(t), sd, amount)
            if i == len(self.information) - 1:
                break
            gone += _exit(mass, bound * math.sqrt(t), sd) if bound < math.inf else 0.0
            limit = min(bound, FAR) * math.sqrt(t)
            width = 4.0 * min(sd, math.sqrt(self.information[i + 1] - t))
            count = max(1, min(math.ceil(limit / width), 200))
            nodes = panels([limit * j / count for j in range(count + 1)], 16)
            mass, before = _carried(mass, nodes, sd), t
        return bound

    @property
    def is_spaced(self) -> bool:
        """Whether an estimate after a stop is given: after a first look, over at most 30 that are not too close."""
        gaps = [b - a for a, b in pairwise(self.information)]
        return bool(gaps) and len(gaps) < 30 and min(gaps) >= 2e-3

    def after_stop(
        self, z: float, alpha: float, own: float, other: Sequence[float]
    ) -> tuple[tuple[float, float, float], float]:
        """Median-unbiased drift and its interval by the order of stages, and the p-value of no drift.

        The boundary is used at the level `own`, and never beyond the `other` multipliers of the looks before this one.
        """
        count = len(self.information) - 1
        bounds = [min(Boundary(self.information[: i + 1], self.spending, False).q(own), other[i]) for i in range(count)]
        centre, reach = z / math.sqrt(self.information[-1]), 1 / math.sqrt(self.information[0])

        def at(share: float) -> float:
            def gap(drift: float) -> float:
                return self._above(z, bounds, drift) - share

            low, high = centre - 4 * reach, centre + 4 * reach
            while gap(low) > 0 and centre - low < 1e3 * reach:
                low -= 4 * reach
            while gap(high) < 0 and high - centre < 1e3 * reach:
                high += 4 * reach
            return root(gap, low, high, close=1e-12 * (high - low))

        none = self._above(z, bounds, 0.0)
        return (at(0.5), at(alpha / 2), at(1 - alpha / 2)), 2 * min(none, 1 - none)

    def _above(self, z: float, bounds: Sequence[float], drift: float) -> float:
        """Chance of a result at least as high, under a drift: the density of the score is not symmetric then."""
        mass, before, above = [(0.0, 1.0)], 0.0, 0.0
        for i, t in enumerate(self.information):
            sd, push = math.sqrt(t - before), drift * (t - before)
            last = i + 1 == len(self.information)
            edge = (z if last else bounds[i]) * math.sqrt(t)
            if edge < math.inf:
                above += math.fsum(m * normal_tail((edge - s - push) / sd) for s, m in mass)
            if last:
                break
            centres = [s + push for s, _ in mass]
            low, high = max(-edge, min(centres) - FAR * sd), min(edge, max(centres) + FAR * sd)
            width = 4.0 * min(sd, math.sqrt(self.information[i + 1] - t))
            count = max(1, min(math.ceil((high - low) / width), 400))
            new, scale = [], 1 / (sd * math.sqrt(2 * math.pi))
            for x, w in panels([low + (high - low) * j / count for j in range(count + 1)], 16):
                density = math.fsum(m * math.exp(-0.5 * ((x - s - push) / sd) ** 2) for s, m in mass)
                new.append((x, w * scale * density))
            mass, before = new, t
        return above

    def p(self, z: float) -> float:
        """Repeated p-value: the smallest level at which the boundary of the last look is crossed."""
        if math.isnan(z):
            return NAN
        size = abs(z)
        if self.spending == REFLECTION:
            return min(1.0, 4.0 * normal_tail(size * math.sqrt(min(self.information[-1], 1.0))))

        def gap(log_alpha: float) -> float:
            q = self.q(math.exp(log_alpha))
            return q - size if q < math.inf else 1.0  # what is infinite is never crossed

        low, high = math.log(LEAST), math.log(1.0 - 1e-9)
        if gap(high) >= 0.0:
            return 1.0
        if gap(low) <= 0.0:
            return LEAST
        for alpha, q in self._known.items():  # what other rows asked for narrows the search
            place = math.log(alpha)
            if q > size:
                low = max(low, place)
            else:
                high = min(high, place)
        return math.exp(root(gap, low, high, close=1e-12))


def bounds_of(spent: Sequence[float], information: Sequence[float]) -> list[float]:
    """Two-sided boundaries that have spent so much by each look, whatever the schedule; good to about six digits.

    Args:
        spent: Probability of having crossed by each look, never falling.
        information: Of each look, as a share of the last one, increasing.
    """
    mass: list[tuple[float, float]] = [(0.0, 0.5)]
    gone, before, out = 0.0, 0.0, []
    for i, t in enumerate(information):
        sd = math.sqrt(t - before)
        amount = spent[i] - gone if spent[i] - gone > 1e-9 * spent[i] else 0.0
        bound = _bound(mass, math.sqrt(t), sd, amount)
        out.append(bound)
        if i == len(information) - 1:
            break
        gone += _exit(mass, bound * math.sqrt(t), sd) if bound < math.inf else 0.0
        limit = min(bound, FAR) * math.sqrt(t)
        width = 2.0 * min(sd, 3.0 * math.sqrt(information[i + 1] - t))
        count = max(2, min(math.ceil(limit / width), 150))
        mass, before = _carried(mass, panels([limit * j / count for j in range(count + 1)], 7), sd), t
    return out


def crossing_rate(information: Sequence[float], alpha: float) -> float:
    """Chance that a true null looks significant at one of several looks, each judged at the level of a single one.

    Source: Armitage, McPherson, Rowe 1969.
    """
    kept: list[float] = []
    for t in information:
        if kept and t < kept[-1] + CLOSEST:  # the same look, taken again
            kept[-1] = t
        else:
            kept.append(t)
    bound, mass, before, gone = normal_isf(alpha / 2), [(0.0, 0.5)], 0.0, 0.0
    for i, t in enumerate(kept):
        sd = math.sqrt(t - before)
        gone += _exit(mass, bound * math.sqrt(t), sd)
        if i + 1 < len(kept):
            limit = bound * math.sqrt(t)
            count = max(2, min(math.ceil(limit / (1.5 * min(sd, math.sqrt(kept[i + 1] - t)))), 200))
            mass, before = _carried(mass, panels([limit * j / count for j in range(count + 1)]), sd), t
    return gone


def _carried(mass: Sequence[tuple[float, float]], nodes: Sequence[tuple[float, float]], sd: float) -> list[tuple[float, float]]:
    """The density after a step of this spread, times the weights of its new nodes; what is FAR away adds nothing."""
    places, reach, scale = [s for s, _ in mass], FAR * sd, 1 / (sd * math.sqrt(2 * math.pi))
    out = []
    for x, w in nodes:
        density = 0.0
        for s, m in mass[bisect_left(places, x - reach) : bisect_right(places, x + reach)]:
            a = (x - s) / sd
            density += m * math.exp(-0.5 * a * a)
        for s, m in mass[: bisect_right(places, reach - x)]:
            a = (x + s) / sd
            density += m * math.exp(-0.5 * a * a)
        out.append((x, w * scale * density))
    return out


def _exit(mass: Sequence[tuple[float, float]], edge: float, sd: float) -> float:
    """Probability of leaving on either side."""
    return 2.0 * math.fsum(m * (normal_tail((edge - s) / sd) + normal_tail((edge + s) / sd)) for s, m in mass)


def _bound(mass: Sequence[tuple[float, float]], size: float, sd: float, amount: float) -> float:
    """The boundary for |Z| at which the probability of leaving is `amount`."""
    if amount < 1e-15:
        return math.inf
    if _exit(mass, FAR * size, sd) >= amount or _exit(mass, 0.0, sd) <= amount:
        return math.inf
    low, high, z = 0.0, FAR, min(max(normal_isf(min(amount / 2, 0.49)), 0.1), FAR - 0.1)
    for _ in range(100):
        edge = z * size
        over = _exit(mass, edge, sd) - amount
        low, high = (z, high) if over > 0 else (low, z)
        density = 2.0 * math.fsum(
            m * (math.exp(-0.5 * ((edge - s) / sd) ** 2) + math.exp(-0.5 * ((edge + s) / sd) ** 2)) for s, m in mass
        )
        slope = density * size / (sd * math.sqrt(2 * math.pi))
        new = z + over / slope if slope > 0 else (low + high) / 2
        new = new if low < new < high else (low + high) / 2
        if abs(new - z) <= 1e-14 * z:
            return new
        z = new
    return z


@lru_cache(maxsize=64)
def boundary_of(information: tuple[float, ...], spending: str, final: bool) -> Boundary:
    """One boundary for all rows of a readout: what one row has integrated serves the next."""
    return Boundary(information, spending, final)
