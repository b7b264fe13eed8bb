"""Lift by days: numbers that another implementation gives, accrual that later weeks confirm, the cheapest remedy."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, plan_document, split
from xpbench.errors import InputError
from xpbench.forecast.accrual import AccrualCurve, accrual_of
from xpbench.forecast.drafting import drafted
from xpbench.forecast.history import History
from xpbench.forecast.size_table import reductions_of, size_table


def plan(**more: Any) -> xp.Plan:
    base: dict[str, Any] = plan_document(
        [column("bought"), column("spend", "secondary", cuped=True, covariates=["spend_before"])],
        key="shop",
        owner="me",
        lift=0.1,
        variants=split("control", "new"),
        unit="id",
        horizon={"units": 28_000},
        planning={"power": 0.8, "daily_units": 1000, "baselines": {"bought": 0.1, "spend": 40.0}, "sds": {"spend": 50.0}},
    )
    return xp.Plan(**{**base, **more})


def test_a_fixed_size_is_that_of_statsmodels() -> None:
    from statsmodels.stats.power import TTestIndPower

    table = size_table(plan())
    for row in table.rows:
        if row.metric != "spend" or row.reading != "fixed":
            continue
        effect = TTestIndPower().solve_power(nobs1=row.units / 2, power=0.8, alpha=0.05)
        assert row.lift == pytest.approx(effect * 50 / 40, rel=0.01)  # Fieller's lift is a little wider than the difference's
        assert row.units == row.days * 1000


def test_a_covariate_saves_what_its_correlation_says() -> None:
    table = size_table(plan(), reductions={"spend": 0.64})
    fixed = {r.days: r.lift for r in table.rows if r.metric == "spend" and r.reading == "fixed"}
    saved = {r.days: r.lift for r in table.rows if r.metric == "spend" and r.reading == "fixed with covariate"}
    for days, lift in saved.items():
        assert lift == pytest.approx(0.6 * (fixed[days] or 0), rel=0.02)  # sqrt(1 - 0.64)
    assert not [r for r in table.rows if r.metric == "bought" and r.reading == "fixed with covariate"]


def test_looking_before_costs_a_little() -> None:
    looks = {"kind": "group_sequential", "spending": "pocock", "looks": [0.25, 0.5, 0.75, 1.0]}
    table = size_table(plan(model=looks))
    own = {(r.reading, r.days): r.lift for r in table.rows if r.metric == "bought"}
    for days in (7, 28, 84):
        fixed, grouped = own["fixed", days], own["group-sequential", days]
        assert fixed is not None
        assert grouped is not None
        assert 1.05 < grouped / fixed < 1.3


def test_what_fits_is_said_and_needs_no_remedy() -> None:
    then = [{"metric": "bought", "direction": "increase", "lift": 0.12}]
    table = size_table(plan(hypothesis={"if": "a", "then": then, "because": "b"}))
    assert table.remedies == ()
    assert "is found within" in table.sentence
    assert table.days == 28


def test_the_cheapest_remedy_comes_first() -> None:
    small = plan(hypothesis={"if": "a", "then": [{"metric": "bought", "direction": "increase", "lift": 0.06}], "because": "b"})
    table = size_table(small, reductions={"spend": 0.5})
    assert "nothing finds" in table.sentence
    said = [r.sentence for r in table.remedies]
    assert any(s.startswith("let spend decide") for s in said)
    assert any(s.startswith("run longer: 84 days") for s in said)
    assert said[-1].startswith("plan for a larger change")
    uneven = plan(
        variants=[{"key": "control", "split": 0.9, "control": True}, {"key": "new", "split": 0.1}], horizon={"units": 28_000}
    )
    assert any("split equally" in r.sentence for r in size_table(uneven).remedies)


def test_without_traffic_there_are_no_days() -> None:
    with pytest.raises(InputError, match="units come a day"):
        size_table(plan(planning={"baselines": {"bought": 0.1}}))
    assert size_table(plan(planning={"baselines": {}, "daily_units": 10})).sentence == "No metric has a baseline yet."


def test_it_is_drawn_and_shown() -> None:
    table = size_table(plan(), reductions={"spend": 0.5})
    view = table.plot("spend")
    assert "fixed with covariate" in json.dumps(view.spec)
    assert view.to_png()[:4] == b"\x89PNG"
    assert "<table" in table._repr_html_()
    assert len(table.to_frame()) == len(table.rows)
    with pytest.raises(InputError, match="bought, spend"):
        table.plot("nothing")


def test_the_share_explained_is_the_squared_correlation() -> None:
    rng = np.random.default_rng(2)
    before = rng.gamma(2, 20, 4000)
    frame = pd.DataFrame({"bought": np.ones(4000), "spend": 0.8 * before + rng.gamma(2, 5, 4000), "spend_before": before})
    found = reductions_of(History.of_frame(frame, plan()))
    assert found["spend"] == pytest.approx(np.corrcoef(frame["spend"], before)[0, 1] ** 2, abs=1e-9)


def visits(path: Path, *, days: int) -> list[tuple[int, str]]:
    """A log of a shop with people who come back, and quiet weekends; gives (day, id) of every visit."""
    rng = np.random.default_rng(9)
    start = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday
    out = []
    with path.open("w") as file:
        for day in range(days):
            per = 200 if day % 7 < 5 else 110
            for i in range(per):
                who = f"u{rng.integers(0, 40_000)}" if rng.random() < 0.5 else f"n{day}-{i}"
                at = int(start.timestamp()) + day * 86_400 + int(rng.integers(0, 86_400))
                properties = {"distinct_id": who, "time": at, "$insert_id": f"{day}-{i}"}
                file.write(json.dumps({"event": "Page Viewed", "properties": properties}) + "\n")
                if rng.random() < 0.1:
                    bought = {**properties, "time": at + 60, "$insert_id": f"b{day}-{i}"}
                    file.write(json.dumps({"event": "Order Completed", "properties": bought}) + "\n")
                out.append((day, who))
    return out


def test_later_weeks_bring_what_was_forecast(tmp_path: Path) -> None:
    """Forecast from four weeks; realised in weeks five to eight of the same log, counted without this package."""
    everything = visits(tmp_path / "all.jsonl", days=56)
    first = [line for line in (tmp_path / "all.jsonl").read_text().splitlines() if _day(line) < 28]
    (tmp_path / "past.jsonl").write_text("\n".join(first) + "\n")
    made = drafted(tmp_path / "past.jsonl")
    assert made.pace is not None
    for weeks in (1, 2, 4):
        forecast = made.pace.units_by(7 * weeks)
        realised = len({who for day, who in everything if 28 <= day < 28 + 7 * weeks})
        assert forecast == pytest.approx(realised, rel=0.05)


def _day(line: str) -> int:
    at = json.loads(line)["properties"]["time"]
    return (int(at) - int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())) // 86_400


def test_the_pace_of_a_history_is_its_days() -> None:
    history = History({"bought": np.ones(400), "spend": np.ones(400)}, day=np.repeat(np.arange(4), 100))
    pace = accrual_of(plan(), history)
    assert pace is not None
    assert pace.units_by(2) == 200
    assert size_table(plan(), accrual=AccrualCurve(np.array([50.0]))).rows[0].units == 350
