"""Witnesses as git notes: length and head of a ledger, kept next to a commit and pushed with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from xpbench.errors import LedgerError, plain
from xpbench.ledger.entry import Witness

REF = "xpbench"


def _git(folder: Path, *words: str) -> str:
    """Output of git in a folder.

    Raises:
        LedgerError: `XPB-L05`, git is missing or refused.
    """
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or b""
        reason = said.decode("utf-8", "replace").strip().split("\n")[-1] or type(error).__name__
        raise LedgerError("XPB-L05", path=str(folder), reason=plain(f"git: {reason[:200]}")) from error
    return done.stdout.decode("utf-8", "replace")


def write_note(folder: Path, *, key: str, witness: Witness) -> str:
    """Add the witness of an experiment to the notes of the current commit; returns that commit.

    Raises:
        LedgerError: `XPB-L05`, the folder is in no git repository with a commit.
    """
    commit = _git(folder, "rev-parse", "HEAD").strip()
    _git(folder, "notes", f"--ref={REF}", "append", "-m", f"{key} {witness}", commit)
    return commit


def read_notes(folder: Path, *, key: str) -> list[Witness]:
    """All witnesses of an experiment in the notes of the repository, in the order of git's listing.

    Raises:
        LedgerError: `XPB-L05`, the folder is in no git repository.
    """
    out = []
    for line in _git(folder, "notes", f"--ref={REF}", "list").splitlines():
        note = line.split()[0]
        for text in _git(folder, "cat-file", "-p", note).splitlines():
            name, _, witness = text.strip().partition(" ")
            if name == key:
                try:
                    out.append(Witness.parse(witness))
                except ValueError:
                    continue
    return out
