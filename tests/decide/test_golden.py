"""The golden value moves when what is computed moves, and with nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.decide.test_drift import DOCUMENT, metric
from xpbench.decide.drift.golden import golden_locks, golden_log, golden_values
from xpbench.decide.drift.meanings import drifts
from xpbench.plan import Plan

PLAN = Plan(**DOCUMENT)


@pytest.fixture(scope="module")
def before() -> dict[str, Any]:
    """Locks of the plan as it is."""
    return golden_locks(PLAN)


def test_every_metric_has_a_value(before: dict[str, Any]) -> None:
    """All eight kinds are computed, none is zero or missing."""
    assert {k: v.golden for k, v in before.items() if not v.golden} == {}


def test_log_is_the_same_on_every_machine() -> None:
    """Pinned: the fixture follows from names alone."""
    table = golden_log(PLAN)
    assert table.num_rows == golden_log(PLAN).num_rows
    assert str(table["time"][0].as_py()) == "2026-01-15 00:30:01+00:00"


def test_values_move_with_the_meaning(before: dict[str, Any]) -> None:
    """A window, a filter, a property, a percentile, a day, a step, a quantile: each moves its value and no other."""
    document = copy.deepcopy(DOCUMENT)
    metric(document, "quote")["window_days"] = 3
    metric(document, "value")["winsorize"] = {"upper": 0.8}
    metric(document, "kept")["length_days"] = 14
    metric(document, "path")["steps"].reverse()
    metric(document, "p95")["q"] = 0.5
    after = golden_locks(Plan(**document))
    moved = {k for k in before if before[k].golden != after[k].golden}
    assert {"quote", "value", "kept", "p95", "rate", "mix"} <= moved
    assert "apps" not in moved
    assert {d.metric for d in drifts(before, after)} == {"quote", "value", "kept", "path", "p95", "rate", "mix"}


def test_spelling_moves_nothing(before: dict[str, Any]) -> None:
    """Names, order, margins and white space: same values, same locks."""
    document = copy.deepcopy(DOCUMENT)
    for m in document["metrics"]:
        m["name"] = f"Nicer {m['key']}"
    document["metrics"].reverse()
    metric(document, "quote")["where"].reverse()
    metric(document, "mix")["expression"] = "value/(apps+quote)"
    assert drifts(before, golden_locks(Plan(**document))) == ()


def test_table_plans_have_values_too() -> None:
    """A plan over columns is locked on a table."""
    document = copy.deepcopy(DOCUMENT)
    document["metrics"] = [
        {"key": "quote", "kind": "column", "column": "q", "role": "primary", "direction": "increase"},
        {"key": "r", "kind": "ratio", "numerator": "quote", "denominator": "x", "role": "secondary", "direction": "increase"},
        {"key": "x", "kind": "column", "column": "x", "role": "secondary", "direction": "increase"},
    ]
    values = golden_values(Plan(**document))
    assert values["r"] == pytest.approx((values["quote"] or 0) / (values["x"] or 1), rel=1e-9)
