"""The drift lock: 40 changes of meaning alarm, 40 changes of spelling do not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import metric, plan_document
from xpbench.decide.drift.meanings import Lock, drifts, lock, locks
from xpbench.plan import Plan

WHERE = [{"property": "country", "op": "in", "value": ["DE", "AT"]}, {"property": "paid", "op": "==", "value": True}]
DOCUMENT: dict[str, Any] = plan_document(
    [
        metric("quote", "conversion", event="Quote", window_days=14, where=WHERE),
        metric("apps", "count", "secondary", event="App", cuped=True),
        metric("value", "sum", "secondary", event="Transfer", property="amount", winsorize={"upper": 0.99}),
        metric("kept", "retention", "secondary", event="Visit", day=7),
        metric("path", "funnel", "secondary", steps=[{"event": "A", "where": WHERE}, {"event": "B"}]),
        metric("p95", "quantile", "guardrail", "decrease", event="View", property="ms", q=0.95, margin=100.0),
        metric("rate", "ratio", "secondary", numerator="apps", denominator="quote"),
        metric("mix", "formula", "secondary", expression="value / (apps + quote)"),
    ],
    key="drift",
)

Edit = Callable[[dict[str, Any]], None]


def metric(document: dict[str, Any], key: str) -> dict[str, Any]:
    """The entry of a metric."""
    return next(m for m in document["metrics"] if m["key"] == key)


def sets(key: str, field: str, value: Any) -> Edit:
    """An edit that sets one field of a metric."""
    return lambda d: metric(d, key).__setitem__(field, value)


SEMANTIC: list[tuple[str, Edit]] = [
    *[(k, sets(k, "event", "Other")) for k in ("quote", "apps", "value", "kept", "p95")],
    *[(k, sets(k, "window_days", 3.5)) for k in ("quote", "apps", "value", "kept", "path", "p95")],
    *[(k, sets(k, "delay_days", 1.0)) for k in ("quote", "apps", "value", "kept", "path", "p95")],
    *[(k, sets(k, "where", [{"property": "x", "op": "is set"}])) for k in ("quote", "apps", "value", "kept", "path", "p95")],
    ("quote", lambda d: metric(d, "quote")["where"][0].__setitem__("value", ["DE"])),
    ("quote", lambda d: metric(d, "quote")["where"][0].__setitem__("op", "not in")),
    ("quote", lambda d: metric(d, "quote")["where"].pop()),
    ("apps", sets("apps", "cuped", False)),
    ("apps", lambda d: d.__setitem__("pre_period_days", 28)),
    ("value", sets("value", "property", "fee")),
    ("value", sets("value", "winsorize", {"upper": 0.95})),
    ("value", sets("value", "winsorize", {"upper": 0.99, "over": "nonzero"})),
    ("value", sets("value", "winsorize", {"lower": 0.01, "upper": 0.99})),
    ("kept", sets("kept", "day", 8)),
    ("kept", sets("kept", "length_days", 7)),
    ("path", lambda d: metric(d, "path")["steps"].reverse()),
    ("path", lambda d: metric(d, "path")["steps"].append({"event": "C"})),
    ("path", sets("path", "within_days", 1.0)),
    ("path", sets("path", "per", "entrant")),
    ("p95", sets("p95", "q", 0.9)),
    ("p95", sets("p95", "property", "bytes")),
    ("rate", sets("rate", "numerator", "value")),
    ("rate", sets("apps", "event", "Other")),
    ("mix", sets("mix", "expression", "value / apps + quote")),
    ("mix", sets("value", "property", "fee")),
    ("quote", lambda d: d.__setitem__("unit", "company_id")),
]

COSMETIC: list[tuple[str, Edit]] = [
    *[(k, sets(k, "name", "A nicer name")) for k in ("quote", "apps", "value", "kept", "path", "p95", "rate", "mix")],
    *[(k, sets(k, "direction", "decrease")) for k in ("quote", "apps", "value", "kept", "path", "rate", "mix")],
    *[(k, sets(k, "min_lift", 0.02)) for k in ("quote", "apps", "value", "kept", "path", "p95", "rate", "mix")],
    *[(k, sets(k, "role", "secondary")) for k in ("quote", "p95")],
    *[("apps", lambda d, k=k: d.__setitem__(k, "Another")) for k in ("title", "owner", "notes")],
    ("p95", sets("p95", "margin", 50.0)),
    ("quote", lambda d: metric(d, "quote")["where"].reverse()),
    ("quote", lambda d: metric(d, "quote")["where"][0]["value"].reverse()),
    ("path", lambda d: metric(d, "path")["steps"][0]["where"].reverse()),
    ("mix", sets("mix", "expression", " value/( apps+quote ) ")),
    ("mix", sets("mix", "expression", "value / (apps\n+ quote)")),
    ("quote", lambda d: d["metrics"].reverse()),
    ("quote", lambda d: d.__setitem__("horizon", {"units": 99})),
    ("value", lambda d: d.__setitem__("correction", "bonferroni")),
    ("value", lambda d: d.__setitem__("pre_period_days", 28)),
    ("quote", lambda d: d["variants"][1].__setitem__("name", "Beta")),
    ("rate", lambda d: d.__setitem__("model", {"kind": "sequential", "n_opt": 1000})),
]


@pytest.mark.parametrize(("key", "edit"), SEMANTIC, ids=range(len(SEMANTIC)))
def test_a_change_of_meaning_alarms(key: str, edit: Edit) -> None:
    """The metric's digest moves."""
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    assert key in {d.metric for d in drifts(locks(Plan(**DOCUMENT)), locks(Plan(**document)))}


@pytest.mark.parametrize(("key", "edit"), COSMETIC, ids=range(len(COSMETIC)))
def test_a_change_of_spelling_does_not(key: str, edit: Edit) -> None:
    """The metric's digest stays."""
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    assert lock(Plan(**document), key) == lock(Plan(**DOCUMENT), key)


def test_at_least_forty_of_each() -> None:
    """The table is as long as it claims."""
    assert len(SEMANTIC) >= 40
    assert len(COSMETIC) >= 40


def test_a_changed_engine_is_seen_by_its_value() -> None:
    """The same definition with another golden value drifts; a wobble in the last digits does not."""
    plan = Plan(**DOCUMENT)
    before = locks(plan, compute=lambda p, k: 0.1 + 0.2)
    assert drifts(before, locks(plan, compute=lambda p, k: 0.3)) == ()
    found = drifts(before, locks(plan, compute=lambda p, k: 0.31))
    assert {d.what for d in found} == {"value"}
    assert len(found) == 8


def test_added_and_removed() -> None:
    """Metrics that come and go are named."""
    one = {"a": Lock("a", "x", None, "x")}
    assert [d.what for d in drifts(one, {})] == ["removed"]
    assert [d.to_dict()["what"] for d in drifts({}, one)] == ["added"]
