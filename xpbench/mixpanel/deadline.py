"""A bound on a whole request through httpx, whose timeouts bound each silence alone.

Every read and write gets what is left until the deadline as its timeout. A body that may be large has a deadline that moves
on while enough of it arrives.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

_ENOUGH = 1 << 16
"""Bytes that must come within one bound while a body is read."""


class Deadline:
    """When the request under way must be over."""

    def __init__(self) -> None:
        self._until = float("inf")
        self._window = 0.0
        self._came = 0

    def start(self, seconds: float) -> None:
        """The request begins."""
        self._until = time.monotonic() + seconds
        self._window = 0.0

    def flow(self, seconds: float) -> None:
        """From here on a body is read, of whatever size: it must keep coming."""
        self._window, self._came = seconds, 0
        self._until = time.monotonic() + seconds

    def stop(self) -> None:
        """The request is over."""
        self._until = float("inf")

    def left(self, timeout: float | None) -> float | None:
        """The timeout for one step."""
        if self._until == float("inf"):
            return timeout
        left = max(0.0, self._until - time.monotonic())
        return left if timeout is None else min(timeout, left)

    def came(self, size: int) -> None:
        """So many bytes were read."""
        if self._window:
            self._came += size
            if self._came >= _ENOUGH:
                self.flow(self._window)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._deadline.left(timeout)
        if left == 0:
            raise httpcore.ReadTimeout("the answer took too long")
        data = self._inner.read(max_bytes, left)
        self._deadline.came(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._deadline.left(timeout)
        if left == 0:
            raise httpcore.WriteTimeout("the request took too long")
        self._inner.write(buffer, left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options), self._deadline)


def bounded(client: httpx.Client) -> Deadline:
    """The deadline of a client's requests, one at a time; its proxies are bounded too."""
    deadline = Deadline()
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _Backend(deadline)
    return deadline
