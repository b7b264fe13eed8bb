"""A slow reader of per-unit tables in plain Python, written from docs/reading.md and not from the package.

It is given the cells of a table as text, as they are in a file, and says what a summary must say: units by variant, exact
means, slices and days, or that the table is refused. It shares no code with `xpbench`.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

NONE = (
    "", "na", "n/a", "#n/a", "#na", "#n/a n/a", "<na>", "nan", "-nan", "null", "<null>", "(null)", "none", "nil", "nat",
    "undefined", "\\n", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind",
)  # fmt: skip
DIGITS = "0123456789"


class Refused(Exception):
    """The table has no clear meaning."""


def bare(cell: str) -> str:
    return cell.strip(" \t\n\r\v\f\u00a0\ufeff\u2007\u202f")


def absent(cell: str) -> bool:
    return bare(cell).lower() in NONE


def name(cell: str, named: Sequence[str] = ()) -> str | None:
    """An id, a variant, a slice."""
    short = bare(cell)
    if short in named:
        return short
    if absent(short):
        return None
    if short.lower() == "true" or short.lower() == "false":
        return short.lower()
    head, point, tail = short.partition(".")
    sign = "-" if head[:1] == "-" else ""
    digits = head[len(sign) :]
    canonical = digits != "" and all(c in DIGITS for c in digits) and (digits == "0" or digits[0] != "0")
    if canonical and (not point or (tail != "" and set(tail) == {"0"})):
        return "0" if digits == "0" else sign + digits
    return short


def plain_number(cell: str) -> Fraction | None:
    text = cell[1:] if cell[:1] in ("+", "-") and cell else cell
    mantissa, mark, power = text.replace("E", "e").partition("e")
    whole, _, broken = mantissa.partition(".")
    if not (whole + broken) or any(c not in DIGITS for c in whole + broken):
        return None
    if mark:
        unsigned = power[1:] if power[:1] in ("+", "-") else power
        if not unsigned or any(c not in DIGITS for c in unsigned):
            return None
    return Fraction(cell)


def grouped(cell: str, by: str, point: str) -> Fraction | None:
    """A number with signs between thousands (each of `by`) and a sign before decimals."""
    sign = -1 if cell[:1] == "-" else 1
    text = cell[1:] if cell[:1] in ("+", "-") else cell
    head, mark, tail = text.partition(point)
    if mark and (not tail or any(c not in DIGITS for c in tail)):
        return None
    parts = [""]
    for c in head:
        if c in by:
            parts.append("")
        else:
            parts[-1] += c
    if any(c not in DIGITS for p in parts for c in p) or not parts[0]:
        return None
    if len(parts) > 1 and (parts[0][0] == "0" or len(parts[0]) > 3 or any(len(p) != 3 for p in parts[1:])):
        return None
    return sign * Fraction("".join(parts) + ("." + tail if mark else ""))


def column(cells: Sequence[str]) -> list[Fraction | None]:
    """A numeric column: None where nothing is there."""
    there = [bare(c) for c in cells if not absent(c)]
    out: list[Fraction | None] | None
    one_by_one = {"true": Fraction(1), "false": Fraction(0)}
    if all(plain_number(c) is not None or c.lower() in one_by_one for c in there):
        return [None if absent(c) else one_by_one.get(bare(c).lower(), plain_number(bare(c))) for c in cells]
    for yes, no in (("yes", "no"), ("y", "n"), ("t", "f")):
        if all(c.lower() in (yes, no) for c in there):
            return [None if absent(c) else Fraction(bare(c).lower() == yes) for c in cells]
    for sign in ("$", "€", "£", "¥", "₹", "USD", "EUR", "GBP", "CHF", "%"):
        if there and all(c.count(sign) == 1 for c in there):
            without = ["" if absent(c) else signless(bare(c), sign) for c in cells]
            out = spelled(without)
            if out is None:
                raise Refused("sign")
            return [None if v is None else v / (100 if sign == "%" else 1) for v in out]
    out = spelled([bare(c).replace("\u2212", "-") for c in cells])
    if out is None:
        raise Refused("number")
    return out


def signless(cell: str, sign: str) -> str:
    rest = bare(cell.replace(sign, ""))
    return "-" + bare(rest[1:]) if rest.startswith("-") else rest


def spelled(cells: Sequence[str]) -> list[Fraction | None] | None:
    there = [c for c in cells if not absent(c)]
    readings = []
    if all(plain_number(c) is not None for c in there):
        return [None if absent(c) else plain_number(c) for c in cells]
    # a decimal comma: some value must show that the comma is before decimals
    comma = [grouped(c, ". '\u00a0", ",") for c in there]
    if all(v is not None for v in comma):
        shown = any("," in c and grouped(c, ",", "\0") is None for c in there)
        pointed = any("." in c and "," not in c for c in there)
        both = any("." in c and "," in c for c in there)
        if shown and (not pointed or both):
            readings.append((". '\u00a0", ","))
    groups = [grouped(c, ", '\u00a0", ".") for c in there]
    if all(v is not None for v in groups):
        shown = any("." in c or c.count(",") > 1 or any(s in c for s in " '\u00a0") for c in there)
        if shown:
            readings.append((", '\u00a0", "."))
    if len(readings) != 1:
        return None
    by, point = readings[0]
    return [None if absent(c) else grouped(c, by, point) for c in cells]


def days(cells: Sequence[str]) -> list[str | None]:
    out: list[str | None] = []
    last = [bare(c) for c in cells if not absent(c) and looks_last(bare(c))]
    first = None
    if last:
        ones = [[int(x) for x in c.replace("/", " ").replace(".", " ").replace("-", " ").split()[:3]] for c in last]
        day = any(o[0] > 12 for o in ones)
        month = any(o[1] > 12 for o in ones)
        first = day if day != month else (True if not day and all("." in c for c in last) else None)
    mixed = any(not absent(c) and not looks_last(bare(c)) for c in cells)
    for cell in cells:
        if absent(cell):
            out.append(None)
            continue
        short = name(cell) or ""  # a gap makes pandas write 20260131 as 20260131.0
        if looks_last(short):
            if first is None or mixed:
                raise Refused("day")
            a, b, year = (int(x) for x in short.replace("/", " ").replace(".", " ").replace("-", " ").split()[:3])
            out.append(one_day(year, b if first else a, a if first else b))
        elif len(short) == 8 and all(c in DIGITS for c in short):
            out.append(one_day(int(short[:4]), int(short[4:6]), int(short[6:])))
        elif all(c in DIGITS for c in short):
            seconds = int(short) if len(short) <= 11 else int(short) // 1000
            out.append((datetime.date(1970, 1, 1) + datetime.timedelta(days=seconds // 86400)).isoformat())
        elif short.endswith("+0200"):
            clock = datetime.datetime.fromisoformat(short[:19]) - datetime.timedelta(hours=2)
            out.append(clock.date().isoformat())
        elif len(short) >= 10 and short[4] == "-" and short[7] == "-":
            out.append(one_day(int(short[:4]), int(short[5:7]), int(short[8:10])))
        else:
            raise Refused("day")
    return out


def looks_last(cell: str) -> bool:
    return len(cell) == 10 and cell[2] == cell[5] and cell[2] in "/.-" and cell[6:].isdigit()


def one_day(year: int, month: int, day: int) -> str:
    try:
        return datetime.date(year, month, day).isoformat()
    except ValueError:
        raise Refused("day") from None


CODES = (-9, -99, -999, -9999, -99999, -999999)


class Wanted:
    """What a summary of the table says.

    Attributes:
        units: Units by variant.
        means: Exact mean by variant; None without a value.
        counts: Units with a value by variant.
        segments: Units by slice and variant.
        by_day: Units by day and variant.
        odd: Rows without a unit, without a variant, of another variant.
    """

    def __init__(self, rows: Sequence[Sequence[str]], variants: dict[str, str]) -> None:
        """Read a table: id, variant, value, segment and day of each row; `variants` from text to key."""
        known = {v: v for v in variants.values()} | variants
        canonical = {name(k): v for k, v in known.items() if name(k) is not None}
        kept = []
        self.odd = Counter[str]()
        value = column([r[2] for r in rows])
        day = days([r[4] for r in rows])
        for row, v, d in zip(rows, value, day, strict=True):
            short = bare(row[1])
            found = known.get(short)
            if found is None:
                own = name(row[1])
                found = None if own is None else canonical.get(own, "?" + own)
            unit = name(row[0])
            if found is None:
                self.odd["missing_variant"] += 1
            elif found.startswith("?"):
                self.odd["unknown_variant"] += 1
            if unit is None:
                self.odd["missing_unit"] += 1
            if unit is not None and found is not None and not found.startswith("?"):
                kept.append((unit, found, v, name(row[3]) or "(missing)", d))
        if not kept:
            raise Refused("nobody")
        if max(Counter(k[0] for k in kept).values()) > 1:
            raise Refused("twice")
        coded = [k[2] for k in kept if k[2] is not None and k[2] in CODES]
        negative = [k[2] for k in kept if k[2] is not None and k[2] < 0]
        self.doubtful = bool(coded) and (len(coded) == len(negative) or len(coded) > 10)
        if self.doubtful:
            raise Refused("codes")
        self.units = Counter(k[1] for k in kept)
        self.counts = Counter(k[1] for k in kept if k[2] is not None)
        self.means = {
            v: sum((k[2] for k in kept if k[1] == v and k[2] is not None), Fraction(0)) / n for v, n in self.counts.items()
        }
        self.segments = Counter((k[3], k[1]) for k in kept)
        self.by_day = Counter((k[4], k[1]) for k in kept if k[4] is not None)
