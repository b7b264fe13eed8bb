"""Where an experiment lives: `<root>/<key>/` with `plan.json`, `ledger.jsonl` and `memo.html`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xpbench.errors import InputError, LedgerError, PlanError, XpbenchError, nearest, plain
from xpbench.files import sync_folder, write_atomic
from xpbench.ledger.entry import Witness
from xpbench.ledger.knowledge import Knowledge, knowledge
from xpbench.ledger.ledger import Ledger
from xpbench.plan.keys import is_safe_key, suggest_key

PLAN, LEDGER, MEMO = "plan.json", "ledger.jsonl", "memo.html"


def check_key(key: str) -> str:
    """The key, unchanged, if it names one folder on every system.

    Raises:
        PlanError: `XPB-P05`, with a key that would do.
    """
    if not isinstance(key, str) or not is_safe_key(key):
        raise PlanError("XPB-P05", value=str(key), suggestion=suggest_key(str(key)))
    return key


def folder_of(root: str | Path, key: str) -> Path:
    """The folder of an experiment, which need not exist; never one outside the root.

    Raises:
        PlanError: `XPB-P05`, the key is unsafe.
        LedgerError: `XPB-L08`, a symbolic link stands where the folder or one of its files should be.
        InputError: `XPB-I02`, the file system does not say.
    """
    folder = Path(root) / check_key(key)
    for path in (folder, folder / PLAN, folder / LEDGER, folder / MEMO):
        try:
            is_link = path.is_symlink()
        except OSError as error:
            raise _unreadable(path, error) from error
        if is_link:
            raise LedgerError("XPB-L08", path=str(path))
    return folder


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError("XPB-I02", path=str(path), kind=plain("experiment"), reason=plain(error.strerror or str(error)))


def create(root: str | Path, key: str) -> Path:
    """Make the folder of a new experiment, and the root if need be.

    The root gets a `.gitattributes` that keeps version control from rewriting line ends, which would break digests. A ledger
    without a whole entry is what a registration leaves that failed or was killed on the way: it does not hold the key.

    Raises:
        LedgerError: `XPB-L03`, it is registered already; `XPB-L05`, the folder can't be made.
    """
    folder = folder_of(root, key)
    if Ledger(folder / LEDGER).entries():
        raise LedgerError("XPB-L03", key=key, root=str(root))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
        attributes = Path(root) / ".gitattributes"
        if not attributes.exists():
            write_atomic(attributes, b"* -text\n")
    except OSError as error:
        raise LedgerError("XPB-L05", path=str(folder), reason=plain(error.strerror or str(error))) from error
    return folder


def existing(root: str | Path, key: str) -> Path:
    """The folder of a registered experiment.

    Raises:
        LedgerError: `XPB-L04`, there is none; names the nearest.
    """
    folder = folder_of(root, key)
    try:
        is_there = (folder / LEDGER).is_file()
    except OSError as error:
        raise _unreadable(folder / LEDGER, error) from error
    if not is_there:
        raise LedgerError("XPB-L04", key=key, root=str(root), hint=plain(nearest(key, [e.key for e in experiments(root)])))
    return folder


@dataclass(frozen=True, slots=True)
class Listed:
    """One experiment of a root as its ledger shows it.

    Attributes:
        key: Name of the folder.
        status: `ok`, or `broken` with the reason; broken ones are listed, never hidden.
        reason: Why it is broken, "" otherwise.
        last: Kind of the last entry, "" where there is none.
        at: Time of the last entry.
        knowledge: What has been seen.
        head: Witness of the ledger.
    """

    key: str
    path: Path
    status: Literal["ok", "broken"]
    reason: str = ""
    last: str = ""
    at: str = ""
    knowledge: Knowledge = "nothing assigned"
    head: Witness | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "key": self.key,
            "status": self.status,
            "reason": self.reason,
            "last": self.last,
            "at": self.at,
            "knowledge": self.knowledge,
            "head": self.head.to_dict() if self.head else None,
        }


def experiments(root: str | Path) -> list[Listed]:
    """Every folder of a root as an experiment, sorted by key; empty where the root does not exist."""
    try:
        names = sorted(e.name for e in os.scandir(root) if not e.name.startswith(".") and (e.is_dir() or e.is_symlink()))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [_listed(Path(root), name) for name in names]


def _listed(root: Path, name: str) -> Listed:
    path = root / name
    try:
        folder = folder_of(root, name)
        if not (folder / LEDGER).exists():
            return Listed(name, path, "broken", f"It has no {LEDGER}.")
        entries = Ledger(folder / LEDGER).entries()
        if not entries:
            return Listed(name, path, "broken", "Its ledger is empty.")
        if not (folder / PLAN).exists():
            return Listed(name, path, "broken", f"It has no {PLAN}.")
    except (XpbenchError, OSError) as error:
        return Listed(name, path, "broken", str(error))
    last = entries[-1]
    head = Witness(len(entries), last.digest)
    return Listed(name, path, "ok", "", last.kind, last.at, knowledge(entries), head)
