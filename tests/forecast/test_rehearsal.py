"""A rehearsal agrees with closed forms, with the plan's alpha and with the accrual of the history."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as oracle
from statsmodels.stats.power import TTestIndPower

import xpbench as xp
from tests.builders import column, plan_document
from xpbench.errors import DecisionError
from xpbench.forecast.history import History
from xpbench.forecast.rehearsal import default_scenarios, rehearse
from xpbench.plan import Plan

N = 4000


def plan(**changes: Any) -> Plan:
    """One primary over a column; guardrails where a test asks for them."""
    base: dict[str, Any] = plan_document([column("m")], key="reh", title="Rehearsal", lift=0.01, horizon={"units": N})
    return Plan(**{**base, **changes})


@pytest.fixture(scope="module")
def normal() -> History:
    """Normal values: mean 100, sd 10."""
    return History({"m": np.random.default_rng(1).normal(100, 10, N)})


def test_power_is_the_closed_form(normal: History) -> None:
    """Share of significant runs against statsmodels' power of the t-test, within 3 Monte-Carlo errors."""
    found = rehearse(plan(), normal, scenarios={"as expected": {"m": 0.008}}, runs=800).scenario("as expected")
    effect = 0.008 * normal.values["m"].mean() / normal.values["m"].std(ddof=1)
    power = TTestIndPower().power(effect, nobs1=N / 2, alpha=0.05)
    assert found.significant == pytest.approx(power, abs=3 * (power * (1 - power) / 800) ** 0.5 + 0.005)
    assert found.ship == pytest.approx(found.significant, abs=0.002)


def test_false_positives_keep_alpha(normal: History) -> None:
    """Null runs reject within the 99 % binomial band around alpha."""
    found = rehearse(plan(), normal, scenarios={"nothing happens": {}}, runs=800)
    band = oracle.binom.interval(0.99, 800, 0.05)
    assert band[0] <= (found.false_positive_rate or 0) * 800 <= band[1]


def test_mde_is_found_with_the_planned_power(normal: History) -> None:
    """Injecting the MDE gives the planned power."""
    mde = rehearse(plan(), normal, scenarios={"null": {}}, runs=250).mde["m"]
    again = rehearse(plan(), normal, scenarios={"mde": {"m": mde}}, runs=350).scenario("mde")
    assert again.significant == pytest.approx(0.8, abs=0.08)


def test_cuped_narrows_and_holm_corrects(normal: History) -> None:
    """CUPED lowers the MDE by sqrt(1 - rho²); two primaries under Holm keep the family's level."""
    rng = np.random.default_rng(2)
    before = normal.values["m"] + rng.normal(0, 5, N)
    rho2 = np.corrcoef(before, normal.values["m"])[0, 1] ** 2
    metrics = [
        {
            "key": "m",
            "kind": "column",
            "column": "m",
            "role": "primary",
            "direction": "increase",
            "cuped": True,
            "covariates": ["b"],
        }
    ]
    history = History(normal.values, {"m": before.reshape(-1, 1)})
    plain = rehearse(plan(), normal, scenarios={"null": {}}, runs=200).mde["m"]
    narrow = rehearse(plan(metrics=metrics), history, scenarios={"null": {}}, runs=200).mde["m"]
    assert narrow / plain == pytest.approx((1 - rho2) ** 0.5, rel=0.15)
    two = [{"key": k, "kind": "column", "column": k, "role": "primary", "direction": "increase"} for k in ("m", "other")]
    both = History({"m": normal.values["m"], "other": rng.exponential(1, N)})
    found = rehearse(plan(metrics=two), both, scenarios={"null": {}}, runs=500)
    assert (found.false_positive_rate or 0) * 500 <= oracle.binom.ppf(0.995, 500, 0.05)


def _guarded(model: dict[str, Any]) -> Plan:
    return plan(
        metrics=[
            {"key": "m", "kind": "conversion", "event": "M", "role": "primary", "direction": "increase", "min_lift": 0.02},
            {"key": "g", "kind": "conversion", "event": "G", "role": "guardrail", "direction": "decrease", "margin_rel": 0.2},
        ],
        hypothesis={"if": "a", "then": [{"metric": "m", "direction": "increase", "lift": 0.25}], "because": "b"},
        model=model,
        horizon={"units": 8000},
    )


@pytest.fixture(scope="module")
def binary() -> History:
    """Two conversions, weekly accrual over 28 days."""
    rng = np.random.default_rng(3)
    n = 8000
    per_day = np.where(np.arange(28) % 7 >= 5, 0.5, 1.0)
    day = np.sort(rng.choice(28, n, p=per_day / per_day.sum()))
    return History(
        {"m": (rng.random(n) < 0.3).astype(float), "g": (rng.random(n) < 0.2).astype(float)}, day=day.astype(np.int64)
    )


def test_guardrail_blocks(binary: History) -> None:
    """A win with a hurt guardrail does not ship; without harm it does."""
    found = rehearse(_guarded({"kind": "frequentist"}), binary, runs=60)
    assert [s.name for s in found.scenarios] == ["nothing happens", "as expected", "guardrail hurt"]
    assert found.scenario("as expected").ship > 0.75
    assert found.scenario("guardrail hurt").ship == 0
    assert found.scenario("guardrail hurt").blocked > 0.9
    assert found.scenario("nothing happens").ship < 0.1
    assert found.days == pytest.approx(28.0)
    json.dumps(found.to_dict(), allow_nan=False)
    assert "guardrail hurt" in found._repr_html_()
    assert {p.scenario for p in found.plays} == {s.name for s in found.scenarios}


def test_sequential_stops_early_and_keeps_alpha(binary: History) -> None:
    """A large effect ends an anytime-valid plan before its horizon; a null one is rarely called."""
    found = rehearse(_guarded({"kind": "sequential", "n_opt": 8000, "min_units": 300}), binary, runs=60)
    expected = found.scenario("as expected")
    assert expected.units < 8000
    assert (expected.days or 99) < 28
    assert found.scenario("nothing happens").significant <= 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5


def test_accrual_is_the_history_s_own(binary: History) -> None:
    """Days to any number of units follow the weekly curve within 3 %, and go on at the last pace beyond it."""
    p = _guarded({"kind": "frequentist"})
    assert binary.day is not None
    for days in (5, 7, 14, 20):
        units = int((binary.day < days).sum())
        found = rehearse(p.changed(horizon={"units": units}), binary, scenarios={"null": {}}, runs=1)
        assert found.days == pytest.approx(days, rel=0.03)
    longer = rehearse(p.changed(horizon={"units": 16_000}), binary, scenarios={"null": {}}, runs=1)
    assert longer.with_replacement
    assert longer.days == pytest.approx(56, rel=0.03)
    half = p.changed(assignment={"rollout": [{"key": "everyone", "share": 0.5}]}, horizon={"units": 4000})
    assert rehearse(half, binary, scenarios={"null": {}}, runs=1).days == pytest.approx(28, rel=0.01)


def test_injected_lift_is_exact_in_expectation(binary: History) -> None:
    """The mean of the lifts over runs is the truth, for conversions up and down and for sums."""
    p = _guarded({"kind": "frequentist"})
    found = rehearse(p, binary, scenarios={"both": {"m": 0.2, "g": -0.15}}, runs=120, plays=120)
    lifts = {k: np.mean([x["lift"] for play in found.plays for x in play.lifts if x["metric"] == k]) for k in ("m", "g")}
    assert lifts["m"] == pytest.approx(0.2, abs=0.012)
    assert lifts["g"] == pytest.approx(-0.15, abs=0.012)


def test_winsorized_ratio_and_formula_run_through() -> None:
    """Every kind that a table can hold goes through, with missing values."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.poisson(2, 2000), "b": rng.poisson(5, 2000) + 1.0, "c": rng.lognormal(0, 2, 2000)})
    frame.loc[:20, "c"] = np.nan
    p = plan(
        metrics=[
            {"key": "a", "kind": "column", "column": "a", "role": "primary", "direction": "increase"},
            {"key": "b", "kind": "column", "column": "b", "role": "secondary", "direction": "increase"},
            {
                "key": "c",
                "kind": "column",
                "column": "c",
                "role": "secondary",
                "direction": "increase",
                "winsorize": {"upper": 0.99},
            },
            {"key": "r", "kind": "ratio", "numerator": "a", "denominator": "b", "role": "secondary", "direction": "increase"},
            {"key": "f", "kind": "formula", "expression": "a / (a + b)", "role": "secondary", "direction": "increase"},
        ],
        hypothesis={"if": "a", "then": [{"metric": "a", "direction": "increase", "lift": 0.1}], "because": "b"},
        horizon={"units": 2000},
    )
    found = xp.rehearse(p, xp.History.of_frame(frame, p), runs=5)
    play = next(x for x in found.plays if x.scenario == "as expected")
    assert {x["metric"] for x in play.lifts} == {"a", "b", "c", "r", "f"}
    assert all(x["lift"] is not None for x in play.lifts)


def test_history_of_an_event_log() -> None:
    """Units are exposed at their first trigger; windows, counts, CUPED and money are those of the plan, quantiles are named."""
    from xpbench.demo.simulation import demo_plan, simulate

    p = demo_plan(units=1500)
    log = simulate(p, units=1500, seed=3).events
    direct = History.of_events(log, p)
    assert direct.omitted == ("page_load_p95",)
    assert direct.n == 1500
    table = log.to_pandas()
    money = table.loc[table["event"] == "Transfer In"].groupby("distinct_id")["amount"].sum()
    mature = np.isfinite(direct.values["transfer_in_value"])
    assert 0 < direct.values["transfer_in_value"][mature].sum() <= money.sum()
    assert direct.covariates["applications"].shape == (1500, 2)
    triggered = History.of_events(table, p, trigger="Page View")
    assert 0.9 * 1500 < triggered.n <= 1500
    found = rehearse(p, direct, runs=3)
    assert found.omitted == ("page_load_p95",)
    assert "Not rehearsed: 'page_load_p95'" in repr(found)
    with pytest.raises(DecisionError, match="event of the log"):
        History.of_events(table, p, trigger="Paeg View")


def test_progress_cancels_and_runs_repeat(normal: History) -> None:
    """A false return keeps what is done; the same plan and history give the same result."""
    found = rehearse(plan(), normal, runs=50, progress=lambda done, total: done < 30)
    assert found.cancelled
    assert sum(s.runs for s in found.scenarios) == 30
    assert rehearse(plan(), normal, runs=5) == rehearse(plan(), normal, runs=5)


def test_default_scenarios_come_from_the_plan() -> None:
    """The hypothesis gives the expected lift, margins give the harm."""
    scenarios = default_scenarios(_guarded({"kind": "frequentist"}))
    assert scenarios["as expected"] == {"m": 0.25}
    assert scenarios["guardrail hurt"] == {"m": 0.25, "g": 0.4}


def test_refusals(normal: History) -> None:
    """Too little history, a missing metric, uneven arrays, an impossible lift, an unknown scenario."""
    with pytest.raises(DecisionError, match="at least 200"):
        History({"m": np.ones(10)})
    with pytest.raises(DecisionError, match="one entry per unit"):
        History({"m": np.ones(300), "x": np.ones(301)})
    with pytest.raises(DecisionError, match="without m"):
        rehearse(plan(), History({"mm": np.ones(300)}), runs=1)
    with pytest.raises(DecisionError, match="shares above -1"):
        rehearse(plan(), normal, scenarios={"x": {"m": -2.0}}, runs=1)
    with pytest.raises(DecisionError, match="'as expected'"):
        rehearse(plan(), normal, runs=1).scenario("as expectd")
    with pytest.raises(DecisionError, match="column"):
        History.of_frame(pd.DataFrame({"x": np.ones(300)}), plan())
