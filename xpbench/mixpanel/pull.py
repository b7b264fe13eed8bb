"""Raw export, day by day: streamed to disk, checked to its last line, resumed where it stopped."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import httpx

from xpbench.canonical import digest
from xpbench.errors import MixpanelError, plain
from xpbench.files import sync_folder, write_atomic
from xpbench.ledger.clock import Clock, stamp, system_clock
from xpbench.mixpanel.client import Client
from xpbench.shows import Shows, plain_html

INDEX = "pull.json"
"""What has been pulled into a folder."""
_CHUNK = 1 << 16
_PIECE = 1 << 20
_SETTLED = timedelta(days=1)
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
        settled: Pulled a day after its end or later; before that, late events are still to be expected, and it is pulled again.
        reused: It was there already and was not asked for again.
    """

    day: str
    file: str
    events: int
    bytes: int
    pulled_at: str
    settled: bool
    reused: bool = False

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
        shown = ("day", "events", "bytes", "settled", "reused")
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
) -> PullReport:
    """Export days into a folder, one gzip file of JSON Lines a day; days that are there and settled are kept.

    The bytes go to disk as they come, at whatever size, in constant memory. A day counts when its stream has ended whole and
    its last line is JSON; a file appears under its name only then.

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

    Raises:
        MixpanelError: those of `Client.stream`; `XPB-M09` a day ends in the middle of a line; `XPB-M10` a date or the folder's
            selection does not fit.
    """
    days = _days(first, last)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    selection = {"project_id": client.account.project_id, "events": sorted(events), "where": where, "in_ms": in_ms}
    index = _index(target, selection)
    out = []
    for day in days:
        known = index.get(day)
        if known is not None and known.settled and (target / known.file).is_file():
            pulled = PulledDay(**{**known.to_dict(), "reused": True})
        else:
            pulled = _pull_day(client, target, day, selection, attempts, clock)
            index[day] = pulled
            _write_index(target, selection, index)
        out.append(pulled)
        if progress is not None:
            progress(pulled)
    return PullReport(str(target), tuple(out))


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


def _pull_day(client: Client, folder: Path, day: str, selection: dict[str, Any], attempts: int, clock: Clock) -> PulledDay:
    params: dict[str, Any] = {"from_date": day, "to_date": day, "project_id": selection["project_id"]}
    if selection["events"]:
        params["event"] = json.dumps(selection["events"])
    if selection["where"]:
        params["where"] = selection["where"]
    if selection["in_ms"]:
        params["time_in_ms"] = "true"
    name = f"{day}.jsonl.gz"
    part = folder / f".{name}.part"
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
                part.open("wb") as file,
            ):
                if response.status_code == 400:
                    raise client._refused(response)
                lines = _save(response, file)
                file.flush()
                os.fsync(file.fileno())
        except (_CutError, httpx.HTTPError):
            if attempt == attempts:
                part.unlink(missing_ok=True)
                raise MixpanelError("XPB-M09", day=day, attempts=attempts) from None
            continue
        os.replace(part, folder / name)
        sync_folder(folder)
        over = datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(days=1)
        return PulledDay(day, name, lines, (folder / name).stat().st_size, stamp(now), now >= over + _SETTLED)
    raise AssertionError("unreachable")  # pragma: no cover


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
