"""Whether the plan came before the data, and what had been seen when it was changed, from the ledger's own dates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from xpbench.verifier.bound import data_of, is_known, look_on_record
from xpbench.verifier.chain import is_neutral, level_of, pointers_of_drop
from xpbench.verifier.report import J, Notes
from xpbench.verifier.text import canonical

PLAN_STAMPS = {
    "after": "PLANNED AFTER THE DATA",
    "partly": "PARTLY PLANNED AFTER THE DATA",
    "retrospective": "RETROSPECTIVE",
}
AMENDED_STAMP = "AMENDED AFTER EFFECTS"
PLAN_WORDS = {
    "PLANNED AFTER THE DATA": "by a plan made after the data",
    "PARTLY PLANNED AFTER THE DATA": "by a plan made after part of the data",
    "RETROSPECTIVE": "by a retrospective plan",
    "AMENDED AFTER EFFECTS": "by a plan changed after effects were seen",
    "RESTARTED AFTER EFFECTS": "in a run restarted after effects were seen",
    "ONE OF SEVERAL PLANS": "by one of several plans for the same units",
    "MORE LOOKS THAN PLANNED": "at one of more looks than the plan allows for",
    "EXPLORATORY": "by an analysis that was not planned",
    "PEEK": "at a look before results were due",
}
RESTARTED_STAMP, LOOKS_STAMP = "RESTARTED AFTER EFFECTS", "MORE LOOKS THAN PLANNED"
SHARED_STAMP = "ONE OF SEVERAL PLANS"


def _moment(text: str) -> datetime | None:
    if len(text) <= 10:
        return None
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def state_of(registration: J, summary: J) -> str:
    """`before`, `same day`, `partly`, `after`, `retrospective`, or `unknown` where the data have no dates."""
    if registration["body"].get("retrospective") is True:
        return "retrospective"
    first = summary["first_exposure"]
    if not first:
        return "unknown"
    at = datetime.fromisoformat(registration["at"].replace("Z", "+00:00"))
    planned, day, moment = at.date(), date.fromisoformat(first[:10]), _moment(first)
    if day > planned or (day == planned and (moment is None or moment >= at)):
        return "before" if day > planned else "same day"
    if day == planned:
        return "partly"
    last = _moment(summary["last_exposure"])
    limit = planned + timedelta(days=1 if last is not None and last < at else 0)
    by_day = {d: sum(n.values()) for d, n in summary["exposures_by_day"].items()}
    early = sum(n for d, n in by_day.items() if date.fromisoformat(d[:10]) < limit)
    whole = early == sum(by_day.values()) if any(by_day.values()) else last is not None and last < at
    return "after" if whole else "partly"


_WHO_COUNTS = ("/exposure", "/data", "/variants")
"""Fields of the plan whose amendment makes earlier looks ones at other units."""


def found_before(entries: Sequence[J], summary: J) -> str:
    """`after` or `partly` where an earlier look found that, and the data read now have no dates or later ones."""
    first = str(summary["first_exposure"])
    for entry in reversed(entries):
        body = entry["body"]
        if entry["kind"] == "amended" and any(str(c["pointer"]).startswith(_WHO_COUNTS) for c in body.get("changes", ())):
            break
        state = (body.get("health") or {}).get("plan_first", "") if entry["kind"] in ("looked", "opened", "peeked") else ""
        if state in ("after", "partly") and body.get("first_exposure"):
            return str(state) if not first or first[:10] > str(body["first_exposure"])[:10] else ""
    return ""


def amended_after_effects(entries: Sequence[J]) -> bool:
    """Whether a field that can turn a result was amended after effects were seen or a gate had failed."""
    plan = None
    for i, entry in enumerate(entries):
        body = entry["body"]
        if entry["kind"] == "amended":
            gates = any(
                e["body"].get("health", {}).get("gates") for e in entries[:i] if isinstance(e["body"].get("health"), dict)
            )
            drop = pointers_of_drop(plan, body["plan"]) if plan is not None and not gates else ()
            turns = any(not is_neutral(c["pointer"]) and c["pointer"] not in drop for c in body.get("changes", ()))
            if turns and (gates or level_of(entries[:i]) == "effects seen"):
                return True
        plan = body["plan"] if entry["kind"] in ("registered", "amended") else plan
    return False


def stamps_of_record(known: Sequence[J], readout: J) -> list[str]:
    """Stamps that follow from the entries that were known at a look, with its own."""
    out = []
    follows = known[0]["body"].get("follows") or {}
    if follows.get("effects_seen") or follows.get("knowledge") == "effects seen":
        out.append(RESTARTED_STAMP)
    looks = [e for e in known if e["kind"] in ("opened", "peeked")]
    if any(e["body"].get("shared") for e in looks):
        out.append(SHARED_STAMP)
    choices = {c for e in looks if (c := choices_of(e))}
    fixed = readout["plan"]["model"]["kind"] == "frequentist" and len({data_of(e) for e in looks}) > 1
    if fixed or len(choices) > 1 or ends_by_choice(looks) or goes_back(looks):
        out.append(LOOKS_STAMP)
    return out


def choices_of(look: J) -> str:
    """How a look took its data apart, where that is on record; up to when a log was read is not such a choice."""
    reading = look["body"].get("reading") or {}
    how = {k: v for k, v in (reading.get("how") or {}).items() if k not in ("until", "slices", "day")}
    return canonical(how) if how or reading.get("kind") == "log" else ""


def ends_by_choice(looks: Sequence[J]) -> bool:
    """Whether a look was declared the last after the effects of nearly as many units had been seen."""
    for i, look in enumerate(looks):
        seen = max((e["body"]["n"] for e in looks[:i] if not e["body"].get("last")), default=0)
        if look["body"].get("last") and seen >= 0.95 * look["body"]["n"]:
            return True
    return False


def goes_back(looks: Sequence[J]) -> bool:
    """Whether the newest look is at data that end before an earlier look's, or at older data that were left for others."""
    if not looks:
        return False
    until, data = looks[-1]["body"].get("data_until") or "", [data_of(e) for e in looks]
    earlier = any(until < (e["body"].get("data_until") or "") for e in looks[:-1])
    return bool(until and earlier) or (data[-1] in data[:-1] and data[-2] != data[-1])


def check_first(notes: Notes, payload: J, entries: Sequence[J]) -> list[str]:
    """The stamps that ledger and data ask for; a readout that knows of them must carry them, and no other.

    Returns:
        What the reader of a report must know, as words.
    """
    readout = payload["readout"]
    until = [e for e in entries if e["at"] <= readout["at"]]
    state = state_of(entries[0], readout["summary"])
    look = look_on_record(readout, entries)
    known = [e for e in entries if look is not None and is_known(e, look, entries)]
    is_recorded = look is not None and "reading" in look["body"]
    if is_recorded and state != "retrospective":
        state = found_before([e for e in known if e is not look], readout["summary"]) or state
    expected = ([PLAN_STAMPS[state]] if state in PLAN_STAMPS else []) + (
        [AMENDED_STAMP] if amended_after_effects(until) else []
    )
    told = next((c["evidence"].get("state") for c in readout["health"] if c["name"] == "plan_first"), None)
    expected += stamps_of_record(known, readout) if is_recorded else []
    if told is not None:
        notes.same("plan before data", state, told)
        about = (*PLAN_STAMPS.values(), AMENDED_STAMP, *((RESTARTED_STAMP, SHARED_STAMP, LOOKS_STAMP) if is_recorded else ()))
        notes.same("stamps about the plan", sorted(expected), sorted(s for s in readout["stamps"] if s in about))
    if "headline" in readout:
        advice = readout["recommendation"]
        words = [PLAN_WORDS[s] for s in readout["stamps"] if s in PLAN_WORDS]
        plainly = f"{advice['outcome']} {advice['variant']}".strip()
        notes.same("readout, headline", ", ".join([plainly, *words[:1]]), readout["headline"])
    dates = f"registered on {entries[0]['at'][:10]}, first exposure on {readout['summary']['first_exposure'][:10]}"
    if state == "unknown":
        notes.not_checked.append("whether the plan came before the data: they have no dates of exposure")
    else:
        notes.checked.append(f"{PLAN_STAMPS[state]}: {dates}" if state in PLAN_STAMPS else f"the plan came first: {dates}")
    if AMENDED_STAMP in expected:
        notes.checked.append(f"{AMENDED_STAMP}: the plan was changed in a way that can turn the result")
    return expected
