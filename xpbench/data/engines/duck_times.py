"""Times of a column of any type as microseconds since 1970, as an expression of the embedded engine."""

from __future__ import annotations

from xpbench.errors import DataError, plain
from xpbench.meaning.names import trimmed_sql
from xpbench.meaning.times import number_time_sql, time_sql

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")
REALS = ("FLOAT", "DOUBLE")


def trimmed_name(name: str) -> str:
    """Return the expression of a column's text without blanks at its ends."""
    return trimmed_sql(f"CAST({name} AS VARCHAR)")


def microseconds_of(name: str, kind: str, unit: str) -> str:
    """Expression of microseconds since 1970; null where the value can't be read."""
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"epoch_us(CAST({name} AS {'TIMESTAMPTZ' if 'ZONE' in kind else 'TIMESTAMP'}))"
    if kind == "VARCHAR" or kind.startswith("ENUM"):
        text = trimmed_name(name)
        number = number_time_sql(f"try_cast({text} AS DECIMAL(30, 6))", text if unit == "auto" else "", unit)
        return time_sql(text, f"CASE WHEN contains({text}, '_') THEN NULL ELSE {number} END")
    if kind in INTEGERS or kind.startswith("DECIMAL") or kind in REALS:
        digits = f"CAST({name} AS VARCHAR)" if kind in INTEGERS and unit == "auto" else ""
        return number_time_sql(f"try_cast({name} AS DECIMAL(30, 6))", digits, unit)
    raise DataError("XPB-D05", column=name, role=plain("the event's time"), hint=plain(f"It is of type {kind}"))
