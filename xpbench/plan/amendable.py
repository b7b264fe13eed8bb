"""What a change of each field of a plan can do to a result: the one table of classes.

==========  ====================================================================================================
frozen      decides which unit gets which variant: no amendment may touch it, a restart may
decisive    can turn a result: once effects were seen, a change stamps every readout and memo
neutral     can't favour anybody: it stays on record, and nothing is stamped
==========  ====================================================================================================

The first pattern that fits counts. What no pattern knows is decisive, so that a field of a later release is never neutral by
oversight. The verifier has its own copy of the neutral patterns; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

FieldClass = Literal["frozen", "decisive", "neutral"]

_ROLLOUT = r"/assignment/rollout/\[[^\]]*\]"

TABLE: tuple[tuple[str, FieldClass, str], ...] = (
    (r"/schema", "neutral", "how the file is written"),
    (r"/(title|owner|notes|template|links|people|audience)", "neutral", "words about the experiment"),
    (r"/variants/\[[^\]]*\]/(name|description|picture)", "neutral", "the label of a variant"),
    (r"/metrics/\[[^\]]*\]/(name|description|currency)", "neutral", "the label of a metric"),
    (r"/watch", "neutral", "what happens after the decision"),
    (r"/sign_offs", "neutral", "who approves"),
    (r"/ramp", "neutral", "how the share of the units grows; guardrails keep their margins and levels"),
    (r"/looks", "neutral", "how often programs may look; every look stays on record and in its cost"),
    (r"/planning", "neutral", "what the sample size was computed from; no result uses it"),
    (_ROLLOUT + r"/share", "neutral", "more units by the same hash (a ramp); a smaller share is refused"),
    (r"/(key|unit|members|assignment|variants)", "frozen", "which unit gets which variant"),
    (r"/dropped", "frozen", "treatments dropped while it runs; see `pointers_of_drop`"),
    (r"/hypothesis", "decisive", "the claim"),
    (r"/metrics", "decisive", "what is measured, its role, direction, margin, smallest lift, window, caps, covariates"),
    (r"/(model|correction|secondary_correction|family)", "decisive", "model, level, looks, correction"),
    (r"/decision", "decisive", "the rule"),
    (r"/horizon", "decisive", "when results are due"),
    (r"/pre_period_days", "decisive", "days of the covariates"),
    (r"/exposure", "decisive", "who counts, and from when to when"),
    (r"/health", "decisive", "levels of the gates"),
    (r"/data", "decisive", "what happens to rows that don't fit"),
    (r"/segments", "decisive", "which segments are declared"),
)
"""Pattern of a pointer (as `plan.diff` writes it), its class, and what the field decides."""

_COMPILED = tuple((re.compile(pattern + r"(?=/|\Z| \(order\)\Z)"), kind) for pattern, kind, _ in TABLE)


def class_of(pointer: str) -> FieldClass:
    """The class of the field that a pointer names."""
    return next((kind for pattern, kind in _COMPILED if pattern.match(pointer)), "decisive")


def units_left(units: int, splits: Sequence[float], gone: float) -> int:
    """The remaining variants' share of a horizon in units, once a treatment is dropped."""
    return round(units * (sum(splits) - gone) / sum(splits))


def pointers_of_drop(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """The fields that an amendment changes by dropping treatments and nothing else; empty where it drops none.

    A dropped treatment moves from `variants` to `dropped` as it was; the others stay as they were, and a horizon in units
    becomes their share of it. Corrections go on counting it, so that it can't favour anybody, whatever was seen by then; where
    a gate of the health had failed, it may be what takes the failure away, and counts as any other change.

    Args:
        before: The plan in force, as a dictionary.
        after: The new plan.
    """
    own = {v["key"]: v for v in before["variants"]}
    were = {d["key"] for d in before.get("dropped") or ()}
    gone = [d["key"] for d in after.get("dropped") or () if d["key"] not in were]
    if not gone or any(own.get(k, {"control": True}).get("control") for k in gone):
        return frozenset()
    if [k for k in own if k not in gone] != [v["key"] for v in after["variants"]] or as_assigned(before) != as_assigned(after):
        return frozenset()
    out = {f"/variants/[{k}]" for k in gone} | ({f"/dropped/[{k}]" for k in gone} if were else {"/dropped"})
    units, splits = (before.get("horizon") or {}).get("units"), [v["split"] for v in before["variants"]]
    for k in gone:
        units = None if units is None else units_left(units, splits, own[k]["split"])
        splits.remove(own[k]["split"])
    if units is not None and (after.get("horizon") or {}).get("units") == units:
        out.add("/horizon/units")
    return frozenset(out)


def as_assigned(plan: Mapping[str, Any]) -> list[tuple[str, float, bool]]:
    """Key, split and whether it is the control of every variant as registered: those that were dropped in their places."""
    out = [(str(v["key"]), float(v["split"]), bool(v.get("control"))) for v in plan["variants"]]
    for gone in sorted(plan.get("dropped") or (), key=lambda d: int(d["place"])):
        out.insert(int(gone["place"]), (str(gone["key"]), float(gone["split"]), False))
    return out
