"""Data that shrank since the last look."""

from __future__ import annotations

from xpbench.data.summary import SAMPLED
from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

FAIL_ABOVE = 0.005

MISSING_ABOVE, FEWEST = 0.05, 4
"""Of the sampled units so large a share, and so many, may not be gone; a few deleted users are not another table."""


DIGITS = 8
"""Of a sampled hash."""


@check("shrunk_data", title="Data only grows", question="Is everything still there that was at the look before?", gate=True)
def shrunk_data(inputs: HealthInputs) -> Verdict:
    """Warns where a variant lost units since the last look, fails above 0.5 % of them; warns where the first exposure moved.

    Other units may be as many. A look puts a sample of its units with their variants on record, where the source has one; fails
    where more than 5 % of that sample, and at least 4 units, are gone or have another variant, however many came in.
    """
    if inputs.previous is None:
        return Verdict("not answerable", "This is the first look.", "Nothing to do.")
    then = {v.key: int(inputs.previous.units.get(v.key, 0)) for v in inputs.plan.variants}
    now = {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}
    lost = {k: max(0, then[k] - now[k]) for k in then}
    share = max((lost[k] / then[k] for k in then if then[k]), default=0.0)
    evidence = {"units_last_look": then, "units": now, "lost": lost, "largest_share": share, "fail_above": FAIL_ABOVE}
    begins = [s.first_exposure for s in (inputs.previous, inputs.summary)]
    evidence |= {"first_exposure_last_look": begins[0], "first_exposure": begins[1]}
    compared, gone = missing(inputs.previous.sample, inputs.summary.sample)
    if compared:
        evidence |= {"sampled": compared, "sampled_gone": gone}
    if share <= FAIL_ABOVE and gone >= FEWEST and gone > MISSING_ABOVE * compared:
        return Verdict(
            "fail",
            f"Of {compared} sampled units of the look before, {gone} are gone or have another variant: these are other units.",
            "Compare the two sources: another experiment's data, variants drawn again, or ids that differ between exports. If "
            "the data now are the right ones, amend the plan's data policy or dates with the reason, and read again.",
            evidence,
        )
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


def missing(then: str, now: str) -> tuple[int, int]:
    """How many sampled units of an earlier reading can be looked for in a later one, and how many of them are not there.

    A sample has the smallest hashes. With more units a hash that is still there may be too large for the newer sample, so that
    only those up to its largest are looked for. Hashes of two kinds can't be compared.

    Args:
        then: `Summary.sample` of the earlier reading.
        now: Of the later one.
    """
    kinds, hashes = zip(*(text.rpartition(" ")[::2] for text in (then, now)), strict=True)
    if kinds[0] != kinds[1] or not all(hashes):
        return 0, 0
    earlier, later = ([text[i : i + DIGITS] for i in range(0, len(text), DIGITS)] for text in hashes)
    looked_for = {h for h in earlier if len(later) < SAMPLED or h <= later[-1]}
    return len(looked_for), len(looked_for - set(later))
