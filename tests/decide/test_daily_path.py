"""The path of an estimate: its last point is the readout's row, every point the readout of its units alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import make_plan
from xpbench.decide.analysis import analyse
from xpbench.decide.daily_path import exposure_path
from xpbench.decide.looks import Look

DAYS = pd.date_range("2026-09-07", periods=8)


def plan(kind: str, **metric: Any) -> xp.Plan:
    model = {"kind": kind, "n_opt": 4000, "min_units": 10} if kind == "sequential" else {"kind": kind}
    return make_plan(
        [{"key": "spent", "kind": "column", "column": "spent", "role": "primary", "direction": "increase", **metric}],
        key="walk",
        owner="team",
        unit="id",
        model=model,
        horizon={"units": 4000},
    )


def table() -> pd.DataFrame:
    generator = np.random.default_rng(2)
    n = 4000
    before = generator.gamma(2, 10, n)
    variant = np.where(generator.random(n) < 0.5, "beta", "control")
    spent = before + generator.normal(0, 5, n) + np.where(variant == "beta", 1.5, 0)
    return pd.DataFrame(
        {"id": np.arange(n), "variant": variant, "spent": spent, "before": before, "day": DAYS[np.arange(n) // 500]}
    )


@pytest.mark.parametrize("kind", ["frequentist", "sequential"])
@pytest.mark.parametrize("metric", [{}, {"cuped": True, "covariates": ["before"]}])
def test_every_point_is_the_readout_of_the_units_so_far(kind: str, metric: dict[str, Any]) -> None:
    wanted, frame = plan(kind, **metric), table()

    def row(rows: pd.DataFrame) -> Any:
        return analyse(wanted, xp.units(rows, unit="id", day="day").summarize(wanted))[0]

    summary = xp.units(frame, unit="id", day="day").summarize(wanted)
    points = exposure_path(wanted, summary, metric="spent", variant="beta", alpha=0.05)
    assert [p.n for p in points] == [500 * (i + 1) for i in range(8)]
    for index in (0, 3, 7):
        expected = row(frame.head(points[index].n))
        found = points[index]
        assert found.lift == pytest.approx(expected.lift, rel=1e-9)
        assert found.lift_low == pytest.approx(expected.lift_low, rel=1e-9)
        assert found.lift_high == pytest.approx(expected.lift_high, rel=1e-9)
        assert found.p_value == pytest.approx(expected.p_value, rel=1e-6, abs=1e-12)


def test_looks_stand_where_they_were_taken() -> None:
    wanted = plan("frequentist")
    summary = xp.units(table(), unit="id", day="day").summarize(wanted)
    looks = [Look(3, "", "", 900, False, "why"), Look(5, "", "", 4000, True)]
    points = exposure_path(wanted, summary, metric="spent", variant="beta", alpha=0.05, looks=looks)
    assert [p.look for p in points] == ["", "peek", "", "", "", "", "", "planned"]


def test_without_days_there_is_no_path() -> None:
    wanted = plan("frequentist")
    summary = xp.units(table(), unit="id").summarize(wanted)
    assert exposure_path(wanted, summary, metric="spent", variant="beta", alpha=0.05) == ()
