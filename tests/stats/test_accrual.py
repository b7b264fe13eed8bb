"""Days from a curve of new units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.errors import StatsError
from xpbench.stats.accrual import Accrual, duration


def test_known_days_are_counted():
    curve = Accrual.of([100, 80, 0, 60])
    assert [curve.days(n, whole_weeks=False) for n in (1, 100, 101, 180, 181, 240)] == [1, 1, 2, 2, 4, 4]
    assert curve.units(2) == 180
    assert curve.units(1.5) == 140
    assert curve.units(0) == 0


def test_a_steady_stream_adds_up():
    curve = Accrual.steady(250)
    assert curve.exponent == 1.0
    assert curve.days(1000, whole_weeks=False) == 4
    assert curve.days(1001, whole_weeks=False) == 5
    assert curve.days(1000, whole_weeks=True) == 7


@pytest.mark.parametrize("exponent", [0.4, 0.7, 0.95])
def test_returning_visitors_slow_the_curve(exponent):
    """A curve made by Heaps' law is found again, and the days agree with its inverse."""
    days = np.arange(0, 29)
    curve = Accrual.of(np.diff(1000.0 * days**exponent))
    assert curve.exponent == pytest.approx(exponent, rel=1e-6)
    n = 1000.0 * 60**exponent
    assert curve.days(n, whole_weeks=False) == pytest.approx(60, abs=1)
    assert curve.units(60) == pytest.approx(n, rel=1e-6)
    naive = n / (1000.0 * 28**exponent / 28)
    assert naive < 60


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30).filter(lambda v: sum(v) > 0), st.integers(1, 20_000))
@settings(max_examples=150, deadline=None)
def test_the_days_given_are_the_first_that_suffice(new, n):
    curve = Accrual.of(new)
    days = curve.days(n, whole_weeks=False)
    if days is not None:
        assert curve.units(days) >= n * (1 - 1e-9)
        assert curve.units(days - 1) < n * (1 + 1e-9)
        assert curve.days(n, whole_weeks=True) % 7 == 0


def test_a_dry_source_never_gets_there():
    assert Accrual.of([100, 0, 0, 0, 0, 0]).days(150, whole_weeks=False) is None
    assert Accrual.steady(1).days(1e9, whole_weeks=False) is None
    assert duration(1e9, accrual=Accrual.steady(1), window_days=7, whole_weeks=True) is None


def test_the_window_of_the_last_unit_counts():
    curve = Accrual.steady(100)
    assert duration(1000, accrual=curve, window_days=0, whole_weeks=False) == 10
    assert duration(1000, accrual=curve, window_days=6.5, whole_weeks=False) == 17
    assert duration(1000, accrual=curve, window_days=7, whole_weeks=True) == 21
    assert curve.days(0, whole_weeks=True) == 0


@pytest.mark.parametrize("new", [[], [-1, 5], [0, 0], [float("nan")], [1.0, float("nan")]])
def test_counts_that_are_none_are_refused(new):
    with pytest.raises(StatsError, match="XPB-S01"):
        Accrual.of(new)


def test_the_exponent_is_the_slope_of_the_later_half():
    """Source: numpy.polyfit on the logarithms of the later half by hand; 1e-12. The first days tell another story."""
    new = np.array([50.0, 50.0, 50.0, 50.0, 20.0, 15.0, 12.0])
    late = np.arange(4, 8)
    slope = np.polyfit(np.log(late), np.log(np.cumsum(new)[3:]), 1)[0]
    assert Accrual.of(new).exponent == pytest.approx(slope, rel=1e-12)
    four = np.diff([0.0, *(100.0 * np.sqrt([1.0, 2.0, 3.0, 4.0]))])
    assert Accrual.of(four).exponent == pytest.approx(0.5, rel=1e-9)
    assert Accrual.of(four[:3]).exponent == 1.0


def test_no_unit_comes_before_the_start():
    assert [Accrual.steady(50.0).units(day) for day in (-2.0, 0.0, 0.5)] == [0.0, 0.0, 25.0]


def test_weeks_are_rounded_up_after_the_window():
    accrual = Accrual.steady(10.0)
    for days, window, weeks in ((7, 0, 1), (8, 0, 2), (7, 0.5, 2), (14, 7, 3)):
        assert duration(10 * days, accrual=accrual, window_days=window, whole_weeks=True) == 7 * weeks


def test_a_number_of_units_that_is_none_is_refused():
    with pytest.raises(StatsError, match="n counts units"):
        Accrual.steady(10.0).days(float("nan"), whole_weeks=False)
    assert Accrual.steady(10.0).days(float("inf"), whole_weeks=False) is None


def test_the_later_half_of_an_even_number_of_days_begins_after_the_middle():
    """Source: numpy.polyfit by hand over days 4 to 6; 1e-12."""
    known = np.cumsum([10.0, 40.0, 90.0, 20.0, 10.0, 5.0])
    slope = np.polyfit(np.log([4.0, 5.0, 6.0]), np.log(known[3:]), 1)[0]
    assert Accrual.of([10, 40, 90, 20, 10, 5]).exponent == pytest.approx(slope, rel=1e-12)


@pytest.mark.filterwarnings("error")
def test_days_before_the_first_unit_tell_nothing_of_the_slope():
    """Source: numpy.polyfit by hand over days 4 to 6 of 6, of which the fourth has no unit yet; 1e-12."""
    late = Accrual.of([0, 0, 0, 0, 30, 20])
    assert late.exponent == pytest.approx(np.clip(np.log(50 / 30) / np.log(6 / 5), 0, 1), rel=1e-12)
    assert Accrual.of([0, 0, 0, 0, 0.5, 0.01]).exponent == pytest.approx(np.log(0.51 / 0.5) / np.log(6 / 5), rel=1e-12)
    assert Accrual.of([0, 0, 0, 7]).exponent == 1.0


def test_full_weeks_of_the_curve():
    curve = Accrual.steady(100)
    assert [curve.days(100 * d, whole_weeks=True) for d in (1, 7, 8, 14, 15)] == [7, 7, 14, 14, 21]
    assert curve.days(100 * 3650, whole_weeks=False) == 3650
    assert curve.days(100 * 3650 + 1, whole_weeks=False) is None
