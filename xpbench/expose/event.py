"""The exposure event: its properties in each of the three formats, and the ids that make it the same event every time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.plan import Plan

INCIDENT_EVENT = "Experiment exposure incident"
"""Event that reports to Mixpanel a variant switch, an unknown variant or an exposure outside the plan's dates."""


def unit_key(experiment: str, unit: str) -> bytes:
    """16 bytes that stand for a unit in an experiment; the outbox remembers these and no ids."""
    return hashlib.blake2b(_joined("unit", experiment, unit), digest_size=16).digest()


def run_name(plan: Plan) -> str:
    """What the outbox knows an experiment by: its name in the log, and the first day on which its exposures count.

    Runs that follow one another under one name in the log each expose a unit once: an exposure from before a plan's start does
    not count in its readouts, so it does not use up the unit's one exposure either.
    """
    start = plan.exposure.start
    return plan.experiment_name if start is None else f"{plan.experiment_name}\0from {start}"


def insert_id(kind: str, unit: str, pairs: Sequence[tuple[str, str]]) -> str:
    """32 hexadecimal characters that depend on nothing but the unit and the (experiment, variant) pairs.

    The variant takes part, so that two hosts which show one unit two variants don't overwrite each other's event.
    """
    parts = [part for pair in sorted(pairs) for part in pair]
    return hashlib.sha256(_joined("xpbench 1", kind, unit, *parts)).hexdigest()[:32]


def exposure_event(plan: Plan, unit: str, pairs: Sequence[tuple[str, str]], base: Mapping[str, Any]) -> dict[str, Any]:
    """One exposure event for (experiment, variant) pairs, in the format of the plan.

    Args:
        plan: Whose exposure settings name event, properties and format.
        unit: Id of the unit.
        pairs: One pair in the format `separate`, any number in the others.
        base: Properties that the caller gave, `time` and `distinct_id`.
    """
    exposure = plan.exposure
    properties = dict(base)
    if exposure.format == "separate":
        ((properties[exposure.experiment_property], properties[exposure.variant_property]),) = pairs
    elif exposure.format == "dictionary":
        properties.update(pairs)
    else:
        properties[exposure.list_property] = [f"{name}{exposure.list_separator}{variant}" for name, variant in pairs]
    start = exposure.start  # another run under the same name has ids of its own
    properties["$insert_id"] = insert_id("exposure" if start is None else f"exposure from {start}", unit, pairs)
    return {"event": exposure.event, "properties": properties}


def incident_event(
    plan: Plan, unit: str, incident: str, variant: str, base: Mapping[str, Any], *, former: str | None = None
) -> dict[str, Any]:
    """The event that makes an incident visible in Mixpanel, once per unit, experiment, incident and variant."""
    exposure = plan.exposure
    properties = {
        **base,
        "Incident": incident,
        exposure.experiment_property: plan.experiment_name,
        exposure.variant_property: variant,
        "$insert_id": insert_id(incident, unit, [(plan.experiment_name, variant)]),
    }
    if former is not None:
        properties["Former variant name"] = former
    return {"event": INCIDENT_EVENT, "properties": properties}


def text_of(event: Mapping[str, Any]) -> str:
    """JSON text of an event, as it lies in the outbox."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)


def _joined(*parts: str) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
