"""Counts of a service in the text format that Prometheus reads and collectors of OpenTelemetry take in."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the times of requests, in seconds."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class DeliveryCounts:
    """Counters by name and labels, and one histogram of times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        self._times = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def add(self, name: str, by: int = 1, **labels: str) -> None:
        """Count something."""
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            self._counters[key] = self._counters.get(key, 0) + by

    def took(self, seconds: float) -> None:
        """Note the time of a request."""
        with self._lock:
            self._times[bisect_left(BOUNDS, seconds)] += 1
            self._seconds += seconds

    def of(self, name: str, **labels: str) -> int:
        """Sum of a counter over all labels but those given."""
        wanted = labels.items()
        with self._lock:
            return sum(n for (key, have), n in self._counters.items() if key == name and wanted <= dict(have).items())

    def text(self, helps: Mapping[str, str], gauges: Iterable[tuple[str, str, float]]) -> str:
        """All counts as Prometheus reads them.

        Args:
            helps: Name and meaning of each counter, those that have not been counted yet among them.
            gauges: Name, meaning and value of what goes up and down.
        """
        with self._lock:
            counters, times, seconds = dict(self._counters), list(self._times), self._seconds
        lines = []
        for name, meaning in helps.items():
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} counter"]
            own = [(labels, n) for (key, labels), n in sorted(counters.items()) if key == name]
            lines += [f"{name}{_labels(labels)} {n}" for labels, n in own] or [f"{name} 0"]
        for name, meaning, value in gauges:
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", f"{name} {value:g}"]
        name = "xpbench_relay_request_duration_seconds"
        lines += [f"# HELP {name} Time from a whole request to its answer.", f"# TYPE {name} histogram"]
        running = 0
        for bound, n in zip((*BOUNDS, None), times, strict=True):
            running += n
            lines.append(f'{name}_bucket{{le="{"+Inf" if bound is None else f"{bound:g}"}"}} {running}')
        return "\n".join([*lines, f"{name}_sum {seconds:.6f}", f"{name}_count {running}", ""])


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{k}="{_escaped(v)}"' for k, v in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
