"""Checks of arguments: a wrong level or count is an error of the caller, not a property of the data."""

from __future__ import annotations

import math
from typing import Any

from xpbench.errors import StatsError, plain


def refuse(name: str, value: Any, rule: str) -> StatsError:
    """The error for an argument that breaks a rule; the caller raises it."""
    return StatsError("XPB-S01", name=plain(name), value=value, rule=plain(rule))


def check_share(name: str, value: float) -> float:
    """The value, when it lies strictly between 0 and 1.

    Raises:
        StatsError: `XPB-S01`.
    """
    if not 0.0 < value < 1.0:
        raise refuse(name, value, f"{name} lies between 0 and 1, both excluded")
    return value


def check_positive(name: str, value: float) -> float:
    """The value, when it is finite and above 0.

    Raises:
        StatsError: `XPB-S01`.
    """
    if not (value > 0.0 and math.isfinite(value)):
        raise refuse(name, value, f"{name} is a finite number above 0")
    return value


def check_choice(name: str, value: str, known: tuple[str, ...]) -> str:
    """The value, when it is one of the known words.

    Raises:
        StatsError: `XPB-S01`.
    """
    if value not in known:
        raise refuse(name, value, f"{name} is one of {', '.join(known)}")
    return value
