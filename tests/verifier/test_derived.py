"""Nothing that a readout says beside its estimates is free text: with every digest made anew, it differs all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import xpbench as xp
from benchmarks import forger
from benchmarks.forger import refitted
from tests.memo.making import PLAN, decided
from xpbench import verifier as v
from xpbench.decide.novelty import _AXIS, Point, _word
from xpbench.decide.rule import rule_rows
from xpbench.plan.design import Decision
from xpbench.stats.compatible import WHY
from xpbench.stats.status import REASONS
from xpbench.verifier import derived, over_time

Readout = dict[str, Any]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return forger.one_file(tmp_path_factory.mktemp("single"))


@pytest.fixture(scope="module")
def peeked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A memo of a peek: no variant has the units of the first look."""
    plan = {**PLAN, "model": {**PLAN["model"], "min_units": 30_000}}
    made = dict(json.loads(json.dumps(decided(tmp_path_factory.mktemp("peeked"), plan=plan, peek=True).memo().to_dict())))
    assert made["readout"]["stamps"] == ["PEEK"]
    return made


def first(rows: list[Any], **wanted: Any) -> Any:
    return next(r for r in rows if all(r[k] == value for k, value in wanted.items()))


CHANGES: dict[str, Callable[[Readout], Any]] = {
    "a reason": lambda r: r["rows"][1].update(reason="This proves a lift of 84 %."),
    "a reason of another status": lambda r: r["rows"][1].update(reason=REASONS["zero_variance"]),
    "a chance": lambda r: r["rows"][0].update(chance=0.999, risk=0.0),
    "the scale of a margin": lambda r: first(r["rows"], metric="transfer_out").update(margin_scale="effect"),
    "the smallest lift that matters": lambda r: r["rows"][0].update(min_lift=0.5),
    "a note": lambda r: r["rows"][0]["sensitivity"][0].update(note="Mixpanel shows +84 %."),
    "a verdict in a segment": lambda r: next(iter(r["segments"][0]["slices"].values()))[0].update(verdict="worse"),
    "a reason in a segment": lambda r: next(iter(r["segments"][0]["slices"].values()))[0].update(reason="Only here."),
    "a number of looks": lambda r: r["cost"].update(looks=0),
    "a number of peeks": lambda r: r["cost"].update(peeks=r["cost"]["peeks"] + 1),
    "an error level": lambda r: r["cost"].update(alpha=0.001),
    "a rate of false positives": lambda r: r["cost"].update(false_positive_rate=0.001),
    "what looking cost": lambda r: r["cost"].update(sentence="Looking cost nothing."),
    "why it is advised": lambda r: r["recommendation"].update(because="Everything is better."),
    "what was found": lambda r: r["recommendation"]["variants"][0].update(evidence=["quote_started: better"]),
    "a time of a look": lambda r: r["looks"][0].update(at="2026-01-01T00:00:00Z"),
    "a person of a look": lambda r: r["looks"][0].update(by="Eva"),
    "a reason of a look": lambda r: r["looks"][0].update(reason="The plan says so."),
    "a stamp left out": lambda r: r.update(stamps=[]),
    "a stamp added": lambda r: r.update(stamps=[*r["stamps"], "EXPLORATORY"]),
    "a stamp of a failed gate": lambda r: r.update(stamps=["INVALID", *r["stamps"]]),
    "a deviation that was none": lambda r: r["deviations"].append(
        {"pointer": "/title", "class": "amendment before data", "seq": 2, "at": r["at"], "reason": "x", "before": 1, "after": 2}
    ),
    "a seal": lambda r: r.update(sealed=True),
    "a health check's word": lambda r: first(r["health"], status="pass").update(status="excellent"),
    "more days than the data have": lambda r: r["due"].update(days=90.0),
    "a horizon that was reached": lambda r: r["due"].update(is_adequate=not r["due"]["is_adequate"]),
    "other units": lambda r: r["due"].update(units=1),
    "more units by day": lambda r: next(iter(r["summary"]["exposures_by_day"].values())).update(beta=10**7),
    "more units by segment": lambda r: next(iter(r["summary"]["segments"]["platform"].values())).update(beta=10**7),
    "a segment that was not planned": lambda r: r["plan"].update(segments=[]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_follows_is_derived_again(peeked: dict[str, Any], tmp_path: Any, alone: Any, name: str) -> None:
    made = refitted(peeked, CHANGES[name])
    assert v.canonical(made["readout"]) != v.canonical(peeked["readout"])
    assert forger.verdicts(made, tmp_path, alone) == {1}


def test_the_untouched_one_verifies_refitted_as_well(peeked: dict[str, Any], tmp_path: Any, alone: Any) -> None:
    """A control: refitting alone changes nothing that would be found."""
    assert forger.verdicts(refitted(peeked, lambda r: None), tmp_path, alone) == {0}
    assert forger.verdicts(refitted(peeked, lambda r: r["summary"].update(source="elsewhere")), tmp_path, alone) == {0}


@pytest.mark.parametrize("kind", ["outcome", "because", "when", "row", "order"])
def test_a_row_of_the_rule_that_did_not_fire_says_what_the_rule_says(
    peeked: dict[str, Any], tmp_path: Any, alone: Any, kind: str
) -> None:
    rule = json.loads(json.dumps(peeked["rule"]))
    row = first(rule, id="R1")
    if kind == "outcome":
        row["outcome"] = "ship"
    elif kind == "because":
        row["because"] = "A health check failed, but the effects can be trusted."
    elif kind == "when":
        row["when"] = {"health": ["fail"], "primary": ["worse"]}
    elif kind == "row":
        rule.remove(first(rule, id="R4"))
    else:
        rule[0], rule[1] = rule[1], rule[0]
    made = refitted(peeked, lambda r: r.update(rule_digest=v.sha256(v.canonical(rule))))
    assert forger.verdicts({**made, "rule": rule}, tmp_path, alone) == {1}


def test_a_sentence_of_another_version_is_left_out(peeked: dict[str, Any], tmp_path: Any, alone: Any) -> None:
    def change(readout: Readout) -> None:
        readout["versions"]["xpbench"] = "0.9.9"
        readout["cost"]["sentence"] = "Looking cost nothing."

    assert forger.verdicts(refitted(peeked, change), tmp_path, alone) == {4}
    report = xp.verify(tmp_path / "memo.html")
    assert report.depth == "in part"
    assert "cost of looking" in report.reason


def test_the_second_copies_are_the_sentences_of_the_house() -> None:
    assert {status: text for status, text in REASONS.items() if text not in derived.REASONS[status]} == {}
    assert set(derived._WHY) == set(WHY.values())
    for health in ("must_pass", "no_warnings"):
        assert {r.id: r.because for r in rule_rows(Decision(health=health))}.items() <= derived.BECAUSE.items()


@pytest.mark.parametrize("axis", list(_AXIS))
@pytest.mark.parametrize("slope", [-0.2, 0.2])
@pytest.mark.parametrize("p", [None, 0.5, 0.001])
@pytest.mark.parametrize("says_rest", [False, True])
def test_sentences_over_time_are_those_of_the_house(axis: Any, slope: float, p: float | None, says_rest: bool) -> None:
    plan = xp.Plan(**forger.PLAN)
    points = [Point(float(i), str(i), 1.0, 0.1, 100) for i in range(5)]
    word, sentence = _word(plan.metrics[0], axis, points, slope, p, 0.05, says_rest=says_rest)
    assert sentence == f"{plan.metrics[0].label}: {over_time._told_trend(word, axis, says_rest=says_rest)}"
