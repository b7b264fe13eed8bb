"""What a look bound, and what a decision rests on."""

from __future__ import annotations

from collections.abc import Sequence

from xpbench.verifier.report import J, Notes
from xpbench.verifier.text import canonical, sha256


def _merged_at(entry: J) -> str:
    return str((entry["body"].get("merged") or {}).get("at", ""))


def data_of(entry: J) -> str:
    """The data that a look was at: the digest of what was read, and how it was read where that differs."""
    body = entry["body"]
    data = str(body.get("same_data") or body.get("fingerprint"))
    how = {k: v for k, v in ((body.get("reading") or {}).get("how") or {}).items() if k not in ("slices", "day")}
    return f"{data} {canonical(how)}" if how else data


def _check_same_data(notes: Notes, entries: Sequence[J]) -> None:
    """A look that says at which earlier data it was agrees with it in the rows, and in every column that both read."""
    known: dict[str, dict[str, str]] = {}
    for e in entries:
        body = e["body"]
        content = body.get("content")
        if e["kind"] not in ("opened", "peeked") or not isinstance(content, dict):
            continue
        data = str(body.get("same_data") or body.get("fingerprint"))
        if "same_data" in body:
            earlier = known.get(data, {})
            shared = earlier.keys() & content.keys()
            if "" not in shared or any(earlier[name] != content[name] for name in shared):
                notes.differs(f"look of entry {e['seq']}, data", "the data of an earlier look", "other data")
        known.setdefault(data, {}).update(content)


def look_on_record(readout: J, entries: Sequence[J]) -> J | None:
    """The entry of the look that a readout came from."""
    times = ((e, (e["at"], _merged_at(e))) for e in entries if e["kind"] in ("opened", "peeked"))
    found = [e for e, at in times if readout["at"] in at and e["kind"] == readout["kind"]]
    if len(found) > 1:  # of several at one moment the one that showed this
        parts = {part: sha256(canonical(readout[part])) for part in ("summary", "health", "rows")}
        return next((e for e in found if e["body"].get("shown") == parts), found[0])
    return found[0] if found else None


def is_known(entry: J, look: J, entries: Sequence[J]) -> bool:
    """Whether an entry was on record for whoever took the look, where a repair may have joined two sides as well."""
    merged, own = look["body"].get("merged"), entry["body"].get("merged")
    if not merged:
        return bool(entry["seq"] <= look["seq"])
    forks = [e["body"]["fork"] for e in entries[: look["seq"]] if e["kind"] == "repaired" and "fork" in e["body"]]
    return bool(entry["seq"] <= (forks[-1] if forks else 0) or (own and own["seq"] <= merged["seq"]))


def place_then(entry: J, look: J) -> int:
    """The place of an entry when the look was taken: on its own side, where a repair has put both back from there."""
    own = entry["body"].get("merged")
    return int(own["seq"] if own and look["body"].get("merged") else entry["seq"])


def check_bound(notes: Notes, payload: J, entries: list[J]) -> None:
    """The readout is what its look showed; the decision names that look and those that came later at other data."""
    readout, before = payload["readout"], len(notes.differences)
    _check_same_data(notes, entries)
    look = look_on_record(readout, entries)
    if look is not None:
        body = look["body"]
        for part, digest in body.get("shown", {}).items():
            notes.same(f"look, {part} as shown", digest, sha256(canonical(readout[part])))
        counts = body.get("health", {})
        for status in ("warn", "fail"):
            if status in counts:
                told = sorted(c["name"] for c in readout["health"] if c["status"] == status)
                notes.same(f"look, health checks that {status}", counts[status], told)
        if "shown" in body:
            notes.checked.append("moments and health are those that the look on record showed")
    last = next((e for e in reversed(entries) if e["kind"] in ("decided", "deferred")), None)
    if look is not None and last is not None and "look" in last["body"]:
        notes.same("decision, look that it rests on", look["seq"], last["body"]["look"]["seq"])
        seen, later = {data_of(look)}, []
        for e in entries:
            data = data_of(e)
            if (
                not is_known(e, look, entries)
                and e["seq"] < last["seq"]
                and e["kind"] in ("opened", "peeked")
                and data not in seen
            ):
                seen.add(data)
                later.append(e["seq"])
        notes.same("decision, later looks at other data", later, last["body"].get("later_looks", []))
        if later:
            notes.checked.append(f"the decision rests on an older look: {len(later)} later at other data on record")
    if len(notes.differences) == before and look is not None:
        notes.checked.append("the decision rests on that look")
