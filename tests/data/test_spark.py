"""Spark on the golden log: one short session in CI; every other kind of session and format by

pytest -m "full and spark" tests/data
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

import xpbench as xp
from tests.data import spark_sessions
from tests.data.logs import METRICS, clock_readings, frame_of, golden_plan, in_duckdb, plan_of
from tests.data.test_oracle import GOLDEN, NAMES, ORACLE, events_of_lines, expected, oracle_log, sums, typed
from xpbench.data import ReadingStage
from xpbench.data.engines.spark_log import SparkLog
from xpbench.data.engines.spark_stop import SparkJobs
from xpbench.data.logs.log import LogProperties
from xpbench.data.logs.survey import by_name
from xpbench.errors import DataError
from xpbench.ledger.clock import fixed_clock
from xpbench.plan.design import Exposure

pytestmark = pytest.mark.spark
pytest.importorskip("pyspark")

LOG = events_of_lines(GOLDEN / "log.jsonl")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    session = spark_sessions.session("local[1]", **{"spark.sql.shuffle.partitions": "1"})
    yield session
    session.stop()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden log as Parquet."""
    frame = frame_of(LOG)
    frame["time"] = frame["time"].astype("datetime64[us]")
    target = tmp_path_factory.mktemp("golden") / "log.parquet"
    frame.to_parquet(target)
    return target


def test_golden_integers_and_moments_on_spark(spark: Any, path: Path, tmp_path: Path) -> None:
    typed(duckdb.connect(), oracle_log(LOG), tmp_path / "oracle.parquet")
    spark.read.parquet(str(tmp_path / "oracle.parquet")).createOrReplaceTempView("log")
    oracle = [r.asDict() for r in spark.sql(ORACLE).collect()]
    assert sums(oracle, {n: n for n in NAMES}) == expected()
    plan = plan_of([m for m in METRICS if m["key"] in ("conv", "money", "fun")], segments=["platform"])
    plan = plan.changed(
        metrics=[{**m, "winsorize": {"upper": 0.9}} if m["key"] == "money" else m for m in plan.to_dict()["metrics"]]
    )
    told: list[ReadingStage] = []
    on_duckdb = xp.events(path, until="2026-01-12", slices=("segment",)).summarize(plan)
    on_spark = xp.events(spark.read.parquet(str(path)), until="2026-01-12", slices=("segment",)).summarize(
        plan, progress=told.append
    )
    assert on_spark.engine.startswith("spark")
    same(on_spark.to_dict(), on_duckdb.to_dict())
    assert [s.name for s in told][:3] == ["open the log", "survey the log", "find the first exposures"]
    assert all(s.rows for s in told[1:])
    assert sum(s.seconds for s in told) > 0


def same(there: dict[str, Any], here: dict[str, Any]) -> None:
    """Two summaries agree in everything but engine and fingerprint, to the last bit."""
    own = ("engine", "fingerprint", "source")
    assert {k: v for k, v in there.items() if k not in own} == {k: v for k, v in here.items() if k not in own}


@pytest.mark.parametrize("stop_at", [2, 4])
def test_cancelling_on_spark_leaves_nothing(
    spark: Any, path: Path, stop_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def stop(stage: ReadingStage) -> None:
        if stage.done == stop_at:
            raise KeyboardInterrupt

    source = xp.events(spark.read.parquet(str(path)), cache=tmp_path / "cache", slices=())
    with pytest.raises(KeyboardInterrupt):
        source.summarize(plan_of(METRICS[:1]), progress=stop)
    assert list(scratch.iterdir()) == []
    assert not list((tmp_path / "cache").glob("*/*"))
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == 0
    assert len(spark.sparkContext.getJobTags()) == 0


def read(source: xp.EventsSource) -> None:
    source.summarize(plan_of(METRICS[:1]))


@pytest.mark.parametrize("work", [read, xp.experiments])
def test_ctrl_c_stops_our_jobs_and_no_others(spark: Any, work: Any) -> None:
    """Ours holds the one core for minutes; the other job waits behind it, is not stopped, and has its answer."""
    tracker = spark.sparkContext.statusTracker()
    other: list[int] = []

    def running(jobs: int) -> bool:
        end = time.monotonic() + 60
        while len(tracker.getActiveJobsIds()) != jobs and time.monotonic() < end:
            time.sleep(0.02)
        return len(tracker.getActiveJobsIds()) == jobs

    waiting = threading.Thread(target=lambda: other.append(spark.range(7).count()))

    def press() -> None:
        if running(1):
            waiting.start()
            running(2)
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    pressing = threading.Thread(target=press)
    begun = time.monotonic()
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        work(xp.events(spark_sessions.slow_log(spark), slices=()))
    pressing.join()
    waiting.join()
    assert other == [7]
    assert running(0)
    assert time.monotonic() - begun < 50  # to the end it would take the core 100 s
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == 0
    assert len(spark.sparkContext.getJobTags()) == 0
    assert signal.getsignal(signal.SIGINT) is before
    assert spark.range(3).count() == 3


def test_a_handler_of_somebody_else_is_left_alone(spark: Any) -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[int] = []

    def mine(number: int, frame: Any) -> None:
        seen.append(number)

    signal.signal(signal.SIGINT, mine)
    try:
        with SparkJobs(spark).tagged():
            assert signal.getsignal(signal.SIGINT) is mine
            assert len(spark.sparkContext.getJobTags()) == 1
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


def test_a_job_that_fails_is_told_in_sparks_words(spark: Any, path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(path.read_bytes())
    table = spark.read.parquet(str(broken))
    broken.write_bytes(b"PAR1" + bytes(200))
    with pytest.raises(DataError, match="broken") as caught:
        xp.events(table, slices=()).summarize(plan_of(METRICS[:1]))
    assert caught.value.code == "XPB-D01"
    assert len(spark.sparkContext.getJobTags()) == 0


def test_the_pass_for_the_fingerprint_counts_as_the_survey_does(spark: Any, path: Path) -> None:
    """Late and future events, broken times, names and units that are missing, in any number of partitions."""
    now = 1_767_500_000_000_000
    odd = "CASE WHEN id % 5 > 0 THEN 'e' || id % 3 END AS event, CASE WHEN id % 7 > 0 THEN 'u' END AS distinct_id, "
    odd += f"CASE WHEN id % 11 > 0 THEN {now} + (id - 200) * 3600000000 END AS time, {now} AS mp_processing_time_ms"
    prints = set()
    for parts in (1, 5):
        table = spark.range(400, numPartitions=parts).selectExpr(*odd.split(", "))
        clock = fixed_clock("2026-01-04T04:13:20")
        source: Any = SimpleNamespace(log=table, schema=xp.EventSchema(), time_zone="UTC", clock=clock)
        log = SparkLog(source, plan_of(METRICS[:1]), LogProperties())
        prints.add(log.fingerprint())
        counted = {r["event"]: r for r in log.counted(now) or []}
        assert len(counted) == 4
        for row in by_name(log.frame(), now):
            assert {k: counted[row["event"]][k] for k in row} == row
            assert row["late"]
            assert row["future"]
    assert len(prints) == 1


@pytest.mark.full
def test_exposures_of_every_format_and_local_time_on_spark(spark: Any) -> None:
    import pandas as pd

    from tests.data.test_warehouse import raw_lines

    plan = plan_of([m for m in METRICS if m["key"] in ("conv", "money")])
    for form in ("separate", "dictionary", "list"):
        frame = pd.DataFrame(raw_lines(form), columns=["event", "properties"])
        table = spark.createDataFrame(list(frame.itertuples(index=False, name=None)), "event string, properties string")
        mine = plan.changed(exposure={"format": form, "window_from": "latest_exposure"})
        options: dict[str, Any] = {"time_zone": "Europe/London", "slices": ()}
        same(xp.events(table, **options).summarize(mine).to_dict(), xp.events(frame, **options).summarize(mine).to_dict())
        how = Exposure(format=form)
        assert xp.experiments(xp.events(table), exposure=how) == xp.experiments(xp.events(frame), exposure=how)


@pytest.mark.full
@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_clock_readings_around_the_change_of_clocks(spark: Any, zone: str) -> None:
    readings = clock_readings()
    table = spark.createDataFrame([("u", t) for t in readings], "distinct_id string, time bigint").selectExpr(
        "*", "'e' AS event"
    )
    source: Any = SimpleNamespace(log=table, schema=xp.EventSchema(), time_zone=zone)
    found = SparkLog(source, plan_of(METRICS[:1]), LogProperties()).frame().select("t").collect("pyarrow")["t"].to_list()
    assert [t // 1_000_000 for t in found] == in_duckdb(readings, zone)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["local[2]", "connect"])
def test_ctrl_c_on_a_session_of_its_own_process(kind: str, tmp_path: Path) -> None:
    if kind == "connect":
        pytest.importorskip("grpc")
        with spark_sessions.connect(tmp_path) as url:
            found = spark_sessions.apart(url)
    else:
        found = spark_sessions.apart(kind)
    assert found["raised"] == "KeyboardInterrupt"
    assert found["seconds"] < 10
    assert found["next"] < 15  # both cores are free again; the job alone would hold them for 50 s
    assert found["tags"] == []


@pytest.mark.full
@pytest.mark.parametrize("kind", ["local[*]", "local-cluster[2,1,1024]", "standalone", "connect"])
def test_every_kind_of_session_gives_the_golden_integers(kind: str, path: Path, tmp_path: Path) -> None:
    if kind == "standalone":
        with spark_sessions.standalone(tmp_path) as url:
            found = spark_sessions.apart(url, path)
    elif kind == "connect":
        pytest.importorskip("grpc")
        with spark_sessions.connect(tmp_path) as url:
            found = spark_sessions.apart(url, path)
        assert "connect" in found["session"]
    else:
        found = spark_sessions.apart(kind, path)
    assert found["integers"] == expected()
    here = xp.events(path, until="2026-01-12", slices=("segment", "day", "age")).summarize(golden_plan())
    same(found["summary"], json.loads(json.dumps(here.to_dict())))
    assert all(rows for _, rows, _ in found["stages"][1:])
