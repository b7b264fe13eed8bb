"""The views of a readout, part by part, in the order in which they are read: health before effects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from xpbench.data.histogram import Histogram
from xpbench.decide.daily_path import exposure_path
from xpbench.decide.looks import Look
from xpbench.decide.novelty import trends
from xpbench.decide.readout import HarmAlarm, Readout, SealedReadout
from xpbench.decide.seal import Due
from xpbench.health.check import Check
from xpbench.plan import Plan
from xpbench.plan.design import Sequential
from xpbench.views.bias import pre_experiment_bias
from xpbench.views.checks import health_summary
from xpbench.views.cuped import cuped_reduction
from xpbench.views.distribution import winsorization
from xpbench.views.forest_plot import forest
from xpbench.views.novelty_curve import trend
from xpbench.views.rule_table import truth_view
from xpbench.views.segments import segment_heatmap
from xpbench.views.sensitivity_chart import sensitivity
from xpbench.views.sequential_path_chart import sequential_path
from xpbench.views.split import exposure_split
from xpbench.views.timeline import exposures_over_time
from xpbench.views.variants import variant_table
from xpbench.views.view import View

PARTS = ("Results", "Health", "Segments", "Time", "Sensitivity", "Rule")
"""Parts of an open readout."""


def readout_views(readout: SealedReadout | Readout, plan: Plan, part: str = "Results") -> list[View]:
    """The views of one part; for a sealed readout health, split and time, whatever the part.

    Args:
        readout: Sealed or open.
        plan: The plan in force.
        part: One of `PARTS`.
    """
    labels = {v.key: v.label for v in plan.variants}
    units = readout.units if isinstance(readout, SealedReadout) else readout.summary.units
    by_day = readout.exposures_by_day if isinstance(readout, SealedReadout) else readout.summary.exposures_by_day
    shares = {v.key: v.split for v in plan.variants}
    split = exposure_split(units, shares, alpha=plan.health.srm_alpha, warn=plan.health.srm_warn_alpha, labels=labels)
    time = exposures_over_time(by_day, horizon=plan.horizon.units, horizon_days=plan.horizon.days, labels=labels)
    if isinstance(readout, SealedReadout):
        return [health_summary(readout.health), split, *([time] if by_day else [])]
    match part:
        case "Results":
            return [forest(readout), variant_table(readout)]
        case "Health":
            bias = [c for c in readout.health if c.name == "pre_experiment_bias" and c.evidence.get("rows")]
            return [health_summary(readout.health), split, *(pre_experiment_bias(c.evidence) for c in bias)]
        case "Segments":
            return [segment_heatmap(s) for s in readout.segments]
        case "Time":
            if not by_day and any(units.values()):
                time = replace(time, title="The data name no day of exposure", subtitle="Give a table's day column to see time")
            return [time, *paths(readout, plan), *_trends(readout, plan)]
        case "Sensitivity":
            reduced = [cuped_reduction(readout)] if any(r.variance_reduction is not None for r in readout.rows) else []
            return [*(sensitivity(r) for r in readout.rows if r.sensitivity), *reduced]
        case _:
            verdicts = readout.recommendation.variants
            here = verdicts[0].situation.to_dict() if verdicts else None
            return [truth_view(plan.decision, situation=here, methods=readout.methods)]


def paths(readout: Readout, plan: Plan) -> list[View]:
    """How each primary metric moved as units came in, where the summary knows their days."""
    out = []
    sequential = isinstance(plan.model, Sequential)
    for row in readout.rows:
        if row.role != "primary":
            continue
        points = exposure_path(
            plan, readout.summary, metric=row.metric, variant=row.variant, alpha=row.alpha, looks=readout.looks
        )
        if points:
            name = f"{row.label} · {row.variant}" if len(plan.treatments) > 1 else row.label
            out.append(
                sequential_path(
                    [p.to_dict() for p in points],
                    metric=name,
                    horizon=plan.horizon.units,
                    valid_at_every_look=sequential,
                    alpha=row.alpha,
                )
            )
    return out


def _trends(readout: Readout, plan: Plan) -> list[View]:
    """Whether the effect on each primary metric fades, grows or depends on the day."""
    labels = {m.key: m.label for m in plan.metrics_with("primary")}
    shares = {r.metric: r.is_proportion for r in readout.rows}
    found = readout.novelty or trends(plan, readout.summary)  # readouts of an earlier release have none
    several = len(plan.treatments) > 1
    return [
        trend(t, metric=labels[t.metric] + (f" · {t.variant}" if several else ""), is_share=shares.get(t.metric, False))
        for t in found
        if t.metric in labels and t.points
    ]


def winsorization_views(histograms: Iterable[Histogram], plan: Plan) -> list[View]:
    """A metric before and after winsorization, for each histogram that a source gave."""
    labels = {m.key: m.label for m in plan.metrics}
    return [
        winsorization(
            [b.to_dict() for b in h.bins],
            metric=labels.get(h.cap.metric, h.cap.metric)
            + (f" ({h.cap.column})" if h.cap.column in ("numerator", "denominator") else ""),
            lower=h.cap.lower,
            upper=h.cap.upper,
            n_capped=h.cap.n_lower + h.cap.n_upper,
            largest=h.largest,
        )
        for h in histograms
    ]


def saved_readout(path: str | Path) -> SealedReadout | Readout:
    """The readout in a JSON file written from its `to_dict()`; nothing is read again and no look goes on record."""
    data: Mapping[str, Any] = json.loads(Path(path).read_text("utf-8"))
    if not data["sealed"]:
        return Readout.from_dict(data)
    harm = data["harm"]
    return SealedReadout(
        data["key"],
        data["plan_digest"],
        data["at"],
        Due(**data["due"]),
        data["units"],
        tuple(Check.from_dict(c) for c in data["health"]),
        HarmAlarm(harm["sounds"], tuple(harm["metrics"]), harm["alpha"]),
        tuple(Look.from_dict(look) for look in data["looks"]),
        data["exposures_by_day"],
    )
