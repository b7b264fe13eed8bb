"""From a per-unit table to its summary: the pass, the plan's policy, fingerprint, moments, slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xpbench.canonical import digest
from xpbench.data.blocks import Block, blocks_of, leaves
from xpbench.data.engines.embedded import engine_name, literal
from xpbench.data.summary import Cap, Summary, merge_findings
from xpbench.data.sums import ensure_told_apart
from xpbench.data.tables.unit_policy import VARIANT, check_duplicates, check_values, check_variants, keep_rows, limit_slices
from xpbench.data.tables.unit_sums import again, at_once, cells_of, scan
from xpbench.data.tables.unit_table import MISSING, UnitTable
from xpbench.errors import DataError, plain, shown
from xpbench.plan.metrics import Column

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from xpbench.data.tables.batches import Batches
    from xpbench.data.tables.exact_products import ExactSums, Unit
    from xpbench.data.tables.table_pass import PassResult
    from xpbench.data.unit_values import Take, UnitValues


def checked_units(table: UnitTable) -> nw.LazyFrame[Any]:
    """The unit table after the plan's data policy."""
    import narwhals.stable.v2 as nw

    blocks_of(table.plan, table.parts)
    *_, view = check(table, [])
    frame: nw.LazyFrame[Any] = nw.from_native(table.run.sql(f"SELECT * FROM {view}"))
    return frame


def check(
    table: UnitTable, whole: Sequence[Block]
) -> tuple[PassResult, dict[Block, list[tuple[ExactSums, list[Unit]]]], set[str], str]:
    """Open the table and apply the data policy.

    Args:
        table: Not opened yet.
        whole: Blocks whose sums are taken on the way.

    Returns:
        What the pass found, sums of blocks, measures of which values were changed, and the name of the view of the
        engine that holds the units after the policy.
    """
    plan, source = table.plan, table.source
    for metric in plan.metrics:
        for _, leaf in leaves(plan, metric):
            if isinstance(leaf, Column):
                for column in (leaf.column, *leaf.covariates):
                    table.metrics_by_column.setdefault(column, [])
                    if metric.key not in table.metrics_by_column[column]:
                        table.metrics_by_column[column].append(metric.key)
    days = [source.day] if source.day else []
    table.wanted = list(dict.fromkeys([table.unit, source.variant, *table.measures, *plan.segments, *days]))
    batches = table.batches()
    table.stages.finish("open the table")
    own = {leaf.column for m in plan.metrics for _, leaf in leaves(plan, m) if isinstance(leaf, Column)}
    found, sums = scan(table, batches, whole)
    check_variants(table, found)
    trouble = check_values(table, own, found)
    table.stages.finish("check the values", table.rows)
    changed = {m for m, kinds in trouble.items() if kinds.keys() - {"negative", "suspect", "other_negative"}}
    keep_rows(table, own, trouble, found)
    view = check_duplicates(table, found)
    table.stages.finish("check the units", table.rows)
    return found, sums, changed, view


def summary(table: UnitTable, caps: tuple[Cap, ...], take: Take | None = None) -> Summary:
    """See `UnitsSource.summarize`."""
    plan, source = table.plan, table.source
    if plan.members is not None:
        return _summary_of_groups(table, caps, take)
    blocks = blocks_of(plan, table.parts)
    whole = [b for b in blocks if not any(c.winsorize for c in b.columns)]
    found, sums, changed, view = check(table, whole)
    fingerprint = fingerprint_of(table, found)
    table.stages.finish("take the fingerprint", table.rows)
    dimensions = {s: f"s{i}" for i, s in enumerate(plan.segments)}
    if source.day:
        dimensions["$day"] = "d"
    limit_slices(table, dimensions)
    if changed or view != "kept":
        known, units, extremes, sums = again(table, view, blocks, whole)
    else:
        known, units, extremes = at_once(table, found, blocks, sums)
    cells = [c for b in whole for c in cells_of(table, b, sums[b])]
    slices: dict[str, dict[str, dict[str, int]]] = {}
    caps_used: tuple[Cap, ...] = ()
    if dimensions or len(whole) < len(blocks):
        import narwhals.stable.v2 as nw

        from xpbench.data.moments import moments_of

        more = moments_of(
            nw.from_native(table.run.sql(f"SELECT * FROM {view}")),
            blocks,
            variants=[v.key for v in plan.variants],
            dimensions=dimensions,
            smallest_slice=plan.data.smallest_segment,
            frozen=caps,
            known=known,
            done={(b.metric, b.form) for b in whole},
        )
        cells += more.cells
        caps_used = more.caps
        slices = {k: {s: dict(u) for s, u in v.items()} for k, v in more.slices.items()}
    n = sum(units.values())
    table.stages.finish("compute the moments", n)
    empty = {v: 0 for v, count in units.items() if count == 0}
    if empty:
        table.find("variant_without_units", len(empty), len(plan.variants), "kept", by_variant=empty)
    for segment in plan.segments:
        small = [k for k, v in slices[segment].items() if sum(v.values()) < plan.data.smallest_segment]
        table.find("small_slices", len(small), len(slices[segment]), "not shown", detail=f"Segment {shown(segment)}.")
    ensure_told_apart(cells)
    by_day = {k: dict(v) for k, v in slices.get("$day", {}).items() if k != MISSING}
    order = {v.key: i for i, v in enumerate(plan.variants)}
    ranks = {(b.metric, b.form): i for i, b in enumerate(blocks)}
    cells.sort(key=lambda c: (c.dimension, c.slice, ranks[c.metric, c.form], order[c.variant]))
    if take is not None:
        from xpbench.data.unit_values import MOST_UNITS

        if n <= MOST_UNITS:
            untouched = not changed and view == "kept" and n == table.rows
            take(own_values(table, blocks, caps_used, table.direct if untouched else None, view))
    table.stages.finish("write the summary", n)
    return Summary(
        source="units table",
        fingerprint=fingerprint,
        content=content_of(table, found),
        sample=f"table {found.sample}",
        made_for=table.plan.reads,
        rows=table.rows,
        units=units,
        cells=tuple(cells),
        caps=caps_used,
        findings=merge_findings(table.findings),
        extremes=extremes,
        exposures_by_day=by_day,
        segments={s: slices[s] for s in plan.segments},
        first_exposure=min(by_day, default=""),
        last_exposure=max(by_day, default=""),
        engine=engine_used(table),
    )


def _summary_of_groups(table: UnitTable, caps: tuple[Cap, ...], take: Take | None) -> Summary:
    """The same for a table of users that was opened under `members.reading_plan`: users are summed by unit."""
    import narwhals.stable.v2 as nw

    from xpbench.data.members import MIXED, count_of, findings_of, group_column, grouped_blocks, measures_in
    from xpbench.data.moments import moments_of, rows_of

    inner, source = table.plan, table.source
    plan = inner.changed(unit=inner.segments[-1], segments=inner.segments[:-1])
    users_in = blocks_of(plan, table.parts)
    found, _, _, view = check(table, [])
    fingerprint = fingerprint_of(table, found)
    table.stages.finish("take the fingerprint", table.rows)
    dimensions = {s: f"s{i}" for i, s in enumerate(plan.segments)}
    limit_slices(table, dimensions)
    if source.day:
        dimensions["$day"] = "d"
    group, missing = group_column(plan), literal(MISSING)
    columns = [f"min({VARIANT}) AS low_", f"max({VARIANT}) AS high_", "count(*) AS members_", f"min({VARIANT}) AS {VARIANT}"]
    for m in measures_in(users_in):  # sorted, so that the sum does not depend on the order of rows
        there = f"FILTER ({m} IS NOT NULL)"
        columns += [
            f"CAST(list_sum(list_sort(list({m}) {there})) AS DOUBLE) AS {m}",
            f"count({m}) AS {count_of(m)}",
        ]
    columns += [
        f"min({s}) AS {s}" if s == "d" else f"CASE WHEN min({s}) = max({s}) THEN min({s}) ELSE {literal(MIXED)} END AS {s}"
        for s in dimensions.values()
    ]
    table.all(
        f"CREATE TEMP TABLE groups AS SELECT {', '.join(columns)} FROM {view} WHERE {group} <> {missing} GROUP BY {group}"
    )
    sizes = nw.from_native(table.run.sql("SELECT low_, high_, members_ FROM groups"))
    count = int(table.one(f"SELECT count(*) FROM {view}")[0])
    for finding in findings_of(sizes, users=count, variants=[v.key for v in plan.variants]):
        table.findings.append(finding)
    units: nw.LazyFrame[Any] = nw.from_native(table.run.sql("SELECT * FROM groups WHERE low_ = high_"))
    if not rows_of(units.select(n=nw.len()))[0]["n"]:
        raise DataError("XPB-D07", what=plain("No user has a unit whose users all have one variant"))
    blocks = grouped_blocks(users_in)
    keys = [v.key for v in plan.variants]
    made = moments_of(
        units, blocks, variants=keys, dimensions=dimensions, smallest_slice=plan.data.smallest_segment, frozen=caps
    )
    n = sum(made.units.values())
    table.stages.finish("compute the moments", n)
    empty = {v: 0 for v, k in made.units.items() if k == 0}
    if empty:
        table.find("variant_without_units", len(empty), len(keys), "kept", by_variant=empty)
    for segment in plan.segments:
        slices = made.slices[segment]
        small = [k for k, v in slices.items() if sum(v.values()) < plan.data.smallest_segment]
        table.find("small_slices", len(small), len(slices), "not shown", detail=f"Segment {shown(segment)}.")
    by_day = {k: dict(v) for k, v in made.slices.get("$day", {}).items() if k != MISSING}
    if take is not None:
        from xpbench.data.unit_values import unit_values

        take(unit_values(units, blocks, made.caps))
    table.stages.finish("write the summary", n)
    return Summary(
        source="units table, users summed by unit",
        fingerprint=fingerprint,
        content=content_of(table, found),
        sample=f"table {found.sample}",
        rows=table.rows,
        units=made.units,
        cells=made.cells,
        caps=made.caps,
        findings=merge_findings(table.findings),
        extremes=made.extremes,
        exposures_by_day=by_day,
        segments={s: {k: dict(v) for k, v in made.slices[s].items()} for s in plan.segments},
        first_exposure=min(by_day, default=""),
        last_exposure=max(by_day, default=""),
        engine=engine_used(table),
    )


def own_values(table: UnitTable, blocks: Sequence[Block], caps: Sequence[Cap], direct: Batches | None, view: str) -> UnitValues:
    """Values of the units: from the table itself where every row counts as it is, else from a view of the engine."""
    from xpbench.data.unit_values import unit_values, values_of

    if direct is None:
        import narwhals.stable.v2 as nw

        return unit_values(nw.from_native(table.run.sql(f"SELECT * FROM {view}")), blocks, caps)
    import numpy as np

    from xpbench.data.tables.batches import numbers

    names = {short: name for name, short in table.measures.items()}
    wanted = sorted({c.measure for b in blocks if b.form == "value" for c in b.own})
    found: dict[str, list[Any]] = {short: [] for short in wanted}
    for _, batch in direct.streams(1, [names[short] for short in wanted])[0]:
        for short in wanted:
            found[short].append(numbers(batch.column(names[short])))
    return values_of({short: np.concatenate(parts) for short, parts in found.items()}, blocks, caps)


def engine_used(table: UnitTable) -> str:
    """What did the work."""
    import numpy
    import pyarrow

    direct = f"pyarrow {pyarrow.__version__}, numpy {numpy.__version__}"
    return direct if table.connection is None else f"{engine_name()}, {direct}"


def content_of(table: UnitTable, found: PassResult) -> dict[str, str]:
    """Digest of ids with variants, and of each further column with them, whatever else was read."""
    names = ["", *table.measures, *table.plan.segments, *([table.source.day] if table.source.day else [])]
    out: dict[str, str] = {}
    for name, own in zip(names, found.own, strict=True):
        told = name if name else [table.unit, table.source.variant]
        out[name] = digest({"of": told, "rows": table.rows, "sum": str(own)})[:32]
    return out


def fingerprint_of(table: UnitTable, found: PassResult) -> str:
    """SHA-256 over the content of the columns used, whatever the order of the rows.

    Each row is hashed with its id and a salt; only the sum and the exclusive or of these hashes are kept, so
    that no id can be found again from the fingerprint.
    """
    total, mixed = found.hashes
    content = {
        "columns": [table.unit, table.source.variant, *table.measures, *table.plan.segments, table.source.day or ""],
        "rows": table.rows,
        "sum": str(total),
        "xor": str(mixed),
    }
    return digest(content)
