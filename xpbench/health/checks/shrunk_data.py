"""Data that shrank since the last look."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

FAIL_ABOVE = 0.005


@check("shrunk_data", title="Data only grows", question="Are there fewer units than at the look before?", gate=True)
def shrunk_data(inputs: HealthInputs) -> Verdict:
    """Warns where a variant lost units since the last look, fails above 0.5 % of them."""
    if inputs.previous is None:
        return Verdict("not answerable", "This is the first look.", "Nothing to do.")
    then = {v.key: int(inputs.previous.units.get(v.key, 0)) for v in inputs.plan.variants}
    now = {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}
    lost = {k: max(0, then[k] - now[k]) for k in then}
    share = max((lost[k] / then[k] for k in then if then[k]), default=0.0)
    evidence = {"units_last_look": then, "units": now, "lost": lost, "largest_share": share, "fail_above": FAIL_ABOVE}
    if share == 0:
        return Verdict("pass", "No variant has fewer units than at the look before.", "Nothing to do.", evidence)
    return Verdict(
        "fail" if share > FAIL_ABOVE else "warn",
        f"Since the look before, {sum(lost.values()):,} units are gone (up to {share:.2%} of a variant).",
        "Compare the two sources: a narrower date range, another filter, deleted users or another experiment's data. The looks "
        "so far were not at this data.",
        evidence,
    )
