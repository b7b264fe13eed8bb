"""Health that needs more than moments, computed by the readout itself: A/A calibration, further windows, the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from xpbench.data.engines.embedded import Stages
from xpbench.data.summary import Cell, Summary
from xpbench.errors import XpbenchError
from xpbench.health.windows import WEEKS, bias_windows
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.data.unit_values import UnitValues

DRAWS = 1000

MOST_EVENTS = 3_000_000
"""Above so many events the log is not read once more for each window: hand `evidence={"windows": ...}` over instead."""

MOST_AUDITED = 2_000_000
"""Above so many units the assignment of a sample of about half as many is computed again."""

MOST_TEXT = 10_000_000
"""Above so many events a log of text is not read once more for the audit: it takes longer than the readout."""

MOST_KEPT = 32
_KEPT: dict[tuple[str, str, str], Any] = {}
"""Results of this process by plan, data and kind, so that looking again at the same data costs nothing."""


def further_evidence(
    plan: Plan, source: Any, summary: Summary, values: UnitValues | None, *, given: Mapping[str, Any], progress: Any = None
) -> dict[str, Any]:
    """What is given, with `retro`, `windows` and `audit` added where they are missing and the source can answer.

    Args:
        plan: The plan.
        source: Of the summary.
        summary: Just read.
        values: Of `summarize(take=...)`; None where the source has none.
        given: Evidence that the caller handed over; it is kept, but for an audit that can be computed here.
        progress: Told of the stages.
    """
    out = dict(given)
    stages = Stages(3, progress)
    if "retro" not in out and values:
        from xpbench.forecast.calibration import calibrate_values  # brings scipy.stats

        out["retro"] = _once(plan, summary, "retro", lambda: calibrate_values(plan, values, draws=DRAWS))
        stages.finish("re-randomise the units' values", summary.n)
    if "windows" not in out and _has_past(summary) and summary.rows <= MOST_EVENTS:
        cells = _once(plan, summary, "windows", lambda: _windows(source, plan, summary))
        if cells:
            out["windows"] = cells
            stages.finish("compare further windows before the exposure", summary.n)
    if plan.assignment is not None:
        own = _once(plan, summary, "audit", lambda: _audit(source, plan, summary))
        if (
            "audit" not in out or "not_run" not in own
        ):  # a report that was handed over does not stand in for what can be computed
            out["audit"] = own
        stages.finish("compute the assignment again", summary.n)
    return out


def _audit(source: Any, plan: Plan, summary: Summary) -> Mapping[str, Any]:
    """The assignment of every unit that counts computed again, or why it was not."""
    if (reason := _unaudited(source, plan, summary)) is not None:
        return {"not_run": reason}
    from xpbench.randomiser.audit.auditing import audit

    one_in = 1 if summary.n <= MOST_AUDITED else -(-summary.n * 2 // MOST_AUDITED)
    try:
        report = audit(plan, source.assigned(plan, one_in=one_in), unit=plan.unit, variant="variant")
    except XpbenchError as error:
        return {"not_run": f"It could not be computed: {error}"}
    return {**report.to_dict(), **({"sampled": one_in} if one_in > 1 else {})}


def _unaudited(source: Any, plan: Plan, summary: Summary) -> str | None:
    """Why the assignment can't be computed again from what is at hand, None where it can."""
    assignment = plan.assignment
    assert assignment is not None  # noqa: S101 - checked by the caller
    if not hasattr(source, "assigned"):
        return "The source does not show the ids of the units."
    if assignment.sticky != "no":
        return "Units keep variants from before (sticky), and what kept them is not at hand."
    if any(g.where is not None or g.cohort is not None for g in assignment.rollout):
        return "Who is in a rollout group depends on properties or cohorts, which are not at hand."
    if not isinstance(log := getattr(source, "log", None), list):
        from xpbench.data.logs.opening import is_spark, is_warehouse

        if log is not None and (is_spark(log) or is_warehouse(log)):
            return "The log lies in an engine elsewhere, where ids stay."
    elif summary.rows > MOST_TEXT and not log[0].lower().endswith(".parquet"):
        return f"The log has {summary.rows:,} events as text, which are not read twice."
    return None


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
