"""The plan's data policy on what the pass over a per-unit table found: counted, refused, or dealt with in a view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xpbench.data.engines.embedded import literal
from xpbench.data.tables.unit_table import UnitTable
from xpbench.errors import DataError, number_of, plain, shown

if TYPE_CHECKING:
    from xpbench.data.tables.table_pass import PassResult

VARIANT = "variant"
"""Column of the variant in the views of the engine."""

MAX_SLICES = 200
"""Slices of one segment that get moments: the largest."""

SUSPECTS = (-9.0, -99.0, -999.0, -9999.0, -99999.0, -999999.0)
"""Numbers that are often typed where a value is missing."""


def check_variants(table: UnitTable, found: PassResult) -> None:
    """Rows by variant: missing and unknown ones are counted, and refused where the plan says so."""
    known = [v.key for v in table.plan.variants]
    counts = dict(found.labels)
    table.rows = found.rows
    if table.rows == 0:
        raise DataError("XPB-D07", what=plain("The table has no rows"))
    missing = counts.pop(None, 0)
    dropped = [v.key for v in table.plan.dropped or ()]
    gone = sum(counts.pop(k, 0) for k in dropped)
    unknown = {k: n for k, n in counts.items() if k is not None and k not in known}
    if not any(counts.get(k, 0) for k in known):
        other = ", ".join(shown(k) for k in sorted(unknown, key=lambda k: (-unknown[k], k))[:5]) or "no value at all"
        raise DataError(
            "XPB-D08",
            rows=table.rows,
            column=table.source.variant,
            found=plain(other),
            known=plain(", ".join(map(shown, known))),
        )
    for name, count, policy in (
        ("missing_variant", missing, table.plan.data.missing_variant),
        ("unknown_variant", sum(unknown.values()), table.plan.data.unknown_variant),
    ):
        words = ""
        if name == "unknown_variant" and unknown:
            top = sorted(unknown.items(), key=lambda p: (-p[1], p[0]))
            words = (
                "Found "
                + ", ".join(f"{shown(k)} ({number_of(n, 'row')})" for k, n in top[:5])
                + (" …" if len(top) > 5 else "")
                + "."
            )
        if count and policy == "refuse":
            raise DataError(
                "XPB-D09",
                count=count,
                what=plain(name.replace("_", " ")),
                policy=plain(name),
                detail=plain(words.rstrip(".")),
            )
        table.find(name, count, table.rows, "excluded", detail=words)
    if gone:
        words = f"Dropped while it ran: {', '.join(map(shown, dropped))}."
        table.find("dropped_variant", gone, table.rows, "excluded", detail=words)


def check_values(table: UnitTable, own: set[str], found: PassResult) -> dict[str, dict[str, dict[str, int]]]:
    """What is odd about the values of each column, counted by variant.

    Returns:
        For every measure with something odd: missing, text, nan, infinite, negative, code → variant → rows.
    """
    kept = f"v IN ({', '.join(literal(v.key) for v in table.plan.variants)}) AND u IS NOT NULL"
    codes = table.plan.data.missing_codes
    keys = [v.key for v in table.plan.variants]
    rows = sum(found.kept)
    trouble: dict[str, dict[str, dict[str, int]]] = {}
    odd = []
    for short, seen in found.ranges.items():
        if codes or seen.missing or seen.infinite:
            odd.append(short)
        elif seen.negative:
            for name, by in (
                ("negative", seen.negative),
                ("suspect", seen.suspect),
                ("other_negative", seen.other_negative),
            ):
                if by:
                    trouble.setdefault(short, {})[name] = {keys[v]: n for v, n in sorted(by.items())}
    if not odd:
        judge_values(table, trouble, rows, own, kept)
        return trouble
    suspects = ", ".join(literal(s) for s in SUSPECTS)
    listed = ", ".join(literal(float(c)) for c in codes or ()) or "NULL"
    exprs = []
    for short in odd:
        text = f"count({'b' + short[1:]})" if short in table.texts else "0"
        exprs += [
            f"count(*) - count({short})",
            text,
            f"count_if(isnan({short}))",
            f"count_if(isinf({short}))",
            f"count_if({short} < 0 AND NOT isinf({short}) AND coalesce({short} NOT IN ({listed}), true))",
            f"count_if({short} IN ({listed}))",
            f"count_if({short} IN ({suspects}))",
            f"count_if({short} < 0 AND {short} NOT IN ({suspects}))",
        ]
    names = ("missing", "text", "nan", "infinite", "negative", "code", "suspect", "other_negative")
    for row in table.all(f"SELECT v, {', '.join(exprs)} FROM base WHERE {kept} GROUP BY v ORDER BY v"):
        for i, short in enumerate(odd):
            for name, value in zip(names, row[1 + len(names) * i :], strict=False):
                if value:
                    trouble.setdefault(short, {}).setdefault(name, {})[row[0]] = int(value)
    judge_values(table, trouble, rows, own, kept)
    return trouble


def judge_values(
    table: UnitTable, trouble: Mapping[str, Mapping[str, Mapping[str, int]]], rows: int, own: set[str], kept: str
) -> None:
    """Count what was found, and refuse what the plan's policy refuses."""
    policy = table.plan.data
    names = {short: name for name, short in table.measures.items()}
    for short, kinds in trouble.items():
        column = names[short]
        keys = table.metrics_by_column[column]
        if policy.missing_codes is None and (count := sum(kinds.get("suspect", {}).values())):
            others = sum(kinds.get("other_negative", {}).values())
            if others == 0 or count > max(10, rows // 100):
                suspects = ", ".join(literal(s) for s in SUSPECTS)
                code, times = table.one(
                    f"SELECT {short}, count(*) FROM base WHERE {kept} AND {short} IN ({suspects}) "
                    "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
                )
                if abs(code) >= 99 or times > rows // 100:
                    raise DataError("XPB-D11", column=column, value=plain(f"{code:g}"), count=plain(f"{times:,}"))
        text = kinds.get("text", {})
        bad = {"not_a_number": text, "infinite": kinds.get("infinite", {})}
        for name, by in bad.items():
            if by and policy.non_finite == "refuse":
                example = ""
                if name == "not_a_number":
                    example = shown(table.one(f"SELECT min(b{short[1:]}) FROM base WHERE {kept}")[0])
                raise DataError(
                    "XPB-D12",
                    column=column,
                    count=plain(f"{sum(by.values()):,}"),
                    what=plain("infinite" if name == "infinite" else "not a number"),
                    found=plain("" if name == "infinite" else f", such as {example}"),
                    remedy=plain("Correct these values" if name == "infinite" else table.advice(short)),
                )
        gone = {v: n - text.get(v, 0) for v, n in _added(kinds.get("missing", {}), kinds.get("nan", {})).items()}
        missing = {v: n for v, n in gone.items() if n}
        if (missing or kinds.get("code")) and policy.missing == "refuse":
            total = sum(missing.values()) + sum(kinds.get("code", {}).values())
            raise DataError("XPB-D13", column=column, count=plain(f"{total:,}"))
        covariate = column not in own
        action = "set to zero" if policy.missing == "zero" else "set to the pooled mean" if covariate else "excluded"
        for key in keys:
            detail = f"Column {shown(column)}" + (", a covariate." if covariate else ".")
            for name, by, what in (
                ("missing_value", missing, action),
                ("missing_code", kinds.get("code", {}), action),
                ("not_a_number", text, "set to the pooled mean" if covariate else "excluded"),
                ("infinite", kinds.get("infinite", {}), "set to the pooled mean" if covariate else "excluded"),
                ("negative", kinds.get("negative", {}), "kept"),
            ):
                table.find(name, sum(by.values()), rows, what, metric=key, by_variant=dict(by), detail=detail)


def keep_rows(table: UnitTable, own: set[str], trouble: Mapping[str, Mapping[str, Any]], found: PassResult) -> None:
    """Say what the view `kept` is: rows of the plan's variants with an id, odd values as the policy says."""
    policy = table.plan.data
    listed = ", ".join(literal(float(c)) for c in policy.missing_codes or ()) or None
    columns = ["u", f"v AS {VARIANT}"]
    for short in table.measures.values():
        value = short
        if short in trouble:
            tests = [f"isnan({short})"] + ([f"{short} IN ({listed})"] if listed else [])
            missing = f"{short} IS NULL" + (f" AND b{short[1:]} IS NULL" if short in table.texts else "")
            other = "CAST(0 AS DOUBLE)" if policy.missing == "zero" else "NULL"
            value = (
                f"CASE WHEN {missing} OR coalesce({' OR '.join(tests)}, false) THEN {other} "
                f"WHEN isinf({short}) THEN NULL ELSE {short} END"
            )
        columns.append(f"{value} AS {short}")
    columns += [f"s{i}" for i in range(len(table.plan.segments))] + (["d"] if table.source.day else [])
    lost = found.without_id
    table.find("missing_unit", lost, table.rows, "excluded")
    keys = ", ".join(literal(v.key) for v in table.plan.variants)
    table.kept = f"CREATE TEMP VIEW kept AS SELECT {', '.join(columns)} FROM base WHERE u IS NOT NULL AND v IN ({keys})"
    if table.connection is not None:
        table.all(table.kept)
    if lost and not sum(found.kept):
        raise DataError("XPB-D07", what=plain("No row has both a unit and a variant of the plan"))


def check_duplicates(table: UnitTable, found: PassResult) -> str:
    """Units on several rows: refused, or resolved as the plan says. The name of the view to read."""
    if found.unique or is_unique(table):
        return "kept"
    repeated, rows, mixed = table.one(
        "SELECT count(*), sum(n), count_if(k > 1) FROM "
        f"(SELECT u, count(*) AS n, count(DISTINCT {VARIANT}) AS k FROM kept GROUP BY u HAVING count(*) > 1)"
    )
    if not repeated:
        return "kept"
    policy = table.plan.data.duplicates
    if policy == "refuse":
        raise DataError(
            "XPB-D14",
            count=plain(number_of(repeated, "unit appears", "units appear")),
            rows=plain(f"{rows:,}"),
            mixed=plain(f"{mixed:,}"),
        )
    if policy == "exclude":
        query = "SELECT * FROM kept WHERE u IN (SELECT u FROM kept GROUP BY u HAVING count(*) = 1)"
        action = "excluded"
    else:
        table.all("CREATE TEMP TABLE numbered AS SELECT *, row_number() OVER () AS r FROM kept")
        query = "SELECT * EXCLUDE (r) FROM numbered WHERE r IN (SELECT min(r) FROM numbered GROUP BY u)"
        action = "kept the first"
    table.all(f"CREATE TEMP TABLE single AS {query}")
    after = dict(table.all(f"SELECT {VARIANT}, count(*) FROM single GROUP BY 1"))
    before = dict(table.all(f"SELECT {VARIANT}, count(*) FROM kept GROUP BY 1"))
    lost = {v: before[v] - after.get(v, 0) for v in sorted(before) if before[v] > after.get(v, 0)}
    table.find("duplicate_units", int(repeated), table.rows, action, by_variant=lost, detail="By variant: rows left out.")
    table.find("several_variants", int(mixed), table.rows, action)
    if not after:
        raise DataError("XPB-D07", what=plain("Every unit appears on several rows, and the plan excludes such units"))
    return "single"


def is_unique(table: UnitTable) -> bool:
    """Whether every unit is on one row, found without a table of all ids where that is possible."""
    kind = table.one("SELECT typeof(u) FROM kept LIMIT 1")[0]
    if kind == "BIGINT":
        n, low, high = table.one("SELECT count(*), min(u), max(u) FROM kept")
        if high - low < min(64 * n, 1_000_000_000):
            return bool(table.one(f"SELECT bit_count(bitstring_agg(u, {low}, {high})) FROM kept")[0] == n)
        n, distinct = table.one("SELECT count(*), count(DISTINCT u) FROM kept")
    else:
        n, distinct = table.one("SELECT count(*), count(DISTINCT hash(u)) FROM kept")
    return bool(n == distinct)


def limit_slices(table: UnitTable, dimensions: Mapping[str, str]) -> None:
    """A segment with very many values is an id by mistake.

    Raises:
        DataError: `XPB-D15`.
    """
    for name, column in dimensions.items():
        (count,) = table.one(f"SELECT count(DISTINCT {column}) FROM base")
        if not name.startswith("$") and count > MAX_SLICES:
            raise DataError("XPB-D15", segment=name, count=count, limit=MAX_SLICES)


def _added(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {k: a.get(k, 0) + b.get(k, 0) for k in {**a, **b}}
