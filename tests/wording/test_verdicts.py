"""What a decision reads like wherever the ledger is read."""

from __future__ import annotations

import pytest

from xpbench.wording.verdicts import decided

SHIP = {"outcome": "ship", "variant": "beta", "follows_rule": False}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (SHIP, "ship beta, against the rule of the plan"),
        ({**SHIP, "follows_rule": True}, "ship beta"),
        ({"outcome": "ship", "variant": "beta"}, "ship beta"),
        (
            {**SHIP, "stamps": ["PEEK", "PLANNED AFTER THE DATA"]},
            "ship beta, against the rule of the plan, at a look before results were due",
        ),
        ({**SHIP, "stamps": ["INVALID"]}, "ship beta, against the rule of the plan, though a gate of the health failed"),
        ({"outcome": "iterate", "follows_rule": False}, "iterate, against the rule of the plan"),
        ({"outcome": "iterate", "follows_rule": False, "stamps": ["INVALID"]}, "iterate"),
        ({"outcome": "defer", "follows_rule": False}, "defer"),
    ],
)
def test_an_override_is_in_the_words_of_a_decision(body: dict[str, object], words: str) -> None:
    assert decided(body) == words


def test_a_list_may_leave_out_the_variant() -> None:
    assert decided(SHIP, names=False) == "ship, against the rule of the plan"
