"""Spark on the golden log: one short session in CI; every other kind of session and format by

pytest -m "full and spark" tests/data
"""

from __future__ import annotations

import json
import tempfile
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
from xpbench.data import Stage
from xpbench.data.log import Properties
from xpbench.data.spark_log import SparkLog
from xpbench.errors import DataError
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
    told: list[Stage] = []
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

    def stop(stage: Stage) -> None:
        if stage.done == stop_at:
            raise KeyboardInterrupt

    source = xp.events(spark.read.parquet(str(path)), cache=tmp_path / "cache", slices=())
    with pytest.raises(KeyboardInterrupt):
        source.summarize(plan_of(METRICS[:1]), progress=stop)
    assert list(scratch.iterdir()) == []
    assert not list((tmp_path / "cache").glob("*/*"))
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == 0
    assert spark.getTags() == set()


def test_a_job_that_fails_is_told_in_sparks_words(spark: Any, path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(path.read_bytes())
    table = spark.read.parquet(str(broken))
    broken.write_bytes(b"PAR1" + bytes(200))
    with pytest.raises(DataError, match="broken") as caught:
        xp.events(table, slices=()).summarize(plan_of(METRICS[:1]))
    assert caught.value.code == "XPB-D01"
    assert spark.getTags() == set()


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
    found = SparkLog(source, plan_of(METRICS[:1]), Properties()).frame().select("t").collect("pyarrow")["t"].to_list()
    assert [t // 1_000_000 for t in found] == in_duckdb(readings, zone)


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
