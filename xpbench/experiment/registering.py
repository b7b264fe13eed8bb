"""Registering: a plan is frozen as the first entry of a new ledger."""

from __future__ import annotations

from pathlib import Path

from xpbench._version import __version__
from xpbench.decide.drift.drift_lock import recorded
from xpbench.decide.rule import rule_digest
from xpbench.experiment.facade import Experiment, open_experiment
from xpbench.experiment.neighbours import ensure_room_beside
from xpbench.ledger import Clock, Ledger, create, system_clock
from xpbench.ledger.folder import LEDGER, PLAN
from xpbench.plan import Plan
from xpbench.plan.reading import ensure_registrable


def register(
    plan: Plan,
    root: str | Path = "experiments",
    *,
    by: str | None = None,
    retrospective: bool = False,
    clock: Clock = system_clock,
) -> Experiment:
    """Freeze a plan: `<root>/<key>/plan.json` and the first entry of its ledger.

    Args:
        plan: A plan without problems.
        root: Folder of all experiments.
        by: Who registers.
        retrospective: The plan looks back on data that exist. It is stamped RETROSPECTIVE wherever it shows, and never counts
            as a plan from before the data.
        clock: Where times come from.

    Raises:
        InvalidPlan: with all problems; nothing is written.
        AssignError: `XPB-A17`, it shares units with a running experiment of its layer.
        LedgerError: `XPB-L03`, the key is registered already.
    """
    ensure_registrable(plan)
    ensure_room_beside(plan, root)
    folder = create(root, plan.key)
    plan.save(folder / PLAN)
    Ledger(folder / LEDGER, clock=clock).append(
        "registered",
        {
            "plan": plan.to_dict(),
            "plan_digest": plan.digest,
            "rule_digest": rule_digest(plan.decision),
            "locks": recorded(plan),
            "xpbench": __version__,
            **({"retrospective": True} if retrospective else {}),
        },
        by=by,
    )
    return open_experiment(plan.key, root, clock=clock)
