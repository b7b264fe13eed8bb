"""Whether the exposed units are in the variant that the hash gives them."""

from __future__ import annotations

import math

from xpbench.errors import number_of, shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs, plain_dict
from xpbench.health.registry import check

LEAST_CHANCE = 200
"""Among fewer units chance can't be distinguished from a fault of the assignment."""

TOLERATED = 0.0001
"""Share of mismatches up to which the audit only warns: stray test devices, not a fault of the assignment."""


@check(
    "assignment_audit",
    title="Assignment audit",
    question="Does recomputing the hash give every exposed unit the variant it was exposed to?",
    gate=True,
)
def assignment_audit(inputs: HealthInputs) -> Verdict:
    """Reads the audit's report: any mismatch warns, more than 0.01 % fails, but for one among 200 or more.

    One unit can't move a result, and one visitor who logged in between hash and export is not a fault of the randomiser:
    an experiment of a thousand units must not end because of a single one.

    Where the hash agrees no better than chance, it says nothing of how these units were assigned, and the check warns.
    """
    if inputs.audit is None:
        return Verdict(
            "not answerable",
            "No audit was given: another system assigns, or the ids of the exposed units are not at hand."
            if inputs.plan.assignment is not None
            else "The plan does not assign, another system does: nothing here can be computed again.",
            "Run xpbench audit over the exposures where the plan or a flag assigns.",
        )
    report = plain_dict(inputs.audit)
    if report.get("not_run"):
        return Verdict(
            "not answerable",
            f"The assignment was not computed again. {report['not_run']}",
            "Run xpbench audit over the exposures, with what it needs, and hand its report over: evidence={'audit': ...}.",
        )
    checked = int(report.get("rows", report.get("checked", 0)) or 0)
    mismatches = int(report.get("disagreeing", report.get("mismatches", 0)) or 0)
    if checked == 0:
        return Verdict("not answerable", "The audit looked at no exposure.", "Give it exposures.", {"checked": 0})
    share = mismatches / checked
    causes = [str(c.get("name", "")) for c in report.get("causes", ())]
    words = shown(causes[0])[1:-1].replace("_", " ") if causes else ""
    evidence = {
        "checked": checked,
        "mismatches": mismatches,
        "share": share,
        "tolerated": TOLERATED,
        "causes": causes[:5],
        "first_divergence": report.get("first_divergence"),
    }
    of = ""
    if report.get("sampled"):
        evidence["sampled_one_in"] = int(report["sampled"])
        of = f" in a sample of one unit in {int(report['sampled'])}"
    if mismatches == 0:
        return Verdict(
            "pass",
            f"All {number_of(checked, 'exposure shows', 'exposures show')} the variant that the hash gives{of}.",
            "Nothing to do.",
            evidence,
        )
    if _is_chance(inputs, 1 - share, checked):
        return Verdict(
            "warn",
            f"The hash of the plan gives {1 - share:.1%} of {number_of(checked, 'exposure')} its variant{of}, as chance would: "
            "these units were assigned by something else, or under other ids. Whether at random was not checked.",
            "Read the ids that were hashed; or register the next plan without assignment, where another system assigns.",
            evidence | {"unrelated": True},
        )
    named = f" Likely cause: {words}." if words else ""
    return Verdict(
        "fail" if share > TOLERATED and not (mismatches == 1 and checked >= LEAST_CHANCE) else "warn",
        f"{mismatches:,} of {number_of(checked, 'exposure')} ({share:.3%}) show another variant than the hash gives{of}."
        f"{named}",
        "Open the report of xpbench audit: it names the first divergence and the cause. Fix it and restart: xp.restart draws "
        "again with a fresh salt.",
        evidence,
    )


def _is_chance(inputs: HealthInputs, agreement: float, checked: int) -> bool:
    """Whether a hash that has nothing to do with the data would agree as often."""
    units = {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}
    total, splits = sum(units.values()), sum(v.split for v in inputs.plan.variants) or 1.0
    if checked < LEAST_CHANCE or not total:
        return False
    expected = sum(units[v.key] / total * v.split / splits for v in inputs.plan.variants)
    return abs(agreement - expected) <= 4.0 * math.sqrt(expected * (1 - expected) / checked)
