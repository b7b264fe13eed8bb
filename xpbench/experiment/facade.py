"""One experiment as its owners hold it: every step is a method here, and each is done by the module of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xpbench.data.summary import Summary
from xpbench.decide.looks import Look
from xpbench.decide.readout import Readout, SealedReadout
from xpbench.decide.seal import due, ensure_has_looks
from xpbench.errors import DecisionError, SealedError, plain
from xpbench.experiment import publishing
from xpbench.experiment.amending import record_amendment
from xpbench.experiment.binding import look_of
from xpbench.experiment.checking import checks_of
from xpbench.experiment.deciding import decided_readout, frozen_part, record_decision
from xpbench.experiment.gathering import FurtherHealth, Source, gather, summarize
from xpbench.experiment.opening import decision_of, keep_plan, methods_in_force, plan_in_force
from xpbench.experiment.reading import carried, newest_look, reading_of, source_again
from xpbench.experiment.reasons import ensure_reason
from xpbench.experiment.revealing import looks_of, note_health, reveal, seal
from xpbench.experiment.sources import log_of, source_of
from xpbench.experiment.state import LOOKED, Status, status_of, unsigned
from xpbench.health import Check
from xpbench.health.sealing import under_seal
from xpbench.ledger import Clock, Entry, Ledger, Witness, signature, system_clock
from xpbench.ledger.folder import LEDGER, MEMO, ensure_named, existing
from xpbench.ledger.grammar import conflicts
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.experiment.watching import Watched
    from xpbench.memo import Memo
    from xpbench.memo.reproduce import Reproduction
    from xpbench.mixpanel.client import Client
    from xpbench.mixpanel.lifecycle import Published
    from xpbench.mixpanel.sync import Sync
    from xpbench.watch.estimators import Trend
    from xpbench.watch.ramp import RampAnswer


class Experiment:
    """A registered experiment; made by `register` and `open_experiment`.

    It may stay open while others work on the same folder: what it does rests on the plan in force, and an amendment that was
    prepared before somebody else's is refused.
    """

    def __init__(self, plan: Plan, folder: Path, ledger: Ledger, clock: Clock, *, base: Witness | None = None) -> None:
        self._plan = plan
        self.folder = folder
        self.ledger = ledger
        self._clock = clock
        self._base = base if base is not None else ledger.head
        self._seen_file = _signature(ledger.path)

    @property
    def plan(self) -> Plan:
        """The plan in force, amended by whoever holds the experiment; read again when its ledger has changed."""
        now = _signature(self.ledger.path)
        if now != self._seen_file:
            entries = self.ledger.entries()
            self._plan = Plan(**plan_in_force(entries)).under(methods_in_force(entries))
            self._seen_file = now
        return self._plan

    @property
    def base(self) -> Witness:
        """Length and head of the ledger that this handle has shown: what its next amendment is based on."""
        return self._base

    @property
    def key(self) -> str:
        """Its key."""
        return self.plan.key

    def neighbours(self) -> list[Plan]:
        """Return the plans of the other experiments of its root that are not decided yet."""
        from xpbench.experiment.neighbours import running_plans

        return running_plans(self.root, besides=self.key)[0]

    @property
    def root(self) -> Path:
        """The folder of all experiments."""
        return self.folder.parent

    # before and while it runs

    def sign(self, name: str, *, role: str | None = None, key: str | Path | None = None) -> Entry:
        """Put a sign-off on record: over the plan in force, and over the decision where there is one.

        A signature covers the plan, the ledger up to here, and, once something is decided, the decision with the digests of its
        readout and its data. Sign again after the decision to answer for the results.

        Args:
            name: Who signs.
            role: As what.
            key: File of a private key (Ed25519 as PEM, or OpenSSH): the sign-off then carries a signature.

        Raises:
            InputError: the key can't be used.
        """
        body: dict[str, Any] = {"name": name, "role": role, "plan_digest": self.plan.digest}
        if key is not None:
            body |= signature.signed_part(self.ledger.entries())
            body["signature"] = signature.sign(signature.message_of(body), key=key)
        return self.ledger.append("signed_off", body, by=name)

    def launch(self, *, by: str | None = None, note: str = "") -> Entry:
        """Record that units are being assigned from now on."""
        return publishing.record_launch(self.plan, self.ledger, by=by, note=note)

    def amend(
        self, plan: Plan, *, reason: str, by: str | None = None, base: Witness | None = None, undo: bool = True
    ) -> Experiment:
        """Replace the plan by a linked record that says what had been seen by then.

        Args:
            plan: The new plan: same key, same assignment, but that the share of a rollout group may grow (a ramp).
            reason: Why.
            by: Who.
            base: The head of the ledger at which the new plan was prepared; the one at which this handle was opened if missing.
            undo: Whether it may put a field back to what it was before an earlier amendment. Where the plan comes from a file,
                nobody knows on which plan that was based, and the command line does not take it for granted.

        Raises:
            InvalidPlan: the new plan has problems.
            DecisionError: `XPB-R07` it would reassign units, `XPB-R02` no reason, `XPB-R10` no change, `XPB-R18` it undoes one.
            LedgerError: `XPB-L16`, somebody amended, decided or restarted since this handle was opened; says what changed.
        """
        record_amendment(self.ledger, plan, reason=reason, by=by, base=base or self._base, undo=undo)
        keep_plan(self.folder, self.ledger.entries())
        self._base = self.ledger.head
        return open_experiment(self.key, self.root, clock=self._clock, agent=self.ledger.agent)

    def drop(self, variant: str, *, reason: str, by: str | None = None) -> Experiment:
        """Drop a treatment while the experiment runs: an amendment with a known price.

        The treatment is read and analysed no more; each unit keeps its variant, and every correction goes on counting the
        treatment as planned, so that the level of false positives stays what it was. The memo's first page says so. Switch the
        treatment off where it is served. Adding one needs a restart.

        Args:
            variant: Key of a treatment.
            reason: Why.
            by: Who.

        Raises:
            PlanError: `XPB-P32`, it is none of several treatments.
            DecisionError: `XPB-R34` the run is over, `XPB-R02` no reason.
            LedgerError: `XPB-L16`, somebody amended, decided or restarted since this handle was opened.
        """
        return self.amend(self.plan.without(variant), reason=reason, by=by)

    # reading

    def readout(
        self,
        source: Source | Summary | Any,
        *,
        variant: str | None = None,
        day: str | None = None,
        by: str | None = None,
        progress: Any = None,
        evidence: Mapping[str, Any] | None = None,
        segments: Sequence[str] = (),
        further_health: FurtherHealth = "compute",
        last: str = "",
    ) -> SealedReadout | Readout:
        """Sealed before results are due, everything afterwards; the look is on record before it is shown.

        Args:
            source: `xp.units(...)` or `xp.events(...)`; or what these take, a frame, a path, several, or a folder of files: the
                plan says whether it is a table of units or a log.
            variant: Column of the variant where `source` is a table; left out, it is found: called `variant`, `group`, `arm`,
                `test_group` …, or the one that holds the plan's variants.
            day: Column of a table with the day of the first exposure.
            by: Who looks.
            progress: Called with the name of each stage.
            evidence: What health checks may use beyond the data: `flag` (shares or a flag), `assigned` (units by variant),
                `audit` (of `xp.audit`), `retro` (of `xp.calibrate`), `windows` (of `xpbench.health.bias_windows`).
            segments: Further properties or columns to split by that the plan does not declare. The readout is then EXPLORATORY.
            further_health: `compute` the A/A calibration (1,000 re-randomisations of the units' values) and the bias windows of
                one, two and four weeks, where the source can answer and `evidence` does not hold them; or `off`.
            last: Why this is the last look of a group-sequential plan that ends short of its units. The look spends the rest of
                the level, and what comes in later decides nothing. It is a deviation, on record with this reason.

        Raises:
            DataError: the source can't be read under the plan.
            DecisionError: `XPB-R30`, `last` for a plan that is not group-sequential.
            HealthError: `XPB-H04`, evidence of an unknown kind.
        """
        plan = self.plan  # one plan from reading to showing; the ledger refuses the look where another is in force by then
        if last:
            ensure_has_looks(plan)
        given = source_of(plan, source, variant=variant, day=day)
        summary, health = self._read(plan, given, progress, evidence, segments, further_health)
        reading = reading_of(plan, given, self.folder)
        state = due(plan, summary, now=self._clock(), last=last)
        if not state.is_due:
            return seal(plan, self.ledger, summary, state, health, by=by, reading=reading)
        return reveal("opened", plan, self.ledger, summary, state, health, by=by, reason="", reading=reading, last=last)

    def peek(
        self,
        source: Source | Summary | Any,
        *,
        reason: str,
        variant: str | None = None,
        day: str | None = None,
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
            variant: As for `readout`.
            day: As for `readout`.
            by: Who looks.
            progress: Called with the name of each stage.
            evidence: As for `readout`.
            segments: As for `readout`.
            further_health: As for `readout`.

        Raises:
            DecisionError: `XPB-R02`, no reason.
        """
        ensure_reason(reason, "a peek")
        plan = self.plan
        given = source_of(plan, source, variant=variant, day=day)
        summary, health = self._read(plan, given, progress, evidence, segments, further_health)
        reading = reading_of(plan, given, self.folder)
        state = due(plan, summary, now=self._clock())
        kind: Literal["opened", "peeked"] = "opened" if state.is_due else "peeked"
        return reveal(kind, plan, self.ledger, summary, state, health, by=by, reason=reason, reading=reading)

    def looks(self) -> tuple[Look, ...]:
        """All looks at effects on record, oldest first."""
        return looks_of(self.ledger.entries())

    def summarize(self, source: Source | Summary | Any, *, by: str | None = None, progress: Any = None) -> Summary:
        """Moments of a source under the plan and its frozen caps: the means of every variant, so a look on record.

        Args:
            source: As for `readout`.
            by: Who looks.
            progress: Called with the name of each stage.

        Raises:
            SealedError: `XPB-R31`, results are not due. `readout` and `health` show what may be seen, `peek` the rest with a
                reason, and a source's own `summarize(plan)` gives the moments of the raw data.
        """
        readout = self.readout(source, by=by, progress=progress, further_health="off")
        if isinstance(readout, SealedReadout):
            raise SealedError("XPB-R31", key=self.key, reason=plain(readout.due.reason))
        return readout.summary

    def source(self, look: int | Entry | None = None) -> Source:
        """The data of a look on record, to be read again as that look read them: files, end, zone, columns and policies.

        Args:
            look: Its entry, or its number; the newest look at effects if missing.

        Raises:
            DecisionError: `XPB-R08`, there is no such look; `XPB-R32`, it names no files, or one of them is not there.
        """
        entries = self.ledger.entries()
        seq = look.seq if isinstance(look, Entry) else look
        found = newest_look(entries) if seq is None else next((e for e in entries if e.seq == seq and e.kind in LOOKED), None)
        if found is None:
            raise DecisionError("XPB-R08", key=self.key)
        return source_again(found, self.folder)

    def reproduce(self, source: Source | Summary | Any = None, *, progress: Any = None) -> Reproduction:
        """The readout that was decided on, against the same data read again. The decision has shown it: no look.

        Args:
            source: The data; the files that the look named if missing. What is not said of it here (its end, zone, schema,
                columns, policies) is taken from the look.
            progress: Called with the name of each stage.

        Raises:
            DecisionError: `XPB-R06`, nothing is decided; `XPB-R32`, the look names no files, or one of them is not there.
        """
        from xpbench.memo.reproduce import reproduce

        then = self.decided_readout()
        plan = Plan(**then.plan).under(then.methods)
        look = look_of(self.ledger.entries(), then)
        given = source_again(look, self.folder) if source is None else carried(look, source)
        further = [name for name in then.summary.segments if name not in plan.segments]
        now = summarize(plan, self.ledger, source_of(plan, given), progress=progress, segments=further)
        return reproduce(then, now)

    def health(
        self,
        source: Source | Summary | Any,
        *,
        by: str | None = None,
        progress: Any = None,
        evidence: Mapping[str, Any] | None = None,
        further_health: FurtherHealth = "compute",
    ) -> tuple[Check, ...]:
        """The health checks alone, worst first; effects stay sealed, and the ledger notes that the data was read.

        Numbers by variant that could come from outcomes stay sealed as well; an open readout has them.

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
        plan = self.plan
        given = source_of(plan, source)
        summary, checks = self._read(plan, given, progress, evidence, (), further_health)
        note_health(plan, self.ledger, summary, checks, by=by, reading=reading_of(plan, given, self.folder))
        return under_seal(checks)

    def _read(
        self,
        plan: Plan,
        source: Source | Summary,
        progress: Any,
        evidence: Mapping[str, Any] | None,
        segments: Sequence[str],
        further_health: FurtherHealth,
    ) -> tuple[Summary, tuple[Check, ...]]:
        """The moments of a source under the plan in force, and the health of the data."""
        summary, known = gather(
            plan,
            self.ledger,
            source,
            progress=progress,
            segments=segments,
            evidence=evidence,
            further_health=further_health,
        )
        return summary, checks_of(plan, self.ledger, summary, known, now=self._clock())

    def ramp(
        self,
        source: Source | Summary | Any,
        *,
        by: str | None = None,
        progress: Any = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> RampAnswer:
        """Go on, hold or roll back: the guardrails of a guarded ramp, over its stages; results stay sealed.

        The reading goes on record before the answer is returned. It may be repeated as often as one likes: over all readings
        and stages a harmless ramp is rolled back with a chance of at most the plan's `harm_alpha`.

        Args:
            source: As for `readout`.
            by: Who reads.
            progress: Called with the name of each stage of work.
            evidence: As for `readout`.

        Raises:
            DecisionError: `XPB-R50`, the plan has no ramp, or no launch is on record.
            DataError: the source can't be read under the plan.
        """
        from xpbench.experiment.ramping import ensure_begun, read_ramp

        plan = self.plan
        ensure_begun(plan, self.ledger.entries())
        given = source_of(plan, source)
        summary, health = self._read(plan, given, progress, evidence, (), "off")
        reading = reading_of(plan, given, self.folder)
        return read_ramp(plan, self.ledger, summary, health, by=by, reading=reading, now=self._clock())

    def ramp_on(self, *, by: str | None = None) -> Experiment:
        """Put the share of the next stage in force, where the newest reading of the ramp says go on; a linked amendment.

        Mixpanel gets the share by `sync` (`xpbench ramp KEY --go-on --push`).

        Args:
            by: Who.

        Raises:
            DecisionError: `XPB-R50`, the ramp does not say go on, or its last stage is in force.
            LedgerError: `XPB-L16`, somebody amended or decided meanwhile.
        """
        from xpbench.experiment.ramping import next_plan

        entries = self.ledger.entries()
        after, reason = next_plan(self.plan, entries)
        return self.amend(after, reason=reason, by=by, base=Witness(len(entries), entries[-1].digest))

    # deciding

    def decide(
        self,
        readout: Readout | SealedReadout,
        outcome: str,
        *,
        variant: str | None = None,
        because: str,
        by: str,
        supersedes: int | Entry | None = None,
    ) -> Entry:
        """Put a decision on record and freeze the readout it rests on.

        A decision may differ from the rule's recommendation, or defer; the memo's headline says so. An earlier decision is
        superseded, never undone. A decision that rests on an older look, while a later one at other data is on record, is a
        deviation that the headline names.

        Args:
            readout: Of this experiment, not sealed.
            outcome: `ship`, `ship none`, `iterate` or `defer`.
            variant: With `ship`: which one.
            because: Why.
            by: Who answers for it.
            supersedes: The decision in force (its entry, or its number), where there is one; a deferral needs no such word. The
                same decision on the same readout by the same person, as a button that is pressed twice gives it, is recorded
                once.

        Raises:
            DecisionError: sealed, of another experiment or plan, unknown outcome or variant, no reason, no name; `XPB-R16`, the
                readout is not what the look on record showed; `XPB-R17`, another decision is in force.
            LedgerError: `XPB-L16`, the plan was amended, or somebody decided, in the meantime.
        """
        entry = record_decision(
            self.plan,
            self.ledger,
            self.folder,
            readout,
            outcome,
            variant=variant,
            because=because,
            by=by,
            supersedes=supersedes.seq if isinstance(supersedes, Entry) else supersedes,
        )
        if not conflicts("amended", self.ledger.entries()[self._base.length : entry.seq - 1]):
            self._base = Witness(entry.seq, entry.digest)  # what this handle decided it has seen
        return entry

    @property
    def decision(self) -> Entry | None:
        """The decision in force, or None."""
        return decision_of(self.ledger.entries())

    def decided_readout(self) -> Readout:
        """The readout that the decision in force rests on.

        Raises:
            DecisionError: `XPB-R06`, nothing is decided; `XPB-R05`, the file differs from what was decided on.
        """
        return decided_readout(self.key, self.folder, self.decision)

    def memo(self) -> Memo:
        """The frozen memo of the decision in force: the same bytes whatever is looked at later.

        It ends with the decision; with the last sign-off or time stamp, where one came after it. `memo_to_date` holds the
        whole ledger.

        Raises:
            DecisionError: `XPB-R06`, nothing is decided.
        """
        return self._memo(frozen_part(self.ledger.entries()))

    def memo_to_date(self) -> Memo:
        """The memo of the decision in force with the ledger as it is now: later looks, checks and publications are in it.

        Raises:
            DecisionError: `XPB-R06`, nothing is decided.
            MemoError: `XPB-O01`, the plan was amended since.
        """
        return self._memo(self.ledger.entries())

    def _memo(self, entries: Sequence[Entry]) -> Memo:
        from xpbench.memo import build

        readout = self.decided_readout()
        decision = decision_of(entries)
        assert decision is not None  # noqa: S101 - decided_readout has checked it
        return build(Plan(**plan_in_force(entries)), readout, entries, decision=decision)

    @property
    def memo_path(self) -> Path:
        """Where the memo of this experiment is kept."""
        return self.folder / MEMO

    # after shipping

    def watch(
        self,
        source: Source | Any,
        *,
        by: str,
        note: str = "",
        trend: Trend = "linear",
        settle_days: float = 1.0,
        group_by: str | None = None,
        adopted: Mapping[str, date | str | None] | None = None,
        trigger: str | None = None,
    ) -> Watched:
        """Make the checks of the contract that are due, from a log, and write their letters.

        The series is made here: holdback, before and after, or staggered, as the plan says. Days that are not over don't count,
        nor those that the log does not reach by `settle_days` beyond their end. Each check goes on record before its letter is
        written: `watch.html` about the newest one, `watch-day-14.html` and `watch-day-28.html` beside it.

        Args:
            source: `xp.events(...)`, or what it takes: paths, a folder, a table.
            by: Who looks.
            note: Anything to remember.
            trend: For before and after: `linear` protects from a drift that was there before.
            settle_days: Time beyond the end of a day that the log must reach: what arrives late is in it by then.
            group_by: With a staggered rollout: the property that holds a unit's group.
            adopted: With a staggered rollout: first day with the variant by group, None = not yet.
            trigger: Event that makes a unit active on a day, for before and after; any event if missing.

        Raises:
            WatchError: `XPB-W01` no contract, `XPB-W02` not shipped, `XPB-W03` what does not fit.
            DataError: the log can't be read under the plan.
        """
        from xpbench.experiment.watching import watch

        return watch(
            self.plan,
            self.ledger,
            self.folder,
            log_of(self.plan, source),
            by=by,
            note=note,
            trend=trend,
            settle_days=settle_days,
            group_by=group_by,
            adopted=adopted,
            trigger=trigger,
            clock=self._clock,
        )

    def watch_power(
        self, source: Source | Any, *, change: float, trend: Trend = "linear", trigger: str | None = None
    ) -> dict[str, float]:
        """How likely the last check calls a change for the worse breached, by metric; asked before shipping (pre_post).

        The days of the past are played: their own noise and autocorrelation, with a step of that size at shipping.

        Args:
            source: As for `watch`.
            change: As a share of the metric's mean, such as 0.05.
            trend: As for `watch`.
            trigger: As for `watch`.

        Raises:
            WatchError: `XPB-W01` no contract; `XPB-W03` another estimator than `pre_post`, or too few days.
        """
        from xpbench.experiment.watching import power

        return power(self.plan, log_of(self.plan, source), self._clock(), change=change, trend=trend, trigger=trigger)

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
        return publishing.publish(self.plan, self.ledger, client, launch=launch, flag=flag, details=details, clock=self._clock)

    def sync(
        self,
        client: Client,
        *,
        dry_run: bool = False,
        adopt: bool = False,
        launch: bool = False,
        holdback: float | None = None,
        roll_back: str | None = None,
        by: str | None = None,
        before_writing: Callable[[Sync], None] | None = None,
    ) -> Sync:
        """Bring Mixpanel in step with plan and ledger: experiment, flag and stage; the difference is read before it is written.

        Amendments (a ramp) reach the flag, a decision to ship moves it to the variant, any other decision to control.

        Args:
            client: Of the project; the one place where a socket is opened.
            dry_run: Write nothing.
            adopt: Take over an experiment or flag of this name that was not made from this ledger.
            launch: Also move it to active, which can't be undone, and record the launch.
            holdback: After shipping: share of the units that stays on control. Recorded; later syncs keep to it.
            roll_back: Why everyone goes back to control; recorded.
            by: Who.
            before_writing: Called with the difference before the first write; what it raises stops the sync.

        Raises:
            MixpanelError: what Mixpanel refused; `XPB-M10` the plan can't be a flag; `XPB-M14` what is there belongs to
                another plan; `XPB-M15` Mixpanel salted the flag otherwise.
            DecisionError: `XPB-R02`, a roll-back without a reason.
        """
        return publishing.sync(
            self.plan,
            self.ledger,
            client,
            dry_run=dry_run,
            adopt=adopt,
            launch=launch,
            holdback=holdback,
            roll_back=roll_back,
            by=by,
            before_writing=before_writing,
            clock=self._clock,
        )

    def conclude(self, client: Client, *, end_date: str | None = None) -> Published:
        """End the experiment in Mixpanel, and log the decision in force there, where there is one.

        Raises:
            MixpanelError: never published or launched, or another decision stands there.
        """
        return publishing.conclude(self.plan, self.ledger, client, end_date=end_date, clock=self._clock)

    # state

    def status(self) -> Status:
        """Where the experiment is; from the ledger alone."""
        return status_of(self.ledger.entries(), now=self._clock())

    def signatures_missing(self) -> tuple[str, ...]:
        """Names in the plan's sign-offs that have not signed the plan in force."""
        return unsigned(self.ledger.entries(), self.plan.to_dict())

    @property
    def witness(self) -> Witness:
        """Length and head of the ledger now."""
        return self.ledger.head

    def __repr__(self) -> str:
        return f"Experiment({self.key!r}, {self.status().state}, plan {self.plan.digest[:12]})"

    def _repr_html_(self) -> str:
        """Where it is, and the plan in force."""
        return f"{self.status()._repr_html_()}<details><summary>Plan in force</summary>{self.plan._repr_html_()}</details>"


def _signature(path: Path) -> tuple[int, int, int]:
    """What changes with every entry; of a file that is gone, nothing that was ever seen."""
    try:
        info = path.stat()
    except OSError:
        return 0, 0, 0
    return info.st_ino, info.st_size, info.st_mtime_ns


def open_experiment(key: str, root: str | Path = "experiments", *, clock: Clock = system_clock, agent: str = "") -> Experiment:
    """The registered experiment with this key.

    Args:
        key: Its key.
        root: Folder of all experiments.
        clock: Where times come from.
        agent: Program that acts through it on behalf of whoever is named in `by`; it stands in every entry. "" for a person.

    Raises:
        LedgerError: `XPB-L04`, there is none; names the nearest. `XPB-L17`, the folder was copied or renamed.
        BrokenLedger: the chain does not hold; says where. `XPB-L14`, git has left an unresolved merge in it.
        ChangedPlan: `XPB-P28`, plan.json differs from what was registered; names the field.
    """
    folder = existing(root, key)
    ledger = Ledger(folder / LEDGER, clock=clock, agent=agent)
    entries = ledger.entries()
    document = plan_in_force(entries)
    ensure_named(folder, entries)
    keep_plan(folder, entries)
    base = Witness(len(entries), entries[-1].digest)
    return Experiment(Plan(**document).under(methods_in_force(entries)), folder, ledger, clock, base=base)
