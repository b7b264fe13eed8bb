"""All experiments of a folder, each with its state."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from xpbench.errors import LedgerError, XpbenchError, plain
from xpbench.experiment.facade import open_experiment
from xpbench.experiment.opening import plan_in_force, read_entries
from xpbench.experiment.state import status_of
from xpbench.ledger import experiments
from xpbench.ledger.folder import folders, reason_broken
from xpbench.plan import Plan

SEALED = ("registered", "running")
"""States in which no look at effects was due yet."""


def statuses(root: str | Path = "experiments", *, only: str | None = None) -> list[dict[str, Any]]:
    """State of every experiment of a root (or of one); broken ones are listed with the reason, never hidden."""
    if only is not None:
        return [open_experiment(only, root).status().to_dict()]
    out: list[dict[str, Any]] = []
    for listed in experiments(root):
        try:
            if listed.status == "broken":
                raise LedgerError("XPB-L10", key=listed.key, reason=plain(listed.reason))
            out.append(open_experiment(listed.key, root).status().to_dict())
        except XpbenchError as error:
            out.append({"key": listed.key, "title": "", "state": "broken", "sentence": str(error)})
    return out


def states(root: str | Path, *, now: datetime) -> list[dict[str, Any]]:
    """The same from one reading of each ledger, where nothing but the state is asked for.

    Args:
        root: Folder of all experiments.
        now: Aware time.
    """
    out: list[dict[str, Any]] = []
    for name, folder in folders(root):
        try:
            reason = reason_broken(root, name)
            if reason:
                raise LedgerError("XPB-L10", key=name, reason=plain(reason))
            out.append(status_of(read_entries(folder), now=now).to_dict())
        except (XpbenchError, OSError) as error:
            out.append({"key": name, "title": "", "state": "broken", "sentence": str(error)})
    return out


def sealed_plans(root: str | Path, *, now: datetime) -> list[Plan]:
    """Plans in force of the experiments whose results were never due yet, and that are not decided.

    Args:
        root: Folder of all experiments.
        now: Aware time.
    """
    out = []
    for name, folder in folders(root):
        try:
            if reason_broken(root, name):
                continue
            entries = read_entries(folder)
            if status_of(entries, now=now).state in SEALED:
                out.append(Plan(**plan_in_force(entries)))
        except (XpbenchError, OSError):
            continue  # a broken one says so where it is opened
    return out
