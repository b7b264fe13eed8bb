"""One pass over a per-unit table: rows by variant, ranges and oddities of values, ids, fingerprint and exact sums.

Batches are handled by several threads. Everything that is kept of them is exact and does not depend on their order.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpbench.data.tables.batches import Batches, BatchPlace, Labels, Mask, ids, numbers, text_hashes
from xpbench.data.tables.exact_products import (
    Array,
    ExactSums,
    Scratch,
    Sliced,
    Unit,
    block_sums,
    cut,
    digits_of,
    sums_by_variant,
    unit_above,
)
from xpbench.data.tables.row_hashes import NOTHING, Coded, HashWords, RowHash, Sample, hash_text

Codes = NDArray[np.intp]

AHEAD = 2
"""Batches that a thread reads before it waits for its turn at the arithmetic."""

KEYS = 2**26
"""Ids that are compared in memory; beyond, the engine looks for doubled ones."""


@dataclass(slots=True)
class Range:
    """What is known of the values of a measure, over rows that count.

    Attributes:
        missing: Null or NaN.
        infinite: Infinite values.
        low: The smallest finite value; plus infinity where there is none.
        high: The largest.
        low_in: Variants in which the smallest stands.
        high_in: Variants in which the largest stands.
        digits: Decimals that write all values out; None where four are not enough.
        negative: Negative finite values by variant.
        suspect: Values that often stand for missing ones, by variant, where asked for.
        other_negative: Negative values that are no suspects, by variant.
    """

    missing: int = 0
    infinite: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    low_in: set[int] = field(default_factory=set)
    high_in: set[int] = field(default_factory=set)
    digits: int | None = 0
    negative: dict[int, int] = field(default_factory=dict)
    suspect: dict[int, int] = field(default_factory=dict)
    other_negative: dict[int, int] = field(default_factory=dict)

    @property
    def bound(self) -> float:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high)) if self.low <= self.high else 0.0

    def see(self, values: Array, low: float, codes: Callable[[Mask], Codes], variants: int, suspects: Sequence[float]) -> bool:
        """Take up the values of a batch, whose smallest is `low`, and its variants where asked; whether all are finite."""
        high = float(values.max())
        clean = low > float("-inf") and high < float("inf")  # NaN fails, too
        if not clean:
            good = np.isfinite(values)
            self.missing += int(np.isnan(values).sum())
            self.infinite += int(np.isinf(values).sum())
            values, left = values[good], codes(good)
            if not len(values):
                return False
            low, high = float(values.min()), float(values.max())

            def codes(where: Mask) -> Codes:
                return left[where]

        if low < self.low:
            self.low, self.low_in = low, set()
        if high > self.high:
            self.high, self.high_in = high, set()
        if low == self.low and len(self.low_in) < variants:
            self.low_in |= _those_in(codes(values == low))
        if high == self.high and len(self.high_in) < variants:
            self.high_in |= _those_in(codes(values == high))
        if low < 0.0:
            below = values < 0.0
            found = codes(below)
            odd = np.isin(values[below], suspects)
            _count(self.negative, found, variants)
            _count(self.suspect, found[odd], variants)
            _count(self.other_negative, found[~odd], variants)
        return clean

    def add(self, other: Range) -> None:
        """Take up what another thread saw."""
        self.missing += other.missing
        self.infinite += other.infinite
        if other.low <= self.low:
            self.low_in = other.low_in | (self.low_in if other.low == self.low else set())
            self.low = other.low
        if other.high >= self.high:
            self.high_in = other.high_in | (self.high_in if other.high == self.high else set())
            self.high = other.high
        self.digits = None if self.digits is None or other.digits is None else max(self.digits, other.digits)
        for mine, more in (
            (self.negative, other.negative),
            (self.suspect, other.suspect),
            (self.other_negative, other.other_negative),
        ):
            for v, n in more.items():
                mine[v] = mine.get(v, 0) + n


def _those_in(codes: Codes) -> set[int]:
    return set(np.flatnonzero(np.bincount(codes)).tolist())


def _count(into: dict[int, int], codes: Codes, variants: int) -> None:
    for v, n in enumerate(np.bincount(codes, minlength=variants).tolist()):
        if n:
            into[v] = into.get(v, 0) + n


@dataclass(slots=True)
class PassResult:
    """What a pass found.

    Attributes:
        labels: Rows by text of the variant column; None for rows without one.
        without_id: Rows without an id.
        kept: Rows that count, by variant: of a variant of the plan, with an id.
        hashes: Sum (modulo 2**64) and exclusive or of the hashes of all rows; zeros where not asked for.
        own: Sums of the hashes of ids with variants, and of these with each measure and text; empty where not asked for.
        sample: Of the ids with variants, of rows that count.
        ranges: By measure.
        unique: Every id that counts stands on one row; None where that is not known.
        sums: By block and variant, of blocks without an odd value.
        units: Unit of the sums by measure.
    """

    labels: dict[str | None, int]
    without_id: int
    kept: list[int]
    hashes: tuple[int, int]
    own: list[int]
    sample: str
    ranges: dict[str, Range]
    unique: bool | None
    sums: dict[int, list[ExactSums]]
    units: dict[str, Unit]

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.labels.values())

    def needs_more(self, measure: str) -> bool:
        """Whether four decimals don't write the values of a measure out."""
        return _too_long(self.ranges[measure])

    def sums_of(self, members: Sequence[int], block: int, measures: Sequence[str]) -> list[tuple[ExactSums, list[Unit]]]:
        """Sums of a block for every variant, with the units of its columns."""
        units = [self.units[measures[i]] for i in members]
        return [(s, units) for s in self.sums[block]]


@dataclass(slots=True)
class _Partial:
    """What one thread found."""

    rows: dict[int, int] = field(default_factory=dict)
    without_id: int = 0
    kept: list[int] = field(default_factory=list)
    total: int = 0
    mixed: int = 0
    own: list[int] = field(default_factory=list)
    sample: Sample = field(default_factory=Sample)
    ranges: list[Range] = field(default_factory=list)
    runs: list[tuple[BatchPlace, int, int]] = field(default_factory=list)
    keys: list[tuple[BatchPlace, NDArray[np.int64]]] = field(default_factory=list)
    first: dict[int, list[int]] = field(default_factory=dict)
    second: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    def add_own(self, more: Sequence[int]) -> None:
        """Take up sums of hashes by column."""
        self.own = [(a + b) % 2**64 for a, b in zip(self.own, more, strict=True)] if self.own and more else self.own or [*more]

    def add_sums(self, first: Mapping[int, Sequence[int]], second: Mapping[tuple[int, int], Sequence[int]]) -> None:
        """Take up sums by variant of measures, and of products of two."""
        for i, more in first.items():
            mine = self.first.get(i)
            self.first[i] = list(more) if mine is None else [a + b for a, b in zip(mine, more, strict=True)]
        for pair, more in second.items():
            mine = self.second.get(pair)
            self.second[pair] = list(more) if mine is None else [a + b for a, b in zip(mine, more, strict=True)]


class Scan:
    """One pass over batches."""

    def __init__(
        self,
        batches: Batches,
        *,
        variants: Sequence[str],
        read: Callable[[Any], str | None],
        blocks: Sequence[Sequence[int]],
        suspects: Sequence[float] = (),
        units: Mapping[str, Unit] | None = None,
        threads: int = 1,
        checks: bool = True,
    ) -> None:
        """Prepare a pass.

        Args:
            batches: The table.
            variants: Keys of the plan's variants.
            read: Turns what stands in the variant column into a key, or None.
            blocks: Positions of the measures whose sums of products belong together.
            suspects: Numbers that are often typed where a value is missing.
            units: Measures that are known to need more than four decimals, with their unit.
            threads: At most so many.
            checks: Look at ids and take hashes, too.
        """
        self.batches = batches
        self.layout = batches.layout
        self.variants = list(variants)
        self.labels = Labels(read)
        self.blocks = [tuple(b) for b in blocks]
        self.suspects = tuple(suspects)
        self.threads = threads
        self.checks = checks
        self.fixed = dict(units or {})
        self.dropped: set[int] = set()
        self.unsorted = False
        self.stop = False
        self.error: BaseException | None = None
        # Arithmetic asks for Python's lock at every step, and threads that do so at once wait for each other; reading seldom
        # does. So half of the threads, rounded up, do arithmetic at a time.
        self._turns = threading.BoundedSemaphore(max(1, (threads + 1) // 2) if batches.decodes else max(1, threads))

    def run(self) -> PassResult:
        """Go through the table."""
        columns = self.layout.columns if self.checks else list(dict.fromkeys([self.layout.variant, *self.layout.measures]))
        streams = self.batches.streams(self.threads, columns)
        partials = [_Partial(kept=[0] * len(self.variants), ranges=[Range() for _ in self.layout.measures]) for _ in streams]
        helpers = [
            threading.Thread(target=self._work, args=(s, p), daemon=True)
            for s, p in zip(streams[1:], partials[1:], strict=True)
        ]
        for helper in helpers:
            helper.start()
        try:
            self._work(streams[0], partials[0])
        except BaseException:
            self.stop = True
            raise
        finally:
            for helper in helpers:
                helper.join()
        if self.error is not None:
            raise self.error
        return self._found(partials)

    def _work(self, stream: Any, partial: _Partial) -> None:
        try:
            worker = _Worker(self, partial)
            waiting: deque[tuple[BatchPlace, Any]] = deque()
            for place, batch in stream:
                if self.stop:
                    return
                if not batch.num_rows:
                    continue
                waiting.append((place, batch))
                if self._turns.acquire(blocking=len(waiting) >= AHEAD):
                    self._take(worker, waiting)
            self._turns.acquire()
            self._take(worker, waiting)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
            self.error = self.error or error
            self.stop = True

    def _take(self, worker: _Worker, waiting: deque[tuple[BatchPlace, Any]]) -> None:
        """All batches that wait; gives the turn back."""
        try:
            while waiting and not self.stop:
                worker.take(*waiting.popleft())
        finally:
            self._turns.release()

    def _found(self, partials: Sequence[_Partial]) -> PassResult:
        whole, *others = partials
        for other in others:
            for label, n in other.rows.items():
                whole.rows[label] = whole.rows.get(label, 0) + n
            whole.without_id += other.without_id
            whole.kept = [a + b for a, b in zip(whole.kept, other.kept, strict=True)]
            whole.total = (whole.total + other.total) % 2**64
            whole.mixed ^= other.mixed
            whole.add_own(other.own)
            whole.sample.add(other.sample.words)
            for mine, more in zip(whole.ranges, other.ranges, strict=True):
                mine.add(more)
            whole.runs += other.runs
            whole.keys += other.keys
            whole.add_sums(other.first, other.second)
        names = {number: text for text, number in self.labels.numbers.items()}
        ranges = dict(zip(self.layout.measures, whole.ranges, strict=True))
        units = {m: self.fixed[m] if m in self.fixed else Unit(0) for m in self.layout.measures}
        bad = {m for m, u in self.fixed.items() if u != unit_above(ranges[m].bound)}
        bad |= {m for m in units if m not in self.fixed and _too_long(ranges[m])}
        sums = {
            block: [block_sums(members, v, whole.kept, whole.first, whole.second) for v in range(len(self.variants))]
            for block, members in enumerate(self.blocks)
            if block not in self.dropped and all(i in whole.first and self.layout.measures[i] not in bad for i in members)
        }
        return PassResult(
            {names[k]: n for k, n in whole.rows.items() if n},
            whole.without_id,
            whole.kept,
            (whole.total, whole.mixed),
            whole.own,
            whole.sample.text(),
            ranges,
            self._unique(whole) if self.checks else None,
            sums,
            units,
        )

    def _unique(self, partial: _Partial) -> bool | None:
        """Whether every id appears once: strictly increasing ids do; others are sorted."""
        runs = sorted(partial.runs)
        if not self.unsorted and all(a[2] < b[1] for a, b in itertools.pairwise(runs)):
            return True
        if sum(partial.kept) > KEYS:
            return None
        held = {place for place, _ in partial.keys}
        if any(place not in held for place, _, _ in runs):
            return None
        keys = np.concatenate([k for _, k in partial.keys])
        keys.sort()
        return None if bool((keys[1:] == keys[:-1]).any()) else True


FEW = 8
"""Entries of a key column that are counted one by one."""


def _met(index: NDArray[np.integer[Any]], entries: int) -> list[int]:
    """Rows of each entry."""
    if entries > FEW:
        return [int(n) for n in np.bincount(index, minlength=entries)]
    found = [int(np.count_nonzero(index == e)) for e in range(entries - 1)]
    return [*found, len(index) - sum(found)]


def _too_long(found: Range) -> bool:
    return found.digits is None or found.bound * 10.0**found.digits > 2.0**52


def _counting(planned: Mask, index: NDArray[np.integer[Any]], missing: Mask | None) -> Callable[[Codes], Mask]:
    """Says of rows of a batch which count: of a variant of the plan, with an id."""

    def counts(at: Codes) -> Mask:
        good: Mask = planned[index[at]]
        return good if missing is None else good & ~missing[at]

    return counts


class _Worker:
    """What one thread does with a batch."""

    def __init__(self, scan: Scan, partial: _Partial) -> None:
        self.scan = scan
        self.out = partial
        self.scratch = Scratch()
        self.rows = RowHash(2 + len(scan.layout.measures) + len(scan.layout.texts))
        self.known: dict[str | None, int] = {v: i for i, v in enumerate(scan.variants)}
        self.salts: dict[str | None, int] = {None: NOTHING}
        self.plan = _components(scan.blocks)
        apart = set(range(len(scan.layout.measures))) - {i for _, members, _ in self.plan for i in members}
        self.plan += [([], [i], []) for i in sorted(apart)]

    def take(self, place: BatchPlace, batch: Any) -> None:
        """Add a batch to what was found."""
        scan, layout, out = self.scan, self.scan.layout, self.out
        index, entries = scan.labels.codes(batch.column(layout.variant))
        table = [self.known.get(label, -1) for label, _ in entries]
        met = _met(index, len(entries))
        for (_, number), n in zip(entries, met, strict=True):
            if n:
                out.rows[number] = out.rows.get(number, 0) + n
        columns = [numbers(batch.column(m)) for m in layout.measures]
        lows = [float(c.min()) for c in columns]
        keys: NDArray[np.int64] | None = None
        missing: NDArray[np.bool_] | None = None
        if scan.checks:
            found = ids(batch.column(layout.unit))
            keys, missing = found.keys, found.missing
            out.sample.counts = _counting(np.array([v >= 0 for v in table]), index, missing)
            self._hash(batch, keys, index, [label for label, _ in entries], columns, lows)
            out.without_id += 0 if missing is None else int(missing.sum())
        if missing is not None or any(n and table[e] < 0 for e, n in enumerate(met)):
            good = np.array([v >= 0 for v in table])[index]
            if missing is not None:
                good &= ~missing
            if not bool(good.any()):
                return
            index, columns = index[good], [c[good] for c in columns]
            lows = [float(c.min()) for c in columns]
            keys = None if keys is None else keys[good]
            met = _met(index, len(entries))
        counts = [0] * len(scan.variants)
        for e, n in enumerate(met):
            if n:
                counts[table[e]] += n
        out.kept = [a + b for a, b in zip(out.kept, counts, strict=True)]
        if keys is not None:
            self._order(place, keys)
        self._values(columns, lows, index, table, met, counts)

    def _hash(
        self,
        batch: Any,
        keys: NDArray[np.int64],
        index: NDArray[np.integer[Any]],
        labels: Sequence[str | None],
        columns: Sequence[Array],
        lows: Sequence[float],
    ) -> None:
        for text in labels:
            if text not in self.salts:
                self.salts[text] = hash_text(text or "")
        salts = np.array([self.salts[text] for text in labels], dtype=np.uint64)

        def words() -> Iterator[HashWords | Coded]:
            yield keys.view(np.uint64)
            yield Coded(salts, index)
            for column, low in zip(columns, lows, strict=True):
                if low > 0.0 or (low == 0.0 and column.view(np.int64).min() >= 0):  # no sign bit is set: no minus zero
                    yield column.view(np.uint64)
                    continue
                plain, _ = self.scratch.table(-1, 0, len(column))
                np.add(column, 0.0, out=plain)  # minus zero is zero
                if np.isnan(low):
                    plain[np.isnan(plain)] = np.nan
                yield plain.view(np.uint64)
            for name in self.scan.layout.texts:
                yield text_hashes(batch.column(name))[0]

        total, mixed, own = self.rows.of(words(), len(index), self.out.sample)
        self.out.add_own(own)
        self.out.total = (self.out.total + total) % 2**64
        self.out.mixed ^= mixed

    def _order(self, place: BatchPlace, keys: NDArray[np.int64]) -> None:
        increasing = bool((keys[1:] > keys[:-1]).all())
        self.out.runs.append((place, int(keys[0]), int(keys[-1])))
        if not increasing:
            self.scan.unsorted = True
        if self.scan.unsorted:
            self.out.keys.append((place, np.array(keys)))

    def _values(
        self,
        columns: Sequence[Array],
        lows: Sequence[float],
        index: NDArray[np.integer[Any]],
        table: Sequence[int],
        met: Sequence[int],
        counts: Sequence[int],
    ) -> None:
        scan, out, n = self.scan, self.out, len(index)
        of = np.array(table, dtype=np.intp)

        def codes(where: Mask) -> Codes:
            found: Codes = of[index[where]]
            return found

        masks: dict[int, Array] = {}
        present = [v for v, count in enumerate(counts) if count]
        for v in present[:-1]:
            mine, masks[v] = self.scratch.table(-1, v, n)
            entries = [e for e, count in enumerate(met) if count and table[e] == v]
            mine[:] = index == entries[0]
            for e in entries[1:]:
                mine += index == e
        for blocks, members, pairs in self.plan:
            sliced: dict[int, Sliced] = {}
            for k, i in enumerate(members):
                clean = out.ranges[i].see(columns[i], lows[i], codes, len(scan.variants), scan.suspects)
                unit = self._unit(i, k, columns[i]) if clean else None
                if unit is not None:
                    sliced[i] = cut(columns[i], unit, bound=out.ranges[i].bound, scratch=self.scratch, column=k)
            scan.dropped.update(b for b in blocks if not sliced.keys() >= set(scan.blocks[b]))
            left = [b for b in blocks if b not in scan.dropped]
            if not left:
                continue
            used = [i for i in members if i in sliced]
            at = {i: k for k, i in enumerate(used)}
            first, second = sums_by_variant(
                [sliced[i] for i in used],
                masks,
                present[-1],
                variants=len(scan.variants),
                pairs=[(at[i], at[j]) for i, j in pairs if i in at and j in at],
                rows=n,
                scratch=self.scratch,
            )
            out.add_sums({i: first[k] for i, k in at.items()}, {(used[i], used[j]): sums for (i, j), sums in second.items()})

    def _unit(self, measure: int, column: int, values: Array) -> Unit | None:
        """The unit in which finite values are added up; None where they can't be. Whole numbers are left in scratch."""
        seen = self.out.ranges[measure]
        fixed = self.scan.fixed.get(self.scan.layout.measures[measure])
        if fixed is not None:
            # values near the end of doubles can't be summed; the limit on squares refuses them afterwards
            return fixed if fixed.exponent < 1_000 and seen.bound < 2.0**fixed.exponent else None
        if seen.digits is not None:
            whole, spare = (self.scratch.table(column, slot, len(values))[0] for slot in (0, 1))
            seen.digits = digits_of(values, largest=seen.bound, least=seen.digits, out=whole, spare=spare)
        return None if seen.digits is None else Unit(seen.digits)


def _components(blocks: Sequence[tuple[int, ...]]) -> list[tuple[list[int], list[int], list[tuple[int, int]]]]:
    """Blocks that share a measure, directly or through others, with their measures and the products they need."""
    groups: list[tuple[list[int], set[int]]] = []
    for number, members in enumerate(blocks):
        joined, mine = [number], set(members)
        apart = []
        for numbers_, measures in groups:
            if measures & mine:
                joined, mine = numbers_ + joined, mine | measures
            else:
                apart.append((numbers_, measures))
        groups = [*apart, (joined, mine)]
    out = []
    for numbers_, measures in groups:
        pairs = {(min(i, j), max(i, j)) for b in numbers_ for i in blocks[b] for j in blocks[b]}
        out.append((sorted(numbers_), sorted(measures), sorted(pairs)))
    return out
