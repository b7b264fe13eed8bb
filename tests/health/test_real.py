"""The three real experiments give the reference statuses of the sample-ratio check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats as oracle

from tests.builders import make_plan
from xpbench.data.summary import Cap, Cell, Extreme, Finding, Summary
from xpbench.health import Check, HealthInputs, run_checks
from xpbench.plan.model import Plan


def _plan(splits: dict[str, float], column: str, **metric: Any) -> Plan:
    control = next(iter(splits))
    return make_plan(
        [{"key": "m", "kind": "column", "column": column, "role": "primary", "direction": "increase", **metric}],
        key="real",
        owner="test",
        variants=[{"key": k, "split": s, "control": k == control} for k, s in splits.items()],
        horizon={"units": 5000},
    )


def _summary(values: dict[str, pd.Series], **more: Any) -> Summary:
    cells = tuple(Cell("m", k, "raw", ("value",), len(v), (float(v.mean()),), ((float(v.var()),),)) for k, v in values.items())
    cells += tuple(
        Cell("m", k, "value", ("value",), len(v), (float(v.mean()),), ((float(v.var()),),)) for k, v in values.items()
    )
    units = {k: len(v) for k, v in values.items()}
    return Summary("units table", "0" * 64, sum(units.values()), units, more.pop("cells", cells), **more)


def _by_name(inputs: HealthInputs) -> dict[str, Check]:
    return {c.name: c for c in run_checks(inputs)}


def test_cookie_cats_warns_and_does_not_block(shared_data: Path) -> None:
    """p = 0.008608: a warning at 0.01, no failure at 0.001."""
    frame = pd.read_csv(shared_data / "cookie_cats.csv.gz")
    groups = {k: frame.loc[frame["version"] == k, "retention_7"].astype(float) for k in ("gate_30", "gate_40")}
    checks = _by_name(HealthInputs(_plan({"gate_30": 0.5, "gate_40": 0.5}, "retention_7"), _summary(groups)))
    assert checks["srm"].status == "warn"
    assert checks["srm"].evidence["p_value"] == pytest.approx(0.008608, rel=1e-3)
    assert checks["srm"].evidence["p_value"] == pytest.approx(oracle.chisquare([44_700, 45_489]).pvalue, rel=1e-9)
    assert not checks["srm"].blocks


def test_cookie_cats_outlier_has_leverage_until_capped(shared_data: Path) -> None:
    """One player with 49,854 rounds moves the effect by more than half a standard error; capped, nobody does."""
    frame = pd.read_csv(shared_data / "cookie_cats.csv.gz")
    groups = {k: frame.loc[frame["version"] == k, "sum_gamerounds"].astype(float) for k in ("gate_30", "gate_40")}
    extreme = (Extreme("m", "gate_30", 49_854.0),)
    plan = _plan({"gate_30": 0.5, "gate_40": 0.5}, "sum_gamerounds")
    raw = _by_name(HealthInputs(plan, _summary(groups, extremes=extreme)))["outlier_leverage"]
    assert raw.status == "warn"
    without = groups["gate_30"].drop(groups["gate_30"].idxmax())
    moved = (groups["gate_30"].mean() - without.mean()) / (sum(g.var() / len(g) for g in groups.values()) ** 0.5)
    assert raw.evidence["largest_leverage"] == pytest.approx(moved, rel=1e-9)
    capped = {k: v.clip(upper=493) for k, v in groups.items()}
    cells = tuple(
        Cell("m", k, form, ("value",), len(v), (float(v.mean()),), ((float(v.var()),),))  # type: ignore[arg-type]
        for form, source in (("raw", groups), ("value", capped))
        for k, v in source.items()
    )
    tamed = _by_name(
        HealthInputs(plan, _summary(groups, cells=cells, extremes=extreme, caps=(Cap("m", "value", None, 493.0, 0, 890),)))
    )["outlier_leverage"]
    assert tamed.status == "pass"
    assert tamed.evidence["metrics"][0]["raw_leverage"] == pytest.approx(moved, rel=1e-9)


def test_homepage_actions_fails_the_gate(shared_data: Path) -> None:
    """p = 2.4e-5: the readout can't be trusted, however small the metric's p-value."""
    frame = pd.read_csv(shared_data / "homepage_actions.csv.gz", parse_dates=["timestamp"])
    views = frame[frame["action"] == "view"]
    clicked = set(frame.loc[frame["action"] == "click", "id"])
    groups = {k: views.loc[views["group"] == k, "id"].isin(clicked).astype(float) for k in ("control", "experiment")}
    days = views.groupby([views["timestamp"].dt.date.astype(str), "group"]).size().unstack(fill_value=0)
    by_day = {str(d): {k: int(row[k]) for k in groups} for d, row in days.iterrows()}
    plan = _plan({"control": 0.5, "experiment": 0.5}, "click")
    checks = run_checks(HealthInputs(plan, _summary(groups, exposures_by_day=by_day)))
    assert checks[0].name == "srm"
    assert checks[0].blocks
    assert checks[0].evidence["p_value"] == pytest.approx(2.40e-5, rel=2e-3)


def test_charitable_giving_one_to_two_design_passes(shared_data: Path) -> None:
    """The design is 1:2 and must not alarm; two empty outcomes warn."""
    frame = pd.read_csv(shared_data / "charitable_giving.csv.gz")
    groups = {str(k): frame.loc[frame["treatment"] == k, "out_gavedum"].astype(float) for k in (0, 1)}
    finding = Finding("missing_value", 2, len(frame), "excluded", "m", {"0": 0, "1": 2})
    plan = _plan({"0": 1 / 3, "1": 2 / 3}, "out_gavedum")
    checks = _by_name(HealthInputs(plan, _summary(groups, findings=(finding,))))
    assert checks["srm"].status == "pass"
    assert checks["srm"].evidence["p_value"] == pytest.approx(0.9446, abs=1e-4)
    assert checks["missing_values"].status == "warn"
    assert checks["missing_values"].evidence["metrics"][0]["skew_p_value"] > 0.3
    assert not any(c.blocks for c in checks.values())
