"""Staying below rate limits: so many starts in a second and in an hour."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence


class Pace:
    """Says how long to wait before the next query, and counts it.

    Args:
        limits: (queries, seconds) pairs; each window is kept.
        monotonic: Seconds on a clock that never jumps.
    """

    def __init__(self, limits: Sequence[tuple[int, float]], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = tuple(limits)
        self._monotonic = monotonic
        self._starts: deque[float] = deque(maxlen=max(n for n, _ in limits))

    def wait(self) -> float:
        """Seconds until one more query fits into every window."""
        now = self._monotonic()
        longest = 0.0
        for queries, seconds in self._limits:
            if len(self._starts) >= queries:
                longest = max(longest, self._starts[-queries] + seconds - now)
        return longest

    def count(self) -> None:
        """Note that a query starts now."""
        self._starts.append(self._monotonic())
