"""When something happened: one strict reading of texts and numbers, the same on every engine.

Read are whole or broken seconds, milliseconds, microseconds and nanoseconds since 1970, told by their size; compact dates
(20260131, 20260131093000); and text that begins with year, month and day, with a time, AM or PM, and an offset. What names no
zone is a clock reading. Abbreviations of zones other than UTC, GMT and Z mean several zones each and are not read. Dates with
the year at the end are read where the column shows whether the day or the month comes first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone

from xpbench.meaning.nothing import trimmed

SECOND = 1_000_000
DAY = 86_400 * SECOND

EARLIEST = 1_104_537_600 * SECOND
"""2005-01-01: events from before are reported, since no log of an experiment is that old."""

LATEST = 4_102_444_800 * SECOND
"""2100-01-01: a number that reads as a later time counts something else than what it was taken for."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]{0,300})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
"""No more digits than any time has: a billion of them would be computed for ever."""
_TEXT = re.compile(
    r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})"
    r"(?:(?:[T ]|, )([0-9]|[01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:[.,]([0-9]+))?)? ?([AaPp][Mm])?)?"
    r" ?(Z|z|UTC|GMT|(?:UTC|GMT)?[+-][0-9]{2}:?(?:[0-9]{2})?)?",
    re.ASCII,
)
_LAST = re.compile(
    r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})"
    r"(?:,? [0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?: ?[AaPp][Mm])?)?",
    re.ASCII,
)
_NAMED = ("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%B-%Y", "%d-%b-%y", "%a, %d %b %Y")


def scaled(number: float | int, digits: str) -> int | None:
    """Microseconds that a number of some unit is; None where it is out of range.

    Args:
        number: As it is written.
        digits: Its whole part as text, for compact dates.
    """
    if len(digits) == 8 and (day := _compact(digits, "%Y%m%d")) is not None:
        return day
    if len(digits) == 14 and (moment := _compact(digits, "%Y%m%d%H%M%S")) is not None:
        return moment
    size = abs(number)
    if size < 10**11:
        value = number * SECOND
    elif size < 10**14:
        value = number * 1_000
    elif size < 10**17:
        value = number
    elif size < 2**63:
        return int(number) // 1_000
    else:
        return None
    return math.floor(value + 0.5) if isinstance(value, float) else (2 * value + 1) // 2  # half a microsecond up


def _compact(digits: str, form: str) -> int | None:
    if not "1990" <= digits[:4] <= "2099":
        return None
    try:
        return _micros(datetime.strptime(digits, form).replace(tzinfo=UTC))
    except ValueError:
        return None


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def time_of_text(text: str) -> tuple[int, bool] | None:
    """Microseconds since 1970 and whether the text names its zone; None where it is not a time.

    A clock reading is counted as if it were in UTC. Numbers count as clock readings, since exports of some projects are
    shifted by their zone.
    """
    short = trimmed(text)
    if _NUMBER.fullmatch(short):
        from fractions import Fraction

        number = Fraction(short)
        digits = short if short.isdigit() else ""
        at = scaled(int(number) if number.denominator == 1 else number, digits)  # type: ignore[arg-type]
        return None if at is None else (at, False)
    found = _TEXT.fullmatch(short)
    if found is None:
        return None
    year, _, month, day, hour, minute, second, broken, half, zone = found.groups()
    if zone is not None and hour is None:
        return None
    hours = int(hour or 0)
    if half is not None:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    offset = timedelta(0)
    if zone is not None and (numbers := zone.lstrip("UTCGMzZ")):
        sign = -1 if numbers[0] == "-" else 1
        plain = numbers[1:].replace(":", "").ljust(4, "0")
        ahead = timedelta(hours=int(plain[:2]), minutes=int(plain[2:]))
        if ahead > timedelta(hours=18) or int(plain[2:]) > 59:
            return None
        offset = sign * ahead
    try:
        moment = datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0), tzinfo=timezone(offset))
    except ValueError:
        return None
    return _micros(moment) + int((broken or "0")[:6].ljust(6, "0")), zone is not None


def days_of(texts: Sequence[str], *, more: bool = False) -> dict[str, str | None]:
    """The UTC day of each different text of a column; None where a text is not a day.

    Args:
        texts: The different texts.
        more: The column holds days that begin with the year, too: then dates with the year at the end are another spelling.
    """
    order = None if more else day_first(texts)
    return {text: _day(text, order) for text in texts}


def _day(text: str, order: bool | None) -> str | None:
    at = time_of_text(text)
    if at is not None:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at[0]) if abs(at[0]) < 2**55 else None
        # a small number is a year, or a day as spreadsheets count them, and no second of 1970
        earliest = 2005 if _NUMBER.fullmatch(text.strip()) and len(text.strip()) != 8 else 1900
        return moment.date().isoformat() if moment is not None and earliest <= moment.year <= 2200 else None
    found = _LAST.fullmatch(text.strip())
    if found is not None and order is not None:
        first, _, second, year = found.groups()
        day, month = (first, second) if order else (second, first)
        try:
            return date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day)).isoformat()
        except ValueError:
            return None
    for form in _NAMED:
        try:
            return datetime.strptime(text.strip(), form).date().isoformat()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def day_first(texts: Sequence[str]) -> bool | None:
    """Whether dates with the year at the end begin with the day; None where the column does not show it, or shows both."""
    found = [m for m in (_LAST.fullmatch(t.strip()) for t in texts) if m is not None]
    days = any(int(m[1]) > 12 for m in found)
    months = any(int(m[3]) > 12 for m in found)
    if days != months:
        return days
    # between points the day comes first in every country that writes points
    return True if found and not days and all(m[2] == "." for m in found) else None


def day_advice(texts: Sequence[str]) -> str:
    """What to do about texts that are not days."""
    if texts and all(re.fullmatch(r"[3-6][0-9]{4}(\.[0-9]+)?", t.strip()) for t in texts):
        return "Write days as 2026-01-31: these are numbers of days as a spreadsheet counts them"
    if any(_LAST.fullmatch(t.strip()) for t in texts):
        return "Write days as 2026-01-31: here day and month can't be told apart, or both orders occur"
    return "Write days as 2026-01-31 or as times, and leave empty what has none"


_OFFSET = "([Zz]|UTC|GMT|(UTC|GMT)?[+-][0-9]{2}:?([0-9]{2})?)"
_DATE = "([0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2})"
_CLOCK = "([0-9]|[01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]+)?)?"
_SHAPE = f"{_DATE}(([T ]|, ){_CLOCK}( ?[AaPp][Mm])?( ?{_OFFSET})?)?"
"""The texts that `time_of_text` reads, as a pattern that DuckDB, Spark and Postgres know; the ranges of the fields aside."""


def zoned_sql(text: str) -> str:
    """SQL (DuckDB) of whether a text of a time names its zone."""
    return f"regexp_full_match({text}, '{_DATE}([T ]|, ){_CLOCK}( ?[AaPp][Mm])? ?{_OFFSET}')"


def time_sql(text: str, number: str) -> str:
    """SQL (DuckDB) of `time_of_text`: microseconds, null where a text is not a time.

    Args:
        text: Expression of the text, without blanks around it.
        number: Microseconds of the text as a number, null where it is none.
    """
    clock = f"replace(replace(regexp_replace({text}, ' ?{_OFFSET}$', ''), ', ', ' '), ',', '.')"
    clock = f"CASE WHEN contains({text}, ':') THEN {clock} ELSE {text} END"
    six = f"regexp_replace({clock}, '([.][0-9]{{6}})[0-9]+', '\\1')"
    half = f"try_strptime(upper(replace(replace(regexp_replace({six}, ' ?([AaPp][Mm])$', ' \\1'), '/', '-'), 'T', ' ')), "
    half += "['%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M %p', '%Y-%m-%d %I:%M:%S.%f %p'])"
    moment = f"CASE WHEN regexp_matches({clock}, '[AaPp][Mm]$') THEN {half} ELSE try_cast({clock} AS TIMESTAMP) END"
    zone = f"regexp_extract({text}, '[+-][0-9]{{2}}:?([0-9]{{2}})?$')"
    hours = f"CAST(substr({zone}, 2, 2) AS BIGINT)"
    minutes = f"CAST(coalesce(nullif(ltrim(substr({zone}, 4), ':'), ''), '0') AS BIGINT)"
    ahead = (
        f"CASE WHEN {hours} * 60 + {minutes} > 1080 OR {minutes} > 59 THEN NULL ELSE ({hours} * 60 + {minutes}) * 60000000 END"
    )
    shift = (
        f"CASE WHEN contains({text}, ':') AND {zone} <> '' "
        f"THEN CASE WHEN starts_with({zone}, '-') THEN -({ahead}) ELSE {ahead} END ELSE 0 END"
    )
    stamp = f"CASE WHEN regexp_full_match({text}, '{_SHAPE}') THEN epoch_us({moment}) - ({shift}) END"
    return f"coalesce({number}, {stamp})"


def number_time_sql(number: str, digits: str = "", unit: str = "auto", *, spark: bool = False) -> str:
    """SQL (DuckDB and Spark) of `scaled` for a DECIMAL: microseconds, null out of range.

    Args:
        number: Expression of the DECIMAL.
        digits: Expression of the number as text, for compact dates; empty: there are none.
        unit: `s`, `ms`, `us`, `ns`, or `auto`: told by its size.
        spark: For Spark.
    """
    factors = {"s": "1000000", "ms": "1000", "us": "1"}
    # multiplied, since a quotient would be a double
    fine = f"CASE WHEN abs({number}) < 9223372036854775808 THEN try_cast(floor({number} * 0.001) AS BIGINT) END"

    def times(factor: str) -> str:
        scaled_ = f"{number} * {factor}"
        return f"try_cast({f'round({scaled_})' if spark else scaled_} AS BIGINT)"  # DuckDB rounds by itself

    if unit != "auto":
        return fine if unit == "ns" else times(factors[unit])
    # seconds reach 1e11 in the year 5138, and so on
    known = (
        f"CASE WHEN abs({number}) < 100000000000 THEN {times('1000000')} "
        f"WHEN abs({number}) < 100000000000000 THEN {times('1000')} "
        f"WHEN abs({number}) < 100000000000000000 THEN {times('1')} ELSE {fine} END"
    )
    if not digits:
        return known
    likely = f"length({digits}) IN (8, 14) AND {digits} >= '1990' AND {digits} < '21'"
    if spark:
        # `try_to_timestamp` would read the session's clock
        clock = "".join(f", '{sign}', substr({digits}, {at}, 2)" for sign, at in ((" ", 9), (":", 11), (":", 13)))
        written = f"concat(substr({digits}, 1, 4), '-', substr({digits}, 5, 2), '-', substr({digits}, 7, 2)"
        text = f"CASE WHEN length({digits}) = 8 THEN {written}) ELSE {written}{clock}) END"
        day = f"CASE WHEN {digits} RLIKE '^[0-9]+$' THEN {since_1970_spark(f'try_cast({text} AS TIMESTAMP_NTZ)')} END"
    else:
        day = f"epoch_us(try_strptime({digits}, ['%Y%m%d', '%Y%m%d%H%M%S']))"
    return f"CASE WHEN {likely} THEN coalesce({day}, {known}) ELSE {known} END"


def time_spark(text: str, number: str) -> str:
    """`time_sql` for Spark, whose session's zone is UTC."""
    shape = f"{text} RLIKE '^({_SHAPE})$'"
    clock = f"replace(replace(replace(regexp_replace({text}, ' ?{_OFFSET}$', ''), ', ', ' '), ',', '.'), '/', '-')"
    clock = f"replace(CASE WHEN contains({text}, ':') THEN {clock} ELSE replace({text}, '/', '-') END, 'T', ' ')"
    half_text = f"upper(regexp_replace({clock}, ' ?([AaPp][Mm])$', ' $1'))"
    # hours to 12 are moved by hand: patterns of Java want as many digits as they name
    hour = f"CAST(regexp_extract({half_text}, ' ([0-9]+):', 1) AS INT)"
    moved = f"(CASE WHEN {hour} = 12 THEN 0 ELSE {hour} END + CASE WHEN {half_text} LIKE '%PM' THEN 12 ELSE 0 END)"
    rest = f"regexp_extract({half_text}, ':([0-9:.]+) [AP]M$', 1)"
    day = f"substring_index({half_text}, ' ', 1)"
    joined = f"concat({day}, ' ', lpad(CAST({moved} AS STRING), 2, '0'), ':', {rest})"
    half = f"CASE WHEN {hour} BETWEEN 1 AND 12 THEN try_cast({joined} AS TIMESTAMP_NTZ) END"
    moment = f"CASE WHEN {clock} RLIKE '[AaPp][Mm]$' THEN {half} ELSE try_cast({clock} AS TIMESTAMP_NTZ) END"
    since = since_1970_spark(moment)
    zone = f"regexp_extract({text}, '([+-][0-9]{{2}}:?([0-9]{{2}})?)$', 1)"
    minutes = f"CAST(coalesce(nullif(regexp_replace(substr({zone}, 4), ':', ''), ''), '0') AS BIGINT)"
    ahead = f"(CAST(substr({zone}, 2, 2) AS BIGINT) * 60 + {minutes})"
    span = f"CASE WHEN {ahead} > 1080 OR {minutes} > 59 THEN NULL WHEN startswith({zone}, '-') THEN -{ahead} ELSE {ahead} END"
    span += " * 60000000"
    shift = f"CASE WHEN contains({text}, ':') AND {zone} <> '' THEN {span} ELSE 0 END"
    return f"coalesce({number}, CASE WHEN {shape} THEN {since} - ({shift}) END)"


def since_1970_spark(clock: str) -> str:
    """Microseconds from 1970 to a time without zone; `timestampdiff` would skip what clocks skip in the session's zone.

    What is left of a day is multiplied before it is cut to seconds: cheaper than decimal numbers, and nothing is lost.
    """
    day = f"CAST({clock} AS DATE)"
    rest = f"({clock} - CAST({day} AS TIMESTAMP_NTZ)) * 1000000"
    return f"(unix_date({day}) * 86400000000 + CAST(CAST({rest} AS INTERVAL SECOND) AS BIGINT))"


def zoned_spark(text: str) -> str:
    """`zoned_sql` for Spark."""
    return f"{text} RLIKE '^({_DATE}([T ]|, ){_CLOCK}( ?[AaPp][Mm])? ?{_OFFSET})$'"
