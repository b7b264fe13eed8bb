"""The fault table, short: nothing acknowledged is lost or there twice, the order is kept; the page shows the full run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

faults = pytest.importorskip("benchmarks.faults")
ROOT = Path(__file__).resolve().parents[2]
QUICK = [name for name in faults.SCENARIOS if name not in ("server down", "kill -9 of the relay process")]


@pytest.mark.parametrize("name", QUICK)
def test_short(name: str) -> None:
    row = faults.run(name, faults.Scale.short())
    assert row.is_good, row


@pytest.mark.slow
@pytest.mark.parametrize("name", ["server down", "kill -9 of the relay process"])
def test_slow_ones(name: str) -> None:
    row = faults.run(name, faults.Scale.short())
    assert row.is_good, row


def test_the_page_shows_the_full_run() -> None:
    document = json.loads((ROOT / "benchmarks" / "results" / "faults.json").read_text("utf-8"))
    rows = [faults.Row(**r) for r in document["rows"]]
    assert faults.table(rows) in (ROOT / "docs" / "proof" / "exposure-faults.md").read_text("utf-8")
    assert {r.fault for r in rows} == set(faults.SCENARIOS)
    assert all(r.is_good for r in rows)
    assert next(r.runs for r in rows if r.fault.startswith("kill -9 of caller")) >= 300
