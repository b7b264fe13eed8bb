"""Rate limits of the raw export, as Mixpanel documents them."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class ExportLimits:
    """Rate limits of the raw export."""

    per_hour: int = 60
    per_second: int = 3
    concurrent: int = 100
    starts: deque[float] = field(default_factory=deque)
    running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, now: float) -> bool:
        """True if one more query may start now."""
        with self.lock:
            while self.starts and now - self.starts[0] > 3_600:
                self.starts.popleft()
            last_second = sum(1 for t in self.starts if now - t < 1.0)
            if len(self.starts) >= self.per_hour or last_second >= self.per_second or self.running >= self.concurrent:
                return False
            self.starts.append(now)
            self.running += 1
            return True

    def done(self) -> None:
        """One query has ended."""
        with self.lock:
            self.running -= 1
