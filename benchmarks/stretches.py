"""Long runs in stretches: pieces of work over all cores, kept one by one, so that a run goes on where the last one stopped.

    results = Stretches("files", asked, pieces).run(work, minutes=30)

What is done is in `results/<name>.partial.json` until the run is complete; a run that asks for something else starts again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS, commit

Piece = list[Any]
"""What one call of the work is given: JSON values."""


class Stretches:
    """A run that may take several goes.

    Attributes:
        done: Results by piece, in the order of the pieces.
        seconds: Time that was taken, over all goes.
        commits: Of the code, in each go.
    """

    def __init__(self, name: str, asked: Any, pieces: Sequence[Piece], *, folder: Path = RESULTS) -> None:
        """Take up what an earlier go has left.

        Args:
            name: Of the result.
            asked: What tells this run from others.
            pieces: The work, in order.
            folder: Of the results.
        """
        self.path = folder / f"{name}.partial.json"
        self.asked, self.pieces = json.loads(json.dumps(asked)), [list(p) for p in pieces]
        self.done: list[Any] = []
        self.seconds = 0.0
        self.commits: list[str | None] = []
        if self.path.is_file():
            held = json.loads(self.path.read_text("utf-8"))
            if held["asked"] == self.asked:
                self.done, self.seconds, self.commits = held["done"], held["seconds"], held["commits"]

    @property
    def complete(self) -> bool:
        """Whether every piece is done."""
        return len(self.done) == len(self.pieces)

    def run(
        self, work: Callable[[Piece], Any], *, minutes: float | None = None, begin: Callable[[], None] | None = None
    ) -> list[Any]:
        """Do what is left, in order, and keep each result; a process to a core.

        Args:
            work: Of the top of a module; gets a piece, and returns a JSON value.
            minutes: No piece is begun after so many.
            begin: Done once in every process.
        """
        if self.commits[-1:] != [commit()] and not self.complete:
            self.commits.append(commit())
        cores = os.cpu_count() or 1
        started, before = time.monotonic(), self.seconds
        waiting: list[Future[Any]] = []
        left = iter(self.pieces[len(self.done) :])
        with ProcessPoolExecutor(cores, mp_context=get_context("spawn"), initializer=begin) as pool:  # engines have threads
            while True:
                late = minutes is not None and time.monotonic() - started > 60 * minutes
                while not late and len(waiting) < 2 * cores and (piece := next(left, None)) is not None:
                    waiting.append(pool.submit(work, piece))
                if not waiting:
                    break
                self.done.append(waiting.pop(0).result())
                self.seconds = before + time.monotonic() - started
                self._keep()
        return self.done

    def _keep(self) -> None:
        state = {"asked": self.asked, "done": self.done, "seconds": self.seconds, "commits": self.commits}
        made = self.path.with_suffix(".tmp")
        made.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        made.replace(self.path)

    def finish(self) -> None:
        """Forget the goes: the result is written."""
        self.path.unlink(missing_ok=True)
