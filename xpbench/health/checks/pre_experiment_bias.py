"""Differences between the variants before anyone was exposed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from xpbench.data.summary import Cell
from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.contrast import pair_of_cells, two_sided_p
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check
from xpbench.health.windows import WINDOW
from xpbench.plan.metrics import Column, MetricBase
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import Pair, mean_pair

CONTROL_METHOD = "Holm"


@check(
    "pre_experiment_bias",
    title="Pre-experiment bias",
    question="Did the variants differ on any metric of the plan before the exposure?",
)
def pre_experiment_bias(inputs: HealthInputs) -> Verdict:
    """Retro-A/A: Welch's test of every metric in the pre-exposure window(s), Holm over metrics, variants and windows.

    Warns below `bias_alpha` after correction. It never blocks: at 1 % one healthy experiment in a hundred shows it, and CUPED
    takes most of it out.
    """
    plan, summary = inputs.plan, inputs.summary
    windows: list[tuple[int, str, str]] = [(int(plan.pre_period_days), "", "")]
    summary = replace(summary, cells=(*summary.cells, *inputs.windows))
    windows += [(int(s), WINDOW, s) for s in summary.slices(WINDOW) if s.isdigit() and int(s) != plan.pre_period_days]
    rows: list[dict[str, Any]] = []
    seen: set[tuple[str, str, int]] = set()
    for metric in plan.metrics:
        for days, dimension, part in windows:
            control = summary.cell(metric.key, plan.control.key, form="before", dimension=dimension, slice=part)
            for variant in plan.treatments:
                treatment = summary.cell(metric.key, variant.key, form="before", dimension=dimension, slice=part)
                if control is None or treatment is None:
                    continue
                for name, pair in _pairs(metric, control, treatment):
                    p = two_sided_p(pair)
                    if p is None or (name, variant.key, days) in seen:
                        continue
                    seen.add((name, variant.key, days))
                    rows.append(
                        {
                            "metric": name,
                            "variant": variant.key,
                            "days": days,
                            "effect_before": pair.effect,
                            "se": pair.se,
                            "p_value": p,
                            "cuped": metric.cuped,
                        }
                    )
    if not rows:
        return Verdict(
            "not answerable",
            "There are no values from before the exposure.",
            "Read events from before the experiment as well (the plan's pre_period_days), or name covariate columns.",
        )
    for row, corrected in zip(rows, holm([r["p_value"] for r in rows]), strict=True):
        row["p_corrected"] = corrected
    rows.sort(key=lambda r: (r["p_corrected"], r["p_value"]))
    alpha = plan.health.bias_alpha
    bad = [r for r in rows if r["p_corrected"] < alpha]
    evidence = {
        "tests": len(rows),
        "smallest_p": rows[0]["p_value"],
        "smallest_p_corrected": rows[0]["p_corrected"],
        "warn_below": alpha,
        "correction": CONTROL_METHOD,
        "windows": sorted({r["days"] for r in rows}),
        "rows": rows[:20],
    }
    if not bad:
        return Verdict(
            "pass",
            f"None of {len(rows)} comparisons before the exposure differs (smallest corrected p {rows[0]['p_corrected']:.3g}).",
            "Nothing to do.",
            evidence,
        )
    without = sorted({r["metric"] for r in bad if not r["cuped"]})
    return Verdict(
        "warn",
        f"{shown(bad[0]['metric'])} differed between the variants already in the {bad[0]['days']} days before the exposure "
        f"(corrected {p_words(bad[0]['p_corrected'])})"
        + (f"; {len(bad) - 1} more comparisons likewise" if len(bad) > 1 else "")
        + ".",
        (
            f"Use CUPED on {', '.join(shown(k) for k in without[:3])}: it takes out what the past explains. "
            if without
            else "CUPED is on for these metrics and takes out what the past explains. "
        )
        + "If the sample ratio or the audit complain too, fix the assignment first.",
        evidence,
    )


def _pairs(metric: MetricBase, control: Cell, treatment: Cell) -> list[tuple[str, Pair]]:
    """The metric as it was before; for a per-unit table each covariate is a metric of its own."""
    if not isinstance(metric, Column):
        return [(metric.key, pair_of_cells(metric, control, treatment))]
    c, t = (Moments.of(x.n, x.mean, x.cov) for x in (control, treatment))
    names = control.columns if len(control.columns) > 1 or control.columns[0] != "value" else (metric.key,)
    return [(name, mean_pair(c, t, col=i)) for i, name in enumerate(names)]


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down corrected p-values, in the order given. Source: Holm 1979."""
    m = len(p_values)
    out = [1.0] * m
    running = 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (m - rank) * p_values[i]))
        out[i] = running
    return out
