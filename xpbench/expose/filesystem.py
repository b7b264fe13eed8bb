"""What the outbox needs to know of file systems: whether one is local (SQLite's write-ahead log needs shared memory), locks."""

from __future__ import annotations

import os
from pathlib import Path

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "9p", "davfs", "ncpfs"}
)


def network_filesystem(path: Path, *, mounts: str | None = None) -> str | None:
    """Type of the network file system that holds a path, or None for a local one (or where it is not known).

    Args:
        path: File or folder, existing or not.
        mounts: Text in the shape of `/proc/mounts`; read from there if None.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    target = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = parts[1].replace("\\040", " ")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, parts[2]
    if kind in _NETWORK or kind.startswith("fuse."):
        return kind
    return None


if os.name == "nt":  # pragma: no cover - not run on Linux

    def lock_file(handle: int) -> None:
        """Lock an open file until it is closed; raises OSError where another has it."""
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

else:

    def lock_file(handle: int) -> None:
        """Lock an open file until it is closed; raises OSError where another has it."""
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
