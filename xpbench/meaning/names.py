"""Ids, variants and slices: when two spellings are one.

A name is its text without blanks around it. Whole numbers are written without a point, since a gap makes pandas write 7 as
7.0; truth values are `true` and `false`. `007` is another id than `7`: a store of text keeps the noughts, and nobody but the
owner of the ids can say that they mean nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from enum import Enum
from typing import Any

from xpbench.meaning.nothing import NOTHING, SPACES, is_nothing, trimmed

_SHOWN = frozenset(map(chr, range(32, 127))) - set("\\'\"")
"""Bytes that the engine writes as they are where bytes become text."""

ROUNDED = r"^[0-9]\.[0-9]+E\+[0-9]+$"
"""How a spreadsheet writes an id of many digits: as a number, rounded."""

EXACT = 2**53
"""Above this, numbers with a floating point can't tell neighbours apart."""

_POINTED = re.compile(r"-?(?:0|[1-9][0-9]*)\.0+", re.ASCII)
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)


def name_of(value: Any, named: Collection[str] = ()) -> str | None:
    """How a value reads as an id, a variant or a slice; None where there is none.

    Args:
        value: What a file or a table holds: text, a number, a truth value, a date.
        named: Texts that the plan names; they are values whatever they say.
    """
    if value is None or value is ...:
        return None
    if isinstance(value, str):
        return _name_of_text(value, named)
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) or hasattr(value, "is_integer"):
        number = float(value)
        if number != number:
            return None
        # a narrow float has fewer digits than the double next to it, and its own text knows them
        return str(int(number)) if number.is_integer() and abs(number) < 9e15 else str(value)
    if value != value:  # NaT, and NaN of other libraries
        return None
    if isinstance(value, Enum):
        return name_of(value.value, named)
    if isinstance(value, (bytes, bytearray)):
        return _name_of_text("".join(chr(b) if chr(b) in _SHOWN else f"\\x{b:02X}" for b in value), named)
    return _name_of_text(str(value), named)


def _name_of_text(text: str, named: Collection[str]) -> str | None:
    short = trimmed(text)
    if short in named:
        return short
    if is_nothing(short):
        return None
    if short.lower() in ("true", "false"):
        return short.lower()
    if short.endswith("0") and _POINTED.fullmatch(short):
        whole = short.partition(".")[0]
        return "0" if whole == "-0" else whole
    return "0" if short == "-0" else short


def whole_number(name: str) -> int | None:
    """The number that a name writes in the one way in which it is written; None for others."""
    return int(name) if _WHOLE.fullmatch(name) else None


def loose(name: str) -> str:
    """What two spellings of one thing often share: the name without case, blanks, unseen signs and leading noughts."""
    seen = (sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    return re.sub(r"\s+", "", "".join(seen)).casefold().lstrip("0") or "0"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def trimmed_sql(text: str) -> str:
    """SQL (DuckDB) of a text without what is around it."""
    # few texts have blanks, and their ends tell it cheaply; what can't fail is computed once for each text of a dictionary
    return (
        f"CASE WHEN ascii({text}) BETWEEN 33 AND 126 AND ascii({text}[-1]) BETWEEN 33 AND 126 THEN {text} "
        f"ELSE trim({text}, {_quoted(SPACES)}) END"
    )


def odd_sql(text: str) -> str:
    """SQL (DuckDB) of whether a text may be another name than itself: cheap, and true too often rather than too seldom."""
    longest = max(map(len, NOTHING))
    words = ", ".join(_quoted(t) for t in sorted(NOTHING | {"true", "false", "-0"}))
    return (
        f"(ascii({text}) NOT BETWEEN 33 AND 126 OR ascii({text}[-1]) NOT BETWEEN 33 AND 126 "
        f"OR (suffix({text}, '0') AND contains({text}, '.0')) OR (strlen({text}) <= {longest} AND lower({text}) IN ({words})))"
    )


def nothing_sql(short: str) -> str:
    """SQL of whether a trimmed text means that there is no value."""
    longest = max(map(len, NOTHING))
    return f"(length({short}) <= {longest} AND lower({short}) IN ({', '.join(_quoted(t) for t in sorted(NOTHING))}))"


def name_sql(text: str, named: Collection[str] = (), *, trimmed: bool = False) -> str:
    """SQL (DuckDB) of `name_of` for a column of text, which may be without blanks around it already."""
    short = text if trimmed else trimmed_sql(text)
    exact = f"WHEN {short} IN ({', '.join(map(_quoted, sorted(named)))}) THEN {short} " if named else ""
    whole = f"rtrim(rtrim({short}, '0'), '.')"
    return (
        f"CASE {exact}WHEN {nothing_sql(short)} THEN NULL "
        f"WHEN length({short}) <= 5 AND lower({short}) IN ('true', 'false') THEN lower({short}) "
        f"WHEN {short} = '-0' THEN '0' "
        f"WHEN suffix({short}, '0') AND contains({short}, '.') AND {whole} || '.' = rtrim({short}, '0') "
        f"AND ({whole} = '-0' OR CAST(try_cast({whole} AS HUGEINT) AS VARCHAR) = {whole}) "
        f"THEN CASE WHEN {whole} = '-0' THEN '0' ELSE {whole} END "
        f"ELSE {short} END"
    )


def _quoted_spark(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def trimmed_spark(text: str) -> str:
    """Spark's SQL of a text without what is around it."""
    return f"trim(BOTH {_quoted_spark(SPACES)} FROM {text})"


def nothing_spark(text: str) -> str:
    """Spark's SQL of whether a text means that there is no value."""
    words = ", ".join(map(_quoted_spark, sorted(NOTHING)))
    return f"(length({text}) <= {max(map(len, NOTHING)) + 8} AND lower({trimmed_spark(text)}) IN ({words}))"


def name_spark(text: str, named: Collection[str] = ()) -> str:
    """Spark's SQL of `name_of` for a column of text."""
    short = trimmed_spark(text)
    exact = f"WHEN {short} IN ({', '.join(map(_quoted_spark, sorted(named)))}) THEN {short} " if named else ""
    return (
        f"CASE {exact}WHEN {nothing_spark(text)} THEN NULL "
        f"WHEN lower({short}) IN ('true', 'false') THEN lower({short}) WHEN {short} = '-0' THEN '0' "
        f"WHEN endswith({short}, '0') AND {short} RLIKE '^-?(0|[1-9][0-9]*)[.]0+$' "
        f"THEN CASE WHEN startswith({short}, '-0') THEN '0' ELSE substring_index({short}, '.', 1) END ELSE {short} END"
    )
