"""One unit that moves the effect by more than half a standard error."""

from __future__ import annotations

import math
from typing import Any

from xpbench.data.summary import TOTAL
from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

LIMIT = 0.5


@check(
    "outlier_leverage",
    title="Leverage of single units",
    question="Is there one unit whose value moves an effect by more than half a standard error?",
)
def outlier_leverage(inputs: HealthInputs) -> Verdict:
    """Warns where leaving out the most extreme unit moves a mean by more than half the effect's standard error.

    With the unit's value x, its variant's mean m and n units, leaving it out moves the mean by |x - m| / (n - 1); the
    effect's standard error is sqrt(s²/n over the variant and the one it is compared with). Told for the metric as the plan
    defines it (capped where it says so) and raw beside it.
    """
    plan, summary = inputs.plan, inputs.summary
    rows: list[dict[str, Any]] = []
    for metric in plan.metrics:
        extremes = [e for e in summary.extremes if e.metric == metric.key]
        if not extremes:
            continue
        caps = {c.column: c for c in summary.caps if c.metric == metric.key}
        for extreme in extremes:
            raw = _leverage(inputs, metric.key, extreme.variant, extreme.value, form="raw")
            value = extreme.value
            cap = caps.get("value") or (next(iter(caps.values())) if len(caps) == 1 else None)
            if cap is not None:
                value = min(value, cap.upper) if cap.upper is not None else value
                value = max(value, cap.lower) if cap.lower is not None else value
            used = _leverage(inputs, metric.key, extreme.variant, value, form="value")
            if used is None:
                continue
            rows.append(
                {
                    "metric": metric.key,
                    "leverage": used,
                    "raw_leverage": raw if raw is not None else used,
                    "capped": cap is not None,
                }
            )
    if not rows:
        return Verdict("not answerable", "The source gives no extremes for these metrics.", "Nothing to do.")
    rows.sort(key=lambda r: (-r["leverage"], -r["raw_leverage"]))
    loud = [r for r in rows if r["leverage"] > LIMIT]
    tamed = [r for r in rows if r["leverage"] <= LIMIT < r["raw_leverage"]]
    evidence = {"limit": LIMIT, "metrics": rows, "largest_leverage": rows[0]["leverage"]}
    if loud:
        return Verdict(
            "warn",
            f"One unit moves the effect on {shown(loud[0]['metric'])} by {loud[0]['leverage']:.2f} standard errors"
            + (f"; {len(loud) - 1} more metric(s) likewise" if len(loud) > 1 else "")
            + ".",
            "Look at the unit: a person, a bot or a fault of logging? Cap the metric (winsorize) in the plan before the next "
            "experiment; the capped result next to this one is a sensitivity check.",
            evidence,
        )
    note = (
        f" Without the cap one unit would move {shown(tamed[0]['metric'])} by {tamed[0]['raw_leverage']:.2f} standard errors."
        if tamed
        else ""
    )
    return Verdict(
        "pass", f"No single unit moves an effect by more than {LIMIT} standard errors.{note}", "Nothing to do.", evidence
    )


def _leverage(inputs: HealthInputs, metric: str, variant: str, value: float, *, form: str) -> float | None:
    summary, plan = inputs.summary, inputs.plan
    others = [plan.control.key] if variant != plan.control.key else [v.key for v in plan.treatments]
    own = summary.cell(metric, variant, form=form) or summary.cell(metric, variant)  # type: ignore[arg-type]
    if own is None or own.n < 3 or not own.columns or own.columns[0] == TOTAL:
        return None
    if len([c for c in own.columns if c in ("numerator", "denominator")]) == 2:
        return None
    worst: float | None = None
    for other in others:
        cell = summary.cell(metric, other, form=form) or summary.cell(metric, other)  # type: ignore[arg-type]
        if cell is None or cell.n < 2:
            continue
        error = math.sqrt(own.cov[0][0] / own.n + cell.cov[0][0] / cell.n)
        if error > 0:
            moved = abs(value - own.mean[0]) / (own.n - 1) / error
            worst = moved if worst is None else max(worst, moved)
    return worst
