"""Group-sequential boundaries by error spending, computed by recursive integration.

Between looks the score S = Z sqrt(t) is a Brownian motion; its density on the continuation region is carried from look to look
on Gauss–Legendre nodes. Boundaries are two-sided and symmetric.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from xpbench.stats.arguments import check_choice, check_share, refuse
from xpbench.stats.moments import Floats
from xpbench.stats.roots import brentq

Spending = Literal["obrien_fleming", "pocock", "reflection"]

FAR = 9.0
"""Standard deviations beyond which a density is nothing."""
CLOSEST = 1e-6
"""Looks must be this share of the information apart: between closer ones next to nothing is learned, and the density is finer
than any grid."""
_PER_PANEL = 16
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_PER_PANEL)


def spent(t: float, *, alpha: float, spending: Spending) -> float:
    """Two-sided alpha spent by information fraction t; all of it from t = 1 on.

    Args:
        t: Share of the planned information, >= 0.
        alpha: Two-sided level in (0, 1).
        spending: Shape of the spending function.

    Source: Lan and DeMets 1983: 4 (1 − Φ(z_{1 − α/4} / sqrt t)) for O'Brien–Fleming, α ln(1 + (e − 1) t) for Pocock. The
        reflection boundary spends at most what O'Brien–Fleming does, and as much where every moment is a look.
    """
    check_choice("spending", spending, ("obrien_fleming", "pocock", "reflection"))
    if t >= 1.0:
        return alpha
    if t <= 0.0:
        return 0.0
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1.0) * t)
    return float(4.0 * ndtr(ndtri(alpha / 4.0) / math.sqrt(t)))


class _State(NamedTuple):
    """Density of the score on the continuation region after a look."""

    nodes: Floats
    mass: Floats  # density × weight
    t: float


_START = _State(np.zeros(1), np.ones(1), 0.0)


def _grid(limit: float, width: float, rule: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Nodes and weights over [−limit, limit], in panels of twice the width given where 150 reach."""
    panels = min(max(math.ceil(limit / width), 4), 150)
    edges = np.linspace(-limit, limit, panels + 1)
    half = (edges[1:] - edges[:-1]) / 2.0
    centre = (edges[1:] + edges[:-1]) / 2.0
    return (centre[:, None] + half[:, None] * rule[0]).ravel(), (half[:, None] * rule[1]).ravel()


def _step(
    state: _State,
    *,
    t: float,
    bound: float,
    drift: float,
    after: float | None,
    rule: tuple[Floats, Floats] = (_NODES, _WEIGHTS),
) -> _State:
    """Carry the density to information t and keep what lies within the bound; the look after it, if any, is at `after`."""
    dt = t - state.t
    sd = math.sqrt(dt)
    limit = min(bound, FAR + abs(drift) * math.sqrt(t)) * math.sqrt(t)
    width = sd if after is None else min(sd, 3.0 * math.sqrt(after - t))  # sixteen nodes resolve a sixth of a panel
    nodes, weights = _grid(limit, width, rule)
    gap = (nodes[:, None] - state.nodes[None, :] - drift * dt) / sd
    density = (np.exp(-0.5 * gap * gap) / (sd * math.sqrt(2.0 * math.pi))) @ state.mass
    return _State(nodes, density * weights, t)


def _exit(state: _State, *, t: float, bound: float, drift: float) -> tuple[float, float]:
    """Probability of leaving below and above at information t."""
    if math.isinf(bound):
        return 0.0, 0.0
    dt = t - state.t
    sd, edge = math.sqrt(dt), bound * math.sqrt(t)
    centre = state.nodes + drift * dt
    return float(ndtr((-edge - centre) / sd) @ state.mass), float(ndtr((centre - edge) / sd) @ state.mass)


def _check(information: Sequence[float]) -> None:
    if len(information) == 0 or information[0] <= 0.0 or any(b < a + CLOSEST for a, b in itertools.pairwise(information)):
        raise refuse(
            "information",
            list(information),
            "information fractions are above 0 and increase from look to look, by a millionth at least",
        )


def crossing(bounds: Sequence[float], information: Sequence[float], *, drift: float) -> tuple[Floats, Floats]:
    """Probabilities of first leaving below and above at each look.

    Args:
        bounds: Two-sided boundary for |Z| at each look.
        information: Information fraction at each look, increasing.
        drift: Expectation of Z at information 1.

    Returns:
        Lower and upper exit probabilities, one for each look.

    Source: recursive integration of Armitage, McPherson, Rowe 1969; Jennison and Turnbull 2000, ch. 19.
    """
    _check(information)
    state, low, high = _START, [], []
    for t, bound, after in zip(information, bounds, [*information[1:], None], strict=True):
        below, above = _exit(state, t=t, bound=bound, drift=drift)
        low.append(below)
        high.append(above)
        state = _step(state, t=t, bound=bound, drift=drift, after=after)
    return np.array(low), np.array(high)


def q_group(
    alpha: float,
    information: Sequence[float],
    spending: Spending,
    used: Sequence[float] = (),
    *,
    final: bool = False,
) -> list[float]:
    """Two-sided critical multiplier for every look so far, at the looks that really took place.

    Args:
        alpha: Two-sided level in (0, 1).
        information: Fraction of the planned information at each look, increasing; measured by variance, not by days. Beyond 1
            nothing is left to spend but at the look that first reaches it.
        spending: Shape of the spending function.
        used: Multipliers already used at the first looks; they stay as they were when later looks move.
        final: The last look given is the last of all: it spends whatever is left, at whatever information.

    Returns:
        Multipliers, infinite where nothing is left to spend. Repeated confidence intervals are effect ∓ q se.

    Source: Lan and DeMets 1983; Jennison and Turnbull 2000, ch. 7 and 9. Checked against published boundaries.
    """
    check_share("alpha", alpha)
    _check(information)
    check_choice("spending", spending, ("obrien_fleming", "pocock", "reflection"))
    if spending == "reflection":
        return [*map(float, used), *(q_reflection(alpha, t) for t in information[len(used) :])]
    if len(used) > len(information):
        raise refuse("used", list(used), f"used has at most one multiplier for each of the {len(information)} looks")
    if not used and _is_light(tuple(map(float, information))):
        return list(_light(alpha, tuple(map(float, information)), spending, final))
    state, gone, before, out = _START, 0.0, -1.0, []
    for i, t in enumerate(information):
        target = alpha if final and i == len(information) - 1 else spent(t, alpha=alpha, spending=spending)
        if i < len(used):
            bound = float(used[i])
        else:  # after a boundary that was solved for, nothing but rounding is left of the same target
            bound = _solve(state, t=t, amount=0.0 if target == before else target - gone)
            before = target
        gone += sum(_exit(state, t=t, bound=bound, drift=0.0))
        out.append(bound)
        after = information[i + 1] if i + 1 < len(information) else None
        state = _step(state, t=t, bound=bound, drift=0.0, after=after)
    return out


@lru_cache(maxsize=256)
def _light(alpha: float, information: tuple[float, ...], spending: Spending, final: bool) -> tuple[float, ...]:
    return tuple(_bounds(np.array([alpha]), information, spending, final)[0].tolist())


_PER_SD = 2.2
"""Nodes for each standard deviation of a step: at twice as many, boundaries move by less than 1e-12."""
_MOST = 400
"""Nodes of half a density beyond which looks are too close to each other to be integrated for many levels at once."""


def _widths(information: tuple[float, ...]) -> list[float]:
    """The finest structure of the density after each look but the last: that of the step to it, or of the one that follows."""
    steps = [math.sqrt(b - a) for a, b in itertools.pairwise((0.0, *information))]
    return [min(a, b) for a, b in itertools.pairwise(steps)]


def _is_light(information: tuple[float, ...]) -> bool:
    return all(_PER_SD * 4.5 * math.sqrt(t) / w <= _MOST for t, w in zip(information, _widths(information), strict=False))


def _bounds(alphas: Floats, information: tuple[float, ...], spending: Spending, final: bool) -> Floats:
    """Multipliers for several levels at once, shape (levels, looks): the upper half of each density, which is symmetric."""
    levels = len(alphas)
    nodes, mass, gone = np.zeros((levels, 1)), np.full((levels, 1), 0.5), np.zeros(levels)
    before, planned = 0.0, np.full(levels, -1.0)
    out = np.full((levels, len(information)), math.inf)
    widths = _widths(information)
    for i, t in enumerate(information):
        last = i == len(information) - 1
        target = alphas if final and last else _spent_all(t, alphas, spending)
        amount = np.where(target == planned, 0.0, target - gone)
        planned = target
        sd = math.sqrt(t - before)
        edge = _edges(nodes, mass, sd, amount, FAR * math.sqrt(t))
        out[:, i] = edge / math.sqrt(t)
        if last:
            break
        gone = gone + np.where(np.isfinite(edge), _leaving(nodes, mass, sd, edge)[0], 0.0)
        limit = np.minimum(edge, FAR * math.sqrt(t))
        x, w = _legendre(min(8 * math.ceil(1 + _PER_SD * float(limit.max()) / widths[i] / 8), 2 * _MOST))
        new = 0.5 * limit[:, None] * (1.0 + x)
        weight = 0.5 * limit[:, None] * w / (sd * math.sqrt(2.0 * math.pi))
        a, b = new[:, :, None] / sd, nodes[:, None, :] / sd
        kernel = np.exp(-0.5 * (a - b) ** 2)
        kernel += np.exp(-0.5 * (a + b) ** 2)
        nodes, mass, before = new, weight * np.einsum("lij,lj->li", kernel, mass), t
    return out


def _spent_all(t: float, alphas: Floats, spending: Spending) -> Floats:
    """`spent` at several levels."""
    if t >= 1.0:
        return alphas
    if spending == "pocock":
        return alphas * math.log1p((math.e - 1.0) * t)
    return np.asarray(4.0 * ndtr(ndtri(alphas / 4.0) / math.sqrt(t)), dtype=np.float64)


@lru_cache(maxsize=64)
def _legendre(n: int) -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(n)


def _leaving(nodes: Floats, mass: Floats, sd: float, edge: Floats) -> tuple[Floats, Floats]:
    """Probability of leaving on either side at each level's edge, and how fast it falls as the edge moves out."""
    a, b = (edge[:, None] - nodes) / sd, (edge[:, None] + nodes) / sd
    chance = 2.0 * ((ndtr(-a) + ndtr(-b)) * mass).sum(axis=1)
    slope = 2.0 / (sd * math.sqrt(2.0 * math.pi)) * ((np.exp(-0.5 * a * a) + np.exp(-0.5 * b * b)) * mass).sum(axis=1)
    return chance, slope


def _edges(nodes: Floats, mass: Floats, sd: float, amount: Floats, far: float) -> Floats:
    """The edge of each level at which so much leaves, by Newton's steps on its logarithm; infinite for none."""
    levels = len(amount)
    at_far, at_zero = (_leaving(nodes, mass, sd, np.full(levels, x))[0] for x in (far, 0.0))
    known = (amount >= 1e-15) & (at_far < amount) & (amount < at_zero)
    aim = np.sqrt(-2.0 * np.log(np.where(known, amount, 0.5)))
    edge = np.minimum(aim * sd, 0.9 * far)
    for _ in range(100):  # of a normal tail this root of its logarithm is all but linear
        chance, slope = _leaving(nodes, mass, sd, edge)
        chance = np.maximum(chance, 1e-300)
        root = np.sqrt(np.maximum(-2.0 * np.log(chance), 1e-6))
        new = np.clip(edge + (aim - root) * root * chance / np.maximum(slope, 1e-300), 0.0, far)
        moved = float(np.max(np.abs(new - edge)))
        edge = new
        if moved <= 1e-8 * far:  # the step after the next would be the square of this one
            break
    chance, slope = _leaving(nodes, mass, sd, edge)
    root = np.sqrt(np.maximum(-2.0 * np.log(np.maximum(chance, 1e-300)), 1e-6))
    edge = np.clip(edge + (aim - root) * root * chance / np.maximum(slope, 1e-300), 0.0, far)
    return np.where(known, edge, math.inf)


def q_reflection(alpha: float, t: float) -> float:
    """Two-sided multiplier z(1 − α/4) / sqrt t, for as many looks as one likes up to the horizon, at any time.

    Args:
        alpha: Two-sided level in (0, 1).
        t: Share of the planned information, above 0; beyond 1 it counts as 1.

    Source: the score is a Brownian motion W, and P(max |W(s)| ≥ b, s ≤ 1) ≤ 4 (1 − Φ(b)) by the reflection principle (Lévy's
        inequality); the limit of Lan and DeMets' O'Brien–Fleming boundary for endlessly many looks.
    """
    return float(-ndtri(check_share("alpha", alpha) / 4.0)) / math.sqrt(min(t, 1.0))


def p_reflection(z: float, t: float) -> float:
    """Repeated p-value min(1, 4 Φ(−|z| sqrt t)) of a look at t: at most alpha exactly where the boundary is crossed."""
    return math.nan if math.isnan(z) else min(1.0, 4.0 * float(ndtr(-abs(z) * math.sqrt(min(t, 1.0)))))


def _solve(state: _State, *, t: float, amount: float) -> float:
    """The boundary at which the probability of leaving is `amount`; infinite for next to nothing."""
    if amount < 1e-15:
        return math.inf

    def excess(bound: float) -> float:
        return sum(_exit(state, t=t, bound=bound, drift=0.0)) - amount

    return brentq(excess, 0.0, FAR, xtol=1e-12, rtol=1e-14) if excess(FAR) < 0.0 < excess(0.0) else math.inf


_COARSE: tuple[Floats, Floats] = np.polynomial.legendre.leggauss(6)


def spending_bounds(spent_by: Sequence[float] | Floats, information: Sequence[float] | Floats) -> list[float]:
    """Two-sided boundaries that have spent so much by each look, whatever the schedule; good to about six digits.

    Args:
        spent_by: Probability of having crossed by each look, never falling: a function of the calendar, for example.
        information: Information at each look as a share of the last one, increasing.

    Returns:
        Multipliers, infinite where nothing is left to spend.

    Source: Lan and DeMets 1989; recursive integration as in `q_group`.
    """
    _check(list(map(float, information)))
    state, gone, out = _START, 0.0, []
    for i, (t, target) in enumerate(zip(map(float, information), map(float, spent_by), strict=True)):
        bound = _solve(state, t=t, amount=target - gone if target - gone > 1e-9 * target else 0.0)
        gone += sum(_exit(state, t=t, bound=bound, drift=0.0))
        out.append(bound)
        if i + 1 < len(information):
            state = _step(state, t=t, bound=bound, drift=0.0, after=float(information[i + 1]), rule=_COARSE)
    return out


def p_group(z: float, information: Sequence[float], spending: Spending, *, final: bool = False) -> float:
    """Repeated p-value of the last look: the smallest alpha at which its boundary is crossed; NaN for a z that is NaN.

    It is below alpha exactly when the repeated confidence interval of this look excludes the null; 1 for any z where nothing
    is left to spend at this look, 1e-14 where it is smaller. Over several looks the p-value is the smallest so far.

    Args:
        z: Standardised effect at the last look.
        information: Fractions of all looks so far.
        spending: Shape of the spending function.
        final: The last look given is the last of all.

    Source: Jennison and Turnbull 2000, §9.3, repeated p-values.
    """
    if math.isnan(z):
        return math.nan
    if spending == "reflection":
        return p_reflection(z, information[-1])
    return _known(tuple(map(float, information)), spending, final).p(abs(z))


_PIECES = tuple(map(math.log, (1.0 - 1e-9, 0.95, 0.75, 0.4, 0.1, 4e-3, 2e-4, 5e-6, 1e-7, 1e-9, 1e-11, 1e-14)))
"""Levels between which the square of a boundary is one polynomial in the logarithm of the level."""
_DEGREE = 16


class _Known:
    """Levels of the last look by its boundary: integrated once at the nodes of a piece, for all metrics of a readout.

    What one metric asks for never changes the digits of another.
    """

    def __init__(self, information: tuple[float, ...], spending: Spending, final: bool) -> None:
        self._of = (information, spending, final)
        self._light = _is_light(information)
        self._pieces: dict[int, tuple[Floats, Floats]] = {}
        self._found: dict[float, float] = {}
        self._exact: dict[int, bool] = {}

    def _square(self, log_alpha: float) -> float:
        """Square of the boundary at one level."""
        if log_alpha not in self._found:
            information, spending, final = self._of
            self._found[log_alpha] = q_group(math.exp(log_alpha), information, spending, final=final)[-1] ** 2
        return self._found[log_alpha]

    def _piece(self, i: int) -> tuple[Floats, Floats]:
        """Levels (logarithms, falling) and squares of the boundary at the Chebyshev nodes of piece i, its ends included."""
        if i not in self._pieces:
            high, low = _PIECES[i], _PIECES[i + 1]
            at = 0.5 * (high + low) + 0.5 * (high - low) * np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)
            between = 0.5 * (at[:-1] + at[1:])[[0, _DEGREE // 2, -1]]
            found = _bounds(np.exp(np.concatenate([at, between])), *self._of)[:, -1] ** 2
            square = found[: _DEGREE + 1]
            if not np.isfinite(found).all():
                self._pieces[i], self._exact[i] = (at, square), False
                return self._pieces[i]
            gaps = [abs(_barycentric(at, square, float(x)) - y) for x, y in zip(between, found[_DEGREE + 1 :], strict=True)]
            self._exact[i] = max(gaps) <= 1e-11 * float(square[-1] - square[0]) / (high - low)
            self._pieces[i] = at, square
        return self._pieces[i]

    def _closer(self, guess: float, aim: float, at: Floats, square: Floats) -> float:
        """The level from a guess, by secants over boundaries that are integrated for it."""
        step = 1e-4 * float(at[0] - at[-1])
        slope = (_barycentric(at, square, guess + step) - _barycentric(at, square, guess - step)) / (2.0 * step)
        x, miss = guess, self._square(guess) - aim
        for _ in range(12):
            new: float = min(max(x - miss / slope, _PIECES[-1]), _PIECES[0])
            if abs(new - x) <= 1e-13:
                return new
            left = self._square(new) - aim
            slope, x, miss = (left - miss) / (new - x), new, left
            if abs(miss) <= 1e-14 * aim or slope == 0.0:
                return x
        return self._searched(aim)

    def p(self, size: float) -> float:
        """The level whose boundary is `size`."""
        aim = size * size
        top = self._square(_PIECES[0])
        if math.isinf(top) or top >= aim:  # no z crosses an infinite boundary
            return 1.0
        for i in range(len(_PIECES) - 1) if self._light else ():
            at, square = self._piece(i)
            if not np.isfinite(square).all():  # nothing is left to spend at some of these levels
                break
            if square[-1] >= aim:
                found = _level(at, square, aim)
                return math.exp(found if self._exact[i] else self._closer(found, aim, at, square))
        return 1e-14 if self._square(_PIECES[-1]) <= aim else math.exp(self._searched(aim))

    def _searched(self, aim: float) -> float:
        return float(brentq(lambda x: min(self._square(x), 1e6) - aim, _PIECES[-1], _PIECES[0], xtol=1e-12))


def _level(at: Floats, square: Floats, aim: float) -> float:
    """Where the polynomial of a piece is `aim`."""
    return brentq(lambda x: _barycentric(at, square, x) - aim, at[-1], at[0], xtol=1e-15, rtol=1e-15)


_SIGNS = np.where(np.arange(_DEGREE + 1) % 2 == 0, 1.0, -1.0) * np.where(
    np.isin(np.arange(_DEGREE + 1), (0, _DEGREE)), 0.5, 1.0
)


def _barycentric(at: Floats, value: Floats, x: float) -> float:
    """The polynomial through Chebyshev nodes at x: Berrut and Trefethen 2004."""
    gap = x - at
    if (hit := np.flatnonzero(gap == 0.0)).size:
        return float(value[hit[0]])
    weight = _SIGNS / gap
    return float(weight @ value / weight.sum())


@lru_cache(maxsize=32)
def _known(information: tuple[float, ...], spending: Spending, final: bool) -> _Known:
    return _Known(information, spending, final)
