"""What Mixpanel takes: documented limits of events, ids and requests, and the check of one event against them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

BATCH_EVENTS = 2_000
"""Events in one request to `/track` or `/import`."""
BATCH_BYTES = 2_000_000
"""Uncompressed bytes we put into one request. The guide says 10 MB, the specification's 413 sample 2 MiB: stay below both."""
REQUEST_BYTES = 10_000_000
"""Uncompressed bytes that the guide allows in one request."""
EVENT_BYTES = 1_000_000
PROPERTIES = 255
DEPTH = 3
ITEMS = 255
TRACK_DAYS = 5
"""Days back that `/track` takes; older events go to `/import`."""
FUTURE_SECONDS = 3_600
EARLIEST = 31_536_000
"""1971-01-01 as seconds since the epoch."""

FORBIDDEN_IDS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined",
        "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}",
    }
)  # fmt: skip
"""Values that Mixpanel refuses as `distinct_id` and `$insert_id`: they are what broken code sends."""

RESERVED_PROPERTIES = frozenset({"bucket", "$bucket"})
"""Names that hide an event in Mixpanel's reports."""

_INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}\Z")


def is_forbidden_id(value: str) -> bool:
    """True for an id that Mixpanel refuses."""
    return value.lower() in FORBIDDEN_IDS


def seconds_of(time: Any) -> float | None:
    """Seconds since the epoch of an event's `time`, given in seconds or milliseconds; None if it is neither."""
    if isinstance(time, bool) or not isinstance(time, (int, float)):
        return None
    value = float(time)
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return value / 1000.0 if abs(value) >= 1e11 else value


def event_problems(event: Any, *, now: float) -> Iterator[tuple[str, str]]:
    """Field and message of each reason for which `/import?strict=1` would refuse an event.

    Args:
        event: JSON value as sent.
        now: Seconds since the epoch at the server.
    """
    if not isinstance(event, Mapping):
        yield "event", "event must be an object"
        return
    if not isinstance(event.get("event"), str) or not event["event"]:
        yield "event", "'event' must be a non-empty string"
    properties = event.get("properties")
    if not isinstance(properties, Mapping):
        yield "properties", "'properties' must be an object"
        return
    seconds = seconds_of(properties.get("time"))
    if seconds is None:
        yield "properties.time", "'properties.time' is invalid: must be a number of seconds or milliseconds since the epoch"
    elif seconds < EARLIEST:
        yield "properties.time", "'properties.time' is invalid: must be specified as seconds since epoch, after 1971-01-01"
    elif seconds > now + FUTURE_SECONDS:
        yield "properties.time", "'properties.time' is invalid: more than one hour in the future"
    distinct = properties.get("distinct_id")
    if not isinstance(distinct, str):
        yield "properties.distinct_id", "'properties.distinct_id' is missing or no string"
    elif is_forbidden_id(distinct):
        yield "properties.distinct_id", f"'properties.distinct_id' is invalid: {distinct!r} is a forbidden id"
    insert_id = properties.get("$insert_id")
    if not isinstance(insert_id, str) or not _INSERT_ID.match(insert_id):
        yield "properties.$insert_id", "'properties.$insert_id' is invalid: at most 36 bytes, alphanumeric or '-'"
    elif is_forbidden_id(insert_id):
        yield "properties.$insert_id", f"'properties.$insert_id' is invalid: {insert_id!r} is a forbidden id"
    yield from property_problems(properties)
    if len(json.dumps(event, separators=(",", ":"), default=str)) >= EVENT_BYTES:
        yield "event", f"event is too large: {EVENT_BYTES} bytes or more"


def property_problems(properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Field and message for each property over the documented limits (count, nesting, list length, values that JSON lacks)."""
    if len(properties) >= PROPERTIES:
        yield "properties", f"too many properties: {len(properties)}, must be below {PROPERTIES}"
    for name, value in properties.items():
        if not isinstance(name, str):
            yield "properties", f"property name {name!r} is not a string"
            continue
        reason = value_problem(value)
        if reason:
            yield f"properties.{name}", f"property {name!r} {reason}"


def value_problem(value: Any, depth: int = 0) -> str | None:
    """Why Mixpanel would refuse a value that lies `depth` levels deep; None where it takes it."""
    if value is None or isinstance(value, (str, bool, int)):
        return None
    if isinstance(value, float):
        return None if value - value == 0 else "is not a finite number"
    if isinstance(value, Mapping):
        if depth >= DEPTH:
            return f"is nested more than {DEPTH} levels deep"
        if len(value) >= ITEMS:
            return f"has {len(value)} keys, must be below {ITEMS}"
        children: Any = value.values()
    elif isinstance(value, (list, tuple)):
        if depth >= DEPTH:
            return f"is nested more than {DEPTH} levels deep"
        if len(value) >= ITEMS:
            return f"has {len(value)} items, must be below {ITEMS}"
        children = value
    else:
        return f"is a {type(value).__name__}, which JSON does not have"
    for child in children:
        reason = value_problem(child, depth + 1)
        if reason:
            return reason
    return None
