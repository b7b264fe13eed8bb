"""From a unit table to moments per variant, overall and in slices: narwhals expressions that run on every engine.

The unit table has one row per unit: `variant` (text), measures (numbers, null = no value) and dimensions (text).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import narwhals.stable.v2 as nw

from xpbench.data.blocks import Block, BlockColumn
from xpbench.data.summary import Cap, Cell, Extreme
from xpbench.data.sums import Profile, exact, moments_from, pieces, products

VARIANT = "variant"


@dataclass(frozen=True, slots=True)
class ReadMoments:
    """What the unit table says.

    Attributes:
        cells: Moments.
        caps: Winsorization thresholds.
        extremes: The value furthest from the pooled mean, by metric.
        units: Units by variant.
        slices: Units by dimension, slice and variant.
    """

    cells: tuple[Cell, ...]
    caps: tuple[Cap, ...]
    extremes: tuple[Extreme, ...]
    units: Mapping[str, int]
    slices: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Variable:
    """One shifted, capped, masked column, as it enters the sums."""

    measure: str
    lower: float | None
    upper: float | None
    mask: tuple[str, ...]
    fill: bool
    profile: Profile
    zeros_stay: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.measure, self.lower, self.upper, self.mask, self.fill, self.zeros_stay)

    def expression(self) -> nw.Expr:
        value = nw.col(self.measure).cast(nw.Float64)
        raw = value
        if self.lower is not None:
            value = nw.when(_beyond(raw < self.lower, raw, self.zeros_stay)).then(nw.lit(self.lower)).otherwise(value)
        if self.upper is not None:
            value = nw.when(_beyond(raw > self.upper, raw, self.zeros_stay)).then(nw.lit(self.upper)).otherwise(value)
        value = value - nw.lit(self.profile.shift) if self.profile.shift else value
        if self.fill:
            value = value.fill_null(0.0)
        if self.mask:
            present = ~nw.col(self.mask[0]).is_null()
            for other in self.mask[1:]:
                present = present & ~nw.col(other).is_null()
            value = nw.when(present).then(value).otherwise(None)
        return value


def profiles_of(frame: nw.LazyFrame[Any], measures: Sequence[str]) -> tuple[int, dict[str, Profile]]:
    """Number of rows, and a profile for each measure, in one pass."""
    schema = frame.collect_schema()
    wanted: list[nw.Expr] = [nw.len().alias("n")]
    for i, name in enumerate(measures):
        c = nw.col(name)
        wanted += [
            c.count().alias(f"count{i}"),
            c.min().cast(nw.Float64).alias(f"low{i}"),
            c.max().cast(nw.Float64).alias(f"high{i}"),
            c.cast(nw.Float64).mean().alias(f"mean{i}"),
        ]
        if not schema[name].is_integer():
            wanted.append((c != c.floor()).any().alias(f"broken{i}"))
    row = rows_of(frame.select(*wanted))[0]
    out: dict[str, Profile] = {}
    for i, name in enumerate(measures):
        if not row[f"count{i}"]:
            out[name] = Profile(0, 0.0, 0.0, 0.0, True)
            continue
        integral = not row.get(f"broken{i}", False)
        out[name] = Profile(int(row[f"count{i}"]), row[f"low{i}"], row[f"high{i}"], row[f"mean{i}"], integral)
    return int(row["n"]), out


def rows_of(frame: nw.LazyFrame[Any]) -> list[dict[str, Any]]:
    """The rows of a small result, as dictionaries."""
    native = frame.to_native()
    if isinstance(native, duckdb.DuckDBPyRelation):  # without the way through Arrow, which takes long to import
        return [dict(zip(native.columns, row, strict=True)) for row in native.fetchall()]
    table: list[dict[str, Any]] = frame.collect("pyarrow").to_native().to_pylist()
    return table


def counted_where(condition: nw.Expr) -> nw.Expr:
    """Number of rows on which a condition holds; written so that no engine has to turn true into 1."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).sum()


def caps_of(
    frame: nw.LazyFrame[Any],
    blocks: Iterable[Block],
    profiles: Mapping[str, Profile],
    frozen: Iterable[Cap] = (),
    scales: Mapping[str, int] | None = None,
) -> dict[BlockColumn, Cap]:
    """Winsorization thresholds pooled over variants: exact percentiles with linear interpolation; not yet counted.

    Args:
        frame: The unit table.
        blocks: What is capped stands in them.
        profiles: Of every measure.
        frozen: Caps of an earlier look, taken as they are.
        scales: What measures have been multiplied by; their caps are rounded to whole numbers, that is to the decimals of
            the amounts.
    """
    scales = scales or {}
    wanted = list(dict.fromkeys(c for b in blocks for c in b.columns if c.winsorize and profiles[c.measure].count))
    known = {(c.metric, c.column): (c.lower, c.upper) for c in frozen}
    limits: dict[BlockColumn, tuple[float | None, float | None]] = {}
    for c in wanted:
        if (c.owner, c.cap_name) in known:
            lower, upper = known[c.owner, c.cap_name]
            scale = scales.get(c.measure, 1)
            limits[c] = (_scaled(lower, scale), _scaled(upper, scale)) if c.measure in scales else (lower, upper)
    open_columns = [c for c in wanted if c not in limits]
    quantiles: dict[tuple[str, str, float], nw.Expr] = {}
    for c in open_columns:
        if c.winsorize is None:
            continue
        for q in (c.winsorize.lower, c.winsorize.upper):
            if q is not None and 0.0 < q < 1.0:
                value = nw.col(c.measure).cast(nw.Float64)
                if c.winsorize.over == "nonzero":
                    value = nw.when(value != 0.0).then(value).otherwise(None)
                quantiles[c.measure, c.winsorize.over, q] = value.quantile(q, interpolation="linear")
    found: dict[tuple[str, str, float], float | None] = {}
    if quantiles:
        row = rows_of(frame.select(*(e.alias(f"q{i}") for i, e in enumerate(quantiles.values()))))[0]
        found = {k: row[f"q{i}"] for i, k in enumerate(quantiles)}
    for c in open_columns:
        if c.winsorize is None:
            continue
        lower, upper = (
            None if q is None else found.get((c.measure, c.winsorize.over, q)) for q in (c.winsorize.lower, c.winsorize.upper)
        )
        whole = c.measure in scales
        limits[c] = (_scaled(lower, 1) if whole else lower, _scaled(upper, 1) if whole else upper)
    return {c: Cap(c.owner, c.cap_name, *limits[c], 0, 0) for c in wanted}


def _cuts(caps: Mapping[BlockColumn, Cap]) -> dict[str, nw.Expr]:
    """How many values each cap changes, as sums `lower0`, `upper0`, … in the order of the caps."""
    counts: dict[str, nw.Expr] = {}
    for i, (c, cap) in enumerate(caps.items()):
        value = nw.col(c.measure).cast(nw.Float64)
        if cap.lower is not None:
            counts[f"lower{i}"] = counted_where(_beyond(value < cap.lower, value, _zeros_stay(c)))
        if cap.upper is not None:
            counts[f"upper{i}"] = counted_where(_beyond(value > cap.upper, value, _zeros_stay(c)))
    return counts


def _with_cuts(caps: Mapping[BlockColumn, Cap], rows: Sequence[Mapping[str, Any]]) -> dict[BlockColumn, Cap]:
    """Caps with how many values they change, added up over rows of sums."""

    def total(name: str) -> int:
        return sum(int(row.get(name) or 0) for row in rows)

    return {c: replace(cap, n_lower=total(f"lower{i}"), n_upper=total(f"upper{i}")) for i, (c, cap) in enumerate(caps.items())}


def _zeros_stay(column: BlockColumn) -> bool:
    """Whether caps leave zeros alone: percentiles over non-zero values say nothing about units without any."""
    return column.winsorize is not None and column.winsorize.over == "nonzero"


def _beyond(cut: nw.Expr, value: nw.Expr, zeros_stay: bool) -> nw.Expr:
    """Which values a cap changes."""
    return cut & (value != 0.0) if zeros_stay else cut


def _scaled(value: float | None, scale: int) -> float | None:
    """A cap as a whole number of the smallest unit of measure; untouched where values are not scaled."""
    return None if value is None else float(round(value * scale))


def moments_of(
    frame: nw.LazyFrame[Any],
    blocks: Sequence[Block],
    *,
    variants: Sequence[str],
    dimensions: Mapping[str, str] | None = None,
    smallest_slice: int = 1,
    frozen: Iterable[Cap] = (),
    scales: Mapping[str, int] | None = None,
    known: tuple[int, Mapping[str, Profile]] | None = None,
    done: Collection[tuple[str, str]] = (),
) -> ReadMoments:
    """Moments of every block by variant, overall and by slice.

    Args:
        frame: The unit table; it is scanned about three times, so it should be materialised or cheap.
        blocks: What is wanted.
        variants: Keys of the plan's variants; other rows must be gone.
        dimensions: Column of the unit table for each dimension (`$day`, `$age`, segments).
        smallest_slice: Slices of declared segments with fewer units are counted but get no moments.
        frozen: Caps of an earlier look.
        scales: What a measure has been multiplied by to make it whole; results are in the original unit of measure.
        known: Rows and profiles, where they are known already.
        done: Metric and form of blocks whose overall moments are known already; they get none here.
    """
    scales = scales or {}
    measures = list(dict.fromkeys(c.measure for b in blocks for c in b.columns))
    rows, profiles = known or profiles_of(frame, measures)
    caps = caps_of(frame, blocks, profiles, frozen, scales)
    work = _Work(blocks, profiles, caps, rows, scales)
    overall = work.run(frame, [VARIANT], done=done, more=_cuts(caps))  # one query for both: on Spark each is a job of its own
    caps = _with_cuts(caps, overall)
    cells = [cell for row in overall for cell in work.cells(row)]
    units = dict.fromkeys(variants, 0) | {row[VARIANT]: int(row["n"]) for row in overall}
    slices: dict[str, dict[str, dict[str, int]]] = {}
    for dimension, column in (dimensions or {}).items():
        found = work.run(frame, [VARIANT, column], forms=("value",))
        sizes: dict[str, dict[str, int]] = {}
        for row in found:
            row[column] = str(row[column])
            sizes.setdefault(row[column], {})[row[VARIANT]] = int(row["n"])
        slices[dimension] = {k: {v: sizes[k][v] for v in variants if v in sizes[k]} for k in sorted(sizes)}
        smallest = 1 if dimension.startswith("$") else smallest_slice
        for row in found:
            if sum(sizes[row[column]].values()) >= smallest:
                cells += work.cells(row, dimension=dimension, slice_=row[column])
    order = {v: i for i, v in enumerate(variants)}
    ranks = {(b.metric, b.form): i for i, b in enumerate(blocks)}
    cells.sort(key=lambda c: (c.dimension, c.slice, ranks[c.metric, c.form], order[c.variant]))
    distinct = dict.fromkeys(_in_units(cap, scales.get(column.measure, 1)) for column, cap in caps.items())
    return ReadMoments(tuple(cells), tuple(distinct), tuple(work.extremes(overall)), units, slices)


def _in_units(cap: Cap, scale: int) -> Cap:
    """A cap in the metric's own unit of measure."""
    lower, upper = (None if v is None else v / scale for v in (cap.lower, cap.upper))
    return replace(cap, lower=lower, upper=upper)


class _Work:
    """The expressions of all blocks, each distinct sum once, and the way back from a row of sums to cells."""

    def __init__(
        self,
        blocks: Sequence[Block],
        profiles: Mapping[str, Profile],
        caps: Mapping[BlockColumn, Cap],
        rows: int,
        scales: Mapping[str, int],
    ) -> None:
        self.scales = scales
        self.blocks = blocks
        self.profiles = profiles
        self.rows = rows
        self.variables: dict[tuple[Any, ...], _Variable] = {}
        self.layout: dict[tuple[str, str], list[_Variable]] = {}
        for block in blocks:
            own = {c.measure for c in block.own}
            mask = tuple(sorted(m for m in own if profiles[m].count < rows))
            members = []
            for column in block.columns:
                cap = caps.get(column)
                lower, upper = (cap.lower, cap.upper) if cap else (None, None)
                fill = column.measure not in own and profiles[column.measure].count < rows
                needed = () if mask == (column.measure,) else mask
                stay = cap is not None and _zeros_stay(column)
                profile = profiles[column.measure].clipped(lower, upper)
                profile = replace(profile, low=min(profile.low, 0.0), high=max(profile.high, 0.0)) if stay else profile
                variable = _Variable(column.measure, lower, upper, needed, fill, profile, stay)
                members.append(self.variables.setdefault(variable.key, variable))
            self.layout[block.metric, block.form] = members

    def run(
        self,
        frame: nw.LazyFrame[Any],
        by: list[str],
        forms: Sequence[str] = ("value", "raw", "before"),
        done: Collection[tuple[str, str]] = (),
        more: Mapping[str, nw.Expr] | None = None,
    ) -> list[dict[str, Any]]:
        """One row of sums for each combination of `by`, with `more` sums over columns of the unit table."""
        used: dict[tuple[Any, ...], str] = {}
        sums: dict[str, nw.Expr] = {}
        weights: dict[str, list[float]] = {}
        for block in self.blocks:
            if block.form not in forms or (block.metric, block.form) in done:
                continue
            members = self.layout[block.metric, block.form]
            for v in members:
                used.setdefault(v.key, f"x{len(used)}")
            for i, v in enumerate(members):
                a = used[v.key]
                self._add(sums, f"s_{a}", nw.col(a), v.profile.bound, v.profile.integral)
                for w in members[i:]:
                    name = "p_" + "_".join(sorted((a, used[w.key])))
                    if name in weights:
                        continue
                    found = products(
                        nw.col(a),
                        nw.col(used[w.key]),
                        bounds=(v.profile.bound, w.profile.bound),
                        rows=self.rows,
                        integral=v.profile.integral and w.profile.integral,
                    )
                    weights[name] = [weight for weight, _ in found]
                    sums |= {f"{name}_{k}": piece.sum() for k, (_, piece) in enumerate(found)}
            first = members[0]
            mask = block_mask(block, self.profiles, self.rows)
            if mask:
                sums.setdefault(f"n_{used[first.key]}", nw.col(used[first.key]).count())
            if not set(by) - {VARIANT} and len(block.own) == 1 and block.form != "before":
                measure = block.own[0].measure
                sums.setdefault(f"min_{measure}", nw.col(measure).min().cast(nw.Float64))
                sums.setdefault(f"max_{measure}", nw.col(measure).max().cast(nw.Float64))
        shifted = {name: self.variables[key].expression() for key, name in used.items()}
        frame = frame.with_columns(**shifted) if shifted else frame
        out = rows_of(frame.group_by(*by).agg(nw.len().alias("n"), **sums, **(more or {})))
        for row in out:
            row["names"] = used
            row["forms"] = forms
            row["done"] = done
            row["weights"] = weights
        return sorted(out, key=lambda r: tuple(str(r[b]) for b in by))

    def _add(self, sums: dict[str, nw.Expr], name: str, term: nw.Expr, bound: float, integral: bool) -> None:
        if f"{name}_0" not in sums:
            for i, piece in enumerate(pieces(term, bound=bound, rows=self.rows, integral=integral)):
                sums[f"{name}_{i}"] = piece.sum()

    def cells(self, row: Mapping[str, Any], *, dimension: str = "", slice_: str = "") -> list[Cell]:
        """The cells of one row of sums; blocks without units have none."""
        names = row["names"]
        out = []
        for block in self.blocks:
            if block.form not in row["forms"] or (block.metric, block.form) in row["done"]:
                continue
            members = self.layout[block.metric, block.form]
            keys = [names[v.key] for v in members]
            n = int(row.get(f"n_{keys[0]}", row["n"]) if block_mask(block, self.profiles, self.rows) else row["n"])
            if n == 0:
                continue
            first = [exact([row.get(f"s_{k}_{i}") for i in (0, 1)]) for k in keys]
            second = {}
            for i, a in enumerate(keys):
                for j in range(i, len(keys)):
                    name = "p_" + "_".join(sorted((a, keys[j])))
                    second[i, j] = exact([row[f"{name}_{k}"] for k in range(len(row["weights"][name]))], row["weights"][name])
            scales = [self.scales.get(v.measure, 1) for v in members]
            mean, cov = moments_from(n, first, second, [v.profile.shift for v in members], scales)
            out.append(
                Cell(
                    metric=block.metric,
                    variant=row[VARIANT],
                    form=block.form,
                    columns=tuple(c.label for c in block.columns),
                    n=n,
                    mean=mean,
                    cov=cov,
                    dimension=dimension,
                    slice=slice_,
                )
            )
        return out

    def extremes(self, rows: Iterable[Mapping[str, Any]]) -> list[Extreme]:
        """For every metric with one column, its value furthest from the pooled mean."""
        out = []
        rows = list(rows)
        for block in self.blocks:
            if block.form != "value" or len(block.own) != 1 or any((block.metric, "value") in row["done"] for row in rows):
                continue
            measure = block.own[0].measure
            mean = self.profiles[measure].mean
            found = [
                (float(row[f"{side}_{measure}"]), row[VARIANT])
                for row in rows
                for side in ("max", "min")
                if row[f"{side}_{measure}"] is not None
            ]
            if found:
                value, variant = max(found, key=lambda pair: abs(pair[0] - mean))
                out.append(Extreme(block.metric, variant, value / self.scales.get(measure, 1)))
        return out


def block_mask(block: Block, profiles: Mapping[str, Profile], rows: int) -> bool:
    """Whether some unit lacks a value of the block's own columns."""
    return any(profiles[c.measure].count < rows for c in block.own)
