"""Forks: no thread is inside SQLite while the process is forked, and a child uses nothing of its parent's.

SQLite has locks inside the process: a thread that holds one while another forks leaves it locked in the child for ever.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, Protocol

_SECONDS = 2.0

outside = threading.RLock()
"""Held while a thread other than a caller's is inside SQLite, so that no fork happens then. A child gets a new one, so it is
read off this module each time."""


class Forked(Protocol):
    """What must know of forks."""

    @property
    def fork_lock(self) -> threading.Lock:
        """Held while this process is forked."""
        ...

    def after_fork(self) -> None:
        """In the child: use nothing of the parent's."""
        ...


_watched: weakref.WeakSet[Any] = weakref.WeakSet()
_taken: list[Any] = []


def watch(one: Forked) -> None:
    """Lock it before every fork, and inform it afterwards in the child; for as long as it lives."""
    _watched.add(one)


def _before() -> None:
    locks: list[Any] = [outside, *(one.fork_lock for one in list(_watched))]
    for lock in locks:
        if lock.acquire(timeout=_SECONDS):
            _taken.append(lock)


def _after_in_parent() -> None:
    while _taken:
        _taken.pop().release()


def _after_in_child() -> None:
    global outside
    _taken.clear()
    outside = threading.RLock()
    for one in list(_watched):
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
