"""What a warehouse table needs beyond Ibis's own operations: members of JSON, numbers in text, local time, row hashes.

Ibis passes a function that it does not know through to the server (`builtin`); which one that is depends on the dialect.
Proven on Postgres, only compiled for BigQuery and Snowflake.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import cache, reduce
from typing import Any

from xpbench.data.logs.log import DAY, MARK, SECOND, Items
from xpbench.errors import DataError, plain
from xpbench.meaning.nothing import NOTHING, SPACES

NUMBER = r"^[+-]?([0-9]{1,150}\.?[0-9]{0,150}|\.[0-9]{1,150})([eE][+-]?[0-9]{1,2})?$"
"""Text that every server reads as a double without an error: at most 1e249 either way."""

EXACT = r"^[+-]?([0-9]{1,250}\.?[0-9]{0,250}|\.[0-9]{1,250})([eE][+-]?[0-9]{1,3})?$"
"""Text that Postgres reads as a decimal number without an error."""

_NUMBER = r"^[+-]?[0-9]{1,24}(\.[0-9]{0,60})?([eE][+-]?[0-9]{1,2})?$"
"""Text of a time that is a number, which every server reads as a decimal number without an error."""

_PARTS = (
    r"^([0-9]{4})([-/])([0-9]{1,2})([-/])([0-9]{1,2})"  # 1 year, 3 month, 5 day
    r"((T| |, )([0-9]|[01][0-9]|2[0-3]):([0-5][0-9])(:([0-5][0-9])([.,]([0-9]+))?)?"  # 8 hour, 9 minute, 11 second, 13 rest
    r"( ?[AaPp][Mm])?( ?(Z|z|UTC|GMT|(UTC|GMT)?([+-])([0-9]{2}):?([0-9]{2})?))?)?$"  # 14 half, 16 zone, 18 to 20 ahead
)
"""`meaning.times.time_of_text`, for servers that have no references back inside a pattern."""

SALT = "xpbench.events.1"


@cache
def _function(name: str, result: Any, *arguments: Any) -> Any:
    """A function of the server, by its name and types."""
    import ibis
    import ibis.expr.datatypes as dt

    # never called: Ibis only looks at how many arguments they take
    stub = (lambda: None, lambda a: None, lambda a, b: None, lambda a, b, c: None)[len(arguments)]
    types = tuple(dt.dtype(a) for a in arguments)
    return ibis.udf.scalar.builtin(stub, name=name, signature=(types, dt.dtype(result)))


def _json(name: str, column: Any, result: Any, *more: Any) -> Any:
    """One of Postgres' functions over JSON, of the family that the column's type takes."""
    family = "jsonb" if column.type().binary else "json"
    arguments = ["string" for _ in more]
    return _function(f"{family}_{name}", column.type() if result == "json" else result, column.type(), *arguments)(
        column, *more
    )


def _unable(what: str, dialect: str) -> DataError:
    return DataError("XPB-D43", what=plain(f"{what} ({dialect})"))


# -- JSON ----------------------------------------------------------------------------------------------------------------


def as_json(column: Any, dialect: str) -> Any:
    """A column of JSON; text is parsed by the server."""
    kind = column.type()
    if kind.is_json():
        return column
    if not kind.is_string():
        raise _unable(f"Properties in a column of type {kind}", dialect)
    if dialect == "postgres":
        return column.cast("json")
    return _function({"bigquery": "PARSE_JSON", "snowflake": "PARSE_JSON"}.get(dialect, "parse_json"), "json", "string")(column)


def _text_at(column: Any, name: Any) -> Any:
    """A key of a JSON column as text, on Postgres."""
    import ibis

    # written as an operator that binds no closer than others; inside a function nothing can go wrong
    return ibis.coalesce(_json("extract_path_text", column, "string", name))


def member(column: Any, name: str, dialect: str, *, raw: bool = False) -> Any:
    """A key of a JSON column as text, or (raw) as JSON; null where it is missing."""
    held = as_json(column, dialect)
    if dialect == "postgres":
        return _json("extract_path", held, "json", name) if raw else _text_at(held, name)
    if raw:
        return held[name]
    if dialect == "bigquery":
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return _function("JSON_VALUE", "string", "json", "string")(held, f'$."{quoted}"')
    return held[name].cast("string")


def listed(column: Any, dialect: str) -> Any:
    """A list property that is a column of its own: an array of texts, or JSON."""
    kind = column.type()
    return column.cast("array<string>") if kind.is_array() else as_json(column, dialect)


def unfolded(items: Any, how: Items, dialect: str) -> tuple[Any, Any]:
    """Expressions that make a row of each item (or of each key of a dictionary), and the text its value is looked up in."""
    import ibis

    nothing = ibis.null("string")
    if items.type().is_array():
        return items.unnest(), nothing
    if how == "dictionary" and dialect != "postgres":
        raise _unable("Listing experiments in a dictionary of JSON", dialect)
    if dialect == "postgres":
        wanted, name = ("object", "object_keys") if how == "dictionary" else ("array", "array_elements_text")
        safe = ibis.ifelse(_json("typeof", items, "string") == wanted, items, ibis.null(items.type()))
        return _json(name, safe, "string"), items.cast("string") if how == "dictionary" else nothing
    if dialect == "bigquery":
        return _function("JSON_VALUE_ARRAY", "array<string>", "json")(items).unnest(), nothing
    return items.cast("array<string>").unnest(), nothing


def item_of(raw: Any, holder: Any, how: Items, separator: str, dialect: str) -> Any:
    """The item of a row: experiment, `MARK`, variant; null where it is none."""
    import ibis

    if how == "list":
        first = raw.split(separator)[0]
        rest = raw.substr(first.length() + len(separator))
        return ibis.ifelse(raw.contains(separator), first + ibis.literal(MARK) + rest, ibis.null("string"))
    if holder is None:
        return raw
    holder = as_json(holder, dialect)
    is_text = _json("typeof", _json("extract_path", holder, "json", raw), "string") == "string"
    return ibis.ifelse(is_text, raw + ibis.literal(MARK) + _text_at(holder, raw), ibis.null("string"))


# -- numbers and times ---------------------------------------------------------------------------------------------------


def number(value: Any, dialect: str) -> Any:
    """A property as a double; null where it is not a finite number."""
    import ibis

    kind = value.type()
    if kind.is_floating():
        return ibis.ifelse(value.isnan() | value.isinf(), ibis.null("float64"), value.cast("float64"))
    if kind.is_numeric():
        return value.cast("float64")
    if kind.is_boolean():
        return value.cast("int64").cast("float64")
    if kind.is_string():
        short = trimmed(value, dialect)
        text = _double(short, dialect)
        lower = short.lower()
        return ibis.cases((lower == "true", 1.0), (lower == "false", 0.0), else_=text)
    return ibis.null("float64")


def _double(short: Any, dialect: str) -> Any:
    """A text as a double; null where it is none that is finite."""
    import ibis

    if dialect != "postgres":
        return ibis.ifelse(short.re_search(NUMBER), short, ibis.null("string")).cast("float64")
    # the server's own decimal numbers hold every double, and say what it would stop at
    exact = ibis.ifelse(short.re_search(EXACT), short, ibis.null("string")).cast("decimal")
    most, least = (ibis.literal(text).cast("decimal") for text in ("1.7976931348623157e308", "2.3e-308"))
    return ibis.cases((exact.abs() < least, 0.0), (exact.abs() <= most, exact.cast("float64")), else_=ibis.null("float64"))


def trimmed(text: Any, dialect: str) -> Any:
    """A text without what is around it (`xpbench.meaning.nothing.SPACES`)."""
    return _function("btrim" if dialect == "postgres" else "TRIM", "string", "string", "string")(text, SPACES)


def microseconds(value: Any, unit: str, dialect: str) -> Any:
    """Whole microseconds since 1970; null where a value can't be read. Texts are read as `meaning.times.time_of_text` does."""
    import ibis

    kind = value.type()
    if kind.is_timestamp():
        # the second and what is beyond it, apart: doubles would lose the last digits
        return value.epoch_seconds().cast("int64") * SECOND + (value.microsecond() % SECOND).cast("int64")
    if kind.is_date():
        return value.epoch_days().cast("int64") * DAY
    if kind.is_string():
        text = trimmed(value, dialect)
        number = ibis.ifelse(text.re_search(_NUMBER), text, ibis.null("string")).cast("decimal")
        return ibis.coalesce(_scaled(number, text, unit), _of_parts(text))
    if not kind.is_numeric():
        raise DataError("XPB-D43", what=plain(f"A time of type {kind}"))
    return _scaled(value, value.cast("string") if kind.is_integer() else None, unit)


def _scaled(number: Any, digits: Any, unit: str) -> Any:
    """Microseconds that a number of some unit is, told by its size where no unit is named; null out of range."""
    import ibis

    # no server gives null for a number that does not fit: it stops
    most: Any = 1e22 if number.type().is_floating() else Decimal(10**22)
    fits = True if number.type().is_integer() else number.abs() < most
    exact = ibis.ifelse(fits, number, ibis.null(number.type())).cast("decimal(30, 6)")
    fine = ibis.ifelse(exact.abs() < Decimal(2**63), (exact * Decimal("0.001")).floor(), ibis.null("decimal(30, 6)")).cast(
        "int64"
    )
    if unit == "ns":
        return fine
    if unit != "auto":
        factor = {"s": SECOND, "ms": 1_000, "us": 1}[unit]
        return ibis.ifelse(exact.abs() < Decimal(2**62 // factor), exact * factor, ibis.null("decimal(30, 6)")).cast("int64")
    known = ibis.cases(
        (exact.abs() < 10**11, (exact * SECOND).cast("int64")),
        (exact.abs() < 10**14, (exact * 1_000).cast("int64")),
        (exact.abs() < 10**17, exact.cast("int64")),
        else_=fine,
    )
    if digits is None:
        return known
    is_compact = digits.re_search("^(199[0-9]|20[0-9]{2})[0-9]{4}([0-9]{6})?$")
    parts = [ibis.ifelse(is_compact, digits.substr(at, n), ibis.null("string")).cast("int64") for at, n in _COMPACT[:3]]
    clock = [
        ibis.ifelse(is_compact & (digits.length() == 14), digits.substr(at, n), "0").cast("int64") for at, n in _COMPACT[3:]
    ]
    is_clock = (clock[0] < 24) & (clock[1] < 60) & (clock[2] < 60)
    return ibis.coalesce(ibis.ifelse(is_clock, _moment(parts, clock), ibis.null("int64")), known)


_COMPACT = ((0, 4), (4, 2), (6, 2), (8, 2), (10, 2), (12, 2))
"""Where year, month, day, hour, minute and second are in a compact date, and how long they are."""


def _of_parts(text: Any) -> Any:
    """Microseconds of a text that begins with year, month and day; null where it is not a time.

    The server's own cast would stop at the first text that is none, and reads more than one parser of ours does.
    """
    import ibis

    def part(i: int) -> Any:
        return text.re_extract(_PARTS, i).nullif("")

    def whole(i: int, otherwise: int = 0) -> Any:
        return part(i).cast("int64").fill_null(otherwise)

    is_time = text.re_search(_PARTS) & (part(2) == part(4))
    hour, half = whole(8), part(14).upper().right(2)
    of_day = ibis.cases((half.isnull(), hour), (half == "PM", hour % 12 + 12), else_=hour % 12)
    ahead = whole(19) * 60 + whole(20)
    fits = (half.isnull() | hour.between(1, 12)) & (ahead <= 18 * 60) & (whole(20) <= 59)
    at = _moment([whole(1), whole(3), whole(5)], [of_day, whole(9), whole(11)])
    beyond = (part(13).fill_null("") + "000000").substr(0, 6).cast("int64")
    shift = ibis.ifelse(part(18) == "-", -ahead, ahead) * 60 * SECOND
    return ibis.ifelse(is_time & fits, at + beyond - shift, ibis.null("int64"))


def _moment(day: Sequence[Any], clock: Sequence[Any]) -> Any:
    """Microseconds of a day of the calendar and a time of day; null where the calendar has no such day."""
    import ibis

    year, month, number = day
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    longest = ibis.cases(
        (month == 2, ibis.ifelse(is_leap, 29, 28)), (month.isin([4, 6, 9, 11]), 30), (month.between(1, 12), 31), else_=0
    )
    # days from 1970, in years that begin with March, so that the day that is left out is the last one
    years = ibis.ifelse(month <= 2, year - 1, year)
    months = ibis.ifelse(month <= 2, month + 9, month - 3)
    days = 365 * years + years // 4 - years // 100 + years // 400 + (153 * months + 2) // 5 + number - 719_469
    seconds = clock[0] * 3_600 + clock[1] * 60 + clock[2]
    exists = (year >= 1) & number.between(1, longest)
    return ibis.ifelse(exists, days.cast("int64") * DAY + seconds * SECOND, ibis.null("int64"))


def names_zone(text: Any, dialect: str) -> Any:
    """Whether a text of a time names its zone."""
    return trimmed(text, dialect).re_extract(_PARTS, 16).nullif("").notnull()


def name(value: Any, said: Collection[str], dialect: str) -> Any:
    """A value as the name that it is, as `xpbench.meaning.names` has it; null where there is none.

    Args:
        value: A column.
        said: Texts that the plan names, which are values whatever they say.
        dialect: Of the server.
    """
    import ibis

    kind = value.type()
    if kind.is_integer():
        return value.cast("string")
    if kind.is_boolean():
        return ibis.ifelse(value, "true", "false")
    if kind.is_floating():
        whole = (value == value.floor()) & (value.abs() < 9e15)
        text = ibis.ifelse(whole, value.cast("decimal(20, 0)").cast("string"), value.cast("string"))
        return ibis.ifelse(value.isnan(), ibis.null("string"), text)
    text = trimmed(value.cast("string"), dialect)
    lower = text.lower()
    pointed = text.re_search(r"^-?(0|[1-9][0-9]*)\.0+$")
    named = [(text.isin(sorted(said)), text)] if said else []
    return ibis.cases(
        *named,
        (lower.isin(sorted(NOTHING)), ibis.null("string")),
        (lower.isin(["true", "false"]), lower),
        (text == "-0", "0"),
        (pointed, ibis.ifelse(text.startswith("-0."), "0", text.re_replace(r"\.0+$", ""))),
        else_=text,
    )


def value_or_null(text: Any, dialect: str) -> Any:
    """A text, or null where it is a word for nothing."""
    import ibis

    return ibis.ifelse(trimmed(text, dialect).lower().isin(sorted(NOTHING)), ibis.null("string"), text)


def to_utc(t: Any, zone: str, dialect: str) -> Any:
    """Microseconds of a clock in some zone as microseconds in UTC."""
    seconds = (t - t % SECOND) / SECOND
    if dialect == "postgres":
        clock = _function("to_timestamp", "timestamp('UTC')", "float64")(seconds.cast("float64"))
        naive = _function("timezone", "timestamp", "string", "timestamp('UTC')")("UTC", clock)
        instant = _function("timezone", "timestamp('UTC')", "string", "timestamp")(zone, naive)
        whole = instant.epoch_seconds().cast("int64")
    elif dialect == "snowflake":
        clock = _function("TO_TIMESTAMP_NTZ", "timestamp", "int64")(seconds.cast("int64"))
        moved = _function("CONVERT_TIMEZONE", "timestamp", "string", "string", "timestamp")(zone, "UTC", clock)
        whole = moved.epoch_seconds().cast("int64")
    elif dialect == "bigquery":
        clock = _function("TIMESTAMP_SECONDS", "timestamp('UTC')", "int64")(seconds.cast("int64"))
        naive = _function("DATETIME", "timestamp", "timestamp('UTC')")(clock)
        whole = _function("UNIX_SECONDS", "int64", "timestamp('UTC')")(
            _function("TIMESTAMP", "timestamp('UTC')", "timestamp", "string")(naive, zone)
        )
    else:
        raise _unable(f"A log in the time zone {zone}", dialect)
    return whole * SECOND + t % SECOND


# -- hashes --------------------------------------------------------------------------------------------------------------


def row_hashes(table: Any, *several: Sequence[str]) -> Any:
    """Number of rows, and the sum and the exclusive or of a 64-bit hash of each, over each of several lists of columns.

    Columns of the answer: `n`, then `total0`, `mixed0`, `total1` and so on.

    Columns are joined with their lengths before them, so that no two rows read alike.
    """
    import ibis

    def told(name: str) -> Any:
        text = table[name].cast("string")
        return ibis.ifelse(text.isnull(), ibis.literal("-"), text.length().cast("string") + ibis.literal(":") + text)

    bar = ibis.literal("|")
    rows = [reduce(lambda a, b: a + bar + b, [ibis.literal(SALT), *(told(name) for name in columns)]) for columns in several]
    hashed = table.select(**{f"h{i}": row.hash() for i, row in enumerate(rows)})
    asked = {f"total{i}": hashed[f"h{i}"].cast("decimal(38, 0)").sum() for i in range(len(rows))}
    asked |= {f"mixed{i}": hashed[f"h{i}"].bit_xor() for i in range(len(rows))}
    return hashed.aggregate(n=hashed.count(), **asked)
