"""What a memo's payload says of the ledger; verifying derives it again, without numpy or the plan's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.ledger.entry import START, Entry, Witness
from xpbench.ledger.knowledge import knowledge
from xpbench.ledger.signature import fingerprint


def story(readout: Mapping[str, Any], entries: Sequence[Entry], *, decision: Entry | None = None) -> dict[str, Any]:
    """The parts of a payload that follow from the ledger alone (and from who was asked to sign).

    Args:
        readout: As a dictionary; its plan and its recommendation are read.
        entries: Verified, with a registration.
        decision: The entry of the decision in force; the last one where it is missing.
    """
    first = next(e for e in entries if e.kind == "registered")
    return {
        "registered": {"at": first.at, "by": first.by or "", "plan_digest": str(first.body["plan_digest"])},
        "amendments": _amendments(entries),
        "waivers": [{"at": e.at, "by": e.by or "", "what": _words(e.body)} for e in entries if e.kind == "waived"],
        "sign_offs": _sign_offs(readout["plan"], entries),
        "decision": _decision(decision or _last_decision(entries), readout["recommendation"]),
        "ledger": {
            "lines": [e.line.decode("utf-8") for e in entries],
            "entries": [
                {
                    "seq": e.seq,
                    "at": e.at,
                    "kind": e.kind,
                    "by": e.by or "",
                    "digest": e.digest,
                    "set_back_seconds": e.set_back_seconds,
                }
                for e in entries
            ],
            "witness": Witness(len(entries), entries[-1].digest if entries else START).to_dict(),
        },
    }


def _amendments(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    out = []
    for i, entry in enumerate(entries):
        if entry.kind != "amended":
            continue
        changes = entry.body.get("changes", [])
        out.append(
            {
                "at": entry.at,
                "by": entry.by or "",
                "reason": str(entry.body.get("reason", "")),
                "knowledge": knowledge(entries[:i]),
                "changes": [str(c.get("pointer", c)) if isinstance(c, Mapping) else str(c) for c in changes],
                "seq": entry.seq,
            }
        )
    return out


def _signature(entry: Entry) -> dict[str, str]:
    """Kind and key of the signature of a sign-off, and what it covers; empty where there is none."""
    given = entry.body.get("signature")
    if not isinstance(given, Mapping):
        return {"signature": "", "key": "", "covers": ""}
    covers = "plan and decision" if "decision" in entry.body else "plan"
    return {"signature": str(given.get("kind", "")), "key": fingerprint(given), "covers": covers}


def _sign_offs(plan: Mapping[str, Any], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    signed = [
        {
            "name": str(e.by or e.body.get("name", "")),
            "at": e.at,
            "plan_digest": str(e.body.get("plan_digest", "")),
            "needed_for": str(e.body.get("for", "")),
            "role": str(e.body.get("role") or ""),
            **_signature(e),
        }
        for e in entries
        if e.kind == "signed_off"
    ]
    names = {s["name"] for s in signed}
    for person in plan.get("sign_offs", []):
        match = next((s for s in signed if s["name"] == person["name"]), None)
        if match is None:
            signed.append(
                {
                    "name": person["name"],
                    "at": "",
                    "plan_digest": "",
                    "needed_for": person.get("needed_for", ""),
                    "role": person.get("role") or "",
                    "signature": "",
                    "key": "",
                    "covers": "",
                }
            )
        elif person["name"] in names:
            match["role"] = match["role"] or person.get("role") or ""
            match["needed_for"] = match["needed_for"] or person.get("needed_for", "")
    return signed


def _last_decision(entries: Sequence[Entry]) -> Entry | None:
    return next((e for e in reversed(entries) if e.kind in ("decided", "deferred")), None)


def _decision(last: Entry | None, recommendation: Mapping[str, Any]) -> dict[str, Any] | None:
    if last is None:
        return None
    outcome = str(last.body.get("outcome", "defer")) if last.kind == "decided" else "defer"
    variant = str(last.body.get("variant") or "")
    return {
        "outcome": outcome,
        "variant": variant,
        "because": str(last.body.get("because") or last.body.get("reason") or ""),
        "by": last.by or "",
        "at": last.at,
        "seq": last.seq,
        "follows_rule": (outcome, variant) == (recommendation["outcome"], recommendation["variant"]),
    }


def _words(body: Mapping[str, Any]) -> str:
    return "; ".join(f"{k}: {v}" for k, v in body.items() if isinstance(v, (str, int, float)))
