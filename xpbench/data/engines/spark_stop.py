"""The jobs that one reading starts on a Spark session, told apart from all others by a tag, and their end before time.

Spark goes on with a job when Python stops to wait for it. PySpark's own handler for Ctrl-C asks for the end of *all* jobs of a
classic session, over the very connection that is busy with the answer, so that the question is lost; a notebook's kernel
replaces that handler. So the stop is asked for here: by tag, over a connection of its own.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

AGAIN = 0.5
"""Seconds until the stop is asked for again."""

ASKED = 10
"""So often: Spark ends jobs that run, and a query between two of its jobs would start the next one."""

PATIENCE = 10.0
"""Seconds to wait for the first answer."""


class SparkJobs:
    """The jobs of one reading."""

    def __init__(self, session: Any) -> None:
        self.tag = f"xpbench-{uuid.uuid4().hex[:12]}"
        self._add: Callable[[str], Any]
        self._remove: Callable[[str], Any]
        self._cancel: Callable[[str], Any]
        if type(session).__module__.startswith("pyspark.sql.connect"):
            self._add, self._remove, self._cancel = session.addTag, session.removeTag, session.interruptTag
        else:  # tags of a classic session are known to the thread alone that gave them; those of its context to all
            context = session.sparkContext
            self._add, self._remove, self._cancel = context.addJobTag, context.removeJobTag, context.cancelJobsWithTag
        self._asked = threading.Event()
        self._asking: threading.Thread | None = None
        self._interrupted = False

    @contextlib.contextmanager
    def tagged(self) -> Iterator[None]:
        """Jobs started in the block are ours; they are stopped when it is left by an exception that is not an `Exception`.

        In the main thread Ctrl-C (SIGINT, as a notebook's stop button sends it) stops them and raises KeyboardInterrupt, where
        nobody but Python or PySpark has a handler for it; other jobs of the session go on.
        """
        self._add(self.tag)
        try:
            with self._on_interrupt():
                yield
        except BaseException as error:
            if self._interrupted or not isinstance(error, Exception):
                self.stop()
            if self._interrupted and not isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from error  # what Spark says of a job that was cancelled is no news
            raise
        finally:
            with contextlib.suppress(Exception):
                self._remove(self.tag)

    def stop(self) -> None:
        """End the jobs; back as soon as Spark has been asked, and asked again for some seconds."""
        if self._asking is None:
            self._asking = threading.Thread(target=self._ask, name=self.tag, daemon=True)
            self._asking.start()
            self._asked.wait(PATIENCE)

    def _ask(self) -> None:
        with contextlib.suppress(Exception):  # the session has ended, and all its jobs with it
            for _ in range(ASKED):
                self._cancel(self.tag)
                self._asked.set()
                time.sleep(AGAIN)
        self._asked.set()

    @contextlib.contextmanager
    def _on_interrupt(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.default_int_handler and getattr(before, "__module__", "") != "pyspark.core.context":
            yield
            return

        def interrupted(number: int, frame: Any) -> None:
            self._interrupted = True
            self.stop()
            raise KeyboardInterrupt

        signal.signal(signal.SIGINT, interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
