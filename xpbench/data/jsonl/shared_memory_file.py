"""Memory that we fill and the engine reads as a file, so that a piece of a log is copied once and never joined."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from typing import IO, Any


class Lent:
    """A file of the engine whose bytes are written through `view`; in memory where the system can, else on disk."""

    view: memoryview
    """What is in the file, from its beginning; bytes behind `show(size)` are free to use."""

    def __init__(self, capacity: int) -> None:
        """Make the file.

        Args:
            capacity: Bytes that it can hold. Memory is taken only as it is used.
        """
        self._capacity = capacity
        self._map: mmap.mmap | None = None
        self._file: IO[bytes] | Any
        if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
            self._file = os.fdopen(os.memfd_create("xpbench"), "r+b", buffering=0)
            self._file.truncate(capacity)
            self._map = mmap.mmap(self._file.fileno(), capacity)
            self.view = memoryview(self._map)
            self.name = f"/proc/self/fd/{self._file.fileno()}"
        else:
            self._file = tempfile.NamedTemporaryFile(suffix=".jsonl", prefix="xpbench-", buffering=0)  # noqa: SIM115
            self.view = memoryview(bytearray(capacity))
            self.name = self._file.name

    def open(self) -> memoryview:
        """All of the memory, to be filled again."""
        if self._map is not None:
            self._file.truncate(self._capacity)
        return self.view

    def show(self, size: int) -> None:
        """Let the engine see the first bytes, and no more."""
        if self._map is None:
            self._file.seek(0)
            left = self.view[:size]
            while left:
                left = left[self._file.write(left) :]
        self._file.truncate(size)

    def close(self) -> None:
        """Give the memory back."""
        self._file.close()
        with contextlib.suppress(BufferError):  # somebody still looks at it; it is given back when nobody does
            self.view.release()
            if self._map is not None:
                self._map.close()
