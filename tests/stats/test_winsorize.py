"""Caps against scipy and the definition of the percentile."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
import scipy.stats.mstats
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.errors import StatsError
from xpbench.stats.winsorize import Caps, cap, cap_thresholds


@pytest.mark.parametrize("upper", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [100, 1000])
def test_capping_is_scipys_winsorize(rng, upper, n):
    """Source: scipy.stats.mstats.winsorize with the same number of cut values; exact inside the caps."""
    values = rng.lognormal(0, 1, n)
    caps = cap_thresholds(values, lower=1 - upper, upper=upper, over="all")
    cut = int((values > caps.upper).sum())
    raised = int((values < caps.lower).sum())
    theirs = np.asarray(scipy.stats.mstats.winsorize(values, limits=(raised / n + 1e-12, cut / n + 1e-12)))
    inside = (values >= caps.lower) & (values <= caps.upper)
    found = cap(values, caps=caps)
    np.testing.assert_array_equal(found[inside], theirs[inside])  # what is cut goes to the neighbour there, to the cap here
    assert found.max() == caps.upper
    assert found.min() == caps.lower
    assert found.mean() == pytest.approx(theirs.mean(), rel=0.01)
    assert cut == pytest.approx((1 - upper) * n, abs=1)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.975, 1.0])
@pytest.mark.parametrize("over", ["all", "nonzero"])
def test_thresholds_are_sqls_quantile_cont(rng, share, over):
    """Source: DuckDB quantile_cont; 1e-12."""
    values = np.where(rng.random(777) < 0.4, 0.0, rng.gamma(2, 5, 777))
    query = "select quantile_cont(v, $s) from (select unnest($v) as v)" + (" where v <> 0" if over == "nonzero" else "")
    theirs = duckdb.execute(query, {"s": share, "v": values.tolist()}).fetchall()[0][0]
    assert cap_thresholds(values, lower=None, upper=share, over=over).upper == pytest.approx(theirs, rel=1e-12)


def test_zeros_stay_zeros_when_percentiles_are_over_nonzero(rng):
    values = np.r_[np.zeros(90), np.arange(1.0, 11.0)]
    caps = cap_thresholds(values, lower=0.2, upper=0.8, over="nonzero")
    assert (caps.lower, caps.upper, caps.status) == (pytest.approx(2.8), pytest.approx(8.2), "ok")
    found = cap(values, caps=caps)
    assert (found[:90] == 0).all()
    assert found[90:].tolist() == pytest.approx([2.8, 2.8, 3, 4, 5, 6, 7, 8, 8.2, 8.2])


def test_a_cap_of_zero_is_named():
    values = np.r_[np.zeros(99), 50.0]
    assert cap_thresholds(values, lower=None, upper=0.95, over="all").status == "cap_is_zero"
    assert cap_thresholds(-values, lower=0.05, upper=None, over="all").status == "cap_is_zero"
    assert cap_thresholds(values, lower=None, upper=0.95, over="nonzero").status == "ok"
    assert cap_thresholds(np.zeros(5), lower=None, upper=0.95, over="all").status == "ok"
    assert cap_thresholds(np.zeros(5), lower=None, upper=0.95, over="nonzero").status == "cap_is_zero"
    assert cap_thresholds([], lower=None, upper=0.95, over="nonzero").status == "ok"


def test_one_side_leaves_the_other(rng):
    values = rng.normal(size=200)
    caps = cap_thresholds(values, lower=None, upper=0.9, over="all")
    assert caps.lower is None
    assert cap(values, caps=caps).min() == values.min()
    nothing = Caps(None, None, "ok", "all")
    np.testing.assert_array_equal(cap(values, caps=nothing), values)
    assert caps.to_dict()["upper"] == caps.upper


def test_missing_values_do_not_move_the_thresholds(rng):
    values = rng.normal(size=100)
    with_missing = np.r_[values, [math.nan] * 50]
    assert cap_thresholds(values, lower=0.1, upper=0.9, over="all") == cap_thresholds(
        with_missing, lower=0.1, upper=0.9, over="all"
    )


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0, 0.4), st.floats(0.5, 1))
@settings(max_examples=100, deadline=None)
def test_capping_twice_is_capping_once_and_keeps_order(values, lower, upper):
    caps = cap_thresholds(values, lower=lower, upper=upper, over="all")
    once = cap(values, caps=caps)
    np.testing.assert_array_equal(cap(once, caps=caps), once)
    assert (np.diff(once[np.argsort(values, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("lower", "upper", "over"),
    [(0.9, 0.1, "all"), (-0.1, None, "all"), (None, 1.1, "all"), (0.1, 0.9, "some"), (0.5, 0.5, "all")],
)
def test_shares_out_of_order_are_refused(lower, upper, over):
    with pytest.raises(StatsError, match="XPB-S01"):
        cap_thresholds([1.0], lower=lower, upper=upper, over=over)


def test_infinite_values_leave_no_missing_thresholds():
    """Source: the sorted values by hand. Between two infinite values there is nothing to interpolate."""
    x = [1.0, 2.0, 3.0, math.inf, math.inf, math.inf]
    assert cap_thresholds(x, lower=None, upper=0.9, over="all").upper == math.inf
    assert cap_thresholds(x, lower=None, upper=0.2, over="all").upper == 2.0
    assert cap_thresholds([-v for v in x], lower=0.1, upper=None, over="all").lower == -math.inf
    assert cap(x, caps=cap_thresholds(x, lower=None, upper=0.9, over="all")).tolist() == x


@pytest.mark.parametrize(
    ("lower", "upper", "left"), [(None, 5.0, [-9, 0, 5]), (-1.0, None, [-1, 0, 90]), (None, None, [-9, 0, 90])]
)
def test_one_threshold_caps_one_side(lower, upper, left):
    assert cap([-9.0, 0.0, 90.0], caps=Caps(lower, upper, "ok", "all")).tolist() == left


def test_without_values_nothing_is_asked_of_a_cap():
    assert cap_thresholds([], lower=None, upper=0.9, over="nonzero").status == "ok"
    assert cap_thresholds([0.0, 0.0], lower=None, upper=None, over="nonzero").status == "ok"
    assert cap_thresholds([0.0, 0.0], lower=None, upper=0.9, over="nonzero").status == "cap_is_zero"
