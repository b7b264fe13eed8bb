"""A table without a plan: the same numbers as a registered experiment, no decision, and no seal broken by mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats

import xpbench as xp
from xpbench.cli import main
from xpbench.errors import DataError, DecisionError, InputError, InvalidPlan
from xpbench.views import forest


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    v, x = np.repeat([0, 1], 1500), rng.gamma(2.0, 1.0, 3000)
    y = (x + rng.gamma(2.0, 0.5, 3000)) * (1 + 0.1 * v)
    return pd.DataFrame({"id": range(3000), "group": np.array(["old", "new"])[v], "y": y, "x": x, "z": rng.normal(5, 1, 3000)})


def test_numbers_are_welch_s_and_those_of_a_registered_experiment(table: pd.DataFrame, tmp_path: Path) -> None:
    found = xp.explore(table, ["y", "z"], variant="group", control="old", root=tmp_path)
    other = scipy.stats.ttest_ind(table.y[table.group == "new"], table.y[table.group == "old"], equal_var=False)
    assert found.row("y").p_value == pytest.approx(other.pvalue, rel=1e-9)
    assert found.row("y").alpha == 0.025  # Holm over two metrics
    assert found.row("z", "new").verdict == "unclear"
    with pytest.raises(KeyError):
        found.row("nothing")
    plan = found.plan.changed(key="past", horizon={"units": 3000})
    same = xp.register(plan, tmp_path).readout(xp.units(table.assign(row=range(3000)), unit="row", variant="group"))
    assert not same.is_sealed
    assert [r.to_dict() for r in same.rows] == [r.to_dict() for r in found.rows]


def test_one_covariate_or_several_narrow_the_interval(table: pd.DataFrame, tmp_path: Path) -> None:
    def width(covariates: Any) -> float:
        row = xp.explore(table, ["y"], variant="group", control="old", covariates=covariates, root=tmp_path).rows[0]
        assert row.lift_low is not None
        assert row.lift_high is not None
        return row.lift_high - row.lift_low

    raw, one = width(None), width({"y": "x"})
    assert one < 0.8 * raw
    assert width({"y": ["x", "z"]}) == pytest.approx(one, rel=0.05)


def test_it_says_exploratory_everywhere_and_decides_nothing(table: pd.DataFrame, tmp_path: Path) -> None:
    found = xp.explore(table, ["y"], variant="group", control="old", root=tmp_path)
    assert found.stamps == ("EXPLORATORY",)
    assert found.is_valid
    assert "No plan was registered" in repr(found)
    assert "No plan was registered" in found._repr_html_()
    assert found.to_dict()["exploratory"] is True
    assert list(found.to_frame().metric) == ["y"]
    assert not any(hasattr(found, name) for name in ("recommendation", "decide", "memo"))
    assert "y" in repr(forest(found).table.rows)
    assert list(tmp_path.iterdir()) == []  # nothing is written


def test_a_lost_share_of_units_is_invalid(table: pd.DataFrame, tmp_path: Path) -> None:
    lost = table[(table.group == "old") | (table.index % 5 > 0)]
    found = xp.explore(lost, ["y"], variant="group", control="old", root=tmp_path)
    assert found.stamps == ("INVALID", "EXPLORATORY")
    assert "Sample ratio" in repr(found)
    told = xp.explore(lost, ["y"], variant="group", control="old", split={"old": 5, "new": 4}, root=tmp_path)
    assert told.is_valid


def test_text_of_the_table_is_escaped(table: pd.DataFrame, tmp_path: Path) -> None:
    bad = table.assign(group=table.group.replace("new", "<script>alert(1)</script>"))
    shown = xp.explore(bad, ["y"], variant="group", control="old", root=tmp_path)._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_frames_of_other_kinds_and_three_variants(table: pd.DataFrame, tmp_path: Path) -> None:
    three = pl.from_pandas(table.assign(group=np.array(["control", "b", "c"])[np.arange(3000) % 3]))
    rows = xp.explore(three.lazy(), ["y"], variant="group", root=tmp_path).rows
    assert [(r.metric, r.variant) for r in rows] == [("y", "b"), ("y", "c")]


def test_errors_say_what_to_do(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    for given, options, code in (
        (table, {"variant": "group"}, "XPB-R14"),
        (table, {"variant": "group", "control": "odl"}, "XPB-R14"),
        (table, {"variant": "y"}, "XPB-R14"),
        (table.assign(group="old"), {"variant": "group", "control": "old"}, "XPB-R14"),
        (tmp_path / "t.csv", {"variant": "group", "control": "old"}, "XPB-R15"),
    ):
        with pytest.raises(DecisionError, match=code):
            xp.explore(given, ["y"], root=tmp_path / "none", **options)
    with pytest.raises(DataError, match="Did you mean 'group'"):
        xp.explore(table, ["y"], variant="grup")
    with pytest.raises(DataError, match="XPB-D05"):
        xp.explore(table, ["yy"], variant="group", control="old")
    with pytest.raises(InvalidPlan):
        xp.explore(table, [], variant="group", control="old")
    with pytest.raises(InvalidPlan):
        xp.explore(table, ["y"], variant="group", control="old", split={"old": 1.0})
    with pytest.raises(InputError, match=r"split is 'othr'.*variants.*new, old"):
        xp.explore(table, ["y"], variant="group", control="old", split={"old": 1.0, "othr": 1.0})
    with pytest.raises(InputError, match=r"covariates is 'yy'.*columns.*Did you mean 'y'"):
        xp.explore(table, ["y"], variant="group", control="old", covariates={"yy": "x"})
    with pytest.raises(DataError, match=r"'xx'"):
        xp.explore(table, ["y"], variant="group", control="old", covariates={"y": "xx"})


def test_a_sealed_experiment_is_not_explored_by_mistake(table: pd.DataFrame, tmp_path: Path) -> None:
    plan = xp.explore(table, ["y"], variant="group", control="old", root=tmp_path).plan
    experiment = xp.register(plan.changed(key="running", unit="id", horizon={"units": 5000}), tmp_path)
    source = xp.units(table, unit="id", variant="group")
    assert experiment.readout(source).is_sealed
    for options in ({}, {"unit": "id"}):
        with pytest.raises(DecisionError, match=r"running.*sealed.*peek"):
            xp.explore(table, ["y"], variant="group", control="old", root=tmp_path, **options)
    assert xp.explore(table, ["z"], variant="group", control="old", root=tmp_path).rows  # another column
    assert xp.explore(table, ["y"], variant="group", control="old", root=None).rows
    experiment.peek(source, reason="a test")
    with pytest.raises(DecisionError, match="XPB-R13"):
        xp.explore(table, ["y"], variant="group", control="old", root=tmp_path)


def test_from_the_command_line(table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "t.parquet", tmp_path / "rows.csv"
    table.to_parquet(path)
    command = ["explore", str(path), "--unit", "id", "--variant", "group", "--control", "old", "--metric", "y"]
    command += ["--root", str(tmp_path / "none")]
    assert main([*command, "--covariate", "y=x", "--csv", str(out)]) == 0
    assert "EXPLORATORY" in capsys.readouterr().out
    assert list(pd.read_csv(out).metric) == ["y"]
    assert main([*command, "--split", "old=0.7", "--split", "new=0.3", "--json"]) == 1
    assert '"INVALID"' in capsys.readouterr().out
    assert main([*command, "--split", "old"]) == 2
    assert "--split control=0.9" in capsys.readouterr().err
    assert main([*command, "--covariate", "x"]) == 2
    assert "METRIC=COLUMN" in capsys.readouterr().err


def test_numbers_and_truth_values_name_variants_as_they_are(table: pd.DataFrame, tmp_path: Path) -> None:
    for values, control, split in (
        ([0, 1], 0, {0: 1, 1: 1}),
        ([False, True], False, {False: 2, True: 2}),
        ([0.0, 1.0], 0.0, None),
    ):
        path = tmp_path / f"{type(control).__name__}.parquet"
        held = table.assign(group=[values[g == "new"] for g in table.group])
        held.to_parquet(path)
        for given in (held, path):
            found = xp.explore(given, ["y"], unit="id", variant="group", control=control, split=split, root=tmp_path)
            assert found.is_valid
            assert found.row("y").lift == pytest.approx(
                table.y[table.group == "new"].mean() / table.y[table.group == "old"].mean() - 1
            )
