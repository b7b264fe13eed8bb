"""One experiment from registration to memo: the facade over ledger, data, health, readout, decision and memo.

Everything that counts is written to the ledger *before* it is shown or acknowledged; the state is derived from the ledger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from inspect import signature as signature_of
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from xpbench import __version__
from xpbench.canonical import digest
from xpbench.data.summary import Cap, Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.deviations import deviations_of
from xpbench.decide.further import further_evidence
from xpbench.decide.harm import harm_alarm
from xpbench.decide.interaction import concurrent
from xpbench.decide.locking import drift_deviations, recorded
from xpbench.decide.looks import Look, cost_of
from xpbench.decide.novelty import trends
from xpbench.decide.readout import Readout, SealedReadout, stamps_of
from xpbench.decide.recommend import recommend
from xpbench.decide.rule import rule_digest
from xpbench.decide.seal import Due, due
from xpbench.decide.segments import segment_results
from xpbench.errors import ChangedPlan, DecisionError, LedgerError, SealedError, XpbenchError, nearest, plain
from xpbench.files import write_atomic
from xpbench.health import Check, inputs_of, run_checks
from xpbench.health.inputs import ensure_known
from xpbench.ledger import Clock, Entry, Ledger, Witness, create, experiments, knowledge, signature, system_clock
from xpbench.ledger.clock import parse_stamp
from xpbench.ledger.folder import LEDGER, MEMO, PLAN, existing
from xpbench.mixpanel import lifecycle
from xpbench.plan import Plan
from xpbench.plan.design import Frequentist
from xpbench.plan.diff import Change, diff
from xpbench.plan.reading import ensure_registrable, read_document
from xpbench.watch import watch_status

if TYPE_CHECKING:
    from xpbench.data.unit_values import UnitValues
    from xpbench.memo import Memo
    from xpbench.mixpanel.client import Client
    from xpbench.mixpanel.lifecycle import Published

READOUT = "readout.json"
"""The readout a decision rests on, frozen when the decision is made."""

State = Literal["registered", "running", "ready", "decided", "watched", "overdue", "breached"]
FurtherHealth = Literal["compute", "off"]

LOOKED = ("looked", "opened", "peeked")
"""Entries that record a reading of the data."""

DECISIONS = ("ship", "ship none", "iterate", "defer")

FROZEN_PARTS = ("/key", "/unit", "/assignment", "/variants")
"""What an amendment may not touch: it decides which unit gets which variant."""


class Source(Protocol):
    """Anything that turns into moments: `xp.units(...)` or `xp.events(...)`."""

    def summarize(self, plan: Plan, *, progress: Any = None, caps: Iterable[Cap] = ()) -> Summary:
        """Moments per variant under a plan, with caps taken over where given."""
        ...


def register(plan: Plan, root: str | Path = "experiments", *, by: str | None = None, clock: Clock = system_clock) -> Experiment:
    """Freeze a plan: `<root>/<key>/plan.json` and the first entry of its ledger.

    Args:
        plan: A plan without problems.
        root: Folder of all experiments.
        by: Who registers.
        clock: Where times come from.

    Raises:
        InvalidPlan: with all problems; nothing is written.
        LedgerError: `XPB-L03`, the key is registered already.
    """
    ensure_registrable(plan)
    folder = create(root, plan.key)
    plan.save(folder / PLAN)
    Ledger(folder / LEDGER, clock=clock).append(
        "registered",
        {
            "plan": plan.to_dict(),
            "plan_digest": plan.digest,
            "rule_digest": rule_digest(plan.decision),
            "locks": recorded(plan),
            "xpbench": __version__,
        },
        by=by,
    )
    return open_experiment(plan.key, root, clock=clock)


def open_experiment(key: str, root: str | Path = "experiments", *, clock: Clock = system_clock) -> Experiment:
    """The registered experiment with this key.

    Raises:
        LedgerError: `XPB-L04`, there is none; names the nearest.
        BrokenLedger: the chain does not hold; says where.
        ChangedPlan: `XPB-P28`, plan.json differs from what was registered; names the field.
    """
    folder = existing(root, key)
    ledger = Ledger(folder / LEDGER, clock=clock)
    document = _plan_in_force(ledger.entries())
    _ensure_unchanged(folder, document)
    return Experiment(Plan(**document), folder, ledger, clock)


def _brief(value: Any) -> Any:
    return "nothing" if value is None else value


def _plan_in_force(entries: Sequence[Entry]) -> dict[str, Any]:
    for entry in reversed(entries):
        if entry.kind in ("registered", "amended"):
            document: dict[str, Any] = json.loads(json.dumps(entry.body["plan"]))
            return document
    raise LedgerError("XPB-L09")


@dataclass(frozen=True, slots=True)
class Status:
    """Where an experiment stands, derived from its ledger.

    Attributes:
        key: Its key.
        title: Its title.
        state: registered, running, ready, decided, watched; after shipping also overdue or breached.
        sentence: The state for people.
        looks: Looks at effects.
        knowledge: What has been seen.
        units: Units at the last look, 0 before.
        decision: The last decision, "" where there is none.
        signatures_missing: Names still to sign.
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

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        out = {name: getattr(self, name) for name in self.__slots__}
        out["signatures_missing"] = list(self.signatures_missing)
        return out


class Experiment:
    """A registered experiment; made by `register` and `open_experiment`."""

    def __init__(self, plan: Plan, folder: Path, ledger: Ledger, clock: Clock) -> None:
        self.plan = plan
        self.folder = folder
        self.ledger = ledger
        self._clock = clock

    @property
    def key(self) -> str:
        """Its key."""
        return self.plan.key

    @property
    def root(self) -> Path:
        """The folder of all experiments."""
        return self.folder.parent

    # before and while it runs

    def sign(self, name: str, *, role: str | None = None, key: str | Path | None = None) -> Entry:
        """Put a sign-off over the plan in force on record.

        Args:
            name: Who signs.
            role: As what.
            key: File of a private key (Ed25519 as PEM, or OpenSSH): the sign-off then carries a signature.

        Raises:
            InputError: the key can't be used.
        """
        body: dict[str, Any] = {"name": name, "role": role, "plan_digest": self.plan.digest}
        if key is not None:
            body["signature"] = signature.sign(signature.message(self.plan.digest, name), key=key)
        return self.ledger.append("signed_off", body, by=name)

    def launch(self, *, by: str | None = None, note: str = "") -> Entry:
        """Record that units are being assigned from now on."""
        return self.ledger.append("launched", {"plan_digest": self.plan.digest, "note": note}, by=by)

    def amend(self, plan: Plan, *, reason: str, by: str | None = None) -> Experiment:
        """Replace the plan by a linked record that says what had been seen by then.

        Args:
            plan: The new plan: same key, same assignment, but that the share of a rollout group may grow (a ramp).
            reason: Why.
            by: Who.

        Raises:
            InvalidPlan: the new plan has problems.
            DecisionError: `XPB-R07` it would reassign units, `XPB-R02` no reason, `XPB-R10` no change.
        """
        _needs_reason(reason, "an amendment")
        ensure_registrable(plan)
        changes = diff(self.plan.to_dict(), plan.to_dict())
        if not changes:
            raise DecisionError("XPB-R10")
        for change in changes:
            if change.pointer.startswith(FROZEN_PARTS) and not _is_ramp(change, self.plan):
                raise DecisionError("XPB-R07", pointer=plain(change.pointer))
        entries = self.ledger.entries()
        self.ledger.append(
            "amended",
            {
                "plan": plan.to_dict(),
                "plan_digest": plan.digest,
                "replaces": self.plan.digest,
                "changes": [c.to_dict() for c in changes],
                "reason": reason,
                "knowledge": knowledge(entries),
                "locks": recorded(plan),
            },
            by=by,
        )
        plan.save(self.folder / PLAN)
        return open_experiment(self.key, self.root, clock=self._clock)

    # reading

    def readout(
        self,
        source: Source | Summary,
        *,
        by: str | None = None,
        progress: Any = None,
        evidence: Mapping[str, Any] | None = None,
        segments: Sequence[str] = (),
        further_health: FurtherHealth = "compute",
    ) -> SealedReadout | Readout:
        """Sealed before results are due, everything afterwards; the look is on record before it is shown.

        Args:
            source: `xp.units(...)` or `xp.events(...)`.
            by: Who looks.
            progress: Called with the name of each stage.
            evidence: What health checks may use beyond the data: `flag` (shares or a flag), `assigned` (units by variant),
                `audit` (of `xp.audit`), `retro` (of `xp.calibrate`), `windows` (of `xpbench.health.bias_windows`).
            segments: Further properties or columns to split by that the plan does not declare. The readout is then EXPLORATORY.
            further_health: `compute` the A/A calibration (1,000 re-randomisations of the units' values) and the bias windows of
                one, two and four weeks, where the source can answer and `evidence` does not hold them; or `off`.

        Raises:
            DataError: the source can't be read under the plan.
            HealthError: `XPB-H04`, evidence of an unknown kind.
        """
        summary, known = self._gather(source, progress, segments, evidence, further_health)
        state = due(self.plan, summary, now=self._clock())
        health = self._health(summary, known)
        if not state.is_due:
            alarm = harm_alarm(self.plan, summary)
            entry = self.ledger.append(
                "looked",
                {**self._seen(summary), "health": health_counts(health), "harm": alarm.sounds, "outcomes": True},
                by=by,
            )
            return SealedReadout(
                self.key,
                self.plan.digest,
                entry.at,
                state,
                summary.units,
                health,
                alarm,
                self.looks(),
                summary.exposures_by_day,
            )
        return self._reveal("opened", summary, state, by=by, reason="", health=health)

    def peek(
        self,
        source: Source | Summary,
        *,
        reason: str,
        by: str | None = None,
        progress: Any = None,
        evidence: Mapping[str, Any] | None = None,
        segments: Sequence[str] = (),
        further_health: FurtherHealth = "compute",
    ) -> Readout:
        """The effects before they are due; the ledger has the reason, safely on disk, before anything is revealed.

        Args:
            source: As for `readout`.
            reason: Why; it stands in the memo.
            by: Who looks.
            progress: Called with the name of each stage.
            evidence: As for `readout`.
            segments: As for `readout`.
            further_health: As for `readout`.

        Raises:
            DecisionError: `XPB-R02`, no reason.
        """
        _needs_reason(reason, "a peek")
        summary, known = self._gather(source, progress, segments, evidence, further_health)
        state = due(self.plan, summary, now=self._clock())
        kind: Literal["opened", "peeked"] = "opened" if state.is_due else "peeked"
        return self._reveal(kind, summary, state, by=by, reason=reason, health=self._health(summary, known))

    def looks(self) -> tuple[Look, ...]:
        """All looks at effects on record, oldest first."""
        return tuple(
            Look(e.seq, e.at, e.by or "", int(e.body["n"]), e.kind == "opened", str(e.body.get("reason", "")))
            for e in self.ledger.entries()
            if e.kind in ("opened", "peeked")
        )

    def _reveal(
        self,
        kind: Literal["opened", "peeked"],
        summary: Summary,
        state: Due,
        *,
        by: str | None,
        reason: str,
        health: tuple[Check, ...],
    ) -> Readout:
        earlier = [look.units for look in self.looks()]
        entry = self.ledger.append(
            kind,
            {
                **self._seen(summary),
                "health": health_counts(health),
                "reason": reason,
                "progress": round(state.progress, 6),
                "metrics": [m.key for m in self.plan.metrics],
            },
            by=by,
        )
        rows = analyse(self.plan, summary, earlier_units=earlier)
        looks = self.looks()
        entries = self.ledger.entries()
        deviations = (*deviations_of(entries, self._used(summary)), *drift_deviations(entries, self.plan))
        return Readout(
            key=self.key,
            plan=self.plan.to_dict(),
            plan_digest=self.plan.digest,
            at=entry.at,
            kind=kind,
            due=state,
            summary=summary,
            health=health,
            rows=rows,
            segments=segment_results(self.plan, summary),
            recommendation=recommend(self.plan, rows, health, is_adequate=state.is_adequate),
            rule_digest=rule_digest(self.plan.decision),
            looks=looks,
            cost=cost_of(self.plan, looks),
            deviations=deviations,
            stamps=stamps_of(kind, health, deviations),
            versions={"xpbench": __version__, "engine": summary.engine},
            novelty=trends(self.plan, summary),
            interactions=concurrent(self.plan, summary),
        )

    def _used(self, summary: Summary) -> dict[str, Any]:
        """The plan that the analysis really used: with the segments that were read and do not stand in it."""
        used = self.plan.to_dict()
        further = [name for name in summary.segments if name not in self.plan.segments]
        return used | {"segments": [*self.plan.segments, *further]} if further else used

    def _seen(self, summary: Summary) -> dict[str, Any]:
        """What every look puts on record of the data: counts, fingerprint and caps, no outcome."""
        return {
            "n": summary.n,
            "units": dict(summary.units),
            "fingerprint": summary.fingerprint,
            "data_until": summary.data_until,
            "first_exposure": summary.first_exposure,
            "caps": [c.to_dict() for c in summary.caps],
            "plan_digest": self.plan.digest,
        }

    def summarize(self, source: Source | Summary, *, progress: Any = None) -> Summary:
        """Moments of a source under the plan and its frozen caps. No effect is computed, and nothing goes on record.

        Args:
            source: `xp.units(...)` or `xp.events(...)`.
            progress: Called with the name of each stage.
        """
        return self._summarize(source, progress)

    def health(
        self,
        source: Source | Summary,
        *,
        by: str | None = None,
        progress: Any = None,
        evidence: Mapping[str, Any] | None = None,
        further_health: FurtherHealth = "compute",
    ) -> tuple[Check, ...]:
        """The health checks alone, worst first; effects stay sealed, and the ledger notes that the data was read.

        Args:
            source: As for `readout`.
            by: Who looks.
            progress: Called with the name of each stage.
            evidence: As for `readout`.
            further_health: As for `readout`.

        Raises:
            DataError: the source can't be read under the plan.
            HealthError: `XPB-H04`, evidence of an unknown kind.
        """
        summary, known = self._gather(source, progress, (), evidence, further_health)
        checks = self._health(summary, known)
        body = {**self._seen(summary), "health": health_counts(checks), "outcomes": True}
        self.ledger.append("looked", body, by=by)
        return checks

    def _gather(
        self,
        source: Source | Summary,
        progress: Any,
        segments: Sequence[str],
        evidence: Mapping[str, Any] | None,
        further_health: FurtherHealth,
    ) -> tuple[Summary, Mapping[str, Any]]:
        """The summary, and what health checks may use beyond it."""
        given = dict(evidence or {})
        ensure_known(given)
        if further_health == "off" or isinstance(source, Summary):
            return self._summarize(source, progress, segments), given
        taken: list[UnitValues] = []
        takes = "retro" not in given and "take" in signature_of(source.summarize).parameters
        summary = self._summarize(source, progress, segments, take=taken.append if takes else None)
        values = taken[0] if taken else None
        return summary, further_evidence(self.plan, source, summary, values, given=given, progress=progress)

    def _summarize(self, source: Source | Summary, progress: Any, segments: Sequence[str] = (), take: Any = None) -> Summary:
        further = [name for name in dict.fromkeys(segments) if name not in self.plan.segments]
        if isinstance(source, Summary):
            for name in further:
                if name not in source.segments:
                    raise DecisionError("XPB-R12", segment=name, hint=plain(nearest(name, source.segments)))
            return source
        plan = self.plan.changed(segments=[*self.plan.segments, *further]) if further else self.plan
        more = {} if take is None else {"take": take}
        return source.summarize(plan, progress=progress, caps=self._frozen_caps(), **more)

    def _frozen_caps(self) -> tuple[Cap, ...]:
        """Winsorization caps of the first look, where later looks must not move them (any design with several looks)."""
        if isinstance(self.plan.model, Frequentist):
            return ()
        for entry in self.ledger.entries():
            if entry.kind in LOOKED and entry.body.get("plan_digest") == self.plan.digest:
                return tuple(Cap(**cap) for cap in entry.body["caps"])
        return ()

    def _health(self, summary: Summary, evidence: Mapping[str, Any] | None) -> tuple[Check, ...]:
        recorded_until = max(parse_stamp(e.at) for e in self.ledger.entries())
        return run_checks(
            inputs_of(
                self.plan,
                summary,
                evidence,
                previous=self._previous(),
                now=self._clock(),
                recorded_until=recorded_until,
            )
        )

    def _previous(self) -> Summary | None:
        """Counts of the look before, as far as the ledger keeps them: no moments."""
        for entry in reversed(self.ledger.entries()):
            if entry.kind in LOOKED:
                units = {k: int(v) for k, v in entry.body["units"].items()}
                until = str(entry.body.get("data_until", ""))
                first = str(entry.body.get("first_exposure", ""))
                seen = str(entry.body["fingerprint"])
                return Summary("the look before", seen, 0, units, (), first_exposure=first, data_until=until)
        return None

    # deciding

    def decide(
        self, readout: Readout | SealedReadout, outcome: str, *, variant: str | None = None, because: str, by: str
    ) -> Entry:
        """Put a decision on record and freeze the readout it rests on.

        A decision may differ from the rule's recommendation, or defer; the memo's headline says so. An earlier decision is
        superseded, never undone.

        Args:
            readout: Of this experiment, not sealed.
            outcome: `ship`, `ship none`, `iterate` or `defer`.
            variant: With `ship`: which one.
            because: Why.
            by: Who answers for it.

        Raises:
            DecisionError: sealed, of another experiment or plan, unknown outcome or variant, no reason, no name.
        """
        if isinstance(readout, SealedReadout):
            raise SealedError("XPB-R01", key=self.key, reason=plain(readout.due.reason))
        if readout.key != self.key or readout.plan_digest != self.plan.digest:
            raise DecisionError(
                "XPB-R05",
                found=f"{readout.key} with plan {readout.plan_digest[:12]}",
                expected=f"{self.key} with plan {self.plan.digest[:12]}",
            )
        if outcome not in DECISIONS:
            raise DecisionError("XPB-R03", value=outcome, hint=plain(nearest(outcome, DECISIONS)))
        names = [v.key for v in self.plan.treatments]
        if outcome == "ship" and variant not in names:
            raise DecisionError("XPB-R04", value=variant or "", hint=plain(nearest(variant or "", names)))
        _needs_reason(because, "a decision")
        if not by.strip():
            raise DecisionError("XPB-R09")
        chosen = variant if outcome == "ship" else None
        advice = readout.recommendation
        follows = outcome == advice.outcome and (outcome != "ship" or chosen == advice.variant)
        earlier = [e.seq for e in self.ledger.entries() if e.kind in ("decided", "deferred")]
        document = readout.to_dict()
        write_atomic(self.folder / READOUT, (json.dumps(document, ensure_ascii=False) + "\n").encode())
        return self.ledger.append(
            "deferred" if outcome == "defer" else "decided",
            {
                "outcome": outcome,
                "variant": chosen,
                "because": because,
                "recommended": advice.outcome,
                "recommended_variant": advice.variant,
                "rule_rows": list(advice.rows),
                "follows_rule": follows,
                "readout_digest": digest(document),
                "plan_digest": self.plan.digest,
                "supersedes": earlier[-1] if earlier else None,
            },
            by=by,
        )

    @property
    def decision(self) -> Entry | None:
        """The decision in force, or None."""
        for entry in reversed(self.ledger.entries()):
            if entry.kind in ("decided", "deferred"):
                return entry
        return None

    def decided_readout(self) -> Readout:
        """The readout that the decision in force rests on.

        Raises:
            DecisionError: `XPB-R06`, nothing is decided; `XPB-R05`, the file differs from what was decided on.
        """
        decision = self.decision
        if decision is None:
            raise DecisionError("XPB-R06", key=self.key)
        path = self.folder / READOUT
        if not path.is_file():
            raise DecisionError("XPB-R08", key=self.key)
        document = json.loads(path.read_bytes())
        if digest(document) != decision.body["readout_digest"]:
            raise DecisionError(
                "XPB-R05", found=f"readout {digest(document)[:12]}", expected=decision.body["readout_digest"][:12]
            )
        return Readout.from_dict(document)

    def memo(self) -> Memo:
        """The frozen memo of the decision in force.

        Raises:
            DecisionError: `XPB-R06`, nothing is decided.
        """
        from xpbench.memo import build

        readout = self.decided_readout()
        decision = self.decision
        assert decision is not None  # noqa: S101 - decided_readout has checked it
        return build(self.plan, readout, self.ledger.entries(), decision=decision)

    @property
    def memo_path(self) -> Path:
        """Where the memo of this experiment is kept."""
        return self.folder / MEMO

    # in Mixpanel

    def publish(
        self, client: Client, *, launch: bool = False, flag: bool = False, details: dict[str, Any] | None = None
    ) -> Published:
        """Make the Mixpanel experiment of this plan, or bring it up to date, and record its id.

        Args:
            client: Of the project; the one place where a socket is opened.
            launch: Also move it to active and annotate the launch.
            flag: Also make a flag that assigns by the plan (its hash must be `mixpanel`).
            details: Inner fields whose shape Mixpanel does not publish; passed through untouched.

        Raises:
            MixpanelError: what Mixpanel refused, and what to do.
        """
        found = lifecycle.publish(
            self.plan, self.plan.digest, client, launch=launch, flag=flag, details=details, clock=self._clock
        )
        self.ledger.append("published", found.to_dict())
        if launch and not any(e.kind == "launched" for e in self.ledger.entries()):
            self.launch(note="launched in Mixpanel")
        return found

    def conclude(self, client: Client, *, end_date: str | None = None) -> Published:
        """End the experiment in Mixpanel, and log the decision in force there, where there is one.

        Raises:
            MixpanelError: never published or launched, or another decision stands there.
        """
        decision = self.decision
        found = lifecycle.conclude(self.plan, client, end_date=end_date)
        if decision is not None:
            found = lifecycle.decide(
                self.plan,
                self.plan.digest,
                client,
                outcome=decision.body["outcome"],
                variant=decision.body["variant"],
                because=str(decision.body["because"]),
                by=decision.by or "",
                clock=self._clock,
            )
        self.ledger.append("concluded", found.to_dict())
        return found

    # state

    def status(self) -> Status:
        """Where the experiment stands; from the ledger alone."""
        return status_of(self.ledger.entries(), now=self._clock())

    def signatures_missing(self) -> tuple[str, ...]:
        """Names in the plan's sign-offs that have not signed the plan in force."""
        return _unsigned(self.ledger.entries(), self.plan.to_dict())

    @property
    def witness(self) -> Witness:
        """Length and head of the ledger now."""
        return self.ledger.head

    def __repr__(self) -> str:
        return f"Experiment({self.key!r}, {self.status().state}, plan {self.plan.digest[:12]})"


def status_of(entries: Sequence[Entry], *, now: datetime) -> Status:
    """Where an experiment stands: a function of its verified ledger, which holds every plan that was in force.

    Args:
        entries: All entries, oldest first.
        now: Aware time, for what the contract after shipping asks for.

    Raises:
        LedgerError: `XPB-L09`, no plan is on record.
    """
    document = _plan_in_force(entries)
    kinds = [e.kind for e in entries]
    decision = next((e for e in reversed(entries) if e.kind in ("decided", "deferred")), None)
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
        sentence = f"Decided: {outcome}{' ' + str(decision.body['variant']) if decision and decision.body['variant'] else ''}."
    elif "opened" in kinds:
        state, sentence = "ready", "Results are due; no decision yet." if not outcome else "Deferred."
    elif last is not None or "launched" in kinds:
        state, sentence = "running", f"Running, {units:,} units at the last look; results are sealed."
    else:
        state, sentence = "registered", "Registered, not launched."
    return Status(
        str(document["key"]),
        str(document["title"]),
        state,
        sentence,
        sum(kind in ("opened", "peeked") for kind in kinds),
        knowledge(entries),
        units,
        outcome,
        _unsigned(entries, document),
    )


def _unsigned(entries: Sequence[Entry], document: Mapping[str, Any]) -> tuple[str, ...]:
    in_force = next(str(e.body["plan_digest"]) for e in reversed(entries) if e.kind in ("registered", "amended"))
    signed = {str(e.body["name"]) for e in entries if e.kind == "signed_off" and e.body["plan_digest"] == in_force}
    return tuple(str(s["name"]) for s in document.get("sign_offs", ()) if s["name"] not in signed)


def read_entries(folder: Path) -> tuple[Entry, ...]:
    """The verified ledger of an experiment whose plan.json is the one on record.

    Raises:
        BrokenLedger: the chain does not hold; says where.
        ChangedPlan: `XPB-P28`, plan.json differs from what was registered; names the field.
    """
    entries = Ledger(folder / LEDGER).entries()
    _ensure_unchanged(folder, _plan_in_force(entries))
    return entries


def _ensure_unchanged(folder: Path, document: dict[str, Any]) -> None:
    found = read_document(folder / PLAN)
    if _text(found) != _text(document) and digest(found) != digest(document):
        changes = diff(document, found)
        first = changes[0] if changes else Change("", None, None)
        raise ChangedPlan(
            "XPB-P28", pointer=plain(first.pointer or "/"), expected=_brief(first.before), found=_brief(first.after)
        )


def statuses(root: str | Path = "experiments", *, only: str | None = None) -> list[dict[str, Any]]:
    """State of every experiment of a root (or of one); broken ones are listed with the reason, never hidden."""
    if only is not None:
        return [open_experiment(only, root).status().to_dict()]
    out: list[dict[str, Any]] = []
    for listed in experiments(root):
        try:
            if listed.status == "broken":
                raise LedgerError("XPB-L10", key=listed.key, reason=plain(listed.reason))
            out.append(open_experiment(listed.key, root).status().to_dict())
        except XpbenchError as error:
            out.append({"key": listed.key, "title": "", "state": "broken", "sentence": str(error)})
    return out


def _text(document: Mapping[str, Any]) -> str:
    """Plain JSON: equal texts are equal values, and it is made much faster than the canonical form."""
    return json.dumps(document, sort_keys=True)


def health_counts(checks: Iterable[Any]) -> dict[str, Any]:
    """What a look puts on record of its health checks: how many pass, and the names of those that warn or fail."""
    listed = list(checks)
    return {
        "pass": sum(c.status == "pass" for c in listed),
        "warn": sorted(c.name for c in listed if c.status == "warn"),
        "fail": sorted(c.name for c in listed if c.status == "fail"),
        "gates": sorted(c.name for c in listed if c.blocks),
    }


_SHARE = re.compile(r"/assignment/rollout/\[[^\]]*\]/share\Z")


def _is_ramp(change: Change, plan: Plan) -> bool:
    """Whether a change only lets more units into a rollout group, which reassigns nobody.

    The variant comes from a hash of its own, so a larger share adds units and moves none, as long as no group has splits or a
    variant of its own.
    """
    if plan.assignment is None or not _SHARE.match(change.pointer):
        return False
    plain_groups = all(g.splits is None and g.variant is None for g in plan.assignment.rollout)
    return plain_groups and change.before is not None and change.after is not None and change.after > change.before


def _needs_reason(reason: str, action: str) -> None:
    if not reason.strip():
        raise DecisionError("XPB-R02", action=plain(action))


def brief(readout: Readout | SealedReadout) -> Mapping[str, Any]:
    """A readout for `--json`: without the moments and the plan, which stay in the experiment's folder."""
    out = readout.to_dict()
    return {k: v for k, v in out.items() if k not in ("summary", "plan")}
