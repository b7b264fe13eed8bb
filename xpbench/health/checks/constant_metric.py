"""A metric with the same value for every unit."""

from __future__ import annotations

from dataclasses import replace

from xpbench.data.summary import Cell
from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

ENOUGH = 1000
"""Units per variant from which a primary metric without any variation is a fault and no accident."""


@check("constant_metric", title="Metrics vary", question="Is there a metric with one value for every unit?", gate=True)
def constant_metric(inputs: HealthInputs) -> Verdict:
    """Warns for a metric without variation in every variant; fails where it is a primary with at least 1,000 units each."""
    plan, summary = inputs.plan, inputs.summary
    constant: list[str] = []
    seen = 0
    for metric in plan.metrics:
        cells = [c for v in plan.variants if (c := summary.cell(metric.key, v.key)) is not None and c.n > 1]
        if not cells:
            continue
        seen += 1
        if all(all(row[i] == 0 for i, row in enumerate(c.cov)) for c in _own(cells, metric.kind)):
            constant.append(metric.key)
    if seen == 0:
        return Verdict("not answerable", "No metric has values yet.", "Wait for data.")
    evidence = {"constant": constant, "metrics": seen}
    if not constant:
        return Verdict("pass", f"All {seen} metrics vary between units.", "Nothing to do.", evidence)
    enough = min(int(summary.units.get(v.key, 0)) for v in plan.variants) >= ENOUGH
    primary = [k for k in constant if plan.metric(k).role == "primary"]
    return Verdict(
        "fail" if primary and enough else "warn",
        f"{', '.join(shown(k) for k in constant[:5])} {'has' if len(constant) == 1 else 'have'} the same value for every unit: "
        "nothing was measured.",
        "Check the event's name, its filters and the window; compare with the number of such events in the source.",
        evidence,
    )


def _own(cells: list[Cell], kind: str) -> list[Cell]:
    """The cells reduced to the metric's own columns (covariates may well be constant)."""
    width = {"ratio": 2, "mean": 2}.get(kind)
    out = []
    for cell in cells:
        own = [i for i, c in enumerate(cell.columns) if c not in ("before", "seen")]
        k = min(len(own), width or (len(own) if kind == "formula" else 1))
        out.append(replace(cell, cov=tuple(tuple(row[:k]) for row in cell.cov[:k])))
    return out
