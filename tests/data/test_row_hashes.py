"""Hashes of text and rows: fixed for good, and different where anything differs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.data.tables.batches import text_hashes
from xpbench.data.tables.row_hashes import NOTHING, Coded, RowHash, constant, hash_text


def test_hashes_are_pinned() -> None:
    assert [hash_text(t) for t in ("", "a", "user-0000012345", "ä" * 40)] == PINNED
    assert constant("column 0") % 2 == 1


PINNED = [0x5A98061188501EA5, 0xD6AA4128E39D904E, 0x9736F4C04F27EE0, 0xE65BBB4DBF7F38B3]


@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), min_size=1, max_size=30))
def test_a_text_has_the_hash_it_has_alone(texts: list[str | None]) -> None:
    for column in (pa.array(texts, pa.string()), pa.array(["x", *texts], pa.large_string())[1:]):
        found, empty = text_hashes(column)
        assert found.tolist() == [hash_text(t) if t else NOTHING for t in texts]
        assert empty.tolist() == [not t for t in texts]


def test_dictionaries_and_text_are_hashed_alike() -> None:
    texts = ["b", None, "a", "b"]
    plain, coded = pa.array(texts), pa.array(texts).dictionary_encode()
    assert text_hashes(plain)[0].tolist() == text_hashes(coded)[0].tolist()


def test_texts_that_differ_have_different_hashes() -> None:
    texts = [f"{k}{i}" for i in range(60_000) for k in ("user-", "u")] + ["a", "a\0", "\0a", "aaaaaaaa", "aaaaaaaaa"]
    assert len(set(text_hashes(pa.array(texts))[0].tolist())) == len(texts)


def words(*columns: list[float]) -> list[np.ndarray]:
    return [np.array(c).view(np.uint64) for c in columns]


def test_rows_hash_to_the_same_in_any_order_and_split() -> None:
    rng = np.random.default_rng(1)
    a, b = np.round(rng.normal(size=500), 1), rng.integers(0, 3, 500).astype(float)
    whole = RowHash(2).of(words(a, b), len(a))
    order = rng.permutation(500)
    assert RowHash(2).of(words(a[order], b[order]), len(a)) == whole
    parts = [RowHash(2).of(words(a[s], b[s]), s.stop - s.start) for s in (slice(0, 123), slice(123, 500))]
    assert ((parts[0][0] + parts[1][0]) % 2**64, parts[0][1] ^ parts[1][1]) == whole[:2]
    assert [(x + y) % 2**64 for x, y in zip(parts[0][2], parts[1][2], strict=True)] == whole[2]


@pytest.mark.parametrize("row", [0, 7, 99])
def test_a_changed_swapped_or_moved_value_changes_the_hash(row: int) -> None:
    a, b = np.arange(100.0), np.arange(100.0) % 2
    whole = RowHash(2).of(words(a, b), len(a))
    for changed in (np.where(np.arange(100) == row, a + 0.5, a), np.roll(a, 1), b):
        assert RowHash(2).of(words(changed, b), len(a)) != whole
    assert RowHash(2).of(words(b, a), len(a)) != whole
    other = b.copy()
    other[[row, (row + 1) % 100]] = other[[(row + 1) % 100, row]]
    assert RowHash(2).of(words(a, other), len(a)) != whole


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.intp])
def test_a_column_of_few_words_hashes_like_its_words(kind: type[np.signedinteger]) -> None:
    rng = np.random.default_rng(2)
    (a,) = words(rng.normal(size=1000))
    few = rng.integers(0, 2**64, 3, dtype=np.uint64)
    index = rng.integers(0, 3, 1000).astype(kind)
    assert RowHash(2).of([a, Coded(few, index)], 1000) == RowHash(2).of([a, few[index]], 1000)
