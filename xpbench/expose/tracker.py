"""The tracker: what product code calls at the moment when a unit meets the change."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import os
import threading
import time as _time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self
from uuid import UUID

import mixpanel as sdk

from xpbench.errors import AssignError, ExposeError, nearest, plain
from xpbench.expose.arguments import Given, identified, outside_dates, own_properties, seconds_given, unit_text, variant_text
from xpbench.expose.delivery import Delivery
from xpbench.expose.event import exposure_event, incident_event, insert_id, run_name, text_of, unit_key
from xpbench.expose.outbox import DeadLetter, Incident, Note, OnFull, Outbox, QueuedExposure
from xpbench.expose.place import Place, state_folder
from xpbench.expose.relay import RelaySender
from xpbench.expose.results import Exposed, TrackerStatus
from xpbench.expose.sender import Backoff, Sender
from xpbench.expose.values import unit_of
from xpbench.expose.warnings import Warnings
from xpbench.ledger.clock import Clock, system_clock
from xpbench.plan import Plan
from xpbench.randomiser.single import Single

_JUMP_SECONDS = 300.0


class Tracker:
    """Sends each unit's first exposure to Mixpanel, once, and is never in the way of the code that calls it.

    Args:
        plan: The plan, or several when one process runs several experiments.
        mixpanel: The official SDK's `Mixpanel` object, whose hosts, credentials and consumer are used; or a project token, for
            the region that `MIXPANEL_REGION` names (us where it is not set).
        outbox: Path of the outbox on a local disk, or an `Outbox`. By default one file per project in the user's state
            folder (`XPBENCH_STATE`, else `XDG_STATE_HOME/xpbench`, else `~/.local/state/xpbench`; where none can be written,
            a folder of this user among the temporary ones), shared by all processes and readable by this user alone.
        via: `import` (strict: each refused row is named, any age) or `track`.
        on_full: When `max_pending` events wait: `refuse` the new one, `block` up to `max_block` first, or `raise`.
        on_error: `record` what goes wrong, or `raise` it to the caller.
        incidents: `send` an event for variant switches, unknown variants and exposures outside the dates, or only `keep` them.
        max_pending: Bound of the outbox.
        max_block: Seconds that `expose` may wait for other threads, and again for other processes.
        timeout: Seconds that a request may take in all, from the connection to the last byte of the answer.
        interval: Seconds between looks at the outbox.
        backoff: Waits after failed requests.
        exit_seconds: How long the end of the process waits for the last events; what is left is sent by the next process.
        sender: `thread` in this process; `process` a process of its own, for services that expose thousands a second; `none`
            leaves it to another process that has the same outbox.
        clock: The time.

    Raises:
        ExposeError: `XPB-E05` no Mixpanel object, `XPB-E06` no plan or two of one name, `XPB-E16` no place for the
            outbox, `XPB-E17` an unknown region;
            those of `Outbox`.
    """

    def __init__(
        self,
        plan: Plan | Iterable[Plan],
        *,
        mixpanel: sdk.Mixpanel | str,
        outbox: str | Path | Outbox | None = None,
        via: Literal["import", "track"] = "import",
        on_full: OnFull = "refuse",
        on_error: Literal["record", "raise"] = "record",
        incidents: Literal["send", "keep"] = "send",
        max_pending: int = 1_000_000,
        max_block: float = 0.05,
        timeout: float = 10.0,
        interval: float = 0.5,
        backoff: Backoff | None = None,
        exit_seconds: float = 5.0,
        sender: Literal["thread", "process", "none"] = "thread",
        clock: Clock = system_clock,
    ) -> None:
        plans = [plan] if isinstance(plan, Plan) else list(plan)
        self.plans: dict[str, Plan] = {p.experiment_name: p for p in plans}
        if not plans or len(self.plans) != len(plans):
            raise ExposeError("XPB-E06", count=plain(str(len(plans))))
        self._by_key = {p.key: p for p in plans} | self.plans
        self._clock = clock
        self._delivery = Delivery(mixpanel, via=via, timeout=timeout)
        self._warnings = Warnings(self._delivery.mask)
        project = hashlib.sha256(self._delivery.token.encode()).hexdigest()[:16]
        if isinstance(outbox, Outbox):
            self.outbox = outbox
        else:
            place = state_folder() if outbox is None else Place(Path(outbox))
            path = place.folder / f"outbox-{project}.sqlite" if outbox is None else place.folder
            self.outbox = Outbox(path, max_pending=max_pending, max_block=max_block, project=project, clock=self._now)
            if place.note:
                self.outbox.notes.append(place.note)
                self._warnings(place.note)
        if self._delivery.note:
            self.outbox.notes.append(self._delivery.note)
            self._warnings(self._delivery.note)
        self._on_full = on_full
        self._on_error = on_error
        self._incidents = incidents
        self._exit_seconds = exit_seconds
        self._send = sender != "none"
        self._sender: Sender | RelaySender
        if sender == "process" and not isinstance(self.outbox.path, Path):
            raise ExposeError("XPB-E14", value=plain(type(self.outbox).__name__))
        if sender == "process":
            self._sender = RelaySender(
                self.outbox, self._delivery, interval=interval, backoff=backoff, exit_seconds=exit_seconds
            )
        else:
            self._sender = Sender(self.outbox, self._delivery, interval=interval, backoff=backoff, clock=self._now)
        self._anchor = self._now() - _time.monotonic()
        self._singles = dict(_prepared(plans))
        self._invalid: dict[str, int] = {}
        self._count_lock = threading.Lock()
        self._pid = os.getpid()
        atexit.register(self._at_exit)
        if self._send:
            self._sender.start()

    # -- exposing -----------------------------------------------------------------------------------------------------

    def expose(
        self,
        unit: str | int | UUID,
        variant: str | None = None,
        *,
        experiment: str | None = None,
        time: float | datetime | None = None,
        distinct_id: str | None = None,
        **context: Any,
    ) -> Exposed:
        """Record that a unit meets the change now; the event goes to Mixpanel in the background, at most once, ever.

        Args:
            unit: Id of what is randomised, in the plan's `unit`: text, a whole number or a UUID, as `xp.assign` takes them.
            variant: What the unit sees; assigned by the plan's hash if None.
            experiment: Key or log name, needed when the tracker has several plans.
            time: When it happened (datetime with an offset, or seconds since the epoch), for events that arrive late; now if
                None. A datetime without an offset is taken where this machine runs in UTC, and refused elsewhere.
            distinct_id: The person, where the unit is something else (a company, a device).
            **context: Further properties of the event: text, numbers, Decimal, dates, UUIDs, values of numpy and pandas, lists
                and mappings of these. One that can't be sent is left out, recorded and logged; the exposure is sent.

        Returns:
            What became of it. `is_acknowledged` is True once it is safe on disk.

        Raises:
            ExposeError: only with `on_error="raise"`, or `XPB-E04` with `on_full="raise"`.
        """
        try:
            plan = self._plan(experiment)
            id_ = unit_text(unit)
            if variant is None:
                variant = self._assigned(plan, id_)
                if variant is None:
                    return Exposed("unassigned", plan.experiment_name, None, "the plan's hash gives this unit no variant")
            elif type(variant) is not str or not variant or not variant.isascii():
                variant = variant_text(variant)
            name = plan.experiment_name
            key = unit_key(run_name(plan), id_)
            if self.outbox.knows(key) == variant:
                return Exposed("repeat", name, variant)
            given = self._given(plan, id_, distinct_id, context, time)
            return self._add(plan, id_, key, variant, given)
        except ExposeError as error:
            if self._on_error == "raise" or (error.code == "XPB-E04" and self._on_full == "raise"):
                raise
            return self._failed(error.what, error.code, experiment, variant)
        except Exception as error:
            if self._on_error == "raise":
                raise
            return self._failed(f"{type(error).__name__}: {error}", "XPB-E07", experiment, variant)

    def expose_all(
        self,
        unit: str | int | UUID,
        variants: Mapping[str, str | None],
        *,
        time: float | datetime | None = None,
        distinct_id: str | None = None,
        **context: Any,
    ) -> list[Exposed]:
        """Record that a unit meets several changes at once: one combined event in the formats `dictionary` and `list`.

        Args:
            unit: Id of the unit.
            variants: Variant by experiment; None lets the plan's hash assign.
            time: As in `expose`.
            distinct_id: As in `expose`.
            **context: Further properties.

        Returns:
            One result per experiment, in order. Experiments that the unit had met before are left out of the event.
        """
        groups: dict[tuple[str, ...], list[tuple[Plan, str]]] = {}
        results: dict[str, Exposed] = {}
        for name, variant in variants.items():
            plan = self._by_key.get(name)
            if plan is None or plan.exposure.format == "separate":
                results[name] = self.expose(unit, variant, experiment=name, time=time, distinct_id=distinct_id, **context)
                continue
            try:
                chosen = variant_text(variant) if variant is not None else self._assigned(plan, unit_text(unit))
            except Exception as error:
                if self._on_error == "raise":
                    raise
                results[name] = self._failed(f"{type(error).__name__}: {error}", "XPB-E07", name, variant)
                continue
            if chosen is None:
                results[name] = Exposed("unassigned", plan.experiment_name, None, "the plan's hash gives this unit no variant")
                continue
            e = plan.exposure
            group = (plan.unit, e.event, e.format, e.list_property, e.list_separator)
            groups.setdefault(group, []).append((plan, chosen))
        for members in groups.values():
            results.update(self._combined(unit, members, time, distinct_id, context))
        return [results.get(name) or results[self._by_key[name].experiment_name] for name in variants]

    def _given(self, plan: Plan, unit: str, distinct_id: Any, context: Mapping[str, Any], time: Any) -> Given:
        given = identified(plan, unit, distinct_id, context)
        if self._on_error == "raise":
            given.refuse_left()
        for name, reason in given.left:
            self._warn("property left out", plan.experiment_name, f"{name}: {reason}")
        given.base["time"] = self._moment(time)
        return given

    def _add(self, plan: Plan, unit: str, key: bytes, variant: str, given: Given) -> Exposed:
        name = plan.experiment_name
        base = given.base
        moment: float = base["time"]
        outside = outside_dates(plan, moment)
        if outside:
            event = self._incident(plan, unit, "outside dates", variant, base)
            state, reason = self._write(
                QueuedExposure((), (), _nothing, (("outside dates", name, key.hex(), variant, moment, event),))
            )
            return Exposed(state if state in ("held", "refused") else "outside", name, variant, reason or outside)
        notes: list[Note] = [("property left out", name, "", f"{k}: {why}", moment, None) for k, why in given.left]
        if variant not in {v.key for v in plan.variants}:
            event = self._incident(plan, unit, "unknown variant", variant, base)
            notes.append(("unknown variant", name, key.hex(), variant, moment, event))
        text = text_of(exposure_event(plan, unit, [(name, variant)], base))

        def switched(position: int, former: str) -> Note:
            del position
            event = self._incident(plan, unit, "variant switch", variant, base, former=former)
            return ("variant switch", name, key.hex(), f"{former} to {variant}", moment, event)

        state, reason = self._write(QueuedExposure((key,), (variant,), lambda fresh: text, tuple(notes), switched))
        return Exposed(state, name, variant, reason)

    def _combined(
        self,
        unit: str | int | UUID,
        members: list[tuple[Plan, str]],
        time: float | datetime | None,
        distinct_id: str | None,
        context: Mapping[str, Any],
    ) -> dict[str, Exposed]:
        out: dict[str, Exposed] = {}
        try:
            id_ = unit_text(unit)
            given = self._given(members[0][0], id_, distinct_id, context, time)
            base = given.base
            inside = []
            for plan, variant in members:
                key = unit_key(run_name(plan), id_)
                if outside_dates(plan, base["time"]) or variant not in {v.key for v in plan.variants}:
                    out[plan.experiment_name] = self._add(plan, id_, key, variant, given)
                else:
                    inside.append((plan, variant, key))
            if not inside:
                return out
            before = [self.outbox.knows(key) for _, _, key in inside]
            fresh_now: list[int] = []

            def build(fresh: tuple[int, ...]) -> str:
                fresh_now.extend(fresh)
                pairs = [(inside[i][0].experiment_name, inside[i][1]) for i in fresh]
                return text_of(exposure_event(inside[0][0], id_, pairs, base))

            switches: dict[int, str] = {}

            def switched(position: int, former: str) -> Note:
                plan, variant, key = inside[position]
                switches[position] = former
                event = self._incident(plan, id_, "variant switch", variant, base, former=former)
                detail = f"{former} to {variant}"
                return ("variant switch", plan.experiment_name, key.hex(), detail, base["time"], event)

            if before == [variant for _, variant, _ in inside]:
                state, reason = "repeat", ""
            else:
                keys, variants = tuple(k for _, _, k in inside), tuple(v for _, v, _ in inside)
                name = inside[0][0].experiment_name
                notes = tuple(("property left out", name, "", f"{k}: {why}", base["time"], None) for k, why in given.left)
                state, reason = self._write(QueuedExposure(keys, variants, build, notes, switched))
            for position, (plan, variant, _) in enumerate(inside):
                mine: Any = state
                if state in ("queued", "repeat", "switch"):
                    mine = "queued" if position in fresh_now else "switch" if position in switches else "repeat"
                out[plan.experiment_name] = Exposed(mine, plan.experiment_name, variant, reason)
        except Exception as error:
            if self._on_error == "raise":
                raise
            text = error.what if isinstance(error, ExposeError) else f"{type(error).__name__}: {error}"
            for plan, variant in members:
                out.setdefault(plan.experiment_name, self._failed(text, "XPB-E07", plan.key, variant))
        return out

    def _write(self, entry: QueuedExposure) -> tuple[Any, str]:
        if self._send:
            self._sender.start()
        added = self.outbox.add(entry, on_full=self._on_full)
        if added == "full":
            reason = f"{self.outbox.max_pending} events wait in the outbox"
            self._warn("refused exposure", "", reason)
            return "refused", reason
        if added == "held":
            reason = self.outbox.notes[-1] if self.outbox.notes else "the outbox is busy"
            self._warn("held exposure", "", reason)
            return "held", reason
        return added, "the unit was exposed to another variant before" if added == "switch" else ""

    def _plan(self, experiment: str | None) -> Plan:
        if experiment is None:
            if len(self.plans) == 1:
                return next(iter(self.plans.values()))
            raise ExposeError("XPB-E08", known=", ".join(sorted(self.plans)))
        plan = self._by_key.get(experiment)
        if plan is None:
            raise ExposeError("XPB-E09", value=experiment, hint=plain(nearest(experiment, self._by_key)))
        return plan

    def _assigned(self, plan: Plan, unit: str) -> str | None:
        single = self._singles.get(plan.experiment_name)
        return (single or Single(plan))(unit)  # a plan that can't assign says here why

    def _moment(self, time: Any) -> float:
        if time is None:
            now = self._now()
            anchor = now - _time.monotonic()
            if abs(anchor - self._anchor) > _JUMP_SECONDS:
                jump, self._anchor = anchor - self._anchor, anchor
                self.outbox.note("clock", "", f"the clock jumped by {jump:+.0f} s")
            return round(now, 3)
        return seconds_given(time)

    def _incident(
        self, plan: Plan, unit: str, incident: str, variant: str, base: dict[str, Any], *, former: str | None = None
    ) -> str | None:
        if self._incidents == "keep":
            return None
        return text_of(incident_event(plan, unit, incident, variant, base, former=former))

    def _failed(self, reason: str, code: str, experiment: str | None, variant: str | None) -> Exposed:
        reason = self._delivery.mask(reason)
        with self._count_lock:
            self._invalid[code] = self._invalid.get(code, 0) + 1
        name = experiment or (next(iter(self.plans)) if len(self.plans) == 1 else "")
        self._warn("invalid exposure", name, reason)
        self.note("invalid exposure", name, f"{reason} [{code}]")
        return Exposed("invalid", name, variant, f"{reason} [{code}]")

    def _warn(self, kind: str, experiment: str, detail: str) -> None:
        """One line in the log at warning level."""
        about = f" of {experiment}" if experiment else ""
        self._warnings(f"{kind}{about}: {detail}")

    def note(self, kind: str, experiment: str, detail: str) -> None:
        """Count something that went wrong around an exposure (a fallback, an invalid call); never raises."""
        try:
            self.outbox.note(kind, experiment, self._delivery.mask(detail))
        except Exception as error:  # noqa: BLE001 - a note about a fault must not become one
            self.outbox.notes.append(self._delivery.mask(error))

    def _now(self) -> float:
        return self._clock().timestamp()

    def expose_unplanned(
        self, experiment: str, unit: str | int | UUID, variant: str, *, distinct_id: str, properties: Mapping[str, Any]
    ) -> Exposed:
        """Record the exposure of a flag that has no plan, in Mixpanel's default format, once as well; never raises."""
        try:
            id_ = unit_text(unit)
            key = unit_key(experiment, id_)
            if self.outbox.knows(key) == variant:
                return Exposed("repeat", experiment, variant)
            base, left = own_properties(properties)
            for name, reason in left:
                self._warn("property left out", experiment, f"{name}: {reason}")
                self.note("property left out", experiment, f"{name}: {reason}")
            base |= {"distinct_id": distinct_id, "time": self._moment(None), "Experiment name": experiment}
            base |= {"Variant name": variant, "$insert_id": insert_id("exposure", id_, [(experiment, variant)])}
            text = text_of({"event": "$experiment_started", "properties": base})

            def switched(position: int, former: str) -> Note:
                del position
                return ("variant switch", experiment, key.hex(), f"{former} to {variant}", base["time"], None)

            state, reason = self._write(QueuedExposure((key,), (variant,), lambda fresh: text, (), switched))
            return Exposed(state, experiment, variant, reason)
        except Exception as error:  # noqa: BLE001 - a flag without a plan has nobody who asked for exceptions
            text = error.what if isinstance(error, ExposeError) else f"{type(error).__name__}: {error}"
            return self._failed(text, "XPB-E07", experiment, variant)

    def knows_experiment(self, name: str) -> Plan | None:
        """The plan of this key or log name, if the tracker has it."""
        return self._by_key.get(name)

    # -- events of others ---------------------------------------------------------------------------------------------

    def enqueue(self, unit: str, event: str, properties: Mapping[str, Any]) -> bool:
        """Queue an event that is not an exposure as durably; True when it is safe on disk."""
        props, left = own_properties(properties)
        for name, reason in left:
            self._warn("property left out", "", f"{event}, {name}: {reason}")
        props["time"] = self._moment(properties.get("time"))
        if properties.get("$insert_id"):
            props["$insert_id"] = properties["$insert_id"]
        props["distinct_id"] = unit
        text_id = props.setdefault("$insert_id", insert_id(event, unit, [("time", repr(props["time"]))]))
        text = text_of({"event": event, "properties": props})
        key = unit_key("\0event", f"{event}\0{unit}\0{text_id}")
        state, _ = self._write(QueuedExposure((key,), (event,), lambda fresh: text))
        return state in ("queued", "repeat")

    # -- reports ------------------------------------------------------------------------------------------------------

    def status(self) -> TrackerStatus:
        """Counts that say whether exposures flow."""
        kinds: dict[str, int] = {}
        for incident in self.outbox.incidents():
            kinds[incident.kind] = kinds.get(incident.kind, 0) + incident.times
        return TrackerStatus(
            pending=self.outbox.pending(),
            held=self.outbox.held,
            refused=self.outbox.refused,
            dead=self.outbox.dead(),
            sent=self._sender.sent,
            last_problem=self._sender.last_problem,
            incidents=kinds,
            notes=tuple(self._delivery.mask(n) for n in self.outbox.notes),
            host=urllib.parse.urlsplit(self._delivery.url).netloc,
        )

    def incidents(self) -> list[Incident]:
        """Variant switches, unknown variants, exposures outside the dates, fallbacks, clock jumps, refused credentials."""
        return self.outbox.incidents()

    def dead_letters(self) -> list[DeadLetter]:
        """Events that Mixpanel refused, with its reason."""
        return self.outbox.dead_letters()

    # -- end ----------------------------------------------------------------------------------------------------------

    def flush(self, *, timeout: float = 10.0) -> bool:
        """Send what waits; True when nothing is left, False when the time ran out (nothing is lost then)."""
        self.outbox.write_held()
        return self._sender.flush(timeout=timeout)

    def close(self, *, timeout: float | None = None) -> bool:
        """Flush within the time and stop; True when nothing is left."""
        atexit.unregister(self._at_exit)
        empty = self.flush(timeout=self._exit_seconds if timeout is None else timeout) if self._send else True
        self._sender.stop(timeout=1.0)
        self.outbox.close()
        return empty

    def _at_exit(self) -> None:
        if os.getpid() == self._pid:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- async twins --------------------------------------------------------------------------------------------------

    async def aexpose(self, unit: str | int | UUID, variant: str | None = None, **options: Any) -> Exposed:
        """`expose` for async code: a repeat answers at once, anything that touches the disk runs in a thread."""
        if variant is not None and len(self.plans) == 1:
            name, plan = next(iter(self.plans.items()))
            if self.outbox.knows(unit_key(run_name(plan), unit_of(unit) or "")) == variant:
                return Exposed("repeat", name, variant)
        return await asyncio.to_thread(self.expose, unit, variant, **options)

    async def aexpose_all(self, unit: str | int | UUID, variants: Mapping[str, str | None], **options: Any) -> list[Exposed]:
        """`expose_all` for async code."""
        return await asyncio.to_thread(self.expose_all, unit, variants, **options)

    async def aflush(self, *, timeout: float = 10.0) -> bool:
        """`flush` for async code."""
        return await asyncio.to_thread(self.flush, timeout=timeout)

    async def aclose(self, *, timeout: float | None = None) -> bool:
        """`close` for async code."""
        return await asyncio.to_thread(self.close, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Tracker({', '.join(sorted(self.plans))}; {self.outbox!r})"


def _prepared(plans: Iterable[Plan]) -> Iterator[tuple[str, Single]]:
    """The randomiser of each plan that assigns, made before the first request."""
    for plan in plans:
        try:
            yield plan.experiment_name, Single(plan)
        except AssignError:
            continue  # the caller gives the variant, or the call says why it can't be assigned


def _nothing(fresh: tuple[int, ...]) -> str:
    raise AssertionError(fresh)  # pragma: no cover - there is no key that could be fresh
