"""The background sender: takes the head of the outbox, delivers it, and settles each row by the answer.

One sender works on an outbox at a time over all threads and processes: it holds a lock on `<outbox>.sender`, which the
system releases when the process ends, however it ends. One head, one request, one settlement: rows leave in their order.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from xpbench.expose import forks
from xpbench.expose.delivery import Delivery, DeliveryOutcome
from xpbench.expose.limits import BATCH_BYTES, BATCH_EVENTS, FUTURE_SECONDS, seconds_of
from xpbench.expose.outbox import Outbox
from xpbench.expose.warnings import Warnings

_UNCOUNTED_TRIES = 3
_CLOCK = ("clock", "", "an exposure was stamped in the future; it was sent with the server's time")


class Backoff:
    """Seconds to wait after failures in a row: doubling from `base` to `cap`, plus jitter.

    Mixpanel asks for 2 s doubling to 60 s with 1 to 5 s of jitter; the jitter here is the same share of a smaller base.
    """

    def __init__(self, *, base: float = 2.0, cap: float = 60.0, seed: int | None = None) -> None:
        self.base = base
        self.cap = cap
        self._random = random.Random(seed)  # noqa: S311 - spreads retries over time, protects nothing
        self.failures = 0

    def failed(self, *, wait: float = 0.0, longest: bool = False) -> float:
        """Count a failure and return how long to wait, at least as long as the server asked."""
        self.failures += 1
        grown = self.cap if longest else min(self.cap, self.base * 2.0 ** min(20, self.failures - 1))
        jitter = self._random.uniform(0.5, 2.5) * self.base
        return float(max(grown, wait) + jitter)

    def succeeded(self) -> None:
        """Start again at the base."""
        self.failures = 0


class Sender:
    """Delivers an outbox in a daemon thread.

    Args:
        outbox: Where rows wait.
        delivery: How they are sent.
        interval: Seconds between looks at the outbox; rows that came meanwhile share a request.
        backoff: Waits after failures.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        outbox: Outbox,
        delivery: Delivery,
        *,
        interval: float = 0.5,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._delivery = delivery
        self._interval = interval
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._limit = 1  # the first request is small: its answer tells the server's time
        self._was_split = False
        self._uncounted = 0
        self._warnings = Warnings(delivery.mask)
        self._server_offset: float | None = None
        self.sent = 0
        self.last_problem = ""
        self._thread: threading.Thread | None = None
        self._renew()

    def _renew(self) -> None:
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._idle = threading.Condition()
        self._pid = os.getpid()
        self._lock = self._outbox.sender_lock()
        self._starting = threading.Lock()

    def start(self) -> None:
        """Run, unless it runs already; again in a forked child."""
        if os.getpid() != self._pid:
            self._lock.forget()
            self._thread = None
            self._delivery.renew()
            self._renew()
        thread = self._thread
        if thread is not None and thread.is_alive():
            return
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._stop.clear()
                self._thread = threading.Thread(target=self._run, name="xpbench-sender", daemon=True)
                self._thread.start()

    def wake(self) -> None:
        """Look at the outbox now."""
        self._wake.set()

    def flush(self, *, timeout: float) -> bool:
        """Send what waits, now; True when the outbox is empty, False when the time ran out first."""
        end = time.monotonic() + timeout
        self.start()
        while True:
            self._wake.set()
            if self._outbox.held == 0 and self._outbox.pending() == 0:
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            with self._idle:
                self._idle.wait(min(left, 0.1))

    def stop(self, *, timeout: float) -> None:
        """End the thread after the request under way, or leave it behind when it hangs (it is a daemon)."""
        self._stop.set()
        self._wake.set()
        thread = self._thread
        if thread is not None and os.getpid() == self._pid and thread is not threading.current_thread():
            thread.join(timeout)
        self._thread = None

    def _run(self) -> None:
        db: Any = None
        wait = 0.0
        try:
            while not self._stop.is_set():
                try:
                    if db is not None and not self._outbox.is_current(db):
                        with forks.outside:
                            db.close()
                        db = None
                    if db is None:
                        with forks.outside:
                            db = self._outbox.connect(timeout=5.0)
                    wait = self._round(db)
                except self._outbox.errors as error:
                    self._warn(self._delivery.mask(error))
                    if db is not None:
                        with contextlib.suppress(*self._outbox.errors):
                            db.close()
                    db = None
                    wait = self._backoff.failed()
                with self._idle:
                    self._idle.notify_all()
                if self._backoff.failures:
                    self._stop.wait(wait)  # a flush must not hammer a server that asked to wait
                elif wait:
                    self._wake.wait(wait)
                self._wake.clear()
        finally:
            self._lock.release()
            if db is not None:
                with forks.outside:
                    self._outbox.checkpoint(db, force=True)
                    db.close()

    def _round(self, db: Any) -> float:
        """Send one head of the outbox; says how long to wait before the next."""
        self._outbox.write_held()
        with forks.outside:
            self._outbox.checkpoint(db)
            if not self._lock.acquire(db):
                return self._interval
            batch = self._outbox.head(db, events=self._limit, size=BATCH_BYTES)
        if not batch:
            return self._interval
        events = [json.loads(text) for _, text in batch]
        if self._correct_times(db, batch, events):
            return 0.0
        outcome = self._delivery.send(events, now=self._clock())
        if outcome.server_time is not None:
            self._server_offset = outcome.server_time - time.monotonic()
        outcome = self._given_up(batch, outcome)
        self._settle(db, batch, events, outcome)
        if outcome.split:
            self._limit = max(1, len(batch) // 2)
            self._was_split = True
            return 0.0
        if outcome.retry:
            self._warn(outcome.reason)
            if outcome.unanswered or outcome.uncounted:  # too much for the time, perhaps; or which row it is
                self._limit = max(1, len(batch) // 2)
                self._was_split = True
            return self._backoff.failed(wait=outcome.wait, longest=outcome.credentials)
        self._backoff.succeeded()
        self.last_problem = ""
        self._limit = min(BATCH_EVENTS, self._limit * 2) if self._was_split else BATCH_EVENTS
        self.sent += len(outcome.accepted)
        return 0.0

    def _warn(self, problem: str) -> None:
        self.last_problem = problem
        self._warnings(f"exposures wait in {self._outbox.path}: {problem}", about="waiting")

    def _given_up(self, batch: list[tuple[int, str]], outcome: DeliveryOutcome) -> DeliveryOutcome:
        """A single row that Mixpanel takes again and again without counting it is a dead letter: kept, and out of the way."""
        if not outcome.uncounted or len(batch) > 1 or not outcome.retry:
            self._uncounted = 0
            return outcome
        self._uncounted += 1
        if self._uncounted < _UNCOUNTED_TRIES or outcome.refused:
            return outcome
        self._uncounted = 0
        return DeliveryOutcome(refused=((0, "", outcome.reason),), server_time=outcome.server_time)

    def _correct_times(self, db: Any, batch: list[tuple[int, str]], events: list[Any]) -> bool:
        """Rewrite rows that the server would refuse as of the future, before they are sent: so the order is kept."""
        if self._server_offset is None:
            return False
        server_time = round(self._server_offset + time.monotonic(), 3)
        changed = []
        for (id_, _), event in zip(batch, events, strict=True):
            corrected = self._from_the_future(event, server_time)
            if corrected is not None:
                changed.append((id_, corrected))
        if changed:
            with forks.outside:
                self._outbox.settle(db, changed=changed, incidents=[_CLOCK] * len(changed))
        return bool(changed)

    def _settle(self, db: Any, batch: list[tuple[int, str]], events: list[Any], outcome: DeliveryOutcome) -> None:
        refused, changed, incidents = [], [], []
        for position, field, reason in outcome.refused:
            corrected = self._from_the_future(events[position], outcome.server_time)
            if corrected is not None:
                changed.append((batch[position][0], corrected))
                incidents.append(_CLOCK)
            else:
                refused.append((batch[position][0], field, reason))
        if refused:
            example = f"{refused[0][1]} {refused[0][2]}".strip()
            self._warnings(f"Mixpanel refuses events, see tracker.dead_letters(): {example}", about="refused")
        if outcome.credentials:
            incidents.append(("credentials", "", f"Mixpanel refuses the credentials: {outcome.reason}"))
        if outcome.accepted or refused or changed or incidents:
            taken = [batch[i][0] for i in outcome.accepted]
            with forks.outside:
                self._outbox.settle(db, accepted=taken, refused=refused, changed=changed, incidents=incidents)

    @staticmethod
    def _from_the_future(event: dict[str, Any], server_time: float | None) -> str | None:
        """The event with the server's time, when its own lies so far ahead that Mixpanel can't take it.

        It was refused, so it can't be there already with another time.
        """
        stamped = seconds_of(event["properties"].get("time"))
        if server_time is None or stamped is None or stamped <= server_time + FUTURE_SECONDS - 60:
            return None
        ahead = round(stamped - server_time)
        properties = {**event["properties"], "time": server_time, "Clock ahead (s)": ahead}
        return json.dumps({**event, "properties": properties}, separators=(",", ":"))
