"""Plans of tests, benchmarks and scripts come from one builder, and their number by hand does not grow again."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.builders import claim, column, make_plan, metric, plan_document, split
from tests.twins import is_real, write_twins
from xpbench.plan import check

ROOT = Path(__file__).resolve().parents[1]

BY_HAND = {
    "tests/plan/plans.py": (2, "whole plans with every field: the plan room's own subject"),
    "benchmarks/peers/tasks/with_xpbench.py": (1, "runs in an environment of its own that has no tests"),
    "scripts/notebooks/05-metrics-and-cuped.py": (1, "teaches a reader to write a plan"),
    "scripts/notebooks/10-launch-to-four-weeks.py": (1, "teaches a reader to write the stages of a ramp"),
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


def test_twins_of_the_real_experiments_have_their_counts(tmp_path: Path) -> None:
    """A stranger's run reads twins; what is published about counts holds for them."""
    write_twins(tmp_path)
    players = pd.read_csv(tmp_path / "cookie_cats.csv.gz")
    by = players.groupby("version")
    assert by.size().to_dict() == {"gate_30": 44_700, "gate_40": 45_489}
    assert by.retention_1.sum().to_dict() == {"gate_30": 20_034, "gate_40": 20_119}
    assert by.retention_7.sum().to_dict() == {"gate_30": 8_502, "gate_40": 8_279}
    assert players.userid.is_unique
    log = pd.read_csv(tmp_path / "homepage_actions.csv.gz")
    assert log.groupby(["group", "action"]).size().to_dict() == {
        ("control", "view"): 3_332,
        ("control", "click"): 932,
        ("experiment", "view"): 2_996,
        ("experiment", "click"): 928,
    }
    assert log.timestamp.is_monotonic_increasing
    letters = pd.read_csv(tmp_path / "charitable_giving.csv.gz")
    assert letters.groupby("treatment").out_gavedum.agg(["size", "sum"]).to_numpy().tolist() == [[16_687, 298], [33_396, 736]]
    assert letters.out_amountgive.isna().sum() == 2
    assert not is_real(tmp_path)


def test_twins_are_used_where_the_real_experiments_are_not() -> None:
    """A run of a test that needs them passes, and says at its end what it did not check."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "tests/health/test_real.py"],
        cwd=ROOT,
        env={**os.environ, "XPB_TWINS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "generated twins were used" in text
    assert "skipped" not in text
