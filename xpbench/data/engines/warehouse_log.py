"""A log in an SQL warehouse, reached through Ibis: one row per event, properties as columns or as keys of a JSON column.

Proven on Postgres; for BigQuery and Snowflake the queries are only compiled (see docs/data.md). Only this file and `dialects`
speak Ibis; everything after the normal form is the same narwhals code as on DuckDB.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from xpbench.canonical import digest
from xpbench.data.engines import dialects
from xpbench.data.engines.embedded import first_line, unread
from xpbench.data.logs.log import MARK, EventSchema, LogProperties, column_hint, happened, texts_of
from xpbench.data.summary import Finding
from xpbench.errors import DataError, plain
from xpbench.meaning.times import EARLIEST, LATEST
from xpbench.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

    from xpbench.data.logs.specification import LogSpecification


NO_RIGHT = ("42501", "25006")
"""States of SQL: insufficient privilege, and a transaction that is read-only."""


class WarehouseLog:
    """A log in a warehouse. See `Log`. Temporary tables are dropped when it is closed."""

    passes_are_dear = True

    def __init__(self, source: LogSpecification, plan: Plan, properties: LogProperties) -> None:
        self.backend = source.log.get_backend()
        self.kind = str(self.backend.name)
        self.engine = f"{self.kind} {self.backend.version}"
        self.properties = properties
        self._held: list[str] = []
        self._content: dict[str, str] = {}
        form = NormalForm(source, plan, properties, dialect=self.kind)
        # every later question goes to what this one statement has read: rows that arrive meanwhile are in none of the answers
        normal = form.table()
        in_json = "items" in normal.columns and normal["items"].type().is_json()
        if in_json:  # a table of the session is given text for JSON
            normal = normal.mutate(items=normal["items"].cast("string"))
        self.normal = self.keep(nw.from_native(normal), "log").to_native()
        if in_json:
            self.normal = self.normal.mutate(items=dialects.as_json(self.normal["items"], self.kind))
        self.missing_properties: frozenset[str] = frozenset(form.missing)
        self.has_insert_ids = form.has_insert_ids
        self._separator = plan.exposure.list_separator

    @classmethod
    @contextlib.contextmanager
    def open(cls, source: LogSpecification, plan: Plan, properties: LogProperties) -> Iterator[WarehouseLog]:
        """The log; its temporary tables are dropped when the block ends.

        Raises:
            DataError: `XPB-D01` with the server's words; `XPB-D84`, the role has no right to what is needed.
        """
        held: WarehouseLog | None = None
        try:
            held = cls(source, plan, properties)
            yield held
        except Exception as error:
            if isinstance(error, DataError) or not _is_of_a_database(error):
                raise
            if getattr(error, "sqlstate", None) in NO_RIGHT:
                raise DataError("XPB-D84", reason=first_line(error)) from error
            raise unread("The log could not be read", error) from error
        finally:
            for name in [] if held is None else held._held:
                with contextlib.suppress(Exception):  # when the connection is gone, so are they
                    held.backend.raw_sql(f'DROP TABLE "{name}"').close()  # type: ignore[union-attr]

    def frame(self, between: tuple[int, int] | None = None) -> nw.LazyFrame[Any]:
        """The events in normal form, of a stretch of time where one is given."""
        frame: nw.LazyFrame[Any] = nw.from_native(self.normal)
        return happened(frame, between)

    def ends(self) -> tuple[int, int] | None:
        """Not known without reading."""
        return None

    def counted(self, now: int) -> None:
        """None: the fingerprint counts nothing by name."""
        return

    def itemized(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """A row for every item of the events; computed at once, since a row that becomes several can't be filtered first."""
        events = frame.to_native()
        found = dialects.unfolded(events.items, self.properties.items, self.kind)
        others = [events[name] for name in events.columns if name != "items"]
        rows = self.keep(nw.from_native(events.select(*others, raw=found[0], holder=found[1])), "items").to_native()
        holder = None if events.items.type().is_array() else rows.holder
        item = dialects.item_of(rows.raw, holder, self.properties.items, self._separator, self.kind)
        items: nw.LazyFrame[Any] = nw.from_native(rows.mutate(item=item).drop("raw", "holder"))
        return items.filter(~nw.col("item").is_null())

    def keep(self, frame: nw.LazyFrame[Any], name: str, near: str = "") -> nw.LazyFrame[Any]:
        """A temporary table of the session with the rows of a frame."""
        table = f"xpbench_{name}_{uuid.uuid4().hex[:12]}"
        self._held.append(table)
        kept: nw.LazyFrame[Any] = nw.from_native(self.backend.create_table(table, frame.to_native(), temp=True))
        return kept

    def numbered(self, kept: nw.LazyFrame[Any]) -> nw.LazyFrame[Any] | None:
        """None: not every server numbers the rows of a table."""
        return None

    def brought(self, table: pa.Table, name: str) -> nw.LazyFrame[Any]:
        """A temporary table of the session with the rows of one of Arrow."""
        made = f"xpbench_{name}_{uuid.uuid4().hex[:12]}"
        self._held.append(made)
        kept: nw.LazyFrame[Any] = nw.from_native(self.backend.create_table(made, table, temp=True))
        return kept

    def release(self, name: str) -> None:
        """Nothing to do: the tables are the server's, and dropped at the end."""

    def keyed(self, frame: nw.LazyFrame[Any], columns: Sequence[str]) -> nw.LazyFrame[Any]:
        """The frame with the columns joined to one text."""
        import ibis

        table = frame.to_native()
        bar = ibis.literal("|")
        key = reduce(lambda a, b: a + bar + b, (table[name].cast("string") for name in columns))
        with_key: nw.LazyFrame[Any] = nw.from_native(
            table.mutate(key=ibis.ifelse(table["iid"] != "", key, ibis.null("string")))
        )
        return with_key

    def write(self, units: nw.LazyFrame[Any], path: Path) -> None:
        """The unit table without ids as a Parquet file on this machine."""
        import pyarrow.parquet as pq

        pq.write_table(units.drop("u", "t0", strict=False).collect("pyarrow").to_native(), path, compression="zstd")

    def fingerprint(self) -> str:
        """SHA-256 over the events in normal form, whatever the order of the rows; other than that of another engine.

        Only the number of rows, and the sum and the exclusive or of 64-bit row hashes leave the server.
        """
        event, texts = ["u", "event", "t", "iid"], self.properties.texts
        row = dialects.row_hashes(self.normal, [*event, *texts.values()], event, *([*event, p] for p in texts.values()))
        found = row.to_pyarrow().to_pylist()[0]

        def told(i: int) -> dict[str, Any]:
            return {"rows": int(found["n"]), "sum": str(found[f"total{i}"]), "xor": str(found[f"mixed{i}"])}

        self._content = {name: digest({"warehouse": told(i + 1)})[:32] for i, name in enumerate(["", *texts])}
        return digest({"warehouse": told(0), "kind": self.kind, "properties": list(texts)})

    def content(self) -> Mapping[str, str]:
        """Digest of the events and of each property, taken with the fingerprint."""
        return self._content

    def sample(self, units: nw.LazyFrame[Any]) -> str:
        """None: it would cost a job of its own."""
        return ""

    def findings(self) -> list[Finding]:
        """What was counted when the log was opened."""
        return []


def _is_of_a_database(error: Exception) -> bool:
    """Whether an exception comes from a driver (whose errors descend from an `Error`, by PEP 249)."""
    names = {f"{c.__module__.split('.')[0]}.{c.__name__}" for c in type(error).__mro__}
    return any(n.endswith((".Error", ".GoogleAPICallError")) for n in names)


class NormalForm:
    """The log in normal form as an Ibis table; nothing runs.

    Raises:
        DataError: `XPB-D05`, a column is missing; `XPB-D43`, what a warehouse table can't do.
    """

    def __init__(self, source: LogSpecification, plan: Plan, properties: LogProperties, *, dialect: str) -> None:
        self.log = source.log
        self.schema: EventSchema = source.schema
        self.zone = source.time_zone
        self.plan = plan
        self.properties = properties
        self.dialect = dialect
        self.missing: set[str] = set()
        self.has_insert_ids = False

    def table(self) -> Any:
        """The normal form."""
        import ibis

        schema = self.schema
        unit = schema.unit or self.plan.unit
        found: dict[str, Any] = {}
        for name, role in ((schema.event, "the event's name"), (schema.time, "the event's time"), (unit, "the plan's unit")):
            value = self.property(name)
            if value is None:
                raise DataError("XPB-D05", column=name, role=plain(role), hint=plain(column_hint(name, self.log.columns)))
            found[name] = value
        u = found[unit]
        u = u.cast("int64") if u.type().is_integer() else dialects.name(u, (), self.dialect)
        insert = self.insert_ids()
        self.has_insert_ids = insert is not None
        event, t = found[schema.event].cast("string"), self.time(found[schema.time])
        iid = ibis.literal("") if insert is None else dialects.value_or_null(insert, self.dialect).fill_null("")
        columns = {"u": u, "event": event, "t": t, "iid": iid}
        said = texts_of(self.plan)
        arrived = self.property(schema.arrived) if schema.arrived else None
        columns["arr"] = ibis.null("int64") if arrived is None else dialects.microseconds(arrived, "auto", self.dialect)
        for name, short in self.properties.texts.items():
            value = self.property(name, of_plan=True)
            if value is None:
                self.missing.add(name)
            columns[short] = ibis.null("string") if value is None else dialects.name(value, said, self.dialect)
            if name in self.properties.numbers:
                number = ibis.null("float64") if value is None else dialects.number(value, self.dialect)
                columns[self.properties.numbers[name]] = number
        if self.properties.items:
            columns["items"] = self.items()
        return self.log.select(**columns)

    def insert_ids(self) -> Any:
        """The insert id as text: columns of their own first, then keys of the properties; None where there is none.

        Raises:
            DataError: `XPB-D05`, one that was named is not there.
        """
        import ibis

        named, columns = self.schema.insert_id, self.log.columns
        if named is None:
            return None
        names = sorted(dict.fromkeys([named, "insert_id"]), key=lambda n: n not in columns)
        found = [value.cast("string") for n in names if (value := self.property(n)) is not None]
        if not found and named != EventSchema().insert_id:
            raise DataError("XPB-D05", column=named, role=plain("the insert id"), hint=plain(column_hint(named, columns)))
        return ibis.coalesce(*found) if found else None

    def property(self, name: str, *, of_plan: bool = False) -> Any:
        """A column of its own, or a key of the column of properties as text; None where there is neither.

        Args:
            name: Of the property.
            of_plan: The plan names it: the event's name and the properties themselves are none.
        """
        holder = self.schema.properties
        if name in self.log.columns and not (of_plan and holder in self.log.columns and name in (self.schema.event, holder)):
            return self.log[name]
        if holder is None or holder not in self.log.columns:
            return None
        kind = self.log[holder].type()
        if kind.is_struct():
            return self.log[holder][name] if name in kind.names else None
        return dialects.member(self.log[holder], name, self.dialect)

    def time(self, value: Any) -> Any:
        """Microseconds since 1970 in UTC; a clock reading of the log's own zone, where it has one, is brought to UTC."""
        import ibis

        t = self._earliest(dialects.microseconds(value, self.schema.time_unit, self.dialect))
        kind = value.type()
        if self.zone == "UTC" or (kind.is_timestamp() and kind.timezone is not None):
            return t
        moved = dialects.to_utc(t, self.zone, self.dialect)
        return ibis.ifelse(dialects.names_zone(value, self.dialect), t, moved) if kind.is_string() else moved

    @staticmethod
    def _earliest(t: Any) -> Any:
        """No time where it is from before there were logs."""
        import ibis

        return ibis.ifelse((t >= EARLIEST) & (t < LATEST), t, ibis.null("int64"))

    def items(self) -> Any:
        """What `itemized` makes a row of each: an array of texts, or JSON."""
        import ibis

        holder = self.schema.properties
        held = self.log[holder] if holder in self.log.columns else None
        if self.properties.items == "list":
            name = self.plan.exposure.list_property
            if name in self.log.columns:
                return dialects.listed(self.log[name], self.dialect)
            if held is None:
                return ibis.null("array<string>")
            return dialects.member(held, name, self.dialect, raw=True)
        if held is not None and not held.type().is_struct():
            return dialects.as_json(held, self.dialect)
        texts = [n for n in self.log.columns if self.log[n].type().is_string()]
        return ibis.array([ibis.literal(n + MARK) + self.log[n] for n in texts])
