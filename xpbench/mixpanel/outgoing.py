"""Events as they go out to `/import`: with an insert id, whole milliseconds, no place of the sender, in requests that fit."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from xpbench.expose.limits import BATCH_BYTES, BATCH_EVENTS
from xpbench.expose.values import Unsendable, sendable, unit_of


def batches(events: Iterable[Mapping[str, Any]], failed: list[dict[str, Any]]) -> Iterator[tuple[list[bytes], list[int]]]:
    """Requests of at most so many events and bytes, with the positions of their events; what has no JSON is failed."""
    lines: list[bytes] = []
    positions: list[int] = []
    total = 0
    for position, event in enumerate(events):
        try:
            line = json.dumps(sendable(outgoing(event)), separators=(",", ":")).encode()
        except Unsendable as error:
            id_ = event["properties"].get("$insert_id", "") if _has_properties(event) else ""
            failed.append({"position": position, "$insert_id": id_, "field": "", "message": f"a value {error}"})
            continue
        if lines and (len(lines) >= BATCH_EVENTS or total + len(line) > BATCH_BYTES):
            yield lines, positions
            lines, positions, total = [], [], 0
        lines.append(line)
        positions.append(position)
        total += len(line) + 1
    if lines:
        yield lines, positions


def _has_properties(event: Any) -> bool:
    return isinstance(event, Mapping) and isinstance(event.get("properties"), Mapping)


def outgoing(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event with an insert id, its time in whole milliseconds, and `ip: 0` where it has none.

    Without `ip` Mixpanel looks up the address of the request: imported events would get the place of whoever imports them.

    Raises:
        Unsendable: its time is no time.
    """
    if not _has_properties(event):
        return event
    properties = {"ip": 0, **event["properties"]}
    properties["$insert_id"] = properties.get("$insert_id") or _insert_id(event)
    if "time" in properties:
        properties["time"] = _time(properties["time"])
    id_ = properties.get("distinct_id")
    if id_ is not None and not isinstance(id_, str):
        properties["distinct_id"] = unit_of(id_) or id_  # a number of a database or a frame; Mixpanel takes text alone
    return {**event, "properties": properties}


def _insert_id(event: Mapping[str, Any]) -> str:
    content = json.dumps(event, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _time(value: Any) -> Any:
    """A time in whole milliseconds; whole numbers stay, which Mixpanel reads as seconds or milliseconds by their size."""
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, date):  # a number of numpy
        value = item()
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Unsendable("of time is a text that is not a time") from None
        if value.tzinfo is None:
            raise Unsendable("of time is text without an offset, which could be several moments")
    if isinstance(value, datetime):
        if value != value:  # pandas' NaT
            raise Unsendable("of time is missing")
        return round((value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unsendable("of time is not a finite number")
        return round(value * 1000) if abs(value) < 1e11 else round(value)
    return value
