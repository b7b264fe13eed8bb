"""The verifier's own quantiles, JSON and score method against implementations we did not write."""

import json
import math

import numpy as np
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import xlog1py, xlogy
from statsmodels.stats.multitest import multipletests

from xpbench.stats.proportion import EventCounts, score_effect, score_lift
from xpbench.verifier.designs import adjust
from xpbench.verifier.pairs import Formula
from xpbench.verifier.quantiles import chi2_tail, normal_isf, normal_tail, t_isf, t_tail
from xpbench.verifier.score import Score
from xpbench.verifier.text import canonical, loads

DFS = [1, 1.5, 2, 3, 5, 10, 30, 99.5, 100, 101, 500, 4321.5, 1e4, 39_998.7, 1e5, 9.99e5, 1.01e6, 1e7, 1e9, math.inf]
LEVELS = [0.4, 0.25, 0.1, 0.05, 0.025, 0.0125, 0.005, 0.001, 1e-4, 1e-6, 1e-9]


def close(a, b, rel=1e-9):
    return a == pytest.approx(b, rel=rel, abs=1e-300)


@pytest.mark.parametrize("df", DFS)
def test_t_quantiles_are_scipys(df):
    t = stats.norm if math.isinf(df) else stats.t(df)
    for p in LEVELS:
        assert close(t_isf(p, df), t.isf(p)), (p, df)


@pytest.mark.parametrize("df", DFS)
def test_t_tails_are_scipys(df):
    t = stats.norm if math.isinf(df) else stats.t(df)
    for x in [0.0, 0.01, 0.3, 1.0, 1.96, 3.0, 5.0, 8.0]:
        assert close(t_tail(x, df), t.sf(x)), (x, df)
        assert close(t_tail(-x, df), t.sf(-x)), (x, df)


def test_normal_quantiles_are_scipys():
    for p in [*LEVELS, 0.5, 0.9, 1e-15]:
        assert normal_isf(p) == pytest.approx(stats.norm.isf(p), rel=1e-9, abs=1e-12)
        assert close(normal_tail(stats.norm.isf(p)), p)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 10, 25])
def test_chi2_tails_are_scipys(df):
    for x in [0.0, 0.01, 0.5, 1.0, 3.84, 10.0, 60.0]:
        assert close(chi2_tail(x, df), stats.chi2.sf(x, df))


@settings(max_examples=400, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_as_rfc_8785_says(x):
    if abs(x) < 2**53 or x != int(x):
        assert canonical(x).encode() == rfc8785.dumps(x)
    assert float(canonical(x)) == x


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | st.text(),
        lambda c: st.lists(c, max_size=4) | st.dictionaries(st.text(max_size=4), c, max_size=4),
        max_leaves=12,
    )
)
def test_json_is_written_as_rfc_8785_says(value):
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        return
    assert canonical(value).encode() == expected
    assert loads(expected.decode()) == json.loads(expected)


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', "[NaN]", "[1e999]", "[" * 65 + "]" * 65, "", "{", "[1,]", "Infinity"])
def test_json_that_two_readers_could_read_differently_is_refused(text):
    with pytest.raises(ValueError):
        loads(text)


@pytest.mark.parametrize(("ours", "theirs"), [("bonferroni", "bonferroni"), ("holm", "holm"), ("bh", "fdr_bh")])
def test_corrections_are_statsmodels(ours, theirs):
    rng = np.random.default_rng(5)
    for m in (1, 2, 5, 40):
        p = rng.random(m) ** 3
        assert adjust(p.tolist(), ours) == pytest.approx(multipletests(p, method=theirs)[1].tolist(), rel=1e-12)


def test_metrics_without_p_value_are_no_part_of_a_family():
    assert adjust([0.01, math.nan, 0.04], "holm")[0] == 0.02
    assert math.isnan(adjust([0.01, math.nan], "bh")[1])


COUNTS = [(3, 100, 9, 110), (0, 50, 4, 60), (9, 1000, 1, 900), (45, 50, 58, 60), (5, 10_000, 14, 10_050), (0, 40, 0, 40)]


def by_likelihood(x_c, n_c, x_t, n_t, null):
    """The score statistic with the restricted likelihood maximised by scipy."""

    def loss(p):
        return -(xlogy(x_c, p) + xlog1py(n_c - x_c, -p) + xlogy(x_t, p + null) + xlog1py(n_t - x_t, -(p + null)))

    ends = (max(0.0, -null), min(1.0, 1 - null))
    p = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-12}).x
    variance = ((p + null) * (1 - p - null) / n_t + p * (1 - p) / n_c) * (n_c + n_t) / (n_c + n_t - 1)
    return (x_t / n_t - x_c / n_c - null) / math.sqrt(variance)


@pytest.mark.parametrize("counts", COUNTS)
def test_score_intervals_are_those_of_the_engine_and_fit_the_likelihood(counts):
    score, engine, q = Score(*counts), EventCounts(*counts), stats.norm.isf(0.025)
    assert score.effect(q) == pytest.approx(score_effect(engine, q=q)[:3], rel=1e-9, abs=1e-12)
    for null in (-0.02, 0.0, 0.01, 0.05):
        assert score.z_effect(null) == pytest.approx(by_likelihood(*counts, null), rel=1e-4, abs=1e-4)
    lift = score_lift(engine, q=q)
    if lift.kind == "bounded":
        assert score.lift(q)[:3] == pytest.approx(lift[:3], rel=1e-9, abs=1e-12)
    else:
        assert score.lift(q)[:3] == (None, None, None)


def test_a_formula_is_differentiated():
    formula = Formula("(revenue - 2 * cost) / orders + -orders * 0.5")
    means = [10.0, 3.0, 4.0]
    assert formula.names == ["revenue", "cost", "orders"]
    value, gradient = formula(means)
    assert value == (10 - 6) / 4 - 2
    for i in range(3):
        step = 1e-6
        up = [m + step * (i == j) for j, m in enumerate(means)]
        assert gradient[i] == pytest.approx((formula(up)[0] - value) / step, rel=1e-4)
