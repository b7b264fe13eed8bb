"""One run over one log for one plan: what the log holds, first exposures, unit values; checks and findings on the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from xpbench.data.blocks import leaves
from xpbench.data.engines.embedded import Stages
from xpbench.data.logs.concurrent import with_concurrent
from xpbench.data.logs.covariates import with_covariates
from xpbench.data.logs.days_since_exposure import DAILY, age_cells
from xpbench.data.logs.exposures import MISSING, ExposedUnits, counted_by_variant, exposed
from xpbench.data.logs.identity import identity_changes
from xpbench.data.logs.log import DAY, MONEY_DIGITS, SECOND, Log, LogProperties, conditions_of, exposures_from, microseconds
from xpbench.data.logs.people import Identities, merged, merged_ids
from xpbench.data.logs.survey import Survey, survey_of
from xpbench.data.logs.unit_table_note import TableLook, time_of, with_day
from xpbench.data.logs.values import Amount, Values, events_of, fits, horizon_of
from xpbench.data.moments import counted_where, rows_of
from xpbench.data.summary import Cell, Finding
from xpbench.errors import DataError, nearest, number_of, plain, shown
from xpbench.meaning.names import ROUNDED, loose, name_of
from xpbench.meaning.numbers import CODES, advice
from xpbench.meaning.truth import PAIRS
from xpbench.plan import Plan
from xpbench.plan.metrics import EventMetric, Filter, Funnel, Mean, Quantile, Sessions, Sum

if TYPE_CHECKING:
    from xpbench.data.logs.specification import LogSpecification

MAX_SLICES = 200
MAX_AGES = 60

HISTORY = 28 * DAY
"""Time before the first exposure in which metrics' events are looked at for whose they were."""

c = nw.col

_OTHER_TRUTHS = {"1", "0", *(word for pair in PAIRS for word in pair)}
"""What others write for true and false."""


def _usual(value: nw.Expr) -> dict[str, nw.Expr]:
    """What is always asked of an amount."""
    grid = float(10**MONEY_DIGITS)
    broken = counted_where((value * grid).round(0) / grid != value)
    return {"low": value.min(), "high": value.max(), "all": nw.len(), "had": value.count(), "broken": broken}


def _in_a_log(texts: Sequence[str]) -> str:
    """What to do about values of a property that are not numbers."""
    said = advice(texts)
    return "Send these values as numbers" if said.startswith("Correct") else said


class LogReading:
    """One run over one log for one plan."""

    def __init__(self, source: LogSpecification, plan: Plan, properties: LogProperties, log: Log, stages: Stages) -> None:
        self.source = source
        self.plan = plan
        self.properties = properties
        self.log = log
        self.stages = stages
        self.findings: list[Finding] = list(log.findings())
        self.metrics = [m for m in plan.metrics if isinstance(m, EventMetric)]
        codes = plan.data.missing_codes
        self.codes = list(CODES) if codes is None else [float(k) for k in codes]
        """Numbers that may stand for missing ones."""
        for metric in plan.metrics:
            for _, leaf in leaves(plan, metric):
                if not isinstance(leaf, EventMetric):
                    raise DataError("XPB-D35", key=leaf.key, part_kind=getattr(leaf, "kind", "?"))

    def look(self, *, ids: bool = False) -> tuple[TableLook, nw.LazyFrame[Any]]:
        """The unit table, and what belongs to it; its fingerprint is still to be set.

        Args:
            ids: With the units' ids and first exposures.
        """
        plan = self.plan
        known = None if self.source.identities is None else Identities(self.source.identities)
        people, shared = None, 0
        if plan.exposure.identities == "merge":
            self.log, people, shared = merged(self.log, plan, self.properties, known)
        log = self.log
        frame = log.frame()
        self.survey(frame)
        amounts = self.amounts(frame)
        self.stages.finish("survey the log", self.rows)
        table = log.keep(exposures_from(log, plan, self.properties), "exposures", near="u")
        counted = counted_by_variant(table, plan)
        if not counted:
            self.refuse_experiment(frame)
        self.refuse_rounded(table)
        found = exposed(log, table, plan, counted, self.unit_tests())
        self.findings += found.findings
        # ids of people change as they log in
        sample = "" if plan.exposure.identities == "merge" else log.sample(found.units.select("u", "variant"))
        n = sum(found.by_variant.values())
        if people is not None:
            self.findings.append(merged_ids(log, people, found.units, plan, shared))
        self.findings += identity_changes(log, found.units, plan, self.properties, known if people is None else None)
        log.release("exposures")
        self.stages.finish("find the first exposures", n)
        values = Values(plan, self.properties, found, amounts, until=self.until, log=log)
        dropping = self.source.duplicates == "drop" and log.has_insert_ids
        ages = self.ages() if "age" in self.source.slices and plan.members is None else 0  # days of users are not independent
        joined = values.attributed(
            log.frame(between=values.span()), dropping=dropping, aging=bool(ages), naming=not log.has_insert_ids
        )
        if dropping:
            joined = log.keyed(joined, values.identity())
        if dropping or not log.has_insert_ids or self.several_readers(ages):
            joined = log.keep(joined, "attributed", near="u")
        joined = self.without_duplicates(joined, values) if dropping else joined
        if not log.has_insert_ids:
            self.findings.append(self.repeats(joined, values))
        self.findings += [*self.overlap(frame, joined, values, found), *self.overlap_before(values, found)]
        table = values.table(joined)
        if any(m.past_of or m.strata for m in self.metrics):
            table = with_covariates(log, table, plan, values.measures)
        others: tuple[str, ...] = ()
        if "segment" in self.source.slices:
            table, others = with_concurrent(log, table, found.units, plan, self.properties)
        units = log.keep(table, "units", near="u") if ids else log.keep(table.drop("u", "t0"), "units")
        self.check_segments(units)
        self.stages.finish("compute the unit values", n)
        variants = [v.key for v in plan.variants]
        cells: list[Cell] = []
        for metric in self.metrics:
            if isinstance(metric, Quantile):
                from xpbench.data.logs.quantiles import quantile_cells  # brings scipy, which other metrics don't need

                measured = quantile_cells(
                    joined, values, metric, alpha=plan.alpha, variants=variants, until=self.until, units=found.units,
                    dimensions=self.source.dimensions(plan), smallest_slice=plan.data.smallest_segment,
                )  # fmt: skip
                cells += map(with_day, measured)
        if ages:
            cells += age_cells(joined, values, amounts, ages=ages, until=self.until, units=found.units, variants=variants)
        self.stages.finish("compute quantiles and days since exposure", n)
        self.count_units(found)
        one = ", several ids of one person merged" if people is not None else ""
        latest = ", windows from the latest exposure" if plan.exposure.window_from == "latest_exposure" else ""
        look = TableLook(
            source=f"events ({log.kind})" + latest + one,
            fingerprint="",
            engine=log.engine,
            rows=self.rows,
            until=self.until,
            first=found.first,
            last=found.last,
            parts=values.measures.parts,
            scales=values.measures.scales,
            findings=tuple(self.findings),
            cells=tuple(cells),
            others=others,
            sample=sample,
        )
        return look, units

    # -- survey ------------------------------------------------------------------------------------------------------

    def survey(self, frame: nw.LazyFrame[Any]) -> None:
        """What the log holds: events by name, times, and what can't be read."""
        seen = survey_of(self.log, frame, now=int(self.source.clock().timestamp() * SECOND))
        self.rows = seen.rows
        if not self.rows:
            raise DataError("XPB-D07", what=plain("The log has no events"))
        self.events = seen.events
        if not self.events:
            raise self.without_events(seen)
        self.findings += [
            Finding("bad_time", seen.untimed, self.rows, "excluded"),
            Finding("missing_event_name", seen.nameless, self.rows, "excluded"),
            Finding("missing_unit", seen.unitless, self.rows, "excluded", detail="Events without the unit's id."),
            Finding("late_events", seen.late, self.rows, "kept", detail="They arrived more than a day after they happened."),
            Finding("future_events", seen.future, self.rows, "kept", detail="They do not move the end of the log."),
        ]
        if seen.unitless == self.rows:
            raise DataError("XPB-D36", unit=self.source.schema.unit or self.plan.unit, count=self.rows)
        self.first = seen.first
        self.until = seen.last if self.source.until is None else int(self.source.until.timestamp() * SECOND)
        for metric in self.metrics:
            for name in sorted(events_of(metric) or ()):
                if name not in self.events and self.source.absent_events == "refuse":
                    raise DataError("XPB-D31", key=metric.key, event=name, hint=plain(self.hint_of(name)))
                if name not in self.events:
                    self.findings.append(
                        Finding("absent_event", 1, 1, "counted as zero", metric=metric.key, detail=f"Event {shown(name)}.")
                    )
        wanted = {self.plan.exposure.event, *(name for metric in self.metrics for name in events_of(metric) or ())}
        for name in sorted(wanted & set(self.events)):
            alike = [e for e in self.events if e not in wanted and loose(e) == loose(name)]
            if alike:
                listed = ", ".join(f"{e!r} ({number_of(self.events[e], 'event')})" for e in alike[:3])
                detail = f"The plan counts {shown(name)}; not counted are {listed}."
                self.findings.append(
                    Finding("alike_events", sum(self.events[e] for e in alike), self.rows, "not counted", detail=detail)
                )
        self.check_events(frame, unitless=seen.unitless)

    def refuse_rounded(self, exposures: nw.LazyFrame[Any]) -> None:
        """Ids that a spreadsheet has rounded are several units each.

        Raises:
            DataError: `XPB-D79`.
        """
        if exposures.collect_schema()["u"] != nw.String or self.log.passes_are_dear:
            return
        rows = rows_of(exposures.filter(c("u").str.contains(ROUNDED)).select("u").head(1))
        if rows:
            raise DataError("XPB-D79", column=self.source.schema.unit or self.plan.unit, found=rows[0]["u"])

    def hint_of(self, event: str) -> str:
        """What to do about an event that is not there: lines that could not be read may hold it."""
        lost = [f for f in self.log.findings() if f.name == "rejected_lines" and f.count]
        if not lost:
            return nearest(event, self.events)
        why = " ".join(f.detail.rstrip(".") for f in lost)
        return f"{sum(f.count for f in lost):,} lines could not be read and may hold it ({why}). {nearest(event, self.events)}"

    def without_events(self, seen: Survey) -> DataError:
        """What is missing where no event has both a name and a time."""
        schema, named = self.source.schema, seen.rows - seen.nameless
        if not named:
            return DataError("XPB-D49", count=seen.rows, column=schema.event)
        return DataError("XPB-D33", count=named, column=schema.time)

    def filters(self) -> list[tuple[EventMetric, Filter, str]]:
        """Every condition that only a property that is there can fit, with its metric and its column."""
        present = ("==", "in", "<", "<=", ">", ">=", "is set")
        return [
            (metric, f, self.properties.texts[f.property])
            for metric in self.metrics
            for f in conditions_of(metric)
            if f.op in present
        ]

    def compared(self) -> list[tuple[EventMetric, Filter, str]]:
        """Every condition that compares with single values, with its metric and its column."""
        return [
            (metric, f, self.properties.texts[f.property])
            for metric in self.metrics
            for f in conditions_of(metric)
            if f.op in ("==", "in", "!=", "not in")
        ]

    def check_events(self, frame: nw.LazyFrame[Any], *, unitless: int) -> None:
        """Events of metrics name the unit, and the properties of filters are there; looked at only where they may not be.

        Raises:
            DataError: `XPB-D44` or `XPB-D45`.
        """
        filtered = [] if self.source.absent_events == "zero" else self.filters()
        numeric = self.numeric_filters()
        compared = [] if self.source.absent_events == "zero" else self.compared()
        if not (unitless or filtered or numeric or compared):
            return
        wanted = {"n": nw.len(), "timed": c("t").count(), "named": c("u").count()}
        wanted |= {f"has_{p}": c(p).count() for p in sorted({p for _, _, p in (*filtered, *numeric)})}
        wanted |= {f"num_{x}": c(x).count() for x in sorted({self.properties.numbers[f.property] for _, f, _ in numeric})}
        rows = {r["event"]: r for r in rows_of(frame.group_by("event").agg(**wanted))}
        unit = self.source.schema.unit or self.plan.unit
        for metric in self.metrics:
            for name in sorted(events_of(metric) or ()):
                if name in rows and rows[name]["timed"] and not rows[name]["named"]:
                    raise DataError("XPB-D44", count=int(rows[name]["n"]), event=name, key=metric.key, unit=unit)
        self.check_filters(frame, compared)
        for subject, f, column in filtered:
            names = events_of(subject)
            mine = [row for name, row in rows.items() if names is None or name in names]
            if mine and not any(row[f"has_{column}"] for row in mine):
                event = plain("of any name") if names is None else shown(sorted(names)[0])
                raise DataError("XPB-D45", event=plain(event), property=f.property, key=subject.key)
        for subject, f, column in numeric:
            names = events_of(subject)
            mine = [row for name, row in rows.items() if names is None or name in names]
            there = sum(int(row[f"has_{column}"]) for row in mine)
            lost = there - sum(int(row[f"num_{self.properties.numbers[f.property]}"]) for row in mine)
            if lost:
                self.refuse_words(frame, subject, f, column, lost=lost, of=there)

    def numeric_filters(self) -> list[tuple[EventMetric, Filter, str]]:
        """Every condition that compares with a number, with its metric and its column."""

        def is_number(value: Any) -> bool:
            return isinstance(value, (int, float)) and not isinstance(value, bool)

        return [
            (metric, f, self.properties.texts[f.property])
            for metric in self.metrics
            for f in conditions_of(metric)
            if f.value is not None and all(map(is_number, f.value if isinstance(f.value, tuple) else (f.value,)))
        ]

    def refuse_words(
        self, frame: nw.LazyFrame[Any], metric: EventMetric, f: Filter, column: str, *, lost: int, of: int
    ) -> None:
        """A filter compares with a number what is none: refused where no value is one, else reported.

        Raises:
            DataError: `XPB-D77`.
        """
        names = sorted(events_of(metric) or ())
        events = frame.filter(c("event").is_in(names)) if names else frame
        words = events.filter(~c(column).is_null(), c(self.properties.numbers[f.property]).is_null())
        rows = rows_of(words.group_by(column).agg(n=nw.len()).sort("n", column, descending=[True, False]).head(3))
        listed = ", ".join(f"{shown(str(r[column])[:60])} ({int(r['n']):,})" for r in rows)
        if lost < of:
            detail = f"Filter {shown(f.property)} {f.op} … compares numbers; no number are {listed}."
            self.findings.append(Finding("not_a_number", lost, of, "fit no comparison", metric=metric.key, detail=detail))
            return
        raise DataError(
            "XPB-D77",
            property=f.property,
            event=plain("of any name") if not names else names[0],
            key=metric.key,
            found=plain(listed),
            remedy=plain(advice([str(r[column]) for r in rows])),
        )

    def check_filters(self, frame: nw.LazyFrame[Any], filtered: Sequence[tuple[EventMetric, Filter, str]]) -> None:
        """The values of filters occur; one that never does is refused where another is likely meant, and else reported.

        Raises:
            DataError: `XPB-D66`.
        """
        asked = {}
        for i, (metric, f, _) in enumerate(filtered):
            names = sorted(events_of(metric) or ())
            mine = c("event").is_in(names) if names else nw.lit(True)
            for k, value in enumerate(f.value if isinstance(f.value, tuple) else (f.value,)):
                test = fits([f.model_copy(update={"op": "==", "value": value})], self.properties)
                asked[f"f{i}_{k}"] = counted_where(mine & test)
        if not asked:
            return
        every = [events_of(metric) for metric, _, _ in filtered]
        counted = sorted({name for names in every for name in names or ()})
        mine_alone = frame if any(names is None for names in every) else frame.filter(c("event").is_in(counted))
        found = rows_of(mine_alone.select(**asked))[0]
        for i, (metric, f, column) in enumerate(filtered):
            names = sorted(events_of(metric) or ())
            for k, value in enumerate(f.value if isinstance(f.value, tuple) else (f.value,)):
                if int(found[f"f{i}_{k}"] or 0):
                    continue
                events = frame.filter(c("event").is_in(names)) if names else frame
                rows = rows_of(
                    events.filter(~c(column).is_null())
                    .group_by(column)
                    .agg(n=nw.len())
                    .sort("n", column, descending=[True, False])
                    .head(200)
                )
                if not rows:
                    continue  # the property is on none of the events, which is refused in its own words
                there = [str(r[column]) for r in rows]
                wanted = str(value).lower() if isinstance(value, bool) else str(value)
                event = plain("of any name") if not names else shown(names[0])
                listed = [t for t in there if t.startswith("[") and wanted in t]
                alike = [t for t in there if name_of(t.lower()) == name_of(wanted.lower()) and not isinstance(value, bool)]
                if listed:
                    such = shown(listed[0][:60])
                    hint = f"The property is a list, such as {such}: send what you filter by as a property of its own."
                elif alike:
                    hint = f"The log has {shown(alike[0])}."
                elif isinstance(value, bool) and not {t.lower() for t in there} - _OTHER_TRUTHS:
                    hint = f"The log has {', '.join(map(shown, there[:2]))}: filter by what is there."
                elif f.op in ("!=", "not in"):
                    if any(t.startswith("[") for t in there):
                        self.findings.append(self._compares_lists(metric, f, there))
                    continue  # nothing is left out, as the filter says
                else:
                    shown_ = ", ".join(shown(t) for t in there[:5])
                    detail = f"Filter {shown(f.property)} {f.op} {shown(wanted)} fits no event {event}. The log has {shown_}."
                    self.findings.append(
                        Finding("absent_filter_value", 1, 1, "counted as zero", metric=metric.key, detail=detail)
                    )
                    continue
                raise DataError(
                    "XPB-D66", event=plain(event), key=metric.key, value=wanted, property=f.property, hint=plain(hint)
                )

    def _compares_lists(self, metric: EventMetric, f: Filter, there: Sequence[str]) -> Finding:
        """A filter leaves out single values of a property that holds lists, of which it leaves out none."""
        such = next(t for t in there if t.startswith("["))
        detail = (
            f"Filter {shown(f.property)} {f.op} … compares single values; the property is a list, such as {shown(such[:60])}."
        )
        return Finding("absent_filter_value", 1, 1, "left nothing out", metric=metric.key, detail=detail)

    def _amount(self, metric: Sum | Mean | Quantile, frame: nw.LazyFrame[Any]) -> dict[str, Any]:
        """What a numeric property holds over the events of a metric."""
        value, text, mine = self._amount_columns(metric)
        events = frame.filter(mine)
        row = rows_of(events.select(**_usual(value)))[0]
        row |= {"negative": 0, "code": 0, "text": 0}
        # what is rare is only counted where it can be there
        rare: dict[str, nw.Expr] = {}
        if row["had"] and row["low"] < 0.0:
            rare["negative"] = counted_where(value < 0.0)
        if row["had"] and any(row["low"] <= k <= row["high"] for k in self.codes):
            rare["code"] = counted_where(value.is_in(self.codes))
            rare["coded"] = nw.when(value.is_in(self.codes)).then(value).otherwise(None).min()
        if row["all"] > row["had"]:
            rare["text"] = text.count() - value.count()
        return row | rows_of(events.select(**rare))[0] if rare else row

    def _amounts_at_once(self, metrics: Sequence[Sum | Mean | Quantile], frame: nw.LazyFrame[Any]) -> list[dict[str, Any]]:
        """The same for several metrics in one pass over the log."""
        asked: dict[str, nw.Expr] = {}
        for i, metric in enumerate(metrics):
            column, words, mine = self._amount_columns(metric)
            value, text = (nw.when(mine).then(x).otherwise(None) for x in (column, words))
            tests = _usual(value) | {
                "all": counted_where(mine),
                "negative": counted_where(value < 0.0),
                "text": text.count() - value.count(),
            }
            if self.codes:
                tests["code"] = counted_where(value.is_in(self.codes))
                tests["coded"] = nw.when(value.is_in(self.codes)).then(value).otherwise(None).min()
            asked |= {f"{name}_{i}": test for name, test in tests.items()}
        names = sorted({metric.event for metric in metrics})
        row = rows_of(frame.filter(c("event").is_in(names)).select(**asked))[0]
        parts = [name.rpartition("_") for name in asked]
        return [{name: row[f"{name}_{k}"] for name, _, k in parts if k == str(i)} for i in range(len(metrics))]

    def _amount_columns(self, metric: Sum | Mean | Quantile) -> tuple[nw.Expr, nw.Expr, nw.Expr]:
        """A property as a number and as text, and which events the metric counts."""
        mine = c("event") == metric.event
        more = fits(metric.where, self.properties)
        number, text = (c(names[metric.property]) for names in (self.properties.numbers, self.properties.texts))
        return number, text, mine if more is None else mine & more

    def _amounts_found(self, frame: nw.LazyFrame[Any]) -> dict[str, dict[str, Any]]:
        """What each numeric property holds over the events of its metric, by metric."""
        metrics = [m for m in self.metrics if isinstance(m, (Sum, Mean, Quantile))]
        asked = {repr((m.event, m.where, m.property)): m for m in reversed(metrics)}
        if self.log.passes_are_dear and asked:
            rows = dict(zip(asked, self._amounts_at_once(list(asked.values()), frame), strict=True))
        else:
            rows = {key: self._amount(m, frame) for key, m in asked.items()}
        return {m.key: rows[repr((m.event, m.where, m.property))] for m in metrics}

    def amounts(self, frame: nw.LazyFrame[Any]) -> dict[str, Amount]:
        """What is known of every numeric property; refuses what the plan's policy refuses."""
        out = {}
        found = self._amounts_found(frame)
        policy = self.plan.data
        for metric in self.metrics:
            if not isinstance(metric, (Sum, Mean, Quantile)):
                continue
            row = found[metric.key]
            if not row["all"]:
                out[metric.key] = Amount(0.0, 0.0, 0, 0, True)
                continue
            every, had, text = (int(row[k] or 0) for k in ("all", "had", "text"))
            name = metric.property
            if not had:
                raise DataError(
                    "XPB-D32",
                    key=metric.key,
                    property=name,
                    event=metric.event,
                    hint=plain(self.near_property(metric, frame) if text else self.absent_property(name)),
                )
            low, high = float(row["low"]), float(row["high"])
            if text and policy.non_finite == "refuse":
                what, words = plain(f"not a number (event {shown(metric.event)})"), self.no_numbers(metric, frame)
                listed = ": " + ", ".join(f"{shown(v)} ({n:,})" for v, n in words)
                raise DataError(
                    "XPB-D12",
                    column=name,
                    count=plain(f"{text:,}"),
                    what=what,
                    found=plain(listed),
                    remedy=plain(_in_a_log([v for v, _ in words])),
                )
            negative, code = int(row["negative"] or 0), int(row.get("code") or 0)
            if code and policy.missing_codes is None and (code == negative or code > max(10, had // 100)):
                raise DataError("XPB-D11", column=name, value=plain(f"{float(row['coded']):g}"), count=plain(f"{code:,}"))
            lost = every - had - text
            if lost and policy.missing == "refuse":
                raise DataError("XPB-D13", column=name, count=plain(f"{lost:,}"))
            detail = f"Events {shown(metric.event)}, property {shown(name)}."
            nothing = "set to zero" if policy.missing == "zero" else "excluded"
            self.findings += [
                Finding("missing_value", lost, every, nothing, metric=metric.key, detail=detail),
                Finding("not_a_number", text, every, "excluded", metric=metric.key, detail=detail),
                Finding("negative", negative, every, "kept", metric=metric.key, detail=detail),
            ]
            top = max(abs(low), abs(high)) * 10**MONEY_DIGITS
            money = not int(row["broken"] or 0) and top * max(every, 1) < 2.0**62 and top < 2.0**53
            out[metric.key] = Amount(low, high, every, had, money)
        return out

    def no_numbers(self, metric: Sum | Mean | Quantile, frame: nw.LazyFrame[Any]) -> list[tuple[str, int]]:
        """The most frequent values of a property that are not numbers, with their events."""
        number, text = (c(names[metric.property]) for names in (self.properties.numbers, self.properties.texts))
        mine = frame.filter(c("event") == metric.event, number.is_null(), ~text.is_null()).select(v=text)
        rows = rows_of(mine.group_by("v").agg(n=nw.len()).sort("n", "v", descending=[True, False]).head(3))
        return [(str(r["v"]), int(r["n"])) for r in rows]

    def absent_property(self, name: str) -> str:
        """What to do about a property without values."""
        if name in self.log.missing_properties:
            return "Correct the name of the property"
        return "Check the property's name and type"

    def near_property(self, metric: Sum | Mean | Quantile, frame: nw.LazyFrame[Any]) -> str:
        """What to do about a property that holds other things than numbers."""
        words = self.no_numbers(metric, frame)
        return f"It holds {', '.join(f'{shown(v)} ({n:,})' for v, n in words)}. {_in_a_log([v for v, _ in words])}"

    def refuse_experiment(self, frame: nw.LazyFrame[Any]) -> None:
        """The experiment is not in the log.

        Raises:
            DataError: `XPB-D30`, with the nearest name that is; `XPB-D37`.
        """
        policy = self.plan.exposure
        name = self.plan.experiment_name
        if policy.event not in self.events:
            raise DataError("XPB-D37", event=policy.event, hint=plain(nearest(policy.event, self.events)))
        if policy.format == "separate":
            column = self.properties.texts[policy.experiment_property]
            seen = frame.filter(c("event") == policy.event).group_by(column).agg(n=nw.len())
            names = [r[column] for r in rows_of(seen) if r[column] is not None]
            lacks = f"No exposure has the property {shown(policy.experiment_property)}"
        else:
            names = self.named_elsewhere()
            lacks = "Check exposure.format and the names of the properties in the plan"
        hint = nearest(name, names) if names else lacks
        raise DataError("XPB-D30", experiment=name, event=policy.event, hint=plain(hint))

    def named_elsewhere(self) -> list[str]:
        """Experiments that exposure events with several experiments name; the log is opened again for it."""
        from xpbench.data.logs.list_experiments import experiments

        try:
            unit = self.source.schema.unit or self.plan.unit
            return [e.name for e in experiments(self.source, unit=unit, exposure=self.plan.exposure)]
        except DataError:
            return []

    # -- the way to the unit table -----------------------------------------------------------------------------------

    def without_duplicates(self, joined: nw.LazyFrame[Any], values: Values) -> nw.LazyFrame[Any]:
        """Repeats of an event left out: the latest to arrive stays.

        When there are as many different hashes as events, nothing is repeated; otherwise only events that share a hash
        are compared.
        """
        keys = joined.filter(~c("key").is_null()).select("key")
        named = int(rows_of(keys.select(n=nw.len()))[0]["n"])
        if not named:
            told = self.repeats(joined, values)
            self.findings += [told] if told.count else []
            return joined
        if named == int(rows_of(keys.unique().select(n=nw.len()))[0]["n"]):
            return joined
        shared = joined.filter(~c("key").is_null()).group_by("key").agg(times=nw.len())
        shared = self.log.keep(shared.filter(c("times") > 1).select("key"), "repeated")
        some = joined.join(shared, on="key", how="semi")
        once = (
            some.with_columns(newest=-c("arr").fill_null(0))
            .unique(values.identity(), keep="first", order_by=["newest", *values.used_properties()])
            .drop("newest")
        )
        once = self.log.keep(once, "once")
        repeated = int(rows_of(some.select(n=nw.len()))[0]["n"]) - int(rows_of(once.select(n=nw.len()))[0]["n"])
        self.findings.append(
            Finding("duplicate_events", repeated, named, "excluded", detail="Among the events of exposed units.")
        )
        columns = joined.collect_schema().names()
        # events without an insert id have no hash, and no hash is in the other table
        rest = joined.join(shared, on="key", how="anti")
        out = nw.concat([once.select(*columns), rest.select(*columns)])
        return self.log.keep(out, "without_repeats", near="u")

    def repeats(self, joined: nw.LazyFrame[Any], values: Values) -> Finding:
        """Without insert ids a repeat looks like a second event; how many are alike in all that is read is reported."""
        wanted = dict.fromkeys([*values.identity(), *values.used_properties()])
        columns = [x for x in wanted if x != "iid"]
        every = int(rows_of(joined.select(n=nw.len()))[0]["n"])
        once = int(rows_of(joined.select(*columns).unique().select(n=nw.len()))[0]["n"])
        alike = every - once
        if self.log.has_insert_ids and not every:  # nobody did anything yet, so nothing says that ids are missing
            return Finding("no_insert_ids", 0, self.rows, "counted as they are")
        detail = f"Of {number_of(every, 'event')} of exposed units, {alike:,} repeat another one in all that is read."
        return Finding("no_insert_ids", self.rows, self.rows, "counted as they are", detail=detail)

    def overlap(
        self, frame: nw.LazyFrame[Any], joined: nw.LazyFrame[Any], values: Values, found: ExposedUnits
    ) -> list[Finding]:
        """Of each metric's events since the first exposure, how many belong to exposed units."""
        names = {code: name for name, code in values.codes.items()}
        if not names:
            return []
        every = frame.filter(c("event").is_in(sorted(names.values())), c("t") >= found.first).group_by("event").agg(n=nw.len())
        of = {r["event"]: int(r["n"]) for r in rows_of(every)}
        counted = joined.filter(c("e") > 0).group_by("e", *values.keys).agg(n=nw.len())
        whose = found.units.select(*values.keys, "variant")
        rows = rows_of(counted.join(whose, on=list(values.keys), how="inner").group_by("e", "variant").agg(n=c("n").sum()))
        mine: dict[str, int] = {}
        by: dict[str, dict[str, int]] = {}
        for r in rows:
            if (name := names.get(int(r["e"]))) is not None:
                mine[name] = mine.get(name, 0) + int(r["n"])
                by.setdefault(name, {})[r["variant"]] = int(r["n"])

        def by_variant(events: Collection[str]) -> dict[str, int]:
            keys = [v.key for v in self.plan.variants]
            return {k: n for k in keys if (n := sum(by.get(name, {}).get(k, 0) for name in events))}

        out = []
        for metric in self.metrics:
            events = events_of(metric) or set()
            total = sum(of.get(name, 0) for name in events)
            count = min(sum(mine.get(name, 0) for name in events), total)
            out.append(Finding("metric_overlap", count, total, "kept", metric=metric.key, by_variant=by_variant(events)))
        return out

    def overlap_before(self, values: Values, found: ExposedUnits) -> list[Finding]:
        """Of each metric's events in the weeks before the first exposure, how many belong to the units that came to be exposed.

        Nothing where the log does not reach back for a day.
        """
        names = sorted(values.codes)
        begin = max(self.first, found.first - HISTORY)
        if not names or begin > found.first - DAY:
            return []
        past = self.log.frame(between=(begin, found.first)).filter(c("event").is_in(names), ~c("u").is_null())
        whose = found.units.group_by("u").agg(variant=nw.col("variant").min())
        counted = past.group_by("event", "u").agg(n=nw.len()).join(whose, on="u", how="left")
        rows = rows_of(counted.group_by("event", "variant").agg(n=c("n").sum()))
        out = []
        for metric in self.metrics:
            own = [r for r in rows if r["event"] in (events_of(metric) or set())]
            by = {v.key: sum(int(r["n"]) for r in own if r["variant"] == v.key) for v in self.plan.variants}
            total = sum(int(r["n"]) for r in own)
            by_variant = {k: n for k, n in by.items() if n}
            out.append(
                Finding("metric_overlap_before", sum(by.values()), total, "compared", metric=metric.key, by_variant=by_variant)
            )
        return out

    def several_readers(self, ages: int) -> bool:
        """Whether the attributed events are read more than once."""
        more = sum(isinstance(m, (Funnel, Sessions, Quantile)) for m in self.metrics)
        return bool(more or ages)

    def ages(self) -> int:
        """Days since exposure that get moments."""
        windows = [min(horizon_of(m) or DAY * 28, MAX_AGES * DAY) for m in self.metrics if isinstance(m, DAILY)]
        return max((-(-w // DAY) for w in windows), default=0)

    def check_segments(self, units: nw.LazyFrame[Any]) -> None:
        """A segment with very many values is an id by mistake.

        Raises:
            DataError: `XPB-D15`; `XPB-D38`, no exposure has the property.
        """
        for i, name in enumerate(self.plan.segments[:-1] if self.plan.members else self.plan.segments):
            slices = units.group_by(f"s{i}").agg(n=nw.len())
            count = int(rows_of(slices.select(n=nw.len()))[0]["n"])
            if count > MAX_SLICES:
                raise DataError("XPB-D15", segment=name, count=count, limit=MAX_SLICES)
            if [r[f"s{i}"] for r in rows_of(slices)] == [MISSING]:
                raise DataError("XPB-D38", segment=name, event=self.plan.exposure.event)

    def horizons(self) -> dict[str, int]:
        """Microseconds after the exposure until a metric is complete, for metrics with a window of their own."""
        return {m.key: h for m in self.metrics if (h := horizon_of(m)) is not None}

    def unit_tests(self) -> dict[str, nw.Expr]:
        """Sums over units that `count_units` reports: immature ones by horizon, and those with a short history."""
        tests = {f"h{i}": counted_where(c("t0") + h > self.until) for i, h in enumerate(sorted(set(self.horizons().values())))}
        tests["short"] = counted_where(c("t0") < microseconds(self.plan.pre_period_days) + self.first)
        return tests

    def count_units(self, found: ExposedUnits) -> None:
        """Findings about units: immature ones, and a pre-exposure window that the log does not reach."""
        total = sum(found.by_variant.values())
        variants = [v.key for v in self.plan.variants]
        horizons, rows = self.horizons(), found.counts
        distinct = sorted(set(horizons.values()))
        for key, horizon in horizons.items():
            by = {v: int(rows[v][f"h{distinct.index(horizon)}"]) for v in variants if v in rows}
            self.findings.append(
                Finding(
                    "immature_units",
                    sum(by.values()),
                    total,
                    "excluded",
                    metric=key,
                    by_variant={v: k for v, k in by.items() if k},
                    detail=f"Their window of {horizon / DAY:g} days ends after {time_of(self.until)}.",
                )
            )
        short = {v: int(rows[v]["short"]) for v in variants if v in rows and rows[v]["short"]}
        self.findings.append(
            Finding(
                "short_history",
                sum(short.values()),
                total,
                "kept",
                by_variant=short,
                detail=f"The log begins less than {self.plan.pre_period_days} days before their first exposure.",
            )
        )
