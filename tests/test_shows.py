"""Every public result shows itself: bundle with text that reads, static HTML, a table, a JSON value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, make_plan
from xpbench.data.jsonl.ingestion import IngestReport, ingest
from xpbench.mixpanel.client import ImportReport
from xpbench.mixpanel.pull import PulledDay, PullReport
from xpbench.verifier.report import Difference, Report
from xpbench.views.variants import variant_table

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = Path(tmp_path_factory.mktemp("shows"))
    plan = make_plan(
        [column("bought", name=HOSTILE)],
        key="shows",
        title=HOSTILE,
        owner="team",
        lift=0.2,
        change=HOSTILE,
        unit="id",
        assignment={"hash": "sha256"},
        horizon={"units": 2000},
        planning={"baselines": {"bought": 0.3}},
    )
    generator = np.random.default_rng(1)
    ids = np.arange(2000)
    frame = pd.DataFrame({"id": ids, "variant": xp.assign(plan, ids), "bought": generator.random(2000) < 0.3})
    experiment = xp.register(plan, root)
    sealed = experiment.readout(xp.units(frame.head(500), unit="id", variant="variant"))
    readout = experiment.readout(xp.units(frame, unit="id", variant="variant"))
    experiment.decide(readout, readout.recommendation.outcome, because=HOSTILE, by="team")
    exposures = frame.rename(columns={"variant": "variant"})[["id", "variant"]]
    return {
        "sealed": sealed,
        "readout": readout,
        "summary": readout.summary,
        "check": readout.health[0],
        "power": xp.power(plan),
        "preflight": xp.preflight(plan, ids),
        "audit": xp.audit(plan, exposures),
        "memo": experiment.memo(),
        "portfolio": xp.portfolio(root),
        "view": variant_table(readout),
        "verified": xp.verify(experiment.memo().save(root / "memo.html")),
        "changed": Report("differs", "memo.html", HOSTILE, (Difference("title", HOSTILE, "b"),), ("digest",)),
        "imported": ImportReport(3, ({"position": 1, "field": "time", "message": HOSTILE},)),
        "pulled": PullReport("export", (PulledDay("2026-11-01", HOSTILE, 5, 100, "2026-11-03T00:00:00Z", True),)),
        "ingested": read_lines(root),
    }


def read_lines(root: Path) -> IngestReport:
    """Two lines, of which one is no JSON, in a file with a hostile name."""
    path = root / "img src=x onerror.jsonl"
    path.write_text(
        '{"event":"seen","properties":{"distinct_id":"u","time":1767225600,"$insert_id":"i"}}\n{<img src=x onerror=alert(1)>\n'
    )
    return ingest([path], out=root / "parquet")


NAMES = (
    "sealed", "readout", "summary", "check", "power", "preflight", "audit", "memo", "portfolio", "view", "verified", "changed",
    "imported", "pulled", "ingested",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_public_result_shows_itself(results: dict[str, Any], name: str) -> None:
    result = results[name]
    bundle = result._repr_mimebundle_()
    assert bundle["text/plain"] == repr(result)
    assert "object at 0x" not in bundle["text/plain"]
    if name != "summary":
        assert "<" in bundle["text/html"]
    assert HOSTILE not in bundle.get("text/html", "")
    assert "<script" not in bundle.get("text/html", "")
    json.dumps(result.to_dict())


@pytest.mark.parametrize("name", NAMES)
def test_every_public_result_is_a_table(results: dict[str, Any], name: str) -> None:
    frame = results[name].to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert name in ("audit", "portfolio", "verified") or len(frame) > 0


def test_a_sealed_frame_holds_counts_only(results: dict[str, Any]) -> None:
    assert results["sealed"].to_frame().columns.tolist() == ["variant", "units"]
