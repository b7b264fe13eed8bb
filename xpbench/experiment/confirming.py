"""Confirming: a person says that a draft may be registered as it is, so that a program may do so on the person's behalf.

The confirmation is a file under the draft's digest, in a hidden folder of the registry. No tool of the server for assistants
writes it. A program with a shell of its own can run `xpbench confirm` like anybody else: this keeps honest programs honest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xpbench.files import write_atomic
from xpbench.ledger.clock import Clock, stamp, system_clock
from xpbench.plan import Plan
from xpbench.plan.reading import ensure_registrable

FOLDER = ".confirmed"


def confirm(plan: Plan, root: str | Path = "experiments", *, by: str, clock: Clock = system_clock) -> dict[str, Any]:
    """Put on record that this draft, to the last byte, may be registered.

    Args:
        plan: A plan without problems.
        root: Folder of all experiments.
        by: Who confirms.
        clock: Where the time comes from.

    Raises:
        InvalidPlan: it has problems.
        InputError: `XPB-I06`, the file can't be written.
    """
    ensure_registrable(plan)
    record = {"key": plan.key, "digest": plan.digest, "by": by, "at": stamp(clock())}
    write_atomic(_path(root, plan.digest), (json.dumps(record, ensure_ascii=False) + "\n").encode())
    return record


def confirmation(plan: Plan, root: str | Path) -> dict[str, Any] | None:
    """Who has confirmed this very draft, and when; None where nobody has."""
    path = _path(root, plan.digest)
    try:
        if path.parent.is_symlink() or path.is_symlink():
            return None
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    fits = isinstance(record, dict) and record.get("digest") == plan.digest and record.get("key") == plan.key
    return {name: str(record.get(name, "")) for name in ("by", "at")} if fits else None


def _path(root: str | Path, digest: str) -> Path:
    return Path(root) / FOLDER / f"{digest}.json"
