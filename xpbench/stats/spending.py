"""Group-sequential boundaries by error spending, computed by recursive integration.

Between looks the score S = Z sqrt(t) is a Brownian motion; its density on the continuation region is carried from look to look
on Gauss–Legendre nodes. Boundaries are two-sided and symmetric.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
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
    if spending == "reflection":
        return [*map(float, used), *(q_reflection(alpha, t) for t in information[len(used) :])]
    if len(used) > len(information):
        raise refuse("used", list(used), f"used has at most one multiplier for each of the {len(information)} looks")
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


_PLACES = tuple(
    math.log(a) for a in (1e-14, 1e-11, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 4e-3, 0.015, 0.04, 0.1, 0.2, 0.35, 0.55, 0.8, 1.0 - 1e-9)
)
"""Levels at which boundaries are integrated once for all metrics of a readout."""


class _Known:
    """Boundaries of the last look by level; those at `_PLACES` serve every metric, so that each integrates few of its own.

    What one metric asks for never changes the digits of another.
    """

    def __init__(self, information: tuple[float, ...], spending: Spending, final: bool) -> None:
        self._of = (information, spending, final)
        self._found: dict[float, float] = {}

    def _bound(self, log_alpha: float) -> float:
        """Square of the boundary, which is all but linear in the logarithm of the level."""
        if log_alpha not in self._found:
            information, spending, final = self._of
            self._found[log_alpha] = q_group(math.exp(log_alpha), information, spending, final=final)[-1] ** 2
        return self._found[log_alpha]

    def p(self, size: float) -> float:
        """The level whose boundary is `size`."""
        aim, first, last = size * size, 0, len(_PLACES) - 1
        if math.isinf(self._bound(_PLACES[last])) or self._bound(_PLACES[last]) >= aim:  # no z crosses an infinite boundary
            return 1.0
        if self._bound(_PLACES[first]) <= aim:
            return 1e-14
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (middle, last) if self._bound(_PLACES[middle]) > aim else (first, middle)
        own = {x: self._bound(x) for x in _PLACES[max(first - 1, 0) : last + 2]}
        low, high, before = _PLACES[first], _PLACES[last], math.nan
        for _ in range(12):
            guess = _through(own, aim)
            if not low < guess < high:
                guess = (low + high) / 2.0
            own[guess] = self._bound(guess)
            if abs(own[guess] - aim) <= 1e-13 * aim or abs(guess - before) <= 1e-13:
                return math.exp(guess)
            before = guess
            low, high = (guess, high) if own[guess] > aim else (low, guess)
        return math.exp(brentq(lambda x: min(self._bound(x), 1e6) - aim, low, high, xtol=1e-12))


def _through(found: Mapping[float, float], aim: float) -> float:
    """Logarithm of the level by a polynomial through the four boundaries nearest to `aim`."""
    near = sorted(((b, a) for a, b in found.items() if math.isfinite(b)), key=lambda x: abs(x[0] - aim))[:4]
    out = 0.0
    for i, (b, a) in enumerate(near):
        out += a * math.prod((aim - c) / (b - c) for j, (c, _) in enumerate(near) if j != i and c != b)
    return out


@lru_cache(maxsize=32)
def _known(information: tuple[float, ...], spending: Spending, final: bool) -> _Known:
    return _Known(information, spending, final)
