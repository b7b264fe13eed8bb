"""Which column of a table is that of the variant, where nobody names it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from xpbench.data.tables.pooled import arrow_table
from xpbench.data.tables.variant_values import columns_of, variant_values
from xpbench.errors import DataError, nearest, plain, shown
from xpbench.meaning.names import name_of

USUAL = (
    "variant", "variation", "group", "arm", "test_group", "ab_group", "experiment_group", "treatment_group", "exp_group",
    "variant_name", "variation_id", "variant_id", "variant_key", "bucket", "cohort", "treatment", "treated", "condition",
    "cell",
    "version", "branch", "assignment", "experiment_variant", "ab_test", "abtest", "test_arm", "flag", "split",
    "gruppe", "testgruppe", "versuchsgruppe", "variante",
)  # fmt: skip
"""How such columns are called, the likeliest first."""

MOST_VALUES = 20
"""A column with more values is not a variant."""
FIRST_ROWS = 5_000
MOST_COLUMNS = 200
"""How much of a table is looked at for a column that is not called as variants are."""


def plain_name(name: str) -> str:
    """A column's name in lower case, with `_` for blanks, hyphens and the humps of camel case."""
    humps = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", humps.lower()).strip("_")


def usual_columns(columns: Iterable[str]) -> list[str]:
    """Columns that are called as variants often are, the likeliest first; `$`-names of Mixpanel's included."""
    ranks = {name: i for i, name in enumerate(USUAL)}
    named = [(ranks[plain_name(c)], c) for c in columns if plain_name(c) in ranks]
    return [column for _, column in sorted(named, key=lambda pair: pair[0])]


def variant_column(table: Any, *, known: Collection[str] = (), leave_out: Collection[str] = ()) -> str:
    """The column of the variant: `variant` where there is one, else the one that is called so or holds the variants.

    Args:
        table: As for `xp.units`.
        known: The plan's variants, as they stand in the table; with them a column counts that holds two of them or more and
            little else, whatever it is called.
        leave_out: Columns that something else was named for, such as the unit's id.

    Raises:
        DataError: `XPB-D75`, several columns fit, or one has other values; `XPB-D05`, none is called so.
    """
    columns = [c for c in columns_of(table) if c not in leave_out]
    if "variant" in columns:
        return "variant"
    named = usual_columns(columns)
    if not known:
        fitting = [c for c in named if 2 <= len(variant_values(table, c)) <= MOST_VALUES]
        if fitting:
            return fitting[0] if len(fitting) == 1 or _is_likeliest(fitting) else _ask(fitting, columns)
        return _ask([], columns)
    fitting = [c for c in named if holds(variant_values(table, c, known), known)]
    if not fitting:  # whatever it is called: the plan's own variants are in it
        first = _first_values(table, [c for c in columns if c not in named][:MOST_COLUMNS], known)
        fitting = [c for c, values in first.items() if holds(values, known)]
    if len(fitting) == 1:
        return fitting[0]
    return _ask(fitting, columns, table=table, named=named, known=known)


def holds(values: Collection[str] | dict[str, int], known: Collection[str]) -> bool:
    """Whether a column with these values holds variants: two of them at least, and they are most of its values."""
    met = [v for v in values if v in set(known)]
    return len(met) >= 2 and len(met) * 2 > len(values)


def _first_values(table: Any, columns: Sequence[str], known: Collection[str]) -> dict[str, set[str]]:
    """Values of each column in the first rows."""
    first = arrow_table(table, columns, rows=FIRST_ROWS)
    return {c: {n for v in first.column(c).unique().to_pylist() if (n := name_of(v, known)) is not None} for c in columns}


def _is_likeliest(fitting: Sequence[str]) -> bool:
    """Whether the first is called `variant`, `group` or `arm` of something, and the others are not."""
    sure = [c for c in fitting if re.search(r"variant|variation|group|arm\b", plain_name(c))]
    return len(sure) == 1 and sure[0] == fitting[0]


def _ask(
    fitting: Sequence[str],
    columns: Sequence[str],
    *,
    table: Any = None,
    named: Sequence[str] = (),
    known: Collection[str] = (),
) -> str:
    """Ask for the column.

    Raises:
        DataError: `XPB-D75` or `XPB-D05`, always.
    """
    if fitting:
        what = f"{len(fitting)} columns could hold the variant: {', '.join(map(shown, fitting[:5]))}"
        raise DataError(
            "XPB-D75",
            what=plain(what),
            hint=plain(f"Name it, such as variant={fitting[0]!r} (on the command line --variant or --variant-column)"),
        )
    if named:
        values = ", ".join(map(shown, list(variant_values(table, named[0]))[:5])) or "nothing"
        what = f"Column {shown(named[0])} holds {values}, and the variants are {', '.join(map(shown, list(known)[:5]))}"
        first = next(iter(known), "control")
        hint = f"Say which is which, such as xp.units(table, variant={named[0]!r}, variants={{'A': {first!r}, …}})"
        raise DataError("XPB-D75", what=plain(what), hint=plain(hint))
    close = nearest("variant", columns)
    how = "with variant=… (on the command line --variant or --variant-column)"
    hint = f"{close} Name the column {how}" if close.startswith("Did") else f"Name one {how}. {close}"
    raise DataError("XPB-D05", column="variant", role=plain("the variant"), hint=plain(hint))
