"""What the watch reads: one row per day, metric and group, with the number of units, their mean and variance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from xpbench.errors import WatchError, plain
from xpbench.interrupts import temporary_folder
from xpbench.lazy import earlier
from xpbench.meaning.nothing import is_nothing, trimmed
from xpbench.meaning.numbers import number_of_text
from xpbench.sheets import rows_of, sheet_of

COLUMNS = ("day", "metric", "n", "mean")
LIMIT_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class WatchDay:
    """One day of one metric in one group.

    Attributes:
        day: The day (UTC).
        n: Units of the day, above 0.
        mean: Their mean, in metric units.
        variance: Their variance (ddof 1), None where it is unknown; the holdback needs it.
    """

    day: date
    n: int
    mean: float
    variance: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The days of one group, sorted.

    Attributes:
        name: `""` for everyone, `holdback` and `shipped`, or the name of a region, market or app version.
        days: In order, one per day.
        adopted: First day with the shipped variant (staggered); None = not yet.
    """

    name: str
    days: tuple[WatchDay, ...]
    adopted: date | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """All days of one metric.

    Attributes:
        metric: Key of the metric.
        groups: By name.
    """

    metric: str
    groups: Mapping[str, Group] = field(default_factory=dict)

    @property
    def last(self) -> date | None:
        """The last day with data."""
        return max((d.day for g in self.groups.values() for d in g.days), default=None)

    def up_to(self, day: date) -> Series:
        """The series without what came after a day."""
        return Series(
            self.metric,
            {k: Group(g.name, tuple(d for d in g.days if d.day <= day), g.adopted) for k, g in self.groups.items()},
        )


def series_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Series]:
    """Series by metric from rows with `day, metric, n, mean` and optionally `variance`, `group`, `adopted`.

    Raises:
        WatchError: `XPB-W03`, a row that can't be used; names its number and column.
    """
    days: dict[tuple[str, str], dict[date, WatchDay]] = {}
    adopted: dict[tuple[str, str], date | None] = {}
    for number, row in enumerate(rows, start=1):
        key = (str(_need(row, "metric", number)), str(row.get("group") or ""))
        day = _day(_need(row, "day", number), "day", number)
        n = _number(_need(row, "n", number), "n", number)
        if n < 1 or n != int(n):
            raise _bad(f"n in row {number}", row.get("n"), "Units are a whole number above 0", "Leave days without units out")
        variance = row.get("variance")
        entry = WatchDay(
            day,
            int(n),
            _number(_need(row, "mean", number), "mean", number),
            None if variance in (None, "") else _number(variance, "variance", number),
        )
        if entry.variance is not None and entry.variance < 0:
            raise _bad(f"variance in row {number}", variance, "A variance is not negative", "Correct it")
        held = days.setdefault(key, {})
        if day in held:
            raise _bad(f"day in row {number}", day.isoformat(), "A metric has one row a day and group", "Merge the rows")
        held[day] = entry
        when = row.get("adopted")
        date_of = None if when in (None, "") else _day(when, "adopted", number)
        if adopted.setdefault(key, date_of) != date_of:
            raise _bad(f"adopted in row {number}", str(when), "A group adopts once", "Give one date per group")
    out: dict[str, dict[str, Group]] = {}
    for (metric, group), held in days.items():
        listed = tuple(held[d] for d in sorted(held))
        out.setdefault(metric, {})[group] = Group(group, listed, adopted[metric, group])
    return {metric: Series(metric, groups) for metric, groups in out.items()}


def read_series(path: str | Path) -> dict[str, Series]:
    """Series by metric from a CSV file, see `series_of`.

    Raises:
        DataError: `XPB-D60` to `XPB-D62`, the file has no clear shape, is damaged or no UTF-8.
        WatchError: `XPB-W03`, the file can't be read or used.
    """
    source = Path(path)
    try:
        if source.stat().st_size > LIMIT_BYTES:
            raise _bad("File", str(source), f"A series has up to {LIMIT_BYTES:,} bytes", "Aggregate by day first")
        with temporary_folder() as folder:
            sheet = sheet_of(str(source), folder, COLUMNS)
            missing = [c for c in COLUMNS if c not in sheet.names]
            if missing:
                raise _bad("Header", ", ".join(missing) + " missing", f"Columns: {', '.join(COLUMNS)}", "Add them")
            twice = [c for c in (*COLUMNS, "variance", "group", "adopted") if sheet.names.count(c) > 1]
            if twice:
                raise _bad("Header", ", ".join(twice) + " twice", "Names of columns are unique", "Rename one of them")
            return series_of(
                {k: None if is_nothing(v) else trimmed(v) for k, v in zip(sheet.names, fields, strict=True)}
                for fields in rows_of(sheet)
            )
    except OSError as error:
        raise _bad("File", str(source), f"It must be readable CSV ({error})", "Check path and encoding") from error


def _bad(name: str, value: object, rule: str, remedy: str) -> WatchError:
    return WatchError("XPB-W03", name=plain(name), value=value, rule=plain(rule), remedy=plain(remedy))


def _need(row: Mapping[str, Any], column: str, number: int) -> Any:
    value = row.get(column)
    if value is None or value == "":
        raise _bad(f"{column} in row {number}", "missing", f"Every row has {', '.join(COLUMNS)}", "Add it")
    return value


def _day(value: Any, column: str, number: int) -> date:
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise _bad(f"{column} in row {number}", str(value), "A day is written 2026-11-03", "Correct it") from None


def _number(value: Any, column: str, number: int) -> float:
    try:
        read = number_of_text(value) if isinstance(value, str) else float(value)
        out = math.nan if read is None else read
    except (TypeError, ValueError):
        out = math.nan
    if not math.isfinite(out):
        raise _bad(f"{column} in row {number}", str(value), "It is a finite number", "Correct it")
    return out


__getattr__ = earlier(__name__, {"Day": "WatchDay"})
