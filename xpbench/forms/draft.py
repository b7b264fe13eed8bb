"""The draft of a form on disk: written whole on every change, so that a lost kernel loses nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpbench.files import write_atomic

FOLDER = ".drafts"
SUFFIX = ".plan.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Draft:
    """Where a form saves itself.

    A draft without a path of its own is named after the experiment's key, and follows it when the key changes, unless
    another draft has that name.

    Attributes:
        path: The file.
    """

    def __init__(self, root: str | Path, *, path: str | Path | None = None, key: str = "") -> None:
        self._folder = Path(root) / FOLDER
        self._fixed = path is not None
        self.path = Path(path) if path is not None else self._free(key)
        self._last: bytes | None = None

    def _free(self, key: str) -> Path:
        stem = key if _NAME.fullmatch(key) else "untitled"
        candidate, count = self._folder / f"{stem}{SUFFIX}", 2
        while candidate.exists():
            candidate, count = self._folder / f"{stem}-{count}{SUFFIX}", count + 1
        return candidate

    def read(self) -> dict[str, Any] | None:
        """What was saved, or None."""
        from xpbench.plan.reading import read_document

        return read_document(self.path) if self.path.is_file() else None

    def save(self, value: Mapping[str, Any]) -> bool:
        """Write the value when it differs from what was written last; says whether it wrote."""
        data = (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        if data == self._last:
            return False
        key = value.get("key")
        if not self._fixed and isinstance(key, str) and _NAME.fullmatch(key) and self._stem() != key:
            target = self._folder / f"{key}{SUFFIX}"
            if not target.exists():
                if self._last is not None and self.path.exists():
                    os.replace(self.path, target)
                self.path = target
        write_atomic(self.path, data)
        self._last = data
        return True

    def _stem(self) -> str:
        return self.path.name.removesuffix(SUFFIX)

    def discard(self) -> None:
        """Remove the file that this draft wrote; a registered plan has taken its place."""
        if self._last is not None:
            self.path.unlink(missing_ok=True)
            self._last = None
