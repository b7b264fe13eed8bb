"""Columns of any type as SQL expressions of ids, keys, days and numbers, by rules of ours and not by an engine's guess."""

from __future__ import annotations

from collections.abc import Sequence

from xpbench.data.engines.embedded import literal
from xpbench.errors import DataError, plain, shown

NO_VALUE = ("", "na", "n/a", "nan", "null", "none", "nil", "<na>", "#n/a")
"""Texts that mean 'no value', in any case."""

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_REALS = ("FLOAT", "DOUBLE", "HUGEINT", "UBIGINT", "UHUGEINT")


def _is_text(kind: str) -> bool:
    return kind == "VARCHAR" or kind.startswith("ENUM")


def as_id(name: str, kind: str) -> str:
    """The id: whole numbers as they are, anything else as text; null where there is none."""
    if kind in _INTEGERS:
        return f"CAST({name} AS BIGINT)"
    if kind in ("FLOAT", "DOUBLE"):
        return (
            f"CASE WHEN isnan({name}) THEN NULL WHEN {name} = floor({name}) AND abs({name}) < 9e15 "
            f"THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        )
    return f"nullif(CAST({name} AS VARCHAR), '')"


def as_key(name: str, kind: str) -> str:
    """Text of a variant or segment; null where there is none."""
    if kind in ("FLOAT", "DOUBLE"):
        return as_id(name, kind)
    text = f"CAST({name} AS VARCHAR)"
    if not _is_text(kind):
        return text
    return f"CASE WHEN lower(trim({text})) IN ('', 'nan', 'null', '<na>') THEN NULL ELSE {text} END"


def as_day(name: str, kind: str) -> str:
    """The date of a day or time."""
    return f"try_cast(CAST({name} AS VARCHAR) AS DATE)" if _is_text(kind) else f"CAST({name} AS DATE)"


def _clean(name: str) -> str:
    text = f"trim(CAST({name} AS VARCHAR))"
    return f"CASE WHEN lower({text}) IN ({', '.join(literal(t) for t in NO_VALUE)}) THEN NULL ELSE {text} END"


def as_number(name: str, kind: str, *, column: str, metrics: Sequence[str]) -> tuple[str, bool]:
    """Expression of a number, and whether it is parsed from text."""
    if kind == "BOOLEAN" or kind in _INTEGERS:
        return f"CAST({name} AS BIGINT)", False
    if kind in _REALS or kind.startswith("DECIMAL"):
        return f"CAST({name} AS DOUBLE)", False
    if _is_text(kind):
        text = _clean(name)
        return (
            f"CASE lower({text}) WHEN 'true' THEN CAST(1 AS DOUBLE) WHEN 'false' THEN CAST(0 AS DOUBLE) "
            f"ELSE try_cast({text} AS DOUBLE) END",
            True,
        )
    if kind == '"NULL"' or kind == "NULL":
        return f"CAST({name} AS DOUBLE)", False
    raise DataError("XPB-D16", column=column, kind=kind, metrics=plain(", ".join(map(shown, metrics[:3]))))


def unreadable(name: str) -> str:
    """The text of a value that is there and is no number; null elsewhere."""
    text = _clean(name)
    return (
        f"CASE WHEN {text} IS NOT NULL AND lower({text}) NOT IN ('true', 'false') "
        f"AND try_cast({text} AS DOUBLE) IS NULL THEN {text} END"
    )
