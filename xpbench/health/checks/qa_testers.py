"""Test users among the exposures."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check

WARN_ABOVE = 0.01


@check("qa_testers", title="Test users", question="Are there many test users, or more in one variant than in another?")
def qa_testers(inputs: HealthInputs) -> Verdict:
    """Warns above 1 % or where unequal between variants: a flag labels a whole override rollout as testers."""
    if not inputs.is_event_log:
        return Verdict("not answerable", "A table with one row per unit does not say who is a test user.", "Nothing to do.")
    found = counted(inputs, "qa_tester", "qa_testers")
    skewed = found.skew_p is not None and found.skew_p < inputs.plan.health.srm_alpha
    if found.count == 0 or (found.share <= WARN_ABOVE and not skewed):
        return Verdict("pass", f"{found.count:,} test users ({found.share:.3%}).", "Nothing to do.", found.evidence)
    return Verdict(
        "warn",
        f"{number_of(found.count, 'unit')} ({found.share:.2%}) {'is' if found.count == 1 else 'are'} labelled as "
        f"{'a test user and was' if found.count == 1 else 'test users and were'} {found.action}"
        + (f"; not the same in every variant ({p_words(found.skew_p or 0.0)})" if skewed else "")
        + ".",
        "A rollout group with a variant override labels all its users as testers: keep them (exposure.qa_testers) if so.",
        found.evidence | {"skewed": skewed},
    )
