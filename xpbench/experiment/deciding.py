"""Deciding: a decision on record, and the readout it rests on frozen beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from xpbench.canonical import digest
from xpbench.decide.readout import Readout, SealedReadout
from xpbench.errors import DecisionError, SealedError, nearest, plain
from xpbench.experiment.reasons import ensure_reason
from xpbench.files import write_atomic
from xpbench.ledger import Entry, Ledger
from xpbench.plan import Plan

READOUT = "readout.json"
"""The readout a decision rests on, frozen when the decision is made."""

DECISIONS = ("ship", "ship none", "iterate", "defer")


def decision_of(entries: Sequence[Entry]) -> Entry | None:
    """The decision in force, or None."""
    return next((e for e in reversed(entries) if e.kind in ("decided", "deferred")), None)


def record_decision(
    plan: Plan,
    ledger: Ledger,
    folder: Path,
    readout: Readout | SealedReadout,
    outcome: str,
    *,
    variant: str | None,
    because: str,
    by: str,
) -> Entry:
    """Freeze the readout in the folder, then put the decision on record; arguments and errors as for `Experiment.decide`."""
    opened = _decidable(plan, readout, outcome, variant=variant, because=because, by=by)
    chosen = variant if outcome == "ship" else None
    advice = opened.recommendation
    follows = outcome == advice.outcome and (outcome != "ship" or chosen == advice.variant)
    earlier = decision_of(ledger.entries())
    document = opened.to_dict()
    write_atomic(folder / READOUT, (json.dumps(document, ensure_ascii=False) + "\n").encode())
    return ledger.append(
        "deferred" if outcome == "defer" else "decided",
        {
            "outcome": outcome,
            "variant": chosen,
            "because": because,
            "recommended": advice.outcome,
            "recommended_variant": advice.variant,
            "rule_rows": list(advice.rows),
            "follows_rule": follows,
            "readout_digest": digest(document),
            "plan_digest": plan.digest,
            "supersedes": earlier.seq if earlier is not None else None,
        },
        by=by,
    )


def _decidable(
    plan: Plan, readout: Readout | SealedReadout, outcome: str, *, variant: str | None, because: str, by: str
) -> Readout:
    """The readout, if this decision may rest on it."""
    if isinstance(readout, SealedReadout):
        raise SealedError("XPB-R01", key=plan.key, reason=plain(readout.due.reason))
    if readout.key != plan.key or readout.plan_digest != plan.digest:
        raise DecisionError(
            "XPB-R05",
            found=f"{readout.key} with plan {readout.plan_digest[:12]}",
            expected=f"{plan.key} with plan {plan.digest[:12]}",
        )
    if outcome not in DECISIONS:
        raise DecisionError("XPB-R03", value=outcome, hint=plain(nearest(outcome, DECISIONS)))
    names = [v.key for v in plan.treatments]
    if outcome == "ship" and variant not in names:
        raise DecisionError("XPB-R04", value=variant or "", hint=plain(nearest(variant or "", names)))
    ensure_reason(because, "a decision")
    if not by.strip():
        raise DecisionError("XPB-R09")
    return readout


def decided_readout(key: str, folder: Path, decision: Entry | None) -> Readout:
    """The readout that a decision rests on, as it was frozen.

    Raises:
        DecisionError: `XPB-R06`, nothing is decided; `XPB-R08`, there is no readout; `XPB-R05`, the file differs from what
            was decided on.
    """
    if decision is None:
        raise DecisionError("XPB-R06", key=key)
    path = folder / READOUT
    if not path.is_file():
        raise DecisionError("XPB-R08", key=key)
    document = json.loads(path.read_bytes())
    if digest(document) != decision.body["readout_digest"]:
        raise DecisionError("XPB-R05", found=f"readout {digest(document)[:12]}", expected=decision.body["readout_digest"][:12])
    return Readout.from_dict(document)
