"""The harm alarm: a yes or no about guardrails that may be read daily without opening the results."""

from __future__ import annotations

from xpbench.data.summary import Summary
from xpbench.decide.estimate import Estimate, estimate, with_noise
from xpbench.decide.readout import HarmAlarm
from xpbench.plan import Plan
from xpbench.stats.inference import Scale, pivot
from xpbench.stats.multipliers import Mixture, q_mixture
from xpbench.stats.proportion import score_z


def harm_alarm(plan: Plan, summary: Summary) -> HarmAlarm:
    """Whether a guardrail is worse than its margin at the plan's `harm_alpha`, by an anytime-valid one-sided test.

    The level is shared over guardrails and variants (Bonferroni), so that a harmless experiment sounds the alarm in at most
    `harm_alpha` of cases, however often it is read.

    Args:
        plan: The plan.
        summary: Moments; they don't leave this function.

    Below ten events a proportion's distance from the margin is that of the score statistic, whose noise is the one under the
    null: the normal one alarms too often in a small variant, and never where the control has no event.

    Source: normal mixture, Waudby-Smith et al. 2021; the pivot at the margin, Fieller 1954; Miettinen and Nurminen 1985.
    """
    rails = [m for m in plan.metrics_with("guardrail") if m.margin is not None or m.margin_rel is not None]
    tests = len(rails) * plan.planned_treatments
    if not tests:
        return HarmAlarm(False, (), plan.decision.harm_alpha)
    alpha = plan.decision.harm_alpha / tests
    horizon = plan.horizon.units or max(summary.n, 1)
    hurt = []
    for metric in rails:
        for variant in plan.treatments:
            found = with_noise(
                estimate(metric, summary.cell(metric.key, plan.control.key), summary.cell(metric.key, variant.key))
            )
            if min(summary.units.get(v, 0) for v in (plan.control.key, variant.key)) < MIN_UNITS:
                continue
            good = 1.0 if metric.direction == "increase" else -1.0
            size = metric.margin_rel if metric.margin is None else metric.margin
            assert size is not None  # noqa: S101 - filtered above
            z = _distance(found, null=-good * size, scale="lift" if metric.margin is None else "effect")
            mixture = Mixture.optimal(alpha=2 * alpha, n_opt=horizon * (plan.control.split + variant.split))
            if -good * z > q_mixture(2 * alpha, mixture.ratio(found.pair)):  # never where z is NaN
                hurt.append(metric.key)
                break
    return HarmAlarm(bool(hurt), tuple(hurt), plan.decision.harm_alpha)


def _distance(found: Estimate, *, null: float, scale: Scale) -> float:
    """Standardised distance from the margin; NaN where there is none."""
    if found.tiny is not None and found.reduction is None and null > -1.0:
        return score_z(found.tiny, null=null, scale=scale)
    return pivot(found.pair, null=null, scale=scale)


MIN_UNITS = 200
"""Units per variant before the alarm is tested: the interval is asymptotic."""
