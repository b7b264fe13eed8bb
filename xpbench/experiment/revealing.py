"""Revealing: a look at the data, on record before anything of it is shown; sealed before results are due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from xpbench._version import __version__
from xpbench.canonical import digest
from xpbench.data.summary import Summary
from xpbench.decide.analysis import analyse, findings_of
from xpbench.decide.deviations import deviations_of, ended_short, stamps_of_record
from xpbench.decide.drift.drift_lock import drift_deviations
from xpbench.decide.futility import price_of
from xpbench.decide.harm import harm_alarm
from xpbench.decide.interaction import concurrent
from xpbench.decide.looks import Look, cost_of, findings_from, without_promise
from xpbench.decide.novelty import trends
from xpbench.decide.readout import Readout, SealedReadout, stamps_of
from xpbench.decide.recommend import recommend
from xpbench.decide.row import Row
from xpbench.decide.rule import rule_digest
from xpbench.decide.seal import Due
from xpbench.decide.segments import segment_results
from xpbench.decide.whatnow import what_now
from xpbench.errors import SealedError, number_of, plain
from xpbench.experiment.binding import digests_of
from xpbench.experiment.checking import health_counts
from xpbench.experiment.sharing import shared_units
from xpbench.health import Check
from xpbench.health.pooled import outcomes_by_variant, pooled_outcomes
from xpbench.health.sealing import under_seal
from xpbench.ledger import Entry, Ledger
from xpbench.ledger.knowledge import same_data, state_of_data
from xpbench.plan import Plan
from xpbench.plan.amendable import class_of
from xpbench.plan.design import GroupSequential, Sequential


def looks_of(entries: Sequence[Entry]) -> tuple[Look, ...]:
    """All looks at effects on record, oldest first."""
    in_force: Mapping[str, Any] = next((e.body["plan"] for e in reversed(entries) if e.kind in ("registered", "amended")), {})
    dropped = {d["key"] for d in in_force.get("dropped") or ()}
    turned = max((e.seq for e in entries if e.kind == "amended" and _is_decisive(e)), default=0)
    return tuple(
        Look(
            e.seq,
            e.at,
            e.by or "",
            int(e.body["n"]) - sum(int(e.body["units"].get(k, 0)) for k in dropped),
            e.kind == "opened",
            str(e.body.get("reason", "")),
            str(e.body.get("last", "")),
            findings_from(e.body.get("findings")),
            bool(e.body.get("findings")) and e.kind == "opened" and not e.body["health"]["gates"] and e.seq > turned,
            e.agent,
        )
        for e in entries
        if e.kind in ("opened", "peeked")
    )


def _is_decisive(amendment: Entry) -> bool:
    return any(class_of(str(change["pointer"])) != "neutral" for change in amendment.body.get("changes", ()))


def note_health(
    plan: Plan, ledger: Ledger, summary: Summary, health: Sequence[Check], *, by: str | None, reading: Mapping[str, Any]
) -> None:
    """Put on record that the data was read for its health alone."""
    ledger.append("looked", {**seen(plan, summary, reading), "health": health_counts(health), "outcomes": True}, by=by)


def seal(
    plan: Plan,
    ledger: Ledger,
    summary: Summary,
    state: Due,
    health: tuple[Check, ...],
    *,
    by: str | None,
    reading: Mapping[str, Any],
) -> SealedReadout:
    """What may be seen before results are due: counts, health and progress, and whether the harm alarm sounds."""
    alarm = harm_alarm(plan, summary)
    entry = ledger.append(
        "looked",
        {**seen(plan, summary, reading), "health": health_counts(health), "harm": alarm.sounds, "outcomes": True},
        by=by,
    )
    found = SealedReadout(
        plan.key,
        plan.digest,
        entry.at,
        state,
        summary.units,
        under_seal(health),
        alarm,
        tuple(replace(look, findings=None) for look in looks_of(ledger.entries())),
        summary.exposures_by_day,
    )
    return replace(found, what_now=what_now(plan.to_dict(), found.to_dict()))


def reveal(
    kind: Literal["opened", "peeked"],
    plan: Plan,
    ledger: Ledger,
    summary: Summary,
    state: Due,
    health: tuple[Check, ...],
    *,
    by: str | None,
    reason: str,
    reading: Mapping[str, Any],
    last: str = "",
) -> Readout:
    """The effects; the ledger has the look, safely on disk, before anything leaves this function, be it an error."""
    body: dict[str, Any] = seen(plan, summary, reading)
    if summary.content:
        body["content"] = dict(summary.content)
    ensure_agent_may_look(plan, ledger.entries(), ledger.agent, body)
    earlier = looks_of(ledger.entries())
    body |= {
        "health": health_counts(health),
        "reason": reason,
        "progress": round(state.progress, 6),
        "metrics": [m.key for m in plan.metrics],
        "shown": digests_of(summary, health),
    }
    if kind == "opened":
        body["outcomes_by"] = outcomes_by_variant(plan, summary, body["outcomes_of"])
    if last:
        body["last"] = last
    if shared := shared_units(plan, ledger, body):
        body["shared"] = shared
    try:
        alone, rows = _rows(plan, summary, earlier, last=bool(last))
        found = {m: {v: f.to_dict() for v, f in of.items()} for m, of in findings_of(plan, alone).items()}
    except BaseException:
        ledger.append(kind, _as_recorded(plan, ledger, body), by=by)
        raise
    if isinstance(plan.model, (Sequential, GroupSequential)):
        body["findings"] = found if kind == "opened" else {}  # what a peek found stays out of the file that anyone may open
    body["shown"] |= {"rows": digest([r.to_dict() for r in rows])}
    entry = ledger.append(kind, _as_recorded(plan, ledger, body), by=by)
    entries = ledger.entries()
    looks = looks_of(entries)
    deviations = (*deviations_of(entries, _used(plan, summary)), *drift_deviations(entries, plan), *ended_short(plan, looks))
    stamps = stamps_of(kind, health, deviations, stamps_of_record(entries, plan))
    return Readout(
        key=plan.key,
        plan=plan.to_dict(),
        plan_digest=plan.digest,
        at=entry.at,
        kind=kind,
        due=state,
        summary=summary,
        health=health,
        rows=rows,
        segments=segment_results(plan, summary),
        recommendation=recommend(plan, rows, health, is_adequate=state.is_adequate),
        rule_digest=rule_digest(plan.decision, methods=plan.methods),
        looks=looks,
        cost=without_promise(cost_of(plan, looks), stamps, is_paid=isinstance(plan.model, (Sequential, GroupSequential))),
        deviations=deviations,
        stamps=stamps,
        versions={"xpbench": __version__, "engine": summary.engine},
        novelty=trends(plan, summary),
        interactions=concurrent(plan, summary),
        methods=plan.methods,
        futility=price_of(plan),
        root=str(ledger.path.parent.parent),
    )


def looks_by_agents(entries: Sequence[Entry]) -> int:
    """Looks at effects that programs took on behalf of people, each state of the data once."""
    looks = [e for e in entries if e.kind in ("opened", "peeked") and e.agent]
    return len({state_of_data(e.body) or f"entry {e.seq}" for e in looks})


def ensure_agent_may_look(plan: Plan, entries: Sequence[Entry], agent: str, look: Mapping[str, Any] | None = None) -> None:
    """Return only if the plan lets a program look at effects once more; a person may always.

    Args:
        plan: The plan in force.
        entries: Of its ledger.
        agent: The program, "" for a person.
        look: What it would put on record; what a program has seen already is no further look.

    Raises:
        SealedError: `XPB-R40`, the plan forbids it, or the looks are used up.
    """
    most = plan.looks.agents if plan.looks is not None else None
    if not agent or most is None:
        return
    seen = {state_of_data(e.body) for e in entries if e.kind in ("opened", "peeked") and e.agent}
    if most and look is not None and (same_data(entries, look) or state_of_data(look)) in seen:
        return
    taken = looks_by_agents(entries)
    if taken >= most:
        allowed = "no look" if most == 0 else number_of(most, "look")
        raise SealedError("XPB-R40", key=plan.key, agent=agent, allowed=plain(allowed), taken=taken)


def _as_recorded(plan: Plan, ledger: Ledger, body: Mapping[str, Any]) -> Callable[[tuple[Entry, ...]], Mapping[str, Any]]:
    """The body of a look, made under the lock: at which data it was, and whether a program may take one more.

    Of two programs at once only one takes the last look.
    """

    def made(entries: tuple[Entry, ...]) -> Mapping[str, Any]:
        ensure_agent_may_look(plan, entries, ledger.agent, body)
        earlier = same_data(entries, body)
        return {**body, "same_data": earlier} if earlier else body

    return made


def _rows(plan: Plan, summary: Summary, earlier: tuple[Look, ...], *, last: bool) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """The rows as this look alone has them, and with what earlier looks had already found."""
    alone = analyse(plan, summary, looks=[replace(look, counts=False) for look in earlier], last=last)
    if not any(look.counts for look in earlier):
        return alone, alone
    return alone, analyse(plan, summary, looks=earlier, last=last)


def _used(plan: Plan, summary: Summary) -> dict[str, Any]:
    """The plan that the analysis really used: with the segments that were read and are not in it."""
    used = plan.to_dict()
    further = [name for name in summary.segments if name not in plan.segments]
    return used | {"segments": [*plan.segments, *further]} if further else used


def seen(plan: Plan, summary: Summary, reading: Mapping[str, Any]) -> dict[str, Any]:
    """What every look puts on record of the data: counts, fingerprint, caps, how it was read, and sums over all variants."""
    return {
        "n": summary.n,
        "units": dict(summary.units),
        "fingerprint": summary.fingerprint,
        "data_until": summary.data_until,
        "first_exposure": summary.first_exposure,
        "caps": [c.to_dict() for c in summary.caps],
        "plan_digest": plan.digest,
        "reading": dict(reading),
        "outcomes_of": pooled_outcomes(plan, summary),
        **({"sample": summary.sample} if summary.sample else {}),
    }
