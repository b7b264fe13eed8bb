"""What a call gives, checked before anything is written: the unit, the person, the time, the properties."""

from __future__ import annotations

import math
import time as _time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from xpbench.errors import ExposeError, plain, shown
from xpbench.expose.limits import EVENT_BYTES, RESERVED_PROPERTIES, is_forbidden_id, property_problems
from xpbench.plan import Plan

_OURS = frozenset({"token", "time", "distinct_id", "$insert_id"})


def unit_text(unit: object) -> str:
    """The id of a unit as text.

    Raises:
        ExposeError: `XPB-E10`, it can't be sent.
    """
    if isinstance(unit, bool) or not isinstance(unit, (str, int)):
        raise ExposeError("XPB-E10", value=plain(type(unit).__name__), reason=plain("it is neither text nor a whole number"))
    text = str(unit)
    if not text or is_forbidden_id(text):
        raise ExposeError("XPB-E10", value=text, reason=plain("Mixpanel refuses this id, it is what broken code sends"))
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ExposeError("XPB-E10", value=text, reason=plain("it is no valid Unicode text")) from None
    if size > 255:
        raise ExposeError("XPB-E10", value=text, reason=plain(f"it has {size} bytes, more than 255"))
    return text


def seconds_given(time: float | datetime) -> float:
    """A time as seconds since the epoch, to the millisecond.

    Raises:
        ExposeError: `XPB-E12`, it is not aware, or no time after 1971.
    """
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ExposeError("XPB-E12", value=str(time))
        return round(time.timestamp(), 3)
    if isinstance(time, bool) or not isinstance(time, (int, float)) or not math.isfinite(time) or not 3.2e7 < time < 1e11:
        raise ExposeError("XPB-E12", value=str(time))
    return round(float(time), 3)


def own_properties(context: Mapping[str, Any]) -> dict[str, Any]:
    """The caller's properties without those that are set here.

    Raises:
        ExposeError: `XPB-E11`, one can't be sent.
    """
    base = {k: v for k, v in context.items() if k not in _OURS}
    for name, reason in property_problems(base):
        raise ExposeError("XPB-E11", name=name.removeprefix("properties."), reason=plain(shown(reason)[1:-1]))
    return base


def identified(plan: Plan, unit: str, distinct_id: str | None, context: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of an exposure but for its time: the caller's own, and who it was.

    Raises:
        ExposeError: `XPB-E11` a property can't be sent, `XPB-E10` nor the person's id.
    """
    base = own_properties(context)
    taken = sorted(RESERVED_PROPERTIES & base.keys())
    if taken:
        raise ExposeError("XPB-E11", name=taken[0], reason=plain("Mixpanel hides events that have a property of this name"))
    if base and sum(len(k) + len(v) for k, v in base.items() if isinstance(v, str)) > EVENT_BYTES // 4:
        raise ExposeError("XPB-E11", name="properties", reason=plain(f"the event comes near the limit of {EVENT_BYTES} bytes"))
    if plan.unit == "distinct_id":
        base["distinct_id"] = unit
    elif plan.unit == "device_id":
        base["$device_id"] = unit
        base["distinct_id"] = unit_text(distinct_id) if distinct_id is not None else f"$device:{unit}"
    else:
        base[plan.unit] = unit
        base["distinct_id"] = unit_text(distinct_id) if distinct_id is not None else ""
    return base


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
