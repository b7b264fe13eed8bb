"""Baselines from the past: against numpy, from tables, Parquet and Mixpanel's JSON Lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import xpbench as xp
from tests.builders import column, make_plan, metric
from xpbench.demo.simulation import APPLICATIONS, EXPOSURE_DAYS, QUOTE_RATE, demo_plan, simulate
from xpbench.errors import DataError, DecisionError
from xpbench.forecast.baselines import baselines_of, read_history


def column_plan(**more: Any) -> xp.Plan:
    return make_plan(
        [
            column("bought"),
            column("spent", "secondary", winsorize={"upper": 0.99}),
            column("visits", "secondary"),
            metric("per_visit", "ratio", "secondary", numerator="spent", denominator="visits"),
        ],
        key="past",
        owner="team",
        unit="id",
        horizon={"units": 100},
        **more,
    )


@pytest.fixture(scope="module")
def past() -> pd.DataFrame:
    generator = np.random.default_rng(5)
    n = 4000
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "bought": (generator.random(n) < 0.2).astype(int),
            "spent": generator.lognormal(2, 1, n),
            "visits": generator.poisson(3, n) + 1,
            "day": pd.Timestamp("2026-08-01") + pd.to_timedelta(np.arange(n) // 400, unit="D"),
        }
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_of_the_past(past: pd.DataFrame, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"past.{ending}"
    past.to_csv(path, index=False) if ending == "csv" else past.to_parquet(path)
    plan = column_plan()
    found = baselines_of(plan, read_history(path, plan, kind="units", day="day"))
    spent = past["spent"].clip(upper=np.quantile(past["spent"], 0.99))
    ratio = spent.mean() / past["visits"].mean()
    linear = (spent - ratio * past["visits"]) / past["visits"].mean()
    close = {"rel": 6e-4}  # four digits are kept
    assert found.baselines["bought"] == pytest.approx(past["bought"].mean(), **close)
    assert "bought" not in found.sds
    assert found.baselines["spent"] == pytest.approx(spent.mean(), **close)
    assert found.sds["spent"] == pytest.approx(spent.std(), **close)
    assert found.baselines["per_visit"] == pytest.approx(ratio, **close)
    assert found.sds["per_visit"] == pytest.approx(linear.std(), **close)
    assert found.to_dict()["daily_units"] == 400


@pytest.mark.parametrize("ending", ["parquet", "jsonl.gz"])
def test_a_log_of_the_past(tmp_path: Path, ending: str) -> None:
    plan = demo_plan(units=3000)
    table = simulate(plan, units=3000, seed=6).events
    frame = table.filter([e != "$experiment_started" for e in table["event"].to_pylist()])
    path = tmp_path / f"log.{ending}"
    if ending == "parquet":
        pq.write_table(frame, path)
    else:
        with gzip.open(path, "wt") as file:
            for line in frame.to_pylist():
                kept = {k: v for k, v in line.items() if k not in ("event", "time") and v is not None}
                file.write(
                    json.dumps({"event": line["event"], "properties": {**kept, "time": line["time"].timestamp()}}) + "\n"
                )
    found = baselines_of(plan, read_history(path, plan, kind="events", trigger="Page View"))
    assert found.units == 3000
    assert found.left_out == ("page_load_p95",)
    assert found.baselines["quotes"] == pytest.approx(QUOTE_RATE * 1.35, rel=0.35)
    assert found.baselines["applications"] == pytest.approx(APPLICATIONS, rel=0.35)
    assert found.sds["applications"] > 0
    assert found.days is not None
    assert abs(found.days - EXPOSURE_DAYS) <= 15


def test_what_does_not_fit_is_said(past: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="XPB-D02"):
        read_history(tmp_path / "none.csv", column_plan(), kind="units")
    path = tmp_path / "other.csv"
    past[["id", "day"]].to_csv(path, index=False)
    with pytest.raises(DecisionError, match="The table has the columns id, day"):
        read_history(path, column_plan(), kind="units")
    with pytest.raises(DecisionError, match="XPB-R20"):
        read_history(path, demo_plan(units=3000), kind="units")
