"""Logs from before launch to weeks after shipping, with planted truths."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from xpbench.experiment import Experiment, open_experiment
from xpbench.ledger import Ledger, create
from xpbench.ledger.folder import LEDGER, PLAN
from xpbench.plan import Plan

LAUNCHED = datetime(2026, 9, 1, tzinfo=UTC)
SHIPPED = datetime(2026, 9, 15, 9, tzinfo=UTC)


def life_plan(estimator: str = "pre_post", *, margin_rel: float | None = 0.05, **changes: object) -> Plan:
    """A conversion decides, another is a guardrail, with a contract of four weeks."""
    margin = {"margin": 0.01} if margin_rel is None else {"margin_rel": margin_rel}
    return Plan(
        **{
            "key": "life",
            "title": "New start page",
            "owner": "ana",
            "hypothesis": {
                "if": "a new page",
                "then": [{"metric": "quote", "direction": "increase", "lift": 0.05}],
                "because": "it is shorter",
            },
            "variants": [{"key": "control", "split": 0.5, "control": True}, {"key": "beta", "split": 0.5}],
            "assignment": {"hash": "sha256", "salt": "life"},
            "metrics": [
                {
                    "key": "quote",
                    "kind": "conversion",
                    "role": "primary",
                    "direction": "increase",
                    "event": "Quote",
                    "window_days": 1,
                },
                {
                    "key": "out",
                    "kind": "conversion",
                    "role": "guardrail",
                    "direction": "decrease",
                    "event": "Out",
                    "window_days": 1,
                    **margin,
                },
            ],
            "model": {"kind": "frequentist"},
            "horizon": {"units": 2000},
            "watch": {
                "weeks": 4,
                "metrics": ["out"],
                "owner": "ana",
                "estimator": estimator,
                "check_days": [7, 14, 28],
            },
            **changes,
        }
    )


def days_log(
    rng: np.random.Generator,
    *,
    first: date,
    days: int,
    daily: int,
    rate: float,
    step: float = 0.0,
    at: date | None = None,
    weekend: float = -0.02,
    drift: float = 0.0,
    region: bool = False,
    adopted: dict[str, date] | None = None,
    exposed: bool = False,
    holdback: float = 0.1,
    variant: str = "beta",
    experiment: str = "life",
) -> pa.Table:
    """Visits of new units by day; `Out` by a share that moves with the day, by `step` from `at` on (or as groups adopt).

    With `exposed` every unit meets a variant: a share of `holdback` stays on control, the others have `step`.
    """
    rows: dict[str, list] = {
        k: [] for k in ("event", "time", "distinct_id", "$insert_id", "Experiment name", "Variant name", "region")
    }
    number = 0

    def add(event: str, time: float, unit: str, name: str | None, arm: str | None, where: str | None) -> None:
        nonlocal number
        number += 1
        for key, value in zip(rows, (event, time, unit, f"i{number}", name, arm, where), strict=True):
            rows[key].append(value)

    regions = ["north", "south", "east", "west", "mid", "coast"]
    for i in range(days):
        day = first + timedelta(days=i)
        start = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        base = rate + (weekend if day.weekday() >= 5 else 0.0) + drift * i
        for j in range(daily):
            unit = f"u{i}-{j}"
            time = start + float(rng.uniform(0, 80_000))
            where = regions[int(rng.integers(len(regions)))] if region else None
            moved = bool(at and day >= at)
            if adopted is not None:
                moved = where in adopted and day >= adopted[str(where)]
            arm = None
            if exposed:
                arm = "control" if rng.random() < holdback else variant
                moved = arm == variant
                add("$experiment_started", time, unit, experiment, arm, where)
            else:
                add("Visit", time, unit, None, None, where)
            if rng.random() < 0.3:
                add("Quote", time + 60, unit, None, None, where)
            if rng.random() < base + (step if moved else 0.0):
                add("Out", time + 120, unit, None, None, where)
    types = {"time": pa.float64()}
    return pa.table({k: pa.array(v, type=types.get(k, pa.string())) for k, v in rows.items()})


class LifeClock:
    """A clock that tests set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def life(root: Path, plan: Plan, *, days: float, ship: bool = True) -> tuple[Experiment, LifeClock]:
    """An experiment that was registered, launched and shipped, so many days after shipping."""
    clock = LifeClock(LAUNCHED - timedelta(days=1))
    folder = create(root, plan.key)
    plan.save(folder / PLAN)
    ledger = Ledger(folder / LEDGER, clock=clock)
    ledger.append("registered", {"plan": plan.to_dict(), "plan_digest": plan.digest})
    clock.at = LAUNCHED
    ledger.append("launched", {"plan_digest": plan.digest, "note": ""})
    if ship:
        clock.at = SHIPPED
        body = {"outcome": "ship", "variant": "beta", "follows_rule": True, "because": "rule"}
        ledger.append("decided", body, by="ana")
    clock.at = SHIPPED + timedelta(days=days)
    return open_experiment(plan.key, root, clock=clock), clock
