"""Tables with one row per unit: reference numbers of three real experiments, every policy, every kind of table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

import xpbench as xp
from tests.builders import claim, plan_document, split
from tests.twins import is_real
from xpbench.data import DuckDB, ReadingStage, Summary
from xpbench.errors import DataError


def plan_of(metrics: list[dict[str, Any]], **more: Any) -> xp.Plan:
    defaults = {"role": "secondary", "direction": "increase", "kind": "column"}
    return xp.Plan(
        **{
            **plan_document(
                [{**defaults, **m} for m in metrics],
                key="t",
                title="t",
                owner="o",
                hypothesis=claim([], because="c"),
                variants=split("a", "b"),
                unit="id",
                model=None,
                horizon=None,
            ),
            **more,
        }
    )


PLAN = plan_of([{"key": "y", "column": "y"}])


def frame_of(n: int = 1000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, 3.0, n)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "variant": rng.choice(["a", "b"], n),
            "y": x * 0.5 + rng.normal(0, 2, n),
            "z": rng.poisson(3, n),
            "ok": rng.random(n) < 0.3,
            "x": x,
            "platform": rng.choice(["ios", "android"], n),
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 5, n), unit="D"),
        }
    )


def found(summary: Summary, name: str) -> Any:
    matches = [f for f in summary.findings if f.name == name]
    assert len(matches) == 1, summary.findings
    return matches[0]


def refused(table: Any, plan: xp.Plan = PLAN, **more: Any) -> str:
    with pytest.raises(DataError) as caught:
        xp.units(table, **more).summarize(plan)
    return caught.value.code + " " + str(caught.value)


# -- real experiments ------------------------------------------------------------------------------------------------


def test_cookie_cats_reference_numbers(shared_data: Path, shared_examples: Path) -> None:
    plan = xp.load_plan(shared_examples / "cookie-cats.plan.json")
    s = xp.units(shared_data / "cookie_cats.csv.gz", unit="userid", variant="version").summarize(plan)
    assert s.units == {"gate_30": 44_700, "gate_40": 45_489}
    assert s.rows == 90_189
    for metric, control, treatment in (("retention_1", 20_034, 20_119), ("retention_7", 8_502, 8_279)):
        assert s.cell(metric, "gate_30").mean[0] == control / 44_700
        assert s.cell(metric, "gate_40").mean[0] == treatment / 45_489
    c, t = (s.cell("retention_7", v) for v in ("gate_30", "gate_40"))
    p_c, p_t = c.mean[0], t.mean[0]
    z = (p_t - p_c) / np.sqrt(p_c * (1 - p_c) / c.n + p_t * (1 - p_t) / t.n)
    assert z == pytest.approx(-3.1641, abs=5e-5)
    assert p_t / p_c - 1 == pytest.approx(-0.04312, abs=5e-6)
    raw_c, raw_t = (s.cell("rounds", v, form="raw") for v in ("gate_30", "gate_40"))
    (cap,) = s.caps
    capped = s.cell("rounds", "gate_40").mean[0] / s.cell("rounds", "gate_30").mean[0] - 1
    if is_real(shared_data):
        assert (raw_c.mean[0], raw_t.mean[0]) == pytest.approx((52.4563, 51.2988), abs=5e-5)
        assert (raw_c.cov[0][0], raw_t.cov[0][0]) == pytest.approx((65_903.3, 10_669.7), abs=0.05)
        assert (cap.metric, cap.upper, cap.lower) == ("rounds", 493.0, 0.0)
        assert capped == pytest.approx(-0.00574, abs=5e-6)
    extreme = next(e for e in s.extremes if e.metric == "rounds")
    assert (extreme.value, extreme.variant) == (49_854.0, "gate_30")
    frame = pd.read_csv(shared_data / "cookie_cats.csv.gz")
    low, high = frame.sum_gamerounds.quantile([0.01, 0.99])
    assert (cap.metric, cap.lower, cap.upper) == ("rounds", low, high)
    means = frame.sum_gamerounds.clip(low, high).groupby(frame.version).mean()
    assert capped == pytest.approx(means["gate_40"] / means["gate_30"] - 1, rel=1e-9)
    for variant, cell in (("gate_30", raw_c), ("gate_40", raw_t)):
        values = frame.loc[frame.version == variant, "sum_gamerounds"]
        assert cell.mean[0] == pytest.approx(values.mean(), rel=1e-12)
        assert cell.cov[0][0] == pytest.approx(values.var(), rel=1e-12)


def charity(**policy: Any) -> xp.Plan:
    return plan_of(
        [
            {"key": "gave", "column": "out_gavedum", "covariates": ["freq"], "cuped": True},
            {"key": "dollars", "column": "out_amountgive", "covariates": ["freq"], "cuped": True},
        ],
        variants=[{"key": "control", "split": 1 / 3, "control": True}, {"key": "letter", "split": 2 / 3}],
        data=policy,
    )


def test_charitable_giving_reference_numbers(shared_data: Path) -> None:
    path = shared_data / "charitable_giving.csv.gz"
    frame = pd.read_csv(path)
    frame["unit"] = np.arange(len(frame))
    source = xp.units(frame, unit="unit", variant="treatment", variants={0: "control", 1: "letter"})
    s = source.summarize(charity())
    assert s.units == {"control": 16_687, "letter": 33_396}
    gave_c, gave_t = (s.cell("gave", v) for v in ("control", "letter"))
    assert (gave_c.mean[0], gave_t.mean[0]) == (298 / 16_687, 736 / 33_396)
    money_c, money_t = (s.cell("dollars", v) for v in ("control", "letter"))
    assert money_t.n == 33_394
    lost = [f for f in s.findings if f.name == "missing_value" and f.metric == "dollars"]
    assert [(f.count, dict(f.by_variant), f.action) for f in lost] == [(2, {"letter": 2}, "excluded")]
    gifts = [frame.loc[frame.treatment == k, "out_amountgive"].dropna() for k in (0, 1)]
    assert (money_c.mean[0], money_t.mean[0]) == pytest.approx([g.mean() for g in gifts], rel=1e-12)
    error = np.sqrt(money_c.cov[0][0] / money_c.n + money_t.cov[0][0] / money_t.n)
    assert error == pytest.approx(np.sqrt(sum(g.var() / len(g) for g in gifts)), rel=1e-12)
    theta = (gave_c.cov[0][1] * gave_c.n + gave_t.cov[0][1] * gave_t.n) / (
        gave_c.cov[1][1] * gave_c.n + gave_t.cov[1][1] * gave_t.n
    )
    effect = gave_t.mean[0] - gave_c.mean[0] - theta * (gave_t.mean[1] - gave_c.mean[1])
    if is_real(shared_data):
        assert (money_c.mean[0], money_t.mean[0]) == pytest.approx((0.81327, 0.96517), abs=1e-5)
        assert error == pytest.approx(0.080063, abs=1e-6)
        assert effect == pytest.approx(0.0041971, abs=2e-7)
    assert s.cell("gave", "control", form="before").columns == ("freq",)
    zero = xp.units(frame, unit="unit", variant="treatment", variants={0: "control", 1: "letter"}).summarize(
        charity(missing="zero")
    )
    assert zero.cell("dollars", "letter").n == 33_396


def test_charitable_giving_codes_are_never_averaged_in(shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "charitable_giving.csv.gz")
    frame["unit"] = np.arange(len(frame))
    coded = next(c for c in frame.columns if (frame[c] == -999).any())
    metrics = [{"key": "m", "column": coded}]
    variants = [{"key": "0", "split": 1 / 3, "control": True}, {"key": "1", "split": 2 / 3}]
    said = refused(frame, plan_of(metrics, variants=variants), unit="unit", variant="treatment")
    count = int((frame[coded] == -999).sum())
    assert "XPB-D11" in said
    assert coded in said
    assert "-999" in said
    assert f"{count:,}" in said
    s = xp.units(frame, unit="unit", variant="treatment").summarize(
        plan_of(metrics, variants=variants, data={"missing_codes": [-999.0]})
    )
    assert found(s, "missing_code").count == count
    assert s.cell("m", "0").mean[0] == pytest.approx(
        frame.loc[(frame.treatment == 0) & (frame[coded] != -999), coded].mean(), rel=1e-12
    )
    kept = xp.units(frame, unit="unit", variant="treatment").summarize(
        plan_of(metrics, variants=variants, data={"missing_codes": []})
    )
    assert kept.cell("m", "0").mean[0] == pytest.approx(frame.loc[frame.treatment == 0, coded].mean(), rel=1e-12)


def test_homepage_actions_as_units(shared_data: Path) -> None:
    log = pd.read_csv(shared_data / "homepage_actions.csv.gz")
    table = (
        log.assign(click=log.action == "click")
        .groupby("id")
        .agg(group=("group", "first"), click=("click", "any"))
        .reset_index()
    )
    plan = plan_of(
        [{"key": "click", "column": "click"}],
        variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "experiment", "split": 0.5}],
    )
    s = xp.units(table, variant="group").summarize(plan)
    assert s.units == {"control": 3_332, "experiment": 2_996}
    assert stats.chisquare(list(s.units.values())).pvalue == pytest.approx(2.40e-5, rel=5e-3)
    assert (s.cell("click", "control").mean[0], s.cell("click", "experiment").mean[0]) == (932 / 3_332, 928 / 2_996)


# -- numbers ---------------------------------------------------------------------------------------------------------

FULL = plan_of(
    [
        {"key": "y", "column": "y", "covariates": ["x"], "cuped": True, "winsorize": {"lower": 0.01, "upper": 0.95}},
        {"key": "z", "column": "z"},
        {"key": "ok", "column": "ok"},
        {"key": "r", "kind": "ratio", "numerator": "y", "denominator": "z"},
        {"key": "f", "kind": "formula", "expression": "z / (ok + 1)"},
    ],
    segments=["platform"],
)


def test_moments_equal_numpy() -> None:
    frame = frame_of()
    s = xp.units(frame, day="day").summarize(FULL)
    lower, upper = np.quantile(frame.y, [0.01, 0.95])
    x_lower, x_upper = np.quantile(frame.x, [0.01, 0.95])
    capped = frame.y.clip(lower, upper)
    for variant in "ab":
        mine = frame.variant == variant
        assert s.cell("y", variant).columns == ("value", "x")
        block = np.array([capped[mine], frame.x[mine].clip(x_lower, x_upper)])
        assert s.cell("y", variant).mean == pytest.approx(block.mean(axis=1), rel=1e-12)
        assert np.array(s.cell("y", variant).cov) == pytest.approx(np.cov(block), rel=1e-10)
        raw = np.array([frame.y[mine], frame.x[mine]])
        assert np.array(s.cell("y", variant, form="raw").cov) == pytest.approx(np.cov(raw), rel=1e-10)
        assert s.cell("y", variant, form="before").mean == pytest.approx(
            [frame.x[mine].clip(x_lower, x_upper).mean()], rel=1e-12
        )
        ratio = np.array([capped[mine], frame.z[mine]])
        assert s.cell("r", variant).columns == ("numerator", "denominator")
        assert np.array(s.cell("r", variant).cov) == pytest.approx(np.cov(ratio), rel=1e-10)
        assert s.cell("f", variant).columns == ("z", "ok")
        assert np.array(s.cell("f", variant).cov) == pytest.approx(
            np.cov(np.array([frame.z[mine], frame.ok[mine].astype(float)])), rel=1e-10
        )
        for platform in ("ios", "android"):
            both = mine & (frame.platform == platform)
            cell = s.cell("z", variant, dimension="platform", slice=platform)
            assert (cell.n, cell.mean[0]) == (both.sum(), pytest.approx(frame.z[both].mean(), rel=1e-14))
        assert sum(s.cell("z", variant, dimension="$day", slice=d).n for d in s.slices("$day")) == mine.sum()
    assert s.first_exposure == "2026-01-01"
    assert s.exposures_by_day["2026-01-01"] == frame[frame.day == "2026-01-01"].groupby("variant").size().to_dict()
    assert {(c.metric, c.column) for c in s.caps} == {("y", "value"), ("y", "x")}
    assert next(c for c in s.caps if c.column == "value").n_upper == int((frame.y > upper).sum())


def test_winsorize_over_nonzero_takes_percentiles_of_nonzero_values() -> None:
    frame = frame_of()
    frame["y"] = np.where(frame.z > 5, frame.y.abs() * 10, 0.0)
    plan = plan_of([{"key": "y", "column": "y", "winsorize": {"upper": 0.9, "over": "nonzero"}}])
    (cap,) = xp.units(frame).summarize(plan).caps
    assert cap.upper == pytest.approx(np.quantile(frame.y[frame.y != 0], 0.9), rel=1e-14)


def test_zeros_are_no_extreme_values_when_percentiles_are_over_nonzero() -> None:
    frame = frame_of()
    frame["y"] = np.where(frame.z > 5, frame.y.abs() * 10 + 1, 0.0)
    plan = plan_of([{"key": "y", "column": "y", "winsorize": {"lower": 0.2, "upper": 0.9, "over": "nonzero"}}])
    found = xp.units(frame).summarize(plan)
    (cap,) = found.caps
    positive = frame.y[frame.y != 0]
    lower, upper = np.quantile(positive, [0.2, 0.9])
    capped = frame.y.where(frame.y == 0, frame.y.clip(lower, upper))
    assert (cap.n_lower, cap.n_upper) == (int((positive < lower).sum()), int((positive > upper).sum()))
    for variant, mine in capped.groupby(frame.variant):
        cell = found.cell("y", variant)
        assert cell is not None
        assert cell.mean[0] == pytest.approx(mine.mean(), rel=1e-12)
        assert cell.cov[0][0] == pytest.approx(mine.var(), rel=1e-12)


def test_frozen_caps_are_taken_as_they_are() -> None:
    frame = frame_of()
    plan = plan_of([{"key": "y", "column": "y", "winsorize": {"upper": 0.9}}])
    first = xp.units(frame).summarize(plan)
    later = xp.units(frame_of(3000, seed=2).assign(id=range(3000))).summarize(plan, caps=first.caps)
    assert later.caps[0].upper == first.caps[0].upper
    assert later.caps[0].n_upper != first.caps[0].n_upper


@pytest.mark.parametrize("offset", [0.0, 1.7e9, -1e12])
def test_variance_survives_a_large_mean(offset: float) -> None:
    frame = frame_of(20_000)
    frame["y"] = np.round(frame.y * 1024) / 1024 + offset
    s = xp.units(frame).summarize(plan_of([{"key": "y", "column": "y"}], data={"missing_codes": []}))
    for variant in "ab":
        exact = (frame.y[frame.variant == variant] - offset).var()
        assert s.cell("y", variant).cov[0][0] == pytest.approx(exact, rel=1e-12)


def test_constant_column_has_variance_zero() -> None:
    frame = frame_of().assign(y=lambda f: np.where(f.variant == "a", 0.1, 0.3))
    s = xp.units(frame).summarize(PLAN)
    assert [s.cell("y", v).cov[0][0] for v in "ab"] == [0.0, 0.0]
    assert [s.cell("y", v).mean[0] for v in "ab"] == [0.1, 0.3]


def test_same_bytes_whatever_the_order_threads_and_runs() -> None:
    frame = frame_of(300_000)
    frame["y"] = np.exp(np.random.default_rng(3).normal(0, 3, len(frame)))
    texts = {
        json.dumps(xp.units(f, day="day", engine=DuckDB(threads=t)).summarize(FULL).to_dict())
        for f, t in ((frame, 1), (frame, 2), (frame, 8), (frame.sample(frac=1, random_state=1), 2))
    }
    assert len(texts) == 1


def test_every_kind_of_table_gives_the_same_summary(tmp_path: Path) -> None:
    frame = frame_of()
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "t.parquet")
    frame[:400].to_csv(tmp_path / "p1.csv", index=False)
    frame[400:].to_csv(tmp_path / "p2.csv", index=False)
    connection = duckdb.connect()
    tables = [
        frame,
        pl.from_pandas(frame),
        pl.from_pandas(frame).lazy(),
        pa.Table.from_pandas(frame, preserve_index=False),
        connection.from_df(frame),
        tmp_path / "t.parquet",
        str(tmp_path / "t.csv"),
        tmp_path / "t.csv.gz",
        [tmp_path / "p1.csv", tmp_path / "p2.csv"],
        tmp_path / "p*.csv",
    ]
    summaries = [xp.units(t, day="day").summarize(FULL) for t in tables]
    for s in summaries[1:]:
        assert s.cells == summaries[0].cells
        assert s.caps == summaries[0].caps
    assert len({s.fingerprint for s in summaries[:6]}) == 1
    assert len({s.fingerprint for s in summaries[6:]}) == 1
    changed = frame.copy()
    changed.loc[5, "y"] += 1e-9
    assert xp.units(changed, day="day").summarize(FULL).fingerprint != summaries[0].fingerprint
    assert Summary.from_dict(json.loads(json.dumps(summaries[0].to_dict()))) == summaries[0]


# -- what is odd is counted, and the plan decides ----------------------------------------------------------------------


def test_missing_values_are_excluded_and_counted_by_variant() -> None:
    frame = frame_of()
    frame.loc[:9, "y"] = np.nan
    s = xp.units(frame).summarize(PLAN)
    f = found(s, "missing_value")
    assert (f.count, f.metric, f.action) == (10, "y", "excluded")
    assert f.by_variant == frame[:10].groupby("variant").size().to_dict()
    assert sum(s.cell("y", v).n for v in "ab") == 990
    assert s.n == 1000


def test_polars_nan_is_missing_too() -> None:
    frame = pl.DataFrame({"id": [1, 2, 3, 4], "variant": ["a", "a", "b", "b"], "y": [1.0, float("nan"), 2.0, None]})
    s = xp.units(frame).summarize(PLAN)
    assert found(s, "missing_value").count == 2
    assert [s.cell("y", v).mean[0] for v in "ab"] == [1.0, 2.0]


def test_missing_values_as_zero_or_refused() -> None:
    frame = frame_of()
    frame.loc[:9, "y"] = np.nan
    s = xp.units(frame).summarize(PLAN.changed(data={"missing": "zero"}))
    assert s.cell("y", "a").mean[0] == pytest.approx(frame.y.fillna(0)[frame.variant == "a"].mean(), rel=1e-12)
    assert refused(frame, PLAN.changed(data={"missing": "refuse"})).startswith("XPB-D13")


def test_a_missing_covariate_keeps_the_unit() -> None:
    frame = frame_of()
    frame.loc[:99, "x"] = np.nan
    s = xp.units(frame).summarize(plan_of([{"key": "y", "column": "y", "covariates": ["x"], "cuped": True}]))
    assert s.cell("y", "a").n == (frame.variant == "a").sum()
    assert found(s, "missing_value").action == "set to the pooled mean"


def test_infinite_values() -> None:
    frame = frame_of()
    frame.loc[3, "y"] = np.inf
    frame.loc[4, "y"] = -np.inf
    assert "infinite" in refused(frame)
    s = xp.units(frame).summarize(PLAN.changed(data={"non_finite": "exclude"}))
    assert found(s, "infinite").count == 2
    assert sum(s.cell("y", v).n for v in "ab") == 998


def test_text_in_a_number_column(tmp_path: Path) -> None:
    frame = frame_of().astype({"y": object})
    frame.loc[7, "y"] = "oops"
    frame.to_csv(tmp_path / "t.csv", index=False)
    for table in (frame, tmp_path / "t.csv"):
        said = refused(table)
        assert said.startswith("XPB-D12")
        assert "'oops'" in said
        s = xp.units(table).summarize(PLAN.changed(data={"non_finite": "exclude"}))
        assert found(s, "not_a_number").count == 1
        assert sum(s.cell("y", v).n for v in "ab") == 999


def test_negative_values_are_kept_and_counted() -> None:
    frame = frame_of()
    assert found(xp.units(frame).summarize(PLAN), "negative").count == (frame.y < 0).sum()


def test_duplicate_units() -> None:
    frame = pd.concat([frame_of(), frame_of()[:5], frame_of()[:1]], ignore_index=True)
    frame.loc[1000, "y"] = 1e6
    said = refused(frame)
    assert said.startswith("XPB-D14")
    assert "5 units appear on 11 rows" in said
    first = xp.units(frame).summarize(PLAN.changed(data={"duplicates": "first"}))
    assert first.cells == xp.units(frame_of()).summarize(PLAN).cells
    assert found(first, "duplicate_units").action == "kept the first"
    out = xp.units(frame).summarize(PLAN.changed(data={"duplicates": "exclude"}))
    assert out.cells == xp.units(frame_of()[5:]).summarize(PLAN).cells
    assert found(out, "duplicate_units").count == 5


@pytest.mark.parametrize("ids", [lambda i: f"u{i}", lambda i: i * 10**12, lambda i: float(i), lambda i: -i])
def test_duplicates_are_found_for_every_kind_of_id(ids: Any) -> None:
    frame = frame_of()
    frame["id"] = [ids(i) for i in range(1000)]
    assert xp.units(frame).summarize(PLAN).n == 1000
    frame.loc[999, "id"] = ids(0)
    assert refused(frame).startswith("XPB-D14")


def test_a_unit_in_two_variants_is_counted_apart() -> None:
    frame = pd.DataFrame({"id": [1, 1, 2, 3, 4], "variant": ["a", "b", "a", "b", "b"], "y": [1, 2, 3, 4, 6]})
    s = xp.units(frame).summarize(PLAN.changed(data={"duplicates": "exclude"}))
    assert found(s, "several_variants").count == 1
    assert s.units == {"a": 1, "b": 2}


def test_mixed_ids_are_compared_as_text() -> None:
    frame = frame_of(4).astype({"id": object})
    frame["variant"] = ["a", "a", "b", "b"]
    frame.loc[3, "id"] = "x9"
    s = xp.units(frame).summarize(PLAN)
    assert found(s, "mixed_ids").count == 1
    frame.loc[3, "id"] = "0"
    assert refused(frame).startswith("XPB-D14")


def test_missing_and_unknown_variants_and_units() -> None:
    frame = frame_of()
    frame.loc[0, "variant"] = None
    frame.loc[1:2, "variant"] = "c<script>"
    frame = frame.astype({"id": "Int64"})
    frame.loc[3, "id"] = None
    s = xp.units(frame).summarize(PLAN)
    assert (found(s, "missing_variant").count, found(s, "unknown_variant").count, found(s, "missing_unit").count) == (1, 2, 1)
    assert "c<script>" in found(s, "unknown_variant").detail
    assert s.n == 996
    assert refused(frame, PLAN.changed(data={"unknown_variant": "refuse"})).startswith("XPB-D09")
    assert refused(frame, PLAN.changed(data={"missing_variant": "refuse"})).startswith("XPB-D09")


def test_one_variant_only_and_zero_units_in_a_variant() -> None:
    frame = frame_of().assign(variant="a")
    s = xp.units(frame).summarize(PLAN)
    assert s.units == {"a": 1000, "b": 0}
    assert s.cell("y", "b") is None
    assert found(s, "variant_without_units").by_variant == {"b": 0}


def test_empty_sources(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "head.csv").write_text("id,variant,y\n")
    assert refused(tmp_path / "empty.csv").startswith("XPB-D07")
    assert refused(tmp_path / "head.csv").startswith("XPB-D07")
    assert refused(frame_of()[:0]).startswith("XPB-D07")
    assert refused(frame_of().assign(variant="else")).startswith("XPB-D08")


def test_names_that_are_not_there() -> None:
    said = refused(frame_of(), unit="idd")
    assert said.startswith("XPB-D05")
    assert "Did you mean 'id'?" in said
    assert "metric 'y'" in refused(frame_of().drop(columns="y"))
    with pytest.raises(DataError, match="XPB-D02"):
        xp.units("/nowhere/table.csv")
    with pytest.raises(DataError, match="XPB-D03"):
        xp.units(object())
    with pytest.raises(DataError, match="XPB-D03"):
        xp.units(__file__)


def test_broken_csv_is_refused_not_shortened(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,variant,y\n1,a,2\n2,b,3,9,9\n3,a,1\n")
    assert refused(tmp_path / "t.csv").startswith("XPB-D60")
    (tmp_path / "t.csv.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    assert refused(tmp_path / "t.csv.gz").startswith("XPB-D61")


def test_a_column_that_is_no_number() -> None:
    assert refused(frame_of().assign(y=pd.Timestamp("2026-01-01"))).startswith("XPB-D16")


def test_event_metrics_need_events() -> None:
    plan = plan_of([{"key": "m", "kind": "conversion", "event": "e"}])
    assert refused(frame_of(), plan).startswith("XPB-D04")


def test_an_id_is_no_segment() -> None:
    assert refused(frame_of(), PLAN.changed(segments=["id"])).startswith("XPB-D15")


def test_values_too_large_to_square() -> None:
    frame = frame_of()
    frame.loc[0, "y"] = 1e200
    assert refused(frame).startswith("XPB-D20")


def test_ids_keep_leading_zeros(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,variant,y\n007,a,2\n7,b,3\n")
    assert xp.units(tmp_path / "t.csv").summarize(PLAN).n == 2


def test_progress_tells_every_stage_and_can_cancel() -> None:
    told: list[ReadingStage] = []
    xp.units(frame_of()).summarize(PLAN, progress=told.append)
    assert [s.done for s in told] == list(range(1, len(told) + 1))
    assert all(s.of == len(told) for s in told)

    def stop(stage: ReadingStage) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        xp.units(frame_of()).summarize(PLAN, progress=stop)


def test_hostile_names_are_only_text() -> None:
    name = 'y"; DROP TABLE source; -- </script>'
    frame = frame_of().rename(columns={"y": name, "platform": "p'\"p"})
    plan = plan_of([{"key": "y", "column": name}], segments=["p'\"p"])
    s = xp.units(frame).summarize(plan)
    assert s.n == 1000


# -- one pass over batches ---------------------------------------------------------------------------------------------


def parquet(frame: pd.DataFrame, path: Path, rows: int = 700) -> Path:
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=rows)
    return path


def same(a: Summary, b: Summary) -> None:
    for name in ("cells", "units", "extremes", "findings", "rows", "fingerprint", "caps"):
        assert getattr(a, name) == getattr(b, name), name


ODD = {
    "as it is": lambda f: f,
    "shuffled ids": lambda f: f.assign(id=np.random.default_rng(5).permutation(f.id)),
    "text ids": lambda f: f.assign(id=[f"user-{i * 7919}" for i in f.id]),
    "a fraction in the last row": lambda f: f.assign(y=np.where(f.index == f.index[-1], 1 / 3, 7.0), z=f.z * 1.0),
    "fractions first": lambda f: f.assign(y=np.where(f.index == 0, 1 / 3, 7.0)),
    "large and small": lambda f: f.assign(y=f.y * 10.0 ** (f.index % 30 - 15)),
    "large whole numbers": lambda f: f.assign(y=2.0**53 - f.index),
    "minus zero": lambda f: f.assign(y=np.where(f.index % 2, -0.0, 0.0)),
    "other variants and no ids": lambda f: f.assign(
        variant=f.variant.where(f.index % 9 > 0, "else").where(f.index % 11 > 0, None),
        id=f.id.astype("Int64").where(f.index % 13 > 0),
    ),
    "missing": lambda f: f.assign(y=f.y.where(f.index % 5 > 0), x=f.x.where(f.index % 7 > 0)),
    "negative": lambda f: f.assign(z=-f.z),
    "true and false as variants": lambda f: f.assign(variant=f.variant == "b"),
    "categories": lambda f: f.assign(variant=f.variant.astype("category")),
    "small integers": lambda f: f.assign(z=f.z.astype("int8"), y=f.y.astype("float32"), id=f.id.astype("uint32")),
}
PAIR = plan_of(
    [
        {"key": "y", "column": "y", "covariates": ["x"], "cuped": True},
        {"key": "z", "column": "z"},
        {"key": "r", "kind": "ratio", "numerator": "y", "denominator": "z"},
        {"key": "ok", "column": "ok"},
    ],
    data={"missing_codes": []},
)


@pytest.mark.parametrize("name", ODD)
def test_row_groups_threads_order_and_kind_change_nothing(name: str, tmp_path: Path) -> None:
    frame = ODD[name](frame_of(3001))
    variants = {"true": "b", "false": "a"} if name.startswith("true") else None
    path = parquet(frame, tmp_path / "t.parquet")
    reference = xp.units(path, variants=variants).summarize(PAIR)
    mixed = frame.sample(frac=1, random_state=3)
    two = [parquet(mixed[:1000], tmp_path / "p1.parquet", 64), parquet(mixed[1000:], tmp_path / "p2.parquet")]
    for table, threads in ((path, 1), (two, 2), (two, 5), (frame, 2), (pl.from_pandas(mixed), 3)):
        same(xp.units(table, variants=variants, engine=DuckDB(threads=threads)).summarize(PAIR), reference)
    relation = duckdb.connect().from_df(mixed)
    same(xp.units(relation, variants=variants).summarize(PAIR), reference)
    for key, v in (("a", "false"), ("b", "true")) if variants else (("a", "a"), ("b", "b")):
        mine = (frame.variant.astype(str).str.lower() == v) & frame.id.notna()
        assert reference.units[key] == mine.sum()
        y = frame.y[mine & frame.y.notna()].astype(float)
        cell = reference.cell("y", key)
        assert cell.n == len(y)
        assert cell.mean[0] == pytest.approx(y.mean(), rel=1e-12, abs=1e-12)
        assert cell.cov[0][0] == pytest.approx((y - y.iloc[0]).var(), rel=1e-9, abs=1e-12)
        filled = frame.x.where(frame.x.notna(), frame.x.mean())[y.index]
        assert cell.mean[1] == pytest.approx(filled.mean(), rel=0.01)


@pytest.mark.parametrize("at", [(0, 1), (0, 2999), (1400, 2100), (699, 700)])
@pytest.mark.parametrize("text", [False, True])
def test_doubled_ids_are_found_wherever_they_stand(at: tuple[int, int], text: bool, tmp_path: Path) -> None:
    frame = frame_of(3000)
    ids = frame.id.to_numpy().copy()
    ids[at[1]] = ids[at[0]]
    frame["id"] = [f"u{i}" for i in ids] if text else ids
    assert "1 unit appears on 2 rows" in refused(parquet(frame, tmp_path / "t.parquet"))


def test_more_ids_than_are_compared_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xpbench.data.tables import table_pass as scan

    monkeypatch.setattr(scan, "KEYS", 100)
    frame = frame_of(3000).assign(id=lambda f: f.id.sample(frac=1, random_state=1).to_numpy())
    assert xp.units(parquet(frame, tmp_path / "t.parquet")).summarize(PLAN).n == 3000
    frame.loc[5, "id"] = frame.loc[2500, "id"]
    assert refused(parquet(frame, tmp_path / "t.parquet")).startswith("XPB-D14")


def test_decimals_in_parquet_are_the_numbers_they_are_written_as(tmp_path: Path) -> None:
    frame = frame_of(2000).assign(y=lambda f: f.y.round(2))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    money = table.set_column(2, "y", table["y"].cast(pa.decimal128(12, 2)))
    pq.write_table(money, tmp_path / "t.parquet")
    same(xp.units(tmp_path / "t.parquet").summarize(PLAN), xp.units(frame).summarize(PLAN))


def test_a_clean_table_needs_no_engine(tmp_path: Path) -> None:
    s = xp.units(parquet(frame_of(), tmp_path / "t.parquet")).summarize(PLAN)
    assert "duckdb" not in s.engine
    assert "duckdb" in xp.units(parquet(frame_of(), tmp_path / "t.parquet")).summarize(FULL).engine


def test_a_broken_parquet_file_is_refused(tmp_path: Path) -> None:
    path = parquet(frame_of(5000), tmp_path / "t.parquet")
    whole = path.read_bytes()
    for bad in (b"PAR1", whole[: len(whole) // 2], whole[:300] + bytes(800) + whole[1100:]):
        path.write_bytes(bad)
        assert refused(path).startswith("XPB-D01")


def test_files_that_differ_in_their_columns(tmp_path: Path) -> None:
    a = parquet(frame_of(100), tmp_path / "a.parquet")
    b = parquet(frame_of(200)[100:].drop(columns="platform"), tmp_path / "b.parquet")
    assert xp.units([a, b]).summarize(PLAN).n == 200
    c = parquet(frame_of(300)[200:].astype({"id": "int32", "z": float}), tmp_path / "c.parquet")
    assert xp.units([a, c]).summarize(PAIR).n == 200


@pytest.mark.parametrize("rows", [1, 900, 70_000])
def test_values_for_re_randomising_are_the_same_from_the_table_and_through_the_engine(tmp_path: Path, rows: int) -> None:
    frame = frame_of(rows).assign(y=lambda f: f.y.round(3))
    metrics = [{"key": k, "column": k} for k in ("y", "z", "ok")]
    plan = plan_of([*metrics, {"key": "r", "kind": "ratio", "numerator": "y", "denominator": "z"}])
    taken: list[Any] = []
    direct = xp.units(parquet(frame, tmp_path / "t.parquet")).summarize(plan, take=taken.append)
    frame.sample(frac=1, random_state=2).to_csv(tmp_path / "t.csv", index=False)
    engine = xp.units(tmp_path / "t.csv").summarize(plan, take=taken.append)
    assert "duckdb" not in direct.engine
    assert "duckdb" in engine.engine
    assert taken[0].keys() == taken[1].keys() == {"y", "z", "ok", "r"}
    for key, (labels, values) in taken[0].items():
        assert labels == taken[1][key][0]
        assert np.array_equal(values, taken[1][key][1])
    assert np.array_equal(taken[0]["y"][1][:, 0], np.sort(frame.y))
    pairs = list(map(tuple, taken[0]["r"][1].tolist()))
    assert pairs == sorted(zip(frame.y, frame.z.astype(float), strict=True))


def test_values_for_re_randomising_leave_out_what_does_not_count(tmp_path: Path) -> None:
    frame = frame_of(500)
    frame.loc[3, "variant"] = "other"
    frame.loc[[7, 9], "y"] = np.nan
    taken: list[Any] = []
    plan = plan_of([{"key": "y", "column": "y"}], data={"unknown_variant": "exclude"})
    xp.units(parquet(frame, tmp_path / "t.parquet")).summarize(plan, take=taken.append)
    assert np.array_equal(taken[0]["y"][1][:, 0], np.sort(frame.y.drop(3).dropna()))
