"""Unit ids as the hashes see them: UTF-8 bytes in one buffer, block by block, with nulls counted and floats refused."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xpbench.errors import AssignError, plain

BLOCK = 1 << 16
"""Ids hashed at a time; bounds the memory whatever the number of ids."""
SMALL_CHUNK = 1 << 12
"""Ids per chunk on average below which chunks are joined first."""


@dataclass(frozen=True, slots=True)
class IdBlock:
    """A run of ids as bytes.

    Attributes:
        start: Position of the first id in the whole.
        data: Bytes of all ids, one after the other.
        offsets: n + 1 positions in `data`, the first is 0.
        null: Where there is no id; None where all are there.
        falsy: Where the official SDK takes the id for missing: "" and the integer 0; None where none is.
    """

    start: int
    data: NDArray[np.uint8]
    offsets: NDArray[Any]
    null: NDArray[np.bool_] | None
    falsy: NDArray[np.bool_] | None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def texts(self) -> list[bytes]:
        """The ids as bytes objects; a null id is empty."""
        n = len(self)
        if n and len(self.data) % n == 0:
            length = len(self.data) // n
            if length and (np.diff(self.offsets) == length).all():
                same: list[bytes] = np.ascontiguousarray(self.data).view(f"V{length}").tolist()
                return same
        kind = pa.large_binary() if self.offsets.dtype == np.int64 else pa.binary()
        buffers = [None, pa.py_buffer(np.ascontiguousarray(self.offsets)), pa.py_buffer(np.ascontiguousarray(self.data))]
        texts: list[bytes] = pa.Array.from_buffers(kind, n, buffers).to_pylist()
        return texts


class UnitIds:
    """Ids of any container, ready to be hashed.

    Args:
        ids: List, tuple, numpy array, pandas or polars series, pyarrow array, or any iterable of text, integers and
            UUIDs. Integers and UUIDs are hashed as their usual text.

    Raises:
        AssignError: `XPB-A01` floats; `XPB-A02` any other type; `XPB-A03` text without UTF-8; `XPB-A14` one single id.
    """

    def __init__(self, ids: Any) -> None:
        if isinstance(ids, (str, bytes, int, uuid.UUID)):
            raise AssignError("XPB-A14", value=ids)
        self.source = ids
        array, other = _arrow(ids)
        self.array: pa.ChunkedArray = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
        self.is_integer: bool = pa.types.is_integer(self.array.type)
        self.not_text: NDArray[np.bool_] | None = other
        """Where an id among texts was an integer or a UUID; None where all ids are of one type."""

    def __len__(self) -> int:
        return len(self.array)

    @property
    def nulls(self) -> int:
        """How many ids are null."""
        return int(self.array.null_count)

    @property
    def empty(self) -> int:
        """How many ids are empty text."""
        if self.is_integer:
            return 0
        return int(pc.sum(pc.equal(pc.binary_length(self.array), 0)).as_py() or 0)

    def text(self) -> pa.ChunkedArray:
        """The ids as Arrow text, nulls kept."""
        return self.array.cast(pa.large_string())

    def blocks(self, size: int = BLOCK) -> Iterator[IdBlock]:
        """The ids block by block, in order; text is not copied."""
        start = 0
        for chunk in self._chunks():
            for at in range(0, len(chunk), size):
                yield self._block(start + at, chunk.slice(at, size))
            start += len(chunk)

    def _chunks(self) -> list[Any]:
        chunks = self.array.chunks
        if len(chunks) > 1 and len(self) < len(chunks) * SMALL_CHUNK:
            whole = self.array.combine_chunks()
            return whole.chunks if isinstance(whole, pa.ChunkedArray) else [whole]
        return list(chunks)

    def _block(self, start: int, part: Any) -> IdBlock:
        falsy: NDArray[np.bool_] | None = None
        null = part.is_null().to_numpy(zero_copy_only=False) if part.null_count else None
        if self.is_integer:
            zero = pc.fill_null(pc.equal(part, 0), False).to_numpy(zero_copy_only=False)
            falsy = zero if zero.any() else None
            part = part.cast(pa.string())
        offsets, data = _bytes_of(part)
        if null is not None and np.any(np.diff(offsets)[null]):
            offsets, data = _bytes_of(pc.fill_null(part, ""))
        lengths = np.diff(offsets)
        if not self.is_integer:
            if len(lengths) and lengths.min() == 0:
                falsy = lengths == 0
            if self.not_text is not None:
                odd = self.not_text[start : start + len(part)]
                odd = odd & pc.fill_null(pc.equal(part, "0"), False).to_numpy(zero_copy_only=False)
                falsy = odd if falsy is None else falsy | odd
        return IdBlock(start, data, offsets - offsets[0] if len(offsets) and offsets[0] else offsets, null, falsy)

    def is_text(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Which ids came as text: the official SDK looks up test users by the id as it is."""
        if self.is_integer:
            return np.zeros(stop - start, bool)
        return np.ones(stop - start, bool) if self.not_text is None else ~self.not_text[start:stop]


def _bytes_of(part: Any) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Offsets and bytes of an Arrow text array, without a copy."""
    _, places, content = part.buffers()
    kind = np.int64 if pa.types.is_large_string(part.type) else np.int32
    if places is None or places.size == 0:
        return np.zeros(1, kind), np.empty(0, np.uint8)
    offsets = np.frombuffer(places, kind, count=len(part) + 1, offset=np.dtype(kind).itemsize * part.offset)
    data = np.empty(0, np.uint8) if content is None else np.frombuffer(content, np.uint8)
    return offsets, data[int(offsets[0]) : int(offsets[-1])]


def _arrow(ids: Any) -> tuple[Any, NDArray[np.bool_] | None]:
    if isinstance(ids, (pa.Array, pa.ChunkedArray)):
        return _checked(ids)
    series = nw.from_native(ids, series_only=True, allow_series=True, pass_through=True)
    if isinstance(series, nw.Series):
        try:
            array = series.to_arrow()
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return _from_objects(series.to_list())
        if str(getattr(ids, "dtype", "")) == "object":
            return _from_list(series.to_list())
        return _checked(array)
    if isinstance(ids, np.ndarray):
        if ids.ndim != 1:
            raise AssignError("XPB-A02", kind=plain(f"an array of {ids.ndim} dimensions"), value=ids.shape)
        return _from_list(ids.tolist()) if ids.dtype.kind == "O" else _checked(pa.array(ids, from_pandas=True))
    if not isinstance(ids, (list, tuple)):
        try:
            ids = list(ids)
        except TypeError:
            raise AssignError("XPB-A02", kind=plain(type(ids).__name__), value=ids) from None
    return _from_list(ids)


def _from_list(ids: Sequence[Any]) -> tuple[Any, NDArray[np.bool_] | None]:
    try:
        array = pa.array(ids, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, UnicodeEncodeError):
        return _from_objects(ids)
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array, None
    if pa.types.is_null(kind):
        return array.cast(pa.string()), None
    return _from_objects(ids)


def _checked(array: Any) -> tuple[Any, NDArray[np.bool_] | None]:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _checked(array.cast(kind.value_type))
    if getattr(kind, "extension_name", "") == "arrow.uuid":
        return _from_objects(array.to_pylist())
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array, None
    if pa.types.is_null(kind):
        return array.cast(pa.string()), None
    if pa.types.is_string_view(kind):
        return array.cast(pa.large_string()), None
    if pa.types.is_floating(kind):
        present = array.drop_null()
        real = present.filter(pc.invert(pc.is_nan(present)))
        if len(real) == 0:
            return pa.nulls(len(array), pa.string()), None
        raise AssignError("XPB-A01", count=plain(f"{len(real):,}"), value=real[0].as_py())
    first = array.drop_null()
    raise AssignError("XPB-A02", kind=plain(str(kind)), value=first[0].as_py() if len(first) else None)


def _from_objects(values: Sequence[Any]) -> tuple[Any, NDArray[np.bool_] | None]:
    """Text of each object; what is not an id is refused with an example and a count."""
    texts: list[str | None] = []
    other = np.zeros(len(values), bool)
    floats: list[float] = []
    for i, value in enumerate(values):
        if isinstance(value, str):
            texts.append(str(value))
        elif value is None or _is_missing(value):
            texts.append(None)
        elif isinstance(value, (bool, np.bool_)):
            raise AssignError("XPB-A02", kind=plain("true and false"), value=value)
        elif isinstance(value, (int, np.integer, uuid.UUID)):
            other[i] = True
            texts.append(str(value) if isinstance(value, uuid.UUID) else str(int(value)))
        elif isinstance(value, (float, np.floating)):
            floats.append(float(value))
            texts.append(None)
        else:
            raise AssignError("XPB-A02", kind=plain(type(value).__name__), value=value)
    if floats:
        raise AssignError("XPB-A01", count=plain(f"{len(floats):,}"), value=floats[0])
    try:
        return pa.array(texts, pa.large_string()), other
    except (UnicodeEncodeError, pa.ArrowInvalid):
        for text in texts:
            if text is not None and not _has_utf8(text):
                raise AssignError("XPB-A03", value=text.encode("utf-8", "replace").decode()) from None
        raise


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_missing(value: Any) -> bool:
    if isinstance(value, (float, np.floating)):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")


def like(source: Any, values: Sequence[Any] | NDArray[Any], name: str = "variant") -> Any:
    """Texts (or None) in the kind of container that `source` is: a series keeps its index, a list stays a list."""
    if isinstance(source, (pa.Array, pa.ChunkedArray)):
        array = pa.array(values, pa.string())
        return pa.chunked_array([array]) if isinstance(source, pa.ChunkedArray) else array
    series = nw.from_native(source, series_only=True, allow_series=True, pass_through=True)
    if isinstance(series, nw.Series):
        if series.implementation.is_pandas():
            import pandas as pd

            return pd.Series(np.asarray(values, dtype=object), index=source.index, name=name, dtype=object)
        return nw.new_series(name, list(values), nw.String(), backend=series.implementation).to_native()
    if isinstance(source, np.ndarray):
        return np.asarray(values, dtype=object)
    return list(values)
