"""Three real experiments: the numbers of the reference, the right verdict, and the defects told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import xpbench as xp
from tests.twins import is_real
from xpbench.decide.readout import Readout
from xpbench.errors import XpbenchError


def plan_of(**parts: Any) -> xp.Plan:
    base: dict[str, Any] = {
        "title": "t",
        "owner": "o",
        "hypothesis": {"if": "a", "then": [{"metric": parts["metrics"][0]["key"], "direction": "increase"}], "because": "b"},
        "model": {"kind": "frequentist"},
        "horizon": {"units": 5000},
    }
    return xp.Plan(**{**base, **parts})


def column(key: str, role: str = "primary", **more: Any) -> dict[str, Any]:
    return {"key": key, "kind": "column", "column": key, "role": role, "direction": "increase", **more}


def opened(plan: xp.Plan, source: Any, root: Path) -> Readout:
    readout = xp.register(plan, root).readout(source)
    assert isinstance(readout, Readout)
    return readout


@pytest.fixture(scope="module")
def cookie(shared_data: Path, shared_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Readout:
    plan = xp.load_plan(shared_examples / "cookie-cats.plan.json")
    source = xp.units(shared_data / "cookie_cats.csv.gz", unit="userid", variant="version")
    return opened(plan, source, tmp_path_factory.mktemp("cookie"))


def test_cookie_cats_numbers(cookie: Readout, shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "cookie_cats.csv.gz")
    c, t = (frame[frame.version == v] for v in ("gate_30", "gate_40"))
    for key, lift, z, p in (("retention_7", -0.04312, -3.1641, 0.001556), ("retention_1", -0.01318, -1.7841, 0.07441)):
        row = cookie.row(key)
        mc, mt = c[key].mean(), t[key].mean()
        se = np.sqrt(mc * (1 - mc) / len(c) + mt * (1 - mt) / len(t))
        assert (row.n_control, row.n) == (44_700, 45_489)
        assert row.mean_control == pytest.approx(mc, rel=1e-9)
        assert row.mean == pytest.approx(mt, rel=1e-9)
        assert row.effect == pytest.approx(mt - mc, rel=1e-9)
        assert row.p_value == pytest.approx(2 * stats.norm.sf(abs((mt - mc) / se)), rel=1e-6)
        assert (row.ci_low, row.ci_high) == pytest.approx(
            ((mt - mc) - 1.959963985 * se, (mt - mc) + 1.959963985 * se), rel=1e-6
        )
        # the reference, to the digits it prints
        assert row.lift == pytest.approx(lift, abs=5e-6)
        assert row.effect / row.se == pytest.approx(z, abs=5e-5)  # type: ignore[operator]
        assert row.p_value == pytest.approx(p, rel=5e-4)


def test_cookie_cats_outlier_is_shown_raw_beside_winsorized(cookie: Readout, shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "cookie_cats.csv.gz")
    c, t = (frame[frame.version == v].sum_gamerounds for v in ("gate_30", "gate_40"))
    row = cookie.row("rounds")
    (raw,) = [s for s in row.sensitivity if s.name == "raw"]
    test = stats.ttest_ind(t, c, equal_var=False)
    assert raw.p_value == pytest.approx(test.pvalue, rel=1e-6)
    low, high = frame.sum_gamerounds.quantile([0.01, 0.99])
    (cap,) = cookie.summary.caps
    assert (cap.lower, cap.upper) == (low, high)
    capped = stats.ttest_ind(t.clip(low, high), c.clip(low, high), equal_var=False)
    assert row.p_value == pytest.approx(capped.pvalue, rel=1e-6)
    assert row.lift == pytest.approx(t.clip(low, high).mean() / c.clip(low, high).mean() - 1, rel=1e-9)
    assert row.guardrail == "ok"
    if is_real(shared_data):
        assert raw.p_value == pytest.approx(0.3759, abs=5e-5)
        assert (cap.lower, cap.upper) == (0.0, 493.0)
        assert row.lift == pytest.approx(-0.00574, abs=5e-6)


def test_cookie_cats_srm_is_a_visible_warning_and_the_gate_stays(cookie: Readout) -> None:
    srm = next(c for c in cookie.health if c.name == "srm")
    assert srm.status == "warn"
    assert srm.evidence["p_value"] == pytest.approx(0.008608, abs=5e-7)
    assert cookie.is_valid
    assert cookie.recommendation.outcome == "ship none"
    assert cookie.recommendation.rows == ("R3",)


def test_homepage_actions_is_invalid_although_significant(shared_data: Path, tmp_path: Path) -> None:
    log = pd.read_csv(shared_data / "homepage_actions.csv.gz")
    units = (
        log.groupby("id").agg(group=("group", "first"), clicked=("action", lambda a: int((a == "click").any()))).reset_index()
    )
    plan = plan_of(
        key="homepage",
        unit="id",
        variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "experiment", "split": 0.5}],
        metrics=[column("clicked")],
    )
    readout = opened(plan, xp.units(units, unit="id", variant="group"), tmp_path)
    row = readout.row("clicked")
    assert row.p_value == pytest.approx(0.008900, abs=5e-7)
    assert (row.ci_low, row.ci_high) == pytest.approx((0.007531, 0.052538), abs=5e-7)
    srm = next(c for c in readout.health if c.name == "srm")
    assert srm.status == "fail"
    assert srm.evidence["p_value"] == pytest.approx(2.40e-05, rel=5e-3)
    assert readout.recommendation.outcome == "invalid"
    assert readout.stamps == ("INVALID",)


def charitable(**more: Any) -> dict[str, Any]:
    return {
        "key": "giving",
        "unit": "row",
        "metrics": [column("out_gavedum"), column("out_amountgive", "secondary")],
        **more,
    }


@pytest.fixture(scope="module")
def letters(shared_data: Path) -> pd.DataFrame:
    frame = pd.read_csv(shared_data / "charitable_giving.csv.gz")
    frame["row"] = np.arange(len(frame))
    ratio = np.select(
        [frame.treat_ratio3 == 1, frame.treat_ratio2 == 1, frame.treatment == 1], ["3:1", "2:1", "1:1"], "control"
    )
    frame["ratio"] = ratio
    return frame


def test_charitable_giving_unequal_split_does_not_alarm(letters: pd.DataFrame, shared_data: Path, tmp_path: Path) -> None:
    plan = plan_of(
        **charitable(variants=[{"key": "0", "split": 1 / 3, "control": True}, {"key": "1", "split": 2 / 3}]),
    )
    readout = opened(plan, xp.units(letters, unit="row", variant="treatment"), tmp_path)
    srm = next(c for c in readout.health if c.name == "srm")
    assert srm.status == "pass"
    assert srm.evidence["p_value"] == pytest.approx(0.9446, abs=5e-5)
    gave = readout.row("out_gavedum")
    assert gave.p_value == pytest.approx(0.001330, abs=1e-6)  # printed with a sample variance
    assert gave.lift == pytest.approx(0.2341, abs=5e-5)
    dollars = readout.row("out_amountgive")
    c, t = (letters[letters.treatment == k].out_amountgive.dropna() for k in (0, 1))
    assert (dollars.mean_control, dollars.mean) == pytest.approx((c.mean(), t.mean()), rel=1e-9)
    assert dollars.p_value == pytest.approx(stats.ttest_ind(t, c, equal_var=False).pvalue, rel=1e-6)
    if is_real(shared_data):
        assert (dollars.mean_control, dollars.mean) == pytest.approx((0.81327, 0.96517), abs=1e-4)
        assert dollars.p_value == pytest.approx(0.05778, abs=2e-5)
    missing = [f for f in readout.summary.findings if f.name == "missing_value" and f.metric == "out_amountgive"]
    assert sum(f.count for f in missing) == 2
    assert readout.recommendation.outcome == "ship"


def test_charitable_giving_two_ratios_win_after_correction(letters: pd.DataFrame, tmp_path: Path) -> None:
    variants = [
        {"key": "control", "split": 1 / 3, "control": True},
        *({"key": k, "split": 2 / 9} for k in ("1:1", "2:1", "3:1")),
    ]
    readout = opened(plan_of(**charitable(variants=variants)), xp.units(letters, unit="row", variant="ratio"), tmp_path)
    found = {r.variant: (r.p_value, r.verdict) for r in readout.rows if r.metric == "out_gavedum"}
    for variant, p in (("1:1", 0.0883), ("2:1", 0.00615), ("3:1", 0.00523)):
        assert found[variant][0] == pytest.approx(p, abs=5e-5)
    assert {v: x[1] for v, x in found.items()} == {"1:1": "unclear", "2:1": "better", "3:1": "better"}
    assert all(r.verdict == "unclear" for r in readout.rows if r.metric == "out_amountgive")
    srm = next(c for c in readout.health if c.name == "srm")
    assert srm.status == "pass"


def test_charitable_giving_cuped_reduction(letters: pd.DataFrame, shared_data: Path, tmp_path: Path) -> None:
    plan = plan_of(
        **charitable(
            variants=[{"key": "0", "split": 1 / 3, "control": True}, {"key": "1", "split": 2 / 3}],
            metrics=[
                column("out_gavedum", cuped=True, covariates=["freq"]),
                column("out_amountgive", "secondary", cuped=True, covariates=["freq"]),
            ],
        )
    )
    readout = opened(plan, xp.units(letters, unit="row", variant="treatment"), tmp_path)
    gave = readout.row("out_gavedum")
    # the oracle: the slope that makes the variance of the difference smallest
    arms = [letters[letters.treatment == k] for k in (0, 1)]
    slope = sum(a.out_gavedum.cov(a.freq) / len(a) for a in arms) / sum(a.freq.var() / len(a) for a in arms)
    gained, moved = (arms[1][k].mean() - arms[0][k].mean() for k in ("out_gavedum", "freq"))
    assert gave.effect == pytest.approx(gained - slope * moved, rel=1e-9)
    left = [(a.out_gavedum - slope * a.freq).var() / len(a) for a in arms]
    whole = [a.out_gavedum.var() / len(a) for a in arms]
    assert gave.variance_reduction == pytest.approx(1 - sum(left) / sum(whole), rel=1e-6)
    if is_real(shared_data):
        assert gave.variance_reduction == pytest.approx(0.0120, abs=2e-4)
        assert gave.effect == pytest.approx(0.0041971, abs=2e-6)
        assert readout.row("out_amountgive").p_value == pytest.approx(0.05631, abs=2e-4)


def test_charitable_giving_codes_for_missing_are_refused_and_then_counted(letters: pd.DataFrame, tmp_path: Path) -> None:
    metrics = [column("out_gavedum", cuped=True, covariates=["mrm2", "female"])]
    variants = [{"key": "0", "split": 1 / 3, "control": True}, {"key": "1", "split": 2 / 3}]
    source = xp.units(
        letters.assign(female=letters.female.fillna(-999), mrm2=letters.mrm2.fillna(-999)), unit="row", variant="treatment"
    )
    with pytest.raises(XpbenchError, match="-999"):
        opened(plan_of(**charitable(variants=variants, metrics=metrics)), source, tmp_path / "a")
    told = plan_of(**charitable(variants=variants, metrics=metrics), data={"missing_codes": [-999]})
    readout = opened(told, source, tmp_path / "b")
    assert any(f.name == "missing_code" and f.count > 0 for f in readout.summary.findings)
