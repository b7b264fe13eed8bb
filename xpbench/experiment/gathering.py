"""Gathering: from a source to its moments under the plan, and to what health checks may use beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from inspect import signature as signature_of
from typing import TYPE_CHECKING, Any, Literal, Protocol

from xpbench.data.summary import Cap, Summary
from xpbench.errors import DecisionError, nearest, plain
from xpbench.experiment.extra_health_evidence import further_evidence
from xpbench.experiment.state import LOOKED
from xpbench.health.inputs import ensure_known
from xpbench.ledger import Ledger
from xpbench.plan import Plan
from xpbench.plan.design import Frequentist

if TYPE_CHECKING:
    from xpbench.data.unit_values import UnitValues

FurtherHealth = Literal["compute", "off"]


class Source(Protocol):
    """Anything that turns into moments: `xp.units(...)` or `xp.events(...)`."""

    def summarize(self, plan: Plan, *, progress: Any = None, caps: Iterable[Cap] = ()) -> Summary:
        """Moments per variant under a plan, with caps taken over where given."""
        ...


def gather(
    plan: Plan,
    ledger: Ledger,
    source: Source | Summary,
    *,
    progress: Any,
    segments: Sequence[str],
    evidence: Mapping[str, Any] | None,
    further_health: FurtherHealth,
) -> tuple[Summary, Mapping[str, Any]]:
    """The summary, and what health checks may use beyond it; arguments as for `Experiment.readout`.

    Raises:
        DataError: the source can't be read under the plan.
        HealthError: `XPB-H04`, evidence of an unknown kind.
    """
    given = dict(evidence or {})
    ensure_known(given)
    if further_health == "off" or isinstance(source, Summary):
        return summarize(plan, ledger, source, progress=progress, segments=segments), given
    taken: list[UnitValues] = []
    takes = "retro" not in given and "take" in signature_of(source.summarize).parameters
    take = taken.append if takes else None
    summary = summarize(plan, ledger, source, progress=progress, segments=segments, take=take)
    values = taken[0] if taken else None
    return summary, further_evidence(plan, source, summary, values, given=given, progress=progress)


def summarize(
    plan: Plan,
    ledger: Ledger,
    source: Source | Summary,
    *,
    progress: Any = None,
    segments: Sequence[str] = (),
    take: Any = None,
) -> Summary:
    """Moments of a source under the plan, its frozen caps and further segments; a summary stays as it is.

    Raises:
        DataError: the source can't be read under the plan.
        DecisionError: `XPB-R12`, a summary has not the segment; `XPB-R35`, it was made by another plan.
    """
    further = [name for name in dict.fromkeys(segments) if name not in plan.segments]
    if isinstance(source, Summary):
        if source.made_for not in ("", plan.reads):
            raise DecisionError("XPB-R35", key=plan.key)
        for name in further:
            if name not in source.segments:
                raise DecisionError("XPB-R12", segment=name, hint=plain(nearest(name, source.segments)))
        return source
    used = plan.changed(segments=[*plan.segments, *further]) if further else plan
    more = {} if take is None else {"take": take}
    return source.summarize(used, progress=progress, caps=_frozen_caps(plan, ledger), **more)


def _frozen_caps(plan: Plan, ledger: Ledger) -> tuple[Cap, ...]:
    """Winsorization caps of the first look, where later looks must not move them (any design with several looks)."""
    if isinstance(plan.model, Frequentist):
        return ()
    for entry in ledger.entries():
        if entry.kind in LOOKED and entry.body.get("plan_digest") == plan.digest:
            return tuple(Cap(**cap) for cap in entry.body["caps"])
    return ()
