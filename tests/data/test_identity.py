"""Identity changes planted in a log: found in every engine, by hand-counted numbers, and nothing where none is planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xpbench as xp
from tests.data.logs import plan_of
from xpbench.data.summary import Finding, Summary
from xpbench.health import HealthInputs, run_checks

DAY0 = 1_790_000_000
METRIC = {"key": "done", "kind": "conversion", "event": "Done", "role": "primary", "direction": "increase"}


def exposure(unit: str, variant: str, **more: Any) -> dict[str, Any]:
    return row("$experiment_started", unit, **{"Experiment name": "t", "Variant name": variant, **more})


def row(event: str, unit: str, **more: Any) -> dict[str, Any]:
    return {"event": event, "distinct_id": unit, "time": DAY0, **more}


def planted() -> list[dict[str, Any]]:
    """Forty quiet users on devices of their own, and five units with two ids."""
    rows = []
    for i in range(40):
        rows.append(exposure(f"u{i}", "ab"[i % 2], **{"$device_id": f"d{i}"}))
        rows.append(row("Done", f"u{i}", **{"$device_id": f"d{i}"}))
    # exposed as a device, then logged in and exposed as a user: two units, one person
    rows += [exposure("$device:x1", "a"), exposure("v1", "b"), row("Done", "v1", **{"$device_id": "x1"})]
    # the older way: an identify event links an anonymous id that was exposed itself
    rows += [exposure("anon-2", "a"), exposure("v2", "a"), row("$identify", "v2", **{"$anon_id": "anon-2"})]
    # merged already: one unit, but the exposure was sent under the device's id
    rows += [exposure("v3", "b", **{"$distinct_id_before_identity": "$device:x3"})]
    # the same id before and after, with its prefix: nothing changed
    rows += [exposure("$device:x4", "b", **{"$distinct_id_before_identity": "x4"})]
    return rows


def finding(summary: Summary) -> Finding | None:
    return next((f for f in summary.findings if f.name == "identity_changes"), None)


def plan(**changes: Any) -> xp.Plan:
    return plan_of([METRIC], **changes)


def source_of(rows: list[dict[str, Any]], kind: str, folder: Path) -> Any:
    if kind == "frame":
        return pd.DataFrame(rows)
    if kind == "parquet":
        path = folder / "log.parquet"
        pd.DataFrame(rows).to_parquet(path)
        return str(path)
    path = folder / "log.jsonl"
    lines = [{"event": r["event"], "properties": {k: v for k, v in r.items() if k != "event"}} for r in rows]
    path.write_text("\n".join(json.dumps(x) for x in lines) + "\n")
    return str(path)


@pytest.mark.parametrize("kind", ["frame", "parquet", "jsonl"])
def test_planted_changes_are_counted(kind: str, tmp_path: Path) -> None:
    """Five units: both ends of two persons under two ids, and one that was exposed under another id."""
    found = finding(xp.events(source_of(planted(), kind, tmp_path)).summarize(plan()))
    assert found is not None
    assert (found.count, found.of, found.action) == (5, 46, "kept")
    assert found.by_variant == {"a": 3, "b": 2}
    assert "2 ids" in found.detail


def test_device_that_several_users_share() -> None:
    """One device id seen with three units concerns all three."""
    rows = planted()[:80] + [row("Done", f"u{i}", **{"$device_id": "kiosk"}) for i in (4, 5, 6)]
    found = finding(xp.events(pd.DataFrame(rows)).summarize(plan()))
    assert found is not None
    assert (found.count, found.by_variant) == (3, {"a": 2, "b": 1})


def test_devices_of_one_user() -> None:
    """Assigned by device: two devices of one user may meet two variants."""
    rows = [{**exposure("x", "ab"[i % 2]), "$device_id": f"d{i}", "$user_id": "same" if i < 2 else f"p{i}"} for i in range(30)]
    rows += [{**row("Done", "x"), "$device_id": "d3"}]
    found = finding(xp.events(pd.DataFrame(rows)).summarize(plan(unit="$device_id")))
    assert found is not None
    assert (found.count, found.of) == (2, 30)


def test_check_answers_on_a_real_source() -> None:
    """Warn where planted; pass where ids were compared and none changed; not answerable where none are written."""
    summaries = {
        "warn": xp.events(pd.DataFrame(planted())).summarize(plan()),
        "pass": xp.events(pd.DataFrame(planted()[:80])).summarize(plan()),
        "not answerable": xp.events(pd.DataFrame(planted()[:80]).drop(columns=["$device_id"])).summarize(plan()),
    }
    for status, summary in summaries.items():
        (check,) = run_checks(HealthInputs(plan(), summary), only=["identity_changes"])
        assert check.status == status
    assert finding(summaries["pass"]) is not None
    assert finding(summaries["not answerable"]) is None
    assert Summary.from_dict(summaries["pass"].to_dict()) == summaries["pass"]


def test_bots_and_time_zone_say_where_they_can_not_look() -> None:
    """A planted bot is found by a count metric; conversions alone, and tables of units, can't show one."""
    counts = {"key": "done", "kind": "count", "event": "Done", "role": "primary", "window_days": 1}
    bot = [{**row("Done", "u3"), "time": DAY0 + i % 80_000} for i in range(1500)]
    logged = xp.events(pd.DataFrame([*planted()[:80], *bot, {**row("Done", "z"), "time": DAY0 + 3 * 86_400}]))
    found = {}
    for name, what, source in (
        ("counted", plan_of([counts]), logged),
        ("converted", plan(), logged),
        (
            "table",
            plan_of([{"key": "done", "kind": "column", "column": "done", "role": "primary"}]),
            xp.units(pd.DataFrame({"distinct_id": range(40), "variant": ["a", "b"] * 20, "done": range(40)})),
        ),
    ):
        checks = run_checks(HealthInputs(what, source.summarize(what)), only=["bots", "time_zone_shift"])
        found[name] = {c.name: c.status for c in checks}
    assert found["counted"]["bots"] == "warn"
    assert found["converted"]["bots"] == "not answerable"
    assert found["table"] == {"bots": "not answerable", "time_zone_shift": "not answerable"}
