"""Lines in the log: each thing that goes wrong is said once a minute, so that an outage fills no disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_SECONDS = 60.0
_REMEMBERED = 1_000
_log = logging.getLogger("xpbench.expose")


class Warnings:
    """Warnings of one tracker.

    Args:
        mask: Hides secrets.
    """

    def __init__(self, mask: Callable[[object], str]) -> None:
        self._mask = mask
        self._last: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, text: str, *, about: str = "") -> None:
        """Log a warning, unless there was one about the same (or with the same text) within the last minute."""
        now = time.monotonic()
        with self._lock:
            last = self._last.get(about or text)
            if last is not None and now - last < _SECONDS:
                return
            if len(self._last) >= _REMEMBERED:
                self._last.clear()
            self._last[about or text] = now
        _log.warning("xpbench: %s", self._mask(text))
