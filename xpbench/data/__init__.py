"""From sources to moments: events or per-unit tables, first exposures, unit values, sums in an engine. Rows stay here."""

from xpbench.data.detect import SeenExperiment, experiments
from xpbench.data.engine import DuckDB, Progress, Stage
from xpbench.data.events import EventsSource, events
from xpbench.data.jsonl import IngestReport, ingest
from xpbench.data.log import EventSchema
from xpbench.data.progress import progress_bar
from xpbench.data.summary import Cap, Cell, Extreme, Finding, Summary
from xpbench.data.units import UnitsSource, units

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
