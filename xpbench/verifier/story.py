"""The parts of a payload that the ledger's entries fix, derived from them a second time."""

from __future__ import annotations

from collections.abc import Sequence

from xpbench.verifier.chain import level_of
from xpbench.verifier.report import J, Notes
from xpbench.verifier.text import canonical


def _person(entry: J) -> str:
    return entry["by"] or ""


def _text(value: J) -> str:
    return str(value or "")


def told_by(entries: Sequence[J], readout: J) -> dict[str, J]:
    """Amendments, waivers, sign-offs and the decision as the entries have them.

    Args:
        entries: Of a chain that holds.
        readout: Its plan says who was asked to sign, its recommendation whether the decision follows the rule.
    """
    amendments = [
        {
            "at": e["at"],
            "by": _person(e),
            "reason": str(e["body"].get("reason", "")),
            "knowledge": level_of(entries[:i]),
            "changes": [str(c.get("pointer", c)) if isinstance(c, dict) else str(c) for c in e["body"].get("changes", [])],
            "seq": e["seq"],
        }
        for i, e in enumerate(entries)
        if e["kind"] == "amended"
    ]
    waivers = [
        {
            "at": e["at"],
            "by": _person(e),
            "what": "; ".join(f"{k}: {v}" for k, v in e["body"].items() if isinstance(v, (str, int, float))),
        }
        for e in entries
        if e["kind"] == "waived"
    ]
    return {
        "amendments": amendments,
        "waivers": waivers,
        "sign_offs": _signed(entries, readout["plan"]),
        "decision": _decided(entries, readout["recommendation"]),
    }


def _signed(entries: Sequence[J], plan: J) -> list[J]:
    out = []
    for e in entries:
        if e["kind"] == "signed_off":
            body, signature = e["body"], e["body"].get("signature")
            out.append(
                {
                    "name": str(e["by"] or body.get("name", "")),
                    "at": e["at"],
                    "plan_digest": str(body.get("plan_digest", "")),
                    "needed_for": str(body.get("for", "")),
                    "role": str(body.get("role", "")),
                    "signature": str(signature.get("kind", "")) if isinstance(signature, dict) else "",
                }
            )
    for person in plan.get("sign_offs", []):
        role, needed = _text(person.get("role")), person.get("needed_for", "")
        mine = next((s for s in out if s["name"] == person["name"]), None)
        if mine is None:
            blank = {"at": "", "plan_digest": "", "signature": ""}
            out.append({"name": person["name"], "needed_for": needed, "role": role, **blank})
        else:
            mine["role"], mine["needed_for"] = mine["role"] or role, mine["needed_for"] or needed
    return out


def _decided(entries: Sequence[J], recommendation: J) -> J:
    last = next((e for e in reversed(entries) if e["kind"] in ("decided", "deferred")), None)
    if last is None:
        return None
    body = last["body"]
    outcome = str(body.get("outcome", "defer")) if last["kind"] == "decided" else "defer"
    variant = _text(body.get("variant"))
    return {
        "outcome": outcome,
        "variant": variant,
        "because": str(body.get("because") or body.get("reason") or ""),
        "by": _person(last),
        "at": last["at"],
        "seq": last["seq"],
        "follows_rule": (outcome, variant) == (recommendation["outcome"], recommendation["variant"]),
    }


def check_told(notes: Notes, payload: J, entries: Sequence[J]) -> None:
    """What the payload tells of the ledger is what the entries say, to the last name."""
    for name, expected in told_by(entries, payload["readout"]).items():
        if canonical(expected) != canonical(payload[name]):
            notes.differs(f"{name}, from the ledger", canonical(expected), canonical(payload[name]))
