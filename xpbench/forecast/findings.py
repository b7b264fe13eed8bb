"""What data of the past hold, before any plan: columns or events, experiments, properties, traffic, repeats and outliers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from xpbench.data.logs.list_experiments import SeenExperiment
from xpbench.data.logs.properties_seen import Property, properties_of
from xpbench.data.tables.pooled import arrow_table
from xpbench.data.tables.profile import ColumnProfile
from xpbench.errors import number_of, shown
from xpbench.meaning.times import days_of
from xpbench.outward import html as escape
from xpbench.shows import Shows, plain_html

EXAMPLES = 3
EXAMPLE_CHARACTERS = 24
OUTLIER = 20.0
"""A largest value so many times the 99th percentile is named."""


@dataclass(frozen=True, slots=True)
class FoundName:
    """A column, an event or a property.

    Attributes:
        name: As the data call it.
        count: Rows or events that have it.
        kind: `number`, `flag`, `day`, `text`, `empty`; `event`.
        sentence: What it holds, for people.
        of: Of a property, the events that carry it, the most frequent first.
    """

    name: str
    count: int
    kind: str
    sentence: str
    of: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"name": self.name, "count": self.count, "kind": self.kind, "sentence": self.sentence, "of": list(self.of)}


@dataclass(frozen=True, slots=True)
class Findings(Shows):
    """What data of the past hold. Nothing is compared between variants.

    Attributes:
        kind: `table` with a row for each unit, or `log` of events.
        rows: Rows, or events.
        columns: Of a table.
        events: Of a log, by frequency.
        properties: Of a log's events, by frequency, from the first events of each file.
        experiments: Whose exposures are in a log.
        by_day: Rows or first exposures by day (UTC).
        remarks: Repeated ids and outliers, in sentences.
    """

    rows_of_frame = "found"

    kind: Literal["table", "log"]
    rows: int
    columns: tuple[FoundName, ...] = ()
    events: tuple[FoundName, ...] = ()
    properties: tuple[FoundName, ...] = ()
    experiments: tuple[SeenExperiment, ...] = ()
    by_day: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def days(self) -> int | None:
        """Days from the first to the last; None without dates."""
        if not self.by_day:
            return None
        first, last = (date.fromisoformat(d) for d in (min(self.by_day), max(self.by_day)))
        return (last - first).days + 1

    @property
    def by_week(self) -> dict[str, int]:
        """The same by week, named by its Monday."""
        out: Counter[str] = Counter()
        for day, count in self.by_day.items():
            at = date.fromisoformat(day)
            out[(at - timedelta(days=at.weekday())).isoformat()] += count
        return dict(sorted(out.items()))

    @property
    def pace(self) -> str:
        """How many come, by day and week, in a sentence; empty without dates."""
        days = self.days
        if not days:
            return ""
        whole = list(self.by_week.values())[1:-1]  # the first and the last week are seldom whole
        said = f"{sum(self.by_day.values()) / days:,.4g} a day from {min(self.by_day)} to {max(self.by_day)}"
        if len(whole) >= 2:
            said += f", {min(whole):,} to {max(whole):,} in a whole week"
        ends = [
            sum(c for d, c in self.by_day.items() if (date.fromisoformat(d).weekday() >= 5) == end) for end in (False, True)
        ]
        if days >= 14 and all(ends):
            ratio = (ends[1] / 2) / (ends[0] / 5)
            if abs(ratio - 1) > 0.1:
                said += f"; a day of the weekend has {ratio:.0%} of a weekday"
        return said + "."

    @property
    def sentence(self) -> str:
        """What it is, in one line."""
        if self.kind == "table":
            return f"A table with {number_of(self.rows, 'row')} and {number_of(len(self.columns), 'column')}."
        met = f" and {number_of(len(self.experiments), 'experiment')}" if self.experiments else ""
        return f"A log with {number_of(self.rows, 'event')} of {number_of(len(self.events), 'name')}{met}."

    def to_dict(self) -> dict[str, Any]:
        """The findings by name."""
        return {
            "kind": self.kind,
            "rows": self.rows,
            "found": [f.to_dict() for f in (*self.columns, *self.events, *self.properties)],
            "experiments": [e.to_dict() for e in self.experiments],
            "by_day": dict(self.by_day),
            "remarks": list(self.remarks),
        }

    def __repr__(self) -> str:
        lines = [self.sentence, *([f"Traffic: {self.pace}"] if self.pace else []), *self.remarks]
        lines += [f"  {f.name}: {f.sentence}" for f in (*self.columns, *self.events, *self.properties)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [
            {"name": f.name, "what it holds": f.sentence} for f in (*self.columns, *self.events, *self.properties)
        ]  # fmt: skip
        more = "".join(f"<p>{escape(t)}</p>" for t in (self.pace, *self.remarks) if t)
        return plain_html(self.sentence, rows).replace("</p>", "</p>" + more, 1)


def of_table(table: Any, columns: Sequence[ColumnProfile], *, unit: str | None = None, day: str | None = None) -> Findings:
    """Findings of a table.

    Args:
        table: As for `xp.units`.
        columns: Its profile.
        unit: Column of the unit's id, where it is known.
        day: Column of the day, where it is known.
    """
    remarks = []
    for c in columns:
        if c.name == unit and not c.is_unique and c.distinct:
            remarks.append(f"{shown(c.name)} repeats: {c.distinct:,} ids on {c.rows:,} rows.")
        if c.kind == "number" and c.values is not None and (said := _outlier(c.name, c.values)):
            remarks.append(said)
    by_day = _days_of_column(table, day) if day is not None else {}
    return Findings(
        "table",
        columns[0].rows if columns else 0,
        columns=tuple(FoundName(c.name, c.rows - c.missing, c.kind, _column_words(c)) for c in columns),
        by_day=by_day,
        remarks=tuple(remarks),
    )


def of_log(
    data: Any, events: Mapping[str, int], experiments: Sequence[SeenExperiment], *, by_day: Mapping[str, int] | None = None
) -> Findings:
    """Findings of a log.

    Args:
        data: Located: files, or a table.
        events: How often each event is in it.
        experiments: Whose exposures are in it.
        by_day: First exposures by day.
    """
    total = sum(events.values())
    ordered = sorted(events.items(), key=lambda item: (-item[1], item[0]))
    named = tuple(FoundName(n, c, "event", f"{c:,} times, {c / total:.1%} of all events") for n, c in ordered)
    properties = tuple(properties_of(data))
    remarks = tuple(said for p in properties if p.is_number and (said := _outlier(p.name, p.numbers)))
    return Findings(
        "log", total, events=named, properties=tuple(_property_found(p) for p in properties), experiments=tuple(experiments),
        by_day=dict(by_day or {}), remarks=remarks,
    )  # fmt: skip


def _column_words(c: ColumnProfile) -> str:
    gone = f", {number_of(c.missing, 'row')} without" if c.missing else ""
    if c.kind == "empty":
        return "empty"
    if c.kind == "flag" and c.values is not None:
        return f"yes or no, {np.nanmean(c.values):.1%} yes{gone}"
    if c.kind == "number" and c.values is not None and np.isfinite(c.values).any():
        known = c.values[np.isfinite(c.values)]
        return f"numbers from {known.min():,.6g} to {known.max():,.6g}, mean {known.mean():,.4g}{gone}"
    if c.kind == "day":
        return f"days, for example {_examples(c.counts)}{gone}"
    own = "each row its own" if c.is_unique else number_of(c.distinct, "value")
    return f"{own}, for example {_examples(c.counts)}{gone}"


def _examples(counts: Mapping[str, int]) -> str:
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:EXAMPLES]
    return ", ".join(shown(v, EXAMPLE_CHARACTERS) for v, _ in top)


def _outlier(name: str, values: Any) -> str:
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    some = known[known > 0]
    if some.size < 200:
        return ""
    high, largest = float(np.quantile(some, 0.99)), float(some.max())
    if largest < OUTLIER * high:
        return ""
    return f"{shown(name)} has an outlier: the largest value is {largest:,.6g}, and 99 % are below {high:,.6g}."


def _property_found(of: Property) -> FoundName:
    where = ", ".join(shown(e) for e, _ in of.of.most_common(2))
    if of.is_number:
        low, high = min(of.numbers), max(of.numbers)
        said = f"numbers from {low:,.6g} to {high:,.6g}, mean {np.mean(of.numbers):,.4g}"
    else:
        said = f"for example {_examples(of.values)}"
    kind = "number" if of.is_number else "flag" if of.truths == of.count else "text"
    return FoundName(of.name, of.count, kind, f"{said} (in {where})", tuple(e for e, _ in of.of.most_common()))


def _days_of_column(table: Any, day: str) -> dict[str, int]:
    """Rows by day."""
    column = arrow_table(table, [day]).column(day)
    counts: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    for value in column.to_pylist():
        if value is None:
            continue
        if hasattr(value, "isoformat"):
            counts[value.isoformat()[:10]] += 1
        else:
            texts[str(value)] += 1
    if texts:
        known = days_of(list(texts))
        for text, count in texts.items():
            at = known.get(text)
            if at is not None:
                counts[_iso(at)] += count
    return {d: c for d, c in sorted(counts.items()) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", d)}


def _iso(at: Any) -> str:
    if hasattr(at, "isoformat"):
        return str(at.isoformat())[:10]
    if isinstance(at, (int, np.integer)):
        return (date(1970, 1, 1) + timedelta(days=int(at))).isoformat()
    return str(at)[:10]
