"""What a change of the plan does to units, and what several experiments do to the same units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from xpbench.errors import number_of, shown
from xpbench.plan import Plan
from xpbench.randomiser.assigning import assignments
from xpbench.randomiser.findings import RandomiserFinding
from xpbench.randomiser.html import paragraph, table
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Randomiser
from xpbench.shows import Shows


@dataclass(frozen=True, slots=True)
class VariantChange(Shows):
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
) -> VariantChange:
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
    return VariantChange(
        int(known.sum()),
        sum(n for (a, b), n in moves.items() if a == b and a is not None),
        sum(n for (a, b), n in moves.items() if a is None and b is not None),
        sum(n for (a, b), n in moves.items() if a is not None and b is None),
        sum(n for (a, b), n in moves.items() if a is not None and b is not None and a != b),
        moves,
    )


def check_layers(plans: Iterable[Plan]) -> tuple[RandomiserFinding, ...]:
    """Return what is wrong with the layers and holdouts of several experiments.

    Args:
        plans: Plans of experiments that run at the same time.

    Returns:
        Findings of level `fail`: `layer_ranges_overlap`, `layer_salts_differ`, `layer_units_differ`, `holdouts_differ`.
    """
    listed: Sequence[Plan] = list(plans)
    in_layers = [p for p in listed if p.assignment is not None and p.assignment.layer is not None]
    findings = [f for one, other in combinations(in_layers, 2) for f in _two_in_a_layer(one, other)]
    salts: dict[str, dict[tuple[str, float], list[str]]] = {}
    for plan in listed:
        if plan.assignment is not None and plan.assignment.holdout is not None:
            held = plan.assignment.holdout
            salts.setdefault(held.key, {}).setdefault((held.salt, held.share), []).append(plan.key)
    findings += [
        RandomiserFinding(
            "holdouts_differ",
            "fail",
            f"The holdout {shown(key)} has {len(kinds)} pairs of salt and share: it holds out other units in "
            f"{shown(', '.join(keys[0] for keys in kinds.values()))}.",
            "Use one salt and one share for a holdout.",
            {"holdout": key, "kinds": len(kinds)},
        )
        for key, kinds in salts.items()
        if len(kinds) > 1
    ]
    return tuple(findings)


def in_one_layer(one: Any, other: Any) -> bool:
    """Return whether two subjects are plans of one layer, by one salt."""
    if not (isinstance(one, Plan) and isinstance(other, Plan)) or one.assignment is None or other.assignment is None:
        return False
    a, b = one.assignment.layer, other.assignment.layer
    return a is not None and b is not None and (a.key, a.salt) == (b.key, b.salt)


def _two_in_a_layer(one: Plan, other: Plan) -> Iterator[RandomiserFinding]:
    a, b = Randomiser(one).assignment.layer, Randomiser(other).assignment.layer
    if a is None or b is None or a.key != b.key:
        return
    numbers = {"layer": a.key, "experiments": [one.key, other.key]}
    names = f"{shown(one.key)} and {shown(other.key)}"
    start, end = max(a.start, b.start), min(a.end, b.end)
    if a.salt != b.salt:
        yield RandomiserFinding(
            "layer_salts_differ",
            "fail",
            f"{names} use layer {shown(a.key)} with different salts: their ranges mean different units.",
            "Use one salt for a layer.",
            numbers,
        )
    elif one.unit != other.unit:
        yield RandomiserFinding(
            "layer_units_differ",
            "fail",
            f"{names} share layer {shown(a.key)} but hash {shown(one.unit)} and {shown(other.unit)}.",
            "Use one assignment key in a layer.",
            numbers,
        )
    elif start < end:
        yield RandomiserFinding(
            "layer_ranges_overlap",
            "fail",
            f"{names} overlap in layer {shown(a.key)} from {start:g} to {end:g}: the same units are in both.",
            "Give each its own range of 0 to 1.",
            {**numbers, "start": start, "end": end},
        )
