"""A readout computes A/A calibration and bias windows by itself; given evidence wins, and there is an off switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.data.logs import plan_of
from xpbench.decide.readout import SealedReadout
from xpbench.errors import HealthError
from xpbench.experiment import extra_health_evidence as further
from xpbench.experiment import register
from xpbench.health import Check

START = 1_790_000_000
DAY = 86_400
KINDS = ("aa_calibration", "pre_experiment_bias")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts as a new process would."""
    monkeypatch.setattr(further, "_KEPT", {})


def log(*, shift: float = 0.0, n: int = 1500) -> pd.DataFrame:
    """Views before and after the exposure; with a shift the treatment had more of them in its third and fourth week before."""
    rng = np.random.default_rng(1)
    rows: list[dict[str, Any]] = [{"event": "View", "distinct_id": "old", "time": START - 40 * DAY}]
    for i in range(n):
        unit, variant = f"u{i}", "ab"[i % 2]
        rows.append(
            {
                "event": "$experiment_started",
                "distinct_id": unit,
                "time": START,
                "Experiment name": "t",
                "Variant name": variant,
            }
        )
        for _ in range(rng.poisson(2.0)):
            rows.append({"event": "View", "distinct_id": unit, "time": START + int(rng.integers(1, 3 * DAY))})
        for _ in range(rng.poisson(1.0)):
            rows.append({"event": "View", "distinct_id": unit, "time": START - int(rng.integers(1, 14 * DAY))})
        for _ in range(rng.poisson(0.5 + shift * (variant == "b"))):
            rows.append({"event": "View", "distinct_id": unit, "time": START - int(rng.integers(15 * DAY, 28 * DAY))})
    rows.append({"event": "View", "distinct_id": "late", "time": START + 9 * DAY})
    return pd.DataFrame(rows)


def plan(**more: Any) -> xp.Plan:
    metrics = [{"key": "views", "kind": "count", "event": "View", "role": "primary", "window_days": 5}]
    base: dict[str, Any] = {"model": {"kind": "frequentist"}, "horizon": {"units": 1000}}
    hypothesis = {"if": "a", "then": [{"metric": "views", "direction": "increase"}], "because": "c"}
    return plan_of(more.pop("metrics", metrics), **(base | more), hypothesis=hypothesis)


def named(checks: tuple[Check, ...]) -> dict[str, Check]:
    return {c.name: c for c in checks}


def test_event_log_answers_both(tmp_path: Path) -> None:
    """1,000 re-randomisations of this log's own values, and the windows of one, two and four weeks."""
    stages: list[str] = []
    readout = register(plan(), tmp_path).readout(xp.events(log()), progress=lambda s: stages.append(s.name))
    found = named(readout.health)
    assert found["aa_calibration"].status == "pass"
    assert found["aa_calibration"].evidence["draws"] == 1000
    assert found["pre_experiment_bias"].status == "pass"
    assert found["pre_experiment_bias"].evidence["windows"] == [7, 14, 28]
    assert found["pre_experiment_bias"].evidence["tests"] == 3
    assert stages[-2:] == ["re-randomise the units' values", "compare further windows before the exposure"]


def test_bias_that_only_a_longer_window_shows(tmp_path: Path) -> None:
    """Hidden from the plan's two weeks, found in four, with the advice to use CUPED; corrected over the windows."""
    experiment = register(plan(), tmp_path)
    check = named(experiment.readout(xp.events(log(shift=0.3))).health)["pre_experiment_bias"]
    assert check.status == "warn"
    assert "28 days" in check.meaning
    assert "CUPED" in check.next_step
    worst = check.evidence["rows"][0]
    assert worst["days"] == 28
    assert worst["p_corrected"] == pytest.approx(3 * worst["p_value"])
    off = named(experiment.readout(xp.events(log(shift=0.3)), further_health="off").health)
    assert off["pre_experiment_bias"].evidence["windows"] == [14]
    assert off["pre_experiment_bias"].status == "pass"
    assert off["aa_calibration"].status == "not answerable"


def test_unit_table_answers(tmp_path: Path) -> None:
    """A table with a covariate: calibration of its columns, bias of the covariate; a heavy tail is called."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "distinct_id": [f"u{i}" for i in range(2000)],
            "variant": ["ab"[i % 2] for i in range(2000)],
            "mild": rng.normal(5, 1, 2000),
            "wild": rng.lognormal(0, 3.5, 2000),
            "past": rng.normal(0, 1, 2000),
        }
    )
    metrics = [
        {"key": "mild", "kind": "column", "column": "mild", "role": "primary", "cuped": True, "covariates": ["past"]},
        {"key": "wild", "kind": "column", "column": "wild"},
    ]
    hypothesis = {"if": "a", "then": [{"metric": "mild", "direction": "increase"}], "because": "c"}
    what = plan_of(metrics, hypothesis=hypothesis, model={"kind": "frequentist"}, horizon={"units": 1000})
    found = named(register(what, tmp_path).readout(xp.units(frame)).health)
    assert found["aa_calibration"].status == "warn"
    assert "wild" in found["aa_calibration"].meaning
    assert found["aa_calibration"].evidence["metrics_tested"] == 2
    assert found["pre_experiment_bias"].status == "pass"


def test_given_evidence_is_not_replaced(tmp_path: Path) -> None:
    """What the caller computed stands; evidence of an unknown kind is refused before anything is read."""
    retro = {"metrics": [], "uniform": None, "metric": "", "ks": 0.0}
    experiment = register(plan(), tmp_path)
    found = named(experiment.readout(xp.events(log()), evidence={"retro": retro, "windows": ()}).health)
    assert found["aa_calibration"].status == "not answerable"
    assert found["pre_experiment_bias"].evidence["windows"] == [14]
    with pytest.raises(HealthError, match="XPB-H04"):
        experiment.readout(xp.events(log()), evidence={"retros": retro})


def test_same_data_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look at the same data takes what the first computed; other data is computed."""
    calls: list[int] = []
    from xpbench.forecast import calibration

    honest = calibration.calibrate_values
    monkeypatch.setattr(calibration, "calibrate_values", lambda *a, **k: calls.append(1) or honest(*a, **k))
    experiment = register(plan(), tmp_path)
    first, second = (named(experiment.health(xp.events(log()))) for _ in range(2))
    assert first["aa_calibration"] == second["aa_calibration"]
    assert len(calls) == 1
    experiment.health(xp.events(log(n=1400)))
    assert len(calls) == 2


def test_health_alone_reveals_nothing_and_is_on_record(tmp_path: Path) -> None:
    """Checks of a sealed experiment: a `looked` entry, no look at effects."""
    experiment = register(plan(horizon={"units": 90_000}), tmp_path)
    checks = experiment.health(xp.events(log()), by="ana")
    assert {"srm", *KINDS} <= set(named(checks))
    entry = experiment.ledger.entries()[-1]
    assert (entry.kind, entry.by, entry.body["n"]) == ("looked", "ana", 1500)
    assert experiment.looks() == ()
    assert isinstance(experiment.readout(xp.events(log())), SealedReadout)
