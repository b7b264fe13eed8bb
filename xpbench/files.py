"""Files by their names, and writing them so that there is always the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

from xpbench.errors import InputError, plain

_SIGNS = re.compile(r"[*?]")


def matching(pattern: str) -> list[str]:
    """Files whose names fit a pattern, in order; `*` and `?` are its signs, `**` stands for any number of folders.

    Names that begin with a point are found where the pattern has the point.
    """
    if not _SIGNS.search(pattern):
        return []
    path = Path(pattern)
    parts = path.parts[1:] if path.anchor else path.parts
    found = [Path(path.anchor)]
    for part in parts:
        found = [each for base in found for each in _named(base, part)]
    return sorted({str(p) for p in found if p.is_file()})


def _named(base: Path, part: str) -> list[Path]:
    """What lies in a folder under a name; under a pattern only where nothing has this very name."""
    if not _SIGNS.search(part) or (base / part).exists():
        return [base / part]
    if part == "**":
        return [base, *(Path(top) / n for top, names, _ in os.walk(base) for n in names if not n.startswith("."))]
    fits = re.compile(fnmatch.translate(part.replace("[", "[[]")))
    try:
        names = os.listdir(base)
    except OSError:
        return []
    return [base / n for n in names if fits.match(n) and (part.startswith(".") or not n.startswith("."))]


def kind_by_name(path: str) -> str | None:
    """`csv`, `jsonl` or `parquet`, by the ending of a file's name, packed or not; None for others."""
    name = path.lower()
    for packed in (".gz", ".zst", ".zip"):
        name = name.removesuffix(packed)
    if name.endswith((".csv", ".tsv", ".tab")):
        return "csv"
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return "jsonl"
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    return None


_PARTITION = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def partitions_of(path: str | Path) -> dict[str, str | None]:
    """Columns that the names of a file's folders hold, as Hive and Spark write them: `country=DE/part-0.parquet`."""
    from urllib.parse import unquote

    found: dict[str, str | None] = {}
    for part in Path(path).parts[:-1]:
        if match := _PARTITION.fullmatch(part):
            found[unquote(match[1])] = None if match[2] == _NO_VALUE else unquote(match[2])
    return found


def partition_names(paths: Iterable[str | Path], known: Collection[str]) -> list[str]:
    """Columns that the folders of every one of these files name, and that the files themselves do not have."""
    found = [partitions_of(path) for path in paths]
    return [name for name in (found[0] if found else {}) if name not in known and all(name in each for each in found)]


def as_file(path: str | Path) -> str:
    """A path as the engine must be given it: signs that it takes for patterns stand for themselves in brackets.

    It is absolute, so that no beginning of a name is taken for a home folder, a protocol or an option.
    """
    return re.sub(r"[\[*?]", r"[\g<0>]", os.path.abspath(path))


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file in one step: temporary file in the same folder, fsync, rename, fsync of the folder.

    Raises:
        InputError: `XPB-I06`, nothing was replaced.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise InputError("XPB-I06", path=str(path), reason=plain(error.strerror or str(error))) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder durable, where the system can."""
    if os.name == "nt":  # pragma: no cover - Windows has no fsync of folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
