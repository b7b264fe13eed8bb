"""OpenTelemetry's evaluations as exposures: whole files of a collector, in either shape, and what is no OTLP is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.data.logs.otlp import EVALUATION, EXPOSURE, flatten
from xpbench.errors import DataError

IDS = [f"user-{i}" for i in range(120)]


def record(name: str, second: int, attributes: dict[str, Any]) -> dict[str, Any]:
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    listed = [{"key": k, "value": {kinds[type(v)]: str(v) if type(v) is int else v}} for k, v in attributes.items()]
    return {"timeUnixNano": str((1_793_000_000 + second) * 10**9), "eventName": name, "attributes": listed}


def the_log(plan: Any) -> list[dict[str, Any]]:
    rows = []
    for i, (unit, variant) in enumerate(zip(IDS, xp.assign(plan, IDS), strict=True)):
        about = {"feature_flag.key": plan.key, "feature_flag.result.variant": variant, "feature_flag.context.id": unit}
        rows += [record(EVALUATION, i, about), record(EVALUATION, 5_000 + i, about)]
        if i % 3 == 0:
            rows.append(record("Quote", 9_000 + i, {"feature_flag.context.id": unit, "price": 12.5, "items": 3, "new": True}))
    return rows


@pytest.mark.parametrize("shape", ["requests", "records", "gz"])
def test_evaluations_are_the_exposures_of_a_readout(shape: str, tmp_path: Path) -> None:
    plan = make_plan(exposure=EXPOSURE)
    rows = the_log(plan)
    lines = [json.dumps(r) for r in rows]
    if shape != "records":
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
        parts = [rows[i : i + 50] for i in range(0, len(rows), 50)]
        lines = [json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": p}]}]}) for p in parts]
    text = ("\n".join(lines) + "\n\n").encode()
    source = tmp_path / ("otel.jsonl.gz" if shape == "gz" else "otel.jsonl")
    source.write_bytes(gzip.compress(text) if shape == "gz" else text)
    assert flatten(source, tmp_path / "flat.jsonl") == len(rows)
    events = xp.events(tmp_path / "flat.jsonl", schema=xp.EventSchema.opentelemetry())
    summary = events.summarize(plan)
    want = {v: list(xp.assign(plan, IDS)).count(v) for v in ("control", "beta")}
    assert dict(summary.units) == want
    report = xp.audit(plan, events)
    assert report.ok
    assert report.units == len(IDS)


def test_older_names_and_missing_times(tmp_path: Path) -> None:
    old = record("", 0, {"event.name": EVALUATION, "feature_flag.key": "x"})
    late = {**record(EVALUATION, 0, {}), "timeUnixNano": "0", "observedTimeUnixNano": "1793000000000000000"}
    (tmp_path / "o.jsonl").write_text("\n".join(map(json.dumps, (old, late))))
    assert flatten(tmp_path / "o.jsonl", tmp_path / "f.jsonl") == 2
    first, second = map(json.loads, (tmp_path / "f.jsonl").read_text().splitlines())
    assert first["eventName"] == EVALUATION
    assert second["timeUnixNano"] == 1_793_000_000_000_000_000


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"eventName": "x"}', '{"resourceLogs": [1]}', '"x"'])
def test_what_is_no_otlp_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    (tmp_path / "o.jsonl").write_text(json.dumps(record(EVALUATION, 0, {})) + "\n" + line + "\n")
    with pytest.raises(DataError, match=r"line 2.*not a log record"):
        flatten(tmp_path / "o.jsonl", tmp_path / "f.jsonl")
    assert not (tmp_path / "f.jsonl").exists()
    with pytest.raises(DataError, match="XPB-D02"):
        flatten(tmp_path / "none.jsonl", tmp_path / "f.jsonl")
