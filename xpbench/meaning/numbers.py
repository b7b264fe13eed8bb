r"""How a number is written, and by which rule a whole column of text is read as numbers.

A plain number is `[+-]digits[.digits][e[+-]digits]`, with blanks around it. Everything else is read only by a rule that the
whole column fits and that leaves no second reading: `12,5` is twelve and a half where some value shows that the comma is no
sign of thousands. What fits no rule is refused, with what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xpbench.meaning.names import nothing_sql, trimmed_spark
from xpbench.meaning.nothing import is_nothing, trimmed
from xpbench.meaning.truth import PAIRS, truth_of

PLAIN = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
PLAIN_SPARK = PLAIN.replace("\\.", "[.]")
"""The same without a backslash, which some sessions of Spark take for an escape."""

INFINITE = r"[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?"
_PLAIN = re.compile(PLAIN, re.ASCII)
_INFINITE = re.compile(INFINITE, re.ASCII)

SIGNS = ("$", "€", "£", "¥", "₹", "USD", "EUR", "GBP", "CHF")
"""Currencies that a whole column may have."""

_WRITTEN = {0x2212: "-", 0xA0: " ", 0x202F: " ", 0x2009: " "}
"""Signs that typesetters write for a minus and for a blank between thousands."""

CODES = (-99.0, -999.0, -9999.0, -99999.0, -999999.0)
"""Numbers that stand for missing ones in many tables."""

# a comma before decimals, points, blanks or apostrophes between thousands
_COMMA = r"[+-]?([1-9][0-9]{0,2}([. ' ][0-9]{3})+|[0-9]+)(,[0-9]+)?"
_COMMA_SHOWN = r"[+-]?(0[0-9]*,[0-9]+|[0-9]+,([0-9]{1,2}|[0-9]{4,})|[0-9]{4,},[0-9]+|[1-9][0-9]{0,2}([. ' ][0-9]{3})+,[0-9]+)"
_COMMA_POINTED = r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+"
_COMMA_BOTH = r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+,[0-9]+"
# a point before decimals, commas, blanks or apostrophes between thousands
_GROUPS = r"[+-]?([1-9][0-9]{0,2}([, ' ][0-9]{3})+|[0-9]+)(\.[0-9]+)?"
_GROUPS_SHOWN = (
    r"[+-]?([0-9]+\.[0-9]+|[1-9][0-9]{0,2}([, ' ][0-9]{3})+\.[0-9]+|[1-9][0-9]{0,2}(,[0-9]{3}){2,}|"
    r"[1-9][0-9]{0,2}([ ' ][0-9]{3})+)"
)


@dataclass(frozen=True, slots=True)
class NumberRule:
    """How a column of text is read.

    Attributes:
        name: One word.
        words: The rule for people, with `{0}` for an example and `{1}` for what it is read as.
        strip: Text (a currency, `%`) that every value has, and that is no part of the number.
        kind: `plain`, `comma`, `groups`, or the text that is true.
        scale: The number is divided by this.
    """

    name: str
    words: str
    kind: str
    strip: str = ""
    scale: int = 1

    def of(self, text: str) -> float:
        """The number that a value of the column is."""
        short = _bare(text, self.strip)
        if self.kind.startswith("="):
            return 1.0 if short.lower() == self.kind[1:] else 0.0
        if self.kind == "comma":
            short = re.sub(r"[. ' ]", "", short).replace(",", ".")
        elif self.kind == "groups":
            short = re.sub(r"[, ' ]", "", short)
        return float(short) / self.scale

    def sql(self, text: str) -> str:
        """The same as SQL (DuckDB) of a trimmed text."""
        if self.kind.startswith("="):
            return f"CASE WHEN lower({text}) = '{self.kind[1:]}' THEN CAST(1 AS DOUBLE) ELSE CAST(0 AS DOUBLE) END"
        short = bare_sql(text, self.strip)
        if self.kind == "comma":
            short = f"replace(translate({short}, '.  ''', ''), ',', '.')"
        elif self.kind == "groups":
            short = f"translate({short}, ',  ''', '')"
        number = f"try_cast({short} AS DOUBLE)"
        return f"({number} / {self.scale})" if self.scale != 1 else number


def _bare(text: str, strip: str) -> str:
    short = trimmed(text).translate(_WRITTEN)
    if strip:
        short = trimmed(short.replace(strip, "", 1))
        if short.startswith("-"):
            short = "-" + trimmed(short[1:])
    return short


def bare_sql(text: str, strip: str) -> str:
    """SQL of a trimmed text without its currency or per cent sign; `-$5` and `$-5` are -5."""
    short = f"translate({text}, '{''.join(map(chr, _WRITTEN))}', '{''.join(_WRITTEN.values())}')"
    if not strip:
        return short
    at = f"instr({short}, '{strip}')"
    rest = f"trim(substr({short}, 1, {at} - 1) || substr({short}, {at} + {len(strip)}), ' \u00a0')"
    return (
        f"CASE WHEN {at} = 0 THEN {short} WHEN starts_with({rest}, '-') "
        f"THEN '-' || ltrim(substr({rest}, 2), ' \u00a0') ELSE {rest} END"
    )


SqlCount = Callable[[Sequence[tuple[str, str]]], Sequence[int]]
"""Numbers of values that are there and, without a sign (first), match a pattern as a whole (second)."""


def rule_for(count: SqlCount, *, gaps: int = 0) -> NumberRule | None:
    """The one rule that all values of a column fit; None where there is none, or more than one reading.

    Args:
        count: Counts the values of the column that match patterns; it is asked a few times.
        gaps: Cells without a value. Where the others all say yes, an empty cell may mean no as well as nothing.
    """
    every, *pairs = count([("", "(?s).*"), *(("", f"(?i)({yes}|{no})") for yes, no in PAIRS)])
    if not every:
        return None
    for (yes, no), fitting in zip(PAIRS, pairs, strict=True):
        if fitting == every:
            if gaps and count([("", f"(?i){yes}")])[0] == every:
                return None
            return NumberRule(f"{yes}/{no}", f"{yes} is 1 and {no} is 0", f"={yes}")
    marks = [re.escape(s) for s in (*SIGNS, "%")]
    marked = count([("", f"(?s)[^%A-Z$€£¥₹]*{m}[^%A-Z$€£¥₹]*") for m in marks])
    found = [s for s, n in zip((*SIGNS, "%"), marked, strict=True) if n == every]
    strip = found[0] if found else ""
    scale = 100 if strip == "%" else 1
    plain, comma, comma_shown, pointed, both, groups, groups_shown = count(
        [(strip, p) for p in (PLAIN, _COMMA, _COMMA_SHOWN, _COMMA_POINTED, _COMMA_BOTH, _GROUPS, _GROUPS_SHOWN)]
    )
    said = {"%": "{0} is {1}: per cent are divided by 100", "": ""}.get(strip, "{0} is {1}: every value has the sign " + strip)
    if plain == every:
        return NumberRule("percent" if strip == "%" else "sign", said or "{0} is {1}", "plain", strip, scale)
    reads_comma = comma == every and comma_shown > 0 and (pointed == 0 or both > 0)
    reads_groups = groups == every and groups_shown > 0
    if reads_comma == reads_groups:
        return None
    kind = "comma" if reads_comma else "groups"
    words = "{0} is {1}: the comma is a decimal comma" if reads_comma else "{0} is {1}: signs between thousands are left out"
    return NumberRule(kind, words + (f", and every value has {strip}" if strip else ""), kind, strip, scale)


def rule_of_texts(texts: Sequence[str]) -> NumberRule | None:
    """The rule of a column whose values are at hand."""
    values = [trimmed(t) for t in texts if not is_nothing(t)]

    def count(tests: Sequence[tuple[str, str]]) -> list[int]:
        return [sum(re.fullmatch(p, _bare(v, s), re.ASCII) is not None for v in values) for s, p in tests]

    return rule_for(count)


def number_of_text(text: str) -> float | None:
    """The number that a text is, plainly written or true or false; None where it is none, and NaN where nothing is there."""
    short = trimmed(text)
    if is_nothing(short):
        return float("nan")
    if (truth := truth_of(short)) is not None:
        return float(truth)
    return float(short) if _PLAIN.fullmatch(short) or _INFINITE.fullmatch(short) else None


def number_sql(short: str) -> str:
    """SQL (DuckDB) of `number_of_text` for a trimmed text; null where it is not a number, or none is there."""
    number = f"try_cast({short} AS DOUBLE)"
    return (
        f"CASE WHEN NOT isnan({number}) AND NOT contains({short}, '_') THEN {number} WHEN {nothing_sql(short)} THEN NULL "
        f"WHEN lower({short}) = 'true' THEN CAST(1 AS DOUBLE) WHEN lower({short}) = 'false' THEN CAST(0 AS DOUBLE) END"
    )


def number_spark(text: str) -> str:
    """Spark's SQL of `number_of_text`, infinite ones aside, for a column of text."""
    short = trimmed_spark(text)
    return (
        f"CASE WHEN {short} RLIKE '^({PLAIN_SPARK})$' THEN try_cast({short} AS DOUBLE) "
        f"WHEN lower({short}) = 'true' THEN CAST(1 AS DOUBLE) WHEN lower({short}) = 'false' THEN CAST(0 AS DOUBLE) END"
    )


def advice(texts: Sequence[str]) -> str:
    """What to do about a column with values such as these, which are not numbers."""
    lower = {trimmed(t).lower() for t in texts}
    if len(lower) == 1 and lower <= {yes for yes, _ in PAIRS}:
        (word,) = lower
        other = dict(PAIRS)[word]  # the rest of the column may be empty cells or numbers
        return f"Write yes and no, or 1 and 0, in the whole column, and {other!r} into the empty cells that mean it"
    if lower & {word for pair in PAIRS for word in pair}:
        return "Write truth values as true and false, or yes and no, or 1 and 0, in the whole column"
    if any("," in t for t in texts):
        return (
            "Write numbers with a decimal point and nothing between thousands, such as 1200.5: a comma may mean either, "
            "and this column does not show which"
        )
    if any(sign in t for t in texts for sign in (*SIGNS, "%")):
        return "Write numbers without a currency or per cent sign, or with the same one in the whole column"
    if len(lower) == 2 and not any(sign.isdigit() for word in lower for sign in word):
        first, second = sorted(lower)
        return f"The column holds {first!r} and {second!r}: write 1 and 0, so that it is clear which of them is counted"
    return "Correct these values in the table, or name the column that holds the number"
