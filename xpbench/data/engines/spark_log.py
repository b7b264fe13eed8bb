"""A log in Spark: a DataFrame of any session (local, cluster or Spark Connect) brought into normal form.

Only this file speaks Spark's own SQL; everything after the normal form is the same narwhals code as on DuckDB.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import narwhals.stable.v2 as nw

from xpbench.canonical import digest
from xpbench.data.engines.spark_folders import ensure_files_agree, named_by_folders, path_of
from xpbench.data.engines.spark_stop import SparkJobs
from xpbench.data.logs.log import LATE, SECOND, EventSchema, LogProperties, column_hint, happened, texts_of
from xpbench.data.logs.one_moment import one_moment
from xpbench.data.logs.placed import differs
from xpbench.data.summary import Finding
from xpbench.errors import DataError, plain
from xpbench.meaning.names import name_spark, nothing_spark, trimmed_spark
from xpbench.meaning.numbers import number_spark
from xpbench.meaning.times import EARLIEST, LATEST, number_time_sql, since_1970_spark, time_spark, zoned_spark
from xpbench.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

    from xpbench.data.logs.specification import LogSpecification

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_REALS = ("float", "double")

ROWS = 1_000_000
"""Events of the log for each partition of a table that is held."""

MOST_PARTITIONS = 2_000

MOST_FILES = 10_000
"""Files of a table up to which each is looked at before and after reading."""

LAST = 253_402_300_800 * SECOND
"""The end of the year 9999."""


class SparkLog:
    """A log in Spark. See `Log`."""

    kind = "spark"
    passes_are_dear = True

    def __init__(self, source: LogSpecification, plan: Plan, properties: LogProperties) -> None:
        self.source = source
        self.schema: EventSchema = source.schema
        self.plan = plan
        self.properties = properties
        self.table = source.log
        self.engine = f"spark {self.table.sparkSession.version}"
        self.types: dict[str, str] = dict(self.table.dtypes)
        self.missing_properties: frozenset[str] = frozenset()
        self.has_insert_ids = False
        self._held: list[Any] = []
        self._rows: int | None = None
        """Events of the log, once they have been counted."""
        self._counted: list[dict[str, Any]] | None = None
        self._content: dict[str, str] = {}
        self._cuts = plan.exposure.identities == "merge"
        """Tables that are held forget what they were made of: joins of joins take Spark minutes to plan otherwise."""
        self.placed: tuple[str, ...] = ()
        """Columns that the names of folders hold; what events hold goes before them."""
        self._normal = self._columns(self.table)

    def _place(self, files: Sequence[str]) -> None:
        """Take what the names of folders say as they say it, where the events say nothing else.

        Raises:
            DataError: `XPB-D86`, events say something else; `XPB-D87`, Spark has changed what a folder says.
        """
        wanted = {self.schema.unit or self.plan.unit, *self.properties.texts}
        found = named_by_folders(files, self.types, wanted)
        ensure_files_agree(self.table.sparkSession, files, found)
        for name in found:
            own = self._in_properties(name)
            if own is None:
                continue
            text, said = name_spark(f"CAST({own[0]} AS STRING)"), name_spark(f"CAST({_quote(name)} AS STRING)")
            both = f"{text} IS NOT NULL AND {text} <> {said}"
            rows = self.table.where(both).selectExpr("count(*) AS n", f"min({text}) AS own", f"min({said}) AS folder").collect()
            if rows[0]["n"]:
                raise differs(name, int(rows[0]["n"]), str(rows[0]["own"]), str(rows[0]["folder"]))
            self.placed += (name,)
        if self.placed:
            self._normal = self._columns(self.table)

    @classmethod
    @contextlib.contextmanager
    def open(cls, source: LogSpecification, plan: Plan, properties: LogProperties) -> Iterator[SparkLog]:
        """The log; what it holds in the cluster's memory is given back when the block ends.

        Work that still runs on the cluster when the block is left by KeyboardInterrupt is stopped (see `SparkJobs`).

        Raises:
            DataError: `XPB-D01` with Spark's words; `XPB-D78`, a file that the table reads has changed meanwhile; `XPB-D86` and
                `XPB-D87`, names of folders say something else than the table.
        """
        failures = _failures()
        held: SparkLog | None = None
        files = _files_of(source.log, failures)
        with SparkJobs(source.log.sparkSession).tagged(), one_moment(_local(files)):
            try:
                held = cls(source, plan, properties)
                held._place(files)
                if held._cuts:
                    held._normal = held._normal.localCheckpoint(eager=True)
                yield held
            except failures as error:
                reason = plain(_words(error))
                raise DataError("XPB-D01", what=plain("The log could not be read"), reason=reason) from error
            finally:
                for table in [] if held is None else held._held:
                    with contextlib.suppress(*failures):
                        table.unpersist()

    # -- the protocol ------------------------------------------------------------------------------------------------

    def frame(self, between: tuple[int, int] | None = None) -> nw.LazyFrame[Any]:
        """The events in normal form, of a stretch of time where one is given."""
        frame: nw.LazyFrame[Any] = nw.from_native(self._normal)
        if between is None:
            return frame
        early = None if self._cuts else self._between(between)
        return happened(frame, between) if early is None else nw.from_native(early)

    def _between(self, between: tuple[int, int]) -> Any:
        """Events of a stretch of time by the log's own column; None where that is not a timestamp in UTC or a time has no date.

        Spark compares it before it computes anything, and in Parquet looks it up in the statistics of the files.
        """
        name, kind = self._property(self.schema.time) or ("", "")
        if kind not in ("timestamp", "timestamp_ntz") or (kind == "timestamp_ntz" and self.source.time_zone != "UTC"):
            return None
        texts = []
        for at in between:
            if not 0 <= at < LAST:
                return None
            clock = (datetime(1970, 1, 1) + timedelta(microseconds=at)).isoformat(sep=" ")  # noqa: DTZ001 - as the column reads
            texts.append(f"timestamp_ntz'{clock}'" if kind == "timestamp_ntz" else f"timestamp_micros({at})")
        return self._columns(self.table.where(f"{name} >= {texts[0]} AND {name} < {texts[1]}"))

    def ends(self) -> tuple[int, int] | None:
        """Not known without reading."""
        return None

    def itemized(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """A row for every item of the events."""
        return frame.explode("items").rename({"items": "item"}).filter(~nw.col("item").is_null())

    def keep(self, frame: nw.LazyFrame[Any], name: str, near: str = "") -> nw.LazyFrame[Any]:
        """The rows of a frame, held in memory or on disk by Spark, in as many partitions as the size of the log asks for.

        Spark fixes the partitions of a table that it holds by the session's `spark.sql.shuffle.partitions`, 200 where nobody
        has set it, and never joins small ones together: each later query would be 200 tasks, however few the rows.
        Where ids are merged, the rows are held by a local checkpoint; Java gives its memory back when nobody refers to it.
        """
        table = frame.to_native()
        if self._rows is not None:
            parts = min(max(-(-self._rows // ROWS), 1), MOST_PARTITIONS)
            table = table.repartition(parts, near) if near else table.coalesce(parts)
        if self._cuts:
            table = table.localCheckpoint(eager=True)
        else:
            table = table.persist()
            self._held.append(table)
        kept: nw.LazyFrame[Any] = nw.from_native(table)
        return kept

    def numbered(self, kept: nw.LazyFrame[Any]) -> nw.LazyFrame[Any] | None:
        """None: a row that is computed again may get another number."""
        return None

    def brought(self, table: pa.Table, name: str) -> nw.LazyFrame[Any]:
        """The rows of a table of Arrow in the session."""
        schema = ", ".join(f"{_quote(n)} STRING" for n in table.column_names)
        rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        made: nw.LazyFrame[Any] = nw.from_native(self.table.sparkSession.createDataFrame(rows, schema))
        return made

    def release(self, name: str) -> None:
        """Nothing to do: Spark makes room by itself."""

    def keyed(self, frame: nw.LazyFrame[Any], columns: Sequence[str]) -> nw.LazyFrame[Any]:
        """The frame with a hash of columns."""
        key = f"CASE WHEN iid <> '' THEN xxhash64({', '.join(columns)}) END AS key"
        with_key: nw.LazyFrame[Any] = nw.from_native(frame.to_native().selectExpr("*", key))
        return with_key

    def write(self, units: nw.LazyFrame[Any], path: Path) -> None:
        """The unit table without ids as a Parquet file on this machine."""
        import pyarrow.parquet as pq

        pq.write_table(units.drop("u", "t0", strict=False).collect("pyarrow").to_native(), path, compression="zstd")

    def fingerprint(self) -> str:
        """SHA-256 over the events in normal form, whatever the order of the rows; other than DuckDB's.

        The pass over the log that it takes counts the events by name as well: see `counted`.
        """
        now = int(self.source.clock().timestamp() * SECOND)
        columns = ", ".join(["u", "event", "t", "iid", *self.properties.texts.values()])
        row_hash = f"xxhash64('xpbench.events.1', {columns})"
        asked = {
            "n": ("sum", "1"),
            "first": ("min", "t"),
            "last": ("max", f"CASE WHEN t <= {now} THEN t END"),
            "timed": ("count", "t"),
            "named": ("count", "u"),
            "late": ("sum", f"CASE WHEN arr - t > {LATE} THEN 1 ELSE 0 END"),
            "future": ("sum", f"CASE WHEN t > {now} THEN 1 ELSE 0 END"),
            # a sum of 64-bit numbers in three parts, none of which can overflow; sums of DECIMAL(38) take thrice as long
            "high": ("sum", f"shiftright({row_hash}, 42)"),
            "middle": ("sum", f"shiftright({row_hash}, 21) & 2097151"),
            "low": ("sum", f"{row_hash} & 2097151"),
            "mixed": ("bit_xor", row_hash),
        }
        texts = self.properties.texts
        for i, more in enumerate(([], *([p] for p in texts.values()))):
            alone = f"xxhash64({', '.join([repr('xpbench.events.2'), 'u', 'event', 't', 'iid', *more])})"
            asked |= {f"own{i}": ("bit_xor", alone), f"part{i}": ("sum", f"{alone} & 2097151")}
        table = self._normal.selectExpr("event", *(f"{expression} AS {name}" for name, (_, expression) in asked.items()))
        found = table.groupBy("event").agg({name: how for name, (how, _) in asked.items()}).collect()
        rows = [{"event": r["event"], **{name: r[f"{how}({name})"] for name, (how, _) in asked.items()}} for r in found]
        self._counted, self._rows = rows, sum(int(r["n"]) for r in rows)
        total = sum((int(r["high"]) << 42) + (int(r["middle"]) << 21) + int(r["low"]) for r in rows) if rows else None
        mixed = functools.reduce(operator.xor, (int(r["mixed"]) for r in rows)) if rows else None
        content = {"n": self._rows, "sum": str(total), "xor": str(mixed)}
        for i, name in enumerate(["", *texts]):
            own = functools.reduce(operator.xor, (int(r[f"own{i}"]) for r in rows), 0)
            low = sum(int(r[f"part{i}"]) for r in rows)
            self._content[name] = digest({"spark": [self._rows, str(own), str(low)]})[:32]
        return digest({"spark": content, "properties": list(texts)})

    def content(self) -> Mapping[str, str]:
        """Digest of the events and of each property, taken with the fingerprint."""
        return self._content

    def counted(self, now: int) -> list[dict[str, Any]] | None:
        """Events by name, as the pass for the fingerprint counts them."""
        if self._counted is None:
            self.fingerprint()
        return self._counted

    def sample(self, units: nw.LazyFrame[Any]) -> str:
        """None: it would cost a job of its own."""
        return ""

    def findings(self) -> list[Finding]:
        """What was counted when the log was opened."""
        return []

    # -- normal form -------------------------------------------------------------------------------------------------

    def _columns(self, table: Any) -> Any:
        """Events of the log in normal form."""
        schema = self.schema
        unit = schema.unit or self.plan.unit
        wanted = ((schema.event, "the event's name"), (schema.time, "the event's time"), (unit, "the plan's unit"))
        found: dict[str, tuple[str, str]] = {}
        for name, role in wanted:
            expression = self._property(name)
            if expression is None:
                raise DataError("XPB-D05", column=name, role=plain(role), hint=plain(column_hint(name, self.types)))
            found[name] = expression
        columns = [
            f"{_identity(*found[unit])} AS u",
            f"CAST({found[schema.event][0]} AS STRING) AS event",
            f"{self._time(*found[schema.time])} AS t",
        ]
        insert = self._insert_ids()
        self.has_insert_ids = bool(insert)
        iid = f"coalesce({', '.join(insert)}, '')" if insert else "''"
        columns.append(f"CASE WHEN {nothing_spark(iid)} THEN '' ELSE {iid} END AS iid")
        arrived = self._property(schema.arrived) if schema.arrived else None
        columns.append(f"{_microseconds(*arrived, 'auto')} AS arr" if arrived else "CAST(NULL AS BIGINT) AS arr")
        missing = set()
        for name, short in self.properties.texts.items():
            expression = self._property(name, of_plan=True)
            if expression is None:
                missing.add(name)
            text = _as_text(*expression, texts_of(self.plan)) if expression else "CAST(NULL AS STRING)"
            columns.append(f"{text} AS {short}")
            if name in self.properties.numbers:
                number = _as_number(*expression) if expression else "CAST(NULL AS DOUBLE)"
                columns.append(f"{number} AS {self.properties.numbers[name]}")
        exposure = self.plan.exposure
        if self.properties.items == "list":
            expression = self._property(exposure.list_property)
            items = _listed(*expression, exposure.list_separator) if expression else "CAST(NULL AS ARRAY<STRING>)"
            columns.append(f"{items} AS items")
        elif self.properties.items == "dictionary":
            columns.append(f"{self._pairs()} AS items")
        self.missing_properties = frozenset(missing)
        return table.selectExpr(*columns)

    def _insert_ids(self) -> list[str]:
        """Expressions of the insert id: columns of their own first, since a key of JSON seems to be there where it is not."""
        named = self.schema.insert_id
        if named is None:
            return []
        names = list(dict.fromkeys([named, "insert_id"]))
        own = [f"CAST({_quote(n)} AS STRING)" for n in names if n in self.types]
        keys = [f"CAST({found[0]} AS STRING)" for n in names if n not in self.types and (found := self._property(n))]
        if not own and not keys and named != type(self.schema)().insert_id:
            raise DataError("XPB-D05", column=named, role=plain("the insert id"), hint=plain(column_hint(named, self.types)))
        return own + keys

    def _property(self, name: str, *, of_plan: bool = False) -> tuple[str, str] | None:
        holder = self.schema.properties
        if name in self.placed and (own := self._in_properties(name)) is not None:
            text = f"CAST({own[0]} AS STRING)"
            return (
                f"CASE WHEN NOT {nothing_spark(trimmed_spark(text))} THEN {text} ELSE CAST({_quote(name)} AS STRING) END",
                "string",
            )
        if name in self.types and not (of_plan and holder in self.types and name in (self.schema.event, holder)):
            return _quote(name), self.types[name]
        return self._in_properties(name)

    def _in_properties(self, name: str) -> tuple[str, str] | None:
        """Expression and type of a property inside the column of properties."""
        holder = self.schema.properties
        kind = self.types.get(holder or "", "")
        if holder is None or not kind:
            return None
        if kind.startswith("struct<"):
            fields = dict(self.table.select(f"{_quote(holder)}.*").dtypes)
            return (f"{_quote(holder)}.{_quote(name)}", fields[name]) if name in fields else None
        if kind.startswith("map<"):
            return f"{_quote(holder)}[{_literal(name)}]", _value_type(kind)
        path = "$['" + name.replace("'", "\\'") + "']"
        return f"get_json_object({_quote(holder)}, {_literal(path)})", "string"

    def _pairs(self) -> str:
        """Items of a dictionary: every property that holds text, with its value."""
        holder = self.schema.properties
        kind = self.types.get(holder or "", "")
        pair = "e -> concat(e.key, char(31), CAST(e.value AS STRING))"
        if holder is not None and kind.startswith("map<"):
            return f"filter(transform(map_entries({_quote(holder)}), {pair}), x -> x IS NOT NULL)"
        if holder is not None and kind and not kind.startswith("struct<"):
            parsed = f"from_json({_quote(holder)}, 'map<string,variant>')"
            texts = f"map_filter({parsed}, (k, v) -> schema_of_variant(v) = 'STRING')"
            return f"transform(map_entries({texts}), {pair})"
        fields = {n: (_quote(n), t) for n, t in self.types.items()}
        if holder is not None and kind:
            inner = dict(self.table.select(f"{_quote(holder)}.*").dtypes)
            fields |= {n: (f"{_quote(holder)}.{_quote(n)}", t) for n, t in inner.items()}
        pairs = [f"concat({_literal(n)}, char(31), {e})" for n, (e, t) in fields.items() if t == "string"]
        return f"filter(array({', '.join(pairs) or 'CAST(NULL AS STRING)'}), x -> x IS NOT NULL)"

    def _time(self, name: str, kind: str) -> str:
        value = _microseconds(name, kind, self.schema.time_unit)
        zone = self.source.time_zone
        if zone != "UTC" and kind != "timestamp":
            moved = self._moved(value, zone)
            value = f"CASE WHEN {zoned_spark(trimmed_spark(name))} THEN {value} ELSE {moved} END" if kind == "string" else moved
        return f"CASE WHEN {value} >= {EARLIEST} AND {value} < {LATEST} THEN {value} END"

    @staticmethod
    def _moved(value: str, zone: str) -> str:
        """Microseconds of a clock in some zone as microseconds in UTC."""
        clock, z = f"timestamp_micros({value})", _literal(zone)
        first = f"to_utc_timestamp({clock}, {z})"
        # of two instants with one clock reading Spark takes the first; all other engines take the second
        second = " ".join(
            f"WHEN from_utc_timestamp({first} + INTERVAL {pause}, {z}) = {clock} THEN {first} + INTERVAL {pause}"
            for pause in ("1 HOUR", "30 MINUTE")
        )
        return f"unix_micros(CASE {second} ELSE {first} END)"


def _files_of(table: Any, failures: tuple[type[Exception], ...]) -> list[str]:
    """Addresses of the files that a table reads; none where it reads no files, or too many to look at each."""
    try:
        found = list(table.inputFiles())
    except failures:
        return []
    return found if len(found) <= MOST_FILES else []


def _local(files: Sequence[str]) -> list[str]:
    """Those on this machine, by their paths."""
    return [path_of(name) for name in files if urlsplit(name).scheme in ("", "file")]


def _failures() -> tuple[type[Exception], ...]:
    """What Spark raises: a job that fails on the cluster comes as an exception of the bridge to Java, where there is one."""
    from pyspark.errors import PySparkException

    try:
        from py4j.protocol import Py4JError
    except ImportError:  # a client of Spark Connect alone
        return (PySparkException,)
    return PySparkException, Py4JError


def _words(error: Exception) -> str:
    """The first line of what Spark says."""
    inner = getattr(error, "java_exception", None)
    text = str(error) if inner is None else str(inner.getMessage())
    return text.strip().split("\n", 1)[0][:300]


def _quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _microseconds(name: str, kind: str, unit: str) -> str:
    if kind == "timestamp":
        return f"unix_micros({name})"
    if kind in ("timestamp_ntz", "date"):
        return since_1970_spark(f"CAST({name} AS TIMESTAMP_NTZ)")
    if kind == "string":
        text = trimmed_spark(name)
        digits = text if unit == "auto" else ""
        return time_spark(text, number_time_sql(f"try_cast({text} AS DECIMAL(30, 6))", digits, unit, spark=True))
    if kind in _INTEGERS or kind in _REALS or kind.startswith("decimal"):
        digits = f"CAST({name} AS STRING)" if kind in _INTEGERS and unit == "auto" else ""
        return number_time_sql(f"try_cast({name} AS DECIMAL(30, 6))", digits, unit, spark=True)
    raise DataError("XPB-D05", column=name, role=plain("the event's time"), hint=plain(f"It is of type {kind}"))


def _value_type(kind: str) -> str:
    """The type of the values of a map: what is behind the comma that is inside no type of its own."""
    depth = 0
    inner = kind[len("map<") : -1]
    for i, letter in enumerate(inner):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and not depth:
            return inner[i + 1 :]
    raise AssertionError(kind)  # pragma: no cover


def _identity(name: str, kind: str) -> str:
    if kind in _INTEGERS:
        return f"CAST({name} AS BIGINT)"
    if kind in _REALS:
        return (
            f"CASE WHEN isnan({name}) THEN NULL WHEN {name} = floor({name}) AND abs({name}) < 9e15 "
            f"THEN CAST(CAST({name} AS BIGINT) AS STRING) ELSE CAST({name} AS STRING) END"
        )
    return name_spark(f"CAST({name} AS STRING)")


def _as_text(name: str, kind: str, said: Collection[str]) -> str:
    """A property as the name that it is (`xpbench.meaning.names`); lists and structs as JSON."""
    if kind in _REALS:
        return _identity(name, kind)
    if kind == "timestamp":  # as text it would hang on the session's zone
        clock = f"timestampadd(MICROSECOND, unix_micros({name}), timestamp_ntz'1970-01-01 00:00:00')"
        return f"CAST({clock} AS STRING) || '+00'"
    if kind in _INTEGERS or kind == "boolean":
        return f"CAST({name} AS STRING)"
    if kind.startswith(("array<", "struct<", "map<")):
        return f"to_json({name})"
    return name_spark(f"CAST({name} AS STRING)", said)


def _as_number(name: str, kind: str) -> str:
    if kind in _INTEGERS or kind == "boolean" or kind.startswith("decimal"):
        return f"CAST({name} AS DOUBLE)"
    if kind in _REALS or kind == "string":
        number = number_spark(name) if kind == "string" else f"CAST({name} AS DOUBLE)"
        return f"CASE WHEN isnan({number}) OR abs({number}) = double('Infinity') THEN NULL ELSE {number} END"
    return "CAST(NULL AS DOUBLE)"


def _listed(name: str, kind: str, separator: str) -> str:
    """Items of a list of `<experiment><separator><variant>` texts, cut at the first separator; a text is a list of one."""
    items = f"CAST({name} AS ARRAY<STRING>)"
    if not kind.startswith("array<"):
        # a plain text is read as a list with a null in it
        parsed = f"from_json({name}, 'array<string>')"
        items = f"CASE WHEN startswith(ltrim({name}), '[') THEN {parsed} WHEN {name} IS NOT NULL THEN array({name}) END"
    by = _literal(separator)
    first = f"substring_index(x, {by}, 1)"
    rest = f"substr(x, length({first}) + {len(separator) + 1})"
    return f"transform(filter({items}, x -> contains(x, {by})), x -> concat({first}, char(31), {rest}))"
