"""Where the analysis differs from the plan as first registered, field by field, and what was known when it changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from xpbench.decide.looks import Look
from xpbench.decide.readout import RESTARTED, SEVERAL, SHARED
from xpbench.ledger import Entry
from xpbench.ledger.knowledge import choices_of, data_of, ends_by_choice, goes_back
from xpbench.plan import Plan
from xpbench.plan.amendable import class_of, pointers_of_drop
from xpbench.plan.design import Frequentist
from xpbench.plan.diff import diff

Class = Literal["amendment before data", "amendment after outcomes", "amendment after effects", "undeclared", "ended short"]

_BEFORE = ("nothing assigned", "no outcomes computed")


def deviations_of(entries: Iterable[Entry], used: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Every field in which the plan that was used differs from the one first registered.

    A change that an amendment made is classed by what had been seen when it was recorded. Where effects had been seen, or a
    gate of the health had failed, a change of a field that can turn a result (`plan.amendable`) is `amendment after effects`
    and stamps the readout. A change that no amendment made is `undeclared` and makes a readout exploratory.

    Args:
        entries: Of the ledger.
        used: The plan that the analysis used, as a dictionary.

    Returns:
        Pointer, value before and after, class, entry of the amendment (0 if undeclared), its reason.
    """
    out: list[Mapping[str, Any]] = []
    in_force: Mapping[str, Any] | None = None
    gate_failed = False
    for entry in entries:
        gate_failed = gate_failed or bool(entry.body.get("health", {}).get("gates"))
        if entry.kind == "registered":
            in_force = entry.body["plan"]
        elif entry.kind == "amended":
            known = "effects seen" if gate_failed else entry.body["knowledge"]
            drop = pointers_of_drop(in_force, entry.body["plan"]) if in_force is not None and not gate_failed else ()
            out += [
                {
                    **change,
                    "class": _class(known, change["pointer"], is_drop=change["pointer"] in drop),
                    "seq": entry.seq,
                    "at": entry.at,
                    "reason": entry.body["reason"],
                }
                for change in entry.body["changes"]
            ]
            in_force = entry.body["plan"]
    if in_force is not None:
        out += [
            {**change.to_dict(), "class": "undeclared", "seq": 0, "at": "", "reason": ""} for change in diff(in_force, used)
        ]
    return tuple(out)


def _class(known: str, pointer: str, *, is_drop: bool) -> Class:
    if known in _BEFORE:
        return "amendment before data"
    turns = known == "effects seen" and class_of(pointer) != "neutral" and not is_drop
    return "amendment after effects" if turns else "amendment after outcomes"


def stamps_of_record(entries: Sequence[Entry], plan: Plan) -> tuple[str, ...]:
    """What a reader must know that follows from the ledger alone, the look at hand being its newest.

    Args:
        entries: With the look at hand.
        plan: In force. A fixed-horizon design is read once; the others have paid for looks at data that grow, and none has
            paid for reading another column, for ending at a look that was seen before, or for going back to older data.
    """
    out = []
    follows = entries[0].body.get("follows") or {}
    if follows.get("effects_seen") or follows.get("knowledge") == "effects seen":
        out.append(RESTARTED)
    looks = [e for e in entries if e.kind in ("opened", "peeked")]
    if any(e.body.get("shared") for e in looks):
        out.append(SHARED)
    at = {data_of(e.body, e.seq) for e in looks}
    several = len(at) > 1 and isinstance(plan.model, Frequentist)
    if several or len({choices_of(e.body) for e in looks} - {""}) > 1 or ends_by_choice(looks) or goes_back(looks):
        out.append(SEVERAL)
    return tuple(out)


def ended_short(plan: Plan, looks: Sequence[Look]) -> tuple[Mapping[str, Any], ...]:
    """The declaration that a look short of the planned units is the last one, as a deviation."""
    planned = plan.horizon.units or 0
    return tuple(
        {
            "pointer": "/horizon/units",
            "before": planned,
            "after": look.units,
            "class": "ended short",
            "seq": look.seq,
            "at": look.at,
            "reason": look.last,
        }
        for look in looks
        if look.last and look.units < planned
    )
