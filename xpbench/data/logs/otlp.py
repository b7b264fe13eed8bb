"""OpenTelemetry's log records, as a collector's file exporter writes them, to one event a line that `xp.events` reads."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xpbench.canonical import strict_loads
from xpbench.errors import DataError, plain
from xpbench.files import write_atomic
from xpbench.sheets.unpack import unpacked_lines

EVALUATION = "feature_flag.evaluation"
"""Name of the event that an evaluation is."""
EXPOSURE = {
    "event": EVALUATION,
    "experiment_property": "feature_flag.key",
    "variant_property": "feature_flag.result.variant",
}
"""What the `exposure` of a plan says where evaluations are its exposures."""


def flatten(source: str | Path, target: str | Path) -> int:
    """Write each log record of an OTLP file as one event; returns how many.

    Read the result with `xp.events(target, schema=xp.EventSchema.opentelemetry())`. The plan's exposure is `EXPOSURE`, and its
    unit is `feature_flag.context.id`, the targeting key of the evaluation.

    Args:
        source: Lines of OTLP JSON (`.jsonl`, `.jsonl.gz`): requests with `resourceLogs`, or single log records.
        target: JSON Lines to write.

    Raises:
        DataError: `XPB-D01`, a line is no OTLP; `XPB-D02`, there is no such file.
    """
    path = Path(source)
    if not path.is_file():
        raise DataError("XPB-D02", path=str(source))
    lines = []
    with unpacked_lines(path) as packed, io.TextIOWrapper(packed, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = strict_loads(line, max_nodes=10_000_000)
                lines += [json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in _events(value)]
            except (ValueError, TypeError, AttributeError, KeyError) as error:
                what, reason = f"{path.name}, line {number}", f"it is not a log record of OpenTelemetry ({error})"
                raise DataError("XPB-D01", what=plain(what), reason=plain(reason)) from None
    write_atomic(Path(target), ("\n".join(lines) + "\n" if lines else "").encode())
    return len(lines)


def _events(value: Any) -> Iterator[dict[str, Any]]:
    if "resourceLogs" not in value:
        yield _event(value, {})
        return
    for resource in value["resourceLogs"]:
        about = _attributes(resource.get("resource", {}).get("attributes", ()))
        for scope in resource.get("scopeLogs", ()):
            for record in scope.get("logRecords", ()):
                yield _event(record, about)


def _event(record: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {**about, **_attributes(record.get("attributes", ()))}
    name = record.get("eventName") or attributes.pop("event.name", None)
    moment = int(record.get("timeUnixNano") or 0) or int(record.get("observedTimeUnixNano") or 0)
    if not isinstance(name, str) or not moment:
        raise ValueError("it has no event name or no time")
    return {"eventName": name, "timeUnixNano": moment, "attributes": attributes}


def _attributes(listed: Any) -> dict[str, Any]:
    return {pair["key"]: _value(pair["value"]) for pair in listed}


def _value(value: Mapping[str, Any]) -> Any:
    """The one value that a value of OTLP holds; whole numbers come as text, since JSON readers round them."""
    for kind, held in value.items():
        if kind == "intValue":
            return int(held)
        if kind == "arrayValue":
            return [_value(v) for v in held.get("values", ())]
        if kind == "kvlistValue":
            return _attributes(held.get("values", ()))
        if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return held
    return None
