"""The story of the notebooks: the beta homepage's first run, and its second after what went wrong was fixed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from xpbench.demo.simulation import START, Simulation, demo_plan, simulate
from xpbench.plan import Plan

UNITS = 24_000
SECOND_UNITS = 12_000
SEED = 2026
FIRST_LOOK = START + timedelta(days=12)
"""When somebody looks at the first run: the evening before the apps are released."""


def story_plan(*, units: int = UNITS, key: str = "beta-homepage") -> Plan:
    """The plan of both runs: the demo's with windows of a week, read once at a fixed horizon."""
    plan = demo_plan(units=units, key=key)
    metrics = [{**m, "window_days": 7} if "window_days" in m else m for m in plan.to_dict()["metrics"]]
    return plan.changed(model={"kind": "frequentist"}, horizon={"units": round(0.85 * units)}, metrics=metrics)


def first_run() -> Simulation:
    """Events of the first run: nothing works, and from the release of the apps on exposures of the new page get lost."""
    return simulate(story_plan(), units=UNITS, seed=SEED, story="lost")


def second_run(plan: Plan) -> Simulation:
    """Events of the second run: every exposure arrives, quotes rise, and pages load slower than the plan accepts."""
    return simulate(plan, units=SECOND_UNITS, seed=SEED + 1, story="guardrail")


def up_to(simulation: Simulation, moment: datetime) -> pa.Table:
    """The events before a moment."""
    events = simulation.events
    return events.filter(pc.less(events["time"], pa.scalar(moment, events["time"].type)))
