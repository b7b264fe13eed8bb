"""Means, lifts and posteriors that do not exist for one variant: shown as nothing, and verified in full by both verifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from benchmarks import forger
from tests.verifier.test_honest import PLAN

UNITS = 400


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return forger.one_file(tmp_path_factory.mktemp("single"))


def column(key: str, role: str = "secondary", **more: Any) -> dict[str, Any]:
    return {"key": key, "kind": "column", "column": key, "role": role, "direction": "increase", **more}


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    beta = np.arange(UNITS) % 2 == 1
    return pd.DataFrame(
        {
            "id": [f"u{i}" for i in range(UNITS)],
            "variant": np.where(beta, "beta", "control"),
            "m": rng.normal(5, 1, UNITS),
            "only_control": np.where(beta, 0.0, rng.poisson(2, UNITS)),
            "only_beta": np.where(beta, rng.poisson(2, UNITS), 0.0),
            "balanced": np.where(beta, rng.normal(0, 1, UNITS), np.where(np.arange(UNITS) % 4 == 0, 1.0, -1.0)),
        }
    )


METRICS = [
    column("m", "primary"),
    column("only_control"),
    column("only_beta"),
    column("balanced"),
    {
        "key": "ratio",
        "kind": "ratio",
        "numerator": "m",
        "denominator": "only_control",
        "role": "secondary",
        "direction": "increase",
    },
    {
        "key": "other",
        "kind": "ratio",
        "numerator": "m",
        "denominator": "only_beta",
        "role": "secondary",
        "direction": "increase",
    },
    {"key": "nested", "kind": "formula", "expression": "m / (1 / only_control)", "role": "secondary", "direction": "increase"},
]
MODELS: dict[str, dict[str, Any]] = {
    "frequentist": {"kind": "frequentist"},
    "sequential": {"kind": "sequential", "n_opt": UNITS, "min_units": 20},
    "group_sequential": {"kind": "group_sequential"},
    "bayesian": {"kind": "bayesian"},
    "prior on the lift": {"kind": "bayesian", "prior": {"kind": "lift", "mean": 0.0, "sd": 0.1}},
}


@pytest.mark.parametrize("model", MODELS)
def test_what_does_not_exist_for_one_variant_is_nothing_and_verifies(tmp_path: Path, alone: Any, model: str) -> None:
    plan = xp.Plan(**{**PLAN, "metrics": METRICS, "model": MODELS[model]})
    experiment = xp.register(plan, tmp_path)
    readout = experiment.readout(xp.units(frame(), unit="id", variant="variant"))
    rows = {r.metric: r for r in readout.rows}
    assert (rows["ratio"].mean, rows["other"].mean_control, rows["nested"].mean) == (None, None, None)
    assert None not in (rows["ratio"].mean_control, rows["other"].mean, rows["nested"].mean_control)
    if model == "prior on the lift":  # a share of nothing has no prior
        assert {(rows[k].chance, rows[k].lift, rows[k].verdict) for k in ("only_beta", "balanced")} == {(None, None, "unclear")}
        assert rows["balanced"].status == "control_near_zero"
    experiment.decide(readout, "iterate", because="A test.", by="tests")
    path = experiment.memo().save(tmp_path / "memo.html")
    assert xp.verify(path).exit_code == 0, xp.verify(path)
    report = alone.verify(path, renderer=alone.PAGE)
    assert report.exit_code == 0, report
