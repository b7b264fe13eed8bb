"""Audit: recompute the variant of every exposed unit, compare it with the log, and name what went wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xpbench.plan import Plan
from xpbench.randomiser.assigning import Subject, assignments, subject_of, unit_key
from xpbench.randomiser.audit.causes import Inquiry
from xpbench.randomiser.audit.exposure_log import MISSING, UNKNOWN, read_log
from xpbench.randomiser.audit.report import Audit, Cause
from xpbench.randomiser.flag import Flag, positions
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Randomiser


def audit(
    subject: Any,
    exposures: Any,
    *,
    unit: str | None = None,
    variant: str | None = None,
    time: str | None = None,
    experiment: str | None = None,
    properties: Any = None,
    cohorts: Mapping[str, Any] | None = None,
    salts: Sequence[str] = (),
    other_ids: Sequence[str] = (),
    sticky: Any = None,
) -> Audit:
    """Recompute the variant of every exposed unit, compare it with the log, and name the cause where they differ.

    Args:
        subject: Plan, flag, or opened experiment.
        exposures: The event log (`xp.events(...)`), or a frame with one row per exposure: the unit, the variant, and if
            possible the time. Further columns help to name causes: other ids (device_id, user_id), the library that logged,
            `$is_qa_tester`.
        unit: Column of the unit; by default the one named like the assignment key, or a usual name.
        variant: Column of the logged variant; by default a usual name.
        time: Column of the time; by default a usual name. Text (ISO 8601), timestamps, or epoch numbers.
        experiment: Name of the experiment in the log, where it holds several.
        properties: Properties for rules, one row per exposure; by default the other columns of the log.
        cohorts: Ids of each cohort that a rollout group of the plan names.
        salts: Other salts to try: earlier ones, those of other experiments.
        other_ids: Columns with other ids of the unit, in addition to the usual names.
        sticky: What kept variants: an `AssignmentStore`, or a mapping of id to variant. A unit that is in it has its kept
            variant, whatever the hash gives now.

    Raises:
        AssignError: `XPB-A13` a column is missing; ids that are no ids.
    """
    chosen = subject_of(subject)
    keys = chosen.keys if isinstance(chosen, Flag) else tuple(v.key for v in chosen.variants)
    if hasattr(exposures, "exposures"):
        exposures, variant, time = exposures.exposures(_as_plan(chosen, experiment)), "variant", "time"
        unit = unit_key(chosen)
    log = read_log(chosen, keys, exposures, unit=unit, variant=variant, time=time, experiment=experiment, extra_ids=other_ids)
    found = assignments(
        chosen, log.ids, properties=log.properties if properties is None and _has_rules(chosen) else properties, cohorts=cohorts
    )
    kept = _kept(sticky, chosen.key, keys, log.ids)
    codes = np.where(kept >= 0, kept, found.codes) if kept is not None else found.codes
    null = log.ids.array.is_null().to_numpy().astype(bool)
    compared = (log.logged >= 0) & ~null
    wrong = compared & (codes != log.logged)
    rows = np.flatnonzero(wrong)
    order = rows if log.time is None else rows[np.argsort(log.time[rows], kind="stable")]
    n = int(compared.sum())
    by_variant = np.bincount(log.logged[compared], minlength=len(keys))
    wrong_by = np.bincount(log.logged[rows], minlength=len(keys))
    causes: tuple[Cause, ...] = ()
    if len(rows):
        causes = Inquiry(chosen, keys, log, codes, compared, order, tuple(salts)).causes()
    return Audit(
        chosen.key,
        n,
        int(pc.count_distinct(log.ids.array.filter(pa.array(compared))).as_py() or 0),
        1 - len(rows) / n if n else math.nan,
        len(rows),
        log.at(int(order[0])) if len(rows) else None,
        {k: float(w / b) if b else 0.0 for k, w, b in zip(keys, wrong_by, by_variant, strict=True)},
        causes,
        int((log.logged == MISSING).sum()),
        log.unknown if (log.logged == UNKNOWN).any() else {},
        int(null.sum()),
        rows,
    )


def _as_plan(subject: Subject, experiment: str | None) -> Plan:
    """A plan that says how the exposures of a subject are in an event log."""
    if isinstance(subject, Plan):
        own = {**subject.to_dict()["exposure"], **({"experiment": experiment} if experiment else {})}
        return subject.changed(exposure=own) if experiment else subject
    return Plan(
        key=subject.key,
        title=subject.key,
        owner="audit",
        hypothesis={"if": "-", "then": [{"metric": "m", "direction": "increase"}], "because": "-"},
        unit=subject.context,
        variants=[{"key": v.key, "split": v.split or 0.0, "control": v.is_control} for v in subject.variants],
        exposure={"experiment": experiment or subject.key},
        metrics=[
            {"key": "m", "kind": "conversion", "role": "primary", "direction": "increase", "event": "-", "window_days": 1}
        ],
    )


def _kept(sticky: Any, experiment: str, keys: tuple[str, ...], ids: UnitIds) -> NDArray[np.int16] | None:
    """Position of the variant that was kept for each id, -1 where there is none; the store is only read."""
    if sticky is None:
        return None
    if isinstance(sticky, Mapping):
        known = {str(u): keys.index(v) for u, v in sticky.items() if v in keys}
        return positions(UnitIds(ids.text()), known) if known else np.full(len(ids), -1, np.int16)
    at = {k: i for i, k in enumerate(keys)}
    return np.array([at.get(v, -1) if v is not None else -1 for v in sticky.recall(experiment, ids)], np.int16)


def _has_rules(subject: Subject) -> bool:
    if isinstance(subject, Flag):
        return any(not r.rule.is_open for r in subject.rollouts)
    return any(g.where is not None for g in Randomiser(subject).assignment.rollout)
