"""The rule is total, monotone, and says what its table says."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from xpbench.decide.rule import (
    GUARDRAILS,
    HEALTH,
    OUTCOMES,
    PRIMARY,
    Situation,
    apply_rule,
    combine,
    rule_digest,
    rule_rows,
    situations,
    truth_table,
)
from xpbench.plan.design import Decision

DECISIONS = [
    Decision(ship_when=when, health=health)
    for when, health in itertools.product(("any_primary", "all_primaries"), ("must_pass", "no_warnings"))
]


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize(("methods", "count"), [(4, 5 * 2 * 4 * 3 * 2), (3, 4 * 2 * 3 * 3 * 2)])
def test_every_situation_has_exactly_one_outcome(decision: Decision, methods: int, count: int) -> None:
    table = truth_table(decision, methods=methods)
    assert len(table) == count
    assert len({tuple(sorted((k, str(v)) for k, v in row.items() if k not in ("row", "outcome"))) for row in table}) == len(
        table
    )
    assert {row["outcome"] for row in table} == set(OUTCOMES)


@pytest.mark.parametrize("decision", DECISIONS)
def test_improving_an_input_never_worsens_the_outcome(decision: Decision) -> None:
    def rank(s: Situation) -> int:
        return OUTCOMES.index(apply_rule(decision, s).outcome)

    for s in situations():
        better = []
        if s.primary != PRIMARY[-1]:
            better.append(replace(s, primary=PRIMARY[PRIMARY.index(s.primary) + 1]))
        if s.guardrails != GUARDRAILS[-1]:
            better.append(replace(s, guardrails=GUARDRAILS[GUARDRAILS.index(s.guardrails) + 1]))
        if s.health != HEALTH[-1]:
            better.append(replace(s, health=HEALTH[HEALTH.index(s.health) + 1]))
        if s.deteriorated:
            better.append(replace(s, deteriorated=False))
        assert all(rank(b) >= rank(s) for b in better), s


@pytest.mark.parametrize("decision", DECISIONS)
def test_every_row_fires_somewhere(decision: Decision) -> None:
    assert {row["row"] for row in truth_table(decision)} == {row.id for row in rule_rows(decision)}


SHIP = Situation("win", False, "ok", "pass", True)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "ship"),
        ({"health": "fail"}, "invalid"),
        ({"health": "warn"}, "ship"),
        ({"guardrails": "bad"}, "ship none"),
        ({"guardrails": "unclear"}, "iterate"),
        ({"deteriorated": True}, "iterate"),
        ({"primary": "small"}, "ship none"),
        ({"primary": "unclear"}, "ship none"),
        ({"primary": "unclear", "adequate": False}, "iterate"),
        ({"primary": "small", "adequate": False}, "iterate"),
        ({"primary": "worse", "adequate": False}, "ship none"),
        ({"adequate": False}, "ship"),
    ],
)
def test_guidance_of_the_plan_is_followed(changes: dict[str, object], outcome: str) -> None:
    assert apply_rule(Decision(), replace(SHIP, **changes)).outcome == outcome  # type: ignore[arg-type]


def test_warnings_keep_from_shipping_only_where_the_plan_says_so() -> None:
    warned = replace(SHIP, health="warn")
    assert apply_rule(Decision(health="no_warnings"), warned).outcome == "iterate"


def test_outcome_over_variants_is_the_best_unless_invalid() -> None:
    assert combine(["ship none", "ship", "iterate"]) == "ship"
    assert combine(["ship", "invalid"]) == "invalid"


def test_digest_tells_rules_apart() -> None:
    assert len({rule_digest(d) for d in DECISIONS}) == 2  # ship_when changes how primaries are read, not the rows


def test_a_registered_plan_keeps_the_rows_of_its_edition() -> None:
    """Digests of the rule as plans of earlier editions have them on record."""
    old = [r.id for r in rule_rows(Decision(), methods=3)]
    new = [r.id for r in rule_rows(Decision())]
    assert old == ["R1", "R2", "R3", "R4", "R5", "R7", "R8", "R9", "R10", "R11"]
    assert [r for r in new if r in old] == old
    assert set(new) - set(old) == {"R12", "R13"}
    assert rule_digest(Decision(), methods=3) == "47dca8d73e879c19ebec466ae235527e6ba14d881fb3fc447f770ec6356c97c4"


def test_no_effect_that_matters_is_a_result_before_the_horizon() -> None:
    found = Situation("none", deteriorated=False, guardrails="ok", health="pass", adequate=False)
    assert (apply_rule(Decision(), found).id, apply_rule(Decision(), found).outcome) == ("R13", "ship none")
    assert apply_rule(Decision(), replace(found, primary="unclear")).outcome == "iterate"


def test_nothing_deteriorated_is_said_only_where_nothing_did() -> None:
    for decision in DECISIONS:
        for s in situations():
            said = apply_rule(decision, s).because
            if "nothing deteriorated" in said:
                assert not s.deteriorated
                assert s.guardrails == "ok"
