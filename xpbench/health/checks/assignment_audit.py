"""Whether the exposed units are in the variant that the hash gives them."""

from __future__ import annotations

from typing import Any

from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs, plain_dict
from xpbench.health.registry import check

TOLERATED = 0.0001
"""Share of mismatches up to which the audit only warns: stray test devices, not a fault of the assignment."""


@check(
    "assignment_audit",
    title="Assignment audit",
    question="Does recomputing the hash give every exposed unit the variant it was exposed to?",
    gate=True,
)
def assignment_audit(inputs: HealthInputs) -> Verdict:
    """Reads the audit's report: any mismatch warns, more than 0.01 % fails."""
    if inputs.audit is None:
        return Verdict(
            "not answerable",
            "No audit was given: another system assigns, or the ids of the exposed units are not at hand.",
            "Run xpbench audit over the exposures where the plan or a flag assigns.",
        )
    report = plain_dict(inputs.audit)
    checked = int(report.get("checked", report.get("units", 0)) or 0)
    mismatches = _mismatches(report)
    if checked == 0:
        return Verdict("not answerable", "The audit looked at no unit.", "Give it exposures.", {"checked": 0})
    share = mismatches / checked
    cause = report.get("cause") or report.get("causes") or ""
    words = _cause_words(cause)
    evidence = {
        "checked": checked,
        "mismatches": mismatches,
        "share": share,
        "tolerated": TOLERATED,
        "cause": words,
        "first": str(report.get("first_divergence") or report.get("first") or ""),
    }
    if mismatches == 0:
        return Verdict("pass", f"All {checked:,} units have the variant that the hash gives.", "Nothing to do.", evidence)
    named = f" Likely cause: {words}." if words else ""
    return Verdict(
        "fail" if share > TOLERATED else "warn",
        f"{mismatches:,} of {checked:,} units ({share:.3%}) were exposed to another variant than the hash gives.{named}",
        "Open the audit's report: it names the first divergence and the cause. Mend it and start again with a new salt.",
        evidence,
    )


def _mismatches(report: dict[str, Any]) -> int:
    for key in ("mismatches", "mismatched", "n_mismatch", "disagree"):
        value = report.get(key)
        if isinstance(value, (list, tuple)):
            return len(value)
        if value is not None:
            return int(value)
    agreed = report.get("agree", report.get("matched"))
    return int(report.get("checked", 0)) - int(agreed) if agreed is not None else 0


def _cause_words(cause: Any) -> str:
    if isinstance(cause, str):
        return shown(cause)[1:-1] if cause else ""
    if isinstance(cause, dict):
        return _cause_words(str(cause.get("name") or cause.get("cause") or ""))
    if isinstance(cause, (list, tuple)) and cause:
        return _cause_words(cause[0])
    return ""
