"""A whole conversation as tool calls on the demo: from the unit to the weeks after shipping, with the right numbers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import xpbench as xp
from xpbench.agents.root import Root
from xpbench.agents.tools import Desk
from xpbench.cli import main
from xpbench.demo.run import StoryClock, _until
from xpbench.demo.simulation import START, demo_plan, simulate
from xpbench.forecast.power import plan_power

UNITS = 3000


def test_from_the_unit_to_after_the_rollout(tmp_path: Path) -> None:
    clock = StoryClock(START - timedelta(days=4))
    drafted = demo_plan(units=UNITS)
    plan = drafted.changed(model={**drafted.to_dict()["model"], "min_units": 400})
    plan.save(tmp_path / "beta.plan.json")
    simulation = simulate(plan, units=UNITS, seed=2026, story="ship")
    desk = Desk(Root(tmp_path), "Ana", clock=clock)

    def ask(tool: str, **arguments: Any) -> dict[str, Any]:
        failed, answer = desk.call(tool, arguments, ("probe", "1"))
        assert not failed, answer
        return answer

    # which unit, which sample size, how long, which power
    checked = ask("check", plan="beta.plan.json")
    power = plan_power(plan)
    assert checked["ready"]
    assert checked["horizon"]["units"] == plan.horizon.units
    for asked, row in zip(checked["power"]["rows"], power.rows, strict=True):
        assert (asked["units_needed"], asked["days"]) == (row.n_needed, row.days)
        assert asked["smallest_lift"] == (None if row.mde is None else pytest.approx(row.mde, rel=1e-3))
    for asked, (_, chance) in zip(checked["power"]["ships_if_true"], power.ships.items(), strict=True):
        assert asked["chance"] == (None if chance is None else pytest.approx(chance, rel=1e-3))
    # a person confirms, the plan is frozen
    assert main(["confirm", str(tmp_path / "beta.plan.json"), "--root", str(tmp_path / "experiments"), "--by", "Ana"]) == 0
    assert ask("register", plan="beta.plan.json")["digest"] == plan.digest
    # which randomiser: the hash over the ids that will be assigned
    (tmp_path / "ids.csv").write_text(plan.unit + "\n" + "\n".join(map(str, simulation.ids)) + "\n")
    flight = ask("randomiser", what="preflight", key=plan.key, data="ids.csv")
    direct = xp.preflight(plan, simulation.ids)
    assert (flight["ok"], flight["assigned"]) == (direct.ok, direct.assigned)
    experiment = xp.open_experiment(plan.key, tmp_path / "experiments", clock=clock)
    clock.to(START)
    experiment.launch(by="Ana")
    # after two days: sealed, with exposure and health
    morning = START + timedelta(days=2)
    pq.write_table(_until(simulation.events, morning), tmp_path / "morning.parquet")
    clock.to(morning)
    sealed = ask("readout", key=plan.key, data="morning.parquet")
    assert sealed["sealed"]
    assert not sealed["due"]["is_due"]
    assert "effects" not in sealed
    ask("health", key=plan.key, data="morning.parquet")
    # due: the numbers of the library
    pq.write_table(simulation.events, tmp_path / "events.parquet")
    clock.to(simulation.end + timedelta(hours=1))
    assert ask("randomiser", what="audit", key=plan.key, data="events.parquet")["disagreeing"] == 0
    told = ask("readout", key=plan.key, data="events.parquet")
    readout = experiment.readout(str(tmp_path / "events.parquet"), by="Ana")
    assert told["sealed"] is False
    assert (told["kind"], told["valid"]) == ("opened", readout.is_valid)
    assert told["recommendation"]["outcome"] == readout.recommendation.outcome
    for effect, row in zip(told["effects"], readout.rows, strict=False):
        assert effect["metric"] == f"⟦{row.metric}⟧"
        for name, value in (("effect", row.effect), ("lift", row.lift), ("control", row.mean_control), ("treatment", row.mean)):
            assert effect[name] == (None if value is None else pytest.approx(value, rel=1e-4))
        assert effect["verdict"] == row.verdict
    assert told["looks"]["by_agents"] == 1
    # a person decides; memo, brief, verify, and what comes after
    outcome = readout.recommendation.outcome if readout.recommendation.outcome != "invalid" else "iterate"
    experiment.decide(readout, outcome, variant=readout.recommendation.variant or None, because="as the rule says", by="Ana")
    memo = ask("memo", key=plan.key, audience="director")
    assert 2 <= len(memo["brief"]) <= 5
    assert ask("verify", memo=memo["memo"])["exit_code"] == 0
    after = ask("status", key=plan.key)
    assert after["decision"] == outcome
    assert after["looks"]["by_agents"] == 1
    clock.to(simulation.end + timedelta(days=60))
    later = ask("status", key=plan.key)["state"]
    assert later == ("overdue" if outcome == "ship" and plan.watch else "decided")
