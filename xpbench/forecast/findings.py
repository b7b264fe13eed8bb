"""What data of the past hold, before any plan: columns or events, experiments, properties, traffic, repeats and outliers."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xpbench.data.logs.list_experiments import SeenExperiment
from xpbench.data.logs.opening import kind_of
from xpbench.data.tables.pooled import arrow_table
from xpbench.data.tables.profile import ColumnProfile
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import number_of, shown
from xpbench.meaning.times import days_of
from xpbench.shows import Shows, plain_html

SEEN_EVENTS = 50_000
"""Events, spread over the files, whose properties are looked at."""
EXAMPLES = 3
EXAMPLE_CHARACTERS = 24
OUTLIER = 20.0
"""A largest value so many times the 99th percentile is named."""
_STANDARD = frozenset({"token", "time", "distinct_id", "$insert_id", "mp_processing_time_ms", "event", "properties"})


@dataclass(frozen=True, slots=True)
class Found:
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
    columns: tuple[Found, ...] = ()
    events: tuple[Found, ...] = ()
    properties: tuple[Found, ...] = ()
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
    def traffic(self) -> str:
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
        lines = [self.sentence, *([f"Traffic: {self.traffic}"] if self.traffic else []), *self.remarks]
        lines += [f"  {f.name}: {f.sentence}" for f in (*self.columns, *self.events, *self.properties)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [
            {"name": f.name, "what it holds": f.sentence} for f in (*self.columns, *self.events, *self.properties)
        ]  # fmt: skip
        more = "".join(f"<p>{escape(t)}</p>" for t in (self.traffic, *self.remarks) if t)
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
        columns=tuple(Found(c.name, c.rows - c.missing, c.kind, _column_words(c)) for c in columns),
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
    named = tuple(Found(n, c, "event", f"{c:,} times, {c / total:.1%} of all events") for n, c in ordered)
    properties = tuple(properties_of(data))
    remarks = tuple(_outlier_of(p) for p in properties if _outlier_of(p))
    return Findings(
        "log", total, events=named, properties=tuple(p.found() for p in properties), experiments=tuple(experiments),
        by_day=dict(by_day or {}), remarks=remarks,
    )  # fmt: skip


@dataclass(slots=True)
class Property:
    """One property of the events that were looked at."""

    name: str
    count: int = 0
    of: Counter[str] = field(default_factory=Counter)
    numbers: list[float] = field(default_factory=list)
    truths: int = 0
    values: Counter[str] = field(default_factory=Counter)

    @property
    def is_number(self) -> bool:
        """Nine in ten values are numbers, and there are several."""
        return len(self.numbers) >= 0.9 * self.count and len(set(self.numbers[:2000])) > 2

    def add(self, event: str, value: Any) -> None:
        """Take notice of a value."""
        if value is None or isinstance(value, (dict, list)):
            return
        self.count += 1
        self.of[event] += 1
        if isinstance(value, bool):
            self.truths += 1
        elif isinstance(value, (int, float)) and math.isfinite(value):
            self.numbers.append(float(value))
        if len(self.values) < 1000 or str(value) in self.values:
            self.values[str(value)[:200]] += 1

    def found(self) -> Found:
        """As a finding."""
        where = ", ".join(shown(e) for e, _ in self.of.most_common(2))
        if self.is_number:
            low, high = min(self.numbers), max(self.numbers)
            said = f"numbers from {low:,.6g} to {high:,.6g}, mean {np.mean(self.numbers):,.4g}"
        else:
            said = f"for example {_examples(self.values)}"
        kind = "number" if self.is_number else "flag" if self.truths == self.count else "text"
        return Found(self.name, self.count, kind, f"{said} (in {where})", tuple(e for e, _ in self.of.most_common()))


def properties_of(data: Any) -> list[Property]:
    """Properties of a log's events by frequency; those that libraries add by themselves come last."""
    out: dict[str, Property] = {}
    for event, values in _some_events(data):
        for name, value in values.items():
            if name not in _STANDARD:
                out.setdefault(name, Property(name)).add(event, value)
    own = [p for p in out.values() if p.count]
    return sorted(own, key=lambda p: (p.name.startswith(("$", "mp_")), -p.count, p.name))


def _some_events(data: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and properties of the first events of each file."""
    if isinstance(data, list) and kind_of(data[0]) == "jsonl":
        each = max(100, SEEN_EVENTS // len(data))
        for path in data[:500]:
            yield from _of_lines(path, each)
        return
    names = columns_of(data)
    found = arrow_table(data, names[:200], rows=SEEN_EVENTS)
    for row in found.to_pylist():
        event = row.get("event")
        if event is None:
            continue
        values = {k: v for k, v in row.items() if k not in _STANDARD}
        text = row.get("properties")
        if isinstance(text, str):
            with contextlib.suppress(ValueError):
                loaded = json.loads(text)
                values |= loaded if isinstance(loaded, dict) else {}
        elif isinstance(text, dict):
            values |= text
        yield str(event), {k: _plain(v) for k, v in values.items()}


def _of_lines(path: str, most: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    opened = gzip.open if Path(path).suffix == ".gz" else open
    with contextlib.suppress(OSError, EOFError), opened(path, "rt", encoding="utf-8", errors="replace") as file:  # type: ignore[operator]
        for index, line in enumerate(file):
            if index >= most:
                return
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and isinstance(event.get("event"), str):
                    inner = event.get("properties")
                    yield event["event"], inner if isinstance(inner, dict) else event


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str, dict, list)) or value is None else str(value)


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


def _outlier_of(found: Property) -> str:
    return _outlier(found.name, found.numbers) if found.is_number else ""


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
