"""Exposures over HTTP, from any language and machine into one outbox: what `xpbench relay` serves.

An ASGI application without a framework: any ASGI server runs it, and a service of yours can mount it. An exposure is answered
with 200 once it is safe in the outbox, and not before; what could not be kept is answered with 503, and asking again adds
nothing, because each unit counts once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

from xpbench.canonical import strict_loads
from xpbench.errors import ExposeError
from xpbench.expose.arguments import seconds_given, unit_text, variant_text
from xpbench.expose.counts import CONTENT_TYPE, DeliveryCounts
from xpbench.expose.limits import FUTURE_SECONDS
from xpbench.expose.outbox import Outbox
from xpbench.expose.tracker import Tracker
from xpbench.plan import Plan

_FIELDS = frozenset({"experiment", "unit", "variant", "time", "age", "distinct_id", "properties"})
_OWN = frozenset({"unit", "variant", "experiment", "time", "distinct_id", "token", "$insert_id"})
_BODY_SECONDS = 10.0
_THREADS = 16
_HERE = ("127.0.0.1", "::1", "localhost")

EXPOSURES = "xpbench_relay_exposures_total"
REFUSED = "xpbench_relay_refused_total"
REQUESTS = "xpbench_relay_requests_total"
_COUNTERS = {
    EXPOSURES: "Exposures by experiment and what became of them.",
    REFUSED: "What was refused and not stored, by reason.",
    REQUESTS: "Requests by status.",
}

Scope = Mapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]


class Answer(NamedTuple):
    """Status and JSON of an answer."""

    status: int
    body: dict[str, Any]


class Refusal(Exception):
    """Nothing is stored; the reason is counted under a short name.

    Args:
        status: HTTP status.
        reason: Short name.
        text: What is wrong and what to do.
    """

    def __init__(self, status: int, reason: str, text: str) -> None:
        super().__init__(text)
        self.status, self.reason, self.text = status, reason, text


class RelayService:
    """The application.

    Args:
        tracker: Of the plans that are served; its outbox is where exposures go.
        tokens: Whoever asks must give one of them. Without any, only this machine is answered.
        origins: Pages that may ask, such as `https://www.example.com`. A page of another origin is refused, token or not.
        max_body: Bytes of a request at most.
        max_batch: Exposures in one request at most.
        max_inflight: Requests at work at once; more are asked to come back.
        oldest_days: How long ago an exposure may have been.
    """

    def __init__(
        self,
        tracker: Tracker,
        *,
        tokens: Iterable[str] = (),
        origins: Iterable[str] = (),
        max_body: int = 262_144,
        max_batch: int = 500,
        max_inflight: int = 512,
        oldest_days: float = 5.0,
    ) -> None:
        self.tracker = tracker
        self.counts = DeliveryCounts()
        self._tokens = tuple(t.encode() for t in tokens if t)
        self._origins = frozenset(o.rstrip("/").lower() for o in origins)
        self._max_body, self._max_batch, self._max_inflight = max_body, max_batch, max_inflight
        self._oldest = oldest_days * 86_400
        self._inflight = 0
        # on disk an exposure takes less time than handing it to a thread; over a network it does not
        self._is_near = type(tracker.outbox) is Outbox
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    # -- ASGI ---------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    self.close()
                    return
        if scope["type"] != "http":
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        origin = headers.get("origin", "")
        began = time.perf_counter()
        extra: dict[str, str] = {}
        body: bytes | None = None
        if self._inflight >= self._max_inflight:
            answer = self._refused(Refusal(503, "busy", "Too many requests are at work. Send it again in a second."))
        else:
            self._inflight += 1
            try:
                answer = await self._answered(scope, headers, receive)
            except Refusal as refusal:
                answer = self._refused(refusal)
            except Exception as error:  # noqa: BLE001 - a page or service gets an answer, whatever breaks here
                text = self.tracker._delivery.mask(f"{type(error).__name__}: {error}")
                answer = self._refused(Refusal(503, "error", f"The relay failed: {text[:200]}. Send it again."))
            finally:
                self._inflight -= 1
        if answer.status == 503:
            extra["retry-after"] = "1"
        if answer.status == 401:
            extra["www-authenticate"] = "Bearer"
        if "text" in answer.body and len(answer.body) == 1:
            body, extra["content-type"] = answer.body["text"].encode(), CONTENT_TYPE
        if origin and self._may(origin):
            extra |= {"access-control-allow-origin": origin, "vary": "Origin"}
            if scope["method"] == "OPTIONS":
                extra |= {
                    "access-control-allow-methods": "POST",
                    "access-control-allow-headers": "authorization, content-type",
                    "access-control-max-age": "600",
                }
        self.counts.add(REQUESTS, status=str(answer.status))
        if _path(scope) == "/expose" and scope["method"] == "POST":
            self.counts.took(time.perf_counter() - began)
        await _reply(send, answer, extra, body)

    def close(self) -> None:
        """End the threads; the tracker stays open."""
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=True)

    def _refused(self, refusal: Refusal) -> Answer:
        self.counts.add(REFUSED, reason=refusal.reason)
        return Answer(refusal.status, {"error": refusal.text, "reason": refusal.reason})

    async def _answered(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Answer:
        path, method = _path(scope), scope["method"]
        allowed = {"/expose": ("POST", "OPTIONS"), "/health": ("GET", "HEAD"), "/metrics": ("GET", "HEAD")}.get(path)
        if allowed is None:
            raise Refusal(404, "path", "There are /expose, /health and /metrics.")
        if method not in allowed:
            raise Refusal(405, "method", f"{path} takes {allowed[0]}.")
        self._check_origin(headers)
        if method == "OPTIONS":
            return Answer(204, {})
        if path == "/health":
            return await self._health()
        self._check_token(scope, headers)
        if path == "/metrics":
            return Answer(200, {"text": await self._in_thread(self.metrics)})
        items, is_batch = self._read(await self._body(headers, receive))
        if self._is_near and len(items) <= 20:
            answers = [self._one(item) for item in items]
        else:
            answers = await self._in_thread(lambda: [self._one(item) for item in items])
        if not is_batch:
            return answers[0]
        counted: dict[str, int] = {}
        for answer in answers:
            word = answer.body.get("state") or answer.body["reason"]
            counted[word] = counted.get(word, 0) + 1
        worst = max((a.status for a in answers), default=200)
        return Answer(worst, {"results": [a.body for a in answers], "counts": counted})

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="xpbench-relay")
            threads = self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    # -- who asks -----------------------------------------------------------------------------------------------------

    def _may(self, origin: str) -> bool:
        return origin.lower() in self._origins

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        origin = headers.get("origin", "")
        if origin and not self._may(origin):
            raise Refusal(403, "origin", f"Pages of {origin[:100]} may not send exposures here. Start the relay with --origin.")
        host = headers.get("host", "").rsplit(":", 1)[0].strip("[]").lower()
        if not self._tokens and host not in _HERE:  # a name that a page made point here would have no Origin on a GET
            raise Refusal(403, "host", "Without a token the relay answers to 127.0.0.1 and localhost only.")

    def _check_token(self, scope: Scope, headers: Mapping[str, str]) -> None:
        if not self._tokens:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not given:
            query = urllib.parse.parse_qs(scope.get("query_string", b"").decode("latin-1"))
            given = query.get("token", [""])[0]  # sendBeacon sets no headers
        fits = [hmac.compare_digest(given.strip().encode(), token) for token in self._tokens]
        if not any(fits):
            raise Refusal(401, "token", "The token is missing or wrong. Send Authorization: Bearer TOKEN, or ?token=TOKEN.")

    # -- what is asked ------------------------------------------------------------------------------------------------

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        too_long = Refusal(413, "body", f"A request has at most {self._max_body:,} bytes. Send fewer exposures in one.")
        with contextlib.suppress(ValueError):
            if int(headers.get("content-length", "0")) > self._max_body:
                raise too_long
        parts: list[bytes] = []
        size = 0

        async def read() -> None:
            nonlocal size
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "gone", "The request ended before its body did.")
                part = message.get("body", b"")
                size += len(part)
                if size > self._max_body:
                    raise too_long
                parts.append(part)
                more = message.get("more_body", False)

        try:
            await asyncio.wait_for(read(), _BODY_SECONDS)
        except TimeoutError:
            raise Refusal(408, "slow", f"The body took more than {_BODY_SECONDS:g} s. Send it again.") from None
        return b"".join(parts)

    def _read(self, body: bytes) -> tuple[list[Any], bool]:
        try:
            value = strict_loads(body)
        except (ValueError, RecursionError) as error:
            text = f"The body is not JSON that all readers read alike: {str(error)[:120]}."
            raise Refusal(400, "json", text) from None
        if isinstance(value, dict):
            return [value], False
        if not isinstance(value, list) or not value:
            raise Refusal(400, "json", "The body is one exposure (an object) or a list of them.")
        if len(value) > self._max_batch:
            raise Refusal(413, "batch", f"A request has at most {self._max_batch} exposures, this one {len(value)}.")
        return value, True

    def _one(self, item: Any) -> Answer:
        """Record one exposure; what is wrong with it is its answer."""
        try:
            plan, unit, variant, options = self._checked(item)
        except Refusal as refusal:
            return self._refused(refusal)
        except ExposeError as error:
            return self._refused(Refusal(422, "value", f"{error.what}. {error.remedy}."))
        found = self.tracker.expose(unit, variant, experiment=plan.key, **options)
        self.counts.add(EXPOSURES, experiment=plan.key, state=found.state)
        body: dict[str, Any] = {"state": found.state, "experiment": plan.key, "variant": found.variant}
        if found.reason:
            body["reason"] = self.tracker._delivery.mask(found.reason)
        if found.state in ("held", "refused"):
            return Answer(503, body)
        return Answer(422 if found.state == "invalid" else 200, body)

    def _checked(self, item: Any) -> tuple[Plan, str, str | None, dict[str, Any]]:
        if not isinstance(item, dict):
            raise Refusal(422, "shape", 'An exposure is an object such as {"experiment": "beta-homepage", "unit": "user-1"}.')
        plan = self._plan(item.get("experiment"))
        unknown = sorted(k for k in item if k not in _FIELDS and k != plan.unit)
        if unknown:
            known = ", ".join(sorted(_FIELDS | {plan.unit}))
            text = f"An exposure of {plan.key} has no field {unknown[0][:60]!r}. It has {known}."
            raise Refusal(422, "field", text)
        if "unit" in item and plan.unit in item and item["unit"] != item[plan.unit]:
            raise Refusal(422, "unit", f"unit and {plan.unit} are two ids. Send one.")
        given = item.get("unit", item.get(plan.unit))
        if isinstance(given, float):
            raise Refusal(422, "unit", f"The unit {given!r} is a number that JSON readers round. Send the id as text.")
        if given is None:
            raise Refusal(422, "unit", f"There is no unit. The plan randomises {plan.unit}: send its id as text.")
        unit = unit_text(given)
        variant = None if item.get("variant") is None else variant_text(item["variant"])
        properties = item.get("properties", {})
        if not isinstance(properties, dict):
            raise Refusal(422, "properties", "properties is an object.")
        own = sorted(_OWN & properties.keys())
        if own:
            raise Refusal(422, "properties", f"The property {own[0]!r} is a field of its own. Leave it out of properties.")
        options: dict[str, Any] = dict(properties)
        options["time"] = self._time(item)
        if item.get("distinct_id") is not None and plan.unit != "distinct_id":
            options["distinct_id"] = unit_text(item["distinct_id"])
        return plan, unit, variant, options

    def _plan(self, name: Any) -> Plan:
        plans = self.tracker.plans
        if name is None and len(plans) == 1:
            return next(iter(plans.values()))
        plan = self.tracker.knows_experiment(name) if isinstance(name, str) else None
        if plan is None:
            known = ", ".join(sorted(p.key for p in plans.values()))
            raise Refusal(404, "experiment", f"Experiment {str(name)[:80]!r} is not served here. Known: {known}.")
        return plan

    def _time(self, item: Mapping[str, Any]) -> float | None:
        """When it happened: now, `age` seconds ago, or at `time`; a clock that is far off is not believed."""
        if item.get("age") is not None and item.get("time") is not None:
            raise Refusal(422, "time", "age and time say the same. Send one; age needs no right clock.")
        now = self.tracker._now()
        if item.get("age") is not None:
            age = item["age"]
            if isinstance(age, bool) or not isinstance(age, (int, float)) or not 0 <= age <= self._oldest:
                raise Refusal(422, "time", f"age is {str(age)[:40]}. It is seconds since the exposure, up to {self._oldest:g}.")
            return round(now - age, 3) if age else None
        if item.get("time") is None:
            return None
        moment = seconds_given(item["time"])
        if not now - self._oldest <= moment <= now + FUTURE_SECONDS:
            theirs, ours = (datetime.fromtimestamp(min(t, 4e9), UTC).date() for t in (moment, now))
            raise Refusal(
                422,
                "clock",
                f"time is {theirs}, and here it is {ours}: the sender's clock is wrong, or the exposure is older than "
                f"{self._oldest / 86_400:g} days. Send age, the seconds since it, instead.",
            )
        return moment

    # -- reports ------------------------------------------------------------------------------------------------------

    async def _health(self) -> Answer:
        def look() -> tuple[int, int]:
            return self.tracker.outbox.pending(), self.tracker.outbox.held

        try:
            pending, held = await self._in_thread(look)
        except Exception:  # noqa: BLE001 - whatever storage raises, it is not healthy
            return Answer(503, {"status": "the outbox can't be read"})
        if held:
            return Answer(503, {"status": "the outbox takes nothing", "held": held})
        full = pending >= self.tracker.outbox.max_pending
        return Answer(503 if full else 200, {"status": "the outbox is full" if full else "ok", "pending": pending})

    def metrics(self) -> str:
        """All counts, as Prometheus reads them."""
        status = self.tracker.status()
        gauges = [
            ("xpbench_relay_pending_events", "Events that wait to be sent to Mixpanel.", float(status.pending)),
            ("xpbench_relay_held_calls", "Exposures in memory because the outbox did not take them.", float(status.held)),
            ("xpbench_relay_dead_letters", "Events that Mixpanel refused.", float(status.dead)),
            ("xpbench_relay_sent_events", "Events that this process has delivered.", float(status.sent)),
            (
                "xpbench_relay_delivering",
                "1 while Mixpanel takes events, 0 after a failure.",
                float(not status.last_problem),
            ),
            ("xpbench_relay_requests_at_work", "Requests that are answered now.", float(self._inflight)),
        ]
        return self.counts.text(_COUNTERS, gauges)


def _path(scope: Scope) -> str:
    """The path below where the relay is mounted: since ASGI 3 a path holds the root path in front."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


async def _reply(send: Send, answer: Answer, extra: Mapping[str, str], body: bytes | None) -> None:
    if body is None:
        body = b"" if answer.status == 204 else json.dumps(answer.body, separators=(",", ":")).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **extra,
    }
    if answer.status == 204:
        headers.pop("content-length")
        headers.pop("content-type")
    listed = [(k.encode("latin-1"), v.encode("latin-1", "replace")) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
