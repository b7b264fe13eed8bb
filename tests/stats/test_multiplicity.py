"""Corrections against statsmodels and scipy, the worked examples of Mixpanel's guide, and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from xpbench.errors import StatsError
from xpbench.stats.multiplicity import (
    adjust_p,
    beta_each,
    bh,
    bonferroni,
    ebh,
    ebh_adjusted,
    families,
    fcr_level,
    holm,
    interval_alpha,
)

VECTORS = [
    [0.01],
    [0.003, 0.012, 0.018, 0.041, 0.062],
    [0.5, 0.04, 0.04, 0.001, 1.0, 0.2],
    [1e-12, 0.9, 0.05, 0.05, 0.05],
    list(np.random.default_rng(4).uniform(size=30) ** 2),
]


@pytest.mark.parametrize("p", VECTORS)
@pytest.mark.parametrize(("method", "theirs"), [("bonferroni", "bonferroni"), ("holm", "holm"), ("bh", "fdr_bh")])
def test_corrections_are_statsmodels(p, method, theirs):
    """Source: statsmodels multipletests; 1e-12."""
    assert adjust_p(p, method=method) == pytest.approx(multipletests(p, method=theirs)[1], rel=1e-12)


@pytest.mark.parametrize("p", VECTORS)
def test_bh_is_scipy(p):
    """Source: scipy.stats.false_discovery_control; 1e-12."""
    assert bh(p) == pytest.approx(scipy.stats.false_discovery_control(p), rel=1e-12)


def test_no_correction_changes_nothing():
    assert adjust_p([0.3, math.nan], method="none") == pytest.approx([0.3, math.nan], nan_ok=True)


def test_mixpanels_worked_example():
    """Source: Mixpanel's guide, m = 5: BH keeps 0.003, 0.012, 0.018; Bonferroni only 0.003; exact."""
    p = [0.003, 0.012, 0.018, 0.041, 0.062]
    assert (bh(p) <= 0.05).tolist() == [True, True, True, False, False]
    assert (bonferroni(p) <= 0.05).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("correct", [bonferroni, holm, bh])
def test_missing_p_values_are_no_part_of_the_family(correct):
    whole = correct([0.01, math.nan, 0.04, math.nan])
    assert math.isnan(whole[1])
    assert whole[[0, 2]] == pytest.approx(correct([0.01, 0.04]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_holm_lies_between_bonferroni_and_raw_and_keeps_order(p):
    raw, low, high = np.array(p), holm(p), bonferroni(p)
    assert (low <= high + 1e-15).all()
    assert (low >= raw - 1e-15).all()
    assert (bh(p) <= low + 1e-12).all()
    order = np.argsort(raw, kind="stable")
    assert (np.diff(low[order]) >= 0).all()


def brute_ebh(e: list[float], alpha: float) -> list[bool]:
    m, ranked = len(e), sorted(e, reverse=True)
    best = max((k for k in range(1, m + 1) if ranked[k - 1] >= m / (alpha * k)), default=0)
    return [best > 0 and v >= ranked[best - 1] for v in e]


@pytest.mark.parametrize(
    "e", [[100.0], [19.0, 21.0], [60.0, 31.0, 25.0, 0.1], [1.0, 1.0, 1.0], [200.0, 0.0, 41.0, 60.0, 30.0], [math.inf, 2.0]]
)
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_ebh_is_its_definition(e, alpha):
    """Source: Wang and Ramdas 2022, definition by brute force."""
    assert ebh(e, alpha=alpha).tolist() == brute_ebh(e, alpha)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=10), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=150, deadline=None)
def test_ebh_is_its_definition_everywhere(e, alpha):
    found = ebh_adjusted(e)
    if np.abs(found - alpha).min() > 1e-9:
        assert (found <= alpha).tolist() == brute_ebh(e, alpha)


def test_ebh_leaves_missing_values_out():
    found = ebh_adjusted([100.0, math.nan])
    assert found[0] == pytest.approx(0.01)
    assert math.isnan(found[1])
    assert ebh([100.0, math.nan], alpha=0.05).tolist() == [True, False]
    with pytest.raises(StatsError, match="not negative"):
        ebh_adjusted([-1.0])


@pytest.mark.parametrize("method", ["bonferroni", "bh"])
@pytest.mark.parametrize("p", VECTORS[1:])
def test_intervals_at_the_matching_level_agree_with_the_test(method, p):
    """An interval at the level excludes zero exactly when its own p is below it; under BH these are the rejections."""
    alpha = 0.05
    rejected = adjust_p(p, method=method) <= alpha
    level = interval_alpha(alpha=alpha, method=method, rejected=int(rejected.sum()), of=len(p))
    if rejected.any():
        assert (np.array(p) <= level + 1e-15).tolist() == rejected.tolist()


def test_levels_of_intervals():
    assert interval_alpha(alpha=0.05, method="none", rejected=3, of=9) == 0.05
    assert interval_alpha(alpha=0.05, method="holm", rejected=3, of=10) == pytest.approx(0.005)
    assert interval_alpha(alpha=0.05, method="e-bh", rejected=2, of=10) == pytest.approx(0.01)
    assert fcr_level(alpha=0.05, selected=0, of=10) == pytest.approx(0.005)
    assert fcr_level(alpha=0.05, selected=10, of=10) == pytest.approx(0.05)


def test_false_coverage_of_selected_intervals(rng):
    """Source: Benjamini and Yekutieli 2005: of the intervals shown for discoveries at most 5 % miss, on average."""
    misses = []
    for _ in range(400):
        truth = np.r_[np.zeros(15), rng.normal(0, 2, 5)]
        z = truth + rng.standard_normal(20)
        chosen = bh(2 * scipy.stats.norm.sf(np.abs(z))) <= 0.05
        q = scipy.stats.norm.isf(interval_alpha(alpha=0.05, method="bh", rejected=int(chosen.sum()), of=20) / 2)
        misses.append((np.abs(z - truth) > q)[chosen].sum() / max(chosen.sum(), 1))
    assert np.mean(misses) < 0.05 + 3 * np.std(misses) / 20


def test_families_by_role():
    roles = ["primary", "secondary", "guardrail", "primary", "guardrail"]
    outside = families(roles, primary="holm", secondary="bh", guardrails="outside")
    assert [(f.name, f.members, f.method) for f in outside] == [
        ("primary", (0, 3), "holm"),
        ("secondary", (1,), "bh"),
        ("guardrail", (2, 4), "none"),
    ]
    inside = families(roles, primary="bonferroni", secondary="bh", guardrails="inside")
    assert [(f.name, f.members) for f in inside] == [("primary", (0, 2, 3, 4)), ("secondary", (1,))]
    assert families([], primary="holm", secondary="bh", guardrails="outside") == ()


def test_beta_is_shared_with_the_guardrails():
    """The chance that one success metric and all guardrails pass is then at least 1 − β, whatever their dependence."""
    each = beta_each(beta=0.2, guardrails=3)
    assert each == pytest.approx(0.05)
    assert 1 - 4 * each >= 0.8 - 1e-12
    assert beta_each(beta=0.2, guardrails=0) == 0.2


@pytest.mark.parametrize(
    "call",
    [
        lambda: adjust_p([0.1], method="e-bh"),
        lambda: fcr_level(alpha=0.05, selected=3, of=2),
        lambda: fcr_level(alpha=0.05, selected=0, of=0),
        lambda: fcr_level(alpha=2.0, selected=0, of=1),
        lambda: interval_alpha(alpha=0.05, method="sidak", rejected=1, of=1),
        lambda: families(["main"], primary="holm", secondary="bh", guardrails="outside"),
        lambda: families(["primary"], primary="sidak", secondary="bh", guardrails="outside"),
        lambda: families(["primary"], primary="holm", secondary="bh", guardrails="both"),
        lambda: beta_each(beta=0.2, guardrails=-1),
        lambda: beta_each(beta=1.0, guardrails=1),
    ],
)
def test_unknown_methods_and_counts_are_refused(call):
    with pytest.raises(StatsError, match="XPB-S01"):
        call()


def test_holm_is_the_closed_test_of_bonferroni():
    """Source: Holm 1979: a hypothesis is rejected when every intersection that holds it is rejected by Bonferroni; 1e-12."""
    p = [0.02, 0.013, 0.3, 0.011]
    for i in range(4):
        others = [k for k in range(4) if k != i]
        worst = max(
            min(len(s) * p[k] for k in s)
            for size in range(4)
            for extra in itertools.combinations(others, size)
            for s in [(i, *extra)]
        )
        assert holm(p)[i] == pytest.approx(min(worst, 1.0))


def test_ebh_rejects_at_its_limit_exactly():
    assert ebh([20.0], alpha=0.05).tolist() == [True]
    assert ebh([40.0, 20.0], alpha=0.05).tolist() == [True, True]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: beta_each(beta=0.2, guardrails=-1), "guardrails is -1"),
        (lambda: beta_each(beta=1.0, guardrails=1), "beta"),
        (lambda: families(["main"], primary="holm", secondary="bh", guardrails="outside"), "role is 'main'"),
        (lambda: families([], primary="holm", secondary="bh", guardrails="both"), "guardrails is 'both'"),
        (lambda: families([], primary="sidak", secondary="bh", guardrails="outside"), "method is 'sidak'"),
        (lambda: families([], primary="holm", secondary="sidak", guardrails="outside"), "method is 'sidak'"),
        (lambda: ebh([1.0], alpha=0.0), "alpha"),
    ],
)
def test_messages_name_what_is_wrong(call, words):
    with pytest.raises(StatsError, match=words):
        call()
