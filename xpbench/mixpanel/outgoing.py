"""Events as they go out to `/import`: JSON that Mixpanel can read, in batches below its limits."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from xpbench.errors import shown
from xpbench.expose.limits import BATCH_BYTES, BATCH_EVENTS

Unwritten = list[dict[str, Any]]


def batches(events: Iterable[Mapping[str, Any]], unwritten: Unwritten) -> Iterator[tuple[list[bytes], list[int]]]:
    """Lines of JSON with the positions of their events; what can't be written as JSON goes to `unwritten`."""
    lines: list[bytes] = []
    places: list[int] = []
    total = 0
    for position, event in enumerate(events):
        try:
            line = json.dumps(outgoing(event), separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            insert_id = str(event["properties"].get("$insert_id", "")) if _has_properties(event) else ""
            row = {"position": position, "$insert_id": insert_id, "field": "event", "message": shown(str(error), 200)[1:-1]}
            unwritten.append(row)
            continue
        if lines and (len(lines) >= BATCH_EVENTS or total + len(line) > BATCH_BYTES):
            yield lines, places
            lines, places, total = [], [], 0
        lines.append(line)
        places.append(position)
        total += len(line) + 1
    if lines:
        yield lines, places


def _has_properties(event: Any) -> bool:
    return isinstance(event, Mapping) and isinstance(event.get("properties"), Mapping)


def outgoing(event: Any) -> Any:
    """An event with an insert id, whole milliseconds, no lookup of the sender's place, and values that JSON has.

    Raises:
        TypeError: a value that JSON has no form for.
    """
    if not _has_properties(event):
        return _value(event)
    properties = {str(k): _value(v) for k, v in event["properties"].items() if k != "time"}
    properties["$insert_id"] = event["properties"].get("$insert_id") or _insert_id(event)
    properties.setdefault("ip", 0)
    if "time" in event["properties"]:
        properties["time"] = _time(event["properties"]["time"])
    return {**{k: _value(v) for k, v in event.items() if k != "properties"}, "properties": properties}


def _insert_id(event: Mapping[str, Any]) -> str:
    content = json.dumps(event, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _time(value: Any) -> Any:
    """A time in whole milliseconds; whole numbers stay, which Mixpanel reads as seconds or milliseconds by their size."""
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, (datetime, date)):
        value = item()
    if isinstance(value, datetime):
        return round((value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"time is {value}, which is no time")
        return round(value * 1000) if abs(value) < 1e11 else round(value)
    return _value(value)


def _value(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _value(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(v) for v in value]
    if isinstance(value, datetime):
        if value != value:  # pandas' NaT
            return None
        return (value if value.tzinfo is None else value.astimezone(UTC)).strftime("%Y-%m-%dT%H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value) if value.is_finite() else None
    if isinstance(value, uuid.UUID):
        return str(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    item = getattr(value, "tolist", None)  # numpy's scalars and arrays
    if callable(item):
        return _value(item())
    raise TypeError(f"a value of type {type(value).__name__} has no form in JSON")
