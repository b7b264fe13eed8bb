"""The other experiments of a root that run at the same time: a new plan must not share units that its layer promises apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from xpbench.errors import AssignError, LedgerError, XpbenchError, plain
from xpbench.experiment.facade import open_experiment
from xpbench.ledger import experiments
from xpbench.ledger.folder import PLAN
from xpbench.plan import Plan
from xpbench.plan.reading import read_document

OVER = frozenset({"decided", "watched", "overdue", "breached", "restarted"})
"""States after a decision or a restart: the experiment assigns nobody any more."""


def running_plans(root: str | Path, *, besides: str) -> tuple[list[Plan], list[str]]:
    """Return the plans in force of the experiments of a root that are not decided, and the keys that can't be read.

    Args:
        root: Folder of all experiments.
        besides: Key of the experiment that asks.
    """
    plans, unreadable = [], []
    for listed in experiments(root):
        if listed.key == besides:
            continue
        try:
            found = open_experiment(listed.key, root)
            if found.status().state not in OVER:
                plans.append(found.plan)
        except XpbenchError:
            unreadable.append(listed.key)
    return plans, unreadable


def ensure_room_beside(plan: Plan, root: str | Path) -> None:
    """Return only if the plan keeps the promises of its layer and holdout next to the running experiments of a root.

    Warns:
        AssignWarning: another experiment draws the same number for every unit (same hash and salt), or can't be read.

    Raises:
        AssignError: `XPB-A17`, ranges of one layer overlap, or salts of one layer or holdout differ.
    """
    if plan.assignment is None or not Path(root).is_dir():
        return
    from xpbench.randomiser.changes import check_layers  # these bring an engine, which a readout may not need
    from xpbench.randomiser.flags import AssignWarning
    from xpbench.randomiser.preflight.correlations import same_numbers

    plans, unreadable = running_plans(root, besides=plan.key)
    for other in plans:
        for finding in check_layers([plan, other]):
            raise AssignError(
                "XPB-A17", key=plan.key, root=str(root), reason=plain(finding.message), remedy=plain(finding.remedy.rstrip("."))
            )
        reused = same_numbers(plan, other)
        if reused is not None:
            warnings.warn(
                f"{plan.key} uses {reused} of {other.key}, too: both draw the same number for every unit, so whoever sees the "
                "treatment here sees it there. Give each experiment its own salt.",
                AssignWarning,
                stacklevel=3,
            )
    for key in unreadable:
        warnings.warn(f"{key} can't be read and was not compared with {plan.key}.", AssignWarning, stacklevel=3)


def ensure_name_free(plan: Plan, root: str | Path, *, earlier: Sequence[str] = ()) -> None:
    """Return only if no other experiment of the root owns the plan's name in the log, or the plan says from when it counts.

    Exposures of two experiments under one name can't be told apart, unless those of the later one count from a day on.

    Args:
        plan: To be registered.
        root: Folder of all experiments.
        earlier: Keys of the runs that it follows, which have the name by right.

    Raises:
        LedgerError: `XPB-L19`, with the experiment that has the name.
    """
    if plan.exposure.start is not None or not Path(root).is_dir():
        return
    for listed in experiments(root):
        if listed.key in (plan.key, *earlier) or listed.status != "ok":
            continue
        try:
            document = read_document(listed.path / PLAN)  # one read for each experiment; the ledger is asked where it matters
            name = (document.get("exposure") or {}).get("experiment") or document.get("key")
            if name == plan.experiment_name and open_experiment(listed.key, root).plan.experiment_name == name:
                raise LedgerError("XPB-L19", name=name, key=listed.key)
        except (XpbenchError, AttributeError) as error:
            if isinstance(error, LedgerError) and error.code == "XPB-L19":
                raise
