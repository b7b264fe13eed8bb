"""The plan's model as a critical multiplier and a p-value: the only place where the design matters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from scipy.special import ndtr

from xpbench.decide.looks import FULL, Look, ended
from xpbench.plan import Plan
from xpbench.plan.design import Bayesian, Frequentist, GroupSequential, Sequential, Variant
from xpbench.stats.inference import e_value, p_anytime, p_fixed, pivot
from xpbench.stats.multipliers import Mixture, q_fixed, q_mixture
from xpbench.stats.pairs import Pair
from xpbench.stats.spending import CLOSEST, p_group, q_group
from xpbench.stats.stopped import Stopped, exceeding, stopped

MOST_LOOKS = 30
CLOSEST_LOOKS = 2e-3
"""Looks, and information between them, up to which an estimate after a stop is integrated."""


class PlannedDesign(Protocol):
    """How far an interval reaches and how strong the evidence is, for one treatment variant."""

    @property
    def interval(self) -> str:
        """Name of the interval for people."""
        ...

    def q(self, pair: Pair, alpha: float) -> float:
        """Critical multiplier at a two-sided level."""
        ...

    def p_value(self, pair: Pair) -> float:
        """Two-sided p-value; NaN where the pair has a status."""
        ...

    def q_score(self, n: int, alpha: float) -> float:
        """Critical multiplier for the score statistic of two shares, whose noise is known under the null; n units in both."""
        ...

    def p_score(self, z: float, n: int) -> float:
        """Two-sided p-value of a score statistic; NaN for NaN."""
        ...

    def p_one_sided(self, z: float, n: int) -> float:
        """One-sided p-value of a score statistic, small for a large z."""
        ...

    @property
    def reads_once(self) -> bool:
        """Whether the design is read once, at its end."""
        ...

    def after_stop(self, z: float, alpha: float, n: int) -> tuple[Stopped, float] | None:
        """The drift at information 1 and its p-value by the order of stages; None where no look came before."""
        ...


@dataclass(frozen=True, slots=True)
class PlannedFixed:
    """Welch's t (the normal for proportions and quantiles), read once."""

    interval: str = "fixed-horizon"
    reads_once: bool = True

    def q(self, pair: Pair, alpha: float) -> float:
        """Student's t."""
        return q_fixed(alpha, pair.df) if pair.status == "ok" else math.nan

    def p_value(self, pair: Pair) -> float:
        """Welch's test."""
        return p_fixed(pair)

    def q_score(self, n: int, alpha: float) -> float:
        """The normal's."""
        return q_fixed(alpha, math.inf)

    def p_score(self, z: float, n: int) -> float:
        """The normal's."""
        return min(2.0 * float(ndtr(-abs(z))), 1.0)

    def p_one_sided(self, z: float, n: int) -> float:
        """The normal's."""
        return float(ndtr(-z))

    def after_stop(self, z: float, alpha: float, n: int) -> None:
        """Read once, nothing stops early."""
        return


@dataclass(frozen=True, slots=True)
class PlannedAnytime:
    """The normal mixture of the plan: valid at every look."""

    mixture: Mixture
    interval: str = "sequential"
    reads_once: bool = False

    def q(self, pair: Pair, alpha: float) -> float:
        """Multiplier of the confidence sequence."""
        return float(q_mixture(alpha, self.mixture.ratio(pair))) if pair.status == "ok" else math.nan

    def p_value(self, pair: Pair) -> float:
        """Always-valid p-value of this look."""
        return p_anytime(pair, mixture=self.mixture)

    def e_value(self, pair: Pair) -> float:
        """Evidence for e-BH."""
        return e_value(pair, mixture=self.mixture)

    def q_score(self, n: int, alpha: float) -> float:
        """Multiplier of the confidence sequence."""
        return float(q_mixture(alpha, n * float(self.mixture.rho2 or math.nan)))

    def log_e_score(self, z: float, n: int) -> float:
        """Logarithm of the mixture likelihood ratio of a score statistic."""
        k = n * float(self.mixture.rho2 or math.nan)
        return 0.5 * (z * z * k / (1.0 + k) - math.log1p(k))

    def e_score(self, z: float, n: int) -> float:
        """Evidence for e-BH."""
        log = self.log_e_score(z, n)
        return math.inf if log > 709.0 else math.exp(log)

    def p_score(self, z: float, n: int) -> float:
        """Always-valid p-value of this look."""
        log = self.log_e_score(z, n)
        return math.nan if math.isnan(log) else math.exp(-max(log, 0.0))

    def p_one_sided(self, z: float, n: int) -> float:
        """Half of the two-sided one on the good side."""
        return min(1.0, 0.5 * math.exp(-self.log_e_score(z, n))) if z > 0.0 else 1.0

    def after_stop(self, z: float, alpha: float, n: int) -> None:
        """A mixture has no boundary that is spent."""
        return


@dataclass(frozen=True, slots=True)
class Grouped:
    """Error spending over the looks that took place."""

    information: tuple[float, ...]
    spending: str
    final: bool
    interval: str = "group-sequential"
    reads_once: bool = False

    def q(self, pair: Pair, alpha: float) -> float:
        """Boundary of the last look."""
        if pair.status != "ok":
            return math.nan
        return q_group(alpha, self.information, self.spending, final=self.final)[-1]  # type: ignore[arg-type]

    def p_value(self, pair: Pair) -> float:
        """Repeated p-value of the last look."""
        return self.p_of(pivot(pair))

    def p_of(self, z: float) -> float:
        """Two-sided repeated p-value of a standardised distance from any null at the last look."""
        return p_group(z, self.information, self.spending, final=self.final)  # type: ignore[arg-type]

    def q_score(self, n: int, alpha: float) -> float:
        """Boundary of the last look."""
        return q_group(alpha, self.information, self.spending, final=self.final)[-1]  # type: ignore[arg-type]

    def p_score(self, z: float, n: int) -> float:
        """Repeated p-value of the last look."""
        return self.p_of(z)

    def p_one_sided(self, z: float, n: int) -> float:
        """Half of the two-sided one on the good side."""
        two_sided = self.p_of(z)
        return two_sided / 2.0 if z > 0.0 else 1.0 - two_sided / 2.0

    def after_stop(self, z: float, alpha: float, n: int) -> tuple[Stopped, float] | None:
        """Median-unbiased, over the looks up to this one; None for the first look and for too many or too close ones."""
        return _after(z, alpha, self.information, lambda: self.bounds(alpha))

    def bounds(self, alpha: float) -> list[float]:
        """Multiplier at every look so far."""
        return q_group(alpha, self.information, self.spending, final=self.final)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Shared:
    """Error spending up to the horizon, and a share of the level for a normal mixture, which holds after it as well.

    Two tests at levels that add up to alpha (Bonferroni): a boundary is crossed where one of the two is.
    """

    grouped: Grouped
    anytime: PlannedAnytime
    share: float
    closed: bool
    interval: str = "group-sequential"
    reads_once: bool = False

    @property
    def information(self) -> tuple[float, ...]:
        """Of the looks so far."""
        return self.grouped.information

    def _levels(self, alpha: float) -> tuple[float, float]:
        return (1.0 - self.share) * alpha, self.share * alpha

    def q(self, pair: Pair, alpha: float) -> float:
        """The smaller of the two multipliers; the mixture's alone once the planned looks are over."""
        ours, theirs = self._levels(alpha)
        mixed = self.anytime.q(pair, theirs)
        return mixed if self.closed or pair.status != "ok" else min(self.grouped.q(pair, ours), mixed)

    def p_value(self, pair: Pair) -> float:
        """The smaller of the two p-values, each over its share of the level."""
        return self.p_score(pivot(pair), pair.n)

    def q_score(self, n: int, alpha: float) -> float:
        """The same for the score statistic."""
        ours, theirs = self._levels(alpha)
        mixed = self.anytime.q_score(n, theirs)
        return mixed if self.closed else min(self.grouped.q_score(n, ours), mixed)

    def p_score(self, z: float, n: int) -> float:
        """The smaller of the two p-values, each over its share of the level; NaN for NaN."""
        if math.isnan(z):
            return math.nan
        mixed = self.anytime.p_score(z, n) / self.share
        return min(1.0, mixed if self.closed else min(self.grouped.p_of(z) / (1.0 - self.share), mixed))

    def p_one_sided(self, z: float, n: int) -> float:
        """Half of the two-sided one on the good side."""
        two_sided = self.p_score(z, n)
        return two_sided / 2.0 if z > 0.0 else 1.0 - two_sided / 2.0

    def after_stop(self, z: float, alpha: float, n: int) -> tuple[Stopped, float] | None:
        """As for error spending, with the boundary of both; None after the horizon."""
        if self.closed:
            return None
        ours, theirs = self._levels(alpha)
        looks = self.information

        def bounds() -> list[float]:
            per_look = [float(q_mixture(theirs, n * float(self.anytime.mixture.rho2 or 0.0) * t / looks[-1])) for t in looks]
            return [min(a, b) for a, b in zip(self.grouped.bounds(ours), per_look, strict=True)]

        return _after(z, alpha, looks, bounds)


def _after(z: float, alpha: float, looks: tuple[float, ...], bounds: Callable[[], list[float]]) -> tuple[Stopped, float] | None:
    gaps = [b - a for a, b in itertools.pairwise(looks)]
    if not gaps or len(looks) > MOST_LOOKS or min(gaps) < CLOSEST_LOOKS:
        return None
    edges = bounds()
    above = exceeding(z, looks=looks, bounds=edges, drift=0.0)
    return stopped(z, looks=looks, bounds=edges, alpha=alpha), 2.0 * min(above, 1.0 - above)


def design_of(
    plan: Plan,
    treatment: Variant,
    *,
    units: int,
    earlier_units: Sequence[int] = (),
    looks: Sequence[Look] = (),
    last: bool = False,
) -> PlannedDesign:
    """The design of a plan for one treatment against control.

    Args:
        plan: The plan.
        treatment: The treatment variant.
        units: Exposed units over all variants now.
        earlier_units: The same at earlier looks at the effects, oldest first (group-sequential).
        looks: The earlier looks themselves, in place of `earlier_units`.
        last: This look was declared the last one (group-sequential).
    """
    model = plan.model
    match model:
        case Sequential():
            return PlannedAnytime(_mixture(plan, model, treatment))
        case GroupSequential():
            before = [(look.units, bool(look.last)) for look in looks] or [(n, False) for n in earlier_units]
            horizon = plan.horizon.units or units
            grouped = Grouped(*information_of(before, units=units, horizon=horizon, last=last, model=model))
            if model.beyond is None:
                return grouped
            both = horizon * (plan.control.split + treatment.split)
            mixture = Mixture.optimal(alpha=model.beyond * plan.alpha, n_opt=both)
            closed = ended(plan, looks) is not None or (not looks and any(n >= horizon * FULL for n in earlier_units))
            return Shared(grouped, PlannedAnytime(mixture), model.beyond, closed)
        case Frequentist() | Bayesian():
            return PlannedFixed()


def information_of(
    before: Sequence[tuple[int, bool]], *, units: int, horizon: int, last: bool, model: GroupSequential
) -> tuple[tuple[float, ...], str, bool]:
    """Information at the looks that a boundary is computed over, the spending function, and whether the last spends the rest.

    A look is judged at its own information, over the looks that knew less. The look that ends a plan (full information, or
    declared the last) is taken once: data that come after it are the same look taken again, with a boundary of its own and
    never with nothing left to spend.

    Args:
        before: Units at each earlier look, and whether it was declared the last.
        units: Units now.
        horizon: Units of full information.
        last: This look was declared the last.
        model: For its spending function.
    """
    now = units / horizon
    ends = [n / horizon for n, declared in before if declared or n >= horizon * FULL]
    known: list[float] = []
    for share in sorted(n / horizon for n, declared in before if not declared and n < horizon * FULL):
        if share >= now - CLOSEST:
            break
        if known and share < known[-1] + CLOSEST:  # the same look, taken again
            known[-1] = share
        elif share > 0:
            known.append(share)
    known.append(now)
    return tuple(known), model.spending, last or now >= FULL or any(end <= now + CLOSEST for end in ends)


def _mixture(plan: Plan, model: Sequential, treatment: Variant) -> Mixture:
    """The mixture for a pair: n_opt counts all units of the experiment, so a pair of several variants gets its share of it."""
    control, other = plan.control.split, treatment.split
    if model.n_opt is not None:
        return Mixture.optimal(alpha=plan.alpha, n_opt=model.n_opt * (control + other))
    share = control / (control + other)
    return Mixture(rho2=float(model.tau or 0.0) ** 2 * share * (1.0 - share))
