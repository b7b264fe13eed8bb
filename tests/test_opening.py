"""Whether plan.json is the plan in force: equal values, whatever their spelling, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from tests.verifier.test_honest import PLAN
from xpbench.canonical import canonical_bytes
from xpbench.errors import ChangedPlan
from xpbench.experiment.opening import _is_same

VALUES: list[Any] = [
    None, True, False, 0, 1, 1.0, 0.0, -0.0, "1", "", "true", [], {}, [1], [1.0], [True], [1, 2], [2, 1], {"a": 1}, {"a": 1.0},
    {"a": True}, {"a": None}, {"b": 1}, {"a": [1]}, {"a": {}}, 0.1, 0.1 + 1e-17, 1e300,
]  # fmt: skip


def test_what_is_the_same_here_has_one_canonical_form() -> None:
    for a in VALUES:
        for b in VALUES:
            assert _is_same(a, b) == (canonical_bytes(a) == canonical_bytes(b)), (a, b)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        (lambda d: d, True),
        (lambda d: dict(reversed(d.items())), True),
        (lambda d: {**d, "horizon": {"units": 400.0}}, True),
        (lambda d: {**d, "horizon": {"units": 401}}, False),
        (lambda d: {**d, "title": "Other"}, False),
        (lambda d: {**d, "notes": "x"}, False),
    ],
)
def test_a_plan_of_equal_values_opens_and_another_does_not(tmp_path: Path, change: Any, holds: bool) -> None:
    experiment = xp.register(xp.Plan(**PLAN), tmp_path)
    path = experiment.folder / "plan.json"
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8")))), "utf-8")
    if holds:
        assert xp.open_experiment("honest", tmp_path).plan.digest == experiment.plan.digest
    else:
        with pytest.raises(ChangedPlan):
            xp.open_experiment("honest", tmp_path)
