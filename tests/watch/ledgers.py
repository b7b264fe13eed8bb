"""Ledgers of shipped experiments, written with a clock that tests set."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.builders import metric, plan_document
from xpbench.canonical import digest
from xpbench.ledger import Ledger, create
from xpbench.ledger.folder import LEDGER, PLAN
from xpbench.plan import Plan
from xpbench.watch.series import Group, Series, WatchDay

SHIPPED = datetime(2026, 10, 1, 9, 0, tzinfo=UTC)


class Hands:
    """A clock that stands where it is put."""

    def __init__(self, at: datetime = SHIPPED) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def plan(key: str = "beta", **changes: Any) -> Plan:
    """A plan with a contract over one guardrail."""
    base: dict[str, Any] = plan_document(
        [
            metric("quote", "conversion", event="Quote"),
            metric("out", "conversion", "guardrail", "decrease", event="Out", margin=0.01),
        ],
        key=key,
        title=f"Experiment {key}",
        lift=0.05,
        watch={"weeks": 4, "metrics": ["out"], "owner": "growth", "estimator": "pre_post", "check_days": [7, 14, 28]},
    )
    return Plan(**{**base, **changes})


def shipped(root: Path, what: Plan, *, clock: Hands, outcome: str = "ship", **body: Any) -> Ledger:
    """A registered and decided experiment."""
    folder = create(root, what.key)
    what.save(folder / PLAN)
    ledger = Ledger(folder / LEDGER, clock=clock)
    ledger.append("registered", {"plan": what.to_dict(), "plan_digest": what.digest})
    variant = "beta" if outcome == "ship" else None
    ledger.append(
        "deferred" if outcome == "defer" else "decided",
        {"outcome": outcome, "variant": variant, "follows_rule": True, "because": "x", **body},
        by="ana",
    )
    return ledger


def readout(folder: Path, *, lift: float, se: float, mean: float = 0.2, metric: str = "quote") -> str:
    """A frozen readout with one row, and its digest."""
    row = {
        "metric": metric,
        "variant": "beta",
        "direction": "increase",
        "lift": lift,
        "lift_low": lift - 1.96 * se,
        "lift_high": lift + 1.96 * se,
        "se": se * mean,
        "mean_control": mean,
    }
    document = {"rows": [row]}
    (folder / "readout.json").write_text(json.dumps(document))
    return digest(document)


def series(
    rng: np.random.Generator, *, effect: float, sd: float = 0.004, before: int = 56, after: int = 28, rho: float = 0.3
) -> dict[str, Series]:
    """Daily means of `out` with a week's pattern, and a step at shipping."""
    start = SHIPPED.date() - timedelta(days=before)
    noise, days = 0.0, []
    for i in range(before + after + 1):
        day = start + timedelta(days=i)
        noise = rho * noise + np.sqrt(1 - rho**2) * rng.normal(0, sd)
        weekend = -0.02 if day.weekday() >= 5 else 0.0
        days.append(WatchDay(day, 2000, float(0.2 + weekend + noise + (effect if day >= SHIPPED.date() else 0.0))))
    return {"out": Series("out", {"": Group("", tuple(days))})}


def on(day: int) -> date:
    """A day after shipping."""
    return SHIPPED.date() + timedelta(days=day)
