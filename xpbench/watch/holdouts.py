"""A holdout across experiments: what everything that shipped changed together, next to the sum of the single lifts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from xpbench.errors import WatchError, number_of, plain
from xpbench.plan import Plan
from xpbench.plan.design import Holdout
from xpbench.randomiser.hashing import uniform
from xpbench.shows import Shows
from xpbench.stats.inference import relative
from xpbench.stats.moments import Moments
from xpbench.stats.multipliers import q_fixed
from xpbench.stats.pairs import mean_pair
from xpbench.stats.srm import srm
from xpbench.watch.past_experiments import PastOutcome, Portfolio, prior_of, shrunk_of

if TYPE_CHECKING:
    from xpbench.data.logs.events import EventsSource

HELD, SHIPPED_ONLY, NOBODY = "held out", "shipped only", ""
Half = Literal["held out", "shipped only", ""]
SRM_ALPHA = 0.001
LEAST_OF_A_WEEK = 20


def holdout_halves(holdout: Holdout, ids: Any) -> NDArray[np.str_]:
    """Which half of a holdout each unit belongs to; "" for units that experiments may touch.

    The holdout is out of every experiment. One half of it sees nothing that is new. The other sees what shipped, and nothing
    that is being tested: no control, no variant that was dropped. Both halves come from the holdout's own salt.

    Args:
        holdout: Of the plans; all of them have the same salt and share.
        ids: Units, in order.

    Returns:
        Shape (n,): `held out`, `shipped only` or "".
    """
    inside = uniform(ids, salt=holdout.salt, purpose="holdout", name=holdout.key) < holdout.share
    half = uniform(ids, salt=holdout.salt, purpose="holdout", name=f"{holdout.key} shipped") < 0.5
    return np.where(inside, np.where(half, SHIPPED_ONLY, HELD), NOBODY)


@dataclass(frozen=True, slots=True)
class CumulativeEffect(Shows):
    """What shipped changed together.

    Attributes:
        metric: Name of the metric.
        lift: Of the units that see only what shipped over those held out.
        low: Lower end of its interval; None where it is unbounded.
        high: Upper end.
        confidence: Level of the interval.
        n_held: Units held out.
        n_shipped: Units that see only what shipped.
        ratio_p: p-value of half and half.
        drift_p: p-value of "the same share of the halves in every week of first activity"; None where that is not known.
        singles: Shipped lifts of single experiments on this metric, as found, by key.
        summed: Their sum, in the direction that is hoped for.
        compounded: One after the other: the product of 1 + lift, minus 1.
        worth: The sum once the luck of winners is allowed for; None with fewer than 3 lifts.
        met: Units of the holdout that an experiment has touched; None where nobody looked.
        why: Why the cumulative effect and the sum differ, in sentences.
    """

    rows_of_frame: ClassVar[str] = "rows"

    metric: str
    lift: float | None
    low: float | None
    high: float | None
    confidence: float
    n_held: int
    n_shipped: int
    ratio_p: float
    singles: tuple[tuple[str, float], ...]
    summed: float
    compounded: float
    worth: float | None
    met: int | None
    why: tuple[str, ...]
    drift_p: float | None = None

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """Single lifts, and what they come to."""
        table = [{"what": key, "lift": lift} for key, lift in self.singles]
        totals = (("sum", self.summed), ("one after the other", self.compounded), ("worth", self.worth), ("holdout", self.lift))
        return (*table, *({"what": name, "lift": value} for name, value in totals))

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        out = {name: getattr(self, name) for name in self.__slots__}
        return out | {"singles": [list(s) for s in self.singles], "why": list(self.why), "rows": list(self.rows)}

    def __repr__(self) -> str:
        return " ".join(self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The result in sentences."""
        span = "unbounded" if self.low is None or self.high is None else f"{self.low:+.1%} to {self.high:+.1%}"
        lift = "can't be said" if self.lift is None else f"{self.lift:+.1%}"
        singles = number_of(len(self.singles), "shipped experiment")
        first = (
            f"Everything that shipped changed {self.metric} by {lift} ({self.confidence:.0%} interval {span}): "
            f"{self.n_shipped:,} units that see only what shipped against {self.n_held:,} held out."
        )
        return (first, f"The single lifts of {singles} add up to {self.summed:+.1%}.", *self.why)

    def _repr_html_(self) -> str:
        from xpbench.outward import html as escape

        return f"<section aria-label='Holdout'>{''.join(f'<p>{escape(s)}</p>' for s in self.sentences)}</section>"


def cumulative_effect(
    ids: Any,
    values: ArrayLike,
    holdout: Holdout,
    *,
    metric: str,
    portfolio: Portfolio | None = None,
    direction: Literal["increase", "decrease"] = "increase",
    confidence: float = 0.95,
    exposed: Iterable[Any] | None = None,
    began: Sequence[int] | None = None,
) -> CumulativeEffect:
    """What everything that shipped changed, from the two halves of a holdout.

    Args:
        ids: Units, each once.
        values: Of the metric, one for each unit since the holdout began; no activity is 0.
        holdout: Of the plans.
        metric: Its key in the plans, for the single lifts.
        portfolio: Whose shipped experiments are put next to it.
        direction: Which way is better.
        confidence: Level of the interval.
        exposed: Units that were exposed in any experiment; those of the holdout among them are counted, and left in.
        began: Day of the first activity of each unit, counted from any day: tells whether the halves drift apart.

    Raises:
        WatchError: `XPB-W03`, a unit is there twice, a value is missing, or a half is empty.

    Source: Welch's test over the halves; the lift's interval by Fieller 1954.
    """
    units = np.asarray(ids, dtype=object).ravel()
    try:
        found = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        found = np.array([math.nan])
    if len(units) != len(found) or len(set(units.tolist())) != len(units) or not np.isfinite(found).all():
        raise WatchError(
            "XPB-W03",
            name=plain("The table"),
            value=plain("with a unit twice, or a value missing"),
            rule=plain("A holdout is read from one row for each unit, with a number"),
            remedy=plain("Sum up the events of a unit, and write 0 where it did nothing"),
        )
    halves = holdout_halves(holdout, units.tolist())
    parts = [found[halves == name] for name in (HELD, SHIPPED_ONLY)]
    if min(len(p) for p in parts) < 2:
        raise WatchError(
            "XPB-W03",
            name=plain("The holdout"),
            value=plain(f"{len(parts[0])} and {len(parts[1])} units"),
            rule=plain("Each half has at least two units"),
            remedy=plain("Check salt and share, and that the table has the units of the holdout"),
        )
    pair = mean_pair(*(Moments.of_values(p) for p in parts))
    q = q_fixed(1.0 - confidence, pair.df) if pair.status == "ok" else math.nan
    lift = relative(pair, q)
    good = 1.0 if direction == "increase" else -1.0
    outcomes = [o for o in (portfolio.outcomes if portfolio is not None else ()) if o.metric == metric]
    shipped = [o for o in outcomes if o.shipped]
    singles = tuple((o.key, o.lift) for o in shipped)
    summed = math.fsum(x for _, x in singles)
    compounded = math.prod(1.0 + x for _, x in singles) - 1.0
    worth = _worth(outcomes, shipped)
    ratio = float(srm([len(p) for p in parts], [0.5, 0.5]).p_value)
    drift = None if began is None else _drift_p(halves, np.asarray(began) // 7)
    met = None
    if exposed is not None:
        inside = set(units[halves != NOBODY].tolist())
        met = len(inside & set(exposed))
    known = pair.status == "ok" and math.isfinite(lift.lift)
    se = abs(pair.se / pair.mc) if known else math.nan
    why = _why(lift.lift if known else None, se, singles, summed, compounded, worth, ratio, drift, met, good)
    return CumulativeEffect(
        metric,
        _finite(lift.lift),
        _finite(lift.lift_low),
        _finite(lift.lift_high),
        confidence,
        len(parts[0]),
        len(parts[1]),
        ratio,
        singles,
        summed,
        compounded,
        worth,
        met,
        why,
        drift,
    )


def _drift_p(halves: NDArray[np.str_], weeks: NDArray[np.int_]) -> float | None:
    """p-value of the same share of the halves in every week; None with fewer than two weeks that have enough units.

    Pearson's chi-squared over weeks and halves. Checked against scipy.stats.chi2_contingency.
    """
    counts = [
        (int(((halves == HELD) & (weeks == w)).sum()), int(((halves == SHIPPED_ONLY) & (weeks == w)).sum()))
        for w in sorted(set(weeks[halves != NOBODY].tolist()))
    ]
    kept = np.array([found for found in counts if sum(found) >= LEAST_OF_A_WEEK], dtype=np.float64)
    if len(kept) < 2 or not (kept.sum(axis=0) > 0).all():
        return None
    expected = kept.sum(axis=1, keepdims=True) * kept.sum(axis=0) / kept.sum()
    return float(chdtrc(len(kept) - 1, float(((kept - expected) ** 2 / expected).sum())))


def cumulative_effect_of_log(
    source: EventsSource,
    plan: Plan,
    *,
    metric: str,
    since: date,
    portfolio: Portfolio | None = None,
    confidence: float = 0.95,
    settle_days: float = 1.0,
    trigger: str | None = None,
) -> CumulativeEffect:
    """What everything that shipped changed, from the event log: units that were active since a day, with all they did.

    Units of the holdout that the log has an exposure of, in any experiment, are counted as met. A unit that did nothing since
    then is in no log: where what shipped changes who comes, the halves drift apart, and that is said.

    Args:
        source: The log, `xp.events(...)`.
        plan: Of an experiment with the holdout; names the unit and the metric.
        metric: Key of a conversion, a count or a sum of the plan.
        since: First day (UTC): when the holdout began.
        portfolio: Whose shipped experiments are put next to it.
        confidence: Level of the interval.
        settle_days: How far the log must reach beyond the end of a day.
        trigger: Event that makes a unit active; any event but an exposure if missing.

    Raises:
        WatchError: `XPB-W03`, the plan has no holdout, or a half is empty.
        DataError: the log does not fit, or has no whole day.
    """
    from xpbench.data.logs.unit_totals import unit_totals

    holdout = holdout_of(plan)
    found = unit_totals(source, plan, metric, since=since, settle_days=settle_days, trigger=trigger)
    return cumulative_effect(
        found.ids,
        found.values,
        holdout,
        metric=metric,
        portfolio=portfolio,
        direction=plan.metric(metric).direction,
        confidence=confidence,
        exposed=found.exposed,
        began=found.began,
    )


def holdout_of(plan: Plan) -> Holdout:
    """The holdout of a plan.

    Raises:
        WatchError: `XPB-W03`, it has none.
    """
    if plan.assignment is None or plan.assignment.holdout is None:
        raise WatchError(
            "XPB-W03",
            name=plain("assignment.holdout"),
            value=plain("missing"),
            rule=plain("The plan says which units are held out of every experiment"),
            remedy=plain("Name an experiment whose plan has a holdout"),
        )
    return plan.assignment.holdout


def _worth(outcomes: Sequence[PastOutcome], shipped: Sequence[PastOutcome]) -> float | None:
    prior = prior_of(outcomes)
    return None if prior is None else math.fsum(shrunk_of(o, prior) for o in shipped)


def _why(
    lift: float | None,
    se: float,
    singles: Sequence[tuple[str, float]],
    summed: float,
    compounded: float,
    worth: float | None,
    ratio: float,
    drift: float | None,
    met: int | None,
    good: float,
) -> tuple[str, ...]:
    out = []
    if ratio < SRM_ALPHA:
        out.append(f"The halves are not half and half (p = {ratio:.2g}): what they differ in may not be what shipped.")
    if drift is not None and drift < SRM_ALPHA:
        out.append(
            f"The halves drift apart (p = {drift:.2g}): their share differs between weeks of first activity. "
            "What shipped may have changed who comes, and then the halves are not alike in anything else."
        )
    if met:
        out.append(f"{number_of(met, 'unit')} of the holdout met an experiment: the halves are blurred by that.")
    if lift is None or not singles:
        return tuple(out)
    if worth is not None:
        out.append(
            f"Luck of winners: allowing for it the single lifts are worth {worth:+.1%} ({worth - summed:+.1%} against the sum)."
        )
    out.append(f"One after the other they compound to {compounded:+.1%} ({compounded - summed:+.1%} against the sum).")
    base = summed if worth is None else worth
    rest = lift - base - (compounded - summed)
    if abs(rest) <= 2 * se:
        out.append(f"What is left, {rest:+.1%}, is within the noise of the holdout.")
    else:
        less = "less" if good * rest < 0 else "more"
        out.append(
            f"What is left, {rest:+.1%}, is beyond the noise of the holdout: together they do {less} than each alone. "
            "Effects that fade or grow, changes that meet, units that never met a change, and what shipped without an "
            "experiment are in it."
        )
    return tuple(out)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
