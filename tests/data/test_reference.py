"""Random small logs and random plans: every cell of a summary agrees with the slow reading in plain Python.

The full number, more than 2,000 logs for each engine, is `pytest -m full tests/data/test_reference.py`, or with a table
`python -m tests.data.reference`; its last result is in benchmarks/results/reference-*.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xpbench as xp
from tests.data import reference, spark_sessions
from tests.data.logs import frame_of
from tests.data.reference import LOGS, differences, in_format, pack, unit_differences
from tests.data.slow import unit_rows, without_repeats

seeds = st.integers(0, 2**31)


@settings(max_examples=2, deadline=None)
@given(seed=seeds)
def test_small_logs_agree_with_the_slow_reading(seed: int) -> None:
    assert differences(seed, logs=10)[1] == []


@settings(max_examples=2, deadline=None)
@given(seed=seeds)
def test_a_table_with_one_row_per_unit_agrees_with_the_slow_reading(seed: int) -> None:
    assert unit_differences(seed, logs=10)[1] == []


def test_the_comparison_sees_a_wrong_number() -> None:
    """One purchase more in one log of forty is found in every dimension that it touches."""
    seed = next(s for s in range(100) if pack(s)[0].metrics[1].window_days is None)
    plan, log = pack(seed)
    until = max(e["t"] for e in log)
    rows = unit_rows(without_repeats(log), plan, until)
    summary = xp.events(frame_of(in_format(log, plan)), absent_events="zero").summarize(plan)
    key = next(k for k in sorted(rows) if rows[k]["buys"] is not None)
    rows[key]["buys"] += 1
    _, found = reference.compared(summary, dict(reference.expected(rows, plan, until, _uncapped(summary))), {}, seed)
    assert {key[0] for _, key, *_ in found} >= {"buys"}
    assert {key[2] for _, key, *_ in found if key[0] == "buys"} >= {"", "$day", "log", "platform"}


def _uncapped(summary: Any) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(caps=())


@pytest.mark.full
@settings(max_examples=55, deadline=None)
@given(seed=seeds)
def test_two_thousand_small_logs(seed: int) -> None:
    assert differences(seed, logs=LOGS)[1] == []


@pytest.mark.full
@settings(max_examples=55, deadline=None)
@given(seed=seeds)
def test_two_thousand_small_logs_per_unit(seed: int) -> None:
    assert unit_differences(seed, logs=LOGS)[1] == []


@pytest.mark.full
@pytest.mark.spark
def test_small_logs_on_spark(tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    session = spark_sessions.session("local[2]")

    def read(frame: Any) -> Any:
        frame.to_parquet(tmp_path / "log.parquet")
        return session.read.parquet(str(tmp_path / "log.parquet"))

    assert differences(3, read, logs=150)[1] == []
