"""What was read is part of a look: files, end, zone, columns and policies, on record and carried into reading again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from xpbench.data.summary import Summary
from xpbench.errors import DecisionError, plain
from xpbench.ledger import Entry, system_clock
from xpbench.ledger.clock import parse_stamp
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.data.logs.events import EventsSource
    from xpbench.data.logs.log import EventSchema
    from xpbench.data.tables.units import UnitsSource
    from xpbench.experiment.gathering import Source

MOST_FILES = 1_000
"""More names than that are counted, not listed: such a look is read again by naming its files."""

_OPTIONS = {"time_zone": "UTC", "duplicates": "drop", "absent_events": "refuse"}
_SLICES = frozenset(("segment", "day", "age"))


def reading_of(plan: Plan, source: Any, folder: Path) -> dict[str, Any]:
    """What a look puts on record of how its data were read; what is as usual is left out.

    Args:
        plan: The plan in force.
        source: As the look read it.
        folder: Of the experiment. Files below the folder that holds its root are named from there, so that both can move
            together; of others the name alone goes on record, and no path of somebody's machine.
    """
    if _is_log(source):
        how: dict[str, Any] = {k: getattr(source, k) for k, usual in _OPTIONS.items() if getattr(source, k) != usual}
        if source.until is not None:
            how["until"] = source.until.astimezone(UTC).isoformat()
        if schema := _schema(source.schema):
            how["schema"] = schema
        if source.slices != _SLICES:
            how["slices"] = sorted(source.slices)
        if source.identities is not None:
            how["identities"] = _files(source.identities, folder)
        return {"kind": "log", **_files(source.log, folder), "how": how}
    if _is_table(source):
        how = {"variant": source.named(plan).variant}
        how |= {k: v for k in ("unit", "day") if (v := getattr(source, k)) is not None}
        if source.variants:
            how["variants"] = dict(source.variants)
        return {"kind": "table", **_files(source.table, folder), "how": how}
    return {"kind": "moments" if isinstance(source, Summary) else type(source).__name__, "how": {}}


def _is_log(source: Any) -> TypeGuard[EventsSource]:
    """Told by what it has: its module brings the engine, which a table or moments need not wait for."""
    return hasattr(source, "absent_events") and hasattr(source, "time_zone")


def _is_table(source: Any) -> TypeGuard[UnitsSource]:
    return hasattr(source, "variants") and hasattr(source, "named")


def _schema(schema: EventSchema) -> dict[str, Any]:
    usual = type(schema)()
    return {f.name: v for f in fields(schema) if (v := getattr(schema, f.name)) != getattr(usual, f.name)}


def _files(given: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(given, list):
        return {"table": f"{type(given).__module__.split('.')[0]} {type(given).__name__}"}
    names = [_named(path, folder) for path in given]
    more = {"more_files": len(names) - MOST_FILES} if len(names) > MOST_FILES else {}
    return {"files": names[:MOST_FILES], **more}


def _named(path: str, folder: Path) -> str:
    base = folder.resolve().parent.parent
    try:
        return Path(path).resolve().relative_to(base).as_posix()
    except ValueError:
        return Path(path).name


def source_again(look: Entry, folder: Path) -> Source:
    """The source that a look on record read, with everything that was said of it.

    Args:
        look: Its entry.
        folder: Of the experiment.

    Raises:
        DecisionError: `XPB-R32`, the look does not name files, or one of them is not there.
    """
    reading = look.body.get("reading")
    if not isinstance(reading, Mapping) or not reading.get("files"):
        kind = "an older release recorded it" if not isinstance(reading, Mapping) else reading.get("table", "moments")
        raise DecisionError("XPB-R32", seq=look.seq, reason=plain(f"It does not name files ({kind})"))
    if reading.get("more_files"):
        raise DecisionError("XPB-R32", seq=look.seq, reason=plain(f"{reading['more_files']:,} of its files are not listed"))
    again: Source = carried(look, [_found(look, folder, name) for name in reading["files"]])
    people = reading["how"].get("identities")
    if people is None or not _is_log(again):
        return again
    if not people.get("files"):
        kind = plain(f"It does not name the files of identities ({people.get('table', 'unknown')})")
        raise DecisionError("XPB-R32", seq=look.seq, reason=kind)
    return replace(again, identities=[_found(look, folder, name) for name in people["files"]])


def _found(look: Entry, folder: Path, name: str) -> str:
    """A file that a look names.

    Raises:
        DecisionError: `XPB-R32`, it is not there.
    """
    places = [folder.resolve().parent.parent / name, Path(name)]
    there = next((p for p in places if p.is_file()), None)
    if there is None:
        raise DecisionError("XPB-R32", seq=look.seq, reason=plain(f"There is no file {name} in {places[0].parent}"))
    return str(there)


def carried(look: Entry | None, given: Any) -> Any:
    """Data to be read as a look read them: what the caller left as usual is taken from the look.

    Args:
        look: On record; None for none.
        given: A source, a frame, or paths; of another kind than the look's it stays as it is.
    """
    reading = look.body.get("reading") if look is not None else None
    if look is None or not isinstance(reading, Mapping):
        return given
    how = reading["how"]
    is_bare = not hasattr(given, "summarize") and not isinstance(given, Summary)
    if reading["kind"] == "log":
        if is_bare:
            from xpbench.data import events

            given = events(given)
        return _like_log(given, how, look) if _is_log(given) else given
    if reading["kind"] == "table":
        if is_bare:
            from xpbench.data import units

            given = units(given)
        return _like_table(given, how) if _is_table(given) else given
    return given


def _like_log(source: EventsSource, how: Mapping[str, Any], look: Entry) -> EventsSource:
    new: dict[str, Any] = {k: how[k] for k, usual in _OPTIONS.items() if k in how and getattr(source, k) == usual}
    new = {k: v for k, v in new.items() if k not in source.stated}
    if source.until is None and how.get("until"):
        new["until"] = datetime.fromisoformat(how["until"])
    elif source.until is None and source.clock is system_clock:
        then = parse_stamp(look.at)  # events from after the look did not move the end of the log
        new["clock"] = lambda: then
    usual = type(source.schema)()
    if "schema" in how and source.schema == usual:
        new["schema"] = replace(usual, **how["schema"])
    if "slices" in how and source.slices == _SLICES:
        new["slices"] = frozenset(how["slices"])
    return replace(source, **new)


def _like_table(source: UnitsSource, how: Mapping[str, Any]) -> UnitsSource:
    new: dict[str, Any] = {k: how[k] for k in ("unit", "variant", "day") if k in how and getattr(source, k) is None}
    if "variants" in how and not source.variants:
        new["variants"] = dict(how["variants"])
    return replace(source, **new)


def newest_look(entries: Sequence[Entry], kinds: Sequence[str] = ("opened", "peeked")) -> Entry | None:
    """The newest look on record, None where there is none."""
    return next((e for e in reversed(entries) if e.kind in kinds), None)
