"""The one clock: everything that needs the time is handed a `Clock`, so that tests and demos can set it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from xpbench.errors import InputError, plain

STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"
"""How a time is written: UTC, microseconds, always 27 characters, so that text order is time order."""


class Clock(Protocol):
    """Anything that returns an aware UTC time when it is called."""

    def __call__(self) -> datetime:
        """The time now."""
        ...


def system_clock() -> datetime:
    """The machine's time as an aware UTC datetime."""
    return datetime.now(UTC)


def fixed_clock(at: str | datetime, *, step_seconds: float = 0.0) -> Clock:
    """A clock for tests and demos: starts at `at` and moves on by `step_seconds` with every reading.

    Args:
        at: ISO 8601 text or datetime; without an offset it is taken as UTC.
        step_seconds: How far it moves after each reading; may be negative.
    """
    start = datetime.fromisoformat(at) if isinstance(at, str) else at
    start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
    readings = 0

    def clock() -> datetime:
        nonlocal readings
        now = start + timedelta(seconds=step_seconds * readings)
        readings += 1
        return now

    return clock


def stamp(at: datetime) -> str:
    """Text of an aware time in UTC, in the one format that records use.

    Raises:
        InputError: `XPB-I04`, the time has no offset.
    """
    if at.tzinfo is None:
        raise InputError(
            "XPB-I04",
            name=plain("Time"),
            value=str(at),
            rule=plain("Times carry their offset, so that they mean one instant"),
            remedy=plain("Use an aware datetime, best in UTC"),
        )
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"  # a tenth of what strftime takes


def parse_stamp(text: str) -> datetime:
    """The inverse of `stamp`; takes no other format.

    Raises:
        ValueError: the text is no such stamp.
    """
    return datetime.strptime(text, STAMP).replace(tzinfo=UTC)
