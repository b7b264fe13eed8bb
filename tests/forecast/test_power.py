"""Power by the plan's own rule: what must reach min_lift, guardrails, corrections, and what to do where it is low."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import claim, plan_document
from xpbench.cli import main


def plan(practical: str = "estimate", *, min_lift: float | None = 0.1, lift: float | None = 0.1, **more: Any) -> xp.Plan:
    metric = {"key": "y", "kind": "column", "column": "y", "role": "primary", "direction": "increase"}
    base: dict[str, Any] = plan_document(
        [{**metric, **({"min_lift": min_lift} if min_lift else {})}],
        key="exp",
        title="t",
        owner="o",
        hypothesis=claim([{"metric": "y", "direction": "increase", **({"lift": lift} if lift else {})}]),
        unit="user",
        planning={"baselines": {"y": 0.2}, "power": 0.8},
        horizon={"units": 13_016},
        decision={"practical": practical},
    )
    return xp.Plan(**{**base, **more})


@pytest.mark.parametrize(("practical", "chance"), [("none", 0.8), ("estimate", 0.5), ("interval", 0.025)])
@pytest.mark.parametrize("lift", [0.1, None])
def test_power_is_that_of_the_plan_s_rule(practical: str, chance: float, lift: float | None) -> None:
    report = xp.power(plan(practical, lift=lift))
    assert report.rows[0].power == pytest.approx(chance, abs=0.005)
    assert report.rows[0].significant == pytest.approx(0.8, abs=0.005)
    assert report.ships["beta"] == pytest.approx(report.rows[0].power)
    if practical != "none":
        assert report.is_low
        assert report.rows[0].n_needed is None
        assert "min_lift" in report.rows[0].note
        assert "No horizon reaches it" in repr(report)
        assert "!" in report._repr_html_()


def test_the_rule_wins_as_often_as_it_says() -> None:
    """Played: registered rule over simulated tables, without the ledger."""
    from xpbench.decide.analysis import analyse
    from xpbench.decide.recommend import recommend

    tried = plan(min_lift=0.08, horizon={"units": 20_000})
    said = xp.power(tried).ships["beta"]
    rng, wins, runs = np.random.default_rng(2), 0, 250
    for _ in range(runs):
        y = np.concatenate([rng.random(10_000) < 0.2, rng.random(10_000) < 0.22])
        frame = pd.DataFrame({"user": np.arange(20_000), "variant": np.repeat(["control", "beta"], 10_000), "y": y})
        rows = analyse(tried, xp.units(frame).summarize(tried))
        wins += recommend(tried, rows, (), is_adequate=True).outcome == "ship"
    assert said is not None
    assert wins / runs == pytest.approx(said, abs=3 * np.sqrt(said * (1 - said) / runs))


def test_a_guardrail_takes_its_part_and_the_horizon_is_named() -> None:
    rail = {"key": "z", "kind": "column", "column": "z", "role": "guardrail", "direction": "increase", "margin": 0.01}
    tried = plan("none", planning={"baselines": {"y": 0.2, "z": 0.5}, "power": 0.8})
    tried = tried.changed(metrics=[*tried.to_dict()["metrics"], rail])
    report = xp.power(tried)
    y, z = report.rows
    assert y.power is not None
    assert z.power is not None
    assert report.ships["beta"] == pytest.approx(y.power * z.power)
    assert "0.01 (absolute)" in repr(report)  # not 1.0%
    assert report.horizon_needed is not None
    assert f"Use {report.horizon_needed:,} as horizon.units" in repr(report)
    again = xp.power(tried.replace(horizon=report.horizon_needed))
    assert not again.is_low
    assert again.ships["beta"] == pytest.approx(0.8, abs=0.01)
    silent = xp.power(tried.changed(planning={"baselines": {"y": 0.2}}))
    assert silent.ships["beta"] is None  # a number is missing: nothing is promised


def test_check_says_what_the_rule_can_find(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    low = plan(min_lift=0.08).save(tmp_path / "low.json")
    assert main(["check", str(low)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("! ")
    assert "71%" in said
    assert "as horizon.units" in said
    assert main(["check", str(low), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["ships"]["beta"] == pytest.approx(0.71, abs=0.01)
    fine = plan("none").save(tmp_path / "fine.json")
    main(["check", str(fine)])
    assert capsys.readouterr().out.startswith("✓ ")
