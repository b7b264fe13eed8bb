"""Faults that the sandbox makes on request: latency, throttling, server errors, cut connections, truncated bodies, hanging."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass, fields
from typing import Any

AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Faults:
    """Shares (0 to 1) of the requests that meet each fault; changed while the sandbox runs.

    Attributes:
        latency: Seconds before each answer.
        throttle: Answer 429 and take nothing in.
        throttle_after: Seconds in the `Retry-After` header of those, none if 0.
        fail: Answer 503 and take nothing in.
        fail_after: Take the request in, then answer 503: the sender can't know.
        cut: Drop the connection without an answer, before anything was taken in.
        cut_after: Take the request in, then drop the connection without an answer.
        truncate: Answer, but stop in the middle of the body.
        hang: Never answer (the client's timeout must end it).
        path: Only requests whose path starts with this.
        limit: Stop making faults after so many, 0 for no end.
    """

    latency: float = 0.0
    throttle: float = 0.0
    throttle_after: float = 0.0
    fail: float = 0.0
    fail_after: float = 0.0
    cut: float = 0.0
    cut_after: float = 0.0
    truncate: float = 0.0
    hang: float = 0.0
    path: str = "/"
    limit: int = 0
    made: int = 0

    def set(self, **changes: Any) -> None:
        """Switch all faults off, then set these."""
        known = {f.name: f.default for f in fields(self)}
        for name in changes:
            if name not in known:
                raise ValueError(f"there is no fault {name!r}; known: {', '.join(sorted(known))}")
        for name, value in {**known, **changes}.items():
            setattr(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """The faults by name."""
        return asdict(self)


class FaultyApp:
    """An ASGI application that makes the faults around another one.

    Args:
        app: What answers when nothing goes wrong.
        faults: Shared with whoever switches them.
        seed: Of the draws, so that a run can be repeated.
    """

    def __init__(self, app: App, faults: Faults, *, seed: int = 0) -> None:
        self._app = app
        self._faults = faults
        self._random = random.Random(seed)  # noqa: S311 - which request fails is no secret

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request, or spoil it."""
        faults = self._faults
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox") or not scope["path"].startswith(faults.path):
            await self._app(scope, receive, send)
            return
        fault = self._draw()
        if faults.latency:
            await asyncio.sleep(faults.latency)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault == "throttle":
            headers = [(b"retry-after", f"{faults.throttle_after:g}".encode())] if faults.throttle_after else []
            await _read(receive)
            await _answer(send, 429, "Too Many Requests", headers)
        elif fault == "fail":
            await _read(receive)
            await _answer(send, 503, "Service Unavailable")
        elif fault == "cut":
            _transport(receive).abort()
        elif fault == "hang":
            await _read(receive)
            await asyncio.sleep(600)
        elif fault == "fail_after":
            await self._app(scope, receive, _swallow)
            await _answer(send, 503, "Service Unavailable")
        elif fault == "cut_after":
            await self._app(scope, receive, _swallow)
            _transport(receive).abort()
        else:
            await self._app(scope, receive, _Truncating(send, receive))

    def _draw(self) -> str | None:
        faults = self._faults
        if faults.limit and faults.made >= faults.limit:
            return None
        draw = self._random.random()
        for name in ("throttle", "fail", "fail_after", "cut", "cut_after", "truncate", "hang"):
            share = getattr(faults, name)
            if draw < share:
                faults.made += 1
                return name
            draw -= share
        return None


class _Truncating:
    """Sends half of the first body part, then drops the connection."""

    def __init__(self, send: Send, receive: Receive) -> None:
        self._send = send
        self._receive = receive
        self._over = False

    async def __call__(self, message: AsgiMessage) -> None:
        if self._over:
            return
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            await asyncio.sleep(0.01)
            self._over = True
            _transport(self._receive).abort()
        else:
            await self._send(message)


def _transport(receive: Receive) -> Any:
    # uvicorn hands out a bound method of the request's cycle, which holds the connection
    return receive.__self__.transport  # type: ignore[attr-defined]


async def _read(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def _swallow(message: AsgiMessage) -> None:
    del message


async def _answer(send: Send, status: int, error: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = json.dumps({"code": status, "error": error, "status": "error"}).encode()
    kept = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})
