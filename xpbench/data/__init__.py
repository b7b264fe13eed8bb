"""From sources to moments: events or per-unit tables, first exposures, unit values, sums in an engine. Rows stay here.

===========  ====================================================================
tables       tables with one row per unit
logs         event logs
engines      DuckDB, Spark, warehouses
jsonl        JSON Lines to Parquet
summary      what passes from data to statistics
blocks       which columns each metric needs together
members      users inside units that were assigned whole: sums by unit
moments      from a unit table to moments; sums: the same bits on every run
unit_values  values of units without ids, for re-randomising
histogram    counts per bin of a winsorized metric
cache        unit tables on disk, found by their content
arrays       small Arrow arrays
pace         units a day, and when a horizon is reached
progress     a progress bar
===========  ====================================================================

Names load on first use: a per-unit table needs no event log, and most tables no engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpbench.lazy import loads

if TYPE_CHECKING:
    from xpbench.data.engines.embedded import DuckDB, Progress, ReadingStage
    from xpbench.data.jsonl.ingestion import IngestReport, ingest
    from xpbench.data.logs.events import EventsSource, events
    from xpbench.data.logs.list_experiments import SeenExperiment, experiments
    from xpbench.data.logs.log import EventSchema
    from xpbench.data.progress import progress_bar
    from xpbench.data.summary import Cap, Cell, Extreme, Finding, Summary
    from xpbench.data.tables.units import UnitsSource, units

_HOMES = {
    "Cap": "summary",
    "Cell": "summary",
    "DuckDB": "engines.embedded",
    "EventSchema": "logs.log",
    "EventsSource": "logs.events",
    "events": "logs.events",
    "Extreme": "summary",
    "Finding": "summary",
    "IngestReport": "jsonl.ingestion",
    "Progress": "engines.embedded",
    "ReadingStage": "engines.embedded",
    "SeenExperiment": "logs.list_experiments",
    "Summary": "summary",
    "UnitsSource": "tables.units",
    "units": "tables.units",
    "experiments": "logs.list_experiments",
    "ingest": "jsonl.ingestion",
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
    "ReadingStage",
    "SeenExperiment",
    "Summary",
    "UnitsSource",
    "events",
    "experiments",
    "ingest",
    "progress_bar",
    "units",
]


__getattr__, __dir__ = loads(__name__, _HOMES, renamed={"Stage": "ReadingStage"})
