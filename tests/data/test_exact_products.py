"""Exact sums of batches: against rational arithmetic, whatever the values, the batches and the variants."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.data.tables.exact_products import (
    DIGITS,
    ROWS,
    ExactSums,
    Scratch,
    Unit,
    block_sums,
    cut,
    digits_of,
    masked,
    moments,
    product,
    sums_by_variant,
    total,
    unit_above,
)


def sliced(values: np.ndarray, unit: Unit, scratch: Scratch, column: int) -> object:
    bound = float(np.abs(values).max(initial=0.0))
    if unit.digits is not None:
        whole, spare = (scratch.table(column, slot, len(values))[0] for slot in (0, 1))
        assert digits_of(values, largest=bound, least=unit.digits, out=whole, spare=spare) == unit.digits
    return cut(values, unit, bound=bound, scratch=scratch, column=column)


def exactly(values: np.ndarray, unit: Unit) -> list[Fraction]:
    """What the values are taken for: the decimal number, or the nearest multiple of the unit."""
    if unit.digits is not None:
        return [Fraction(round(Fraction(v) * 10**DIGITS), 10**DIGITS) for v in values.tolist()]
    return [round(Fraction(v) / unit.value) * unit.value for v in values.tolist()]


CASES = {
    "flags": (np.arange(500) % 2 * 1.0, Unit(0)),
    "counts": (np.arange(5000) % 77 * 1.0, Unit(0)),
    "large whole numbers": (2.0**52 - np.arange(300.0), Unit(0)),
    "negative whole numbers": (-(2.0**40) + np.arange(300.0) * 12_345_677, Unit(0)),
    "cents": (np.round(np.random.default_rng(1).exponential(10, 9000), 2), Unit(2)),
    "large amounts": (np.round(np.random.default_rng(2).normal(0, 1e9, 4097), 4), Unit(4)),
    "waiting times": (np.random.default_rng(3).lognormal(0, 2, 6000), None),
    "tiny": (np.random.default_rng(4).normal(0, 1, 100) * 1e-300, None),
    "huge": (np.random.default_rng(5).normal(0, 1, 100) * 1e140, None),
    "far from zero": (1.7e9 + np.random.default_rng(6).normal(0, 1, 3000), None),
    "nothing but zeros": (np.zeros(10), Unit(0)),
    "one": (np.array([0.1]), Unit(1)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("other", ["cents", "waiting times", "large whole numbers"])
def test_sums_and_products_equal_rational_arithmetic(name: str, other: str) -> None:
    a, unit_a = CASES[name]
    b, unit_b = CASES[other]
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    unit_a = unit_a or unit_above(float(np.abs(a).max()))
    unit_b = unit_b or unit_above(float(np.abs(b).max()))
    if unit_b.digits is not None and len(b) == 1:
        unit_b = Unit(2) if other == "cents" else unit_b
    scratch = Scratch()
    x, y = sliced(a, unit_a, scratch, 0), sliced(b, unit_b, scratch, 1)
    p, q = exactly(a, unit_a), exactly(b, unit_b)
    assert total(x) * unit_a.value == sum(p)
    assert product(x, x) * unit_a.value**2 == sum(v * v for v in p)
    assert product(x, y) * unit_a.value * unit_b.value == sum(v * w for v, w in zip(p, q, strict=True))
    assert product(x, y) == product(y, x)


def test_numbers_of_one_magnitude_are_summed_without_any_rounding() -> None:
    values = 1.7e9 + np.random.default_rng(6).normal(0, 1, 3000)
    assert exactly(values, unit_above(float(values.max()))) == [Fraction(v) for v in values.tolist()]


def test_a_full_batch_of_the_largest_slices_does_not_round() -> None:
    values = np.full(ROWS, 2.0**18 - 1)
    values[::3] = 2.0**18
    scratch = Scratch()
    x = sliced(values, Unit(0), scratch, 0)
    assert len(x.tables) == 1
    assert product(x, x) == 10**8 * sum(int(v) ** 2 for v in values.tolist())


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=60),
    st.integers(0, 4),
    st.randoms(use_true_random=False),
)
def test_any_split_and_order_gives_the_same_integers(values: list[float], digits: int, random: object) -> None:
    array = np.round(np.array(values), digits)
    largest = float(np.abs(array).max())
    spare = np.empty((2, len(array)))
    found = digits_of(array, largest=largest, least=0, out=spare[0], spare=spare[1])
    assert found is not None
    assert found <= digits
    shuffled = array.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    at = len(array) // 2
    unit = unit_above(largest)
    for u in (unit, Unit(found)):
        parts = []
        for piece in (array, shuffled[:at], shuffled[at:]):
            if u.digits is not None and len(piece):
                scratch = Scratch()
                whole, more = (scratch.table(0, slot, len(piece))[0] for slot in (0, 1))
                k = digits_of(piece, largest=largest, least=0, out=whole, spare=more)
                x = cut(piece, Unit(k), bound=largest, scratch=scratch, column=0)
            else:
                x = cut(piece, u, bound=largest, scratch=Scratch(), column=0)
            parts.append((total(x), product(x, x)) if len(piece) else (0, 0))
        assert parts[0] == (parts[1][0] + parts[2][0], parts[1][1] + parts[2][1])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0, -3.0], 0),
        ([0.5], 1),
        ([19.99, 0.1], 2),
        ([0.1 + 0.2], None),
        ([0.12345], None),
        ([0.1234], 4),
        ([1e14, 0.5], 1),
        ([1e15, 0.25], None),
        ([2.0**53 + 2], None),
        ([1 / 3], None),
    ],
)
def test_decimals_that_write_numbers_out(values: list[float], expected: int | None) -> None:
    array = np.array(values)
    spare = np.empty((2, len(array)))
    found = digits_of(array, largest=float(np.abs(array).max()), least=0, out=spare[0], spare=spare[1])
    assert found == expected
    if expected is not None:
        assert [Fraction(v) for v in spare[0]] == [round(Fraction(v) * 10**expected) for v in values]


def test_a_late_fraction_is_seen_behind_the_first_rows() -> None:
    array = np.arange(1000.0)
    array[999] = 0.125
    spare = np.empty((2, 1000))
    assert digits_of(array, largest=998.0, least=0, out=spare[0], spare=spare[1]) == 3


def test_sums_by_variant_add_up_and_equal_numpy() -> None:
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 3, 5000)
    a, b = np.round(rng.exponential(5, 5000), 2), rng.normal(3, 1, 5000)
    units = [Unit(2), unit_above(float(np.abs(b).max()))]
    scratch = Scratch()
    columns = [sliced(x, u, scratch, i) for i, (x, u) in enumerate(zip((a, b), units, strict=True))]
    masks = {}
    for v in (0, 2):
        mine, masks[v] = scratch.table(-1, v, 5000)
        mine[:] = codes == v
    pairs = [(0, 0), (0, 1), (1, 1)]
    first, second = sums_by_variant(columns, masks, 1, variants=3, pairs=pairs, rows=5000, scratch=scratch)
    counts = np.bincount(codes).tolist()
    for v in range(3):
        mean, cov = moments(block_sums([0, 1], v, counts, first, second), units)
        block = np.array([a[codes == v], b[codes == v]])
        assert mean == pytest.approx(block.mean(axis=1), rel=1e-14)
        assert np.array(cov) == pytest.approx(np.cov(block), rel=1e-12)
    assert [sum(f) for f in first] == [total(c) for c in columns]


def test_a_mask_keeps_what_stands_under_ones() -> None:
    scratch = Scratch()
    x = sliced(np.array([1.0, 2.0, 4.0]), Unit(0), scratch, 0)
    mine, mask = scratch.table(-1, 0, 3)
    mine[:] = [1.0, 0.0, 1.0]
    assert total(masked(x, mask, scratch=scratch, column=0, rows=3, slot=8)) == 5 * 10**DIGITS
    assert total(x) == 7 * 10**DIGITS


def test_moments_round_once_and_know_a_constant() -> None:
    sums = ExactSums()
    sums.add(ExactSums(2, [3 * 10**DIGITS], {(0, 0): 5 * 10 ** (2 * DIGITS)}))
    sums.add(ExactSums(1, [10**DIGITS // 10], {(0, 0): 10 ** (2 * DIGITS) // 100}))
    mean, cov = moments(sums, [Unit(1)])
    assert mean == (float(Fraction(31, 30)),)
    expected = (Fraction(501, 100) - Fraction(31, 10) ** 2 / 3) / 2
    assert cov == ((float(expected),),)
    constant = ExactSums(3, [3000], {(0, 0): 3_000_000})
    assert moments(constant, [Unit(1)]) == ((0.1,), ((0.0,),))
    assert moments(ExactSums(1, [1000], {(0, 0): 1_000_000}), [Unit(1)]) == ((0.1,), ((0.0,),))


@pytest.mark.parametrize("bound", [1.0, 0.999, 1e-310, 3e200, 0.0])
def test_the_unit_lies_above_the_bound(bound: float) -> None:
    unit = unit_above(bound)
    assert bound < 2.0**unit.exponent or bound == 0.0
    assert math.ldexp(1.0, unit.exponent - 1) <= bound or bound == 0.0
    assert unit.value == Fraction(2) ** (unit.exponent - 54)
