"""Other plans of a root under which effects of the same units were seen: whoever may choose among plans finds a difference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xpbench.errors import XpbenchError
from xpbench.ledger import Entry, Ledger
from xpbench.ledger.folder import LEDGER, ensure_named
from xpbench.plan import Plan
from xpbench.plan.amendable import class_of
from xpbench.plan.diff import diff

_SAME_CLAIM = ("/key", "/assignment", "/hypothesis", "/segments", "/exposure/experiment", "/unit")
"""Fields that name a plan or its units, or that no decision rests on: plans that differ in these alone ask the same."""


def shared_units(plan: Plan, ledger: Ledger, look: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Looks at effects of the same units under another plan of the root, the first one of each experiment.

    Units of a table are the same where ids and variants are, whatever their order and whatever else was read. Units of a log
    are the same where the plans have one name in the log and dates of exposure that overlap. Experiments on other traffic, or
    that assign the same traffic anew, share none. Earlier and later runs of one lineage have a stamp of their own.

    Args:
        plan: In force.
        ledger: Of the experiment that looks, in its root.
        look: What the look puts on record.

    Returns:
        For each such experiment its key, the entry of its look with the digest, and its primary metrics, sorted by key.
    """
    own = ledger.entries()
    rows = frozenset(_rows(body) for body in (look, *(e.body for e in own if e.kind in ("opened", "peeked")))) - {""}
    is_log = _is_log(look)
    if not rows and not is_log:
        return []
    needles = [json.dumps(plan.experiment_name, ensure_ascii=False).encode()] if is_log else [r.encode() for r in rows]
    lineage = _runs(own) | {plan.key}
    found = []
    for key, entries in _neighbours(ledger.path.parent.parent, needles):
        if key in lineage or _runs(entries) & {plan.key}:
            continue
        theirs: Mapping[str, Any] = {}
        for entry in entries:
            if entry.kind in ("registered", "amended"):
                theirs = entry.body["plan"]
            if entry.kind not in ("opened", "peeked") or not asks_otherwise(theirs, plan.to_dict()):
                continue
            if _overlaps(plan, look, theirs, entry.body) if is_log else _is_same_table(rows, look, entry.body):
                primary = [m["key"] for m in theirs["metrics"] if m["role"] == "primary"]
                found.append({"key": key, "seq": entry.seq, "digest": entry.digest, "primary": primary})
                break
    return sorted(found, key=lambda f: str(f["key"]))


def asks_otherwise(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether two plans may come to another decision at the same data."""
    pointers = [change.pointer for change in diff(theirs, ours)]
    return any(class_of(p) != "neutral" and not p.startswith(_SAME_CLAIM) for p in pointers)


def _is_same_table(rows: frozenset[str], look: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether another look was at the rows of this one, or of an earlier one of its experiment.

    Moments may be those of a log, which holds several experiments: they also have to be of as many units.
    """
    kinds = {(body.get("reading") or {}).get("kind") for body in (look, other)}
    return _rows(other) in rows and (kinds == {"table"} or look["units"] == other["units"])


def _rows(body: Mapping[str, Any]) -> str:
    """Digest of the ids and variants of a table that a look read, "" where it read none."""
    return "" if _is_log(body) else str((body.get("content") or {}).get("", ""))


def _is_log(body: Mapping[str, Any]) -> bool:
    return (body.get("reading") or {}).get("kind") == "log"


def _overlaps(plan: Plan, look: Mapping[str, Any], theirs: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two looks at logs have units of one name whose first exposures can be the same."""
    name = (theirs.get("exposure") or {}).get("experiment") or theirs.get("key")
    ends = (look.get("data_until"), look.get("first_exposure"), other.get("data_until"), other.get("first_exposure"))
    if not _is_log(other) or name != plan.experiment_name or not all(ends):
        return False
    return str(look["first_exposure"]) <= str(other["data_until"]) and str(other["first_exposure"]) <= str(look["data_until"])


def _runs(entries: Sequence[Entry]) -> frozenset[str]:
    """Keys of the earlier runs of a lineage."""
    follows = entries[0].body.get("follows") if entries else None
    return frozenset([*follows.get("runs", ()), follows["key"]]) if isinstance(follows, Mapping) else frozenset()


def _neighbours(root: Path, needles: Sequence[bytes]) -> Iterator[tuple[str, Sequence[Entry]]]:
    """Experiments of a root whose ledgers hold one of some texts; one that can't be read stops no look."""
    for path in sorted(root.glob(f"*/{LEDGER}")):
        try:
            if any(needle in path.read_bytes() for needle in needles):
                entries = Ledger(path).entries()
                ensure_named(path.parent, entries)
                if entries and entries[0].kind == "registered":
                    yield path.parent.name, entries
        except (XpbenchError, OSError):
            continue
