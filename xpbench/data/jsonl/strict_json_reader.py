"""DuckDB's strict reader of JSON Lines: every value as text, and a malformed line or a key that appears twice is an error."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from xpbench.data.engines.duck_times import microseconds_of
from xpbench.data.engines.embedded import file_list, literal, quote
from xpbench.data.logs.log import EventSchema, stored_as

USUAL_LINE = 128 * 1024
"""Lines up to this length are read at once. The engine shares out a file by buffers of twice the longest line; small ones stay
in the processor's cache."""


REFUSALS = (duckdb.InvalidInputException, UnicodeDecodeError)
"""What is raised for a line that is refused. The message quotes the line and may cut it off in a character."""

_DOC = "CASE WHEN json_valid(line) THEN line END"


@dataclass(frozen=True, slots=True)
class Strict:
    """Queries over a file of events.

    Attributes:
        schema: Where event, time and properties stand.
        names: Properties that become columns; None = all are kept as one column of JSON.
        tops: Those that lines have next to the object of the properties and not in it.
    """

    schema: EventSchema
    names: tuple[str, ...] | None
    tops: tuple[str, ...] = ()

    @property
    def holder(self) -> str | None:
        """Key of the object that holds the properties."""
        return self.schema.properties or ("properties" if self.names is None else None)

    def reader(self, name: str, *, longest: int = 0) -> str:
        """The reader of a file; `longest` is the length of its longest line, where that is known."""
        columns = {self.schema.event: "VARCHAR"}
        if self.holder and self.names is None:
            columns[self.holder] = "JSON"
        elif self.holder:
            inner = [n for n in self.names or () if n != self.schema.time or n not in self.tops] or ["$none"]
            columns[self.holder] = "STRUCT(" + ", ".join(f"{quote(n)} VARCHAR" for n in inner) + ")"
        else:
            columns |= dict.fromkeys(self.names or (), "VARCHAR")
        columns |= dict.fromkeys(self.tops, "VARCHAR")
        declared = ", ".join(f"{literal(n)}: {literal(kind)}" for n, kind in columns.items())
        return (
            f"read_json({file_list([name])}, format = 'newline_delimited', columns = {{{declared}}}, "
            f"compression = 'none', maximum_object_size = {max(USUAL_LINE, longest + 1)})"
        )

    def copy(self, name: str, target: str, *, longest: int = 0) -> str:
        """Write the events of a file, those with a name and a time that can be read, to a Parquet file."""
        event = quote(self.schema.event)
        if self.names is None:
            text = f"CAST({quote(self.holder or '')} AS VARCHAR)"
            select = [event, f"{text} AS properties", *map(quote, self.tops)]
            time = f"json_extract_string({quote(self.holder or '')}, {literal(path(self.schema.time))})"
            once = f" AND {self._once(text)}"
            if self.schema.time in self.tops:
                time, once = quote(self.schema.time), ""
        else:
            select = [event, *(f"{self._column(n)} AS {quote(stored_as(n, self.schema))}" for n in self.names)]
            time, once = self._column(self.schema.time), ""
        return (
            f"COPY (SELECT {', '.join(select)} FROM {self.reader(name, longest=longest)} "
            f"WHERE {event} IS NOT NULL AND {self._timed(time)}{once}) "
            f"TO {literal(os.path.abspath(target))} (FORMAT parquet, COMPRESSION zstd)"
        )

    def check(self, name: str) -> str:
        """Read all that is declared, and keep nothing."""
        columns = [self.schema.event, *([self.holder] if self.holder else self.names or ()), *self.tops]
        return f"SELECT count(hash({', '.join(map(quote, columns))})) FROM {self.reader(name)}"

    def doubtful(self, lines: str) -> str:
        """Numbers (column `i`) of the lines (column `line`) that may not be events; only the reader decides on the others."""
        event, time = path(self.schema.event), self._time_path()
        found = f"TRY(json_extract_string(line, [{literal(event)}, {literal(time)}]))"  # reads a line once
        return (
            f"SELECT i FROM (SELECT i, line, {found} AS found FROM {lines}) "
            f"WHERE NOT coalesce(found[1] IS NOT NULL AND {self._timed('found[2]')} AND {self._line_once()}, false) ORDER BY i"
        )

    def facts(self, lines: str) -> str:
        """Of each line: is it JSON, its type, the event's name, the time, that in microseconds, whether it appears once."""
        time = f"json_extract_string({_DOC}, {literal(self._time_path())})"
        return (
            f"SELECT json_valid(line), json_type({_DOC}), json_extract_string({_DOC}, {literal(path(self.schema.event))}), "
            f"{time}, {microseconds_of(time, 'VARCHAR', self.schema.time_unit)}, {self._line_once()} FROM {lines} ORDER BY i"
        )

    def _time_path(self) -> str:
        time = self.schema.time
        return path(time) if time in self.tops else path(self.holder, time)

    def _column(self, name: str) -> str:
        if not self.holder or (name in self.tops and name == self.schema.time):
            return quote(name)
        inside = f"struct_extract({quote(self.holder)}, {literal(name)})"
        # some lines may have it at the top, and others in the object
        return f"coalesce({quote(name)}, {inside})" if name in self.tops else inside

    def _timed(self, time: str) -> str:
        """A time can be read. Plain whole numbers, which most are, need no look at other ways to write a time."""
        most = {"s": 9 * 10**12, "ms": 9 * 10**15, "us": 9 * 10**18, "ns": 9 * 10**18, "auto": 9 * 10**18}[
            self.schema.time_unit
        ]
        plain_number = f"{time} >= '1' AND {time} < ':' AND try_cast({time} AS BIGINT) BETWEEN 1 AND {most}"
        full = f"{microseconds_of(time, 'VARCHAR', self.schema.time_unit)} IS NOT NULL"
        return f"CASE WHEN {plain_number} THEN true ELSE {full} END"

    def _once(self, properties: str) -> str:
        """The time appears once in the text of an object, as the engine writes it; a cheap look finds most of the others."""
        name = self.schema.time
        counted = f"len(list_filter(json_keys({properties}), lambda k: k = {literal(name)})) <= 1"
        if not re.fullmatch(r"[\w $.:-]+", name, re.ASCII):  # it may be written in other ways
            return counted
        key = literal(json.dumps(name) + ":")
        second = f"contains(substr({properties}, instr({properties}, {key}) + 1), {key})"
        return f"CASE WHEN {second} THEN {counted} ELSE true END"

    def _line_once(self) -> str:
        """The same of the properties in a line; true where the strict reader looks itself."""
        return (
            "true"
            if self.names is not None or self.schema.time in self.tops
            else self._once(f"CAST(json_extract({_DOC}, {literal(path(self.holder))}) AS VARCHAR)")
        )


def path(*names: str | None) -> str:
    """JSON path to a key."""
    return "$" + "".join('."' + n.replace("\\", "\\\\").replace('"', '\\"') + '"' for n in names if n is not None)


def declared_once(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two of the names that differ only in case: columns of the engine are told apart without it."""
    lower: dict[str, str] = {}
    for name in names:
        if lower.setdefault(name.lower(), name) != name:
            return lower[name.lower()], name
    return None
