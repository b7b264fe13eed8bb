"""Checking: the health of the data before anyone reads an effect, and what of it goes on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from xpbench.data.summary import Summary
from xpbench.experiment.state import LOOKED
from xpbench.health import Check, inputs_of, run_checks
from xpbench.ledger import Entry, Ledger
from xpbench.ledger.clock import parse_stamp
from xpbench.plan import Plan


def checks_of(
    plan: Plan, ledger: Ledger, summary: Summary, evidence: Mapping[str, Any] | None, *, now: datetime
) -> tuple[Check, ...]:
    """The health checks of a summary, worst first, with what the ledger knows of the look before."""
    entries = ledger.entries()
    recorded_until = max(parse_stamp(e.at) for e in entries)
    first = next((e for e in entries if e.kind == "registered"), None)
    comparable = _comparable(entries)
    before = comparable[0] if comparable else None
    inputs = inputs_of(
        plan,
        summary,
        evidence,
        previous=_counts_of(before),
        now=now,
        recorded_until=recorded_until,
        registered=parse_stamp(first.at) if first is not None else None,
        retrospective=first is not None and first.body.get("retrospective") is True,
        found_before=_found_before(entries),
        outcomes_before=before.body.get("outcomes_of") if before is not None else None,
        outcomes_by_variant=before.body.get("outcomes_by") if before is not None else None,
        outcomes_earlier=tuple(
            (e.at[:10], e.body["outcomes_of"], e.body.get("outcomes_by") or {})
            for e in comparable[1:]
            if e.body.get("outcomes_of")
        ),
    )
    return run_checks(inputs)


def _comparable(entries: tuple[Entry, ...]) -> list[Entry]:
    """The looks that this one is compared with, the newest first, without those at which the same comparison failed.

    Looking again at data that lost units or outcomes does not make them the data of the experiment. Looks from before an
    amendment of what counts (dates, exposure, data policy) were at other units: after it the first look has nothing to compare
    with, and the amendment stays on record as a deviation.
    """
    out = []
    for entry in reversed(entries):
        if _changes_who_counts(entry):
            break
        if entry.kind in LOOKED and not set(_COMPARED) & set((entry.body.get("health") or {}).get("gates", ())):
            out.append(entry)
    return out


_COMPARED = ("shrunk_data", "restated_outcomes")


def _counts_of(entry: Entry | None) -> Summary | None:
    """Counts of a look, as far as the ledger keeps them: no moments."""
    if entry is None:
        return None
    units = {k: int(v) for k, v in entry.body["units"].items()}
    until = str(entry.body.get("data_until", ""))
    first = str(entry.body.get("first_exposure", ""))
    seen = str(entry.body["fingerprint"])
    sample = str(entry.body.get("sample", ""))
    return Summary("the look before", seen, 0, units, (), first_exposure=first, data_until=until, sample=sample)


def _found_before(entries: tuple[Entry, ...]) -> tuple[str, str]:
    """State and first exposure that an earlier look found, where it found that the plan came after some of its data.

    A unit's first exposure does not move to a later day because another column is read, or none.
    """
    for entry in reversed(entries):
        if _changes_who_counts(entry):
            break
        state = str((entry.body.get("health") or {}).get("plan_first", "")) if entry.kind in LOOKED else ""
        if state in ("after", "partly") and entry.body.get("first_exposure"):
            return state, str(entry.body["first_exposure"])
    return "", ""


def _changes_who_counts(entry: Entry) -> bool:
    return entry.kind == "amended" and any(str(c["pointer"]).startswith(_WHO_COUNTS) for c in entry.body.get("changes", ()))


_WHO_COUNTS = ("/exposure", "/data", "/variants")
"""Fields of the plan that decide which units of the same data count."""


def health_counts(checks: Iterable[Any]) -> dict[str, Any]:
    """What a look puts on record of its health checks: how many pass, and the names of those that warn or fail."""
    listed = list(checks)
    first = next((str(c.evidence.get("state", "")) for c in listed if c.name == "plan_first"), "")
    return {
        **({"plan_first": first} if first else {}),
        "pass": sum(c.status == "pass" for c in listed),
        "warn": sorted(c.name for c in listed if c.status == "warn"),
        "fail": sorted(c.name for c in listed if c.status == "fail"),
        "gates": sorted(c.name for c in listed if c.blocks),
    }
