"""Looks after the last planned one, at fewer units, declared last, and after a boundary was crossed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, plan_document
from xpbench.decide.designs import design_of
from xpbench.decide.readout import Readout
from xpbench.errors import DecisionError
from xpbench.plan import Plan
from xpbench.stats.proportion import EventCounts, score_z
from xpbench.stats.spending import q_group

ALPHA = 0.05
HORIZON = 10_000


def plan(model: dict[str, Any] | None = None, **changes: Any) -> Plan:
    base: dict[str, Any] = plan_document(
        [column("y")],
        key="late",
        title="Late data",
        unit="user",
        model=model or {"kind": "group_sequential", "looks": [0.5, 1.0]},
        horizon={"units": HORIZON},
    )
    return Plan(**{**base, **changes})


def table(n: int = 20_000, *, lift: float = 0.04, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    variant = rng.choice(["control", "beta"], n)
    y = (rng.random(n) < np.where(variant == "beta", 0.2 + lift, 0.2)).astype(float)
    return pd.DataFrame({"user": [f"u{i}" for i in range(n)], "variant": variant, "y": y})


def read(experiment: xp.Experiment, frame: pd.DataFrame, **options: Any) -> Readout:
    found = experiment.readout(xp.units(frame, unit="user", variant="variant"), further_health="off", **options)
    assert isinstance(found, Readout)
    return found


def saved(experiment: xp.Experiment, readout: Readout) -> Any:
    advice = readout.recommendation
    experiment.decide(readout, advice.outcome, variant=advice.variant or None, because="rule", by="ana")
    return xp.verify(experiment.memo().save(experiment.memo_path))


@pytest.mark.parametrize("units", [10_051, 10_055, 10_500, 15_000, 20_000, 10_049, 10_000, 9_999, 9_950])
def test_what_comes_after_the_last_planned_look_decides_nothing(tmp_path: Path, units: int) -> None:
    experiment = xp.register(plan(), tmp_path)
    frame = table()
    read(experiment, frame.head(5200))
    final = read(experiment, frame.head(10_050))
    assert final.recommendation.outcome == "ship"
    late = read(experiment, frame.head(units))
    row = late.rows[0]
    gone = units < 10_050 - 10  # so many units gone are another finding, with a gate of its own
    assert late.recommendation.outcome == ("invalid" if gone else "ship")
    assert row.p_value == final.rows[0].p_value
    assert row.lift_low is not None
    assert "data after the last planned look decide nothing" in row.reason
    assert "decide nothing" in late.cost.sentence
    if not gone:
        assert saved(experiment, late).differences == ()


def test_a_loser_does_not_win_by_going_on(tmp_path: Path) -> None:
    """The level is spent: a difference that shows only after the last look is no win, however many units come in."""
    experiment = xp.register(plan(horizon={"units": 2000}), tmp_path)
    frame = table(lift=0.02, seed=0)
    final = read(experiment, frame.head(2000))
    assert final.recommendation.outcome == "ship none"
    late = read(experiment, frame)
    assert late.rows[0].ci_low is not None
    assert late.rows[0].ci_low > 0  # by itself it would be one
    assert late.recommendation.outcome == "ship none"
    assert late.rows[0].p_value == final.rows[0].p_value
    assert saved(experiment, late).differences == ()


@pytest.mark.parametrize("share", [0.6, 0.8, 0.93])
def test_a_plan_that_ends_short_spends_the_rest_at_its_declared_last_look(tmp_path: Path, share: float) -> None:
    experiment = xp.register(plan(), tmp_path)
    frame = table()
    read(experiment, frame.head(5000))
    units = round(share * HORIZON)
    last = read(experiment, frame.head(units), last="the campaign is over")
    full = q_group(ALPHA, [0.5, share], "obrien_fleming", final=True)[-1]
    short = q_group(ALPHA, [0.5, share], "obrien_fleming")[-1]
    row = last.rows[0]
    assert row.ci_high is not None
    counts = EventCounts(round(row.mean_control * row.n_control), row.n_control, round(row.mean * row.n), row.n)
    assert score_z(counts, null=row.ci_high, scale="effect") == pytest.approx(-full, rel=1e-9)  # a share is judged by the score
    assert full < short
    assert last.due.is_adequate is False
    assert [(d["class"], d["after"], d["reason"]) for d in last.deviations] == [("ended short", units, "the campaign is over")]
    late = read(experiment, frame.head(units + 40))
    assert late.rows[0].p_value == row.p_value
    assert saved(experiment, late).differences == ()


def test_only_a_plan_with_looks_has_a_last_one(tmp_path: Path) -> None:
    experiment = xp.register(plan({"kind": "frequentist"}), tmp_path)
    with pytest.raises(DecisionError, match="XPB-R30"):
        read(experiment, table(10_000), last="over")


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "group_sequential", "looks": [0.3, 0.6, 1.0], "spending": "pocock"},
        {"kind": "sequential", "n_opt": 10_000, "min_units": 500},
    ],
    ids=["group_sequential", "sequential"],
)
def test_a_boundary_once_crossed_stays_crossed(tmp_path: Path, model: dict[str, Any]) -> None:
    experiment = xp.register(plan(model), tmp_path)
    frame = pd.concat([table(3000, lift=0.12), table(5000, lift=-0.06, seed=9)], ignore_index=True)
    frame["user"] = [f"u{i}" for i in range(len(frame))]
    first = read(experiment, frame.head(3000))
    assert first.rows[0].verdict == "better"
    then = read(experiment, frame.head(7000))
    row = then.rows[0]
    assert row.ci_low is not None
    assert row.ci_low < 0
    assert row.p_value == first.rows[0].p_value
    assert row.verdict == "better"
    assert "stays crossed" in row.reason
    assert saved(experiment, then).differences == ()


def test_nothing_stands_of_a_look_whose_gate_failed_or_before_an_amendment_that_can_turn_a_result(tmp_path: Path) -> None:
    model = {"kind": "group_sequential", "looks": [0.3, 0.6, 1.0], "spending": "pocock"}
    good, bad = table(3000, lift=0.12), table(5000, lift=-0.06, seed=9)
    frame = pd.concat([good, bad], ignore_index=True)
    frame["user"] = [f"u{i}" for i in range(len(frame))]
    invalid = xp.register(plan(model, key="invalid"), tmp_path)
    tilted = frame.head(3000)
    tilted = tilted[(tilted.variant == "beta") | (tilted.index % 2 == 0)]
    tilted = pd.concat([tilted, frame.iloc[7000:8000]])
    assert not read(invalid, tilted).is_valid
    assert invalid.looks()[0].counts is False
    amended = xp.register(plan(model, key="amended"), tmp_path)
    assert read(amended, frame.head(3000)).rows[0].verdict == "better"
    titled = amended.amend(amended.plan.changed(title="Better title"), reason="typo")
    assert titled.looks()[0].counts is True
    turned = titled.amend(titled.plan.changed(correction="none"), reason="hm")
    assert turned.looks()[0].counts is False
    assert read(turned, frame.head(7000)).rows[0].verdict != "better"


def test_each_look_has_the_boundary_of_its_own_information() -> None:
    """Whatever came before: boundaries follow from the looks that knew less, and none is infinite."""
    a_plan = plan({"kind": "group_sequential", "looks": [0.3, 0.6, 1.0]})
    treatment = a_plan.treatments[0]
    seen = [3000, 6000, 10_000, 10_050, 12_000]
    for units, expected in [(3000, [0.3]), (6010, [0.3, 0.6, 0.601]), (5990, [0.3, 0.599]), (12_000, [0.3, 0.6, 1.2])]:
        found = design_of(a_plan, treatment, units=units, earlier_units=seen)
        assert list(found.information) == pytest.approx(expected)  # type: ignore[attr-defined]
        assert np.isfinite(q_group(ALPHA, found.information, "obrien_fleming", final=found.final)[-1])  # type: ignore[attr-defined]


def test_false_positives_hold_however_long_one_goes_on(tmp_path: Path) -> None:
    """A true null, looked at ten times after the end: no run that was no win at the last look becomes one."""
    wins_at_end = wins_ever = 0
    for seed in range(40):
        experiment = xp.register(plan(key=f"null-{seed}", horizon={"units": 1000}), tmp_path)
        frame = table(4000, lift=0.0, seed=seed)
        outcomes = [read(experiment, frame.head(n)).rows[0].verdict for n in (500, 1000, 1010, 1500, 2500, 4000)]
        wins_at_end += any(v != "unclear" for v in outcomes[:2])
        wins_ever += any(v != "unclear" for v in outcomes)
    assert wins_ever == wins_at_end
