"""The other experiments of a root that run at the same time: a new plan must not share units that its layer promises apart."""

from __future__ import annotations

import warnings
from pathlib import Path

from xpbench.errors import AssignError, XpbenchError, plain
from xpbench.experiment.facade import open_experiment
from xpbench.ledger import experiments
from xpbench.plan import Plan
from xpbench.randomiser.changes import check_layers
from xpbench.randomiser.flags import AssignWarning
from xpbench.randomiser.preflight.correlations import same_numbers

OVER = frozenset({"decided", "watched", "overdue", "breached"})
"""States after a decision: the experiment assigns nobody any more."""


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
    """Return only if the plan keeps the promises of its layer and holdout beside the running experiments of a root.

    Warns:
        AssignWarning: another experiment draws the same number for every unit (same hash and salt), or can't be read.

    Raises:
        AssignError: `XPB-A17`, ranges of one layer overlap, or salts of one layer or holdout differ.
    """
    if plan.assignment is None or not Path(root).is_dir():
        return
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
