"""A bound on a whole request. Timeouts of sockets bound each silence: a server that sends a byte now and then is never late.

At the deadline the connection is shut down from another thread; the one that waits for it then gets an error, as if the
server had hung up.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager, ProxyManager

_here = threading.local()


class DeadlineWatch:
    """The connections that one request uses, until its deadline."""

    def __init__(self) -> None:
        self.is_over = False
        self._connections: list[Any] = []
        self._lock = threading.Lock()

    def add(self, connection: Any) -> None:
        """Shut this connection down as well at the deadline.

        Raises:
            TimeoutError: It is past.
        """
        with self._lock:
            if self.is_over:
                raise TimeoutError("the request took too long")
            self._connections.append(connection)

    def end(self) -> None:
        """The deadline has come."""
        with self._lock:
            self.is_over = True
            sockets = [c.sock for c in self._connections if getattr(c, "sock", None) is not None]
        for each in sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)  # the plain one: TLS has state that another thread is using


@contextlib.contextmanager
def within(seconds: float) -> Iterator[DeadlineWatch]:
    """Bound every request that this thread makes in the block, all of them together."""
    watch = DeadlineWatch()
    timer = threading.Timer(seconds, watch.end)
    timer.daemon = True
    timer.start()
    _here.watch = watch
    try:
        yield watch
    finally:
        _here.watch = None
        timer.cancel()


def _watched(connection: Any) -> None:
    watch = getattr(_here, "watch", None)
    if watch is not None:
        watch.add(connection)


class _Plain(HTTPConnection):
    def connect(self) -> None:
        _watched(self)
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        _watched(self)
        super().request(*args, **options)


class _Secure(HTTPSConnection):
    def connect(self) -> None:
        _watched(self)
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        _watched(self)
        super().request(*args, **options)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class BoundedAdapter(requests.adapters.HTTPAdapter):
    """Connections that `within` can end, without retries."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """As the base, with watched connections."""
        super().init_poolmanager(*args, **options)
        _watch_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """As the base, with watched connections."""
        manager = super().proxy_manager_for(*args, **options)
        if type(manager) is ProxyManager:  # that of SOCKS has connections of its own
            _watch_pools(manager)
        return manager


def _watch_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
