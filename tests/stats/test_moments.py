"""Moments and their merging, against numpy's two-pass formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.errors import StatsError
from xpbench.stats.moments import Moments, MomentsBatch, merge

FINITE = st.floats(-1e6, 1e6, allow_nan=False, width=32)


def test_of_values_is_numpy_cov(rng):
    values = rng.gamma(2.0, 3.0, (3, 50))
    found = Moments.of_values(*values)
    np.testing.assert_allclose(found.mean, values.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(found.cov, np.cov(values), rtol=1e-13)
    assert found.n == 50
    assert found.k == 3


@given(st.lists(st.tuples(FINITE, FINITE), min_size=2, max_size=30), st.data())
@settings(max_examples=60, deadline=None)
def test_any_split_and_order_merge_to_the_same(rows, data):
    values = np.array(rows, dtype=float).T
    cut = sorted(data.draw(st.lists(st.integers(0, len(rows)), min_size=1, max_size=4)))
    parts = [Moments.of_values(*chunk) for chunk in np.split(values, cut, axis=1)]
    order = data.draw(st.permutations(parts))
    whole, merged, folded = Moments.of_values(*values), merge(*order), order[0]
    for part in order[1:]:
        folded = folded + part
    scale = np.abs(values).max() + 1e-300
    for found in (merged, folded):
        assert found.n == whole.n
        np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-12, atol=1e-12 * scale)
        np.testing.assert_allclose(found.cov, whole.cov, rtol=1e-9, atol=1e-11 * scale**2)


def test_merging_keeps_digits_at_a_large_mean():
    small = np.array([1.0, 2.0, 3.0, 4.0])
    parts = [Moments.of_values(chunk + 1e9) for chunk in np.split(small, 2)]
    assert merge(*parts).cov[0, 0] == pytest.approx(small.var(ddof=1), rel=1e-12)


def test_parts_without_units_change_nothing():
    part = Moments.of_values([1.0, 5.0, 7.0])
    empty = Moments.of(0, [np.nan], [[np.nan]])
    assert merge(empty, part, empty) == part
    assert merge(empty, empty).n == 0


def test_batch_merges_along_an_axis(rng):
    values = rng.normal(3, 1, (4, 5, 20, 2))  # metrics × days × units × columns
    cells = [[Moments.of_values(*values[i, j].T) for j in range(5)] for i in range(4)]
    batch = MomentsBatch(
        np.array([[m.n for m in row] for row in cells]),
        np.array([[m.mean for m in row] for row in cells]),
        np.array([[m.cov for m in row] for row in cells]),
    )
    for axis in (1, -1):
        merged = batch.merge(axis=axis)
        for i in range(4):
            whole = Moments.of_values(*values[i].reshape(-1, 2).T)
            np.testing.assert_allclose(merged.at(i).mean, whole.mean, rtol=1e-13)
            np.testing.assert_allclose(merged.at(i).cov, whole.cov, rtol=1e-12)
    over_metrics = batch.merge(axis=0)
    np.testing.assert_allclose(over_metrics.at(2).cov, Moments.of_values(*values[:, 2].reshape(-1, 2).T).cov, rtol=1e-12)


def test_take_picks_columns_in_order(rng):
    m = Moments.of_values(*rng.normal(size=(3, 9)))
    picked = m.take(2, 0)
    np.testing.assert_array_equal(picked.mean, m.mean[[2, 0]])
    assert picked.cov[0, 1] == m.cov[2, 0]


def test_moments_are_frozen_and_equal_by_value():
    source = np.array([1.0, 2.0])
    m = Moments.of(3, source, np.eye(2))
    source[0] = 9.0
    assert m.mean[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        m.mean[0] = 2.0
    assert m == Moments.of(3, [1.0, 2.0], np.eye(2))
    assert hash(m) == hash(Moments.of(3, [1.0, 2.0], np.eye(2)))
    assert m != Moments.of(4, [1.0, 2.0], np.eye(2))
    assert m != "moments"
    assert m.to_dict() == {"n": 3, "mean": [1.0, 2.0], "cov": [[1.0, 0.0], [0.0, 1.0]]}


@pytest.mark.parametrize(
    "call",
    [
        lambda: Moments.of(3, [1.0], [[1.0, 0.0], [0.0, 1.0]]),
        lambda: Moments.of(-1, [1.0], [[1.0]]),
        merge,
        lambda: merge(Moments.of_values([1.0, 2.0]), Moments.of_values([1.0, 2.0], [1.0, 3.0])),
        lambda: MomentsBatch(np.ones(2), np.ones((3, 1)), np.ones((3, 1, 1))),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call):
    with pytest.raises(StatsError) as caught:
        call()
    assert caught.value.code == "XPB-S01"


def test_numbers_of_any_kind_become_floats():
    m = Moments.of("3", ["1", 2], [["1", 0], [0, 1]])
    assert m.mean.dtype == m.cov.dtype == np.float64
    assert m.n == 3
    assert hash(m) != hash(Moments.of(3, [1.0, 3.0], np.eye(2)))


def test_merging_batches_is_merging_rows_with_empty_and_single_parts(rng):
    """Source: numpy.cov over all rows; 1e-11. Parts of 0 and 1 units carry garbage where nothing is known."""
    sizes = [[0, 1, 7], [1, 0, 4], [5, 6, 0], [0, 0, 2]]
    rows = [[rng.normal(50, 3, (k, 2)) for k in part] for part in sizes]

    def moments(values):
        k = len(values)
        mean = values.mean(axis=0) if k else np.array([np.nan, 9e9])
        return Moments.of(k, mean, np.cov(values, rowvar=False) if k > 1 else np.full((2, 2), np.nan))

    flat = [moments(values) for part in rows for values in part]
    n, mean, cov = (np.array([getattr(m, name) for m in flat]) for name in ("n", "mean", "cov"))
    batch = MomentsBatch(n.reshape(4, 3), mean.reshape(4, 3, 2), cov.reshape(4, 3, 2, 2))
    for axis, groups in ((0, [[rows[i][j] for i in range(4)] for j in range(3)]), (1, rows), (-1, rows)):
        merged = batch.merge(axis=axis)
        for i, group in enumerate(groups):
            whole = np.concatenate(group)
            assert merged.n[i] == len(whole)
            assert merged.mean[i] == pytest.approx(whole.mean(axis=0), rel=1e-13)
            assert merged.cov[i] == pytest.approx(np.cov(whole, rowvar=False), rel=1e-11)
    empty = MomentsBatch(np.zeros((2, 1)), np.full((2, 1, 2), np.nan), np.full((2, 1, 2, 2), np.nan)).merge(axis=0)
    assert empty.n.tolist() == [0.0]
    assert empty.mean.tolist() == [[0.0, 0.0]]
    assert empty.cov.tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


def test_cells_of_a_batch_are_picked_as_those_of_an_array(rng):
    n = rng.integers(2, 9, (3, 4))
    batch = MomentsBatch(n, rng.normal(size=(3, 4, 2)), np.broadcast_to(np.eye(2), (3, 4, 2, 2)))
    for index in (
        1,
        (1, 2),
        (slice(None), 3),
        (..., 0),
        (..., slice(1)),
        (Ellipsis, np.array([0, 2])),
        np.array([True, False, True]),
    ):
        picked = batch[index]
        assert picked.n.tolist() == batch.n[index].tolist()
        columns = [batch.mean[..., k][index] for k in range(2)]
        assert picked.mean.tolist() == np.stack(columns, axis=-1).tolist()
        assert picked.cov.shape == (*picked.n.shape, 2, 2)
    assert batch.at(2, 3) == Moments.of(int(n[2, 3]), batch.mean[2, 3], np.eye(2))
