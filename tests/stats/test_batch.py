"""Arrays of comparisons give the numbers of the single functions, fast."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xpbench.stats.batch import pairs_of, results
from xpbench.stats.batch_cuped import adjusted_pairs
from xpbench.stats.cuped import adjust
from xpbench.stats.functionals import FormulaOfMeans, RatioOfMeans
from xpbench.stats.inference import absolute, p_anytime, p_fixed, relative
from xpbench.stats.moments import Moments, MomentsBatch
from xpbench.stats.multipliers import Mixture, q_fixed, q_mixture
from xpbench.stats.pairs import pair_of

CELLS = [
    Moments.of(50, [5.0, 2.0], [[4.0, 1.0], [1.0, 3.0]]),
    Moments.of(70, [-5.0, 2.5], [[9.0, -1.0], [-1.0, 2.0]]),
    Moments.of(9, [0.1, 1.0], [[4.0, 0.0], [0.0, 1.0]]),
    Moments.of(1, [3.0, 1.0], [[0.0, 0.0], [0.0, 0.0]]),
    Moments.of(0, [0.0, 0.0], [[0.0, 0.0], [0.0, 0.0]]),
    Moments.of(30, [5.0, 2.0], [[0.0, 0.0], [0.0, 1.0]]),
    Moments.of(30, [5.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]),
    Moments.of(30, [math.nan, 1.0], [[1.0, 0.0], [0.0, 1.0]]),
    Moments.of(30, [0.0, 1.0], [[1.0, 0.0], [0.0, 1.0]]),
    Moments.of(30, [5.0, 1.0], [[math.inf, 0.0], [0.0, 1.0]]),
]
SUBJECTS = [0, 1, RatioOfMeans(0, 1), FormulaOfMeans.of("(a - b) / 2", names=["a", "b"])]


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
@pytest.mark.parametrize(
    "mixture", [None, Mixture.optimal(alpha=0.05, n_opt=500), Mixture.prior(tau=0.4)], ids=["fixed", "n_opt", "tau"]
)
def test_every_pair_of_cells_is_that_of_the_single_functions(subject, mixture):
    k = len(CELLS)
    batch = MomentsBatch.stack(CELLS)
    c, t = batch[np.repeat(np.arange(k), k)], batch[np.tile(np.arange(k), k)]
    pairs = pairs_of(c, t, subject=subject)
    found = results(pairs, alpha=0.05, mixture=mixture)
    for i in range(k * k):
        one = pair_of(CELLS[i // k], CELLS[i % k], subject=subject)
        assert pairs.status[i] == one.status
        for name in ("vc", "vt", "cov", "df"):
            assert getattr(pairs, name)[i] == pytest.approx(getattr(one, name), rel=1e-12, nan_ok=True)
        if one.status != "ok":
            assert np.isnan([found.se[i], found.ci_low[i], found.p_value[i], found.lift_low[i]]).all()
            continue
        q = q_fixed(0.05, one.df) if mixture is None else q_mixture(0.05, mixture.ratio(one))
        p = p_fixed(one) if mixture is None else p_anytime(one, mixture=mixture)
        assert [found.effect[i], found.se[i], found.ci_low[i], found.ci_high[i]] == pytest.approx(absolute(one, q), rel=1e-12)
        lift = relative(one, q)
        assert [found.lift[i], found.lift_low[i], found.lift_high[i]] == pytest.approx(lift[:3], rel=1e-12, nan_ok=True)
        assert bool(found.bounded[i]) == (lift.kind == "bounded")
        assert found.p_value[i] == pytest.approx(p, rel=1e-12)


CASES = [
    "plain",
    "constant",
    "constant at zero",
    "constant in control",
    "collinear",
    "nearly collinear",
    "foretold",
    "large",
    "small",
]
"""How the covariates lie; each case has the edge that the single function treats by itself."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("y", "xs"), [(0, [1]), (0, [1, 2]), (RatioOfMeans(0, 1), [1, 2]), (0, [RatioOfMeans(1, 2)])], ids=str)
def test_cuped_is_that_of_the_single_function(rng, case, y, xs):
    def cells(n: int, *, is_control: bool = False) -> list[Moments]:
        out = []
        for _ in range(12):
            v = rng.normal(5, 1, (3, n))
            v[0] += v[1]
            if case == "constant":
                v[1] = 2.0
            if case == "constant at zero":
                v[2] = 0.0
            if case == "constant in control" and is_control:
                v[1] = 7.0
            if case == "collinear":
                v[2] = 3 * v[1] + 1
            if case == "nearly collinear":
                v[2] = 3 * v[1] + 1e-4 * v[2]
            if case in ("large", "small"):
                v[1:] *= 1e9 if case == "large" else 1e-9
            if case == "foretold":
                v[0] = 2 * v[1]
            out.append(Moments.of_values(*v))
        return out

    c, t = cells(30, is_control=True) + CELLS3, cells(45) + CELLS3[::-1]
    pairs = adjusted_pairs(MomentsBatch.stack(c), MomentsBatch.stack(t), y=y, xs=xs)
    rel = 1e-5 if case == "nearly collinear" else 1e-7  # the slopes' equations lose nine of sixteen digits there
    for i, (one, two) in enumerate(zip(c, t, strict=True)):
        single = adjust(one, two, y=y, xs=xs)
        assert pairs.status[i] == single.status
        for name in ("mc", "mt", "vc", "vt", "cov", "df"):
            assert getattr(pairs, name)[i] == pytest.approx(getattr(single, name), rel=rel, abs=1e-12, nan_ok=True), name


CELLS3 = [
    Moments.of(3, [1.0, 2.0, 3.0], np.eye(3)),
    Moments.of(2, [1.0, 2.0, 3.0], np.eye(3)),
    Moments.of(1, [1.0, 2.0, 3.0], np.zeros((3, 3))),
    Moments.of(30, [1.0, math.inf, 3.0], np.eye(3)),
    Moments.of(30, [1.0, 2.0, 3.0], np.diag([0.0, 1.0, 1.0])),
]


def test_one_control_meets_several_treatments(rng):
    batch = MomentsBatch(rng.integers(50, 99, (4, 5, 3)), rng.normal(5, 1, (4, 5, 3, 1)), rng.uniform(1, 2, (4, 5, 3, 1, 1)))
    found = results(pairs_of(batch[..., :1], batch[..., 1:], subject=0), alpha=0.05, mixture=None)
    assert found.lift.shape == (4, 5, 2)
    one = pair_of(batch.at(1, 2, 0), batch.at(1, 2, 2), subject=0)
    assert found.p_value[1, 2, 1] == pytest.approx(p_fixed(one), rel=1e-12)


def test_a_thousand_metrics_in_fifty_segments_at_once(rng):
    shape = (1000, 50, 3)
    cov = np.broadcast_to(np.array([[2.0, 0.3], [0.3, 1.0]]), (*shape, 2, 2))
    batch = MomentsBatch(rng.integers(100, 1000, shape), rng.normal(5, 1, (*shape, 2)), cov)
    merged = batch.merge(axis=1)
    plain = results(pairs_of(batch[..., :1], batch[..., 1:], subject=0), alpha=0.05, mixture=None)
    c, t = batch[..., 0], batch[..., 1]
    cuped = results(adjusted_pairs(c, t, y=0, xs=[1]), alpha=0.05, mixture=None)
    assert merged.n.shape == (1000, 3)
    assert np.isfinite(plain.p_value).all()
    assert np.isfinite(cuped.p_value).all()


def test_a_level_out_of_range_is_refused():
    from xpbench.errors import StatsError

    pairs = pairs_of(MomentsBatch.stack(CELLS[:1]), MomentsBatch.stack(CELLS[1:2]), subject=0)
    with pytest.raises(StatsError, match="XPB-S01"):
        results(pairs, alpha=1.0, mixture=None)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_cuped_with_few_units_is_that_of_the_single_function(rng, n, k):
    c, t = (Moments.of_values(*rng.normal(size=(k + 1, n))) for _ in range(2))
    xs = list(range(1, k + 1))
    one, found = adjust(c, t, y=0, xs=xs), adjusted_pairs(MomentsBatch.stack([c]), MomentsBatch.stack([t]), y=0, xs=xs)
    assert found.status.tolist() == [one.status]
    for name in ("mc", "mt", "vc", "vt", "cov", "df"):
        assert getattr(found, name)[0] == pytest.approx(getattr(one, name), rel=1e-9, nan_ok=True)
