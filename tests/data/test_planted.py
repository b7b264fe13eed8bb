"""The generated log of the benchmark: hand-written SQL agrees to the cent, and the planted truth is found."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest

import xpbench as xp
from benchmarks.engine import PLAN, generate, hand_sql, ours
from tests.data.logs import METRICS, frame_of, lines_of, plan_of, random_log
from xpbench.data import ReadingStage
from xpbench.data.progress import progress_bar


def test_planted_truth_is_found_and_hand_sql_agrees(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    generate(path, events=150_000, units=8_000)
    assert ours(str(path), None, slices=(), duplicates="keep") == hand_sql(str(path), None)
    source = xp.events(path, schema=xp.EventSchema(insert_id="insert_id", properties=None), until="2026-03-05", slices=())
    s = source.summarize(xp.Plan(**PLAN))
    control, beta = (s.cell("orders", v) for v in ("control", "beta"))
    truth = 16 / 15  # an order has probability 0.16 instead of 0.15
    lift = beta.mean[0] / control.mean[0]
    error = lift * np.sqrt(beta.cov[0][0] / beta.n / beta.mean[0] ** 2 + control.cov[0][0] / control.n / control.mean[0] ** 2)
    assert abs(lift - truth) < 4 * error
    assert error < 0.05
    switchers = next(f for f in s.findings if f.name == "several_variants")
    assert 0.005 < switchers.count / switchers.of < 0.015
    limited = ours(str(path), "100MB", slices=(), duplicates="keep")
    assert limited == hand_sql(str(path), None)


@pytest.mark.parametrize("stop_at", [1, 3, 5])
def test_cancelling_leaves_nothing_half_written(stop_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    path = tmp_path / "log.jsonl"
    path.write_text(lines_of(random_log(np.random.default_rng(1))))

    def stop(stage: ReadingStage) -> None:
        if stage.done == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        xp.events(path, cache=tmp_path / "cache").summarize(plan_of(METRICS[:2]), progress=stop)
    assert list(scratch.iterdir()) == []
    assert not list((tmp_path / "cache").glob("*/*"))


def test_progress_bar_names_the_stages() -> None:
    out = io.StringIO()
    with progress_bar(file=out) as progress:
        xp.events(frame_of(random_log(np.random.default_rng(1)))).summarize(plan_of(METRICS[:1]), progress=progress)
    assert "write the summary" in out.getvalue()
    assert "rows" in out.getvalue()
