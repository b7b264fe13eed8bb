from datetime import UTC, datetime, timedelta, timezone

import pytest

from xpbench.errors import InputError
from xpbench.ledger.clock import fixed_clock, parse_stamp, stamp, system_clock


def test_system_clock_is_aware_utc():
    assert system_clock().tzinfo is UTC


def test_fixed_clock_moves_by_its_step():
    clock = fixed_clock("2026-11-03T09:00:00", step_seconds=60)
    assert [stamp(clock()) for _ in range(2)] == ["2026-11-03T09:00:00.000000Z", "2026-11-03T09:01:00.000000Z"]


def test_fixed_clock_takes_an_offset():
    at = datetime(2026, 11, 3, 10, tzinfo=timezone(timedelta(hours=1)))
    assert stamp(fixed_clock(at)()) == "2026-11-03T09:00:00.000000Z"


def test_stamp_round_trips():
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert parse_stamp(stamp(at)) == at


def test_a_time_without_offset_is_refused():
    with pytest.raises(InputError, match="XPB-I04"):
        stamp(datetime(2026, 1, 1))  # noqa: DTZ001
