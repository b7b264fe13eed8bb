"""`assign`: the variant of every unit, for a plan, a flag, or an opened experiment."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.errors import AssignError, nearest, plain
from xpbench.plan import Plan
from xpbench.randomiser.flag import REASONS as FLAG_REASONS
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.flags import AssignWarning
from xpbench.randomiser.ids import UnitIds, like
from xpbench.randomiser.plan_randomiser import Assigned, Randomiser, Sticky
from xpbench.randomiser.properties import FlagProperties

FLAG_REASON_NAMES = ("served", "test_user", "override", *(str(r).lower() for r in FLAG_REASONS[3:]))

Subject = Plan | Flag


def subject_of(value: Any) -> Subject:
    """The plan or flag that a caller means: itself, or the plan of an opened experiment; with dropped treatments in place.

    Raises:
        AssignError: `XPB-A08`, it is neither.
    """
    if isinstance(value, Flag):
        return value
    plan = value if isinstance(value, Plan) else getattr(value, "plan", None)
    if isinstance(plan, Plan):
        return plan.as_assigned()
    raise AssignError("XPB-A08", value=type(value).__name__)


def unit_key(subject: Subject) -> str:
    """Name of the assignment key: distinct_id, device_id or a group key."""
    return subject.unit if isinstance(subject, Plan) else subject.context


def split_frame(subject: Subject, ids: Any, properties: Any) -> tuple[Any, Any]:
    """Ids and properties of what was given: a frame holds both, its id column under the name of the assignment key."""
    frame = nw.from_native(ids, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return ids, properties
    name = unit_key(subject)
    if name not in frame.columns:
        raise AssignError(
            "XPB-A13",
            value=name,
            owner=plain("the frame"),
            rule=plain("The id column has the name of the assignment key"),
            hint=plain(nearest(name, frame.columns)),
        )
    rest = [c for c in frame.columns if c != name]
    return frame[name].to_native(), (frame.select(rest).to_native() if properties is None and rest else properties)


def assignments(
    subject: Any,
    unit_ids: Any,
    *,
    properties: Any = None,
    cohorts: Mapping[str, Any] | None = None,
    store: Sticky | None = None,
    distinct_ids: Any = None,
) -> Assigned:
    """The variant of every unit with the reason, the rollout group and the counts.

    Args:
        subject: Plan, flag, or opened experiment.
        unit_ids: Ids in any container, or a frame with a column named like the assignment key.
        properties: Properties for rules, one row per id: frame, mapping of columns, or a mapping per unit.
        cohorts: Ids of each cohort that a rollout group of the plan names.
        store: Remembers sticky variants, where the plan has them.
        distinct_ids: For a flag on another key: the distinct_id per row, to find test users.

    Raises:
        AssignError: ids that are no ids, or a subject that can't assign (`XPB-A01` to `XPB-A15`, `XPB-A19`).
    """
    chosen = subject_of(subject)
    unit_ids, properties = (
        (unit_ids, properties) if isinstance(unit_ids, UnitIds) else split_frame(chosen, unit_ids, properties)
    )
    if isinstance(chosen, Plan):
        return Randomiser(chosen)(unit_ids, properties=properties, cohorts=cohorts, store=store)
    ids = unit_ids if isinstance(unit_ids, UnitIds) else UnitIds(unit_ids)
    found = chosen.column(
        ids,
        properties=None if properties is None else FlagProperties(properties, len(ids)),
        distinct_ids=None if distinct_ids is None else UnitIds(distinct_ids),
    )
    names = tuple(r.name or str(i) for i, r in enumerate(chosen.rollouts))
    return Assigned(chosen.keys, found.codes, found.reasons, found.groups, names, FLAG_REASON_NAMES, ids.nulls)


def assign(
    subject: Any,
    unit_ids: Any,
    *,
    properties: Any = None,
    cohorts: Mapping[str, Any] | None = None,
    store: Sticky | None = None,
    distinct_ids: Any = None,
) -> Any:
    """The variant (or None) of every unit, in order, in the same kind of container as the ids.

    Args:
        subject: Plan, flag of `load_flags`, or opened experiment.
        unit_ids: Text, integers or UUIDs in a list, numpy array, pandas or polars series, or pyarrow array; or a frame with
            a column named like the assignment key, whose other columns are the properties.
        properties: Properties for rules, one row per id: frame, mapping of columns, or a mapping per unit.
        cohorts: Ids of each cohort that a rollout group of the plan names.
        store: Remembers sticky variants, where the plan has them.
        distinct_ids: For a flag on another key: the distinct_id per row, to find test users.

    Raises:
        AssignError: ids that are no ids (`XPB-A01` floats), or a subject that can't assign.

    Warns:
        AssignWarning: some ids are null; they get None.
    """
    found = assignments(subject, unit_ids, properties=properties, cohorts=cohorts, store=store, distinct_ids=distinct_ids)
    if found.nulls:
        n = len(found.codes)
        warnings.warn(f"{found.nulls:,} of {n:,} ids are null and get no variant", AssignWarning, stacklevel=2)
    source, _ = split_frame(subject_of(subject), unit_ids, ())
    return like(source, found.variants())
