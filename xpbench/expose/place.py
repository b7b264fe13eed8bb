"""Where an outbox lies, and that only its owner can read it: it holds ids of people and what is known about them."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

from xpbench.errors import ExposeError, plain

FILE_MODE = 0o600
FOLDER_MODE = 0o700


class Place(NamedTuple):
    """A folder for outboxes, and what is to be said about it (empty where it is the usual one)."""

    folder: Path
    note: str = ""


def state_folder() -> Place:
    """Folder of this user's outboxes, made where it is missing.

    `XPBENCH_STATE` where it is set; else `xpbench` in `XDG_STATE_HOME` or `~/.local/state`; where none of these can be
    written (read-only containers, functions in a cloud, users without a home), a folder of this user among the temporary ones.

    Raises:
        ExposeError: `XPB-E16`, none can be written.
    """
    chosen = os.environ.get("XPBENCH_STATE")
    if chosen:
        folder = Path(chosen)
        problem = _usable(folder, tighten=False)
        if problem:
            raise ExposeError("XPB-E16", reason=plain(f"{folder}: {problem}"))
        return Place(folder)
    try:
        usual = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "xpbench"
        problem = _usable(usual, tighten=True)
        where = str(usual)
    except RuntimeError:  # a user without a home
        problem, where = "this user has no home folder", "~"
    if not problem:
        return Place(usual)
    user = os.getuid() if hasattr(os, "getuid") else 0
    other = Path(tempfile.gettempdir()) / f"xpbench-{user}"
    unsafe = _usable(other, tighten=True) or _foreign(other)
    if unsafe:
        raise ExposeError("XPB-E16", reason=plain(f"{where}: {problem}; {other}: {unsafe}"))
    note = f"{where} can't be used ({problem}); the outbox lies in {other}, which may be gone when this machine restarts"
    return Place(other, note)


def private_file(path: Path) -> None:
    """Make a file that its owner alone can read, or take from others the right to read one that is there.

    A file that a group may write was given to that group by someone, and stays so.

    Raises:
        OSError: It can't be made.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), FILE_MODE))
    except FileExistsError:
        for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            with contextlib.suppress(OSError):
                mode = stat.S_IMODE(each.stat().st_mode)
                kept = mode & (0o770 if mode & stat.S_IWGRP else 0o700)
                if kept != mode:
                    os.chmod(each, kept)


def _usable(folder: Path, *, tighten: bool) -> str:
    """Why a folder can't hold an outbox; empty where it can. Missing folders are made, for this user alone."""
    try:
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        for each in reversed(missing):
            with contextlib.suppress(FileExistsError):
                each.mkdir(FOLDER_MODE)
        if tighten and stat.S_IMODE(folder.stat().st_mode) & 0o077:
            with contextlib.suppress(PermissionError):
                os.chmod(folder, FOLDER_MODE)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if not folder.is_dir():
        return "it is not a folder"
    return "" if os.access(folder, os.W_OK | os.X_OK) else "it can't be written"


def _foreign(folder: Path) -> str:
    """Why a folder in a place that all users share is not to be trusted."""
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        return "it is a link"
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o077):
        return "it belongs to another user"
    return ""
