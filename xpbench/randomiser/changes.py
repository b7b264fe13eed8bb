"""What a change of the plan does to units: which fields may not change, and who would get another variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from xpbench.errors import AssignError, number_of, plain, shown
from xpbench.plan import Plan
from xpbench.plan.design import Assignment
from xpbench.randomiser.assigning import assignments
from xpbench.randomiser.findings import Finding
from xpbench.randomiser.html import paragraph, table
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Randomiser
from xpbench.shows import Shows


def _fixed(plan: Plan) -> dict[str, Any]:
    block = plan.assignment or Assignment()
    return {
        "/unit": plan.unit,
        "/assignment/hash": block.hash,
        "/assignment/salt": block.salt or plan.key,
        "/assignment/hash_salt": block.hash_salt,
        "/assignment/layer/key": block.layer.key if block.layer else None,
        "/assignment/layer/salt": block.layer.salt if block.layer else None,
        "/assignment/holdout/key": block.holdout.key if block.holdout else None,
        "/assignment/holdout/salt": block.holdout.salt if block.holdout else None,
    }


def refuse_reassignment(registered: Plan, proposed: Plan) -> None:
    """Return only if the proposed plan hashes the same units with the same salts as the registered one.

    Raises:
        AssignError: `XPB-A04`, the assignment was removed; `XPB-A16`, the assignment key, the hash or a salt differs.
    """
    if registered.assignment is None:
        return
    if proposed.assignment is None:
        raise AssignError("XPB-A04", value=proposed.key)
    new = _fixed(proposed)
    for pointer, value in _fixed(registered).items():
        if new[pointer] != value:
            raise AssignError("XPB-A16", pointer=pointer, old=value, new=new[pointer])


@dataclass(frozen=True, slots=True)
class Change(Shows):
    """What a change of the plan does to units.

    Attributes:
        units: Units looked at.
        kept: Units with the same variant before and after.
        joined: Units without a variant before and with one after.
        left: Units with a variant before and without one after.
        reassigned: Units with another variant.
        moves: Units by (variant before, variant after); None where there is none.
    """

    rows_of_frame: ClassVar[str] = "moves"

    units: int
    kept: int
    joined: int
    left: int
    reassigned: int
    moves: Mapping[tuple[str | None, str | None], int]

    @property
    def is_ramp(self) -> bool:
        """Whether it only lets more units in: nobody leaves, nobody changes."""
        return self.left == 0 and self.reassigned == 0

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name."""
        return {
            "units": self.units,
            "kept": self.kept,
            "joined": self.joined,
            "left": self.left,
            "reassigned": self.reassigned,
            "is_ramp": self.is_ramp,
            "moves": [{"before": a, "after": b, "units": n} for (a, b), n in self.moves.items()],
        }

    def _repr_html_(self) -> str:
        verdict = (
            "Only lets more units in."
            if self.is_ramp
            else f"{number_of(self.left + self.reassigned, 'unit leaves', 'units leave')} or change."
        )
        rows = [[a or "none", b or "none", n] for (a, b), n in self.moves.items()]
        return paragraph(verdict) + table(["before", "after", "units"], rows)


def compare_plans(
    before: Plan,
    after: Plan,
    unit_ids: Any,
    *,
    properties: Any = None,
    cohorts: Mapping[str, Any] | None = None,
) -> Change:
    """Who would get another variant if the plan changed; a ramp that only increases a share reassigns nobody.

    Args:
        before: The plan as it is.
        after: The plan as it would be.
        unit_ids: Ids in any container.
        properties: Properties for rules, one row per id.
        cohorts: Ids of each cohort that a rollout group names.
    """
    ids = UnitIds(unit_ids)
    old = assignments(before, ids, properties=properties, cohorts=cohorts)
    new = assignments(after, ids, properties=properties, cohorts=cohorts)
    names = sorted({*old.keys, *new.keys})
    at_old = np.array([*(names.index(k) for k in old.keys), len(names)])[old.codes]
    at_new = np.array([*(names.index(k) for k in new.keys), len(names)])[new.codes]
    known = ~ids.array.is_null().to_numpy().astype(bool)
    pairs, counts = np.unique(np.stack([at_old[known], at_new[known]]), axis=1, return_counts=True)
    labels: list[str | None] = [*names, None]
    moves = {(labels[a], labels[b]): int(n) for a, b, n in zip(*pairs.tolist(), counts.tolist(), strict=True)}
    return Change(
        int(known.sum()),
        sum(n for (a, b), n in moves.items() if a == b and a is not None),
        sum(n for (a, b), n in moves.items() if a is None and b is not None),
        sum(n for (a, b), n in moves.items() if a is not None and b is None),
        sum(n for (a, b), n in moves.items() if a is not None and b is not None and a != b),
        moves,
    )


def check_layers(plans: Iterable[Plan]) -> tuple[Finding, ...]:
    """What is wrong with the layers and holdouts of several experiments: overlapping ranges, salts that differ.

    Raises:
        AssignError: `XPB-A17`, two experiments of one layer own the same units.
    """
    listed: Sequence[Plan] = list(plans)
    findings: list[Finding] = []
    in_layers = [p for p in listed if p.assignment is not None and p.assignment.layer is not None]
    for i, one in enumerate(in_layers):
        for other in in_layers[i + 1 :]:
            a, b = Randomiser(one).assignment.layer, Randomiser(other).assignment.layer
            if a is None or b is None or a.key != b.key:
                continue
            if a.salt != b.salt:
                findings.append(
                    Finding(
                        "layer_salts_differ",
                        "fail",
                        f"{shown(one.key)} and {shown(other.key)} use layer {shown(a.key)} with different salts: their ranges "
                        "mean different units.",
                        "Use one salt for a layer.",
                        {"layer": a.key, "experiments": [one.key, other.key]},
                    )
                )
                continue
            start, end = max(a.start, b.start), min(a.end, b.end)
            if start < end:
                names = f"{shown(one.key)} and {shown(other.key)}"
                raise AssignError("XPB-A17", first=plain(names), value=a.key, start=start, end=end)
            if one.unit != other.unit:
                findings.append(
                    Finding(
                        "layer_units_differ",
                        "fail",
                        f"{shown(one.key)} and {shown(other.key)} share layer {shown(a.key)} but hash {shown(one.unit)} and "
                        f"{shown(other.unit)}.",
                        "Use one assignment key in a layer.",
                        {"layer": a.key, "experiments": [one.key, other.key]},
                    )
                )
    salts: dict[str, set[tuple[str, float]]] = {}
    for plan in listed:
        if plan.assignment is not None and plan.assignment.holdout is not None:
            held = plan.assignment.holdout
            salts.setdefault(held.key, set()).add((held.salt, held.share))
    findings += [
        Finding(
            "holdouts_differ",
            "fail",
            f"Experiments hold out different units under the name {shown(key)}: {len(kinds)} pairs of salt and share.",
            "Use one salt and one share for a holdout.",
            {"holdout": key, "kinds": len(kinds)},
        )
        for key, kinds in salts.items()
        if len(kinds) > 1
    ]
    return tuple(findings)
