"""Lines that could not be read."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

FAIL_ABOVE = 0.01


@check("rejected_lines", title="Readable rows", question="How many rows could not be read?", gate=True)
def rejected_lines(inputs: HealthInputs) -> Verdict:
    """Warns where there are any (or rows without a readable time or event name), fails above 1 % and at a broken file."""
    found = counted(inputs, "rejected_lines", "bad_time", "missing_event_name", "truncated_file", units=False)
    if broken := [f for f in inputs.findings("broken_file") if f.count]:
        meaning = f"{number_of(len(broken), 'file')} could be read in part alone: {' '.join(f.detail for f in broken)}"
        step = "Copy or download the file again: nobody knows how many events are behind the break."
        return Verdict("fail", meaning, step, found.evidence | {"broken_files": [f.detail for f in broken]})
    if found.count == 0:
        return Verdict("pass", "Every row was read.", "Nothing to do.", found.evidence)
    return Verdict(
        "fail" if found.share > FAIL_ABOVE else "warn",
        f"{number_of(found.count, 'row')} ({found.share:.3%}) could not be read and "
        f"{'was' if found.count == 1 else 'were'} {found.action}.",
        "Export again: a cut download or a broken line hides whatever was behind it.",
        found.evidence,
    )
