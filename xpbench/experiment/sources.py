"""From what somebody has at hand, a frame or a path, to a source: the plan says the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpbench.data.summary import Summary
from xpbench.errors import InputError, nearest, plain
from xpbench.files import kind_by_name
from xpbench.plan import Plan
from xpbench.plan.metrics import Column

if TYPE_CHECKING:
    from xpbench.data import EventSchema
    from xpbench.data.logs.events import EventsSource
    from xpbench.experiment.gathering import Source

KINDS = ("parquet", "jsonl", "csv")
"""Kinds of files that a folder is searched for; the first that is there is read, packed or not."""


def source_of(plan: Plan, given: Any, *, variant: str | None = None, day: str | None = None) -> Source | Summary:
    """A source as it is; of anything else a table of units where the plan's metrics are columns, else a log of events.

    Args:
        plan: Says of which kind the data is, and the column of the unit.
        given: `xp.units(...)`, `xp.events(...)`, a summary, a frame, a path or paths, or a folder of files.
        variant: Column of the variant of a table; left out, it is found (see `xp.units`).
        day: Column of a table with the day of the first exposure.

    Raises:
        InputError: `XPB-I04`, a column was named for a source that names its own, or the folder has no file that is read.
        DataError: `XPB-D02` or `XPB-D03`, files are missing or of no kind that is read.
    """
    named = [name for name, value in (("variant", variant), ("day", day)) if value is not None]
    tabular = any(isinstance(m, Column) for m in plan.metrics)
    if named and (hasattr(given, "summarize") or isinstance(given, Summary) or not tabular):
        what = "a source names its columns itself" if tabular else "the plan counts events, whose columns xp.events names"
        raise InputError(
            "XPB-I04",
            name=plain(named[0]),
            value=variant if variant is not None else day,
            rule=plain(f"A column is named for a table of units; {what}"),
            remedy=plain(
                f"Leave {named[0]} out, or give it to xp.units(...) (--units on the command line)"
                if tabular
                else f"Leave {named[0]} out"
            ),
        )
    if isinstance(given, Summary) or hasattr(given, "summarize"):
        ready: Source | Summary = given
        return ready
    table = files_in(given) if isinstance(given, (str, Path)) and Path(given).is_dir() else given
    if tabular:
        from xpbench.data import units

        return units(table, variant=variant, day=day)
    from xpbench.data import events

    return events(table)


def log_of(plan: Plan, given: Any) -> EventsSource:
    """A log of events, of what was given.

    Raises:
        InputError: `XPB-I04`, it is a table of units: what happens day by day is in the events.
    """
    from xpbench.data.logs.events import EventsSource

    found = source_of(plan, given)
    if not isinstance(found, EventsSource):
        raise InputError(
            "XPB-I04",
            name="source",
            value=type(found).__name__,
            rule=plain("What happens day by day is read from a log of events"),
            remedy=plain("Give xp.events(...) (--events on the command line), or a series of days (--data)"),
        )
    return found


def log_of_files(
    files: Sequence[str], *, schema: Sequence[str] = (), time_zone: str = "UTC", until: str | None = None
) -> EventsSource:
    """A log as a command names it; an event that nobody did counts as zero, since after shipping that may be so.

    Args:
        files: As for `xp.events`.
        schema: `PART=COLUMN`, or a preset, each.
        time_zone: Zone of the log's times.
        until: Up to when it is complete.

    Raises:
        InputError: `XPB-I04`, there is no such part.
        DataError: files are missing or of no kind that is read.
    """
    from xpbench.data import EventSchema, events
    from xpbench.data.logs.log import PRESETS

    presets = [s for s in schema if s in PRESETS]
    base = getattr(EventSchema, presets[0])() if presets else EventSchema()
    parts = schema_of(",".join(s for s in schema if s not in PRESETS))
    named = {f.name: v for f in fields(EventSchema) if (v := getattr(parts, f.name)) != getattr(EventSchema(), f.name)}
    given = files if len(files) > 1 else files[0]
    return events(given, schema=replace(base, **named), time_zone=time_zone, until=until, absent_events="zero")


def files_in(folder: str | Path) -> list[str]:
    """The files of the first kind in `KINDS` that a folder holds, in order of their names.

    Raises:
        InputError: `XPB-I04`, there are none, or one is there packed and unpacked.
    """
    names = sorted(str(p) for p in Path(folder).iterdir() if p.is_file() and not p.name.startswith((".", "_")))
    for kind in KINDS:
        found = [n for n in names if kind_by_name(n) == kind]
        bare = [n.lower().removesuffix(".gz").removesuffix(".zst").removesuffix(".zip") for n in found]
        twice = next((n for n in bare if bare.count(n) > 1), None)
        if twice is not None:
            raise InputError(
                "XPB-I04",
                name=plain("The folder"),
                value=str(folder),
                rule=plain(f"It holds a file once, and {Path(twice).name} is there packed and unpacked"),
                remedy=plain("Name the files, or remove one of the two"),
            )
        if found:
            return found
    raise InputError(
        "XPB-I04",
        name=plain("The folder"),
        value=str(folder),
        rule=plain("It holds files of Parquet, JSON Lines or CSV"),
        remedy=plain("Name the files"),
    )


def schema_of(parts: Mapping[str, str] | str) -> EventSchema:
    """Where the parts of an event are, from names that people typed; Mixpanel's where none is.

    Args:
        parts: Columns by part, or `part=column` with commas between; an empty column says that the log has no such part.

    Raises:
        InputError: `XPB-I04`, there is no such part.
    """
    from xpbench.data import EventSchema

    if isinstance(parts, str):
        pairs = [p.partition("=") for p in parts.split(",") if p.strip()]
        parts = {name.strip(): column.strip() if sign else "" for name, sign, column in pairs}
    known = {f.name for f in fields(EventSchema)}
    for name in parts:
        if name not in known:
            rule = plain(f"An event has the parts {', '.join(sorted(known))}")
            raise InputError(
                "XPB-I04", name=plain("Part of an event"), value=name, rule=rule, remedy=plain(nearest(name, known))
            )
    named: dict[str, Any] = {k: v or None for k, v in parts.items()}
    return replace(EventSchema(), **named)
