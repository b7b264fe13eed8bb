"""Files that several passes read are the same at the end as at the beginning."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from xpbench.errors import DataError


@contextlib.contextmanager
def one_moment(source: Any) -> Iterator[None]:
    """Files of a source are the same at the end of the block as at its beginning; several passes read them.

    Raises:
        DataError: `XPB-D78`, one has changed.
    """
    paths = source if isinstance(source, list) else []
    before = {path: _stamp(path) for path in paths}
    try:
        yield
    except Exception as error:
        _ensure_same(before, error)
        raise
    _ensure_same(before, None)


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        known = os.stat(path)
    except OSError:
        return None
    return known.st_size, known.st_mtime_ns, known.st_ino


def _ensure_same(before: Mapping[str, Any], error: Exception | None) -> None:
    for path, stamp in before.items():
        if _stamp(path) != stamp:
            raise DataError("XPB-D78", path=path) from error
