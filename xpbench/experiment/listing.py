"""All experiments of a folder, each with its state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xpbench.errors import LedgerError, XpbenchError, plain
from xpbench.experiment.opening import keep_plan, plan_in_force, read_entries
from xpbench.experiment.state import status_of
from xpbench.ledger import experiments
from xpbench.ledger.clock import Clock, system_clock
from xpbench.ledger.folder import existing
from xpbench.plan import Plan
from xpbench.plan.design import GroupSequential

SEALED = ("registered", "running")
"""States in which no look at effects was due yet."""


def statuses(root: str | Path = "experiments", *, only: str | None = None, clock: Clock = system_clock) -> list[dict[str, Any]]:
    """State of every experiment of a root (or of one); broken ones are listed with the reason, never hidden.

    The ledgers say it all: neither statistics nor an engine is loaded, so that a list of 500 is there at once.

    Args:
        root: Folder of all experiments.
        only: Key of the one that is asked for.
        clock: Where the time comes from.

    Raises:
        LedgerError: `XPB-L04`, `only` is not there.
        BrokenLedger: the chain of `only` does not hold.
        ChangedPlan: `XPB-P28`, the plan.json of `only` is not the one on record.
    """
    now = clock()
    if only is not None:
        return [status_of(read_entries(existing(root, only)), now=now).to_dict()]
    out: list[dict[str, Any]] = []
    for listed in experiments(root):
        try:
            if listed.status == "broken":
                raise LedgerError("XPB-L10", key=listed.key, reason=plain(listed.reason))
            keep_plan(listed.path, listed.entries)
            out.append(status_of(listed.entries, now=now).to_dict())
        except XpbenchError as error:
            out.append({"key": listed.key, "title": "", "state": "broken", "sentence": str(error)})
    return out


def sealed_plans(root: str | Path, *, clock: Clock = system_clock) -> list[Plan]:
    """Plans in force of the experiments that are not decided and whose next results are not due.

    Between two planned looks of a group-sequential plan results are sealed again.

    Args:
        root: Folder of all experiments.
        clock: Where the time comes from.
    """
    now, out = clock(), []
    for listed in experiments(root):
        try:
            state = status_of(listed.entries, now=now).state if listed.status == "ok" else "broken"
            if state not in (*SEALED, "ready"):
                continue
            plan = Plan(**plan_in_force(listed.entries))
            seen = max((int(e.body["n"]) for e in listed.entries if e.kind == "opened"), default=0)
            between = isinstance(plan.model, GroupSequential) and seen < (plan.horizon.units or 0)
            if state in SEALED or between:
                out.append(plan)
        except XpbenchError:
            continue  # a broken one says so where it is opened
    return out
