"""What a call gives, checked before anything is written: the unit, the person, the time, the properties.

A property that can't be sent is left out and named; the exposure itself is never lost for it. People with a price or a date
of sign-up are not like the others, so an experiment without them would be wrong.
"""

from __future__ import annotations

import json
import math
import numbers
import time as _time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from xpbench.errors import ExposeError, plain, shown
from xpbench.expose.limits import EVENT_BYTES, PROPERTIES, RESERVED_PROPERTIES, is_forbidden_id, value_problem
from xpbench.expose.values import Unsendable, sendable, unit_of
from xpbench.plan import Plan

_OURS = frozenset({"token", "time", "distinct_id", "$insert_id"})
_OWN_PROPERTIES = 15
"""Room for the properties that the tracker, the SDK and an incident add."""


class Given(NamedTuple):
    """The properties of an event, and what was left out of them.

    Attributes:
        base: Properties, ready to be sent.
        left: (name, reason) of each property that can't be sent.
    """

    base: dict[str, Any]
    left: tuple[tuple[str, str], ...] = ()

    def refuse_left(self) -> None:
        """Raise for the first property that was left out.

        Raises:
            ExposeError: `XPB-E11`.
        """
        for name, reason in self.left:
            raise ExposeError("XPB-E11", name=name, reason=plain(reason))


def unit_text(unit: object) -> str:
    """The id of a unit as text.

    Raises:
        ExposeError: `XPB-E10`, it can't be sent.
    """
    text = unit_of(unit)
    if text is None:
        reason = "it is neither text, nor a whole number, nor a UUID"
        raise ExposeError("XPB-E10", value=plain(type(unit).__name__), reason=plain(reason))
    if not text or is_forbidden_id(text):
        raise ExposeError("XPB-E10", value=text, reason=plain("Mixpanel refuses this id, it is what broken code sends"))
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ExposeError("XPB-E10", value=text, reason=plain("it is not a valid Unicode text")) from None
    if size > 255:
        raise ExposeError("XPB-E10", value=text, reason=plain(f"it has {size} bytes, more than 255"))
    return text


def seconds_given(time: Any) -> float:
    """A time as seconds since the epoch, to the millisecond.

    A time without an offset is taken where there is one reading only: where this machine runs in UTC.

    Args:
        time: Aware datetime, seconds or milliseconds since the epoch, or ISO text with an offset.

    Raises:
        ExposeError: `XPB-E12`, it is none of these, or no time after 1971.
    """
    given = time
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            raise ExposeError("XPB-E12", value=given) from None
    if type(time).__module__ == "numpy" and hasattr(time, "astype"):  # datetime64 has no zone either
        made = sendable(time)
        try:
            time = datetime.fromisoformat(made) if isinstance(made, str) else made
        except ValueError:
            raise ExposeError("XPB-E12", value=str(given)) from None
    if isinstance(time, datetime):
        if time != time:
            raise ExposeError("XPB-E12", value=str(given))
        if time.tzinfo is None:
            if time.astimezone().utcoffset() != timedelta(0):
                raise ExposeError("XPB-E12", value=str(given))
            time = time.replace(tzinfo=UTC)
        return round(float(time.timestamp()), 3)
    if isinstance(time, bool) or not isinstance(time, (numbers.Real, Decimal)):
        raise ExposeError("XPB-E12", value=str(given))
    seconds = float(time)
    if not math.isfinite(seconds) or not 3.2e7 < seconds < 1e14:
        raise ExposeError("XPB-E12", value=str(given))
    return round(seconds / 1000.0 if seconds >= 1e11 else seconds, 3)


def own_properties(context: Mapping[str, Any]) -> Given:
    """The caller's properties as they are sent, without those that are set here."""
    base: dict[str, Any] = {}
    left: list[tuple[str, str]] = []
    size = 0
    for name, value in context.items():
        if name in _OURS:
            continue
        reason, made = _property(name, value)
        if not reason:
            size += len(name) + _size(made)
            if len(base) >= PROPERTIES - _OWN_PROPERTIES:
                reason = f"the event has too many properties, {PROPERTIES - _OWN_PROPERTIES} before it"
            elif size > EVENT_BYTES // 4:
                size -= len(name) + _size(made)
                reason = f"with it the event comes near the limit of {EVENT_BYTES} bytes"
        if reason:
            left.append((name if isinstance(name, str) and _is_text(name) else shown(str(name)), reason))
        else:
            base[name] = made
    return Given(base, tuple(left))


def _property(name: Any, value: Any) -> tuple[str, Any]:
    """Why a property can't be sent, empty where it can; and its value as it is sent."""
    if not isinstance(name, str) or not name:
        return "its name is not text", None
    if not _is_text(name):
        return "its name is not a valid Unicode text", None
    if name in RESERVED_PROPERTIES:
        return "Mixpanel hides events that have a property of this name", None
    try:
        made = sendable(value)
    except Unsendable as error:
        return f"it {error}", None
    except Exception as error:  # noqa: BLE001 - a value of the caller's may raise anything when it is asked what it is
        return f"it raises {type(error).__name__} when it is read", None
    problem = value_problem(made)
    return (f"it {problem}", None) if problem else ("", made)


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return len(json.dumps(value)) if isinstance(value, (dict, list)) else 8


def identified(plan: Plan, unit: str, distinct_id: Any, context: Mapping[str, Any]) -> Given:
    """The properties of an exposure but for its time: the caller's own, and who it was."""
    base, left = own_properties(context)
    if plan.unit == "distinct_id":
        base["distinct_id"] = unit
        return Given(base, left)
    device = plan.unit == "device_id"
    base["$device_id" if device else plan.unit] = unit
    base["distinct_id"] = f"$device:{unit}" if device else ""
    if distinct_id is not None:
        try:
            base["distinct_id"] = unit_text(distinct_id)
        except ExposeError as error:  # the unit is another, and it was exposed
            left = (*left, ("distinct_id", error.what))
    return Given(base, left)


def variant_text(variant: Any) -> str:
    """A variant as text; enumerations stand for their value.

    Raises:
        ExposeError: `XPB-E15`, it is none.
    """
    if isinstance(variant, Enum):
        variant = variant.value
    text = unit_of(variant)
    if not text or not _is_text(text):
        raise ExposeError("XPB-E15", value=plain(shown(str(variant))), kind=plain(type(variant).__name__))
    return text


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def outside_dates(plan: Plan, moment: float) -> str:
    """Why a time lies outside the dates of a plan; empty where it lies inside."""
    start, end = plan.exposure.start, plan.exposure.end
    if start is None and end is None:
        return ""
    day = _time.strftime("%Y-%m-%d", _time.gmtime(moment))
    if start is not None and day < str(start):
        return f"{day} is before the plan's first day {start}"
    if end is not None and day > str(end):
        return f"{day} is after the plan's last day {end}"
    return ""
