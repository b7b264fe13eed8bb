"""Where an experiment is: a function of its ledger, never stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from xpbench.errors import number_of, shown
from xpbench.experiment.opening import decision_of, plan_in_force
from xpbench.ledger import Entry, distinct_looks, knowledge
from xpbench.ledger.first import planned_after
from xpbench.ledger.grammar import unknown_kinds
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.shows import Shows
from xpbench.watch import watch_status
from xpbench.wording.verdicts import decided

State = Literal["registered", "running", "ready", "decided", "watched", "overdue", "breached", "restarted"]

LOOKED = ("looked", "opened", "peeked")
"""Entries that record a reading of the data."""


@dataclass(frozen=True, slots=True)
class Status(Shows):
    """Where an experiment is, derived from its ledger.

    Attributes:
        key: Its key.
        title: Its title.
        state: registered, running, ready, decided, watched; after shipping also overdue or breached.
        sentence: The state for people.
        looks: Looks at effects; a second one at the same data is the same look.
        knowledge: What has been seen.
        units: Units at the last look, 0 before.
        decision: The last decision, "" where there is none.
        signatures_missing: Names still to sign.
        follows: Keys of the runs that came before, oldest first.
        restarted_as: Key of the run that follows, "" where there is none.
        stamps: What a reader must know before the decision: the stamps of the readout it rests on; before a decision, that the
            plan came after the data.
        next: What now: what is missing, and the command that goes on; "" where nothing is left to do.
    """

    key: str
    title: str
    state: State
    sentence: str
    looks: int
    knowledge: str
    units: int
    decision: str
    signatures_missing: tuple[str, ...]
    follows: tuple[str, ...] = ()
    restarted_as: str = ""
    stamps: tuple[str, ...] = ()
    next: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        out = {name: getattr(self, name) for name in self.__slots__}
        out["signatures_missing"] = list(self.signatures_missing)
        out["follows"] = list(self.follows)
        out["stamps"] = list(self.stamps)
        return out

    def __repr__(self) -> str:
        missing = f" Not signed yet: {', '.join(map(shown, self.signatures_missing))}." if self.signatures_missing else ""
        looks = f" {number_of(self.looks, 'look')} at effects." if self.looks else ""
        after = f" {self.next}" if self.next else ""
        return f"{self.key} is {self.state}. {self.sentence}{looks}{missing}{after}"

    def _repr_html_(self) -> str:
        facts = [
            ("State", self.state),
            ("Looks at effects", f"{self.looks:,}"),
            ("Units at the last look", f"{self.units:,}"),
            ("Known so far", self.knowledge),
            *([("Decision", self.decision)] if self.decision else []),
            *([("Not signed yet", ", ".join(self.signatures_missing))] if self.signatures_missing else []),
            *([("What now", self.next)] if self.next else []),
        ]
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left' dir=auto>{escape(value)}</td></tr>"
            for name, value in facts
        )
        return (
            f"<section class='xp-static' aria-label='Status'><p><b>{escape(self.title)}</b> ({escape(self.key)}). "
            f"{escape(self.sentence)}</p><table><tbody>{rows}</tbody></table></section>"
        )


def status_of(entries: Sequence[Entry], *, now: datetime) -> Status:
    """Where an experiment is: a function of its verified ledger, which holds every plan that was in force.

    Args:
        entries: All entries, oldest first.
        now: Aware time, for what the contract after shipping asks for.

    Raises:
        LedgerError: `XPB-L09`, no plan is on record.
    """
    document = plan_in_force(entries)
    kinds = [e.kind for e in entries]
    decision = decision_of(entries)
    last = next((e for e in reversed(entries) if e.kind in LOOKED), None)
    units = sum(int(v) for v in last.body["units"].values()) if last is not None else 0
    outcome = str(decision.body["outcome"]) if decision is not None else ""
    state: State
    watch = watch_status(Plan(**document), entries, now=now) if outcome == "ship" and document.get("watch") else None
    if watch is not None and watch.state in ("overdue", "breached"):
        state, sentence = watch.state, watch.sentence
    elif watch is not None and "watched" in kinds:
        state, sentence = "watched", watch.sentence
    elif outcome and outcome != "defer":
        state = "decided"
        assert decision is not None  # noqa: S101 - its outcome was read above
        sentence = f"Decided: {decided(decision.body)}."
    elif "opened" in kinds:
        state, sentence = "ready", "Results are due; no decision yet." if not outcome else "Deferred."
    elif last is not None or "launched" in kinds:
        state, sentence = "running", f"Running, {number_of(units, 'unit')} at the last look; results are sealed."
    else:
        state, sentence = "registered", "Registered, not launched."
    ended = next((e for e in entries if e.kind == "restarted"), None)
    following = str(ended.body["to"]) if ended is not None else ""
    before = lineage(entries)
    if ended is not None and outcome in ("", "defer"):
        state, sentence = "restarted", f"Restarted as {following}: {ended.body['reason']}"
    elif before:
        sentence = f"Run {len(before) + 1}, after {before[-1]}. {sentence}"
    first = planned_after(entries)
    sentence = f"{sentence} {first}" if first else sentence
    if newer := unknown_kinds(entries):
        sentence += f" A newer version has put more on record ({', '.join(newer)}): install it to see all."
    return Status(
        str(document["key"]),
        str(document["title"]),
        state,
        sentence,
        len(distinct_looks(entries)),
        knowledge(entries),
        units,
        outcome,
        unsigned(entries, document),
        before,
        following,
        tuple(map(str, decision.body.get("stamps", ())))
        if decision is not None
        else (first.partition(":")[0],)
        if first
        else (),
        _next(state, document, last, following),
    )


def _next(state: State, plan: Mapping[str, Any], last: Entry | None, following: str) -> str:
    """What now, from the ledger alone: the last look's counts and dates, and the plan."""
    key = plan["key"]
    gates = last.body.get("health", {}).get("gates", ()) if last is not None else ()
    match state:
        case "restarted":
            return f"Go on with {following}."
        case "running" | "ready" if gates:
            return f"A gate fails ({', '.join(gates)}): fix its cause, then xpbench restart {key} --reason …"
        case "registered":
            return f"When units are assigned: xpbench launch {key}"
        case "running":
            return _until_due(plan, last)
        case "ready":
            return f"Read again or decide: xpbench decide {key} OUTCOME --because …"
        case "decided":
            return f"Write it down: xpbench memo {key}"
        case "overdue" | "breached":
            return f"xpbench watch {key}"
        case _:
            return ""


def _until_due(plan: Mapping[str, Any], last: Entry | None) -> str:
    """Units and days until results are due, at the pace up to the last look."""
    command = f"xpbench readout {plan['key']}"
    if last is None:
        return f"Look at its health: {command}"
    units, model = int(last.body["n"]), plan["model"]
    horizon = plan.get("horizon", {}).get("units")
    needed = horizon
    if model["kind"] == "group_sequential" and horizon:
        needed = next((math.ceil(s * horizon - 1e-9) for s in model["looks"] if units < s * horizon - 1e-9), horizon)
    elif model["kind"] == "sequential" or model.get("due") == "min_units":
        needed = math.ceil(model["min_units"] / min(v["split"] for v in plan["variants"] if v["split"]))
    if not needed or needed <= units:
        return command
    first, until = last.body.get("first_exposure"), last.body.get("data_until")
    span = (date.fromisoformat(until[:10]) - date.fromisoformat(first[:10])).days + 1 if first and until else 0
    pace = (
        f", about {number_of(math.ceil((needed - units) * span / units), 'day')} at the pace so far" if span and units else ""
    )
    return f"{needed - units:,} more units until results are due{pace}; then {command}"


def lineage(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Keys of the runs that came before, oldest first; none for a first run."""
    follows = entries[0].body.get("follows") if entries else None
    return tuple(str(k) for k in follows.get("runs", ())) if isinstance(follows, Mapping) else ()


def unsigned(entries: Sequence[Entry], document: Mapping[str, Any]) -> tuple[str, ...]:
    """Names in the plan's sign-offs that have not signed the plan in force."""
    in_force = next(str(e.body["plan_digest"]) for e in reversed(entries) if e.kind in ("registered", "amended"))
    signed = {str(e.body["name"]) for e in entries if e.kind == "signed_off" and e.body["plan_digest"] == in_force}
    return tuple(str(s["name"]) for s in document.get("sign_offs", ()) if s["name"] not in signed)
