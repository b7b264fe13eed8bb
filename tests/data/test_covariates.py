"""Covariates beyond a metric's own past in a log: other metrics' past and strata, against regression, from plan to memo."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import xpbench as xp
from tests.builders import column, make_plan, metric
from xpbench.decide.analysis import analyse
from xpbench.verifier import Notes
from xpbench.verifier.numbers import check_estimates

N = 2_400


def log(seed=4):
    r = np.random.default_rng(seed)
    ids = np.array([f"u{i}" for i in range(N)])
    t = pd.Timestamp("2026-10-05", tz="UTC") + pd.to_timedelta(r.uniform(0, 5, N), unit="D")
    users = pd.DataFrame({"arm": np.where(r.random(N) < 0.5, "beta", "control"), "new": r.random(N) < 0.5})
    users["platform"] = r.choice(["ios", "web", "android", "tv"], N, p=[0.5, 0.3, 0.195, 0.005])
    rate = users.platform.map({"ios": 0.3, "web": 1.2, "android": 2.5, "tv": 1.0}).to_numpy()
    g = r.gamma(2, 0.5, N)
    users["visits"] = np.where(users.new, 0, r.poisson(3 * g))
    users["past"] = np.where(users.new, 0, r.poisson(0.5 * g))
    users["orders"] = r.poisson(rate * g)

    def events(name, counts, hours):
        i = np.repeat(np.arange(N), counts)
        return pd.DataFrame({"event": name, "distinct_id": ids[i], "time": t[i] + pd.Timedelta(hours=hours)})

    exposures = {"event": "$experiment_started", "distinct_id": ids, "time": t, "Experiment name": "cv"}
    frame = pd.concat(
        [
            pd.DataFrame({**exposures, "Variant name": users.arm, "platform": users.platform}),
            events("Visit", users.visits, -20),
            events("Order", users.past, -10),
            events("Order", users.orders, 2),
            pd.DataFrame({"event": ["Ping"], "distinct_id": ["u0"], "time": [pd.Timestamp("2026-11-20", tz="UTC")]}),
        ],
        ignore_index=True,
    )
    frame["time"] = frame["time"].dt.as_unit("us")
    return xp.events(frame, schema=xp.EventSchema(insert_id=None, arrived=None, properties=None)), users


def plan_of(**orders):
    own = {"cuped": True, "past_of": ["visits"], "strata": ["platform"], **orders}
    return make_plan(
        [
            metric("orders", "count", event="Order", window_days=14, **own),
            metric("visits", "count", "secondary", event="Visit"),
        ],
        key="cv",
        title="t",
        owner="o",
        segments=["platform"],
        horizon={"units": N},
    )


@pytest.fixture(scope="module")
def world():
    return log()


def test_columns_are_those_of_the_users(world):
    source, users = world
    cell = source.summarize(plan_of()).cell("orders", "beta")
    mine = users[users.arm == "beta"]
    assert cell.columns == ("value", "before", "seen", "past.visits", "is.platform.web", "is.platform.android")
    seen = (mine.visits + mine.past) > 0
    expected = [mine.orders, mine.past, seen, mine.visits, mine.platform == "web", mine.platform == "android"]
    assert cell.mean == pytest.approx([v.mean() for v in expected])
    assert np.array(cell.cov) == pytest.approx(np.cov(np.array([v.astype(float) for v in expected])))


def test_the_adjusted_effect_is_that_of_a_regression_with_them(world):
    source, users = world
    row = analyse(plan_of(), source.summarize(plan_of()))[0]
    treated = users.arm == "beta"
    xs = [
        treated,
        users.past,
        (users.visits + users.past) > 0,
        users.visits,
        users.platform == "web",
        users.platform == "android",
    ]
    table = np.column_stack([np.ones(N), *xs]).astype(float)
    found = sm.OLS(users.orders, table).fit(cov_type="HC1")
    assert row.effect == pytest.approx(found.params.iloc[1], abs=0.05 * row.se)
    assert row.se == pytest.approx(found.bse.iloc[1], rel=0.02)


def test_new_users_gain_and_each_source_says_how_much(world, tmp_path):
    source, _ = world
    experiment = xp.register(plan_of(), root=tmp_path)
    readout = experiment.readout(source)
    saved = {s.source: s for s in readout.variance_saved()}
    assert list(saved) == ["own past", "past of visits", "platform"]
    assert saved["platform"].alone > 0.15 > saved["own past"].alone
    assert all(0.0 <= s.more <= s.together <= 1.0 for s in saved.values())
    assert saved["platform"].together == pytest.approx(readout.rows[0].variance_reduction)
    assert [s.source for s in readout.rows[0].saved_by] == list(saved)
    assert readout.rows[1].saved_by == ()  # of one source it is the row's own reduction
    assert f"platform {saved['platform'].alone:.0%}".replace("%", "\u202f%") in repr(readout)
    assert type(readout).from_dict(readout.to_dict()) == readout
    outcome = readout.recommendation.outcome
    experiment.decide(readout, outcome, because="it says so", by="me", **({"variant": "beta"} if outcome == "ship" else {}))
    memo = experiment.memo()
    memo.save(tmp_path / "memo.html")
    assert "each alone) of the variance" in (tmp_path / "memo.html").read_text("utf-8")
    forged = json.loads(json.dumps(memo.payload["readout"]))
    forged["rows"][0]["saved_by"][2]["alone"] += 1e-6
    notes = Notes()
    check_estimates(notes, forged)
    assert [d.part for d in notes.differences] == ["estimates, orders for beta, platform, alone"]
    assert str(xp.verify(tmp_path / "memo.html")).startswith("verified in full")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"past_of": ["orders"]}, "/metrics/0/past_of/0"),
        ({"past_of": ["nothing"]}, "/metrics/0/past_of/0"),
        ({"strata": ["country"]}, "/metrics/0/strata/0"),
        ({"cuped": False}, "/metrics/0/strata"),
        ({"strata": ["platform", "platform"]}, "/metrics/0/strata"),
    ],
)
def test_covariates_that_are_not_there_are_refused(change, pointer):
    assert pointer in [p.pointer for p in plan_of(**change).problems()]


def test_a_plan_without_them_keeps_its_bytes():
    plan = plan_of(past_of=None, strata=None)
    assert "past_of" not in plan.canonical().decode()
    assert "members" not in plan.canonical().decode()
    assert "beyond" not in plan.canonical().decode()


def test_what_each_source_saves_is_what_was_put_in():
    """y = 0.8 x + 0.5 w + 0.3 (x + v) / √2 + noise of variance 1: the shares follow by hand, to three Monte-Carlo errors."""
    rng, n = np.random.default_rng(17), 200_000
    x, w, v, noise = rng.normal(size=(4, n))
    z = (x + v) / np.sqrt(2)
    table = pd.DataFrame({"unit": np.arange(n), "variant": np.where(np.arange(n) % 2, "beta", "control")})
    table["x"], table["w"], table["z"] = x, w, z
    table["y"] = 5 + 0.8 * x + 0.5 * w + 0.3 * z + noise
    plan = make_plan([{**column("y"), "cuped": True, "covariates": ["x", "w", "z"]}], horizon={"units": n})
    row = analyse(plan, xp.units(table, unit="unit", variant="variant").summarize(plan))[0]
    of_x, of_z = 0.8 + 0.3 / np.sqrt(2), 0.3 + 0.8 / np.sqrt(2)  # covariances with y
    whole = of_x**2 + (0.3 / np.sqrt(2)) ** 2 + 0.5**2  # x, v and w explain so much
    variance = whole + 1.0
    alone = {"x": of_x**2, "w": 0.25, "z": of_z**2}
    more = {"x": whole - (of_z**2 + 0.25), "w": 0.25, "z": (0.3 / np.sqrt(2)) ** 2}
    assert row.variance_reduction == pytest.approx(whole / variance, abs=0.005)
    for found in row.saved_by:
        assert found.alone == pytest.approx(alone[found.source] / variance, abs=0.005)
        assert found.more == pytest.approx(more[found.source] / variance, abs=0.005)
