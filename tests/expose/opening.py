"""What a process of its own does to an outbox: a module that imports little, because each process imports it."""

from __future__ import annotations

import os
from typing import Any

from xpbench.expose.outbox import Outbox, QueuedExposure


def open_broken(path: str, start: Any, results: Any) -> None:
    """Open a file five times at the moment at which others do, and say what became of an exposure."""
    start.wait(60)
    for number in range(5):
        outbox = Outbox(path)
        key = f"{os.getpid()}-{number}".encode().ljust(16)[:16]
        results.put((key, outbox.add(QueuedExposure((key,), ("beta",), lambda fresh: "{}"))))
        outbox.close()
