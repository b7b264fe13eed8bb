"""Restarting: a run ends, and a linked one begins with a fresh salt, so that what the first went through can't carry over."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from xpbench.canonical import digest
from xpbench.errors import LedgerError
from xpbench.experiment.facade import Experiment, open_experiment
from xpbench.experiment.opening import plan_in_force
from xpbench.experiment.reasons import ensure_reason
from xpbench.experiment.registering import enter
from xpbench.experiment.state import lineage
from xpbench.ledger import Clock, Entry, Ledger, knowledge, system_clock
from xpbench.ledger.folder import LEDGER, folder_of
from xpbench.plan import Plan
from xpbench.plan.reading import ensure_registrable

_RUN = re.compile(r"(.*?)-([0-9]{1,4})\Z")


def restart(
    key: str,
    root: str | Path = "experiments",
    *,
    reason: str,
    plan: Plan | None = None,
    new_key: str | None = None,
    start: str | date | None = None,
    keep_salt: bool = False,
    by: str | None = None,
    clock: Clock = system_clock,
) -> Experiment:
    """End a run and register the next one, linked to it; returns the new experiment.

    The new run keeps the name in the log, since the product's flag keeps it. Its exposures count from `start` on: those of the
    run before are left out of its readouts, and the tracker exposes returning users again. A fresh salt draws the units again.
    A kill on the way loses nothing: the same call again finishes it.

    Args:
        key: Of the run that ends.
        root: Folder of all experiments.
        reason: Why; it stands in both ledgers and in the memo of the new run.
        plan: The plan of the new run, where more changes than dates and salt: a variant more, another metric. Key, name in
            the log, start and salt are set here, each unless the plan has one of its own.
        new_key: Key of the new run; the old one with the next number if missing (`home`, `home-2`, `home-3`).
        start: First day (UTC) that counts; tomorrow if missing, so that no day belongs to both runs.
        keep_salt: Draw the same units as before. What the run before did to them then carries over into this one.
        by: Who.
        clock: Where times come from.

    Raises:
        DecisionError: `XPB-R02`, no reason.
        LedgerError: `XPB-L18`, it was restarted already; `XPB-L16`, somebody amended or decided in the meantime; `XPB-L03`, the
            new key is taken.
        InvalidPlan: the new plan has problems; nothing was written.
    """
    ensure_reason(reason, "a restart")
    old = open_experiment(key, root, clock=clock)
    done = next((e for e in old.ledger.entries() if e.kind == "restarted"), None)
    if done is not None:
        following = Plan(**done.body["plan"])
        if _is_begun(root, following.key):
            raise LedgerError("XPB-L18", key=key, next=following.key)
        return _begin(old, done, following, root, by=by, clock=clock)  # it was killed between the two entries
    first_day = _day(start) or (clock().date() + timedelta(days=1)).isoformat()
    following = _following(old.plan, plan, new_key or _next_key(root, key), first_day, keep_salt=keep_salt)
    ensure_registrable(following)
    if _is_begun(root, following.key):
        raise LedgerError("XPB-L03", key=following.key, root=str(root))

    def made(entries: tuple[Entry, ...]) -> Mapping[str, Any]:
        return {
            "plan_digest": digest(plan_in_force(entries)),
            "to": following.key,
            "plan": following.to_dict(),
            "reason": reason,
            "knowledge": knowledge(entries),
        }

    entry = old.ledger.append("restarted", made, by=by, base=old.base)
    return _begin(old, entry, following, root, by=by, clock=clock)


def _begin(old: Experiment, ended: Entry, plan: Plan, root: str | Path, *, by: str | None, clock: Clock) -> Experiment:
    follows = {
        "key": old.key,
        "at": ended.at,
        "seq": ended.seq,
        "digest": ended.digest,
        "reason": str(ended.body["reason"]),
        "knowledge": str(ended.body["knowledge"]),
        "effects_seen": _effects_seen(old.ledger.entries(), str(ended.body["knowledge"])),
        "runs": [*lineage(old.ledger.entries()), old.key],
    }
    return enter(plan, root, by=by if by is not None else ended.by, clock=clock, follows=follows)


def _is_begun(root: str | Path, key: str) -> bool:
    """Whether a run has an entry; a kill may leave its ledger made and empty, which is not a run yet."""
    path = folder_of(root, key) / LEDGER
    return path.exists() and bool(Ledger(path).entries())


def _effects_seen(entries: Sequence[Entry], known: str) -> int:
    """Runs of the lineage of which effects were seen, with the one that ends."""
    follows = entries[0].body.get("follows") or {}
    return int(follows.get("effects_seen", follows.get("knowledge") == "effects seen")) + (known == "effects seen")


def _day(start: str | date | None) -> str:
    return start.isoformat() if isinstance(start, date) else start or ""


def _next_key(root: str | Path, key: str) -> str:
    """The key with the next number that no folder of the root has."""
    match = _RUN.match(key)
    stem, number = (match[1], int(match[2])) if match else (key, 1)
    while True:
        number += 1
        found = f"{stem[: 63 - len(str(number))]}-{number}"
        if not folder_of(root, found).exists():
            return found


def _following(old: Plan, given: Plan | None, key: str, start: str, *, keep_salt: bool) -> Plan:
    """The plan of the next run: its own key, the name in the log that the old one has, its first day, a fresh salt."""
    document = (given or old).to_dict()
    own_key = given is not None and given.key != old.key
    document["key"] = key = given.key if given is not None and own_key else key
    exposure = dict(document.get("exposure") or {})
    if given is None or given.exposure == old.exposure:
        exposure["start"] = start
        if exposure.get("end") and str(exposure["end"]) < start:
            exposure.pop("end")
    exposure.setdefault("start", start)
    exposure["experiment"] = exposure.get("experiment") or old.experiment_name
    document["exposure"] = exposure
    if document.get("assignment"):
        assignment = dict(document["assignment"])
        salts = (assignment.get("salt") or "", old.assignment.salt or "" if old.assignment else "")
        if keep_salt:
            assignment["salt"] = salts[0] or old.key
        elif salts[0] == salts[1]:
            assignment["salt"] = f"{key}-{digest({'plan': old.digest, 'key': key})[:8]}"
        document["assignment"] = assignment
    return Plan(**document)
