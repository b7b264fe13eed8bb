"""A log in the embedded engine: files, tables and relations brought into normal form."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import narwhals.stable.v2 as nw

from xpbench.canonical import digest
from xpbench.data.cache import digest_of_files
from xpbench.data.engines.duck_times import INTEGERS, REALS, microseconds_of, trimmed_name
from xpbench.data.engines.embedded import engine_name, from_parquet, literal, quote, unread
from xpbench.data.logs.log import MARK, LogProperties, column_hint, happened, stored_as, texts_of
from xpbench.data.logs.opening import kind_of, plain_frame
from xpbench.data.logs.placed import from_parts, placed, some_lack
from xpbench.data.summary import SAMPLED, Finding
from xpbench.errors import DataError, plain, shown
from xpbench.files import partition_names
from xpbench.interrupts import KeptFolder
from xpbench.meaning.names import name_sql, nothing_sql, odd_sql, trimmed_sql
from xpbench.meaning.nothing import is_nothing
from xpbench.meaning.numbers import number_sql
from xpbench.meaning.times import EARLIEST, LATEST, zoned_sql
from xpbench.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

    from xpbench.data.logs.specification import LogSpecification

FEW = 1_000_000
"""Events up to which every id of a Parquet file is looked at before ids are taken as they are written."""

FIRST_ROWS = 50_000
"""Of each file of a longer log."""

_FAR = 2**60
"""Microseconds; time stamps of the engine reach further."""


class DuckLog:
    """A log in DuckDB. See `Log`."""

    passes_are_dear = False

    def __init__(self, source: LogSpecification, plan: Plan, properties: LogProperties, connection: Any) -> None:
        self.source = source
        self.schema = source.schema
        self.plan = plan
        self.properties = properties
        self.run = connection
        self.engine = engine_name()
        self.missing_properties: frozenset[str] = frozenset()
        self.kind = "duckdb"
        self._files_digest = ""
        self._content: Mapping[str, str] = {}
        self.partitions: tuple[str, ...] = ()
        """Columns that only the names of folders hold."""
        self._folders: dict[str, str] = {}
        """Of JSON Lines: columns that names of folders hold, and where that text is in the source; events go before it."""
        self._findings: list[Finding] = []
        self._folder: KeptFolder | None = None
        self._copies: KeptFolder | None = None
        self._kept = 0
        self._tables: dict[str, list[str]] = {}
        self._table_of: dict[str, str] = {}
        self._stamp: str | None = None
        """Column of Parquet files that holds the time as a time stamp."""
        self._id = ""
        self._arrives = False
        self._select = ""
        self._source = "source"
        self._types: Mapping[str, str] = {}
        self._said = texts_of(plan)
        self.all("SET preserve_insertion_order = false")  # rows mean the same in any order, and are handled with less memory
        self._parquet = isinstance(source.log, list) and kind_of(source.log[0]) == "parquet"
        self._open()

    # -- the protocol ------------------------------------------------------------------------------------------------

    def frame(self, between: tuple[int, int] | None = None) -> nw.LazyFrame[Any]:
        """The events in normal form, of a stretch of time where one is given.

        Where times are stored as time stamps the stretch is compared with what is stored, which lets the engine pass over
        parts of a file by their statistics.
        """
        if between is None or self._stamp is None or not all(abs(us) < _FAR for us in between):
            return happened(_lazy(self.run.sql("SELECT * FROM normal")), between)
        begin, end = (f"make_timestamp({us})" for us in between)
        return _lazy(self.run.sql(f"{self._select} WHERE {self._stamp} >= {begin} AND {self._stamp} < {end}"))

    def ends(self) -> tuple[int, int] | None:
        """Earliest and latest time, where the statistics of Parquet files show that every event has a time and a unit."""
        if self._stamp is None or self._arrives:
            return None
        if any(self.all(f"SELECT count(*) FROM source WHERE {x} IS NULL")[0][0] for x in (self._stamp, self._id)):
            return None
        ((first, last),) = self.all(f"SELECT epoch_us(min({self._stamp})), epoch_us(max({self._stamp})) FROM source")
        return None if first is None or first < EARLIEST or last >= LATEST else (int(first), int(last))

    def counted(self, now: int) -> None:
        """None: the fingerprint counts nothing by name."""
        return

    def itemized(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """A row for every item of the events."""
        return frame.explode("items").rename({"items": "item"}).filter(~nw.col("item").is_null())

    def keep(self, frame: nw.LazyFrame[Any], name: str, near: str = "") -> nw.LazyFrame[Any]:
        """A temporary table with the rows of a frame."""
        self._kept += 1
        table = f"{name}_{self._kept}"
        self._tables.setdefault(name, []).append(table)
        self.all(f"CREATE TEMP TABLE {quote(table)} AS {frame.to_native().sql_query()}")
        relation = self.run.sql(f"SELECT * FROM {quote(table)}")
        self._table_of[relation.alias] = table
        return _lazy(relation)

    def numbered(self, kept: nw.LazyFrame[Any]) -> nw.LazyFrame[Any] | None:
        """The temporary table with the numbers that the engine gives its rows."""
        table = quote(self._table_of[kept.to_native().alias])
        return _lazy(self.run.sql(f'SELECT CAST(rowid AS UINTEGER) AS "no", * FROM {table}'))

    def brought(self, table: pa.Table, name: str) -> nw.LazyFrame[Any]:
        """A temporary table with the rows of one of Arrow."""
        self.run.register("handed", table)
        try:
            return self.keep(_lazy(self.run.sql("SELECT * FROM handed")), name)
        finally:
            self.run.unregister("handed")

    def release(self, name: str) -> None:
        """Drop temporary tables."""
        for table in self._tables.pop(name, []):
            self.all(f"DROP TABLE {quote(table)}")

    def keyed(self, frame: nw.LazyFrame[Any], columns: Sequence[str]) -> nw.LazyFrame[Any]:
        """The frame with a hash of columns."""
        key = f"CASE WHEN iid <> '' THEN hash({', '.join(columns)}) END AS key"
        return _lazy(self.run.sql(f"SELECT *, {key} FROM ({frame.to_native().sql_query()})"))

    def write(self, units: nw.LazyFrame[Any], path: Path) -> None:
        """The unit table without ids as a Parquet file."""
        query = units.drop("u", "t0", strict=False).to_native().sql_query()
        self.all(f"COPY ({query}) TO {literal(os.path.abspath(path))} (FORMAT parquet, COMPRESSION zstd)")

    def fingerprint(self) -> str:
        """SHA-256 over the events in normal form, whatever the order of the rows; of JSON Lines over the bytes that were read.

        Only the sum and the exclusive or of salted row hashes leave the engine, so that no id can be found again.
        """
        if self._files_digest:
            return self._files_digest
        event = [literal("xpbench.events.1"), "u", "event", "t", "iid"]
        texts = self.properties.texts
        hashed = [f"hash({', '.join([*event, *more])})" for more in (list(texts.values()), [], *([p] for p in texts.values()))]
        sums = ", ".join(f"sum({h}), bit_xor({h})" for h in hashed)
        ((rows, *found),) = self.all(f"SELECT count(*), {sums} FROM normal")
        pairs = [(str(a), str(b)) for a, b in zip(found[::2], found[1::2], strict=True)]
        self._content = {
            name: digest({"rows": rows, "sum": a, "xor": b})[:32] for name, (a, b) in zip(["", *texts], pairs[1:], strict=True)
        }
        return digest({"properties": list(texts), "rows": rows, "sum": pairs[0][0], "xor": pairs[0][1]})

    def content(self) -> Mapping[str, str]:
        """Digest of the events and of each property, taken with the fingerprint; none of files."""
        return self._content

    def sample(self, units: nw.LazyFrame[Any]) -> str:
        """The smallest hashes; another release may hash otherwise, so they go by the engine's name."""
        query = f"SELECT hash(u, variant) AS h FROM ({units.to_native().sql_query()}) ORDER BY h LIMIT {SAMPLED}"
        return f"{self.engine} {''.join(f'{h >> 32:08x}' for (h,) in self.all(query))}"

    def findings(self) -> list[Finding]:
        """What was counted when the log was opened."""
        return self._findings

    # -- opening -----------------------------------------------------------------------------------------------------

    def all(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a small result, read to the end: the engine allows one open result."""
        rows: list[tuple[Any, ...]] = self.run.execute(query).fetchall()
        return rows

    def _open(self) -> None:
        log = self.source.log
        text = False
        if isinstance(log, list):
            kind = kind_of(log[0])
            if kind == "jsonl":
                self._open_jsonl(log)
                text = True
            elif kind == "csv":
                self._open_csv(log)
                text = True
            else:
                self._open_parquet(log)
        elif isinstance(log, duckdb.DuckDBPyRelation):
            self.run.register("handed", log.to_arrow_reader(100_000))
            self.all("CREATE TEMP TABLE source AS SELECT * FROM handed")
            self.run.unregister("handed")
        else:
            frame = nw.from_native(log)
            if isinstance(frame, nw.LazyFrame):
                frame = frame.collect("pyarrow")
            self.run.register("source", plain_frame(frame, self._mixed))
        types = {r[0]: str(r[1]) for r in self.all("DESCRIBE SELECT * FROM source")}
        self._normal(types, text=text)

    def _wanted(self) -> list[str]:
        """What the plan and the schema name."""
        schema = self.schema
        names = [schema.event, schema.time, schema.unit or self.plan.unit, schema.insert_id, schema.arrived]
        return [name for name in [*names, *self.properties.texts] if name is not None]

    def _open_parquet(self, paths: Sequence[str]) -> None:
        if any("=" in Path(p).parent.as_posix() for p in paths):
            try:
                known = [str(r[0]) for r in self.all(f"DESCRIBE SELECT * FROM {from_parquet(paths)}")]
            except duckdb.Error as error:
                raise unread("The log could not be read", error) from error
            wanted = self._wanted()
            self.partitions = tuple(n for n in partition_names(paths, known) if n in wanted)
        self._view(f"SELECT * FROM {from_parquet(paths, self.partitions)}")

    def _open_csv(self, paths: Sequence[str]) -> None:
        from xpbench.data.jsonl.strict_json_reader import declared_once
        from xpbench.sheets.select import load, names_of, sheets_of

        self._copies = KeptFolder()
        sheets = sheets_of(paths, self._copies.name, (self.schema.event, self.schema.time, self.schema.unit or self.plan.unit))
        names = names_of(sheets)
        for name in names:
            if name and names.count(name) > 1:
                raise DataError("XPB-D06", column=name, times=names.count(name))
        wanted = self._wanted()
        self.partitions = tuple(n for n in partition_names(paths, names) if n in wanted)
        short = {name: quote(name) for name in [*names, *self.partitions] if name}
        if twice := declared_once(short):
            raise DataError("XPB-D41", first_name=twice[0], second_name=twice[1])
        load(self.run, "raw", sheets, short, self._copies.name, duckdb.Error)
        kept = ", ".join(f"CASE WHEN {self._is_value(q, self._said)} THEN {q} END AS {q}" for q in short.values())
        self._view(f"SELECT {kept} FROM raw")

    @staticmethod
    def _is_value(name: str, said: Collection[str]) -> str:
        """Whether a cell of a CSV is a value: it is not a word for nothing, or the plan says that word."""
        short = trimmed_sql(name)
        words = ", ".join(literal(w) for w in sorted(said) if is_nothing(w))
        return f"(NOT {nothing_sql(short)}" + (f" OR {short} IN ({words}))" if words else ")")

    def _view(self, query: str) -> None:
        try:
            self.all(f"CREATE TEMP VIEW source AS {query}")
        except duckdb.Error as error:
            raise unread("The log could not be read", error) from error

    def _open_jsonl(self, paths: Sequence[str]) -> None:
        from xpbench.data.jsonl.ingestion import Ingestion, holds_list, keys_of
        from xpbench.sheets.unpack import lines_file

        self._folder = KeptFolder()
        names = [*self.properties.texts]
        unit = self.schema.unit or self.plan.unit
        files = [Path(lines_file(p, self._folder.name)) for p in paths]
        own = (self.schema.event, self.schema.time)  # a line without them is not an event
        named = [n for n in partition_names(paths, own) if n in self._wanted()]
        self._folders = {name: quote(f"$folder {i}") for i, name in enumerate(named)}
        keeps_all = self.properties.items == "dictionary" or holds_list(files[0], self.schema.properties)
        ingestion = Ingestion(
            files,
            Path(self._folder.name) / "events",
            None if keeps_all else [*names, *([unit] if unit not in names else [])],
            replace(self.schema, unit=unit) if keeps_all else self.schema,
            self.source.engine,
            known=None if self.source.cache is None else self.source.cache.known(paths),
        )
        report = ingestion.run()
        self._files_digest = digest_of_files(report.files)
        self._findings += report.findings()
        if not report.rows:
            fitting = column_hint("", keys_of(files[0]))
            more = f". {fitting}" if fitting.startswith("The log fits") else ""
            raise DataError("XPB-D07", what=plain(f"The log has no readable event: {report.told()}{more}"))
        whole = f", properties AS {quote(self.schema.properties or 'properties')}" if keeps_all else ""
        columns = f"* EXCLUDE (properties){whole}" if whole else "*"
        parts = dict(zip(paths, ingestion.parts(), strict=True))
        self._view(f"SELECT {columns} FROM {from_parts(parts, self._folders)}")

    def close(self) -> None:
        """Remove what was written while reading."""
        for folder in (self._folder, self._copies):
            if folder is not None:
                folder.cleanup()

    def _mixed(self, column: str, kinds: Mapping[str, int]) -> None:
        most = max(kinds.values())
        words = ", ".join(f"{v:,} {k}" for k, v in sorted(kinds.items(), key=lambda p: (-p[1], p[0])))
        name = "mixed_ids" if column == (self.schema.unit or self.plan.unit) else "mixed_types"
        self._findings.append(
            Finding(
                name,
                sum(kinds.values()) - most,
                sum(kinds.values()),
                "compared as text",
                detail=f"Column {shown(column)} holds {words}.",
            )
        )

    # -- normal form -------------------------------------------------------------------------------------------------

    def _normal(self, types: Mapping[str, str], *, text: bool) -> None:
        """Make the view or table `normal`."""
        schema = self.schema
        self._types = types = self._whole_properties(types)
        self._agree_with_folders(types)
        unit = schema.unit or self.plan.unit
        for name, role in ((schema.event, "the event's name"), (schema.time, "the event's time")):
            if name not in types and self._property(name, types) is None:
                raise DataError("XPB-D05", column=name, role=plain(role), hint=plain(column_hint(name, types)))
        id_expression = self._property(unit, types)
        if id_expression is None:
            raise DataError("XPB-D05", column=unit, role=plain("the plan's unit"), hint=plain(column_hint(unit, types)))
        id_name, id_type = id_expression
        missing = set()
        columns = [
            f"{self._unit(id_name, id_type)} AS u",
            f"CAST({self._found(schema.event, types)[0]} AS VARCHAR) AS event",
            f"{self._time(*self._found(schema.time, types))} AS t",
        ]
        insert = self._insert_ids(types)
        self.has_insert_ids = bool(insert)
        iid = f"coalesce({', '.join(insert)})" if len(insert) > 1 else "".join(insert)
        columns.append(
            f"coalesce(CASE WHEN NOT {nothing_sql(trimmed_sql(iid))} THEN {iid} END, '') AS iid" if insert else "'' AS iid"
        )
        arrived = self._property(schema.arrived, types) if schema.arrived else None
        columns.append(f"{microseconds_of(*arrived, 'auto')} AS arr" if arrived else "CAST(NULL AS BIGINT) AS arr")
        u = columns[0].rsplit(" AS ", 1)[0]
        for name, short in self.properties.texts.items():
            found = self._property(name, types, of_plan=True)
            if found is None:
                missing.add(name)
                columns.append(f"CAST(NULL AS VARCHAR) AS {short}")
            else:
                columns.append(f"{self._text(*found)} AS {short}")
            if name in self.properties.numbers:
                number = "CAST(NULL AS DOUBLE)" if found is None else _as_number(*found)
                columns.append(f"{number} AS {self.properties.numbers[name]}")
        exposure = self.plan.exposure
        if self.properties.items == "list":
            found = self._property(exposure.list_property, types)
            items = "CAST(NULL AS VARCHAR[])" if found is None else _listed(*found, exposure.list_separator)
            columns.append(f"{items} AS items")
        elif self.properties.items == "dictionary":
            columns.append(f"{self._pairs(types)} AS items")
        self.missing_properties = frozenset(missing)
        table = "TABLE" if text and not self._folder else "VIEW"  # text is parsed once
        self._select = f"SELECT {', '.join(columns)} FROM {self._source}"
        name, kind = self._found(schema.time, types)
        if self._parquet and name == quote(schema.time) and kind == "TIMESTAMP" and self.source.time_zone == "UTC":
            self._stamp = name
        self._id, self._arrives = u, arrived is not None
        self.all(f"CREATE TEMP {table} normal AS {self._select}")

    def _unit(self, name: str, kind: str) -> str:
        """Expression of the id."""
        return name if self._is_plain(name, kind, few=FIRST_ROWS) else _identity(name, kind)

    def _text(self, name: str, kind: str) -> str:
        """Expression of a property as the name that it is."""
        return name if self._is_plain(name, kind) else _as_text(name, kind, self._said)

    def _is_plain(self, name: str, kind: str, *, few: int = 0) -> bool:
        """Whether every text of a column of Parquet is its own name: then the engine can use what files say of the column.

        Args:
            name: Of the column, quoted.
            kind: Its type.
            few: In a long log only the first rows of each file are looked at, since ids have no dictionary: other spellings
                come with a whole source.
        """
        if not (self._parquet and kind == "VARCHAR" and name in map(quote, self._types)):
            return False
        ((rows,),) = self.all(f"SELECT count(*) FROM {self._source}")  # files know it
        parts = [self._source]
        if few and rows > FEW:
            parts = [f"(SELECT {name} FROM {from_parquet([path])} LIMIT {few})" for path in self.source.log]
        return not any(self.all(f"SELECT 1 FROM {part} WHERE {odd_sql(name)} LIMIT 1") for part in parts)

    def _whole_properties(self, types: Mapping[str, str]) -> Mapping[str, str]:
        """Cells of properties that are not JSON are reported, and hold nothing; the engine would refuse the whole log.

        A list of key and value becomes an object of them.
        """
        holder = self.schema.properties
        kind = types.get(holder or "", "")
        if holder is None or not (kind in ("VARCHAR", "JSON") or kind.startswith("ENUM")):
            return types
        text = f"CAST({quote(holder)} AS VARCHAR)"
        whole = f"CASE WHEN json_valid({text}) THEN {text} END"
        ((broken, of, lists, example),) = self.all(
            f"SELECT count_if({text} IS NOT NULL AND NOT json_valid({text})), count(*), "
            f"count_if(json_type({whole}) = 'ARRAY'), "
            f"min({text}) FILTER (NOT json_valid({text}) AND NOT {nothing_sql(trimmed_sql(text))}) FROM source"
        )
        if broken or lists:
            held = _object_of(whole) if lists else whole
            self.all(f"CREATE TEMP VIEW whole AS SELECT * REPLACE ({held} AS {quote(holder)}) FROM source")
            self._source = "whole"
        if broken:
            such = f", such as {shown(str(example)[:60])}" if example is not None else ""
            detail = f"Column {shown(holder)} holds no JSON there{such}."
            self._findings.append(Finding("broken_properties", int(broken), int(of), "read without properties", detail=detail))
        return types

    def _insert_ids(self, types: Mapping[str, str]) -> list[str]:
        """Expressions of the insert id: columns of their own first, since a key of JSON seems to be there where it is not.

        Raises:
            DataError: `XPB-D05`, one that was named is not there.
        """
        named = self.schema.insert_id
        if named is None:
            return []
        names = list(dict.fromkeys([named, "insert_id"]))
        own = [f"CAST({quote(n)} AS VARCHAR)" for n in names if n in types]
        keys = [f"CAST({found[0]} AS VARCHAR)" for n in names if n not in types and (found := self._property(n, types))]
        if not own and not keys and named != type(self.schema)().insert_id:
            raise DataError("XPB-D05", column=named, role=plain("the insert id"), hint=plain(column_hint(named, types)))
        return own + keys

    def _found(self, name: str, types: Mapping[str, str]) -> tuple[str, str]:
        found = self._property(name, types)
        if found is None:  # pragma: no cover - checked before
            raise DataError("XPB-D05", column=name, role=plain("an event"), hint=plain(column_hint(name, types)))
        return found

    def _agree_with_folders(self, types: Mapping[str, str]) -> None:
        """Of JSON Lines: an event that holds what the name of its folder holds, too, holds the same.

        Raises:
            DataError: `XPB-D86`, one holds something else.
        """
        for name, folder in self._folders.items():
            own = self._of_events(name, types, of_plan=True)
            if own is None or some_lack(self.run, self._source, name, f"CAST({own[0]} AS VARCHAR)", folder):
                self.partitions += (name,)

    def _property(self, name: str, types: Mapping[str, str], *, of_plan: bool = False) -> tuple[str, str] | None:
        """Expression and type of a property: what the event holds, or the name of its folder where the event has none.

        Args:
            name: Of the property.
            types: Of the columns.
            of_plan: It is a property that the plan names: the event's name and the properties themselves are none.
        """
        own = self._of_events(name, types, of_plan=of_plan)
        if name not in self.partitions or name not in self._folders:
            return own
        if own is None:
            return self._folders[name], "VARCHAR"
        return placed(f"CAST({own[0]} AS VARCHAR)", self._folders[name]), "VARCHAR"

    def _of_events(self, name: str, types: Mapping[str, str], *, of_plan: bool = False) -> tuple[str, str] | None:
        """Expression and type of a property: a column of its own, or a key of the column of properties."""
        holder = self.schema.properties
        if of_plan and stored_as(name, self.schema) in types:
            return quote(stored_as(name, self.schema)), types[stored_as(name, self.schema)]
        structural = of_plan and holder in types and name in (self.schema.event, holder)
        if name in types and not structural:
            return quote(name), types[name]
        if holder is None or holder not in types:
            return None
        kind = types[holder]
        if kind.startswith("STRUCT(") and not kind.endswith("[]"):
            fields = {r[0]: str(r[1]) for r in self.all(f"DESCRIBE SELECT unnest({quote(holder)}) FROM source LIMIT 0")}
            if name not in fields:
                return None
            return f"struct_extract({quote(holder)}, {literal(name)})", fields[name]
        if kind.startswith("MAP("):
            return f"CAST({quote(holder)}[{literal(name)}] AS VARCHAR)", "VARCHAR"
        if kind.endswith("[]"):
            return self._of_list(holder, name), "VARCHAR"
        path = '$."' + name.replace('"', '\\"') + '"'
        return f"json_extract_string({quote(holder)}, {literal(path)})", "VARCHAR"

    def _of_list(self, holder: str, name: str) -> str:
        """A property in a list of key and value, as GA4 writes `event_params`; the value may be one of several types.

        Raises:
            DataError: `XPB-D05`, the list is of something else.
        """
        inner = (
            {
                r[0]: str(r[1])
                for r in self.all(f"DESCRIBE SELECT unnest(x) FROM (SELECT unnest({quote(holder)}) AS x FROM source) LIMIT 0")
            }
            if _is_of_structs(self._types[holder])
            else {}
        )
        key = next((k for k in inner if k.lower() in ("key", "name")), None)
        value = next((k for k in inner if k.lower() == "value"), None)
        if key is None or value is None:
            role = plain("the properties")
            hint = plain("It is a list, but not of key and value. Make a map, JSON or columns of it")
            raise DataError("XPB-D05", column=holder, role=role, hint=hint)
        one = f"list_filter({quote(holder)}, lambda x: x.{quote(key)} = {literal(name)})[1].{quote(value)}"
        if not inner[value].startswith("STRUCT("):
            return f"CAST({one} AS VARCHAR)"
        fields = self.all(
            f"DESCRIBE SELECT unnest(x.{quote(value)}) FROM (SELECT unnest({quote(holder)}) AS x FROM source) LIMIT 0"
        )
        reals = [f"{one}.{quote(str(r[0]))}" for r in fields if str(r[1]) in REALS]
        others = [f"{one}.{quote(str(r[0]))}" for r in fields if str(r[1]) not in REALS]
        texts = [f"CAST({x} AS VARCHAR)" for x in others] + [_identity(x, "DOUBLE") for x in reals]
        return f"coalesce({', '.join(texts)})"

    def _pairs(self, types: Mapping[str, str]) -> str:
        """Items of a dictionary: every property that holds text, with its value."""
        holder = self.schema.properties
        kind = types.get(holder or "", "")
        mark = literal(MARK)
        if holder is not None and kind and not kind.startswith(("STRUCT(", "MAP(")):
            text = f"CASE WHEN json_valid({quote(holder)}) THEN {quote(holder)} END"
            path = "'$.\"' || replace(k, '\"', '\\\"') || '\"'"
            value = f"json_extract_string({quote(holder)}, {path})"
            pair = f"CASE WHEN json_type({quote(holder)}, {path}) = 'VARCHAR' THEN k || {mark} || {value} END"
            return f"list_filter(list_transform(json_keys({text}), lambda k: {pair}), lambda x: x IS NOT NULL)"
        if holder is not None and kind.startswith("MAP("):
            pair = f"CAST(k AS VARCHAR) || {mark} || CAST({quote(holder)}[k] AS VARCHAR)"
            return f"list_filter(list_transform(map_keys({quote(holder)}), lambda k: {pair}), lambda x: x IS NOT NULL)"
        fields = {n: (quote(n), t) for n, t in types.items()}
        if holder is not None and kind:
            inner = {r[0]: str(r[1]) for r in self.all(f"DESCRIBE SELECT unnest({quote(holder)}) FROM source LIMIT 0")}
            fields |= {n: (f"struct_extract({quote(holder)}, {literal(n)})", t) for n, t in inner.items()}
        texts = [f"{literal(n + MARK)} || {e}" for n, (e, t) in fields.items() if t == "VARCHAR" or t.startswith("ENUM")]
        return f"list_filter([{', '.join(texts)}]::VARCHAR[], lambda x: x IS NOT NULL)"

    def _time(self, name: str, kind: str) -> str:
        """Microseconds since 1970, null for what is not a time, or one from before there were logs."""
        zone = self.source.time_zone
        value = microseconds_of(name, kind, self.schema.time_unit)
        if zone != "UTC" and kind != "TIMESTAMP WITH TIME ZONE":
            moved = f"epoch_us(make_timestamp({value}) AT TIME ZONE {literal(zone)})"
            text = kind == "VARCHAR" or kind.startswith("ENUM")
            value = f"CASE WHEN {zoned_sql(trimmed_name(name))} THEN {value} ELSE {moved} END" if text else moved
        return f"CASE WHEN {value} >= {EARLIEST} AND {value} < {LATEST} THEN {value} END"


def _object_of(text: str) -> str:
    """JSON of an object, where a text is a list of key and value, whose value may be one of several types, as of GA4."""
    kinds = ("string_value", "int_value", "float_value", "double_value")
    several = ", ".join(f"nullif(CAST(json_extract(e.value, '$.{k}') AS VARCHAR), 'null')" for k in kinds)
    value = f"CASE WHEN json_type(e.value) = 'OBJECT' THEN coalesce({several}, 'null') ELSE CAST(e.value AS VARCHAR) END"
    pair = f"CAST(to_json(e.key) AS VARCHAR) || ':' || coalesce({value}, 'null')"
    items = f'from_json({text}, \'[{{"key":"VARCHAR","value":"JSON"}}]\')'
    pairs = f"list_transform(list_filter({items}, lambda e: e.key IS NOT NULL), lambda e: {pair})"
    return f"CASE WHEN json_type({text}) = 'ARRAY' THEN '{{' || array_to_string({pairs}, ',') || '}}' ELSE {text} END"


def _is_of_structs(kind: str) -> bool:
    return kind.startswith("STRUCT(") and kind.endswith("[]")


def _lazy(relation: Any) -> nw.LazyFrame[Any]:
    frame: nw.LazyFrame[Any] = nw.from_native(relation)
    return frame


def _identity(name: str, kind: str) -> str:
    if kind in INTEGERS and kind not in ("HUGEINT", "UBIGINT"):
        return f"CAST({name} AS BIGINT)"
    if kind in REALS:
        return (
            f"CASE WHEN isnan({name}) THEN NULL WHEN {name} = floor({name}) AND abs({name}) < 9e15 "
            f"THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        )
    return name_sql(f"CAST({name} AS VARCHAR)")


def _as_text(name: str, kind: str, said: Collection[str]) -> str:
    """A property as the name that it is (`xpbench.meaning.names`); lists and structs as JSON."""
    if kind in REALS:
        return _identity(name, kind)
    if kind in INTEGERS or kind == "BOOLEAN":
        return f"CAST({name} AS VARCHAR)"
    if kind.endswith("]") or kind.startswith(("STRUCT(", "MAP(")):
        return f"CAST(to_json({name}) AS VARCHAR)"
    return name_sql(f"CAST({name} AS VARCHAR)", said)


def _as_number(name: str, kind: str) -> str:
    if kind in REALS or kind in INTEGERS or kind == "BOOLEAN" or kind.startswith("DECIMAL"):
        number = f"CAST({name} AS DOUBLE)"
    elif kind == "VARCHAR" or kind.startswith("ENUM"):
        number = number_sql(trimmed_sql(f"CAST({name} AS VARCHAR)"))
    else:
        return "CAST(NULL AS DOUBLE)"
    is_exact = kind in INTEGERS or kind == "BOOLEAN" or kind.startswith("DECIMAL")
    return number if is_exact else f"CASE WHEN isfinite({number}) THEN {number} END"


def _listed(name: str, kind: str, separator: str) -> str:
    """Items of a list of `<experiment><separator><variant>` texts, cut at the first separator; a text is a list of one."""
    items = f"CAST({name} AS VARCHAR[])"
    if not kind.endswith("[]"):
        items = f"coalesce(from_json(CASE WHEN json_valid({name}) THEN {name} END, '[\"VARCHAR\"]'), [CAST({name} AS VARCHAR)])"
    by = literal(separator)
    rest = f"substr(x, length(split_part(x, {by}, 1)) + {len(separator) + 1})"
    kept = f"list_filter({items}, lambda x: contains(x, {by}))"
    return f"list_transform({kept}, lambda x: split_part(x, {by}, 1) || {literal(MARK)} || {rest})"
