"""From attributed events to one value per exposed unit and metric: the semantics of every metric kind.

No activity is 0; a unit whose counted events all lack the property has no value (null), unless the plan's policy says
zero; a unit whose window is not over yet has none either. Windows are half open, `[start + delay, start + window)`, so an
event in the very microsecond of the exposure counts as after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.blocks import Parts
from xpbench.data.logs.exposures import NEVER, ExposedUnits
from xpbench.data.logs.log import MONEY_DIGITS, SECOND, Log, LogProperties, conditions_of, microseconds
from xpbench.data.sums import pieces
from xpbench.plan import Plan
from xpbench.plan.metrics import (
    Conversion,
    Count,
    EventMetric,
    Filter,
    Funnel,
    Mean,
    MetricBase,
    Quantile,
    Retention,
    Sessions,
    Sum,
)

LONGEST_DAYS = 90
"""No event counts later than this."""

c = nw.col


@dataclass(frozen=True, slots=True)
class Amount:
    """What is known of a numeric property over the events of one metric.

    Attributes:
        low: Smallest value.
        high: Largest value.
        events: Events.
        values: Events with a readable value.
        money: Every value has at most `MONEY_DIGITS` decimals and is summed as a whole number.
    """

    low: float
    high: float
    events: int
    values: int
    money: bool

    @property
    def bound(self) -> float:
        """Largest absolute value."""
        return max(abs(self.low), abs(self.high))


@dataclass(slots=True)
class Measures:
    """Columns of the unit table for every metric.

    Attributes:
        parts: Measures by metric key.
        scales: What a measure has been multiplied by to make it whole.
        horizons: Microseconds after the exposure until a metric's value is complete, where it has its own window.
    """

    parts: dict[str, Parts] = field(default_factory=dict)
    scales: dict[str, int] = field(default_factory=dict)
    horizons: dict[str, int] = field(default_factory=dict)


def window_of(metric: EventMetric) -> tuple[int, int]:
    """Begin and end of a metric's window in microseconds after the exposure."""
    begin = microseconds(metric.delay_days)
    end = microseconds(min(metric.window_days or LONGEST_DAYS, LONGEST_DAYS))
    if isinstance(metric, Retention):
        begin = microseconds(metric.day)
        end = microseconds(min(metric.day + metric.length_days, LONGEST_DAYS))
    return begin, end


def horizon_of(metric: EventMetric) -> int | None:
    """Microseconds after which a unit's value can't change any more; None where the metric has no window of its own."""
    if isinstance(metric, Retention) or metric.window_days is not None:
        return window_of(metric)[1]
    return None


def events_of(metric: MetricBase) -> set[str] | None:
    """Names of the events that a metric looks at; None = all."""
    if isinstance(metric, Funnel):
        return {s.event for s in metric.steps}
    if isinstance(metric, Sessions):
        return None
    return {metric.event} if isinstance(metric, (Conversion, Count, Sum, Mean, Retention, Quantile)) else set()


def fits(filters: Iterable[Filter], properties: LogProperties) -> nw.Expr | None:
    """Events that fit all filters; None where there are none.

    A property that is missing never equals anything, so it fits `!=`, `not in` and `is not set`, and no comparison.
    """
    tests = [_fit(f, properties) for f in filters]
    return reduce(lambda a, b: a & b, tests) if tests else None


def _fit(f: Filter, properties: LogProperties) -> nw.Expr:
    text = c(properties.texts[f.property])
    if f.op == "is set":
        return ~text.is_null()
    if f.op == "is not set":
        return text.is_null()
    values = f.value if isinstance(f.value, tuple) else (f.value,)
    if f.op in ("==", "in", "!=", "not in"):
        found = reduce(lambda a, b: a | b, (_equals(f.property, v, properties) for v in values))
        return found if f.op in ("==", "in") else ~found
    value = values[0]
    left: nw.Expr = text
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        left = c(properties.numbers[f.property])
        value = float(value)
    right = nw.lit(value)
    test = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[f.op]
    return test.fill_null(False)


def _equals(name: str, value: Any, properties: LogProperties) -> nw.Expr:
    if isinstance(value, bool):
        text = c(properties.texts[name])  # Python writes True, JSON true, R and spreadsheets TRUE
        spellings = ("true", "True", "TRUE") if value else ("false", "False", "FALSE")
        return text.is_in(spellings).fill_null(False)
    if isinstance(value, (int, float)):
        return (c(properties.numbers[name]) == float(value)).fill_null(False)
    return (c(properties.texts[name]) == str(value)).fill_null(False)


class Values:
    """Builds the unit table of one plan."""

    def __init__(
        self,
        plan: Plan,
        properties: LogProperties,
        exposed: ExposedUnits,
        amounts: Mapping[str, Amount],
        *,
        until: int,
        log: Log,
    ) -> None:
        self.plan = plan
        self.properties = properties
        self.exposed = exposed
        self.amounts = amounts
        self.until = until
        self.log = log
        self.keys = list(exposed.keys)
        self.who = "no" if exposed.keys == ("no",) else "u"
        """What names a unit in attributed events."""
        self.pre = microseconds(plan.pre_period_days)
        self.metrics = [m for m in plan.metrics if isinstance(m, EventMetric)]
        self.measures = Measures()
        self._sums: dict[str, nw.Expr] = {}
        self._extra: list[nw.LazyFrame[Any]] = []
        self._later: dict[str, nw.Expr] = {}
        self._zero: list[str] = []
        self._counts: dict[str, str] = {}
        every = [events_of(m) for m in self.metrics]
        self.every_event = any(names is None for names in every)
        """Some metric looks at events of any name."""
        self.longest = max((window_of(m)[1] for m in self.metrics), default=0)
        """The end of the longest window, in microseconds after where windows begin."""
        named = sorted(set().union(*(names for names in every if names is not None)))
        self.codes = {name: i + 1 for i, name in enumerate(named)}

    # -- attribution -------------------------------------------------------------------------------------------------

    def attributed(
        self, events: nw.LazyFrame[Any], *, dropping: bool = False, aging: bool = False, naming: bool = False
    ) -> nw.LazyFrame[Any]:
        """Events of exposed units with the exposure they belong to, from the pre-exposure window to the longest window.

        Column `e` holds the code of the event's name, negative before the exposure; `d` the time since windows begin. In the
        plain case a row has no more than what is asked of it, since rows may be stored.

        Args:
            events: The log in normal form, or the part of it that lies in `span`.
            dropping: Bring what tells repeats, too.
            aging: Bring what days since exposure need, too.
            naming: Bring the name of an event that no metric knows, so that two such events are not taken for one.
        """
        wanted = events.with_columns(e=self._code())
        if not self.every_event:
            wanted = wanted.filter(c("e") > 0)
        used = ["u", "e", "t", *self.used_properties()]
        ordered = any(isinstance(m, Funnel) for m in self.metrics)
        more = ["iid"] if dropping or ordered else []
        if dropping:
            more.append("arr")
        if self.every_event and (dropping or naming):
            more.append("event")
        numbered = ["no"] if self.who == "no" else []
        spell = ["u", "t0", *numbered, *([] if self.exposed.plain else ["anchor", "variant", "start", "stop", "lead"])]
        joined = wanted.select(*used, *more).join(self.exposed.spells.select(*spell), on="u", how="inner")
        joined = joined.with_columns(d=c("t") - self.anchor)
        side = nw.when(self.before()).then(-c("e")).otherwise(c("e")).cast(nw.Int16)
        if self.exposed.plain:
            timed = ordered or any(isinstance(m, Sessions) for m in self.metrics)
            times = ["t", "t0"] if timed else ["t0"] if aging else []
            joined = joined.filter(c("d") >= -self.pre, c("d") < self.longest)
            return joined.select(self.who, "d", *times, *self.used_properties(), *more, e=side)
        after = (c("t") >= c("t0")) & (c("d") < self.longest) & (c("t") >= c("start")) & (c("t") < c("stop"))
        joined = joined.filter(after | ((c("t") < c("t0")) & (c("t") >= c("t0") - self.pre) & c("lead")))
        return joined.with_columns(e=side)

    def identity(self) -> list[str]:
        """Columns of attributed events in which repeats of an event agree."""
        return ["event" if self.every_event else "e", self.who, "d" if self.exposed.plain else "t", "iid"]

    def span(self) -> tuple[int, int]:
        """The time in which events may count: no earlier than the first, and before the second."""
        stop = self.exposed.last + self.longest if self.exposed.plain else NEVER
        return self.exposed.first - self.pre, stop

    def _code(self) -> nw.Expr:
        """A small whole number for the name of an event; 0 for names that no metric knows.

        Columns of names are stored as dictionaries: this is computed once for each name of a block and not for each event.
        """
        code: nw.Expr = nw.lit(0)
        for name, number in self.codes.items():
            code = nw.when(c("event") == name).then(nw.lit(number)).otherwise(code)
        return code

    def named(self, event: str, *, before: bool = False) -> nw.Expr:
        """Attributed events of a name, since the exposure or before it."""
        return c("e") == (-self.codes[event] if before else self.codes[event])

    @property
    def anchor(self) -> nw.Expr:
        """Where windows begin."""
        return c("t0") if self.exposed.plain else c("anchor")

    def used_properties(self) -> list[str]:
        """Columns of properties that metrics look at; those of the exposure are not needed any more."""
        out: dict[str, None] = {}
        for metric in self.metrics:
            for condition in conditions_of(metric):
                out[self.properties.texts[condition.property]] = None
                if condition.property in self.properties.numbers:
                    out[self.properties.numbers[condition.property]] = None
            if isinstance(metric, (Sum, Mean, Quantile)):
                out[self.properties.numbers[metric.property]] = None
        return list(out)

    def after(self, metric: EventMetric) -> nw.Expr:
        """Attributed events in the metric's window; `d` is their time since windows begin, and less than the longest."""
        begin, end = window_of(metric)
        return c("d") >= begin if end == self.longest else (c("d") >= begin) & (c("d") < end)

    def counted(self, metric: EventMetric, *, before: bool = False) -> nw.Expr:
        """Attributed events that a metric of one event counts, in its window or in the pre-exposure window."""
        (event,) = events_of(metric) or {""}
        test = self.named(event, before=before)
        if not before and window_of(metric) != (0, self.longest):  # else the event's code tells already
            test = test & self.after(metric)
        more = fits(metric.where, self.properties)
        return test if more is None else test & more

    def before(self) -> nw.Expr:
        """Attributed events in the pre-exposure window."""
        return c("d") < 0 if self.exposed.plain else c("t") < c("t0")

    # -- the unit table ----------------------------------------------------------------------------------------------

    def table(self, joined: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """One row per exposed unit (and variant, where switchers are split): u, variant, t0, day, s0, … and all measures."""
        for i, metric in enumerate(self.metrics):
            if not isinstance(metric, Quantile):
                self._plan_metric(f"m{i}", metric, joined)
        self._seen()
        out = self.exposed.units.join(joined.group_by(*self.keys).agg(**self._sums), on=self.keys, how="left")
        for frame in self._extra:
            out = out.join(frame, on=self.keys, how="left")
        # no activity is 0 first; what has no value is set to null only afterwards
        out = out.with_columns(*(c(name).fill_null(0).alias(name) for name in dict.fromkeys(self._zero)))
        if self._later:
            out = out.with_columns(**self._later)
        masks = {}
        for metric in self.metrics:
            horizon = horizon_of(metric)
            if horizon is None or isinstance(metric, Quantile):
                continue
            self.measures.horizons[metric.key] = horizon
            for _, measure in self.measures.parts[metric.key].own:
                masks[measure] = nw.when(c("t0") + horizon <= self.until).then(c(measure)).otherwise(None)
        out = out.with_columns(**masks) if masks else out
        kept = [m for p in self.measures.parts.values() for pair in (p.own, p.covariates, p.before) for _, m in pair]
        segments = [f"s{i}" for i in range(len(self.plan.segments))]
        return out.select("u", "variant", "t0", "day", *segments, *dict.fromkeys(kept))

    def _plan_metric(self, name: str, metric: EventMetric, joined: nw.LazyFrame[Any]) -> None:
        own: list[tuple[str, str]] = []
        before: list[tuple[str, str]] = []
        for suffix, when, out in (("", self.after(metric), own), ("b", self.before(), before)):
            short = name + suffix
            if isinstance(metric, Funnel):
                out += self._funnel(short, metric, joined, when, before=suffix == "b")
            elif isinstance(metric, Sessions):
                out += self._sessions(short, metric, joined, when)
            elif isinstance(metric, (Sum, Mean)):
                out += self._amount(short, metric, before=suffix == "b")
            else:
                count = self._count(short, metric, before=suffix == "b")
                if isinstance(metric, Count):
                    short = count
                else:
                    self._later[short] = nw.when(c(count) > 0).then(nw.lit(1)).otherwise(nw.lit(0))
                out.append(("value", short))
        labels = [f"before.{label}" if len(before) > 1 else "before" for label, _ in before]
        covariates = [(label, measure) for label, (_, measure) in zip(labels, before, strict=True)]
        self.measures.parts[metric.key] = Parts(tuple(own), (*covariates, ("seen", "seen")), tuple(before))

    def _count(self, short: str, metric: EventMetric, *, before: bool) -> str:
        """Column with the number of a metric's events in a window; metrics that count the same share it."""
        key = repr((events_of(metric), metric.where, None if before else (window_of(metric), horizon_of(metric))))
        name = self._counts.get(key)
        if name is None:
            name = self._counts[key] = f"{short}_k"
            test = self.counted(metric, before=before)
            self._sums[name] = nw.when(test).then(nw.lit(1)).otherwise(None).count().cast(nw.Int64)
            self._zero.append(name)
        return name

    def _seen(self) -> None:
        """Whether a unit did any event before its exposure that the metrics look at."""
        counted = {
            event: name
            for m in self.metrics
            if (name := self._counts.get(repr((events_of(m), (), None)))) is not None
            for event in events_of(m) or ()
        }
        if set(counted) == set(self.codes) and not self.every_event:
            done = reduce(lambda a, b: a + b, (c(name) for name in counted.values()))
        else:
            self._sums["seen_k"] = nw.when(self.before()).then(nw.lit(1)).otherwise(None).count().cast(nw.Int64)
            self._zero.append("seen_k")
            done = c("seen_k")
        self._later["seen"] = nw.when(done > 0).then(nw.lit(1)).otherwise(nw.lit(0))

    def _amount(self, short: str, metric: Sum | Mean, *, before: bool) -> list[tuple[str, str]]:
        amount = self.amounts[metric.key]
        value = c(self.properties.numbers[metric.property])
        test = self.counted(metric, before=before)
        if amount.money:
            whole = (value * float(10**MONEY_DIGITS)).round(0).cast(nw.Int64)
            self._sums[short] = nw.when(test).then(whole).otherwise(nw.lit(0)).sum().cast(nw.Int64)
            self.measures.scales[short] = 10**MONEY_DIGITS
        else:
            term = nw.when(test).then(value).otherwise(nw.lit(0.0))
            parts = pieces(term, bound=amount.bound, rows=max(amount.events, 1), integral=False)
            for i, piece in enumerate(parts):
                self._sums[f"{short}_{i}"] = piece.sum()
                self._zero.append(f"{short}_{i}")
            self._later[short] = reduce(lambda a, b: a + b, (c(f"{short}_{i}") for i in range(len(parts))))
        if amount.money:
            self._zero.append(short)
        out = [("value", short)]
        if isinstance(metric, Mean):
            present = nw.when(test & ~value.is_null()).then(nw.lit(1)).otherwise(nw.lit(0))
            self._sums[f"{short}n"] = present.sum().cast(nw.Int64)
            self._zero.append(f"{short}n")
            out = [("numerator", short), ("denominator", f"{short}n")]
        elif amount.values < amount.events and self.plan.data.missing != "zero":
            self._sums[f"{short}_all"] = nw.when(test).then(nw.lit(1)).otherwise(nw.lit(0)).sum()
            self._sums[f"{short}_had"] = nw.when(test & ~value.is_null()).then(nw.lit(1)).otherwise(nw.lit(0)).sum()
            self._zero += [f"{short}_all", f"{short}_had"]
            known = self._later.get(short, c(short))
            self._later[short] = nw.when((c(f"{short}_all") > 0) & (c(f"{short}_had") == 0)).then(None).otherwise(known)
        return out

    def session_starts(self, metric: Sessions, joined: nw.LazyFrame[Any], when: nw.Expr) -> nw.LazyFrame[Any]:
        """Events that begin a session: the one before in the window is longer ago than the timeout, or there is none."""
        more = fits(metric.where, self.properties)
        events = joined.filter(when if more is None else when & more).select(*self.keys, "t0", "t")
        pause = round(metric.timeout_minutes * 60 * SECOND)
        begun = events.with_columns(previous=c("t").shift(1).over(*self.keys, order_by=["t"]))
        return begun.filter(c("previous").is_null() | (c("t") - c("previous") > pause))

    def _sessions(self, short: str, metric: Sessions, joined: nw.LazyFrame[Any], when: nw.Expr) -> list[tuple[str, str]]:
        """Sessions of a unit: how many begin."""
        begun = self.session_starts(metric, joined, when)
        self._extra.append(begun.group_by(*self.keys).agg(nw.len().alias(short)))
        self._zero.append(short)
        return [("value", short)]

    def _funnel(
        self, short: str, metric: Funnel, joined: nw.LazyFrame[Any], when: nw.Expr, *, before: bool
    ) -> list[tuple[str, str]]:
        """Steps in order, each an event of its own, the last within the time after the first.

        For each step the latest start of a chain that has reached it is carried along; a later start is never worse.
        Events at the same time count in the order of the steps.
        """
        more = fits(metric.where, self.properties)
        tests = []
        for step in metric.steps:
            test = self.named(step.event, before=before)
            own = fits(step.where, self.properties)
            test = test if own is None else test & own
            tests.append(test if more is None else test & more)
        never = -(2**62)
        within = microseconds(metric.within_days) if metric.within_days is not None else 2**61
        any_step = reduce(lambda a, b: a | b, tests)
        rank: nw.Expr = nw.lit(len(tests))
        for k in reversed(range(len(tests))):
            rank = nw.when(tests[k]).then(nw.lit(k)).otherwise(rank)
        events = joined.filter(when & any_step).with_columns(rank=rank)
        events = events.with_columns(c0=nw.when(tests[0]).then(c("t")).otherwise(nw.lit(never)))
        over = {"order_by": ["t", "rank", "iid"]}
        for k in range(1, len(tests)):
            events = events.with_columns(reached=c(f"c{k - 1}").cum_max().over(*self.keys, **over))
            events = events.with_columns(reached=c("reached").shift(1).over(*self.keys, **over).fill_null(never))
            good = tests[k] & (c("reached") > never) & (c("t") - c("reached") <= within)
            events = events.with_columns(**{f"c{k}": nw.when(good).then(c("reached")).otherwise(nw.lit(never))})
        last = f"c{len(tests) - 1}"
        done = nw.when(c(last) > never).then(nw.lit(1)).otherwise(nw.lit(0)).max()
        entered = nw.when(c("c0") > never).then(nw.lit(1)).otherwise(nw.lit(0)).max()
        self._extra.append(events.group_by(*self.keys).agg(**{short: done, f"{short}n": entered}))
        self._zero += [short, f"{short}n"]
        if metric.per == "entrant":
            return [("numerator", short), ("denominator", f"{short}n")]
        return [("value", short)]
