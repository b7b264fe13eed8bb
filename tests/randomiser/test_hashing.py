"""The hashes: published vectors, uniform, independent across salts, the same for every container of ids."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xpbench.errors import AssignError
from xpbench.randomiser.hashing import buckets, sha256_uniform, uniform
from xpbench.randomiser.preflight.association import association
from xpbench.randomiser.single import netstring, prefix, sha256_int

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "assign.json").read_text(encoding="utf-8"))


def test_native_vectors() -> None:
    vectors = VECTORS["native"]["vectors"]
    assert len(vectors) >= 1000
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for v in vectors:
        assert sha256_int(v["id"], purpose=v["purpose"], salt=v["salt"], name=v["name"]) == v["first52"]
        groups.setdefault((v["purpose"], v["salt"], v["name"]), []).append(v)
    for (purpose, salt, name), part in groups.items():
        found = uniform([v["id"] for v in part], purpose=purpose, salt=salt, name=name)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, [v["uniform"] for v in part])


def test_mixpanel_vectors() -> None:
    vectors = VECTORS["mixpanel"]["vectors"]
    for salt in {v["salt"] for v in vectors}:
        part = [v for v in vectors if v["salt"] == salt]
        np.testing.assert_array_equal(buckets([v["id"] for v in part], salt=salt), [v["bucket"] for v in part])


def test_the_message_is_what_the_documentation_says() -> None:
    message = "xpb1:7:variant,21:beta-homepage-2026-11,0:,user-1"
    first = int(hashlib.sha256(message.encode()).hexdigest()[:13], 16)
    assert sha256_uniform("user-1", purpose="variant", salt="beta-homepage-2026-11") == first / 2**52


@given(st.tuples(*[st.text(max_size=8)] * 3), st.tuples(*[st.text(max_size=8)] * 3))
@settings(max_examples=300, deadline=None)
def test_no_two_inputs_share_a_message(one: tuple[str, str, str], two: tuple[str, str, str]) -> None:
    a = prefix("variant", one[0], one[1]) + one[2]
    b = prefix("variant", two[0], two[1]) + two[2]
    assert (a == b) == (one == two)


def test_lengths_are_bytes() -> None:
    assert netstring("ä") == "2:ä,"


NUMBERS = [0, 1, -5, 12345, 2**63 - 1]
UUIDS = [uuid.UUID(int=k, version=4) for k in range(5)]


@pytest.mark.parametrize(
    ("container", "texts"),
    [
        (["a", "", "ü", None], ["a", "", "ü", None]),
        (("a", "b"), ["a", "b"]),
        ((c for c in ("a", "b")), ["a", "b"]),
        (NUMBERS, [str(k) for k in NUMBERS]),
        ([2**70, 1], [str(2**70), "1"]),
        (UUIDS, [str(u) for u in UUIDS]),
        (["a", 1, UUIDS[0], None, float("nan"), np.int64(7)], ["a", "1", str(UUIDS[0]), None, None, "7"]),
        (np.array(NUMBERS), [str(k) for k in NUMBERS]),
        (np.array([1, 2], np.uint8), ["1", "2"]),
        (np.array(["a", "ü"]), ["a", "ü"]),
        (np.array(["a", None, 3], object), ["a", None, "3"]),
        (pd.Series(["a", None, "b"]), ["a", None, "b"]),
        (pd.Series(["a", np.nan], dtype=object), ["a", None]),
        (pd.Series([1, None], dtype="Int64"), ["1", None]),
        (pd.Series(["x", "y", "x"], dtype="category"), ["x", "y", "x"]),
        (pd.Series([1, 2, 3])[::2], ["1", "3"]),
        (pl.Series(["a", None]), ["a", None]),
        (pl.Series([1, None]), ["1", None]),
        (pl.Series(["x", "y"], dtype=pl.Categorical), ["x", "y"]),
        (pa.array(["a", None, "c"]).slice(1), [None, "c"]),
        (pa.chunked_array([["a"], [], ["b", None]]), ["a", "b", None]),
        (pa.array(["a"]).cast(pa.large_string()), ["a"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([None, None]), [None, None]),
        ([], []),
        (pd.Series([np.nan, np.nan]), [None, None]),
    ],
)
def test_every_container_hashes_the_same_text(container: Any, texts: list[str | None]) -> None:
    expected = [np.nan if t is None else sha256_uniform(t, purpose="variant", salt="s") for t in texts]
    np.testing.assert_array_equal(uniform(container, salt="s"), expected)


@pytest.mark.parametrize(
    "bad",
    [
        [1.0, 2.0],
        ["a", 12345.0],
        np.array([1.5]),
        pd.Series([1, None]),
        pl.Series([1.0]),
        pa.array([1.0]),
        [float("inf")],
    ],
)
def test_floats_are_refused(bad: Any) -> None:
    with pytest.raises(AssignError, match=r"floats.*XPB-A01") as caught:
        uniform(bad, salt="s")
    assert "Int64" in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ([True, False], "XPB-A02"),
        ([b"a"], "XPB-A02"),
        ([("a",)], "XPB-A02"),
        (np.array([["a"]]), "XPB-A02"),
        (pa.array([b"a"]), "XPB-A02"),
        (pd.Series(pd.to_datetime(["2026-01-01"])), "XPB-A02"),
        (object(), "XPB-A02"),
        (["a", "\ud800"], "XPB-A03"),
        ("one-id", "XPB-A14"),
        (7, "XPB-A14"),
    ],
)
def test_what_is_no_id_is_refused(bad: Any, code: str) -> None:
    with pytest.raises(AssignError) as caught:
        uniform(bad, salt="s")
    assert caught.value.code == code


@pytest.mark.parametrize("ids", [100_000, pytest.param(1_000_000, marks=pytest.mark.full)])
def test_uniform_and_independent_over_twenty_salts(ids: int) -> None:
    drawn = [uniform(np.arange(ids), salt=f"salt-{k}") for k in range(20)]
    p_uniform = [stats.chisquare(np.bincount((u * 1000).astype(int), minlength=1000)).pvalue for u in drawn]
    p_pairs = []
    for i in range(20):
        for j in range(i + 1, 20):
            table = np.bincount((drawn[i] * 10).astype(int) * 10 + (drawn[j] * 10).astype(int), minlength=100).reshape(10, 10)
            p_pairs.append(stats.chi2_contingency(table).pvalue)
    assert len(p_pairs) == 190
    # p-values of a perfect hash are uniform: the smallest of m is below 0.001 / m once in a thousand runs
    assert min(p_uniform) > 0.001 / 20
    assert min(p_pairs) > 0.001 / 190
    assert stats.kstest(p_uniform + p_pairs, "uniform").pvalue > 0.001


def test_uniform_and_independent_on_fewer_ids() -> None:
    ids = np.arange(100_000)
    one, two = uniform(ids, salt="a"), uniform(ids, salt="b")
    purposes = [uniform(ids, salt="a", purpose=p, name=n) for p, n in (("rollout", "x"), ("rollout", "y"), ("layer", "x"))]  # type: ignore[arg-type]
    for u in (one, two, *purposes):
        assert stats.kstest(u, "uniform").pvalue > 1e-4
        assert u.min() >= 0
        assert u.max() < 1
    for other in (two, *purposes):
        table = np.bincount((one * 10).astype(int) * 10 + (other * 10).astype(int), minlength=100).reshape(10, 10)
        assert stats.chi2_contingency(table).pvalue > 1e-4


def test_association_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(-1, 3, 5000).astype(np.int16), rng.integers(-1, 2, 5000).astype(np.int16)
    found = association(a, b)
    table = pd.crosstab(a, b).to_numpy()
    expected = stats.chi2_contingency(table, correction=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.phi == pytest.approx(stats.contingency.association(table, method="cramer"))
