"""Amending: a plan in force is replaced by a linked record of what changed, why, and what had been seen by then."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.decide.drift.drift_lock import recorded
from xpbench.errors import DecisionError, plain
from xpbench.experiment.opening import plan_in_force
from xpbench.experiment.reasons import ensure_reason
from xpbench.ledger import Entry, Ledger, Witness, knowledge
from xpbench.plan import Plan
from xpbench.plan.amendable import pointers_of_drop
from xpbench.plan.diff import Change, diff
from xpbench.plan.reading import ensure_registrable

FROZEN_PARTS = ("/key", "/unit", "/assignment", "/variants", "/dropped")
"""What an amendment may not touch: it decides which unit gets which variant."""

_LABEL = re.compile(r"/variants/\[[^\]]*\]/name\Z")
_SHARE = re.compile(r"/assignment/rollout/\[[^\]]*\]/share\Z")


def record_amendment(ledger: Ledger, after: Plan, *, reason: str, by: str | None, base: Witness, undo: bool = True) -> None:
    """Put an amendment on record: what changes, and what had been seen, are derived from the ledger under its lock.

    Args:
        ledger: Of the experiment.
        after: The plan that replaces the one in force.
        reason: Why.
        by: Who.
        base: The head of the ledger at which the new plan was prepared.
        undo: Whether it may put a field back to what it was before an earlier amendment.

    Raises:
        InvalidPlan: the new plan has problems.
        DecisionError: `XPB-R07` it would reassign units, `XPB-R02` no reason, `XPB-R10` no change,
            `XPB-R18` it undoes an earlier one.
        LedgerError: `XPB-L16`, somebody amended, decided or restarted since.
    """
    ensure_reason(reason, "an amendment")
    ensure_registrable(after)
    locks = recorded(after)

    def made(entries: tuple[Entry, ...]) -> Mapping[str, Any]:
        before = Plan(**plan_in_force(entries))
        changes = diff(before.to_dict(), after.to_dict())
        if not changes:
            raise DecisionError("XPB-R10")
        drop = pointers_of_drop(before.to_dict(), after.to_dict())
        if drop:
            _ensure_it_runs(entries, before, after)
        for change in changes:
            frozen = change.pointer.startswith(FROZEN_PARTS) and not _LABEL.match(change.pointer) and change.pointer not in drop
            if frozen and not _is_ramp(change, before):
                raise DecisionError("XPB-R07", pointer=plain(change.pointer))
        if not undo:
            _ensure_nothing_undone(changes, entries)
        return {
            "plan": after.to_dict(),
            "plan_digest": after.digest,
            "replaces": before.digest,
            "changes": [c.to_dict() for c in changes],
            "reason": reason,
            "knowledge": knowledge(entries),
            "locks": locks,
        }

    ledger.append("amended", made, by=by, base=base)


def _ensure_nothing_undone(changes: Sequence[Change], entries: Sequence[Entry]) -> None:
    """Nothing, where no change puts a field back to what it was before an earlier amendment.

    Raises:
        DecisionError: `XPB-R18`, one does: the new plan may have been made from an older one.
    """
    for entry in reversed(entries):
        if entry.kind == "amended":
            for change in changes:
                for earlier in entry.body.get("changes", ()):
                    told = change.to_dict()
                    if (told["pointer"], told["before"], told["after"]) == tuple(
                        earlier.get(k) for k in ("pointer", "after", "before")
                    ):
                        raise DecisionError("XPB-R18", pointer=plain(change.pointer), seq=entry.seq, by=entry.by or "")


def _ensure_it_runs(entries: Sequence[Entry], before: Plan, after: Plan) -> None:
    """Return only if a treatment may be dropped still: no look had all units, and nothing is decided.

    Raises:
        DecisionError: `XPB-R34`.
    """
    gone = ", ".join(v.key for v in before.variants if v.key not in {w.key for w in after.variants})
    most = math.inf if before.model.kind == "sequential" else before.horizon.units or math.inf
    for entry in entries:
        is_last = entry.kind in ("opened", "peeked") and (entry.body["n"] >= most or bool(entry.body.get("last")))
        if is_last or entry.kind == "decided":
            reason = f"entry {entry.seq} is its last planned look" if is_last else "there is a decision on record"
            raise DecisionError("XPB-R34", value=gone, reason=plain(reason))


def _is_ramp(change: Change, plan: Plan) -> bool:
    """Whether a change only lets more units into a rollout group, which reassigns nobody.

    The variant comes from a hash of its own, so a larger share adds units and moves none, as long as no group has splits or a
    variant of its own.
    """
    if plan.assignment is None or not _SHARE.match(change.pointer):
        return False
    plain_groups = all(g.splits is None and g.variant is None for g in plan.assignment.rollout)
    return plain_groups and change.before is not None and change.after is not None and change.after > change.before
