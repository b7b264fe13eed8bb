"""Exact sums of a per-unit table: in the pass over it where it is clean, else from the view that its policy leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xpbench.data.blocks import Block
from xpbench.data.engines.embedded import literal
from xpbench.data.summary import Cell, Extreme
from xpbench.data.tables.unit_policy import SUSPECTS, VARIANT
from xpbench.data.tables.unit_table import UnitTable
from xpbench.errors import DataError

if TYPE_CHECKING:
    from xpbench.data.sums import Profile
    from xpbench.data.tables.batches import Batches
    from xpbench.data.tables.exact_products import ExactSums, Unit
    from xpbench.data.tables.table_pass import PassResult


def scan(
    table: UnitTable, batches: Batches, blocks: Sequence[Block]
) -> tuple[PassResult, dict[Block, list[tuple[ExactSums, list[Unit]]]]]:
    """One pass for checks, hashes and sums; a second one over columns that turn out to need more than four decimals."""
    from xpbench.data.tables.exact_products import unit_above
    from xpbench.data.tables.table_pass import Scan

    names = list(batches.layout.measures)
    keys = [v.key for v in table.plan.variants]
    at = {short: i for i, short in enumerate(table.measures.values())}
    members = [tuple(at[c.measure] for c in b.columns) for b in blocks]
    direct = table.connection is None
    read = table.key_of if direct else _as_it_is
    guess = {m: unit_above(b) for m, b in batches.bounds(fractions(table, batches)).items()}
    found = Scan(batches, variants=keys, read=read, blocks=members, suspects=SUSPECTS, units=guess, threads=table.threads).run()
    short = list(table.measures.values())
    sums = {b: found.sums_of(members[i], i, names) for i, b in enumerate(blocks) if i in found.sums}
    clean = {i for i, name in enumerate(names) if not found.ranges[name].missing and not found.ranges[name].infinite}
    left = [i for i, b in enumerate(blocks) if b not in sums and clean.issuperset(members[i])]
    if left and sum(found.kept):
        units = {name: unit_above(found.ranges[name].bound) for name in names if name in guess or found.needs_more(name)}
        layout = type(batches.layout)(
            batches.layout.unit,
            batches.layout.variant,
            tuple(names[i] for i in sorted({i for k in left for i in members[k]})),
        )
        place = {name: i for i, name in enumerate(layout.measures)}
        some = [tuple(place[names[i]] for i in members[k]) for k in left]
        second = Scan(
            batches.narrowed(layout),
            variants=keys,
            read=read,
            blocks=some,
            units={k: u for k, u in units.items() if k in place},
            threads=table.threads,
            checks=bool(found.without_id),
        ).run()
        for i, k in enumerate(left):
            if i in second.sums:
                sums[blocks[k]] = second.sums_of(some[i], i, layout.measures)
    found.ranges = dict(zip(short, (found.ranges[name] for name in names), strict=True))
    return found, sums


def fractions(table: UnitTable, batches: Batches) -> list[str]:
    """Measures whose first rows already need more than four decimals."""
    import numpy as np

    from xpbench.data.tables.batches import HEAD, numbers
    from xpbench.data.tables.exact_products import digits_of

    found = []
    for _, batch in batches.head():
        for name in batches.layout.measures:
            values = numbers(batch.column(name)[:HEAD])
            values = values[np.isfinite(values)]
            largest = float(np.abs(values).max(initial=0.0))
            spare = np.empty((2, len(values)))
            if digits_of(values, largest=largest, least=0, out=spare[0], spare=spare[1]) is None:
                found.append(name)
        break
    return found


def cells_of(table: UnitTable, block: Block, sums: Sequence[tuple[ExactSums, Sequence[Unit]]]) -> list[Cell]:
    """The cells of one block; variants without units have none."""
    from xpbench.data.tables.exact_products import moments

    columns = tuple(c.label for c in block.columns)
    out = []
    for variant, (mine, units) in zip(table.plan.variants, sums, strict=True):
        if mine.n:
            mean, cov = moments(mine, units)
            out.append(Cell(block.metric, variant.key, block.form, columns, mine.n, mean, cov))
    return out


def at_once(
    table: UnitTable,
    found: PassResult,
    blocks: Sequence[Block],
    sums: Mapping[Block, Sequence[tuple[ExactSums, Sequence[Unit]]]],
) -> tuple[tuple[int, dict[str, Profile]], dict[str, int], tuple[Extreme, ...]]:
    """Profiles, units by variant and extremes, where the pass over the table saw the values as they count."""
    from fractions import Fraction

    from xpbench.data.sums import Profile

    means: dict[str, float] = {}
    for block, by_variant in sums.items():
        for i, c in enumerate(block.columns):
            n = sum(s.n for s, _ in by_variant)
            total = sum((s.first[i] * u[i].value for s, u in by_variant if s.n), Fraction(0))
            means[c.measure] = float(total / n) if n else 0.0
    rows = sum(found.kept)
    profiles = {}
    for short, r in found.ranges.items():
        _limit(r.bound, rows)
        if short in means:
            profiles[short] = Profile(rows, r.low, r.high, means[short], r.digits == 0)
    keys = [v.key for v in table.plan.variants]
    extremes = []
    for block in blocks:
        if block.form == "value" and len(block.own) == 1:
            measure = block.own[0].measure
            seen, mean = found.ranges[measure], means[measure]
            ends = [
                (value, keys[i])
                for i in sorted(range(len(keys)), key=lambda i: keys[i])
                for value, where in ((seen.high, seen.high_in), (seen.low, seen.low_in))
                if i in where
            ]
            if ends:
                value, variant = max(ends, key=lambda pair: abs(pair[0] - mean))
                extremes.append(Extreme(block.metric, variant, value))
    return (rows, profiles), dict(zip(keys, found.kept, strict=True)), tuple(extremes)


def again(
    table: UnitTable, view: str, blocks: Sequence[Block], whole: Sequence[Block]
) -> tuple[
    tuple[int, dict[str, Profile]], dict[str, int], tuple[Extreme, ...], dict[Block, list[tuple[ExactSums, list[Unit]]]]
]:
    """The same, and all sums, from a view of the engine in which odd values and doubled units are dealt with."""
    import narwhals.stable.v2 as nw

    from xpbench.data.moments import profiles_of
    from xpbench.data.tables.batches import EngineBatches, Layout

    rows, profiles = profiles_of(nw.from_native(table.run.sql(f"SELECT * FROM {view}")), list(table.measures.values()))
    for p in profiles.values():
        _limit(p.bound, rows)
    ends = ", ".join(f"CAST(max({m}) AS DOUBLE), CAST(min({m}) AS DOUBLE)" for m in table.measures.values())
    by = {r[0]: r[1:] for r in table.all(f"SELECT {VARIANT}, count(*), {ends} FROM {view} GROUP BY 1 ORDER BY 1")}
    units = {v.key: int(by[v.key][0]) if v.key in by else 0 for v in table.plan.variants}
    at = {short: i for i, short in enumerate(table.measures.values())}
    extremes = []
    for block in blocks:
        if block.form == "value" and len(block.own) == 1:
            i = at[block.own[0].measure]
            mean = profiles[block.own[0].measure].mean
            seen = [(row[k], v) for v, row in by.items() for k in (1 + 2 * i, 2 + 2 * i) if row[k] is not None]
            if seen:
                value, variant = max(seen, key=lambda pair: abs(pair[0] - mean))
                extremes.append(Extreme(block.metric, variant, value))
    lacking = {m for m, p in profiles.items() if p.count < rows}
    sums: dict[Block, list[tuple[ExactSums, list[Unit]]]] = {}
    groups: dict[tuple[Any, ...], list[Block]] = {}
    for block in whole:
        needed = tuple(sorted({c.measure for c in block.own} & lacking))
        filled = tuple(sorted({c.measure for c in block.covariates} & lacking - {c.measure for c in block.own}))
        groups.setdefault((needed, filled), []).append(block)
    for (needed, filled), members in groups.items():
        used = sorted({c.measure for b in members for c in b.columns}, key=lambda m: at[m])
        columns = [f"coalesce(CAST({m} AS DOUBLE), {literal(profiles[m].shift)}) AS {m}" if m in filled else m for m in used]
        where = " AND ".join(f"{m} IS NOT NULL" for m in needed)
        query = f"(SELECT {VARIANT}, {', '.join(columns)} FROM {view}{' WHERE ' + where if where else ''})"
        sums |= sums_of_view(table, EngineBatches(table.run, query, Layout("u", VARIANT, tuple(used))), members)
    return (rows, profiles), units, tuple(extremes), sums


def sums_of_view(
    table: UnitTable, batches: Batches, blocks: Sequence[Block]
) -> dict[Block, list[tuple[ExactSums, list[Unit]]]]:
    """Sums of blocks over values without gaps."""
    from xpbench.data.tables.exact_products import ExactSums, Unit, unit_above
    from xpbench.data.tables.table_pass import Scan

    names = batches.layout.measures
    place = {name: i for i, name in enumerate(names)}
    members = [tuple(place[c.measure] for c in b.columns) for b in blocks]
    guess = {m: unit_above(b) for m, b in batches.bounds(fractions(table, batches)).items()}
    out: dict[Block, list[tuple[ExactSums, list[Unit]]]] = {}
    for _ in range(2):
        found = Scan(
            batches,
            variants=[v.key for v in table.plan.variants],
            read=_as_it_is,
            blocks=members,
            units=guess,
            threads=table.threads,
            checks=False,
        ).run()
        out = {b: found.sums_of(members[i], i, names) for i, b in enumerate(blocks) if i in found.sums}
        if len(out) == len(blocks):
            break
        guess = {m: unit_above(found.ranges[m].bound) for m in names if m in guess or found.needs_more(m)}
    nothing = [(ExactSums(), [Unit(0)]) for _ in table.plan.variants]
    return {b: out.get(b, nothing) for b in blocks}


def _as_it_is(value: Any) -> str | None:
    return None if value is None else str(value)


def _limit(bound: float, rows: int) -> None:
    """Squares of these values can be added up in the range of doubles.

    Raises:
        DataError: `XPB-D20`.
    """
    if not bound * bound * max(rows, 1) <= 2.0**1000:
        raise DataError("XPB-D20", bound=bound, limit="1e150")
