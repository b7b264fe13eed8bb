"""Which properties the events of a log carry, by frequency, with some of their values; from the first events of each file."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from xpbench.data.logs.opening import kind_of
from xpbench.data.tables.pooled import arrow_table
from xpbench.data.tables.variant_values import columns_of
from xpbench.files import partition_names, partitions_of
from xpbench.sheets.unpack import unpacked_lines

SEEN_EVENTS = 50_000
"""Events, spread over the files, whose properties are looked at."""
_STANDARD = frozenset({"token", "time", "distinct_id", "$insert_id", "mp_processing_time_ms", "event", "properties"})


@dataclass(slots=True)
class Property:
    """One property of the events that were looked at."""

    name: str
    count: int = 0
    of: Counter[str] = field(default_factory=Counter)
    numbers: list[float] = field(default_factory=list)
    truths: int = 0
    values: Counter[str] = field(default_factory=Counter)

    @property
    def is_number(self) -> bool:
        """Nine in ten values are numbers, and there are several."""
        return len(self.numbers) >= 0.9 * self.count and len(set(self.numbers[:2000])) > 2

    def add(self, event: str, value: Any) -> None:
        """Take notice of a value."""
        if value is None or isinstance(value, (dict, list)):
            return
        self.count += 1
        self.of[event] += 1
        if isinstance(value, bool):
            self.truths += 1
        elif isinstance(value, (int, float)) and math.isfinite(value):
            self.numbers.append(float(value))
        if len(self.values) < 1000 or str(value) in self.values:
            self.values[str(value)[:200]] += 1


def properties_of(data: Any) -> list[Property]:
    """Properties of a log's events by frequency; those that libraries add by themselves come last."""
    out: dict[str, Property] = {}
    for event, values in _some_events(data):
        for name, value in values.items():
            if name not in _STANDARD:
                out.setdefault(name, Property(name)).add(event, value)
    own = [p for p in out.values() if p.count]
    return sorted(own, key=lambda p: (p.name.startswith(("$", "mp_")), -p.count, p.name))


def _some_events(data: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and properties of the first events of each file."""
    if isinstance(data, list) and kind_of(data[0]) == "jsonl":
        each = max(100, SEEN_EVENTS // len(data))
        placed = partition_names(data, ())
        for path in data[:500]:
            held = partitions_of(path)
            folders = {name: held[name] for name in placed if held[name] is not None}
            for event, values in _of_lines(path, each):
                yield event, {**folders, **values}
        return
    names = columns_of(data)
    found = arrow_table(data, names[:200], rows=SEEN_EVENTS)
    for row in found.to_pylist():
        event = row.get("event")
        if event is None:
            continue
        values = {k: v for k, v in row.items() if k not in _STANDARD}
        text = row.get("properties")
        if isinstance(text, str):
            with contextlib.suppress(ValueError):
                loaded = json.loads(text)
                values |= loaded if isinstance(loaded, dict) else {}
        elif isinstance(text, dict):
            values |= text
        yield str(event), {k: _plain(v) for k, v in values.items()}


def _of_lines(path: str, most: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with contextlib.suppress(OSError, EOFError, zlib.error), unpacked_lines(path) as file:
        for line in itertools.islice(file, most):
            with contextlib.suppress(ValueError):
                event = json.loads(line.decode("utf-8", "replace"))
                if isinstance(event, dict) and isinstance(event.get("event"), str):
                    inner = event.get("properties")
                    yield event["event"], inner if isinstance(inner, dict) else event


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str, dict, list)) or value is None else str(value)
