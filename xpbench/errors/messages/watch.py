"""Messages about the contract after shipping (W)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-W01": Message(
        "Experiment {key} has no watch contract",
        "What is watched after shipping is fixed in the plan, before launch",
        "Amend the plan with watch: weeks, metrics, check_days, owner",
    ),
    "XPB-W02": Message(
        "Experiment {key} has not been shipped",
        "The contract starts with a decision to ship",
        "Decide first, or leave it",
    ),
    "XPB-W03": Message("{name} is {value}", "{rule}", "{remedy}"),
    "XPB-W04": Message(
        "The clock is at {now}, before the last entry of the ledger ({last})",
        "Time in a ledger does not run backwards",
        "Set the clock of this machine, or pass the right time",
    ),
}
