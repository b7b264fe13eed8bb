"""Packed and encoded files as plain UTF-8, with every checksum looked at."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from xpbench.errors import DataError, plain
from xpbench.interrupts import temporary_folder
from xpbench.sheets.workbook import as_csv, is_workbook

_BLOCK = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"


def plain_file(path: str, folder: str | Path) -> str:
    """The file itself where it is plain UTF-8, else a copy of what is packed in it.

    Args:
        path: Of the file.
        folder: Where copies go.

    Raises:
        DataError: `XPB-D61`, it can't be unpacked; `XPB-D62`, its encoding is not read; those of `workbook.as_csv`.
    """
    if is_workbook(path):
        with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".plain", delete=False) as target:
            target.write(as_csv(path))
        return target.name
    return _utf8(_unpacked(path, folder), path, folder)


def lines_file(path: str, folder: str | Path) -> str:
    """A file of JSON Lines as its reader takes it: plain or a single gzip stream; else a plain copy.

    Raises:
        DataError: as `plain_file`.
    """
    return _unpacked(path, folder) if is_copied(path) else path


def is_copied(path: str | Path) -> bool:
    """Whether a file of JSON Lines is packed in a way that is only read from a plain copy."""
    with open(path, "rb") as file:
        return file.read(4).startswith((_ZSTD, b"PK\x03\x04"))


@contextlib.contextmanager
def unpacked_lines(path: str | Path) -> Iterator[IO[bytes]]:
    """The lines of a file, however it is packed, told by its content.

    Raises:
        DataError: as `plain_file`.
        OSError, EOFError, zlib.error: a gzip stream is damaged, while it is read.
    """
    with temporary_folder() as folder:
        plain_path = lines_file(str(path), folder)
        with open(plain_path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(plain_path) if packed else open(plain_path, "rb") as lines:
            yield cast("IO[bytes]", lines)


def ensure_opens(path: str) -> None:
    """A packed file can be unpacked, and one file is in it.

    Raises:
        DataError: `XPB-D61`.
    """
    with temporary_folder() as folder:
        _unpacked(path, folder)


def beginning(path: str) -> bytes:
    """The first bytes of a file, unpacked where it is packed; empty where it can't be."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
        if head.startswith((b"\x1f\x8b", _ZSTD, b"PK\x03\x04")):
            with temporary_folder() as folder, open(_unpacked(path, folder), "rb") as file:
                return file.read(4096)
    except (OSError, DataError):
        return b""
    return head


def _unpacked(path: str, folder: str | Path) -> str:
    with open(path, "rb") as file:
        head = file.read(8)
    if path.lower().endswith(".zip") and not head.startswith(b"PK"):
        remedy = "Copy or download the file again"
        raise DataError("XPB-D61", path=path, reason=plain("it is not a zip archive"), remedy=plain(remedy))
    try:
        if head.startswith(b"\x1f\x8b"):
            with gzip.open(path, "rb") as source:
                return _unpacked(_copied(source, folder), folder)
        if head.startswith(_ZSTD):
            import pyarrow as pa

            with pa.input_stream(path, compression="zstd") as source:
                return _unpacked(_copied(source, folder), folder)
        if head.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX/")]
                if any(n.startswith("xl/") for n in names):
                    remedy = "It is a workbook: name it .xlsx, or save it as CSV UTF-8"
                    raise DataError("XPB-D61", path=path, reason=plain("it is an Excel workbook"), remedy=plain(remedy))
                if len(names) != 1:
                    remedy = "Unpack it, and name the files"
                    reason = f"it holds {len(names):,} files, and nothing says which of them is meant"
                    raise DataError("XPB-D61", path=path, reason=plain(reason), remedy=plain(remedy))
                with archive.open(names[0]) as source:
                    return _unpacked(_copied(source, folder), folder)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        remedy = "Copy or download the file again"
        raise DataError("XPB-D61", path=path, reason=plain(f"it is damaged ({error})"), remedy=plain(remedy)) from error
    return path


def _copied(source: IO[bytes] | gzip.GzipFile, folder: str | Path) -> str:
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".plain", delete=False) as target:
        shutil.copyfileobj(source, target, _BLOCK)
    return target.name


def _utf8(path: str, named: str, folder: str | Path) -> str:
    with open(path, "rb") as file:
        head = file.read(4096)
    encoding = encoding_of(head)
    if encoding is None:
        return path
    with open(path, "rb") as source, tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".plain", delete=False) as target:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while block := source.read(_BLOCK):
                target.write(decoder.decode(block).encode())
            target.write(decoder.decode(b"", final=True).encode())
        except UnicodeError as error:
            reason, remedy = f"it begins as {encoding.upper()} and is cut or damaged", "Save it again as CSV UTF-8"
            raise DataError("XPB-D62", path=named, reason=plain(reason), remedy=plain(remedy)) from error
    return target.name


def encoding_of(head: bytes) -> str | None:
    """UTF-16 or UTF-32, by the mark at the beginning or by the zeros between the signs; None for what may be UTF-8."""
    for mark, name in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half >= 4 and odd > 0.6 * half and even < 0.2 * half:
        return "utf-16-le"
    if half >= 4 and even > 0.6 * half and odd < 0.2 * half:
        return "utf-16-be"
    return None


def ensure_text(path: str, named: str) -> None:
    """A file is UTF-8 to its end.

    Args:
        path: Of the plain file.
        named: What the user calls it.

    Raises:
        DataError: `XPB-D62`, with the line of the first byte that is not.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines, tail = 1, b""
    with open(path, "rb") as file:
        while True:
            block = file.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                seen = error.object[: error.start]
                line = lines + seen.count(b"\n")
                byte = error.object[error.start]
                reason = f"line {line:,} has the byte {byte:#04x}: a sign of Latin-1 or Windows-1252, or one that was cut off"
                remedy = "Save it as CSV UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8"
                raise DataError("XPB-D62", path=named, reason=plain(reason), remedy=plain(remedy)) from error
            if not block:
                return
            lines += (tail + block).count(b"\n") - tail.count(b"\n")
