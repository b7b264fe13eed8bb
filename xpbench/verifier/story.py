"""The parts of a payload that the ledger's entries fix, derived from them a second time."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from xpbench.verifier.chain import level_of
from xpbench.verifier.report import J, Notes
from xpbench.verifier.text import canonical, sha256


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
            body = e["body"]
            out.append(
                {
                    "name": str(e["by"] or body.get("name", "")),
                    "at": e["at"],
                    "plan_digest": str(body.get("plan_digest", "")),
                    "needed_for": str(body.get("for", "")),
                    "role": _text(body.get("role")),
                    **_signature(body),
                }
            )
    for person in plan.get("sign_offs", []):
        role, needed = _text(person.get("role")), person.get("needed_for", "")
        mine = next((s for s in out if s["name"] == person["name"]), None)
        if mine is None:
            blank = {"at": "", "plan_digest": "", "signature": "", "key": "", "covers": ""}
            out.append({"name": person["name"], "needed_for": needed, "role": role, **blank})
        else:
            mine["role"], mine["needed_for"] = mine["role"] or role, mine["needed_for"] or needed
    return out


def _signature(body: J) -> dict[str, str]:
    given = body.get("signature")
    if not isinstance(given, dict):
        return {"signature": "", "key": "", "covers": ""}
    covers = "plan and decision" if "decision" in body else "plan"
    return {"signature": str(given.get("kind", "")), "key": key_fingerprint(given), "covers": covers}


def key_fingerprint(given: J) -> str:
    """SHA-256 of the public key as OpenSSH writes it; "" where there is no readable key."""
    public = str(given.get("public_key", ""))
    try:
        blob = (
            base64.b64decode(public.split()[1], validate=True) if given.get("kind") == "ssh" else _wire(bytes.fromhex(public))
        )
    except (ValueError, IndexError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _wire(raw: bytes) -> bytes:
    """An Ed25519 key in OpenSSH's form: lengths of four bytes, then name and key."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", raw))


def check_sign_offs(notes: Notes, entries: Sequence[J], heads: Sequence[str]) -> None:
    """A signature is bound to the ledger that it was given in, and to the decision and the data on record by then."""
    for e in entries:
        body = e["body"]
        if e["kind"] != "signed_off" or not isinstance(body.get("signature"), dict):
            continue
        where = f"sign-off of {body.get('name')}"
        if e["by"] is not None:
            notes.same(f"{where}, name", body.get("name"), e["by"])
        plans = [p["body"].get("plan_digest") for p in entries[: e["seq"] - 1] if p["kind"] in ("registered", "amended")]
        notes.same(f"{where}, plan", plans[-1] if plans else None, body.get("plan_digest"))
        if "head" not in body:
            continue
        length, _, digest = str(body["head"]).partition(":")
        place = int(length) if length.isascii() and length.isdigit() else 0
        own = heads[place - 1] if 0 < place < e["seq"] else "no such entry"
        if not notes.same(f"{where}, ledger", own, digest):
            continue
        decided = next((d for d in reversed(entries[:place]) if d["kind"] in ("decided", "deferred")), None)
        told = body.get("decision")
        if (told is None) != (decided is None):
            notes.differs(f"{where}, decision", "the decision on record" if decided else "none yet", told or "nothing")
        elif decided is not None:
            on_record = decided["body"]
            notes.same(
                f"{where}, decision",
                [decided["seq"], on_record.get("outcome", "defer"), on_record.get("variant") or ""],
                [told.get("seq"), told.get("outcome"), told.get("variant")],
            )
            notes.same(f"{where}, readout", on_record.get("readout_digest", ""), told.get("readout_digest"))
            looks = [x["body"].get("fingerprint") for x in entries[: decided["seq"] - 1] if x["kind"] in ("opened", "peeked")]
            if told.get("data") not in looks:
                notes.differs(f"{where}, data", "data of a look on record", told.get("data"))


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
    """What the payload says of the ledger is what the entries say, to the last name."""
    check_sign_offs(notes, entries, [sha256(line) for line in payload["ledger"]["lines"]])
    for name, expected in told_by(entries, payload["readout"]).items():
        if payload["schema"] == 1 and name == "sign_offs":
            expected = [{k: v for k, v in one.items() if k not in ("key", "covers")} for one in expected]
        if canonical(expected) != canonical(payload[name]):
            notes.differs(f"{name}, from the ledger", canonical(expected), canonical(payload[name]))
