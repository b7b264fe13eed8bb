"""All experiments of a folder, each with its state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xpbench.errors import LedgerError, XpbenchError, plain
from xpbench.experiment.facade import open_experiment
from xpbench.ledger import experiments


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
