"""Registering: a plan is frozen as the first entry of a new ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpbench._version import __version__
from xpbench.canonical import digest
from xpbench.decide.drift.drift_lock import recorded
from xpbench.decide.rule import rule_digest
from xpbench.errors import LedgerError, XpbenchError
from xpbench.experiment.facade import Experiment, open_experiment
from xpbench.experiment.opening import keep_plan
from xpbench.ledger import Clock, Ledger, create, system_clock
from xpbench.ledger.folder import LEDGER, PLAN
from xpbench.plan import Plan
from xpbench.plan.methods import METHODS
from xpbench.plan.reading import ensure_registrable, read_document


def register(
    plan: Plan,
    root: str | Path = "experiments",
    *,
    by: str | None = None,
    retrospective: bool = False,
    clock: Clock = system_clock,
    agent: str = "",
    confirmed: Mapping[str, Any] | None = None,
) -> Experiment:
    """Freeze a plan: `<root>/<key>/plan.json` and the first entry of its ledger.

    Args:
        plan: A plan without problems.
        root: Folder of all experiments.
        by: Who registers.
        retrospective: The plan looks back on data that exist. It is stamped RETROSPECTIVE wherever it shows, and never counts
            as a plan from before the data.
        clock: Where times come from.
        agent: Program that registers on behalf of `by`; "" for a person.
        confirmed: Who has confirmed the plan, and when, where a program registers it.

    Raises:
        InvalidPlan: with all problems; nothing is written.
        AssignError: `XPB-A17`, it shares units with a running experiment of its layer.
        LedgerError: `XPB-L03`, the key is registered already; `XPB-L19`, its name in the log belongs to another experiment.
    """
    return enter(plan, root, by=by, clock=clock, retrospective=retrospective, agent=agent, confirmed=confirmed)


def enter(
    plan: Plan,
    root: str | Path,
    *,
    by: str | None,
    clock: Clock,
    follows: Mapping[str, Any] | None = None,
    retrospective: bool = False,
    agent: str = "",
    confirmed: Mapping[str, Any] | None = None,
) -> Experiment:
    """Freeze a plan, as `register` says; the next run of a lineage also names the run that it follows."""
    from xpbench.experiment.neighbours import ensure_name_free, ensure_room_beside  # bring the randomiser: no readout's need

    ensure_registrable(plan)
    ensure_room_beside(plan, root)
    ensure_name_free(plan, root, earlier=() if follows is None else follows["runs"])
    body: dict[str, Any] = {
        "plan": plan.to_dict(),
        "plan_digest": plan.digest,
        "rule_digest": rule_digest(plan.decision, methods=METHODS),
        "locks": recorded(plan),
        "xpbench": __version__,
        "methods": METHODS,
    }
    if retrospective:
        body["retrospective"] = True
    if confirmed is not None:
        body["confirmed"] = dict(confirmed)
    if follows is not None:
        body["follows"] = dict(follows)
    folder = create(root, plan.key)
    _clear(folder, plan)
    try:
        Ledger(folder / LEDGER, clock=clock, agent=agent).append("registered", body, by=by)
    except LedgerError as error:
        if error.code == "XPB-L13":  # somebody else was first: the lock lets one of them in
            raise LedgerError("XPB-L03", key=plan.key, root=str(root)) from None
        raise
    keep_plan(folder, Ledger(folder / LEDGER).entries())
    return open_experiment(plan.key, root, clock=clock, agent=agent)


def _clear(folder: Path, plan: Plan) -> None:
    """Take away a plan.json that is another plan: a draft, or what a registration left that failed.

    So plan.json is written after the first entry alone, and a process that is killed in between leaves a folder that opens.
    """
    try:
        if digest(read_document(folder / PLAN)) == plan.digest:
            return
    except XpbenchError:
        pass
    with contextlib.suppress(OSError):
        (folder / PLAN).unlink()
