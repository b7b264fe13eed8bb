"""From what programs hold (decimals, dates, identifiers, numpy and pandas values) to what JSON and Mixpanel have.

Numbers stay numbers where a float holds them exactly, times become ISO text in UTC, and what has no form in JSON is named.
Nothing is imported for it: numpy, pandas and Arrow values are recognised by what they can do.
"""

from __future__ import annotations

import ipaddress
import math
import numbers
from collections import deque
from collections.abc import KeysView, Mapping, ValuesView
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

_WHOLE_BITS = 63
_LISTS = (list, tuple, set, frozenset, deque, KeysView, ValuesView)
_AS_TEXT = (UUID, PurePath, ipaddress.IPv4Address, ipaddress.IPv6Address)


class Unsendable(ValueError):
    """A value that has no form in JSON; its text says why."""


def sendable(value: Any, *, depth: int = 0) -> Any:
    """The value as Mixpanel takes it.

    Args:
        value: Text, number, truth value, None, Decimal, Fraction, date, datetime, time, timedelta (seconds), UUID, path, IP
            address, enumeration, a value of numpy, pandas or Arrow, or lists, sets and mappings of these.
        depth: How deep it lies in others.

    Raises:
        Unsendable: It is none of these, or not finite.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Enum):
        return sendable(value.value, depth=depth)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _whole(int(value))
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, (Decimal, Fraction)):
        return _number(value)
    if isinstance(value, (date, time, timedelta)):
        return _moment(value)
    if isinstance(value, _AS_TEXT):
        return str(value)
    return _other(value, depth)


def unit_of(value: Any) -> str | None:
    """The id of a unit as text, of every type that `xp.assign` takes: text, whole numbers, UUIDs; None for anything else."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, numbers.Integral):
        return str(int(value))
    return unit_of(value.as_py()) if callable(getattr(value, "as_py", None)) else None


def _text(value: str) -> str:
    value = str.__str__(value)
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair, which no UTF-8 has: the rest of the text is worth keeping
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def _whole(value: int) -> int | str:
    if value.bit_length() <= _WHOLE_BITS:
        return value
    try:
        return str(value)
    except ValueError:
        raise Unsendable("is a whole number of thousands of digits") from None


def _finite(value: float) -> float | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise Unsendable("is not a finite number")
    return value


def _number(value: Decimal | Fraction) -> Any:
    if isinstance(value, Decimal):
        if value.is_nan():
            return None
        if not value:
            return 0
        if value.is_infinite() or not -400 < value.adjusted() < 400:
            raise Unsendable("is not a finite number")
    if value == int(value):
        return _whole(int(value))
    as_float = float(value)
    exact = Decimal(repr(as_float)) == value if isinstance(value, Decimal) else Fraction(as_float) == value
    return as_float if exact else str(value)


def _moment(value: date | time | timedelta) -> Any:
    if value != value:
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        moment: datetime = value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
        return (moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo is not None else moment).isoformat()
    return value.isoformat()


def _other(value: Any, depth: int) -> Any:
    kind = type(value)
    if isinstance(value, Mapping):
        return {_name(k): sendable(v, depth=depth + 1) for k, v in value.items()} if depth < 50 else _too_deep()
    if isinstance(value, _LISTS):
        if depth >= 50:
            _too_deep()
        items = [sendable(v, depth=depth + 1) for v in value]
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items
    if kind.__name__ in ("NAType", "NaTType"):
        return None
    if kind.__module__ == "numpy" and kind.__name__ in ("datetime64", "timedelta64"):
        return _of_numpy(value)
    for way in ("as_py", "tolist", "to_list"):  # Arrow; numpy, whose scalars and arrays have it; polars
        if callable(getattr(kind, way, None)):
            plain = getattr(value, way)()
            if type(plain) is not kind:
                return sendable(plain, depth=depth)
    if kind.__name__ == "__proxy__":  # a lazy translation of Django
        return _text(str(value))
    if isinstance(value, numbers.Integral):
        return _whole(int(value))
    raise Unsendable(f"is a {kind.__name__}, which JSON does not have")


def _of_numpy(value: Any) -> Any:
    text = str(value)
    if text == "NaT":
        return None
    if type(value).__name__ == "timedelta64":
        return float(value / type(value)(1, "s"))
    return sendable(datetime.fromisoformat(text[:26]) if "T" in text else text)


def _name(key: Any) -> str:
    made = sendable(key)
    if isinstance(made, str):
        return made
    if isinstance(made, (int, float)):
        return str(made).lower() if isinstance(made, bool) else str(made)
    raise Unsendable("has a key that is neither text nor a number")


def _too_deep() -> Any:
    raise Unsendable("is nested too deep")
