"""Raw export, one file a day: streamed to disk, checked to its last line, resumed, asked again while it can grow.

A day is final when nothing can be added to it any more: `/track` takes events that are up to five days old. Until then a later
pull asks for it again; what was there stays in place where nothing has come.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import math
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

from xpbench.canonical import digest
from xpbench.errors import MixpanelError, plain
from xpbench.files import sync_folder, write_atomic
from xpbench.ledger.clock import Clock, parse_stamp, stamp, system_clock
from xpbench.mixpanel.client import Client
from xpbench.shows import Shows, plain_html

INDEX = "pull.json"
"""What has been pulled into a folder."""
_CHUNK = 1 << 16
_PIECE = 1 << 20
_SETTLED = timedelta(days=1)
LATE_DAYS = 6
"""Days after its end during which a day is asked for again: phones deliver up to five days late, and arrive a little later."""
QUERIES = 40
"""Queries into which a long pull is divided: of the 60 an hour that a whole project has, some are left to others."""
_TAIL = 1 << 21


@dataclass(frozen=True, slots=True)
class PulledDay:
    """One day on disk.

    Attributes:
        day: yyyy-mm-dd, in the project's time zone.
        file: Name in the folder.
        events: Lines.
        bytes: Size of the file.
        pulled_at: When, UTC.
        settled: Pulled a day after its end or later; before that, much of it may be missing.
        reused: It was there already and was not asked for again.
        late: Events that this pull has added to a day that was there already.
    """

    day: str
    file: str
    events: int
    bytes: int
    pulled_at: str
    settled: bool
    reused: bool = False
    late: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PullReport(Shows):
    """What a pull has left in its folder.

    Attributes:
        folder: Where.
        days: One per day, in order.
    """

    rows_of_frame: ClassVar[str] = "days"

    folder: str
    days: tuple[PulledDay, ...]

    def _repr_html_(self) -> str:
        shown = ("day", "events", "bytes", "settled", "reused", "late")
        return plain_html(repr(self), [{n: getattr(d, n) for n in shown} for d in self.days])

    @property
    def events(self) -> int:
        """Events in all days, repeats included: the export is never de-duplicated."""
        return sum(d.events for d in self.days)

    @property
    def pattern(self) -> str:
        """What to give to `xp.events`."""
        return str(Path(self.folder) / "*.jsonl.gz")

    def to_dict(self) -> dict[str, Any]:
        """Folder, pattern, count and days."""
        return {
            "folder": self.folder,
            "pattern": self.pattern,
            "events": self.events,
            "days": [d.to_dict() for d in self.days],
        }

    def __repr__(self) -> str:
        fetched = sum(not d.reused for d in self.days)
        return f"PullReport({self.events} events of {len(self.days)} days in {self.folder}, {fetched} fetched now)"

    @property
    def late(self) -> int:
        """Events that came late: added by this pull to days that were there already."""
        return sum(d.late for d in self.days)


def pull(
    client: Client,
    folder: str | Path,
    *,
    first: str,
    last: str,
    events: Sequence[str] = (),
    where: str = "",
    in_ms: bool = True,
    attempts: int = 4,
    progress: Callable[[PulledDay], None] | None = None,
    clock: Clock = system_clock,
    time_zone: str = "UTC",
    late_days: int = LATE_DAYS,
    again: bool = False,
) -> PullReport:
    """Export days into a folder, one gzip file of JSON Lines a day; days that are there and can't grow any more are kept.

    The bytes go to disk as they come, at whatever size, in constant memory (of a day that has grown, the ids are compared in
    memory). A day counts when its stream has ended whole and
    its last line is JSON; a file appears under its name only then. A long pull asks for several days in one query, since a
    project has 60 queries an hour for everyone. A day that is asked for again is replaced where events have come, and no
    event that was there is lost.

    Args:
        client: Of the project.
        folder: Where to; made if missing. One folder holds one selection of events.
        first: First day, yyyy-mm-dd, in the project's time zone (UTC for projects made since 2023).
        last: Last day, included.
        events: Names of events; all if empty.
        where: Filter in Mixpanel's expression language.
        in_ms: Times in milliseconds: exposures and conversions within one second keep their order.
        attempts: How often a day is asked for when it ends too early.
        progress: Called with each day.
        clock: The time.
        time_zone: Of the project, for those made before 2023: their days begin at its midnight.
        late_days: Days after its end during which a day is asked for again. `/track` takes events for five days.
        again: Ask for every day again, for events that were imported long afterwards.

    Raises:
        MixpanelError: those of `Client.stream`; `XPB-M09` a day ends in the middle of a line; `XPB-M10` a date or the folder's
            selection does not fit.
    """
    days = _days(first, last)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    selection = {"project_id": client.account.project_id, "events": sorted(events), "where": where, "in_ms": in_ms}
    if time_zone != "UTC":
        selection["time_zone"] = time_zone
    zone = _zone(time_zone)
    index = _index(target, selection)
    kept = {d: k for d in days if (k := index.get(d)) is not None and (target / k.file).is_file()}
    final = {d for d, k in kept.items() if not again and _is_final(k, zone, late_days)}
    done: dict[str, PulledDay] = {}
    for span in _spans([d for d in days if d not in final]):
        for pulled in _pull_span(client, target, span, selection, attempts, clock, zone):
            merged = _merged(target, kept.get(pulled.day), pulled)
            index[pulled.day] = done[pulled.day] = merged
            _write_index(target, selection, index)
            if progress is not None:
                progress(merged)
    out = []
    for day in days:
        if day in done:
            out.append(done[day])
            continue
        out.append(PulledDay(**{**kept[day].to_dict(), "reused": True, "late": 0}))
        if progress is not None:
            progress(out[-1])
    return PullReport(str(target), tuple(out))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MixpanelError(
            "XPB-M10",
            name=plain("Time zone"),
            value=name,
            rule=plain("Time zones are named as in the IANA database"),
            remedy=plain("For example Europe/London"),
        ) from None


def _over(day: str, zone: ZoneInfo) -> datetime:
    """When a day of the project ends."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), datetime.min.time(), tzinfo=zone)


def _is_final(day: PulledDay, zone: ZoneInfo, late_days: int) -> bool:
    return parse_stamp(day.pulled_at) >= _over(day.day, zone) + timedelta(days=late_days)


def _spans(days: list[str]) -> list[list[str]]:
    """Runs of following days, each for one query: a day alone where there are few of them."""
    longest = max(1, math.ceil(len(days) / QUERIES))
    out: list[list[str]] = []
    for day in days:
        follows = bool(out) and date.fromisoformat(day) - date.fromisoformat(out[-1][-1]) == timedelta(days=1)
        if follows and len(out[-1]) < longest:
            out[-1].append(day)
        else:
            out.append([day])
    return out


def _days(first: str, last: str) -> list[str]:
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise MixpanelError(
            "XPB-M10",
            name=plain("Day"),
            value=f"{first}..{last}",
            rule=plain("Days are yyyy-mm-dd"),
            remedy=plain("Correct it"),
        ) from None
    if end < start:
        raise MixpanelError(
            "XPB-M10",
            name=plain("Last day"),
            value=last,
            rule=plain(f"It is not before the first, {first}"),
            remedy=plain("Swap them"),
        )
    return [(start + timedelta(days=i)).isoformat() for i in range((end - start).days + 1)]


def _index(folder: Path, selection: dict[str, Any]) -> dict[str, PulledDay]:
    path = folder / INDEX
    if not path.is_file():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        days = {d["day"]: PulledDay(**d) for d in held["days"]}
    except (ValueError, KeyError, TypeError):
        return {}  # an index can always be made again by pulling
    if held.get("selection") != digest(selection):
        raise MixpanelError(
            "XPB-M10",
            name=plain("Folder"),
            value=str(folder),
            rule=plain("It holds another project or another selection of events, and one folder holds one"),
            remedy=plain("Pull into another folder"),
        )
    return days


def _write_index(folder: Path, selection: dict[str, Any], index: dict[str, PulledDay]) -> None:
    days = [index[d].to_dict() for d in sorted(index)]
    text = json.dumps({"schema": 1, "selection": digest(selection), **selection, "days": days}, indent=1)
    write_atomic(folder / INDEX, text.encode())


def _pull_span(
    client: Client, folder: Path, days: list[str], selection: dict[str, Any], attempts: int, clock: Clock, zone: ZoneInfo
) -> list[PulledDay]:
    """Each day of one query, in files that are not in their places yet."""
    params: dict[str, Any] = {"from_date": days[0], "to_date": days[-1], "project_id": selection["project_id"]}
    if selection["events"]:
        params["event"] = json.dumps(selection["events"])
    if selection["where"]:
        params["where"] = selection["where"]
    if selection["in_ms"]:
        params["time_in_ms"] = "true"
    parts = {day: folder / _part(day) for day in days}
    whole = folder / f".{days[0]}.jsonl.gz.part"
    for attempt in range(1, attempts + 1):
        now = clock()
        try:
            with (
                client.stream(
                    "GET",
                    "export",
                    "/api/2.0/export",
                    params=params,
                    pace=client.export_pace,
                    large=True,
                    headers={"Accept-Encoding": "gzip"},
                ) as response,
                whole.open("wb") as file,
            ):
                if response.status_code == 400:
                    raise client._refused(response)
                counts = {days[0]: _save(response, file)}
                file.flush()
                os.fsync(file.fileno())
            if len(days) > 1:
                counts = _divided(whole, parts)
        except (_CutError, httpx.HTTPError):
            if attempt == attempts:
                for path in (whole, *parts.values()):
                    path.unlink(missing_ok=True)
                raise MixpanelError("XPB-M09", day=days[0], attempts=attempts) from None
            continue
        settled = {d: now >= _over(d, zone) + _SETTLED for d in days}
        return [PulledDay(d, f"{d}.jsonl.gz", counts.get(d, 0), parts[d].stat().st_size, stamp(now), settled[d]) for d in days]
    raise AssertionError("unreachable")  # pragma: no cover


def _part(day: str) -> str:
    return f".{day}.jsonl.gz.part"


_TIME = re.compile(rb'"time": ?(-?[0-9]+(?:\.[0-9]+)?)')


def _divided(whole: Path, parts: dict[str, Path]) -> dict[str, int]:
    """Divide the lines of several days into a file each; returns the lines of each day.

    Times are those of the project's clock, which is how the export writes them: the date of the number is the day.
    """
    counts = dict.fromkeys(parts, 0)
    first = min(parts)
    source = whole.with_name(f"{whole.name}.all")
    os.replace(whole, source)
    try:
        with contextlib.ExitStack() as stack:
            out = {d: stack.enter_context(gzip.GzipFile(p, "wb", compresslevel=1, mtime=0)) for d, p in parts.items()}
            for line in stack.enter_context(gzip.open(source, "rb")):
                if not line.strip():
                    continue
                day = _day_of(line)
                day = day if day in out else min(max(day, first), max(parts))
                out[day].write(line if line.endswith(b"\n") else line + b"\n")
                counts[day] += 1
    finally:
        source.unlink(missing_ok=True)
    return counts


def _day_of(line: bytes) -> str:
    found = _TIME.findall(line)
    number = float(found[0]) if len(found) == 1 else None
    if number is None:  # none, or one in a text or a nested object as well
        try:
            number = float(json.loads(line)["properties"]["time"])
        except (ValueError, KeyError, TypeError):
            raise _CutError from None
    return datetime.fromtimestamp(number / 1000 if abs(number) >= 1e11 else number, UTC).date().isoformat()


def _merged(folder: Path, before: PulledDay | None, now: PulledDay) -> PulledDay:
    """Put a day in its place: the file that is there stays where nothing has come, and no event of it is lost."""
    part, place = folder / _part(now.day), folder / now.file
    if before is not None and before.settled and _content(place) == _content(part):
        part.unlink()
        return replace(now, bytes=before.bytes, events=before.events)
    # a unit's id may have changed since, when it logged in: the newer line of an event counts
    old = _ids(place) if before is not None else {}
    new = _ids(part) if before is not None else {}
    late = sum(max(n - old.get(i, 0), 0) for i, n in new.items()) if before is not None else 0
    lost = set(old) - set(new)
    events = now.events
    if lost:  # the export holds fewer than before: what was pulled stays
        with gzip.open(place, "rb") as lines, gzip.GzipFile(filename=part, mode="ab", compresslevel=1, mtime=0) as out:
            for line in lines:
                if _digest(line) in lost:
                    out.write(line if line.endswith(b"\n") else line + b"\n")
                    events += 1
    os.replace(part, place)
    sync_folder(folder)
    return replace(now, bytes=place.stat().st_size, events=events, late=late)


def _content(path: Path) -> tuple[int, int]:
    """Number of lines of a file, and a digest over them that does not depend on their order."""
    lines = total = 0
    with gzip.open(path, "rb") as file:
        for line in file:
            if line.strip():
                lines += 1
                total += int.from_bytes(hashlib.blake2b(line.strip(), digest_size=16).digest(), "big")
    return lines, total % 2**128


def _ids(path: Path) -> dict[bytes, int]:
    """How often each event is in a file, by a digest of its name and insert id (of the line where it has none)."""
    found: dict[bytes, int] = {}
    with gzip.open(path, "rb") as lines:
        for line in lines:
            if line.strip():
                key = _digest(line)
                found[key] = found.get(key, 0) + 1
    return found


_INSERT_ID = re.compile(rb'"\$insert_id": ?"([^"\\]*)"')
_EVENT = re.compile(rb'^\{"event": ?"([^"\\]*)"')


def _digest(line: bytes) -> bytes:
    ids, name = _INSERT_ID.findall(line), _EVENT.match(line)
    if len(ids) == 1 and name is not None:
        key = name[1] + b"\0" + ids[0]
    else:
        try:
            event = json.loads(line)
            own = event["properties"].get("$insert_id")
            key = f"{event['event']}\0{own}".encode() if own else line.strip()
        except (ValueError, KeyError, TypeError, AttributeError):
            key = line.strip()
    return hashlib.blake2b(key, digest_size=12).digest()


class _CutError(Exception):
    """The body ended too early."""


def _save(response: httpx.Response, file: BinaryIO) -> int:
    """Write the body as gzip, count its lines and check the last one."""
    if response.headers.get("content-encoding", "") == "gzip":
        return _checked(_unpacked(response.iter_raw(_CHUNK), file))
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as packed:

        def copied() -> Iterator[bytes]:
            for chunk in response.iter_raw(_CHUNK):
                packed.write(chunk)
                yield chunk

        return _checked(copied())


def _unpacked(chunks: Iterator[bytes], file: BinaryIO) -> Iterator[bytes]:
    """The plain bytes of a gzip stream that is written to a file on the way."""
    unpack = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        file.write(chunk)
        try:
            while chunk:
                yield unpack.decompress(chunk, _PIECE)
                chunk = unpack.unconsumed_tail
        except zlib.error:
            raise _CutError from None
    if not unpack.eof:
        raise _CutError


def _checked(chunks: Iterator[bytes]) -> int:
    lines = 0
    tail = b""
    for chunk in chunks:
        if not chunk:
            continue
        found = chunk.count(b"\n")
        lines += found
        tail = (
            chunk[chunk.rindex(b"\n", 0, len(chunk) - 1) + 1 :]
            if found > 1 or (found and chunk[-1:] != b"\n")
            else tail + chunk
        )
        if len(tail) > _TAIL:
            raise _CutError  # no event is that long
    last = tail.rstrip(b"\n").rsplit(b"\n", 1)[-1]
    if not last:
        return lines
    try:
        whole = isinstance(json.loads(last), dict)
    except ValueError:
        whole = False
    if not whole:
        raise _CutError
    return lines + (0 if tail.endswith(b"\n") else 1)
