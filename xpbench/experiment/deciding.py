"""Deciding: a decision on record, and the readout it rests on frozen next to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xpbench.canonical import digest
from xpbench.decide.readout import Readout, SealedReadout
from xpbench.errors import DecisionError, SealedError, nearest, plain
from xpbench.experiment.binding import ensure_as_shown, later_looks, look_of
from xpbench.experiment.opening import decision_of
from xpbench.experiment.reasons import ensure_reason
from xpbench.ledger import Entry, Ledger, Witness
from xpbench.ledger.folder import FORMER_READOUT, frozen_readout, has_readout, save_readout
from xpbench.ledger.grammar import brief
from xpbench.plan import Plan

READOUT = FORMER_READOUT
"""Where earlier releases kept the readout of a decision; `readout_path` says where it is kept now."""

DECISIONS = ("ship", "ship none", "iterate", "defer")


def frozen_part(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries that a frozen memo holds: up to the decision in force, or to the last sign-off or time stamp after it.

    What came after a later amendment speaks of another plan.
    """
    decision = decision_of(entries)
    if decision is None:
        return entries
    end = next((e.seq - 1 for e in entries[decision.seq :] if e.kind == "amended"), len(entries))
    last = next((e for e in reversed(entries[decision.seq : end]) if e.kind in ("signed_off", "stamped")), decision)
    return entries[: last.seq]


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
    supersedes: int | None = None,
) -> Entry:
    """Keep the readout under its digest, then put the decision on record; arguments and errors as for `Experiment.decide`."""
    opened = _decidable(plan, readout, outcome, variant=variant, because=because, by=by)
    entries = ledger.entries()
    look = look_of(entries, opened)
    ensure_as_shown(plan, opened, look, entries)
    chosen = variant if outcome == "ship" else None
    said = {"outcome": outcome, "variant": chosen, "because": because}
    earlier = decision_of(entries)
    if earlier is not None and _is_same(earlier, said, by, digest(opened.to_dict()), supersedes):
        return earlier
    if earlier is not None and supersedes != earlier.seq and earlier.kind == "decided":
        raise DecisionError("XPB-R17", seq=earlier.seq, by=earlier.by or "", told=plain(brief(earlier)))
    advice = opened.recommendation
    later = later_looks(entries, look)
    follows = outcome == advice.outcome and (outcome != "ship" or chosen == advice.variant) and not later
    seen = look if earlier is None or look.seq > earlier.seq else earlier
    name = save_readout(folder, opened.to_dict())
    return ledger.append(
        "deferred" if outcome == "defer" else "decided",
        {
            **said,
            "recommended": advice.outcome,
            "recommended_variant": advice.variant,
            "rule_rows": list(advice.rows),
            "follows_rule": follows,
            "readout_digest": name,
            "plan_digest": plan.digest,
            "look": {"seq": look.seq, "digest": look.digest},
            "later_looks": [e.seq for e in later],
            "stamps": list(opened.stamps),
            "supersedes": earlier.seq if earlier is not None and supersedes is None else supersedes,
        },
        by=by,
        base=Witness(seen.seq, seen.digest),
    )


def _is_same(earlier: Entry, said: Mapping[str, Any], by: str, readout_digest: str, supersedes: int | None) -> bool:
    """Whether the decision in force is this very one: a button that was pressed twice."""
    body = earlier.body
    return (
        supersedes in (None, body.get("supersedes"))
        and all(body.get(name) == value for name, value in said.items())
        and earlier.by == by
        and body.get("readout_digest") == readout_digest
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
    document = frozen_readout(folder, str(decision.body["readout_digest"]))
    if document is None:
        if not has_readout(folder):
            raise DecisionError("XPB-R08", key=key)
        raise DecisionError("XPB-R05", found=plain("another decision"), expected=decision.body["readout_digest"][:12])
    return Readout.from_dict(document)
