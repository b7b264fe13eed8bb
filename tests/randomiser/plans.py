"""Small plans and flags for the tests of this room."""

from __future__ import annotations

from typing import Any

from tests.builders import make_plan, metric
from xpbench.plan import Plan


def plan_of(
    *,
    salt: str | None = "beta-homepage-2026-11",
    splits: tuple[float, ...] = (0.5, 0.5),
    key: str = "beta-homepage",
    **assignment: Any,
) -> Plan:
    names = ("control", "beta", "gamma", "delta", "epsilon")[: len(splits)]
    return make_plan(
        [metric("quote_started", "conversion", event="Quote Started", window_days=14)],
        key=key,
        title="Beta homepage",
        owner="growth-analytics",
        lift=0.05,
        change="visitors see the beta homepage",
        because="one entry point is enough",
        variants=[{"key": k, "split": s, "control": i == 0} for i, (k, s) in enumerate(zip(names, splits, strict=True))],
        unit="distinct_id",
        assignment={"hash": "sha256", **({} if salt is None else {"salt": salt}), **assignment},
    )


def definition_of(
    key: str = "checkout",
    *,
    splits: tuple[float, ...] = (0.5, 0.5),
    rollout: tuple[float, ...] = (1.0,),
    hash_salt: str | None = None,
    context: str = "distinct_id",
) -> dict[str, Any]:
    names = ("control", "beta", "gamma", "delta", "epsilon", "f", "g", "h", "i", "j")[: len(splits)]
    return {
        "id": "1",
        "name": key,
        "key": key,
        "status": "enabled",
        "project_id": 1,
        "context": context,
        "hash_salt": hash_salt,
        "ruleset": {
            "variants": [
                {"key": k, "value": k, "is_control": i == 0, "split": s}
                for i, (k, s) in enumerate(zip(names, splits, strict=True))
            ],
            "rollout": [{"rollout_percentage": r} for r in rollout],
        },
    }
