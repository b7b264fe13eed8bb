"""Values and gradients against numerical differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.errors import StatsError
from xpbench.stats.functionals import ColumnMean, FormulaOfMeans, RatioOfMeans, functional

MEANS = np.array([2.0, 3.0, 5.0])
NAMES = ["a", "b", "x-y"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a", 2.0),
        ("a + b * 2", 8.0),
        ("(a + b) * 2", 10.0),
        ("a - b - `x-y`", -6.0),
        ("a / b / `x-y`", 2 / 15),
        ("-a + 1e1", 8.0),
        ("--a", 2.0),
        ("-(a - b) / (1 + `x-y`)", 1 / 6),
        ("2.5", 2.5),
    ],
)
def test_value_and_gradient(expression, value):
    """Source: scipy.optimize.approx_fprime; 1e-6."""
    formula = FormulaOfMeans.of(expression, names=NAMES)
    found, gradient = formula.at(MEANS)
    assert found == pytest.approx(value, rel=1e-12)
    theirs = scipy.optimize.approx_fprime(MEANS, lambda m: float(formula.at(m)[0]), 1e-7)
    assert gradient == pytest.approx(theirs, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(0.5, 5), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_a_ratio_is_the_formula(values):
    means = np.array(values)
    value, gradient = RatioOfMeans(0, 2).at(means)
    theirs, slope = FormulaOfMeans.of("a / `x-y`", names=NAMES).at(means)
    assert value == theirs
    assert gradient == pytest.approx(slope, rel=1e-15)


def test_arrays_of_means_are_taken_at_once():
    means = np.random.default_rng(1).uniform(1, 2, (4, 5, 3))
    for subject in (ColumnMean(1), RatioOfMeans(0, 1), FormulaOfMeans.of("a * b - 3", names=NAMES)):
        value, gradient = subject.at(means)
        assert value.shape == (4, 5)
        assert gradient.shape == (4, 5, 3)
        one, slope = subject.at(means[2, 3])
        assert value[2, 3] == one
        assert (gradient[2, 3] == slope).all()


def test_a_ratio_of_a_column_to_itself_is_flat():
    value, gradient = RatioOfMeans(1, 1).at(MEANS)
    assert value == 1.0
    assert (gradient == 0).all()


def test_division_by_zero_is_not_finite_and_makes_no_noise():
    for subject in (RatioOfMeans(0, 1), FormulaOfMeans.of("a / b", names=["a", "b"])):
        value, _ = subject.at(np.array([1.0, 0.0]))
        assert not np.isfinite(value)


def test_an_index_is_a_column():
    assert functional(2) == ColumnMean(2)
    assert functional(np.int64(1)) == ColumnMean(1)
    assert functional(RatioOfMeans(0, 1)) == RatioOfMeans(0, 1)


@pytest.mark.parametrize("expression", ["a +", "revenue / b", "a ** b", "", "__import__('os')"])
def test_what_is_no_formula_of_these_columns_is_refused(expression):
    with pytest.raises(StatsError) as caught:
        FormulaOfMeans.of(expression, names=NAMES)
    assert caught.value.code == "XPB-S02"


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(StatsError, match="Did you mean 'orders'"):
        FormulaOfMeans.of("ordrs / 2", names=["orders", "visits"])
