"""From sources to moments: events or per-unit tables, first exposures, unit values, sums in an engine. Rows stay here.

Names load on first use: a per-unit table needs no event log, and most tables no engine.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from xpbench.lazy import loads

if TYPE_CHECKING:
    from xpbench.data.detect import SeenExperiment, experiments
    from xpbench.data.engine import DuckDB, Progress, Stage
    from xpbench.data.events import EventsSource, events
    from xpbench.data.jsonl import IngestReport, ingest
    from xpbench.data.log import EventSchema
    from xpbench.data.progress import progress_bar
    from xpbench.data.summary import Cap, Cell, Extreme, Finding, Summary
    from xpbench.data.units import UnitsSource, units

_HOMES = {
    "Cap": "summary",
    "Cell": "summary",
    "DuckDB": "engine",
    "EventSchema": "log",
    "EventsSource": "events",
    "events": "events",
    "Extreme": "summary",
    "Finding": "summary",
    "IngestReport": "jsonl",
    "Progress": "engine",
    "SeenExperiment": "detect",
    "Stage": "engine",
    "Summary": "summary",
    "UnitsSource": "units",
    "units": "units",
    "experiments": "detect",
    "ingest": "jsonl",
    "progress_bar": "progress",
}

__all__ = [
    "Cap",
    "Cell",
    "DuckDB",
    "EventSchema",
    "EventsSource",
    "Extreme",
    "Finding",
    "IngestReport",
    "Progress",
    "SeenExperiment",
    "Stage",
    "Summary",
    "UnitsSource",
    "events",
    "experiments",
    "ingest",
    "progress_bar",
    "units",
]


__getattr__ = loads(__name__, _HOMES)


class _Package(ModuleType):
    """`events` and `units` are modules and functions in them; of the package they are the functions in any order of imports."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("events", "units") and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
