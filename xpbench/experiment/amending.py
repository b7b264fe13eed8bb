"""Amending: a plan in force is replaced by a linked record of what changed, why, and what had been seen by then."""

from __future__ import annotations

import re

from xpbench.decide.drift.drift_lock import recorded
from xpbench.errors import DecisionError, plain
from xpbench.experiment.reasons import ensure_reason
from xpbench.ledger import Ledger, knowledge
from xpbench.plan import Plan
from xpbench.plan.diff import Change, diff
from xpbench.plan.reading import ensure_registrable

FROZEN_PARTS = ("/key", "/unit", "/assignment", "/variants")
"""What an amendment may not touch: it decides which unit gets which variant."""

_LABEL = re.compile(r"/variants/\[[^\]]*\]/name\Z")
_SHARE = re.compile(r"/assignment/rollout/\[[^\]]*\]/share\Z")


def record_amendment(ledger: Ledger, before: Plan, after: Plan, *, reason: str, by: str | None) -> None:
    """Put an amendment on record.

    Args:
        ledger: Of the experiment.
        before: The plan in force.
        after: The plan that replaces it.
        reason: Why.
        by: Who.

    Raises:
        InvalidPlan: the new plan has problems.
        DecisionError: `XPB-R07` it would reassign units, `XPB-R02` no reason, `XPB-R10` no change.
    """
    ensure_reason(reason, "an amendment")
    ensure_registrable(after)
    changes = diff(before.to_dict(), after.to_dict())
    if not changes:
        raise DecisionError("XPB-R10")
    for change in changes:
        frozen = change.pointer.startswith(FROZEN_PARTS) and not _LABEL.match(change.pointer)
        if frozen and not _is_ramp(change, before):
            raise DecisionError("XPB-R07", pointer=plain(change.pointer))
    entries = ledger.entries()
    ledger.append(
        "amended",
        {
            "plan": after.to_dict(),
            "plan_digest": after.digest,
            "replaces": before.digest,
            "changes": [c.to_dict() for c in changes],
            "reason": reason,
            "knowledge": knowledge(entries),
            "locks": recorded(after),
        },
        by=by,
    )


def _is_ramp(change: Change, plan: Plan) -> bool:
    """Whether a change only lets more units into a rollout group, which reassigns nobody.

    The variant comes from a hash of its own, so a larger share adds units and moves none, as long as no group has splits or a
    variant of its own.
    """
    if plan.assignment is None or not _SHARE.match(change.pointer):
        return False
    plain_groups = all(g.splits is None and g.variant is None for g in plan.assignment.rollout)
    return plain_groups and change.before is not None and change.after is not None and change.after > change.before
