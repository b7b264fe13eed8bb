"""Data that shrank since the last look."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

FAIL_ABOVE = 0.005


@check("shrunk_data", title="Data only grows", question="Is everything still there that was at the look before?", gate=True)
def shrunk_data(inputs: HealthInputs) -> Verdict:
    """Warns where a variant lost units since the last look, fails above 0.5 % of them; warns where the first exposure moved."""
    if inputs.previous is None:
        return Verdict("not answerable", "This is the first look.", "Nothing to do.")
    then = {v.key: int(inputs.previous.units.get(v.key, 0)) for v in inputs.plan.variants}
    now = {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}
    lost = {k: max(0, then[k] - now[k]) for k in then}
    share = max((lost[k] / then[k] for k in then if then[k]), default=0.0)
    evidence = {"units_last_look": then, "units": now, "lost": lost, "largest_share": share, "fail_above": FAIL_ABOVE}
    begins = [s.first_exposure for s in (inputs.previous, inputs.summary)]
    evidence |= {"first_exposure_last_look": begins[0], "first_exposure": begins[1]}
    if share == 0 and all(begins) and begins[0] != begins[1]:
        return Verdict(
            "warn",
            f"The first exposure is of {begins[1]}; at the look before it was of {begins[0]}: not the same data, or older data "
            "was added.",
            "Compare the two sources: another experiment's data, another date range, a late import or another time zone.",
            evidence,
        )
    if share == 0:
        return Verdict("pass", "No variant has fewer units than at the look before.", "Nothing to do.", evidence)
    return Verdict(
        "fail" if share > FAIL_ABOVE else "warn",
        f"Since the look before, {number_of(sum(lost.values()), 'unit is', 'units are')} gone "
        f"(up to {share:.2%} of a variant).",
        "Compare the two sources: a narrower date range, another filter, deleted users or another experiment's data. The looks "
        "so far were not at this data.",
        evidence,
    )
