"""Batches of columns for one pass over a table: Parquet and tables in memory directly, everything else from the engine."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds
from numpy.typing import NDArray

from xpbench.data.tables.exact_products import ROWS, Array
from xpbench.data.tables.row_hashes import NOTHING, HashWords, hash_text, hash_texts
from xpbench.meaning.names import name_of, whole_number
from xpbench.meaning.nothing import NOTHING as WORDS

HEAD = 2048
"""Rows that a first look takes."""

BatchPlace = tuple[int, int]
"""Where a batch is in the table: piece of the table, batch in it."""

Mask = NDArray[np.bool_]

Stream = Iterator[tuple[BatchPlace, pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column is what.

    Attributes:
        unit: The id: whole numbers or text.
        variant: Text, whole numbers or truth values.
        measures: Numbers, null or NaN where there is none.
        texts: Segments and days.
    """

    unit: str
    variant: str
    measures: tuple[str, ...]
    texts: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Every column once."""
        return list(dict.fromkeys([self.unit, self.variant, *self.measures, *self.texts]))


class ParquetBatches:
    """Parquet files whose row groups are decoded side by side."""

    decodes = True
    """Whether reading is work that a thread of the pass does itself."""

    def __init__(self, paths: Sequence[str], layout: Layout) -> None:
        import pyarrow.parquet as pq

        self._open: Callable[..., Any] = pq.ParquetFile
        self._paths = paths
        self._metadata = [pq.read_metadata(p) for p in paths]
        self._schemas = [m.schema.to_arrow_schema() for m in self._metadata]
        self.layout = layout
        self.names = [s.names for s in self._schemas]

    def fits(self) -> bool:
        """Whether all files have the columns, of kinds that are read directly."""
        first = self._schemas[0]
        wanted = self.layout.columns
        if any(s.names.count(c) != 1 or s.field(c).type != first.field(c).type for s in self._schemas for c in wanted):
            return False
        return _fits(first, self.layout)

    def span_of(self, name: str) -> str:
        """The type of a column that holds spans of time; empty for others."""
        found = [s.field(name).type for s in self._schemas if s.names.count(name) == 1]
        return next((str(kind) for kind in found if kinds.is_duration(kind)), "")

    def streams(self, threads: int, columns: Sequence[str]) -> list[Stream]:
        """One stream for each thread; row groups go to whoever is free."""
        groups = [(f, g) for f, m in enumerate(self._metadata) for g in range(m.num_row_groups)]
        shared = iter(list(enumerate(groups)))
        threads = max(1, min(threads, len(groups)))
        inner = threads == 1 and len(groups) == 1
        return [self._stream(shared, list(columns), inner) for _ in range(threads)]

    def _stream(
        self, shared: Iterator[tuple[int, tuple[int, int]]], columns: list[str], use_threads: bool, rows: int = ROWS
    ) -> Stream:
        files: dict[int, Any] = {}
        try:
            for at, (f, g) in shared:
                if f not in files:
                    dictionary = [self.layout.variant] if _is_text(self._schemas[f].field(self.layout.variant).type) else []
                    files[f] = self._open(self._paths[f], metadata=self._metadata[f], read_dictionary=dictionary)
                found = files[f].iter_batches(batch_size=rows, row_groups=[g], columns=columns, use_threads=use_threads)
                for i, batch in enumerate(found):
                    yield (at, i), batch
        finally:
            for file in files.values():
                file.close()

    def head(self) -> Stream:
        """The first rows, and perhaps more."""
        groups = [(f, g) for f, m in enumerate(self._metadata) for g in range(m.num_row_groups)]
        return self._stream(iter(list(enumerate(groups))), list(self.layout.measures), False, HEAD)

    def narrowed(self, layout: Layout) -> ParquetBatches:
        """The same table with other columns."""
        return ParquetBatches(self._paths, layout)

    def bounds(self, measures: Sequence[str]) -> dict[str, float]:
        """The largest absolute value of measures as the files say; measures they say nothing of are left out."""
        out: dict[str, float] = {}
        for name in measures:
            found = [_bound(m, s.names.index(name)) for m, s in zip(self._metadata, self._schemas, strict=True)]
            if all(b is not None for b in found):
                out[name] = max(b for b in found if b is not None)
        return out


def _bound(metadata: Any, column: int) -> float | None:
    most = 0.0
    for g in range(metadata.num_row_groups):
        group = metadata.row_group(g)
        if group.num_columns != metadata.num_columns or metadata.schema.column(column).max_repetition_level:
            return None
        found = group.column(column).statistics
        if found is None or not found.has_min_max:
            return None
        try:
            most = max(most, abs(float(found.min)), abs(float(found.max)))
        except (TypeError, ValueError):
            return None
    return most


class TableBatches:
    """An Arrow table in memory."""

    decodes = False

    def __init__(self, table: pa.Table, layout: Layout) -> None:
        self._table = table
        self.layout = layout

    def fits(self) -> bool:
        """Whether its columns are of kinds that are read directly."""
        return _fits(self._table.schema, self.layout)

    def streams(self, threads: int, columns: Sequence[str]) -> list[Stream]:
        """One stream for each thread; batches go to whoever is free."""
        found = self._table.select(list(columns)).to_batches(max_chunksize=ROWS)
        shared = iter(list(enumerate(found)))
        return [(((at, 0), batch) for at, batch in shared) for _ in range(max(1, min(threads, len(found))))]

    def head(self) -> Stream:
        """The first batch, and perhaps more."""
        return self.streams(1, self.layout.measures)[0]

    def narrowed(self, layout: Layout) -> TableBatches:
        """The same table with other columns."""
        return TableBatches(self._table, layout)

    def bounds(self, measures: Sequence[str]) -> dict[str, float]:
        """The largest absolute value of measures."""
        import pyarrow.compute as compute  # not loaded for what can do without

        out = {}
        for name in measures:
            ends = compute.min_max(self._table.column(name).cast(pa.float64(), safe=False))
            if ends["min"].is_valid:
                out[name] = max(abs(ends["min"].as_py()), abs(ends["max"].as_py()))
        return {k: v for k, v in out.items() if v < float("inf")}


class EngineBatches:
    """The result of a query in the embedded engine, handed out in turns."""

    decodes = False

    def __init__(self, run: Any, view: str, layout: Layout) -> None:
        self._run = run
        self._view = view
        self.layout = layout

    def fits(self) -> bool:
        """The view has been typed already."""
        return True

    def streams(self, threads: int, columns: Sequence[str]) -> list[Stream]:
        """One stream for each thread; they take turns."""
        reader = self._run.sql(f"SELECT {', '.join(columns)} FROM {self._view}").to_arrow_reader(ROWS)
        lock, count = threading.Lock(), itertools.count()

        def pull() -> Stream:
            while True:
                with lock:
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        return
                    at = next(count)
                for i, start in enumerate(range(0, batch.num_rows, ROWS)):
                    yield (at, i), batch.slice(start, ROWS)

        return [pull() for _ in range(max(1, threads))]

    def head(self) -> Stream:
        """The first batch, and perhaps more."""
        names = ", ".join(self.layout.measures)
        found = self._run.sql(f"SELECT {names} FROM {self._view} LIMIT 2048").to_arrow_table().to_batches()
        return (((i, 0), batch) for i, batch in enumerate(found))

    def narrowed(self, layout: Layout) -> EngineBatches:
        """The same view with other columns."""
        return EngineBatches(self._run, self._view, layout)

    def bounds(self, measures: Sequence[str]) -> dict[str, float]:
        """The largest absolute value of measures."""
        if not measures:
            return {}
        wanted = ", ".join(f"max(abs(CAST({m} AS DOUBLE))) FILTER (isfinite(CAST({m} AS DOUBLE)))" for m in measures)
        row = self._run.execute(f"SELECT {wanted} FROM {self._view}").fetchall()[0]
        return {m: float(v) for m, v in zip(measures, row, strict=True) if v is not None}


Batches = ParquetBatches | TableBatches | EngineBatches


def _is_text(kind: Any) -> bool:
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind))


def _is_whole(kind: Any) -> bool:
    return bool(kinds.is_integer(kind) and not kinds.is_uint64(kind))


def _is_number(kind: Any) -> bool:
    small = kinds.is_decimal128(kind) and kind.precision <= 15 and kind.scale >= 0
    return bool(_is_whole(kind) or kinds.is_boolean(kind) or kinds.is_float32(kind) or kinds.is_float64(kind) or small)


def _plain(kind: Any) -> Any:
    return kind.value_type if kinds.is_dictionary(kind) else kind


def _fits(schema: Any, layout: Layout) -> bool:
    unit, variant = schema.field(layout.unit).type, _plain(schema.field(layout.variant).type)
    return (
        not layout.texts
        and (_is_whole(unit) or _is_text(_plain(unit)))
        and (_is_text(variant) or _is_whole(variant) or kinds.is_boolean(variant))
        and all(_is_number(schema.field(m).type) for m in layout.measures)
    )


def numbers(column: Any) -> Array:
    """Doubles, NaN where there is no value."""
    kind = column.type
    if kinds.is_decimal128(kind):
        # the lower half of each number holds all of it, with at most 15 digits
        halves = np.frombuffer(column.buffers()[1], dtype="<i8").reshape(-1, 2)
        out: Array = halves[column.offset : column.offset + len(column), 0] / 10.0**kind.scale
        if column.null_count:
            out[absent(column)] = np.nan
        return out
    values = stored(column).astype(np.float64, copy=False)
    if column.null_count:
        values = np.where(absent(column), np.nan, values)
    return values


def stored(column: Any) -> NDArray[Any]:
    """What an array of numbers or truth values stores, whatever is where there is no value; nothing is copied.

    Arrow's own way to numpy loads pandas, which takes longer than the table.
    """
    memory = column.buffers()[1]
    begin, end = column.offset, column.offset + len(column)
    if memory is None:
        return np.zeros(len(column))
    if kinds.is_boolean(column.type):
        return np.unpackbits(np.frombuffer(memory, dtype=np.uint8), bitorder="little")[begin:end]
    name = "float" if kinds.is_floating(column.type) else "int" if kinds.is_signed_integer(column.type) else "uint"
    return np.frombuffer(memory, dtype=f"{name}{column.type.bit_width}")[begin:end]


def absent(column: Any) -> NDArray[np.bool_]:
    """Where an array has no value."""
    memory = column.buffers()[0]
    if memory is None:
        return np.zeros(len(column), dtype=np.bool_)
    bits = np.unpackbits(np.frombuffer(memory, dtype=np.uint8), bitorder="little")
    out: NDArray[np.bool_] = bits[column.offset : column.offset + len(column)] == 0
    return out


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids of a batch.

    Attributes:
        keys: A number for each: the id itself, or the hash of its text.
        missing: Where there is none; None if there always is one.
    """

    keys: NDArray[np.int64]
    missing: NDArray[np.bool_] | None


def ids(column: Any) -> Ids:
    """Ids as numbers: a whole number is itself whether it is written as text or not, other text its hash."""
    if kinds.is_integer(column.type):
        keys = stored(column).astype(np.int64, copy=False)
        if not column.null_count:
            return Ids(keys, None)
        missing = absent(column)
        return Ids(np.where(missing, 0, keys), missing)
    column = _large_text(column)
    text, begin, end = _bytes_of(column)
    hashed = hash_texts(text, np.append(begin, end[-1:]))
    keys = hashed.view(np.int64)
    missing = begin == end
    if column.null_count:
        missing = missing | absent(column)
    full = end > begin
    if not bool(full.any()):
        keys[missing] = np.uint64(NOTHING).view(np.int64)
        return Ids(keys, missing)
    every = bool(full.all())
    opens = _OPENS[text[begin if every else np.minimum(begin, len(text) - 1)]]
    closes = _CLOSES[text[end - 1]]
    if not every:
        opens, closes = np.where(full, opens, 0), np.where(full, closes, 0)
    # what may be another spelling of its name: blanks around it, words for nothing, truth values, numbers with a point
    both = opens & closes
    odd = ((opens | closes) & _EDGE) != 0
    if bool((both & _WORD).any()):
        odd |= ((both & _WORD) != 0) & (end - begin <= LONGEST)
    if bool((both & _NUMBER).any()):
        odd |= _numbers(text, begin, end, ((both & _NUMBER) != 0) & ~missing, keys)
    odd &= ~missing
    if bool(odd.any()):
        places = np.flatnonzero(odd)
        values = column.take(pa.array(places)).to_pylist()
        seen: dict[str, str | None] = {}
        for place, value in zip(places.tolist(), values, strict=True):
            if value not in seen:
                seen[value] = name_of(value)
            name = seen[value]
            if name is None:
                missing[place] = True
            else:
                number = whole_number(name)
                keys[place] = np.uint64(hash_text(name)).view(np.int64) if number is None else number
    keys[missing] = np.uint64(NOTHING).view(np.int64)
    return Ids(keys, missing if bool(missing.any()) else None)


LONGEST = max(map(len, WORDS))
_EDGE, _WORD, _NUMBER = 1, 2, 4
_OPENS, _CLOSES = np.zeros((2, 256), dtype=np.uint8)
"""What a text may be by its first and by its last byte."""
_OPENS[:33] = _CLOSES[:33] = _EDGE
_OPENS[0xC2:] = _CLOSES[0x80:] = _EDGE
for _word in (*WORDS, "true", "false"):
    if _word:
        for _sign in (_word, _word.upper()):
            _OPENS[ord(_sign[0])] |= _WORD
            _CLOSES[ord(_sign[-1])] |= _WORD
_OPENS[[45, *range(48, 58)]] |= _NUMBER
_CLOSES[48:58] |= _NUMBER


def _numbers(
    text: NDArray[np.uint8], begin: NDArray[np.int64], end: NDArray[np.int64], likely: Mask, keys: NDArray[np.int64]
) -> Mask:
    """Give whole numbers that are written as text their own keys; which others may be one in another spelling."""
    whole = likely & (end - begin <= 18)
    if bool(whole.any()):
        keys[whole] = _whole(text, begin[whole], end[whole], keys[whole])
    zero = likely & (text[end - 1] == 48)
    odd: Mask = zero & (text[begin.clip(max=len(text) - 1)] == 45) & (end - begin == 2)
    if bool(zero.any()):
        odd |= _has_point(text, begin, end, zero)
    return odd


def _has_point(text: NDArray[np.uint8], begin: NDArray[np.int64], end: NDArray[np.int64], where: Mask) -> Mask:
    """Where a text that may be a number holds a point."""
    points = np.concatenate([[0], np.cumsum(text == 46)])
    out: Mask = where & (points[end] > points[begin])
    return out


def _whole(
    text: NDArray[np.uint8], begin: NDArray[np.int64], end: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Whole numbers in the one way in which they are written; what is there for texts that are none."""
    negative = text[begin] == 45
    at = begin + negative
    length = end - at
    good = (length > 0) & ((text[np.minimum(at, len(text) - 1)] != 48) | ((length == 1) & ~negative))
    out = np.zeros(len(begin), dtype=np.int64)
    for k in range(int(length.max(initial=0))):
        alive = length > k
        sign = text[np.where(alive, at + k, begin)].astype(np.int64) - 48
        good &= ~alive | ((sign >= 0) & (sign <= 9))
        out = np.where(alive, out * 10 + sign, out)
    out = np.where(negative, -out, out)
    return np.where(good, out, other)


def _large_text(column: Any) -> Any:
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column if kinds.is_large_string(column.type) else column.cast(pa.large_string())


def _bytes_of(column: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """UTF-8 of a column of text, and where each text begins and ends."""
    _, offsets, data = column.buffers()
    where = np.frombuffer(offsets, dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    return text, where[:-1], where[1:]


def text_hashes(column: Any) -> tuple[HashWords, NDArray[np.bool_]]:
    """Hash of each text, and where there is none (null or empty)."""
    column = _large_text(column)
    text, begin, end = _bytes_of(column)
    out = hash_texts(text, np.append(begin, end[-1:]))
    empty = begin == end
    if column.null_count:
        empty = empty | absent(column)
    out[empty] = np.uint64(NOTHING)
    return out, empty


@dataclass(slots=True)
class Labels:
    """Texts of a key column as small numbers, in the order in which they were met."""

    read: Callable[[Any], str | None]
    numbers: dict[str | None, int] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def codes(self, column: Any) -> tuple[NDArray[np.integer[Any]], list[tuple[str | None, int]]]:
        """For each row the position of its entry in a list of (label, number of the label)."""
        if not kinds.is_dictionary(column.type):
            column = column.dictionary_encode()
        labels = [self.read(v) for v in [*column.dictionary.to_pylist(), None]]
        with self._lock:
            entries = [(label, self.numbers.setdefault(label, len(self.numbers))) for label in labels]
        index = column.indices
        if index.null_count:
            return np.where(absent(index), len(labels) - 1, stored(index).astype(np.intp)), entries
        return stored(index), entries
