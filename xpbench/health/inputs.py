"""What health checks may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from xpbench.data.summary import Cell, Finding, Summary
from xpbench.errors import HealthError, nearest, plain
from xpbench.plan.model import Plan

Earlier = tuple[str, Mapping[str, Any], Mapping[str, Any]]
"""Day of a look, and its outcomes over all variants and by variant."""


@dataclass(frozen=True, slots=True)
class HealthInputs:
    """Everything a check may use; what is None makes the checks that need it *not answerable*.

    Attributes:
        plan: The registered plan.
        summary: What was read.
        previous: Summary at the look before this one.
        flag: Shares of the variants in the flag that assigns: a mapping by variant key, or a flag of `xp.load_flags`.
        assigned: Units that were assigned, by variant, where an assignment log exists.
        audit: Report of the assignment audit, or its `to_dict()`.
        retro: Result of `retro_aa`, or its `to_dict()`.
        windows: Cells of form `before` over further windows, from `bias_windows`.
        now: Time of the readout (UTC).
        recorded_until: Time of the latest entry of the experiment's ledger, None before there is any.
        registered: When the plan was registered, None without a ledger.
        retrospective: It was registered to look back.
        found_before: State of `plan_first` and first exposure of the latest look on record that found the plan to come after
            some of its data; empty where none did.
        outcomes_before: What the look before put on record of all variants together, see `pooled_outcomes`.
        outcomes_by_variant: The same by variant where that look showed the effects as they were due.
        outcomes_earlier: Day of each look before that one, and both of these.
    """

    plan: Plan
    summary: Summary
    previous: Summary | None = None
    flag: Any = None
    assigned: Mapping[str, int] | None = None
    audit: Any = None
    retro: Any = None
    windows: tuple[Cell, ...] = ()
    now: datetime | None = None
    recorded_until: datetime | None = None
    registered: datetime | None = None
    retrospective: bool = False
    found_before: tuple[str, str] = ("", "")
    outcomes_before: Mapping[str, Any] = field(default_factory=dict)
    outcomes_by_variant: Mapping[str, Any] = field(default_factory=dict)
    outcomes_earlier: tuple[Earlier, ...] = ()

    def findings(self, *names: str, metric: str | None = None) -> list[Finding]:
        """The findings with one of these names (and about this metric, where given)."""
        return [f for f in self.summary.findings if f.name in names and f.count > 0 and (metric is None or f.metric == metric)]

    @property
    def is_event_log(self) -> bool:
        """Whether the source is an event log, not a table with one row per unit."""
        return not any(m.__class__.__name__ == "Column" for m in self.plan.metrics)


EVIDENCE = ("flag", "assigned", "audit", "retro", "windows")
"""What a caller may add to plan and data."""


def inputs_of(
    plan: Plan,
    summary: Summary,
    evidence: Mapping[str, Any] | None,
    *,
    previous: Summary | None,
    now: datetime | None,
    recorded_until: datetime | None = None,
    registered: datetime | None = None,
    retrospective: bool = False,
    found_before: tuple[str, str] = ("", ""),
    outcomes_before: Mapping[str, Any] | None = None,
    outcomes_by_variant: Mapping[str, Any] | None = None,
    outcomes_earlier: tuple[Earlier, ...] = (),
) -> HealthInputs:
    """Inputs from plan, data and what the caller adds.

    Raises:
        HealthError: `XPB-H04`, evidence of an unknown kind.
    """
    added = dict(evidence or {})
    ensure_known(added)
    return HealthInputs(
        plan,
        summary,
        previous=previous,
        now=now,
        recorded_until=recorded_until,
        registered=registered,
        retrospective=retrospective,
        found_before=found_before,
        outcomes_before=outcomes_before or {},
        outcomes_by_variant=outcomes_by_variant or {},
        outcomes_earlier=outcomes_earlier,
        **added,
    )


def ensure_known(evidence: Mapping[str, Any]) -> None:
    """Raise `XPB-H04` for evidence of an unknown kind, before anything is read."""
    for name in evidence:
        if name not in EVIDENCE:
            raise HealthError(
                "XPB-H04",
                name=plain("evidence"),
                value=name,
                rule=plain(f"Health checks use {', '.join(EVIDENCE)}"),
                remedy=plain(nearest(name, EVIDENCE)),
            )


def plain_dict(report: Any) -> dict[str, Any]:
    """A report as a dictionary, whether given as one or as an object with `to_dict()`."""
    if isinstance(report, Mapping):
        return dict(report)
    made = report.to_dict()
    return dict(made)


def day_of(text: str) -> date | None:
    """The UTC day of an ISO date or timestamp, or None where there is none."""
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def moment_of(text: str) -> datetime | None:
    """The time of an ISO timestamp (UTC where it names no zone), or None where there is none."""
    from datetime import UTC

    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
