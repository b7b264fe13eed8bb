"""A log in an SQL warehouse, reached through Ibis: one row per event, properties as columns.

Proven on Postgres; for BigQuery and Snowflake the queries are only compiled (see docs/data.md). Only this file speaks Ibis;
everything after the normal form is the same narwhals code as on DuckDB.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from xpbench.canonical import digest
from xpbench.data.log import DAY, SECOND, EventSchema, Properties
from xpbench.data.summary import Finding
from xpbench.errors import DataError, nearest, plain, shown
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.data.events import EventsSource


class WarehouseLog:
    """A log in a warehouse. See `Log`. Temporary tables are dropped when it is closed."""

    missing_properties: frozenset[str] = frozenset()

    def __init__(self, source: EventsSource, plan: Plan, properties: Properties) -> None:
        self.table = source.log
        self.backend = self.table.get_backend()
        self.kind = str(self.backend.name)
        self.engine = f"{self.kind} {self.backend.version}"
        self.properties = properties
        self._held: list[str] = []
        self.normal = normal_form(self.table, source, plan, properties)
        self.has_insert_ids = source.schema.insert_id in self.table.columns or "insert_id" in self.table.columns

    @classmethod
    @contextlib.contextmanager
    def open(cls, source: EventsSource, plan: Plan, properties: Properties) -> Iterator[WarehouseLog]:
        """The log; its temporary tables are dropped when the block ends."""
        held = cls(source, plan, properties)
        try:
            yield held
        finally:
            for name in held._held:
                with contextlib.suppress(Exception):  # when the connection is gone, so are they
                    held.backend.raw_sql(f'DROP TABLE "{name}"').close()

    def frame(self) -> nw.LazyFrame[Any]:
        """The events in normal form."""
        frame: nw.LazyFrame[Any] = nw.from_native(self.normal)
        return frame

    def keep(self, frame: nw.LazyFrame[Any], name: str) -> nw.LazyFrame[Any]:
        """A temporary table of the session with the rows of a frame."""
        table = f"xpbench_{name}_{uuid.uuid4().hex[:12]}"
        self._held.append(table)
        kept: nw.LazyFrame[Any] = nw.from_native(self.backend.create_table(table, frame.to_native(), temp=True))
        return kept

    def write(self, units: nw.LazyFrame[Any], path: Path) -> None:
        """The unit table without ids as a Parquet file on this machine."""
        import pyarrow.parquet as pq

        pq.write_table(units.drop("u", "t0").collect("pyarrow").to_native(), path, compression="zstd")

    def fingerprint(self) -> str:
        """SHA-256 over counts and ends of every column: tells another extract, but is no proof of equal content."""
        t = self.normal
        wanted = {f"n_{c}": t[c].count() for c in t.columns if c != "key"}
        wanted |= {f"{f}_{c}": getattr(t[c], f)() for c in ("t", *self.properties.numbers.values()) for f in ("min", "max")}
        row = t.aggregate(**wanted).to_pyarrow().to_pylist()[0]
        return digest({"warehouse": {k: str(v) for k, v in row.items()}})

    def findings(self) -> list[Finding]:
        """What was counted when the log was opened."""
        return []


def normal_form(table: Any, source: EventsSource, plan: Plan, properties: Properties) -> Any:
    """The log in normal form as an Ibis table; nothing runs.

    Raises:
        DataError: `XPB-D05`, a column is missing; `XPB-D43`, what a warehouse table can't do.
    """
    import ibis

    schema: EventSchema = source.schema
    unit = schema.unit or plan.unit
    for name, role in ((schema.event, "the event's name"), (schema.time, "the event's time"), (unit, "the plan's unit")):
        if name not in table.columns:
            raise DataError("XPB-D05", column=name, role=plain(role), hint=plain(nearest(name, table.columns)))
    if source.time_zone != "UTC" or plan.exposure.format == "list":
        raise DataError("XPB-D43", what=plain("A local time zone or the list format of exposures"))
    u = table[unit]
    u = u.cast("int64") if u.type().is_integer() else u.cast("string").nullif("")
    insert = next((table[n].cast("string") for n in (schema.insert_id, "insert_id") if n and n in table.columns), None)
    event, t = table[schema.event].cast("string"), _microseconds(table[schema.time], schema.time_unit)
    columns = {"u": u, "event": event, "t": t, "iid": ibis.literal("") if insert is None else insert.fill_null("")}
    arrived = schema.arrived if schema.arrived in table.columns else None
    columns["arr"] = _microseconds(table[arrived], "auto") if arrived else ibis.null("int64")
    columns["key"] = ibis.null("string")
    if insert is not None:
        key = event + ibis.literal("|") + u.cast("string") + ibis.literal("|") + t.cast("string") + ibis.literal("|") + insert
        columns["key"] = ibis.ifelse(insert.fill_null("") != "", key, ibis.null("string"))
    for name, short in properties.texts.items():
        found = table[name] if name in table.columns else None
        columns[short] = ibis.null("string") if found is None else found.cast("string")
        if name in properties.numbers:
            if found is not None and not found.type().is_numeric():
                raise DataError("XPB-D43", what=plain(f"Property {shown(name)} of type {found.type()} as a number"))
            columns[properties.numbers[name]] = ibis.null("float64") if found is None else found.cast("float64")
    return table.select(**columns)


def _microseconds(value: Any, unit: str) -> Any:
    """Whole microseconds since 1970."""
    import ibis

    kind = value.type()
    if kind.is_timestamp():
        # the second and what is beyond it, apart: doubles would lose the last digits
        return value.epoch_seconds().cast("int64") * SECOND + (value.microsecond() % SECOND).cast("int64")
    if kind.is_date():
        return value.epoch_days().cast("int64") * DAY
    if not kind.is_numeric():
        raise DataError("XPB-D43", what=plain(f"A time of type {kind}"))
    number = value.cast("decimal(30, 6)")
    if unit != "auto":
        return (number * {"s": SECOND, "ms": 1_000, "us": 1}[unit]).cast("int64")
    return ibis.cases(
        (number.abs() < 10**11, (number * SECOND).cast("int64")),
        (number.abs() < 10**14, (number * 1_000).cast("int64")),
        else_=number.cast("int64"),
    )
