"""One writer at a time: a lock that the kernel holds, and a lock file for file systems where it can't.

The kernel's lock (`flock` on the ledger itself) ends with the process, whatever kills it. Network homes and Windows may
lack it, so a lock file with pid, host and boot id stands beside the ledger as well. A lock file is stale, and is taken
over, when its process is known to be gone (same host: another boot, or no such pid, or the pid now belongs to a process
that started later), or when it is older than `STALE_SECONDS` by the file server's own clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from xpbench.errors import LedgerError, plain

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]
if fcntl is not None and not hasattr(fcntl, "flock"):  # Python in a browser has the module, and no locks in it
    fcntl = None  # type: ignore[assignment]

STALE_SECONDS = 120.0
"""Age after which the lock of a process that can't be asked (another host) is taken over; an append takes milliseconds."""

EMPTY_SECONDS = 3.0
"""Age after which a lock file without content is taken over: its process died between creating and filling it."""


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _pid_space() -> str:
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; "" where the system does not say."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


_me: dict[str, Any] = {}
_text: list[str] = []


def holder() -> dict[str, Any]:
    """Who this process is, as it is in a lock file."""
    pid = os.getpid()
    if _me.get("pid") != pid:  # facts of a process; a fork is another one
        _me.update(pid=pid, started=_started(pid), host=platform.node(), boot=_boot_id(), pid_space=_pid_space())
    return {**_me, "token": secrets.token_hex(8)}


def is_alive(pid: int) -> bool:
    """Whether a process of this machine exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def is_stale(other: dict[str, Any], *, age_seconds: float) -> bool:
    """Whether the holder of a lock file is gone; see the module's rule."""
    if age_seconds > STALE_SECONDS:
        return True
    pid = other.get("pid")
    if other.get("host") != platform.node() or type(pid) is not int or os.name == "nt":
        return False
    if other.get("boot") != _boot_id():
        return True
    if other.get("pid_space") != _pid_space():
        return False
    if not is_alive(pid):
        return True
    started = _started(pid)
    return bool(started and other.get("started") and started != other.get("started"))


class Locked:
    """A held lock; `still_ours()` says whether nobody has taken it over."""

    def __init__(self, path: Path, identity: tuple[int, ...]) -> None:
        self._path = path
        self._identity = identity

    def still_ours(self) -> bool:
        """Whether the lock file is still the one that this process wrote."""
        try:
            return _identity(os.stat(self._path)) == self._identity
        except OSError:
            return False


def _identity(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_mtime_ns


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes()[:4096])
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _age(path: Path) -> float:
    """Seconds since the lock file was written, by the clock of the file system that holds it."""
    probe = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            now = os.fstat(handle).st_mtime
        finally:
            os.close(handle)
            os.unlink(probe)
        return now - path.stat().st_mtime
    except OSError:
        return 0.0


@lru_cache(maxsize=64)
def _lock_path(ledger: Path) -> Path:
    return ledger.with_name(ledger.name + ".lock")


def _content() -> bytes:
    """`holder()` as it is written; its text is made once for a process, but for the token."""
    if _me.get("pid") != os.getpid() or not _text:
        bare = holder()
        bare.pop("token")
        _text[:] = [json.dumps(bare)[:-1]]
    return f'{_text[0]}, "token": "{secrets.token_hex(8)}"}}'.encode()


@contextlib.contextmanager
def locked(ledger: Path, handle: int, *, wait_seconds: float) -> Iterator[Locked]:
    """Hold the lock of a ledger whose open file is `handle`.

    Raises:
        LedgerError: `XPB-L02`, another process held it for longer than `wait_seconds`.
        OSError: the lock file can't be written.
    """
    path = _lock_path(ledger)
    deadline = time.monotonic() + wait_seconds
    pause = 0.0005
    kernel = _kernel_lock(handle, path, deadline)
    try:
        content = _content()
        while True:
            try:
                created = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                if _take_over(path):
                    continue
                if time.monotonic() > deadline:
                    raise _busy(path) from None
                time.sleep(pause)
                pause = min(pause * 2, 0.02)
                continue
            try:
                os.write(created, content)
                lock = Locked(path, _identity(os.fstat(created)))
            finally:
                os.close(created)
            break
        try:
            yield lock
        finally:
            if lock.still_ours():
                with contextlib.suppress(OSError):
                    os.unlink(path)
    finally:
        if kernel and fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_UN)


def _kernel_lock(handle: int, path: Path, deadline: float) -> bool:
    if fcntl is None:  # pragma: no cover - Windows
        return False
    pause = 0.0005
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _busy(path) from None
            time.sleep(pause)
            pause = min(pause * 2, 0.02)
        except OSError:  # a file system without locks: the lock file does it alone
            return False
        else:
            return True


def _busy(path: Path) -> LedgerError:
    other = _read(path)
    who = f"process {other.get('pid')} on {other.get('host')}" if other else "unknown holder"
    return LedgerError("XPB-L02", path=str(path.with_suffix("")), holder=plain(_clean(who)))


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c in " .-_")[:80]


def _take_over(path: Path) -> bool:
    """Remove a stale lock file; False while its holder may live."""
    other = _read(path)
    age = _age(path)
    empty_for_long = not other and age > EMPTY_SECONDS
    if not empty_for_long and not is_stale(other, age_seconds=age):
        return False
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.rename(path, aside)
    except OSError:
        return True
    if _read(aside) != other:  # someone took it over in between: give it back
        with contextlib.suppress(OSError):
            os.link(aside, path)
    with contextlib.suppress(OSError):
        os.unlink(aside)
    return True
