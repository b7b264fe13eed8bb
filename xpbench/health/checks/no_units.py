"""A planned variant without a single exposed unit."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check


@check("no_units", title="Units in every variant", question="Does every planned variant have exposed units?", gate=True)
def no_units(inputs: HealthInputs) -> Verdict:
    """Fail where a variant with a split above 0 has no unit."""
    units = {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}
    empty = [v.key for v in inputs.plan.variants if v.split > 0 and units[v.key] == 0]
    evidence = {"units": units, "empty": empty}
    if empty:
        whole = len(empty) == len(units)
        return Verdict(
            "fail",
            "No unit of any planned variant was found: this may be another experiment's data."
            if whole
            else f"{len(empty)} of {len(units)} variants have no exposed unit.",
            "Compare the experiment's name and the variants' keys in the data with the plan."
            if whole
            else "Look whether the variant is served and its exposures are sent, and whether its key is spelt as in the plan.",
            evidence,
        )
    return Verdict("pass", "Every planned variant has exposed units.", "Nothing to do.", evidence)
