"""Small PNGs: the same picture with a palette, a tenth of the bytes that the renderer writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA, _PALETTE = 6, 3
_SUB = 1


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += 12 + size


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def shrunk(png: bytes) -> bytes:
    """The picture with at most 256 colours (each channel to 5 bits, coarser where that is not enough).

    Only what the chart renderer writes is understood: opaque 8-bit RGBA with the `Sub` filter on every line; any other PNG is
    given back as it is.
    """
    header = b""
    data = b""
    for kind, body in _chunks(png):
        if kind == b"IHDR":
            header = body
        elif kind == b"IDAT":
            data += body
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if (depth, colour, interlaced) != (8, _RGBA, 0):
        return png
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + 4 * width)
    if (lines[:, 0] != _SUB).any():
        return png
    pixels = np.cumsum(lines[:, 1:].reshape(height, width, 4), axis=1, dtype=np.uint8)
    if (pixels[..., 3] != 255).any():
        return png
    rgb = pixels[..., :3].astype(np.uint32)
    for bits in (5, 4, 3):
        coarse = rgb >> (8 - bits)
        packed = (coarse[..., 0] << 16) | (coarse[..., 1] << 8) | coarse[..., 2]
        colours, index, counts = np.unique(packed, return_inverse=True, return_counts=True)
        if len(colours) <= 256:
            break
    else:
        return png
    index = index.reshape(-1)
    sums = [np.bincount(index, weights=rgb[..., c].reshape(-1)) for c in range(3)]
    palette = np.stack([np.rint(s / counts) for s in sums], axis=1).astype(np.uint8)
    raw = np.zeros((height, 1 + width), np.uint8)
    raw[:, 1:] = index.reshape(height, width)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _PALETTE, 0, 0, 0)),
            _chunk(b"PLTE", palette.tobytes()),
            _chunk(b"IDAT", zlib.compress(raw.tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )
