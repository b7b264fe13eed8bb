"""Health that needs more than moments, computed by the readout itself: A/A calibration and further bias windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from xpbench.data.engines.embedded import Stages
from xpbench.data.summary import Cell, Summary
from xpbench.health.windows import WEEKS, bias_windows
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.data.unit_values import UnitValues

DRAWS = 1000

MOST_EVENTS = 3_000_000
"""Above so many events the log is not read once more for each window: hand `evidence={"windows": ...}` over instead."""

MOST_KEPT = 32
_KEPT: dict[tuple[str, str, str], Any] = {}
"""Results of this process by plan, data and kind, so that looking again at the same data costs nothing."""


def further_evidence(
    plan: Plan, source: Any, summary: Summary, values: UnitValues | None, *, given: Mapping[str, Any], progress: Any = None
) -> dict[str, Any]:
    """What is given, with `retro` and `windows` added where they are missing and the source can answer.

    Args:
        plan: The plan.
        source: Of the summary.
        summary: Just read.
        values: Of `summarize(take=...)`; None where the source has none.
        given: Evidence that the caller handed over; it is never replaced.
        progress: Told of both stages.
    """
    out = dict(given)
    stages = Stages(2, progress)
    if "retro" not in out and values:
        from xpbench.forecast.calibration import calibrate_values  # brings scipy.stats

        out["retro"] = _once(plan, summary, "retro", lambda: calibrate_values(plan, values, draws=DRAWS))
        stages.finish("re-randomise the units' values", summary.n)
    if "windows" not in out and _has_past(summary) and summary.rows <= MOST_EVENTS:
        cells = _once(plan, summary, "windows", lambda: _windows(source, plan, summary))
        if cells:
            out["windows"] = cells
            stages.finish("compare further windows before the exposure", summary.n)
    return out


def _once(plan: Plan, summary: Summary, kind: str, compute: Callable[[], Any]) -> Any:
    key = (plan.digest, f"{summary.fingerprint}:{summary.n}:{summary.data_until}", kind)
    if key not in _KEPT:
        while len(_KEPT) >= MOST_KEPT:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[key] = compute()
    return _KEPT[key]


def _has_past(summary: Summary) -> bool:
    """Whether anything varied before the exposure: a log that begins with it has no window to compare."""
    return any(c.form == "before" and not c.dimension and any(row[i] > 0 for i, row in enumerate(c.cov)) for c in summary.cells)


def _windows(source: Any, plan: Plan, summary: Summary) -> tuple[Cell, ...]:
    """The windows as of the end of the summary's data: whether they are read or kept from before, no clock is asked."""
    from xpbench.data.tables.units import UnitsSource

    if isinstance(source, UnitsSource):  # one row per unit has no windows, and needs no engine to say so
        return ()
    from xpbench.data.logs.events import EventsSource
    from xpbench.data.logs.opening import is_spark, is_warehouse

    if not isinstance(source, EventsSource) or is_spark(source.log) or is_warehouse(source.log):
        return ()  # reading again is dear where the log lies elsewhere
    end = datetime.fromisoformat(summary.data_until)
    bare = replace(source, slices=frozenset(), cache=None, until=end, clock=lambda: end)
    return bias_windows(bare, plan, days=WEEKS)
