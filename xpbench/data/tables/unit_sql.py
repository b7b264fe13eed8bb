"""Columns of any type as SQL expressions of ids, keys, days and numbers, by rules of ours and not by an engine's guess."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from xpbench.errors import DataError, plain, shown
from xpbench.meaning.names import name_sql, nothing_sql, trimmed_sql
from xpbench.meaning.numbers import NumberRule, number_sql

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
REALS = ("FLOAT", "DOUBLE")
_WIDE = ("HUGEINT", "UBIGINT", "UHUGEINT")


def is_text(kind: str) -> bool:
    """Whether a type of the engine holds text."""
    return kind == "VARCHAR" or kind.startswith("ENUM")


def as_name(name: str, kind: str, named: Collection[str] = ()) -> str:
    """Text of a variant or a slice, as `xpbench.meaning.names` has it; null where there is none.

    Text is without blanks around it already (see `tidy`), here and below.
    """
    if kind in REALS:
        return (
            f"CASE WHEN isnan({name}) THEN NULL WHEN {name} = floor({name}) AND abs({name}) < 9e15 "
            f"THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        )
    text = f"CAST({name} AS VARCHAR)"
    if kind in INTEGERS or kind in _WIDE or kind == "BOOLEAN":
        return text
    return name_sql(text, named, trimmed=kind == "VARCHAR")


def as_id(name: str, kind: str) -> str:
    """The id: whole numbers as they are, anything else as its name; null where there is none."""
    return f"CAST({name} AS BIGINT)" if kind in INTEGERS else as_name(name, kind)


def as_number(name: str, kind: str, *, column: str, metrics: Sequence[str], rule: NumberRule | None = None) -> tuple[str, bool]:
    """Expression of a number, and whether it is parsed from text.

    Args:
        name: Expression of the value.
        kind: Its type.
        column: What users call it.
        metrics: Whose values they are.
        rule: How the text of the whole column is read, where it is not written plainly.
    """
    if kind == "BOOLEAN" or kind in INTEGERS:
        return f"CAST({name} AS BIGINT)", False
    if kind in REALS or kind in _WIDE:
        return f"CAST({name} AS DOUBLE)", False
    if kind.startswith("DECIMAL"):  # by way of its text, which is parsed to the nearest double
        return f"CAST(CAST({name} AS VARCHAR) AS DOUBLE)", False
    if is_text(kind):
        short = name if kind == "VARCHAR" else trimmed_sql(f"CAST({name} AS VARCHAR)")
        if rule is not None:
            return f"CASE WHEN {short} IS NULL OR {nothing_sql(short)} THEN NULL ELSE {rule.sql(short)} END", True
        return number_sql(short), True
    if kind == '"NULL"' or kind == "NULL":
        return f"CAST({name} AS DOUBLE)", False
    raise DataError("XPB-D16", column=column, kind=kind, metrics=plain(", ".join(map(shown, metrics[:3]))))


def unreadable(name: str, kind: str, rule: NumberRule | None = None) -> str:
    """The text of a value that is there and is not a number; null elsewhere."""
    short = name if kind == "VARCHAR" else trimmed_sql(f"CAST({name} AS VARCHAR)")
    number = number_sql(short) if rule is None else rule.sql(short)
    return f"CASE WHEN {number} IS NULL AND {short} IS NOT NULL AND NOT {nothing_sql(short)} THEN {short} END"


def tidy(columns: Mapping[str, str]) -> str:
    """Columns (by name, with their type) of which text is without blanks around it."""
    return ", ".join(f"{trimmed_sql(name)} AS {name}" if kind == "VARCHAR" else name for name, kind in columns.items())
