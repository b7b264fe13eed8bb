"""Which share of the exposed units each variant should have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xpbench.health.inputs import HealthInputs
from xpbench.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Expected:
    """Expected shares of the variants.

    Attributes:
        shares: Share by variant key, in plan order, sums to 1; variants that get no units have 0.
        basis: Where they come from, in words.
        reason: Why there are none, else "".
    """

    shares: Mapping[str, float]
    basis: str
    reason: str = ""


def planned_shares(inputs: HealthInputs) -> dict[str, float]:
    """The splits of the plan, scaled to sum to 1."""
    splits = {v.key: float(v.split) for v in inputs.plan.variants}
    total = sum(splits.values())
    return {k: s / total for k, s in splits.items()} if total > 0 else splits


def flag_shares(flag: Any) -> dict[str, float] | None:
    """The shares that a flag's hash really gives, or None where it does not say.

    Args:
        flag: Shares by variant, a flag of `xp.load_flags`, or None. A flag whose rollout groups have splits or variants of
            their own gives no one share.
    """
    if flag is None:
        return None
    if isinstance(flag, Mapping):
        return {str(k): float(v) for k, v in flag.items()}
    from xpbench.randomiser.flag import Flag  # brings the randomiser, which splits of a plan don't need

    if isinstance(flag, Flag):
        if any(r.override or r.splits for r in flag.rollouts):
            return None
        return flag.bucket_shares(flag.rollouts[0] if flag.rollouts else None)
    return None


def expected_shares(inputs: HealthInputs) -> Expected:
    """What the counts are compared with: the flag's exact shares where known, else the planned splits.

    The hundred buckets of a Mixpanel flag serve thirds as 34/33/33; against exact thirds a healthy experiment with many
    units would look broken, so the exact shares count. Where rollout groups have splits of their own, no one share is
    expected over all units, and there is no answer.
    """
    plan = inputs.plan
    if plan.assignment is not None:
        own = [g.key for g in plan.assignment.rollout if (g.splits or g.variant) and g.share > 0]
        if own:
            return Expected({}, "", f"{len(own)} rollout group(s) have splits of their own, so no one share is planned")
    exact = flag_shares(inputs.flag)
    if exact is not None and sum(exact.values()) > 0:
        total = sum(exact.get(v.key, 0.0) for v in plan.variants) or 1.0
        if sum(exact.get(v.key, 0.0) > 0 for v in plan.variants) < 2:
            return Expected({}, "", "The flag serves fewer than two variants of the plan, so no shares can be expected")
        return Expected({v.key: exact.get(v.key, 0.0) / total for v in plan.variants}, "exact shares of the flag's hash")
    exact = bucket_shares(plan)
    if exact is not None:
        return Expected(exact, "exact shares of the flag's hundred buckets")
    return Expected(planned_shares(inputs), "splits of the plan")


def bucket_shares(plan: Plan) -> dict[str, float] | None:
    """Shares that a hundred buckets give for the planned splits; None for another hash."""
    if plan.assignment is None or plan.assignment.hash != "mixpanel":
        return None
    from xpbench.randomiser.plan_randomiser import Randomiser

    shares = Randomiser(plan).flag.bucket_shares()
    total = sum(shares.get(v.key, 0.0) for v in plan.variants) if plan.dropped else 1.0
    return {v.key: shares.get(v.key, 0.0) / (total or 1.0) for v in plan.variants}
