"""The ledger's chain, and the story in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from xpbench.verifier.bound import is_known, look_on_record, place_then
from xpbench.verifier.grammar import order
from xpbench.verifier.report import J, NewerError, Notes
from xpbench.verifier.text import canonical, loads, sha256

LEDGER_SCHEMA = 2
"""Newest schema of a ledger entry that this program reads."""
START = "0" * 64
_SUM = re.compile(r',"sha256":"([0-9a-f]{64})"\}\Z')
LEVELS = ("nothing assigned", "no outcomes computed", "outcomes computed, unseen", "effects seen")
_SEEN = ("peeked", "opened", "decided", "deferred", "superseded", "memo", "watched")


def chain(lines: Sequence[str]) -> Iterator[tuple[J, str]]:
    """Each entry of a ledger with the SHA-256 of its line; a ValueError says which line does not hold and why."""
    head, last = START, ""
    for number, line in enumerate(lines, 1):
        entry = loads(line)
        if entry["schema"] > LEDGER_SCHEMA:  # which may be written and hashed in another way
            raise NewerError(f"entry {number} of the ledger has schema {entry['schema']}")
        own = _SUM.search(line)
        if own is None or sha256(line[: own.start()] + "}") != own[1]:
            raise ValueError(f"entry {number} was changed: its own SHA-256 does not fit")
        if entry["seq"] != number or entry["prev"] != head:
            raise ValueError(f"entry {number} does not follow from the one before: removed, added, moved, or a fork")
        if entry["at"] < last and not entry.get("set_back_seconds"):
            raise ValueError(f"entry {number} goes back in time and does not say so")
        head, last = sha256(line), entry["at"]
        yield entry, head


def level_of(entries: Sequence[J]) -> str:
    """What had been seen of the experiment by the end of these entries."""
    level = 0
    for entry in entries:
        kind, body = entry["kind"], entry["body"]
        if kind in _SEEN:
            level = max(level, 3 if body.get("effects") is not False else 1)
        elif kind == "looked":
            level = max(level, 2 if body.get("outcomes") is not False else 1)
        elif kind == "launched":
            level = max(level, 1)
    return LEVELS[level]


def check_ledger(notes: Notes, payload: J) -> list[J] | None:
    """The entries, with chain, witness and table checked; None where the chain does not hold."""
    part = payload["ledger"]
    try:
        linked = list(chain(part["lines"]))
    except ValueError as error:
        notes.differs("ledger chain", "a whole chain", str(error))
        return None
    before = len(notes.differences)
    entries = [e for e, _ in linked]
    notes.same("ledger, witness", {"length": len(linked), "digest": linked[-1][1] if linked else START}, part["witness"])
    table = [
        {
            "seq": e["seq"],
            "at": e["at"],
            "kind": e["kind"],
            "by": e["by"] or "",
            "digest": digest,
            "set_back_seconds": e.get("set_back_seconds", 0),
        }
        for e, digest in linked
    ]
    notes.same("ledger, table of entries", canonical(table), canonical(part["entries"]))
    wrong = order(linked)
    if wrong:
        notes.differs("ledger, order of entries", "one plan, registered first, and entries about the plan in force", wrong)
    for entry in entries:
        if entry["kind"] == "stamped":
            seen = entry["body"]["witness"]
            digest = linked[seen["length"] - 1][1] if 0 < seen["length"] < entry["seq"] else None
            notes.same(f"time stamp of entry {entry['seq']}, head", digest, seen["digest"])
    if len(notes.differences) == before:
        notes.checked.append(f"chain of {len(linked)} ledger entries")
    return entries


NEUTRAL = (
    r"/schema",
    r"/(title|owner|notes|template|links|people|audience)",
    r"/variants/\[[^\]]*\]/(name|description|picture)",
    r"/metrics/\[[^\]]*\]/(name|description|currency)",
    r"/watch",
    r"/sign_offs",
    r"/ramp",
    r"/looks",
    r"/planning",
    r"/assignment/rollout/\[[^\]]*\]/share",
)
"""Pointers of fields whose change can't favour anybody."""


def is_neutral(pointer: str) -> bool:
    """Whether a change of the field can't turn a result."""
    return any(re.match(pattern + r"(?=/|\Z| \(order\)\Z)", pointer) for pattern in NEUTRAL)


def as_assigned(plan: J) -> list[J]:
    """Key, split and whether it is the control of every variant, dropped treatments in their places."""
    out = [[v["key"], v["split"], bool(v.get("control"))] for v in plan["variants"]]
    for gone in sorted(plan.get("dropped") or (), key=lambda d: int(d["place"])):
        out.insert(gone["place"], [gone["key"], gone["split"], False])
    return out


def pointers_of_drop(before: J, after: J) -> set[str]:
    """The fields that an amendment changes by dropping treatments and nothing else; corrections go on counting these."""
    own = {v["key"]: v for v in before["variants"]}
    were = {d["key"] for d in before.get("dropped") or ()}
    gone = [d["key"] for d in after.get("dropped") or () if d["key"] not in were]
    if not gone or any(k not in own or own[k].get("control") for k in gone):
        return set()
    if [k for k in own if k not in gone] != [v["key"] for v in after["variants"]] or as_assigned(before) != as_assigned(after):
        return set()
    out = {f"/variants/[{k}]" for k in gone} | ({f"/dropped/[{k}]" for k in gone} if were else {"/dropped"})
    units, splits = (before.get("horizon") or {}).get("units"), [v["split"] for v in before["variants"]]
    for k in gone:
        units = None if units is None else round(units * (sum(splits) - own[k]["split"]) / sum(splits))
        splits.remove(own[k]["split"])
    if units is not None and (after.get("horizon") or {}).get("units") == units:
        out.add("/horizon/units")
    return out


def check_assigned(notes: Notes, entries: Sequence[J]) -> None:
    """No amendment changed which variants there are and how large; a treatment that was dropped stays in the family."""
    plans = [e["body"]["plan"] for e in entries if e["kind"] in ("registered", "amended")]
    for plan in plans[1:]:
        notes.same("variants and splits, as registered", as_assigned(plans[0]), as_assigned(plan))
    gone = [d["key"] for d in plans[-1].get("dropped") or ()]
    if gone:
        notes.checked.append(f"dropped while it ran, and counted by every correction: {', '.join(gone)}")


def _check_found(notes: Notes, entry: J, told: J, amended: Sequence[J], dropped: J) -> None:
    """What a look found, and whether it counts for later ones, as the ledger has it."""
    body, where = entry["body"], f"look of entry {entry['seq']}"
    turned = any(e["seq"] > entry["seq"] and any(not is_neutral(c["pointer"]) for c in e["body"]["changes"]) for e in amended)
    counts = entry["kind"] == "opened" and "findings" in body and not body["health"]["gates"] and not turned
    gone = {d["key"] for d in dropped or ()}
    units = body["n"] - sum(n for k, n in body["units"].items() if k in gone)
    recorded = [units, body.get("last", ""), body.get("findings"), counts and bool(body.get("findings"))]
    shown = [told["units"], told.get("last", ""), told.get("findings"), told.get("counts", False)]
    notes.same(f"{where}, what it found", recorded, shown)


def check_story(notes: Notes, payload: J, entries: list[J]) -> None:
    """Plan, look, readout and decision are those that the ledger has on record, in that order."""
    readout, before = payload["readout"], len(notes.differences)
    first = next((e for e in entries if e["kind"] == "registered"), None)
    if first is None:
        notes.differs("plan", "a registration in the ledger", "none")
        return
    plan, body = readout["plan"], first["body"]
    digest = sha256(canonical(plan))
    notes.same("plan digest", digest, readout["plan_digest"])
    notes.same("plan digest, as registered", sha256(canonical(body["plan"])), body["plan_digest"])
    expected = {"at": first["at"], "by": first["by"] or "", "plan_digest": body["plan_digest"]}
    notes.same("registration", canonical(expected), canonical(payload["registered"]))
    notes.same("experiment", body["plan"]["key"], readout["key"])
    used, promised = readout.get("methods", 1), body.get("methods", 1)
    if used < promised or (used > promised and used != 2):  # an older experiment is read by the second edition at most
        notes.differs("edition of the methods, as registered", promised, used)
    in_force = [e for e in entries if e["kind"] in ("registered", "amended")][-1]
    notes.same("plan in force", sha256(canonical(in_force["body"]["plan"])), digest)
    check_assigned(notes, entries)
    amended = [(i, e) for i, e in enumerate(entries) if e["kind"] == "amended"]
    notes.same(
        "amendments",
        [(e["seq"], level_of(entries[:i])) for i, e in amended],
        [(a["seq"], a["knowledge"]) for a in payload["amendments"]],
    )
    notes.same(
        "amendments, reasons", [e["body"].get("reason", "") for _, e in amended], [a["reason"] for a in payload["amendments"]]
    )
    signed = sorted(str(e["body"].get("name") or e["by"] or "") for e in entries if e["kind"] == "signed_off")
    notes.same("sign-offs", signed, sorted(s["name"] for s in payload["sign_offs"] if s["at"]))
    notes.same("waivers", sum(e["kind"] == "waived" for e in entries), len(payload["waivers"]))
    looks = [e for e in entries if e["kind"] in ("opened", "peeked")]
    look = look_on_record(readout, entries)
    if look is None:
        notes.differs("look", "the readout's look in the ledger", "none at its time")
    else:
        notes.same("look, data fingerprint", look["body"]["fingerprint"], readout["summary"]["fingerprint"])
        notes.same("look, units", look["body"]["units"], readout["summary"]["units"])
        upto = [e for e in looks if is_known(e, look, entries)]
        notes.same(
            "looks",
            [(place_then(e, look), e["kind"] == "opened") for e in upto],
            [(x["seq"], x["planned"]) for x in readout["looks"]],
        )
        for entry, told in zip(upto, readout["looks"], strict=False):
            body, at = entry["body"], (entry["at"], (entry["body"].get("merged") or {}).get("at", ""))
            known = [told["at"] in at, entry["by"] or "", body.get("reason", "")]
            notes.same(
                f"look of entry {entry['seq']}, time, person and reason", known, [True, told["by"] or "", told["reason"]]
            )
            if "agent" in told:  # a readout of an earlier release does not name the program
                notes.same(f"look of entry {entry['seq']}, program", entry.get("agent", ""), told["agent"])
            if "findings" in entry["body"] or "findings" in told:
                before_it = [e for _, e in amended if e["seq"] < look["seq"]]
                _check_found(notes, entry, told, before_it, plan.get("dropped"))
    last = next((e for e in reversed(entries) if e["kind"] in ("decided", "deferred")), None)
    decision = payload["decision"]
    if last is None or decision is None:
        notes.same("decision in the ledger", last and last["seq"], decision and decision["seq"])
    else:
        told = last["body"]
        outcome = told.get("outcome", "defer") if last["kind"] == "decided" else "defer"
        recorded = [
            outcome,
            told.get("variant") or "",
            told.get("because") or told.get("reason") or "",
            last["by"] or "",
            last["at"],
        ]
        shown = [decision[k] for k in ("outcome", "variant", "because", "by", "at")]
        notes.same("decision in the ledger", recorded, shown)
        if "readout_digest" in told:
            notes.same("readout digest, as decided on", told["readout_digest"], sha256(canonical(readout)))
    if len(notes.differences) == before:
        notes.checked.append("plan, look, readout and decision are those of the ledger")
