"""A file that is hashed while it is read, unpacked where it is a gzip stream; a break keeps all that came before it."""

from __future__ import annotations

import hashlib
import zlib
from typing import IO

MAGIC = b"\x1f\x8b"
PACKED = 64 * 1024
"""Packed bytes that are read at a time."""


class Plain:
    """A file as it is."""

    broken = ""

    def __init__(self, file: IO[bytes], known: str = "") -> None:
        """Begin.

        Args:
            file: The file, at its beginning.
            known: Its SHA-256 where that was made before; then it is not made again.
        """
        self._file = file
        self._known = known
        self._sha = hashlib.sha256()

    def readinto(self, room: memoryview) -> int:
        """Fill the room from its beginning: bytes read, 0 at the end."""
        got = self._file.readinto(room)  # type: ignore[attr-defined]
        self._hash(room[:got])
        return int(got)

    def digest(self) -> str:
        """SHA-256 of the whole file, what nobody asked for included."""
        while not self._known and (data := self._file.read(1 << 18)):
            self._sha.update(data)
        return self._known or self._sha.hexdigest()

    def _hash(self, data: bytes | memoryview) -> None:
        if not self._known:
            self._sha.update(data)


class Gunzip(Plain):
    """A gzip stream of one or more members; checksums are checked."""

    def __init__(self, file: IO[bytes], known: str = "") -> None:
        super().__init__(file, known)
        self.broken = ""
        self._member: zlib._Decompress | None = None
        self._packed = b""
        self._kept: list[bytes] = []  # rescued before a break
        self._first = True

    def readinto(self, room: memoryview) -> int:
        """Fill the room from its beginning: bytes unpacked, 0 at the end or a break; `broken` says which."""
        while not self._kept and not self.broken:
            if not self._packed:
                self._packed = self._file.read(PACKED)
                self._hash(self._packed)
            if self._member is None and not self._begin():
                return 0
            if self._member is None:
                continue
            before = self._member.copy()
            packed = self._packed
            try:
                data = self._member.decompress(packed, len(room))
            except zlib.error:
                self.broken = "the gzip stream is damaged"
                self._kept = _rescued(before, packed)
                break
            self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if self._member.eof:
                self._member = None
            elif not packed and not data:
                self.broken = "the gzip stream is cut off"
            if data:
                room[: len(data)] = data
                return len(data)
        if not self._kept:
            return 0
        data = self._kept.pop(0)
        if len(data) > len(room):
            self._kept.insert(0, data[len(room) :])
            data = data[: len(room)]
        room[: len(data)] = data
        return len(data)

    def _begin(self) -> bool:
        """Begin a member; False at the end of the stream. Zeros between members and behind the last are passed over."""
        if not self._first:
            self._packed = self._packed.lstrip(b"\0")
            if not self._packed:
                self._packed = self._file.read(PACKED)
                self._hash(self._packed)
                return bool(self._packed)
            if not self._packed.startswith(MAGIC[: len(self._packed)]):
                self.broken = "the gzip stream is damaged"
                return False
        self._first = False
        self._member = zlib.decompressobj(31)
        return True


def _rescued(before: zlib._Decompress, packed: bytes) -> list[bytes]:
    """What can be unpacked of bytes in which the stream breaks, byte by byte at last."""
    out = []
    step = 1024
    at = 0
    while at < len(packed):
        mark = before.copy()
        try:
            out.append(before.decompress(packed[at : at + step]))
        except zlib.error:
            if step == 1:
                break
            before, step = mark, 1
            continue
        at += step
    return [data for data in out if data]
