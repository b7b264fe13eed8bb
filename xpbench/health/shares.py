"""Which share of the exposed units each variant should have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xpbench.health.inputs import HealthInputs, plain_dict


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
    """The shares that a flag's hash really gives, or None where it does not say."""
    if flag is None:
        return None
    shares = getattr(flag, "shares", None)
    if callable(shares):
        shares = shares()
    if shares is None:
        if not isinstance(flag, Mapping):
            return None
        shares = plain_dict(flag).get("shares", flag)
    return {str(k): float(v) for k, v in dict(shares).items() if k is not None}


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
        total = sum(exact.values())
        return Expected({v.key: exact.get(v.key, 0.0) / total for v in plan.variants}, "exact shares of the flag's hash")
    exact = bucket_shares(plan)
    if exact is not None:
        return Expected(exact, "exact shares of the flag's hundred buckets")
    return Expected(planned_shares(inputs), "splits of the plan")


def bucket_shares(plan: Any) -> dict[str, float] | None:
    """Shares that a hundred buckets give for the planned splits; None for another hash.

    Variants are walked in the order of their keys, adding splits as floats; a bucket b belongs to the first variant with
    b / 100 below the running sum, the last variant takes the rest. That is the flag SDK's rule.
    """
    if plan.assignment is None or plan.assignment.hash != "mixpanel":
        return None
    ordered = sorted(plan.variants, key=lambda v: str(v.key))
    counts = {v.key: 0 for v in plan.variants}
    for bucket in range(100):
        running = 0.0
        chosen = ordered[-1].key
        for variant in ordered:
            running += float(variant.split)
            if bucket / 100.0 < running:
                chosen = variant.key
                break
        counts[chosen] += 1
    return {k: c / 100 for k, c in counts.items()}
