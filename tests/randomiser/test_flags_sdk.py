"""Flags answer bit for bit as the installed official SDK does."""

from __future__ import annotations

import logging
import random
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixpanel.flags.local_feature_flags import LocalFeatureFlagsProvider
from mixpanel.flags.types import ExperimentationFlag, LocalFlagsConfig, SelectedVariant
from mixpanel.flags.utils import _fnv1a64, normalized_hash

from tests.randomiser.random_flags import context, definition, rule, text_unit
from tests.randomiser.random_flags import properties as random_properties
from xpbench.randomiser.definitions import read_flag
from xpbench.randomiser.flag import REASONS, Flag
from xpbench.randomiser.hashing import buckets, fnv_salted, fnv_states
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.properties import FlagProperties
from xpbench.randomiser.single import fnv1a64

PAIRS = 100_000
SEED = 20261122


@pytest.fixture(scope="module")
def provider() -> Any:
    logging.getLogger("mixpanel.flags.local_feature_flags").setLevel(logging.CRITICAL + 1)
    made = LocalFeatureFlagsProvider("token", LocalFlagsConfig(enable_polling=False), "5.4.1", lambda *a: None)
    yield made
    made._sync_client.close()


def sdk_answer(provider: Any, flag: ExperimentationFlag, of: dict[str, Any]) -> tuple[Any, ...]:
    provider._flag_definitions = {flag.key: flag}
    try:
        found = provider.get_variant(flag.key, SelectedVariant(variant_value="fallback"), of, report_exposure=False)
    except Exception as error:  # noqa: BLE001
        return ("raises", type(error).__name__)
    if found.fallback_reason is not None:
        return ("fallback", found.fallback_reason.kind, found.fallback_reason.message)
    return (found.variant_key, found.variant_value, found.is_qa_tester, found.experiment_id, found.is_experiment_active)


def own_answer(flag: Flag, of: dict[str, Any]) -> tuple[Any, ...]:
    found = flag.evaluate(of)
    if found.reason == "SDK_RAISES":
        return ("raises", found.message)
    if found.reason is not None:
        return ("fallback", found.reason, found.message)
    return (found.variant, found.value, found.is_qa_tester, found.experiment_id, found.is_experiment_active)


def test_scalar_evaluation_equals_the_sdk(provider: Any) -> None:
    r = random.Random(SEED)
    seen: dict[str, int] = {}
    compared = 0
    while compared < PAIRS:
        made = definition(r)
        sdk = ExperimentationFlag.from_dict(made)
        sdk.ruleset.variants.sort(key=lambda v: v.key)
        own = read_flag(made)
        for _ in range(50):
            of = context(r, made)
            expected, actual = sdk_answer(provider, sdk, of), own_answer(own, of)
            assert expected == actual, (made, of)
            kind = expected[0] if expected[0] == "raises" else expected[1] if expected[0] == "fallback" else "served"
            seen[str(kind)] = seen.get(str(kind), 0) + 1
            compared += 1
    assert compared >= PAIRS
    # the comparison means something only if every outcome occurs often
    for outcome in ("served", "NO_ROLLOUT_MATCH", "MISSING_CONTEXT_KEY", "raises"):
        assert seen.get(outcome, 0) > 100, seen


def test_columns_equal_one_by_one() -> None:
    r = random.Random(SEED + 1)
    compared = served = 0
    for _ in range(250):
        made = definition(r)
        flag = read_flag(made)
        n = 200
        rows = [random_properties(r) for _ in range(n)]
        units: list[Any] = [r.choice([text_unit(r), f"user-{r.randrange(4)}", r.randrange(5)]) for _ in range(n)]
        distinct = [f"user-{r.randrange(4)}" for _ in range(n)]
        found = flag.column(UnitIds(units), properties=FlagProperties(rows, n), distinct_ids=UnitIds(distinct))
        for i in range(n):
            of = {"distinct_id": distinct[i], flag.context: units[i], "custom_properties": rows[i]}
            one = flag.evaluate(of)
            assert (flag.keys[found.codes[i]] if found.codes[i] >= 0 else None) == one.variant, (made, of)
            assert REASONS[found.reasons[i]] == one.reason, (made, of)
            assert found.groups[i] == (-1 if one.group is None else one.group)
            compared += 1
            served += one.variant is not None
    assert compared == 50_000
    assert served > 5_000


@pytest.mark.parametrize("container", ["dict", "pandas", "polars", "arrow"])
def test_rules_over_columns_equal_rules_over_rows(container: str) -> None:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    r = random.Random(SEED + 2)
    n = 300
    columns: dict[str, list[Any]] = {
        "Plan": [r.choice(["Free", "pro", "PRO", None, "ß", "ENTERPRISE"]) for _ in range(n)],
        "age": [r.choice([None, r.randrange(60)]) for _ in range(n)],
        "country": [r.choice(["UK", "uk", "DE", "", None]) for _ in range(n)],
        "version": [r.choice(["1.2.3", "v2", "0.9", "x", None]) for _ in range(n)],
        "none": [r.choice([True, False]) if r.random() < 0.9 else None for _ in range(n)],
    }
    table = pa.table(columns)
    frame = {
        "dict": columns,
        "pandas": table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get),
        "polars": pl.from_arrow(table),
        "arrow": table,
    }[container]
    rows = [{k: v[i] for k, v in columns.items() if v[i] is not None} for i in range(n)]
    units = [f"u{i}" for i in range(n)]
    both = {True: 0, False: 0}
    for _ in range(120):
        made = definition(r, key="k")
        made["context"] = "distinct_id"
        made["ruleset"]["rollout"] = [{"rollout_percentage": 1.0, "runtime_evaluation_rule": rule(r)}]
        for variant in made["ruleset"]["variants"]:
            variant["split"] = 1.0
        flag = read_flag(made)
        found = flag.column(UnitIds(units), properties=FlagProperties(frame, n))
        for i in range(n):
            one = flag.evaluate({"distinct_id": units[i], "custom_properties": rows[i]})
            assert REASONS[found.reasons[i]] == one.reason, (made, rows[i])
            both[one.variant is not None] += 1
    assert min(both.values()) > 3_000


@given(st.text(max_size=40), st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_hash_equals_the_sdk(unit: str, salt: str) -> None:
    data, ending = unit.encode("utf-8", "replace"), salt.encode("utf-8", "replace")
    assert fnv1a64(data + ending) == _fnv1a64(data + ending)
    text, end = data.decode(), ending.decode()
    assert buckets([text], salt=end)[0] / 100.0 == normalized_hash(text, end)


def test_vectorised_hash_equals_the_sdk_on_mixed_lengths() -> None:
    r = random.Random(SEED + 3)
    units = [text_unit(r) for _ in range(20_000)] + [f"{i:036d}" for i in range(40_000)]
    salts = ["", "checkoutrollout", "ß😀", "k" * 70 + "variant"]
    ids = UnitIds(units)
    states = np.concatenate([fnv_states(b) for b in ids.blocks(7_001)])
    for salt in salts:
        expected = np.array([_fnv1a64(u.encode() + salt.encode()) for u in units[::13]], np.uint64)
        np.testing.assert_array_equal(expected, fnv_salted(states, salt)[::13])


@pytest.mark.parametrize(
    ("unit", "salt", "hashed", "share"),
    [
        ("", "", 0xCBF29CE484222325, 0.37),
        ("a", "", 0xAF63DC4C8601EC8C, 0.96),
        ("abc", "variant", 0xB176B6B6CE8BAB0C, 0.72),
        ("user1", "flagrollout", 0xA2A95B118D1BE520, 0.28),
        ("user1", "flagvariant", 0xA6E067E0A55FB4D4, 0.04),
    ],
)
def test_published_vectors(unit: str, salt: str, hashed: int, share: float) -> None:
    assert fnv1a64((unit + salt).encode()) == hashed
    assert buckets([unit], salt=salt)[0] / 100 == share


def test_no_warning_is_lost() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_flag(definition(random.Random(5)))
