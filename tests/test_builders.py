"""Plans of tests, benchmarks and scripts come from one builder, and their number by hand does not grow again."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.builders import claim, column, make_plan, metric, plan_document, split
from xpbench.plan import check

ROOT = Path(__file__).resolve().parents[1]

BY_HAND = {
    "tests/plan/plans.py": (2, "whole plans with every field: the plan room's own subject"),
    "benchmarks/peers/tasks/with_xpbench.py": (1, "runs in an environment of its own that has no tests"),
}
"""Files that write plans out, how many, and why. Everywhere else a test says what is special about its plan."""

PARTS = {"hypothesis", "metrics", "variants"}


def test_no_further_plan_is_written_by_hand() -> None:
    counted: Counter[str] = Counter()
    for folder in ("tests", "benchmarks", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            if "node_modules" not in path.parts:
                counted[path.relative_to(ROOT).as_posix()] += written_out(path.read_text("utf-8"))
    assert {name: n for name, n in counted.items() if n} == {name: n for name, (n, _) in BY_HAND.items()}, (
        "Build the plan with tests/builders.py, or give the reason in BY_HAND."
    )


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ('{"key": "k", "hypothesis": h, "metrics": m, "variants": v}', 1),
        ('Plan(key="k", hypothesis=h, metrics=m, variants=v)', 1),
        ('xp.Plan(key="k", hypothesis=h, metrics=m, variants=v, **more)', 1),
        ('{**PLAN, "key": "k", "hypothesis": h, "metrics": m, "variants": v}', 0),
        ('plan(key="k", hypothesis=h, metrics=m, variants=v)', 0),
        ('{"hypothesis": h}', 0),
    ],
)
def test_the_count_knows_a_plan(source: str, number: int) -> None:
    assert written_out(source) == number


def written_out(source: str) -> int:
    """How many plans a source text writes out: a dictionary of its own, or a call of `Plan`, with all parts."""
    number = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict) and None not in node.keys:
            number += {k.value for k in node.keys if isinstance(k, ast.Constant)} >= PARTS
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            number += name == "Plan" and {k.arg for k in node.keywords} >= PARTS
    return number


def test_the_smallest_plan_has_no_problems() -> None:
    assert check(plan_document([column("spent")], unit="id")) == []
    assert check(plan_document([metric("done", "count", event="Done")], key="late", lift=0.1)) == []


def test_what_a_test_names_is_put_in_as_it_is() -> None:
    named: dict[str, Any] = {
        "title": "T",
        "owner": "o",
        "variants": split("a", "b", "c", shares=(0.5, 0.25, 0.25)),
        "model": {"kind": "sequential", "n_opt": 100},
        "horizon": {"days": 14},
        "hypothesis": claim([], change="x"),
        "unit": "id",
    }
    document = plan_document([column("y", "secondary", "decrease", column="z")], key="k", **named)
    assert {k: document[k] for k in named} == named
    assert document["metrics"] == [{"key": "y", "kind": "column", "column": "z", "role": "secondary", "direction": "decrease"}]
    assert document["variants"][0] == {"key": "a", "split": 0.5, "control": True}
    assert document["variants"][2] == {"key": "c", "split": 0.25}
    assert "horizon" not in plan_document([column("y")], horizon=None)


def test_the_claim_is_about_the_first_metric() -> None:
    plan = make_plan([column("load", "primary", "decrease"), column("spent", "secondary")], lift=0.2, change="c", because="d")
    assert plan.to_dict()["hypothesis"] == {
        "if": "c",
        "then": [{"metric": "load", "direction": "decrease", "lift": 0.2}],
        "because": "d",
    }
