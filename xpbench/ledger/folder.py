"""Where an experiment lives: `<root>/<key>/` with `plan.json`, `ledger.jsonl` and `memo.html`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from xpbench.canonical import digest
from xpbench.errors import InputError, LedgerError, PlanError, XpbenchError, nearest, plain
from xpbench.files import sync_folder, write_atomic
from xpbench.ledger.entry import Entry, Witness
from xpbench.ledger.knowledge import Knowledge, knowledge
from xpbench.ledger.ledger import Ledger
from xpbench.plan.keys import is_safe_key, suggest_key

PLAN, LEDGER, MEMO = "plan.json", "ledger.jsonl", "memo.html"

READOUTS = "readouts"
"""Folder of frozen readouts, each under its own digest: no decision takes away what another rests on."""

FORMER_READOUT = "readout.json"
"""Where earlier releases kept the one readout of the last decision."""


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


def readout_path(folder: Path, readout_digest: str) -> Path:
    """Where a readout with this digest is kept."""
    return folder / READOUTS / f"{readout_digest}.json"


def save_readout(folder: Path, document: Mapping[str, Any]) -> str:
    """Keep a readout under its digest, and return that; one that is kept already stays as it is.

    Raises:
        InputError: `XPB-I06`, it can't be written.
    """
    name = digest(document)
    if frozen_readout(folder, name) is None:
        write_atomic(readout_path(folder, name), (json.dumps(document, ensure_ascii=False) + "\n").encode())
    return name


def frozen_readout(folder: Path, readout_digest: str) -> dict[str, Any] | None:
    """The readout with this digest; None where there is none, or where its content has another."""
    if not (len(readout_digest) == 64 and readout_digest.isalnum()):
        return None
    for path in (readout_path(folder, readout_digest), folder / FORMER_READOUT):
        try:
            document: dict[str, Any] = json.loads(path.read_bytes())
            if digest(document) == readout_digest:
                return document
        except (OSError, ValueError, TypeError, RecursionError, XpbenchError):
            continue
    return None


def has_readout(folder: Path) -> bool:
    """Whether any readout is kept here, sound or not."""
    return (folder / FORMER_READOUT).is_file() or any((folder / READOUTS).glob("*.json"))


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
        entries: The verified ledger.
    """

    key: str
    path: Path
    status: Literal["ok", "broken"]
    reason: str = ""
    last: str = ""
    at: str = ""
    knowledge: Knowledge = "nothing assigned"
    head: Witness | None = None
    entries: tuple[Entry, ...] = field(default=(), repr=False, compare=False)

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


def ensure_named(folder: Path, entries: Sequence[Entry]) -> None:
    """Return only if the folder has the key of the experiment whose ledger it holds.

    Args:
        folder: Of the experiment.
        entries: Of its ledger.

    Raises:
        LedgerError: `XPB-L17`, it was copied or renamed.
    """
    plan = entries[0].body.get("plan") if entries and entries[0].kind == "registered" else None
    key, name = (plan.get("key") if isinstance(plan, Mapping) else None), folder.resolve().name
    if isinstance(key, str) and key != name:
        raise LedgerError("XPB-L17", folder=name, root=str(folder.parent), key=key)


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
        ensure_named(folder, entries)
    except (XpbenchError, OSError) as error:
        return Listed(name, path, "broken", str(error))
    last = entries[-1]
    head = Witness(len(entries), last.digest)
    return Listed(name, path, "ok", "", last.kind, last.at, knowledge(entries), head, tuple(entries))
