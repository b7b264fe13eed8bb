"""Every single change of a plan gives exactly one row, classed by what was known when it was made."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.builders import make_plan, metric
from xpbench.decide.deviations import deviations_of
from xpbench.decide.readout import stamps_of
from xpbench.ledger import Ledger, knowledge
from xpbench.plan.diff import diff

CLOCK = lambda: datetime(2026, 11, 3, tzinfo=UTC)  # noqa: E731

DOCUMENT: dict[str, Any] = make_plan(
    [
        metric(
            "quote",
            "conversion",
            event="Quote",
            window_days=14,
            min_lift=0.02,
            where=[{"property": "country", "op": "==", "value": "DE"}],
        ),
        metric("value", "sum", "secondary", event="T", property="amount", winsorize={"upper": 0.99}, cuped=True),
        metric("out", "conversion", "guardrail", "decrease", event="Out", margin_rel=0.05),
    ],
    key="dev",
    title="Deviations",
    lift=0.05,
    variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "beta", "split": 0.5, "name": "Beta"}],
    exposure={"start": "2026-11-01", "end": "2026-12-01"},
    assignment={"salt": "s", "layer": {"key": "l", "salt": "x", "start": 0.0, "end": 0.5}, "overrides": {"u1": "beta"}},
    model={"kind": "sequential", "n_opt": 40_000},
    segments=["platform"],
    horizon={"units": 40_000, "days": 28},
    planning={"daily_units": 1500, "baselines": {"quote": 0.2}},
    watch={"weeks": 4, "metrics": ["out"], "owner": "growth"},
    sign_offs=[{"name": "ana", "role": "analyst"}],
    notes="none",
).to_dict()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every leaf of a plan document."""
    if isinstance(value, dict) and value:
        for k, v in value.items():
            yield from leaves(v, (*path, k))
    elif isinstance(value, list) and value:
        for i, v in enumerate(value):
            yield from leaves(v, (*path, i))
    else:
        yield path


def mutated(path: tuple[Any, ...]) -> dict[str, Any]:
    """The document with one leaf changed."""
    out = copy.deepcopy(DOCUMENT)
    at = out
    for part in path[:-1]:
        at = at[part]
    old = at[path[-1]]
    if isinstance(old, bool):
        at[path[-1]] = not old
    elif isinstance(old, (int, float)):
        at[path[-1]] = old + 1
    elif isinstance(old, str):
        at[path[-1]] = old + "x"
    else:
        at[path[-1]] = ["added"] if isinstance(old, list) else {"added": 1}
    return out


KEYED = ("key",)


@pytest.mark.parametrize("path", list(leaves(DOCUMENT)), ids=lambda p: "/".join(map(str, p)))
def test_each_single_change_is_one_row(path: tuple[Any, ...]) -> None:
    """All fields of a plan: one change, one row; renaming a keyed part shows as leaving and coming."""
    rows = diff(DOCUMENT, mutated(path))
    in_list = len(path) > 1 and isinstance(path[-2], int)
    if in_list and path[-1] in KEYED:
        assert len(rows) >= 2
        assert {r.pointer.split("[")[0] for r in rows} == {"/" + "/".join(map(str, path[:-2])) + "/"}
    else:
        assert len(rows) == 1


def _ledger(folder: Path) -> Ledger:
    ledger = Ledger(folder / "ledger.jsonl", clock=CLOCK)
    ledger.append("registered", {"plan": DOCUMENT})
    return ledger


def _amend(ledger: Ledger, before: dict[str, Any], after: dict[str, Any], reason: str) -> None:
    changes = [c.to_dict() for c in diff(before, after)]
    ledger.append("amended", {"plan": after, "changes": changes, "reason": reason, "knowledge": knowledge(ledger.entries())})


def test_classes_follow_what_was_known(tmp_path: Path) -> None:
    """Before data, after outcomes, undeclared: by the ledger, not by what anyone says."""
    ledger = _ledger(tmp_path)
    early = {**DOCUMENT, "title": "Early"}
    _amend(ledger, DOCUMENT, early, "typo")
    ledger.append("launched", {})
    launched = {**early, "owner": "someone"}
    _amend(ledger, early, launched, "new owner")
    ledger.append("looked", {"outcomes": True})
    late = {**launched, "correction": "none"}
    _amend(ledger, launched, late, "hm")
    used = {**late, "secondary_correction": "none"}
    rows = deviations_of(ledger.entries(), used)
    assert [(r["pointer"], r["class"]) for r in rows] == [
        ("/title", "amendment before data"),
        ("/owner", "amendment before data"),
        ("/correction", "amendment after outcomes"),
        ("/secondary_correction", "undeclared"),
    ]
    assert rows[2]["reason"] == "hm"


def test_undeclared_stamps_exploratory(tmp_path: Path) -> None:
    """One undeclared field makes the readout EXPLORATORY; an amendment does not."""
    ledger = _ledger(tmp_path)
    rows = deviations_of(ledger.entries(), {**DOCUMENT, "segments": ["platform", "country"]})
    assert stamps_of("opened", (), rows) == ("EXPLORATORY",)
    amended = {**DOCUMENT, "title": "x"}
    _amend(ledger, DOCUMENT, amended, "y")
    assert stamps_of("opened", (), deviations_of(ledger.entries(), amended)) == ()


def test_no_change_no_row(tmp_path: Path) -> None:
    """The registered plan itself deviates in nothing."""
    assert deviations_of(_ledger(tmp_path).entries(), copy.deepcopy(DOCUMENT)) == ()
