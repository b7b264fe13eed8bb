"""Dependence between experiments: whether one assignment leaks into another on the same units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from xpbench.errors import shown
from xpbench.plan import Plan
from xpbench.randomiser.assigning import Subject, assignments, subject_of, unit_key
from xpbench.randomiser.changes import check_layers, in_one_layer
from xpbench.randomiser.findings import RandomiserFinding
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.flags import Flags
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Assigned, Randomiser
from xpbench.randomiser.preflight import predicted
from xpbench.randomiser.preflight.association import Association, association
from xpbench.randomiser.preflight.defects import CERTAIN
from xpbench.randomiser.preflight.report import Correlation
from xpbench.randomiser.preflight.subject_shares import SubjectShares

SMALLEST_PHI = 0.004
"""Association below which dependence is not reported."""


def _listed(others: Any) -> list[Subject]:
    if isinstance(others, (Plan, Flag)) or isinstance(getattr(others, "plan", None), Plan):
        return [subject_of(others)]
    values: Iterable[Any] = others.values() if isinstance(others, (Flags, Mapping)) else others
    return [subject_of(v) for v in values]


def same_numbers(one: Subject, other: Subject) -> str | None:
    """Why two subjects draw the same variant number for every unit, or None."""
    a, b = SubjectShares.of(one), SubjectShares.of(other)
    if a.flag is not None and b.flag is not None:
        return f"the salt {shown(a.flag.variant_salt)}" if a.flag.variant_salt == b.flag.variant_salt else None
    if isinstance(one, Plan) and isinstance(other, Plan) and a.hash == b.hash == "sha256":
        first, second = Randomiser(one).salt, Randomiser(other).salt
        return f"the salt {shown(first)}" if first == second else None
    return None


def correlations(
    subject: Subject,
    found: Assigned,
    units: UnitIds,
    others: Any,
    properties: Any,
    cohorts: Mapping[str, Any] | None,
) -> tuple[list[Correlation], list[RandomiserFinding]]:
    """Dependence of a subject on each of the others on the same ids, with findings, also about layers and holdouts.

    Args:
        subject: Plan or flag.
        found: Its assignment of the units.
        units: Ids.
        others: Other live flags and plans; the subject itself, and those that assign by another key, are left out.
        properties: As for `preflight`.
        cohorts: As for `preflight`.
    """
    out: list[Correlation] = []
    findings: list[RandomiserFinding] = []
    view = SubjectShares.of(subject)
    listed = [o for o in _listed(others) if o is not subject and not (type(o) is type(subject) and o.key == subject.key)]
    if isinstance(subject, Plan):
        findings += [f for o in listed if isinstance(o, Plan) for f in check_layers([subject, o])]
    for other in listed:
        if unit_key(other) != unit_key(subject):
            continue
        codes = assignments(other, units, properties=properties, cohorts=cohorts).codes
        same_ids = association(found.codes, codes)
        other_view = SubjectShares.of(other)
        forced: Association | None = None
        if view.flag is not None and other_view.flag is not None:
            forced = association(predicted.served_codes(view.flag), predicted.served_codes(other_view.flag))
        out.append(Correlation(other.key, same_ids, forced))
        reused = same_numbers(subject, other)
        numbers = {"other": other.key, **same_ids.to_dict(), "forced": forced.to_dict() if forced else None}
        if reused is not None:
            findings.append(
                RandomiserFinding(
                    "salt_reuse",
                    "fail",
                    f"{shown(other.key)} uses {reused}, too: both draw the same number for every unit "
                    f"(φ = {same_ids.phi:.3f} on these ids).",
                    "Give each experiment its own salt.",
                    numbers,
                )
            )
            continue
        if in_one_layer(subject, other):
            continue  # whoever is in one is not in the other: that dependence is what the layer is for
        certain = forced is not None and forced.p_value < CERTAIN and forced.phi >= SMALLEST_PHI
        seen = math.isfinite(same_ids.p_value) and same_ids.p_value < 0.001 / len(listed) and same_ids.phi >= SMALLEST_PHI
        if certain or seen:
            phi = forced.phi if certain and forced is not None else same_ids.phi
            findings.append(
                RandomiserFinding(
                    "correlated_flags",
                    "warn" if phi < 0.1 else "fail",
                    f"The assignment depends on that of {shown(other.key)}: φ = {same_ids.phi:.4f} on these ids"
                    + (f", {forced.phi:.4f} on a million made-up ids" if forced is not None else "")
                    + f". An effect of {shown(other.key)} leaks into this experiment by about φ times its size.",
                    "Change the length of one key or salt, or use the native hash.",
                    numbers,
                )
            )
    return out, findings
