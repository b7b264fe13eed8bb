"""Users inside units that were assigned whole: tables and logs summed by unit, from plan to a memo that verifies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import xpbench as xp
from tests.builders import column, metric, plan_document
from xpbench.decide.analysis import analyse
from xpbench.errors import DataError, DecisionError

G = 40


def world(seed=3, groups=G):
    r = np.random.default_rng(seed)
    n = r.integers(2, 25, groups)
    shift = np.repeat(r.normal(size=groups), n)
    size = len(shift)
    return pd.DataFrame(
        {
            "company": np.repeat([f"c{i}" for i in range(groups)], n),
            "user": [f"u{i}" for i in range(size)],
            "variant": np.repeat(np.where(np.arange(groups) % 2, "beta", "control"), n),
            "y": np.round(5 + shift + r.normal(size=size), 3),
            "x": np.round(shift + r.normal(size=size), 3),
            "z": (r.random(size) < 0.3).astype(int),
            "city": np.repeat(r.choice(["a", "b"], groups), n),
        }
    )


def plan_of(**more):
    base = plan_document(
        [
            column("y"),
            column("yx", "secondary", column="y", covariates=["x"], cuped=True),
            column("z", "guardrail", margin_rel=0.5),
            metric("r", "ratio", "secondary", numerator="z", denominator="y"),
        ],
        key="cl",
        title="t",
        owner="o",
        unit="company",
        members="user",
        segments=["city"],
        data={"smallest_segment": 2},
        horizon={"units": G},
    )
    return xp.Plan(**{**base, **more})


def worth(frame, key):
    """Kish's number of groups, straight from the rows."""
    sizes = frame[frame.variant == key].groupby("company").size()
    return sizes.sum() ** 2 / (sizes**2).sum()


def robust(frame, column):
    """Per variant: mean, and statsmodels' cluster-robust variance without a correction."""
    out = {}
    for key, part in frame.groupby("variant"):
        groups = part.company.astype("category").cat.codes
        ones = np.ones(len(part))
        cov = {"groups": groups, "use_correction": False}
        out[key] = (part[column].mean(), sm.OLS(part[column], ones).fit(cov_type="cluster", cov_kwds=cov).bse.iloc[0] ** 2)
    return out


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("column", ["y", "z"])
def test_a_table_of_users_has_the_cluster_robust_noise(seed, column):
    frame = world(seed)
    summary = xp.units(frame).summarize(plan_of())
    row = next(r for r in analyse(plan_of(), summary) if r.metric == column)
    found = robust(frame, column)
    variance = sum(v * worth(frame, k) / (worth(frame, k) - 1) for k, (_, v) in found.items())
    assert row.effect == pytest.approx(found["beta"][0] - found["control"][0], rel=1e-9)
    assert row.se == pytest.approx(variance**0.5, rel=1e-9)
    together = sm.OLS(frame[column], sm.add_constant((frame.variant == "beta").astype(float)))
    cov = {"groups": frame.company.astype("category").cat.codes, "use_correction": False}
    both = together.fit(cov_type="cluster", cov_kwds=cov).bse.iloc[1]
    assert both == pytest.approx(sum(v for _, v in found.values()) ** 0.5, rel=1e-9)  # one regression, the same noise


def test_units_users_and_what_was_left_out_are_counted():
    frame = world()
    frame.loc[frame.company == "c0", "variant"] = ["beta", *["control"] * (int((frame.company == "c0").sum()) - 1)]
    frame.loc[frame.user == "u30", "company"] = None
    summary = xp.units(frame).summarize(plan_of())
    assert summary.units == {"control": G // 2 - 1, "beta": G // 2}
    found = {f.name: f for f in summary.findings}
    assert (found["several_variants"].count, found["several_variants"].of) == (1, G)
    assert found["users_without_group"].count == 1
    assert found["users_in_groups"].count == len(frame) - 1 - int((frame.company == "c0").sum())


def test_the_order_of_rows_changes_no_digit():
    frame = world()
    one = xp.units(frame).summarize(plan_of())
    other = xp.units(frame.sample(frac=1.0, random_state=1)).summarize(plan_of())
    assert one.to_dict() == other.to_dict()


def test_a_user_without_a_value_is_neither_summed_nor_counted():
    frame = world()
    frame.loc[frame.user == "u3", "y"] = np.nan
    summary = xp.units(frame).summarize(plan_of())
    cell = summary.cell("y", "control")
    mine = frame[(frame.variant == "control") & frame.y.notna()].groupby("company").y
    assert cell.columns == ("total", "members")
    assert cell.mean == pytest.approx((mine.sum().mean(), mine.count().mean()))


def test_a_user_twice_is_refused_and_a_unit_on_many_rows_is_not():
    frame = pd.concat([world(), world().head(1)], ignore_index=True)
    with pytest.raises(DataError) as error:
        xp.units(frame).summarize(plan_of())
    assert error.value.code == "XPB-D14"


def test_from_plan_to_a_memo_that_verifies_in_full(tmp_path):
    experiment = xp.register(plan_of(), root=tmp_path)
    readout = experiment.readout(world())
    outcome = readout.recommendation.outcome
    experiment.decide(readout, outcome, because="it says so", by="me", **({"variant": "beta"} if outcome == "ship" else {}))
    experiment.memo().save(tmp_path / "memo.html")
    report = xp.verify(tmp_path / "memo.html")
    assert str(report).startswith("verified in full")
    bias = next(c for c in readout.health if c.name == "pre_experiment_bias")
    assert [r["metric"] for r in bias.evidence["rows"]] == ["x"]
    adjusted = next(r for r in readout.rows if r.metric == "yx")
    assert adjusted.variance_reduction > 0.3
    assert adjusted.se < next(r for r in readout.rows if r.metric == "y").se
    met = next(c for c in readout.health if c.name == "contamination")
    assert (met.status, met.evidence["units"]) == ("pass", 0)  # the rows of every company were looked through


@pytest.mark.parametrize("model", [{"kind": "sequential", "n_opt": G, "min_units": 5}, {"kind": "group_sequential"}])
def test_every_other_design_reads_units(tmp_path, model):
    experiment = xp.register(plan_of(model=model), root=tmp_path)
    readout = experiment.readout(world())
    assert [r.n for r in readout.rows] == [G // 2] * 4
    assert all(r.status == "ok" for r in readout.rows)


def log(seed=4):
    r = np.random.default_rng(seed)
    n = r.integers(2, 20, G)
    size = int(n.sum())
    frame = pd.DataFrame({"company": np.repeat([f"c{i}" for i in range(G)], n), "user": [f"u{i}" for i in range(size)]})
    frame["variant"] = np.repeat(np.where(np.arange(G) % 2, "beta", "control"), n)
    t = pd.Timestamp("2026-10-05", tz="UTC") + pd.to_timedelta(r.uniform(0, 5, size), unit="D")
    frame["q"] = (r.random(size) < 0.3).astype(int)
    frame["k"], frame["before"] = r.poisson(1.2, size), r.poisson(1.2, size)
    frame["amount"] = 0.0
    who, past = np.repeat(np.arange(size), frame.k), np.repeat(np.arange(size), frame.before)
    amount = np.round(r.exponential(20, len(who)), 2)
    frame["amount"] = np.bincount(who, amount, minlength=size)
    exposure = {"distinct_id": frame.user, "company": frame.company, "time": t, "Experiment name": "cl"}
    done = frame.q.to_numpy() == 1
    hour = pd.Timedelta("1h")
    parts = [
        pd.DataFrame({"event": "$experiment_started", **exposure, "Variant name": frame.variant}),
        pd.DataFrame({"event": "Quote", "distinct_id": frame.user[done], "time": (t + hour)[done]}),
        pd.DataFrame({"event": "Pay", "distinct_id": frame.user[who], "time": (t + hour)[who], "amount": amount}),
        pd.DataFrame({"event": "Pay", "distinct_id": frame.user[past], "time": (t - 30 * hour)[past], "amount": 20.0}),
        pd.DataFrame({"event": ["Ping"], "distinct_id": ["u0"], "time": [pd.Timestamp("2026-11-10", tz="UTC")]}),
    ]
    events = pd.concat(parts, ignore_index=True)
    events["time"] = events["time"].dt.as_unit("us")
    return events, frame


def log_plan():
    return plan_of(
        members="distinct_id",
        segments=[],
        hypothesis={"if": "a", "then": [{"metric": "q", "direction": "increase"}], "because": "b"},
        metrics=[
            {"key": "q", "kind": "conversion", "event": "Quote", "role": "primary", "direction": "increase"},
            {"key": "k", "kind": "count", "event": "Pay", "role": "secondary", "direction": "increase", "cuped": True},
            {"key": "mean", "kind": "mean", "event": "Pay", "property": "amount", "role": "secondary", "direction": "increase"},
            {
                "key": "amount",
                "kind": "sum",
                "event": "Pay",
                "property": "amount",
                "role": "guardrail",
                "margin": 9,
                "direction": "increase",
            },
        ],
    )


def test_a_log_of_users_says_the_same_as_pandas():
    events, users = log()
    schema = xp.EventSchema(insert_id=None, arrived=None, properties=None)
    summary = xp.events(events, schema=schema).summarize(log_plan())
    assert summary.units == {"control": G // 2, "beta": G // 2}
    sums = users.groupby(["variant", "company"])[["q", "k", "amount", "before"]].sum()
    size = users.groupby(["variant", "company"]).size()
    pairs = {"q": (sums.q, size), "k": (sums.k, size), "amount": (sums.amount, size), "mean": (sums.amount, sums.k)}
    for name, (top, below) in pairs.items():
        for key in ("control", "beta"):
            cell = summary.cell(name, key)
            assert cell.mean[:2] == pytest.approx((top[key].mean(), below[key].mean()), rel=1e-12)
            assert cell.cov[0][1] == pytest.approx(np.cov(top[key], below[key])[0, 1], rel=1e-9)
    assert summary.cell("k", "beta").mean[2] == pytest.approx(sums.before["beta"].mean())
    assert not any(c.dimension == "$age" for c in summary.cells)
    assert sum(sum(day.values()) for day in summary.exposures_by_day.values()) == G


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"members": "company"}, "/members"),
        ({"segments": ["user"]}, "/members"),
        ({"model": {"kind": "bayesian"}}, "/model/kind"),
        (
            {
                "metrics": [
                    {
                        "key": "y",
                        "kind": "column",
                        "column": "y",
                        "role": "primary",
                        "direction": "increase",
                        "winsorize": {"upper": 0.99},
                    }
                ]
            },
            "/metrics/0/winsorize",
        ),
        (
            {
                "metrics": [
                    {
                        "key": "y",
                        "kind": "quantile",
                        "event": "E",
                        "property": "p",
                        "q": 0.5,
                        "role": "primary",
                        "direction": "increase",
                    }
                ]
            },
            "/metrics/0/kind",
        ),
    ],
)
def test_what_is_not_counted_by_unit_is_refused_before_registering(change, pointer):
    assert pointer in [p.pointer for p in plan_of(**change).problems()]


def test_planning_counts_units_and_never_users():
    frame = world()
    plan = plan_of(metrics=[m for m in plan_of().to_dict()["metrics"] if m["key"] in ("y", "z")])
    planned = plan.with_baselines(frame).planning
    assert planned.baselines["y"] == pytest.approx(frame.y.mean(), rel=1e-3)
    sizes = frame.groupby("company").size()
    k = sizes.sum() ** 2 / (sizes**2).sum()
    cov = {"groups": frame.company.astype("category").cat.codes, "use_correction": False}
    error = sm.OLS(frame.y, np.ones(len(frame))).fit(cov_type="cluster", cov_kwds=cov).bse.iloc[0]
    assert planned.sds["y"] == pytest.approx(error * (k / (k - 1) * G) ** 0.5, rel=1e-3)  # of one of G companies
    assert planned.sds["z"] < (0.3 * 0.7) ** 0.5  # a mean of several users, not a yes or no
    with pytest.raises(DecisionError, match="sums users by unit"):
        xp.History.of_frame(frame, plan)
