"""Where experiments are registered: the roots in a folder and below it, whatever they are called."""

from __future__ import annotations

import os
from pathlib import Path

from xpbench.ledger.folder import LEDGER

DEPTH = 4
"""Levels below the folder that are searched."""
MOST_FOLDERS = 2_000
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "readouts"})


def roots_below(folder: str | Path = ".") -> list[str]:
    """Folders that hold registered experiments, relative to `folder`, the nearest first.

    Args:
        folder: Where one works.
    """
    top = Path(folder)
    found: list[tuple[int, str]] = []
    seen = 0
    for at, folders, names in os.walk(top):
        here = Path(at)
        depth = len(here.relative_to(top).parts)
        seen += 1
        if LEDGER in names and depth:
            folders.clear()
            root = here.parent
            found.append((len(root.relative_to(top).parts), root.relative_to(top).as_posix()))
            continue
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED) if depth < DEPTH else []
        if seen > MOST_FOLDERS:
            break
    return [name for _, name in sorted(set(found))]
