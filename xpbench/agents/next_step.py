"""What to do now, in one sentence: the one place that tools ask, whatever it is computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpbench.decide.readout import Readout, SealedReadout

if TYPE_CHECKING:
    from xpbench.experiment.state import Status

_BY_STATE = {
    "registered": "Run preflight, launch, then ask for health while it runs.",
    "running": "Ask for health and for a readout; effects are shown when they are due.",
    "ready": "Results are due: read them out, then a person decides.",
    "decided": "Write the memo, and verify it.",
    "watched": "Nothing until the next check of the watch contract.",
    "overdue": "A check after shipping is overdue: a person runs xpbench watch.",
    "breached": "A guardrail is breached after shipping: a person decides whether to roll back.",
    "restarted": "Work on the run that follows.",
    "broken": "Read nothing from it. A person runs xpbench ledger verify.",
}


def after_status(status: Status) -> str:
    """The next step from the ledger alone."""
    return _BY_STATE.get(status.state, "Ask for status.")


def after_readout(readout: Readout | SealedReadout) -> str:
    """The next step after a look at the data."""
    if isinstance(readout, SealedReadout):
        if any(c.blocks for c in readout.health):
            return "Fix the failed gate first: as it is, no readout will be valid."
        if readout.harm.sounds:
            return "A guardrail is harmed beyond doubt: tell the owner now; stopping is a person's decision."
        return f"Wait. {readout.due.reason}"
    outcome = readout.recommendation.outcome
    if not readout.is_valid:
        return "Fix the failed gate and read out again; decide nothing on these numbers."
    if readout.kind == "peeked":
        return "This was an early look. Keep to the plan and wait until results are due."
    return {
        "ship": "A person decides whether to ship, as the rule recommends.",
        "ship none": "A person decides to ship none, as the rule recommends.",
    }.get(outcome, "A person decides: run longer where the plan allows it, or iterate on the change.")
