"""What to do now: the one place that tools ask, whatever it is computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpbench.agents.marked import data

if TYPE_CHECKING:
    from xpbench.decide.readout import Readout, SealedReadout
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


def after_readout(readout: Readout | SealedReadout, limit: int) -> dict[str, str]:
    """The next step after a look at the data: what keeps from an answer, what it takes, and the command for it.

    Args:
        readout: Sealed or open; a sealed one says nothing of outcomes.
        limit: Most characters of the sentences.
    """
    now = readout.what_now
    if now is None:
        return {"blocker": "", "says": data(f"Wait. {readout.due.reason}", limit), "command": ""}
    says = data(" ".join(part for part in (now.why, *now.takes, now.lever) if part), limit)
    return {"blocker": now.blocker, "says": says, "command": data(now.command, 120) if now.command else ""}
