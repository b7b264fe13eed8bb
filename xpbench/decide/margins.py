"""Whether a guardrail is within its margin: the one place that says so, for readouts and for the weeks after shipping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xpbench.plan.metrics import MetricBase
from xpbench.stats.inference import NonInferiority, Scale, noninferior
from xpbench.stats.pairs import Pair
from xpbench.stats.proportion import EventCounts, score_noninferior

MarginState = Literal["ok", "bad", "unclear"]
Policy = Literal["non_inferior", "not_worse"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A guardrail against its margin.

    Attributes:
        state: `ok`: shown to be within the margin; `bad`: worse, and not shown to be within; else `unclear`.
        margin: Worst change accepted, with its sign, in the plan's scale; None without a margin.
        scale: `effect` or `lift`; "" without a margin.
        score: The test by the score statistic, where it took the place of the pair's.
    """

    state: MarginState
    margin: float | None = None
    scale: str = ""
    score: NonInferiority | None = None


def judge_margin(
    metric: MetricBase,
    pair: Pair,
    *,
    q: float,
    is_worse: bool,
    policy: Policy = "non_inferior",
    scores: EventCounts | None = None,
) -> Judged:
    """Within the margin exactly when the interval with multiplier `q` excludes it.

    Without a margin a guardrail is `bad` where it is worse, else `ok` (nothing was asked to be shown); a pair with a status
    is `unclear`. Under the policy `not_worse` a guardrail that is neither shown to be within nor worse is `ok`.

    Args:
        metric: With direction and margin.
        pair: Estimates.
        q: Multiplier of the interval that is shown.
        is_worse: Whether the metric is worse by the test of the design.
        policy: `decision.guardrails` of the plan.
        scores: Events and units of a tiny proportion, whose interval is that of the score statistic.

    Source: non-inferiority, `stats.inference.noninferior` (Fieller's pivot at the margin).
    """
    if metric.margin is None and metric.margin_rel is None:
        return Judged("unclear" if pair.status != "ok" else "bad" if is_worse else "ok")
    score = None
    if (
        scores is not None
        and (size := metric.margin_rel if metric.margin is None else metric.margin) is not None
        and size < 1.0
    ):
        scale: Scale = "lift" if metric.margin is None else "effect"
        score = score_noninferior(scores, direction=metric.direction, margin=size, scale=scale, q=q)
    found = score or noninferior(pair, direction=metric.direction, margin_rel=metric.margin_rel, margin_abs=metric.margin, q=q)
    state: MarginState
    if found.passed is None:
        state = "unclear"
    elif found.passed:
        state = "ok"
    elif is_worse:
        state = "bad"
    else:
        state = "ok" if policy == "not_worse" else "unclear"
    return Judged(state, found.margin, found.scale, score)
