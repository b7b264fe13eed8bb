"""Commands over data of the past, and those that a practitioner looks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from xpbench.cli import main
from xpbench.mixpanel.sandbox import Sandbox


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    n = 2800
    frame = {
        "customer_id": [f"c{i}" for i in range(n)],
        "bought": (rng.random(n) < 0.2).astype(int),
        "date": (pd.Timestamp("2026-08-03") + pd.to_timedelta(np.arange(n) // 200, unit="D")).strftime("%Y-%m-%d"),
    }
    pd.DataFrame(frame).to_csv("past.csv", index=False)
    plan = xp.plan_from("past.csv", key="shop", lift=0.2)
    then = plan.to_dict()["hypothesis"]["then"]
    plan.changed(hypothesis={"if": "a", "then": then, "because": "b"}).save("shop.plan.json")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


PAST = ("shop.plan.json", "--units", "past.csv", "--day-column", "date")


def test_baselines_are_printed_and_written_into_the_plan(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = xp.load_plan("shop.plan.json")
    before.changed(planning={"power": 0.9}).save("shop.plan.json")
    found = said(capsys, "baselines", *PAST, "--save")
    assert found["daily_units"] == 200
    after = xp.load_plan("shop.plan.json")
    assert after.planning.baselines == found["baselines"]
    assert after.planning.power == 0.9
    xp.register(before, "experiments")
    assert main(["baselines", "shop", "--units", "past.csv", "--save"]) == 2


def test_sizes_rehearsal_and_calibration(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {r["reading"] for r in said(capsys, "sizes", *PAST)["rows"]} == {"fixed", "group-sequential"}
    assert said(capsys, "sizes", "shop.plan.json")["rows"]
    assert said(capsys, "rehearse", *PAST, "--runs", "20")
    level = said(capsys, "calibrate", *PAST, "--draws", "200")
    assert level["not_uniform"] == []
    assert main(["rehearse", "shop.plan.json"]) == 2  # without data of the past


def test_experiments_and_units_of_a_log(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for i in range(60):
        who = {"distinct_id": f"u{i}", "$user_id": f"u{i}", "$device_id": f"d{i}", "time": 1_790_000_000 + i}
        shown = {"Experiment name": "beta", "Variant name": ("control", "new")[i % 2], "$insert_id": f"e{i}"}
        lines.append({"event": "$experiment_started", "properties": {**who, **shown}})
    Path("log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = said(capsys, "experiments", "log.jsonl")
    assert found["variants"] == {"control": 30, "new": 30}
    assert said(capsys, "unit", "log.jsonl")["people"] == 60


def test_publish_and_conclude_end_to_end(here: Path, box: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    xp.register(xp.template("conversion-funnel", key="funnel", owner="me"), "experiments")
    made = said(capsys, "publish", "funnel", "--launch")
    assert made["status"] == "active"
    assert said(capsys, "publish", "funnel")["experiment_id"] == made["experiment_id"]
    assert said(capsys, "conclude", "funnel")["status"] == "concluded"


def test_a_variant_column_is_found(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = xp.load_plan("shop.plan.json").replace(horizon=2000)
    xp.register(plan, "experiments")
    table = pd.read_csv("past.csv").assign(arm=lambda t: np.asarray(xp.assign(plan, t["customer_id"])))
    table.to_csv("run.csv", index=False)
    found = said(capsys, "readout", "shop", "--units", "run.csv", code=0)
    assert found["rows"]


def test_status_tells_a_nightly_job_that_something_is_due(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--exit-code"]) == 0
    plan = xp.load_plan("shop.plan.json").replace(horizon=2000)
    experiment = xp.register(plan, "experiments")
    assert main(["status", "--exit-code"]) == 0
    table = pd.read_csv("past.csv").assign(variant=lambda t: np.asarray(xp.assign(plan, t["customer_id"])))
    experiment.readout(xp.units(table, unit="customer_id"))
    assert experiment.status().state == "ready"
    assert main(["status"]) == 0
    assert main(["status", "--exit-code"]) == 1
