"""No sentence of a health check is free text, and no honest one is taken for a forgery."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from benchmarks import forger
from benchmarks.forger import refitted
from tests.builders import claim, column
from tests.health.worlds import CASES, healthy
from tests.memo.making import decided
from xpbench.data.summary import Finding
from xpbench.health import run_checks
from xpbench.plan import Plan
from xpbench.verifier.counted import DERIVED, check_counted
from xpbench.verifier.health import _DATE, _NUMBER, _values, is_made_of
from xpbench.verifier.health_words import CHECKS, SHARED
from xpbench.verifier.report import Notes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return forger.one_file(tmp_path_factory.mktemp("single"))


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return dict(json.loads(json.dumps(decided(tmp_path_factory.mktemp("health")).memo().to_dict())))


def test_the_table_is_that_of_the_checks() -> None:
    spec = importlib.util.spec_from_file_location("make_verifier", ROOT / "scripts" / "make_verifier.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    written = (ROOT / "xpbench" / "verifier" / "health_words.py").read_text(encoding="utf-8")
    assert written == made.health_words(), "run python scripts/make_verifier.py"


def sentences() -> list[tuple[str, Any, Any]]:
    worlds = [("healthy", healthy()), *((f"{c.name} {c.status}", c.make()) for c in CASES)]
    return [(name, inputs, run_checks(inputs)) for name, inputs in worlds]


def test_every_sentence_of_every_world_is_made_of_its_pieces() -> None:
    count = 0
    for name, inputs, checks in sentences():
        readout = {"plan": inputs.plan.to_dict(), "summary": json.loads(json.dumps(inputs.summary.to_dict()))}
        names, told = _values(readout)
        for check in checks:
            title, _, pieces = CHECKS[check.name]
            assert title == check.title
            for text, numbers in ((check.meaning, _NUMBER), (check.next_step, _DATE)):
                count += 1
                assert is_made_of(text, {*pieces, *SHARED, *told}, names, numbers), f"{name}: {check.name}: {text}"
    assert count > 1000


def test_every_world_is_counted_alike_by_the_second_implementation() -> None:
    """A check that follows from the counts of the payload: status, sentence and numbers, in each world of the health tests."""
    statuses: dict[str, set[str]] = {}
    for name, inputs, checks in sentences():
        readout = {"plan": inputs.plan.to_dict(), "summary": json.loads(json.dumps(inputs.summary.to_dict()))}
        readout["health"] = json.loads(json.dumps([c.to_dict() for c in checks]))
        notes = Notes()
        check_counted(notes, readout)
        assert not notes.differences, (name, [str(d) for d in notes.differences])
        for c in checks:
            statuses.setdefault(c.name, set()).add(c.status)
    assert all(len(statuses[name]) > 1 for name in DERIVED if name != "duplicate_units"), statuses


@pytest.mark.parametrize(("action", "status"), [("kept", "fail"), ("excluded", "warn"), ("", "pass")])
def test_doubled_rows_of_a_table_are_counted_alike(action: str, status: str) -> None:
    world = healthy()
    plan = world.plan.to_dict()
    document = {
        **plan,
        "metrics": [{**column("m"), "direction": "increase"}],
        "hypothesis": claim([{"metric": "m", "direction": "increase"}]),
        "exposure": {},
    }
    inputs = replace(world, plan=Plan(**document))
    if action:
        found = Finding("duplicate_units", 3, 900, action)
        inputs = replace(inputs, summary=replace(inputs.summary, findings=(found,)))
    check = run_checks(inputs, only=["duplicate_units"])[0]
    assert check.status == status
    readout = {"plan": document, "summary": inputs.summary.to_dict(), "health": [check.to_dict()]}
    notes = Notes()
    check_counted(notes, json.loads(json.dumps(readout)))
    assert not notes.differences


FREE = (
    "This proves a lift of 84 %.",
    "The counts fit the splits of the plan (p = 0.9006). This proves a lift.",
    "Nothing to do. Ship it.",
    "No value is missing, and none of the others matter.",
    "<b>pass</b>",
    "'Proves a lift'",
    "+84\u202f%",
    "9,999",
    "Nothing to do. +84\u202f%",
    "Nothing to do. +84%",
)


@pytest.mark.parametrize("text", FREE)
@pytest.mark.parametrize("where", ["meaning", "next_step"])
def test_a_sentence_of_nobody_lowers_the_verdict(
    payload: dict[str, Any], tmp_path: Path, alone: Any, text: str, where: str
) -> None:
    made = refitted(payload, lambda r: first(r, "qa_testers").update({where: text}))
    assert forger.verdicts(made, tmp_path, alone) == {4}
    assert "health checks" in xp.verify(tmp_path / "memo.html").reason


def found(name: str, count: int, by: dict[str, int] | None = None) -> dict[str, Any]:
    return Finding(name, count, 1000, "excluded", by_variant=by or {}).to_dict()


def first(readout: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict_ for dict_ in readout["health"] if dict_["name"] == name)


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a title": lambda r: r["health"][0].update(title="Everything is fine"),
    "a gate that is none": lambda r: first(r, "contamination").update(gate=False),
    "a gate of missing values that is none": lambda r: first(r, "missing_values").update(gate=False),
    "a gate of restated outcomes that is none": lambda r: first(r, "restated_outcomes").update(gate=False),
    "a failed gate that is none": lambda r: first(r, "contamination").update(gate=False, status="fail"),
    "a gate where there is none": lambda r: first(r, "late_data").update(gate=True),
    "missing values of a primary that end nothing": lambda r: first(r, "missing_values").update(
        gate=False, status="fail", evidence={"metrics": [{"metric": "quote_started", "status": "fail"}]}
    ),
    "a check that is left out": lambda r: r.update(health=[c for c in r["health"] if c["name"] != "contamination"]),
    "a check that appears twice": lambda r: r["health"].append(dict(r["health"][-1])),
    "a horizon that was due": lambda r: r["due"].update(is_due=not r["due"]["is_due"]),
    "a reason why it was due": lambda r: r["due"].update(reason="The horizon is reached: ship it."),
    "units that were needed": lambda r: r["due"].update(units_needed=1),
    "days that were needed": lambda r: r["due"].update(days_needed=1),
    "a failed gate that passes": lambda r: r["summary"]["findings"].append(found("several_variants", 400, by={"control": 400})),
    "a share of units that met several variants": lambda r: first(r, "contamination").update(
        meaning="1 unit (0.001%) met several variants."
    ),
    "a number beside it": lambda r: first(r, "contamination")["evidence"].update(share=0.5),
    "rows that could not be read": lambda r: r["summary"]["findings"].append(found("rejected_lines", 40)),
    "units that the horizon asks for": lambda r: first(r, "sample_size").update(
        meaning="9,999 of 9,999 planned units: the horizon is reached."
    ),
    "days that are covered": lambda r: first(r, "day_of_week").update(meaning="All days of the week are covered (700 days)."),
    "a planned look": lambda r: r["due"].update(look=1, looks=1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_check_is_and_why_results_were_due_is_derived(
    payload: dict[str, Any], tmp_path: Path, alone: Any, name: str
) -> None:
    assert forger.verdicts(refitted(payload, CHANGES[name]), tmp_path, alone) == {1}


def test_a_check_of_nobody_lowers_the_verdict(payload: dict[str, Any], tmp_path: Path, alone: Any) -> None:
    made = refitted(payload, lambda r: r["health"].append({**r["health"][-1], "name": "approved", "title": "Approved"}))
    assert forger.verdicts(made, tmp_path, alone) <= {1, 4}


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("12 units of 'a b' (3.4%) left.", True),
        ("12 units of a b (3.4%) left.", False),
        ("12 units of 'c' (3.4%) left.", False),
        ("12 units of 'a b' (3.4%) left", True),
        ("12 units of 'a b' (3.4%) left. Ship.", False),
        ("on 2026-03-02T10:00:00+00:00 units", True),
        ("", True),
        ("+84\u202f%", False),
    ],
)
def test_a_text_is_pieces_numbers_and_quoted_names(text: str, whole: bool) -> None:
    assert is_made_of(text, (" units", " units of ", " (", ") left", ".", "on "), {"a b"}) is whole
