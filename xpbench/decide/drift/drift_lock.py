"""The drift lock on record: what every metric means and computes, written when a plan is frozen, compared at every readout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xpbench.canonical import digest
from xpbench.decide.drift.meanings import Drift, Lock, drifts, locks, meaning
from xpbench.errors import XpbenchError
from xpbench.ledger import Entry
from xpbench.plan import Plan


def locks_of(plan: Plan) -> dict[str, Lock]:
    """The lock of every metric, with its golden value; of its definition alone where the golden fixture can't be computed."""
    plan = plan.as_assigned()  # what a metric means does not change with a treatment that is dropped
    subject = {
        "metrics": {m.key: meaning(plan, m.key) for m in plan.metrics},
        "order": [m.key for m in plan.metrics],
        "document": {k: v for k, v in plan.to_dict().items() if k in _MATTERS},
    }
    key = digest(subject)
    if key not in _KEPT:
        while len(_KEPT) >= MOST_KEPT:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[key] = _computed(plan)
    return dict(_KEPT[key])


_MATTERS = ("unit", "variants", "exposure", "data", "pre_period_days")
"""Parts of a plan, besides the meaning of its metrics, that a golden value may depend on."""

MOST_KEPT = 64
_KEPT: dict[str, Mapping[str, Lock]] = {}
"""Locks of the plans seen last in this process, whose code does not change while it runs."""


def _computed(plan: Plan) -> Mapping[str, Lock]:
    from xpbench.decide.drift.golden import golden_locks  # brings the engine, which registering alone would not need

    try:
        return golden_locks(plan)
    except (XpbenchError, ArithmeticError, ValueError):  # a metric that can't be computed here may still be registered
        return locks(plan)


def recorded(plan: Plan) -> dict[str, Any]:
    """What registering and amending put on record: definition, golden value and digest of every metric."""
    return {key: {k: v for k, v in lock.to_dict().items() if k != "metric"} for key, lock in locks_of(plan).items()}


def locks_in_force(entries: Iterable[Entry]) -> dict[str, Lock]:
    """The locks that hold, by metric: an amendment replaces the lock of a metric only where it changes its definition.

    So a changed computation that an amendment of something else happens to record is still compared with the first one.
    """
    out: dict[str, Lock] = {}
    for entry in entries:
        if entry.kind not in ("registered", "amended") or "locks" not in entry.body:
            continue
        found = {k: Lock(k, v["definition"], v["golden"], v["digest"]) for k, v in entry.body["locks"].items()}
        out = {k: out[k] if k in out and out[k].definition == lock.definition else lock for k, lock in found.items()}
    return out


def drift_deviations(entries: Iterable[Entry], plan: Plan) -> tuple[Mapping[str, Any], ...]:
    """An undeclared deviation for every metric that no longer computes what it did when the plan was frozen.

    The plan itself is frozen, so a metric can only drift because what computes it has changed. Where both golden values are
    known, they decide; a definition that is merely written down differently (a field that a newer version added) is no drift.

    Args:
        entries: Of the ledger; those written before locks were recorded are not compared.
        plan: The plan in force.
    """
    before = locks_in_force(entries)
    if not before:
        return ()
    now = locks_of(plan)
    found = drifts(before, {k: v for k, v in now.items() if k in before})
    return tuple(
        {
            "pointer": f"/metrics/[{drift.metric}]",
            "before": _told(drift.before),
            "after": _told(drift.after),
            "class": "undeclared",
            "seq": 0,
            "at": "",
            "reason": f"The metric drifted: its {drift.what} is not the one that was registered.",
        }
        for drift in found
        if _counts(drift)
    )


def _counts(drift: Drift) -> bool:
    a, b = drift.before, drift.after
    return a is None or b is None or a.golden is None or b.golden is None or a.golden != b.golden


def _told(lock: Lock | None) -> str | None:
    if lock is None:
        return None
    value = "not computed" if lock.golden is None else f"{lock.golden:.10g}"
    return f"golden value {value}, definition {lock.definition[:12]}"
