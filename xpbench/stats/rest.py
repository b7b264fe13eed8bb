"""The rest of a horizon: the chance to get there, how far there is, what an extension costs, when to give up.

Everything is about one score S = Z sqrt(t), a Brownian motion in information t = units / horizon; its drift is what Z is
expected to be at the horizon. A look is a boundary for |Z|. Nothing here knows of a plan: the caller gives z now, t now, and
the looks ahead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import ndtr, ndtri

from xpbench.stats.arguments import check_choice, check_positive, check_share, refuse
from xpbench.stats.moments import Floats
from xpbench.stats.roots import brentq

RestReading = Literal["last", "any"]
"""What is still to be read: one look at the end, or the reflection boundary at any time up to it."""

FAR = 9.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Chances of what comes.

    Attributes:
        up: Chance to cross the upper boundary at one of the looks ahead.
        down: Chance to cross the lower one.
    """

    up: float
    down: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"up": self.up, "down": self.down}


def drift_of(effect: float, *, se: float, t: float) -> float:
    """What Z is expected to be at the horizon for a true effect, from the standard error at share t: effect / (se sqrt t).

    Args:
        effect: True effect on the scale of the standard error (metric units with the effect's, a share with the lift's).
        se: Standard error now.
        t: Share of the horizon that is in, above 0.
    """
    return effect / (check_positive("se", se) * math.sqrt(check_positive("t", t)))


def conditional_power(z: float, *, t: float, looks: Sequence[float], bounds: Sequence[float], drift: float) -> Ahead:
    """Chance to cross a boundary at one of the looks ahead, given where the score is now.

    Args:
        z: Standardised effect now.
        t: Share of the horizon that is in; 0 before the first unit.
        looks: Shares at the looks ahead, increasing, all above t.
        bounds: Two-sided multiplier at each of them.
        drift: Expectation of Z at share 1 (`drift_of`): under the effect that was planned for, or under the one found.

    Returns:
        Chances of first crossing up and down.

    Source: recursive integration of Armitage, McPherson, Rowe 1969 from the present score; for one look ahead
        Φ((z √t + drift (1 − t) − q) / √(1 − t)), Lan, Simon, Halperin 1982.
    """
    if not looks or len(looks) != len(bounds) or looks[0] <= t or any(b <= a for a, b in itertools.pairwise(looks)):
        raise refuse("looks", list(looks), f"looks ahead increase from more than {t:g}, each with one multiplier")
    nodes, mass, before = np.array([z * math.sqrt(t)]), np.ones(1), t
    up = down = 0.0
    for i, (at, bound) in enumerate(zip(looks, bounds, strict=True)):
        step = at - before
        sd, centre = math.sqrt(step), nodes + drift * step
        edge = bound * math.sqrt(at)
        if math.isfinite(edge):
            up += float(ndtr((centre - edge) / sd) @ mass)
            down += float(ndtr((-edge - centre) / sd) @ mass)
        if i + 1 == len(looks):
            break
        nodes, mass = carried(centre, mass, sd=sd, low=-edge, high=edge, after=looks[i + 1] - at)
        before = at
    return Ahead(up, down)


def carried(centre: Floats, mass: Floats, *, sd: float, low: float, high: float, after: float) -> tuple[Floats, Floats]:
    """Nodes and masses of the score after a look: what lies between two edges.

    Args:
        centre: Where each node is expected at this look.
        mass: Of each node.
        sd: Of the step to this look.
        low: Lower edge of what goes on.
        high: Upper edge.
        after: Information until the next look, for how fine the nodes must be.
    """
    if not mass.size:
        return centre, mass
    low, high = max(low, float(centre.min()) - FAR * sd), min(high, float(centre.max()) + FAR * sd)
    if high <= low:
        return np.zeros(0), np.zeros(0)
    width = min(sd, 3.0 * math.sqrt(after))
    ends = np.linspace(low, high, min(max(math.ceil((high - low) / width), 4), 200) + 1)
    half, middle = np.diff(ends) / 2.0, (ends[1:] + ends[:-1]) / 2.0
    nodes = (middle[:, None] + half[:, None] * _NODES).ravel()
    gap = (nodes[:, None] - centre[None, :]) / sd
    density = (np.exp(-0.5 * gap * gap) / (sd * math.sqrt(2.0 * math.pi))) @ mass
    return nodes, density * (half[:, None] * _WEIGHTS).ravel()


def reaching(level: float, *, over: float, drift: float) -> float:
    """Chance that a Brownian motion with this drift, now at 0, reaches a level within so much information.

    Args:
        level: Above 0; what is already reached has chance 1.
        over: Information still to come.
        drift: Of the motion, per unit of information.

    Source: reflection with drift, Cox and Miller 1965, §5.7.
    """
    if level <= 0.0:
        return 1.0
    if over <= 0.0:
        return 0.0
    sd = math.sqrt(over)
    first = float(ndtr((drift * over - level) / sd))
    log_tail = float(np.log(ndtr(-(level + drift * over) / sd) or 1e-300))
    return min(1.0, first + math.exp(min(2.0 * drift * level + log_tail, 0.0)))


def conditional_power_any_time(z: float, *, t: float, alpha: float, drift: float, until: float = 1.0) -> Ahead:
    """Chance to cross the reflection boundary z(1 − α/4) / √t at some moment from now on, were every moment a look.

    A few looks a day come close to it from below. Exact in closed form, but for paths that would reach both sides.

    Args:
        z: Standardised effect now.
        t: Share of the horizon that is in.
        alpha: Two-sided level of the plan.
        drift: Expectation of Z at share 1.
        until: End of the horizon as a share of the present one: above 1 for an extension, whose boundary is √until further out.
    """
    score, edge = z * math.sqrt(t), -float(ndtri(check_share("alpha", alpha) / 4.0)) * math.sqrt(until)
    over = until - t
    return Ahead(
        reaching(edge - score, over=over, drift=drift),
        reaching(edge + score, over=over, drift=-drift),
    )


def predictive_power(
    z: float,
    *,
    t: float,
    looks: Sequence[float],
    bounds: Sequence[float],
    prior_mean: float = 0.0,
    prior_sd: float | None = None,
) -> Ahead:
    """Conditional power averaged over what the data say of the effect, with a normal prior on the drift or a flat one.

    Args:
        z: Standardised effect now.
        t: Share of the horizon that is in, above 0.
        looks: Shares at the looks ahead.
        bounds: Two-sided multiplier at each of them.
        prior_mean: Centre of the prior of the drift.
        prior_sd: Its standard deviation; None for a flat prior.

    Source: predictive power, Spiegelhalter, Freedman, Blackburn 1986.
    """
    check_positive("t", t)
    precision = t + (0.0 if prior_sd is None else 1.0 / check_positive("prior_sd", prior_sd) ** 2)
    mean = (z * math.sqrt(t) + (0.0 if prior_sd is None else prior_mean / prior_sd**2)) / precision
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    found = [conditional_power(z, t=t, looks=looks, bounds=bounds, drift=mean + float(x) / math.sqrt(precision)) for x in nodes]
    share = weights / weights.sum()
    return Ahead(float(share @ [a.up for a in found]), float(share @ [a.down for a in found]))


def chance_by(
    until: float, *, z: float, t: float, alpha: float, drift: float, reading: RestReading, q: float | None = None, side: int = 1
) -> float:
    """Chance of a crossing on one side if units go on to `until` times the horizon.

    Args:
        until: Where the reading ends, as a share of the horizon, above t.
        z: Standardised effect now.
        t: Share of the horizon that is in.
        alpha: Two-sided level of the plan.
        drift: Expectation of Z at share 1.
        reading: `last`: once at the end, at multiplier `q`; `any`: by the reflection boundary at any time.
        q: Multiplier of the last look; None for the normal's at alpha.
        side: 1 for an increase, -1 for a decrease.
    """
    check_choice("reading", reading, ("last", "any"))
    if reading == "any":
        found = conditional_power_any_time(z, t=t, alpha=alpha, drift=drift, until=until)
    else:
        bound = -float(ndtri(alpha / 2.0)) if q is None else q
        found = conditional_power(z, t=t, looks=(until,), bounds=(bound,), drift=drift)
    return found.up if side > 0 else found.down


def horizon_needed(
    target: float,
    *,
    z: float,
    t: float,
    alpha: float,
    drift: float,
    reading: RestReading,
    q: float | None = None,
    side: int = 1,
    most: float = 1000.0,
) -> float | None:
    """The smallest end, as a share of the horizon, by which the chance of a crossing reaches the target; None where none does.

    Units that are still needed are (it − t) times the horizon. It is below 1 where any moment may be read and less is enough.

    Args:
        target: Chance asked for, in (0, 1).
        z: Standardised effect now.
        t: Share of the horizon that is in.
        alpha: Two-sided level of the plan.
        drift: Expectation of Z at share 1; on the other side than `side` nothing is enough.
        reading: As in `chance_by`.
        q: As in `chance_by`.
        side: 1 for an increase, -1 for a decrease.
        most: Largest end that is looked at.
    """
    check_share("target", target)
    if side * drift <= 0.0:
        return None

    def gap(log_end: float) -> float:
        end = math.exp(log_end)
        return chance_by(end, z=z, t=t, alpha=alpha, drift=drift, reading=reading, q=q, side=side) - target

    low, high = 0.0 if reading == "last" else math.log(max(t * (1.0 + 1e-9), 1e-6)), math.log(most)
    if gap(high) < 0.0:
        return None
    ends = np.linspace(low, high, 80)
    after = next(i for i, x in enumerate(ends) if gap(float(x)) >= 0.0)
    if after == 0:
        return math.exp(low)
    return math.exp(brentq(gap, float(ends[after - 1]), float(ends[after]), xtol=1e-10))


def fixed_evidence(z: float, *, t: float, alpha: float) -> float:
    """Evidence of a fixed test before its end: the chance that it rejects under the null, over its level.

    It may be looked at whenever one likes: under the null its mean stays 1, so that it ever reaches 1 / α with a chance of at
    most α. At the end it is 1 / α where the fixed test rejects, and 0 where not. So it loses nothing to the fixed test, and it
    can't end it early: before the end it stays below 1 / α.

    Args:
        z: Standardised effect now.
        t: Share of the horizon that is in, in [0, 1].
        alpha: Two-sided level of the fixed test.

    Source: Koning and van Meer 2025 (arXiv 2501.03982), the Gaussian case, summed over both sides.
    """
    check_share("alpha", alpha)
    if not 0.0 <= t <= 1.0:
        raise refuse("t", t, "a share of the horizon is in [0, 1]")
    q = -float(ndtri(alpha / 2.0))
    if math.isnan(z):
        return math.nan
    if t == 1.0:
        return 1.0 / alpha if abs(z) >= q else 0.0
    score, sd = z * math.sqrt(t), math.sqrt(1.0 - t)
    return float(ndtr((score - q) / sd) + ndtr((-score - q) / sd)) / alpha


@dataclass(frozen=True, slots=True)
class Extension:
    """What it would do to the error level to read until a later end.

    Attributes:
        before: Conditional chance of a false alarm from now on under the plan as it is.
        after: The same with the boundary of the same kind at the later end.
        keeps: Whether the later end may be chosen with the plan's own multiplier, and the level still holds.
        q: Multiplier of |Z| at the later end with which the level holds in any case.
    """

    before: float
    after: float
    keeps: bool
    q: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; an infinite multiplier becomes None."""
        return {"before": self.before, "after": self.after, "keeps": self.keeps, "q": self.q if math.isfinite(self.q) else None}


def extension(until: float, *, z: float, t: float, alpha: float, reading: RestReading, q: float | None = None) -> Extension:
    """Whether a later end, chosen after having seen z, keeps the plan's level, and at which multiplier it always does.

    An end may be moved at any time, for any reason, as long as what is left of the level, given the data so far, is not
    exceeded. Where z is promising (for the reflection boundary about z ≥ z(1 − α/4) √t) the plan's own boundary exceeds
    nothing; elsewhere the last look needs a wider multiplier.

    Args:
        until: The later end, as a share of the horizon, at least 1.
        z: Standardised effect now.
        t: Share of the horizon that is in, below 1.
        alpha: Two-sided level of the plan.
        reading: How the plan is read from here on: `last`, once at multiplier `q`, or `any`, by the reflection boundary.
        q: Multiplier of the last look; None for the normal's.

    Source: conditional error, Müller and Schäfer 2001; the promising zone, Chen, DeMets, Lan 2004, and Mehta and Pocock 2011.
    """
    check_choice("reading", reading, ("last", "any"))
    if not 0.0 < t < 1.0 or until < 1.0:
        raise refuse("until", until, "an extension ends at or after a horizon that is not reached yet")

    def chance(end: float) -> float:
        if reading == "any":
            found = conditional_power_any_time(z, t=t, alpha=alpha, drift=0.0, until=end)
        else:
            bound = -float(ndtri(alpha / 2.0)) if q is None else q
            found = conditional_power(z, t=t, looks=(end,), bounds=(bound,), drift=0.0)
        return min(1.0, found.up + found.down)

    before, after = chance(1.0), chance(until)

    def excess(bound: float) -> float:
        found = conditional_power(z, t=t, looks=(until,), bounds=(bound,), drift=0.0)
        return found.up + found.down - before

    far = 40.0
    wide = far if excess(far) > 0.0 else brentq(excess, 0.0, far, xtol=1e-12) if excess(0.0) > 0.0 else 0.0
    return Extension(before, after, after <= before * (1.0 + 1e-12), wide if wide < far else math.inf)


@dataclass(frozen=True, slots=True)
class Futility:
    """A rule that gives up where the rest is hopeless, and what it costs.

    Attributes:
        stops: z at or below which each look but the last gives up, on the side that is hoped for.
        power: Chance to win with the rule.
        power_without: Chance to win without it.
        price: What is lost: the type-II price.
        stopped_null: Chance to give up early where there is no effect.
        units_null: Mean share of the horizon used where there is no effect, with the rule.
    """

    stops: tuple[float, ...]
    power: float
    power_without: float
    price: float
    stopped_null: float
    units_null: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def futility(floor: float, *, looks: Sequence[float], bounds: Sequence[float], drift: float) -> Futility:
    """Give up where the conditional power under the planned effect is below a floor: when, and at what price.

    The rule is not binding: the boundary of the win is computed without it, so that the level holds whether or not it is
    followed.

    Args:
        floor: Conditional power below which to give up, in (0, 1); 0.1 to 0.2 are usual.
        looks: Shares at the looks, increasing, the last is 1.
        bounds: Two-sided multiplier at each look.
        drift: Expectation of Z at share 1 under the planned effect, above 0.

    Source: stochastic curtailment, Lan, Simon, Halperin 1982: the loss is at most floor / (1 − floor) of the type-II error.
    """
    check_share("floor", floor)
    check_positive("drift", drift)
    stops = tuple(_hopeless(floor, i, looks, bounds, drift) for i in range(len(looks) - 1))
    with_rule, _, _ = _played(looks, bounds, stops, drift)
    without, _, _ = _played(looks, bounds, (-math.inf,) * len(stops), drift)
    _, given_up, used = _played(looks, bounds, stops, 0.0)
    return Futility(stops, with_rule, without, without - with_rule, given_up, used)


def _hopeless(floor: float, i: int, looks: Sequence[float], bounds: Sequence[float], drift: float) -> float:
    def gap(z: float) -> float:
        return conditional_power(z, t=looks[i], looks=looks[i + 1 :], bounds=bounds[i + 1 :], drift=drift).up - floor

    low, high = -FAR, min(float(bounds[i]), FAR)
    if gap(low) >= 0.0:
        return -math.inf
    return high if gap(high) <= 0.0 else brentq(gap, low, high, xtol=1e-9)


def _played(
    looks: Sequence[float], bounds: Sequence[float], stops: Sequence[float], drift: float
) -> tuple[float, float, float]:
    """Chance to win, chance to give up, and mean share of the horizon used, with a lower boundary that is not a rejection."""
    nodes, mass, before = np.zeros(1), np.ones(1), 0.0
    won = given_up = used = 0.0
    for i, at in enumerate(looks):
        sd, centre = math.sqrt(at - before), nodes + drift * (at - before)
        edge = bounds[i] * math.sqrt(at)
        last = i + 1 == len(looks)
        floor = -edge if last else max(-edge, stops[i] * math.sqrt(at))
        up = float(ndtr((centre - edge) / sd) @ mass)
        down = float(ndtr((floor - centre) / sd) @ mass)
        won += up
        if last:
            used += at * float(mass.sum())
            break
        given_up += down
        used += at * (up + down)
        nodes, mass = carried(centre, mass, sd=sd, low=floor, high=edge, after=looks[i + 1] - at)
        before = at
    return won, given_up, used


def smallest_found(target: float, *, looks: Sequence[float], bounds: Sequence[float]) -> float:
    """The drift at which a run with these looks crosses with the chance asked for.

    Times the standard error at share 1 it is the smallest effect that the run could find: times se √t of a look at share t.

    Args:
        target: Chance asked for, for example 0.8.
        looks: Shares at the looks.
        bounds: Two-sided multiplier at each.
    """
    check_share("target", target)

    def gap(drift: float) -> float:
        return conditional_power(0.0, t=0.0, looks=looks, bounds=bounds, drift=drift).up - target

    high = 2.0
    while gap(high) < 0.0 and high < 1e3:
        high *= 2.0
    return brentq(gap, 0.0, high, xtol=1e-10) if high < 1e3 else math.inf
