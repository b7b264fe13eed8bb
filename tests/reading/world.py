"""A small world with a known answer, in the shapes that other tools write.

n units, one a minute from 2026-01-01 in UTC, control and beta in turns. Unit i does Quote 1 + (i odd) + (i divisible by 5)
times, an hour apart, from an hour after its exposure. With n divisible by 10 the means are 1.2 and 2.2.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xpbench as xp
from tests.builders import make_plan
from xpbench.data.summary import Summary
from xpbench.errors import XpbenchError

START = 1_767_225_600
TRUTH = (1.2, 2.2)
QUOTES = {"key": "quotes", "kind": "count", "event": "Quote", "role": "primary", "direction": "increase", "window_days": 14}
SPENT = {"key": "spent", "kind": "column", "column": "spent", "role": "primary", "direction": "increase"}


def plan(metrics: list[dict[str, Any]] | None = None, *, unit: str = "distinct_id", **more: Any) -> xp.Plan:
    metrics = metrics or [QUOTES]
    more.setdefault("variants", [{"key": "control", "split": 0.5, "control": True}, {"key": "beta", "split": 0.5}])
    return make_plan(metrics, key="homepage", title="t", owner="o", unit=unit, horizon={"units": 10}, **more)


def events(n: int = 100, **quote: Any) -> list[dict[str, Any]]:
    """The events of the world: event, at (seconds), who, id, and properties."""
    rows = []
    for i in range(n):
        at = START + 60 * i
        more = {"Experiment name": "homepage", "Variant name": ["control", "beta"][i % 2]}
        rows.append({"event": "$experiment_started", "at": at, "who": f"u{i}", "id": f"x{i}", "more": more})
        rows += [
            {"event": "Quote", "at": at + 3600 * (k + 1), "who": f"u{i}", "id": f"q{i}-{k}", "more": dict(quote)}
            for k in range(1 + i % 2 + (i % 5 == 0))
        ]
    return [*rows, {"event": "Ping", "at": START + 40 * 86_400, "who": "u0", "id": "end", "more": {}}]


def lines(path: Path, rows: list[dict[str, Any]], shape: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> Path:
    """The events as JSON Lines; Mixpanel's export where no shape is given."""
    path.write_text("".join(json.dumps((shape or mixpanel)(row)) + "\n" for row in rows))
    return path


def mixpanel(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": row["event"],
        "properties": {"time": row["at"], "distinct_id": row["who"], "$insert_id": row["id"], **row["more"]},
    }


def means(summary: Summary, metric: str = "quotes") -> tuple[float, ...]:
    cells = [summary.cell(metric, v) for v in ("control", "beta")]
    return tuple(round(c.mean[0], 6) for c in cells if c is not None)


def found(summary: Summary) -> dict[str, int]:
    return {f.name: f.count for f in summary.findings if f.count}


def refusal(call: Callable[[], Any]) -> str:
    """What xpbench says; anything else that is raised is a fault."""
    try:
        call()
    except XpbenchError as error:
        return str(error)
    return ""
