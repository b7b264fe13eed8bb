"""One line for a small job: what it answers, what it assumes and says so, and what it refuses."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats

import xpbench as xp
from tests.builders import column, make_plan, metric, plan_document, split
from xpbench.errors import DataError, DecisionError, InputError, InvalidPlan, SealedError
from xpbench.plan import template_names

HOSTILE = "<img src=x onerror=alert(1)>"


def column_plan(**more: Any) -> xp.Plan:
    base: dict[str, Any] = plan_document(
        [
            column("bought"),
            column("spent", "secondary", winsorize={"upper": 0.99}),
            metric("rate", "ratio", "secondary", numerator="spent", denominator="visits"),
            column("visits", "secondary"),
        ],
        key="past",
        title=HOSTILE,
        owner="team",
        lift=0.1,
        variants=split("old", "new"),
        unit="id",
        horizon={"units": 3000},
        assignment={"hash": "sha256", "salt": "past"},
    )
    return xp.Plan(**{**base, **more})


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 3000
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "test_group": np.where(np.arange(n) % 2, "new", "old"),
            "bought": (rng.random(n) < 0.2).astype(int),
            "spent": rng.lognormal(2, 1, n),
            "visits": rng.poisson(3, n) + 1,
            "day": (pd.Timestamp("2026-08-03") + pd.to_timedelta(np.arange(n) // 300, unit="D")).strftime("%Y-%m-%d"),
            "platform": rng.choice(["ios", "web"], n),
        }
    )


# xp.srm


def test_srm_is_the_chi_squared_of_the_counts() -> None:
    found = xp.srm({"A": 6192, "B": 6288})
    assert found.p == pytest.approx(scipy.stats.chisquare([6192, 6288]).pvalue, rel=1e-12)
    assert found.status == "pass"
    assert "assumed" in found.sentence
    assert found.to_dict()["units"] == {"A": 6192, "B": 6288}
    json.dumps(found.to_dict())
    planned = xp.srm({"A": 9000, "B": 1100}, split={"A": 90, "B": 10})
    assert planned.p == pytest.approx(scipy.stats.chisquare([9000, 1100], [9090, 1010]).pvalue, rel=1e-12)
    assert "assumed" not in planned.sentence
    assert list(planned.to_frame().planned_share) == [0.9, 0.1]


@pytest.mark.parametrize(("counts", "status"), [((5000, 5000), "pass"), ((5000, 5270), "warn"), ((5000, 5400), "fail")])
def test_srm_has_the_levels_of_a_plan(counts: tuple[int, int], status: str) -> None:
    assert xp.srm(dict(zip("AB", counts, strict=True))).status == status


def test_srm_of_degenerate_counts_never_passes_by_default() -> None:
    assert xp.srm({"A": 0, "B": 0}).status == "not answerable"
    assert xp.srm({"A": 0, "B": 0}).p is None
    assert xp.srm({"A": 4000}, split={"A": 0.5, "B": 0.5}).status == "fail"  # B has none
    misplaced = xp.srm({"A": 500, "B": 500, "C": 1}, split={"A": 1, "B": 1, "C": 0})
    assert misplaced.status == "fail"
    assert "without a share" in misplaced.sentence
    small = xp.srm({"A": 1, "B": 7})
    assert small.method == "exact"
    assert small.p == pytest.approx(scipy.stats.binomtest(1, 8, 0.5).pvalue, rel=1e-9)


def test_srm_takes_value_counts_and_escapes_names(table: pd.DataFrame) -> None:
    assert xp.srm(table["test_group"].value_counts()).units == {"new": 1500, "old": 1500}
    shown = xp.srm({HOSTILE: 10, "B": 12})._repr_html_()
    assert "<img" not in shown


@pytest.mark.parametrize(
    ("counts", "split", "word"),
    [
        ({"A": -1, "B": 2}, None, "whole numbers"),
        ({"A": 1.5, "B": 2}, None, "whole numbers"),
        ({"A": float("nan"), "B": 2}, None, "whole numbers"),
        ({"A": True, "B": 2}, None, "whole numbers"),
        ({"A": "12", "B": 2}, None, "whole numbers"),
        ({"A": 5}, None, "two variants"),
        ([1, 2], None, "by the name"),
        ({"A": 1, "B": 2}, {"A": 1, "b": 1}, "B"),
        ({"A": 1, "B": 2}, [1], "one share for each"),
        ({"A": 1, "B": 2}, {"A": 1, "B": -1}, "from 0 on"),
        ({1: 5, "1": 6}, None, "counted once"),
    ],
)
def test_srm_refuses_what_is_no_count(counts: Any, split: Any, word: str) -> None:
    with pytest.raises(InputError, match=word):
        xp.srm(counts, split)


# xp.sample_size


def test_sample_size_agrees_with_statsmodels() -> None:
    from statsmodels.stats.power import TTestIndPower

    found = xp.sample_size(mean=50.0, sd=40.0, lift=0.05)
    other = TTestIndPower().solve_power(2.5 / 40.0, alpha=0.05, power=0.8)
    assert found.units_per_variant == int(np.ceil(other))
    assert found.units == 2 * found.units_per_variant
    assert xp.sample_size(mean=50.0, sd=40.0, effect=2.5).units == found.units


def test_sample_size_of_a_rate_is_that_of_a_plan() -> None:
    found = xp.sample_size(baseline=0.10, lift=0.10, daily=2000)
    metric = {"key": "y", "kind": "column", "column": "y", "role": "primary", "direction": "increase"}
    hypothesis = {"if": "a", "then": [{"metric": "y", "direction": "increase", "lift": 0.1}], "because": "b"}
    plan = column_plan(metrics=[metric], hypothesis=hypothesis, planning={"baselines": {"y": 0.1}})
    row = xp.power(plan).rows[0]
    assert row.n_needed is not None
    assert abs(found.units - row.n_needed) <= 2
    assert (found.days, found.weeks) == (15, 3)
    for said in ("10 %", "11 %", "80 %", "5 %", "15 days", "3 weeks", "read once"):
        assert said in found.sentence


def test_sample_size_keeps_its_power() -> None:
    found = xp.sample_size(baseline=0.2, lift=-0.2, power=0.9)
    rng = np.random.default_rng(4)
    n = found.units_per_variant
    a, b = rng.binomial(n, 0.2, 20_000) / n, rng.binomial(n, 0.16, 20_000) / n
    z = (b - a) / np.sqrt((a * (1 - a) + b * (1 - b)) / n)
    assert np.mean(z < -1.959964) == pytest.approx(0.9, abs=0.01)


def test_several_treatments_share_the_level() -> None:
    two, four = xp.sample_size(mean=10, sd=8, lift=0.1), xp.sample_size(mean=10, sd=8, lift=0.1, variants=4)
    assert four.units_per_variant > two.units_per_variant
    assert "shared by 3 comparisons" in four.sentence


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"baseline": 10, "lift": 0.1}, "10 % is 0.1"),
        ({"baseline": 0.1, "lift": 5}, "500%"),
        ({"baseline": 0.1}, "lift is missing"),
        ({"lift": 0.1}, "baseline is missing"),
        ({"mean": 10, "lift": 0.1}, "sd is missing"),
        ({"baseline": 0.1, "sd": 3, "lift": 0.1}, "Leave sd out"),
        ({"baseline": 0.6, "lift": 0.9}, "would become 1.14"),
        ({"baseline": 0.1, "lift": 0}, "none"),
        ({"baseline": 0.1, "lift": 0.1, "power": 80}, "between 0 and 1"),
        ({"baseline": 0.1, "lift": 0.1, "daily": 0}, "every day"),
        ({"baseline": "0.1", "lift": 0.1}, "number"),
        ({"baseline": 0.1, "lift": 0.1, "variants": 1}, "Count the control"),
        ({"mean": 0, "sd": 1, "lift": 0.1}, "effect="),
    ],
)
def test_sample_size_asks_back(given: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        xp.sample_size(**given)


# plan.replace, templates


def test_the_salt_follows_a_new_key() -> None:
    plan = column_plan()
    copy = plan.replace(key="next", horizon=20_000)
    assert copy.assignment is not None
    assert (copy.key, copy.assignment.salt, copy.horizon.units) == ("next", "next", 20_000)
    ids = np.arange(20_000)
    alike = np.mean(xp.assign(plan, ids) == xp.assign(copy, ids))
    assert alike == pytest.approx(0.5, abs=0.02)  # and not 1: two experiments are independent
    assert plan.key == "past"
    own = plan.replace(key="next", assignment={"hash": "sha256", "salt": "mine"}).assignment
    assert own is not None
    assert own.salt == "mine"
    assert plan.replace(title="T").assignment == plan.assignment


def test_replace_keeps_the_days_of_a_horizon_and_moves_what_was_tuned_to_it() -> None:
    plan = column_plan(horizon={"units": 3000, "days": 14}, model={"kind": "sequential", "n_opt": 3000})
    longer = plan.replace(horizon=9000)
    assert longer.horizon.model_dump() == {"units": 9000, "days": 14}
    assert longer.to_dict()["model"]["n_opt"] == 9000
    assert column_plan(model={"kind": "sequential", "n_opt": 50}).replace(horizon=9000).to_dict()["model"]["n_opt"] == 50
    named = column_plan(exposure={"experiment": "past"}).replace(key="next")
    assert named.experiment_name == "next"
    with pytest.raises(InvalidPlan, match="horizont"):
        plan.replace(horizont=3)


@pytest.mark.parametrize("name", template_names())
def test_two_plans_from_one_template_assign_independently(name: str) -> None:
    first, second = xp.template(name), xp.template(name).changed(key="another")
    ids = [f"u{i}" for i in range(4000)]
    assert np.mean(np.asarray(xp.assign(first, ids)) == np.asarray(xp.assign(second, ids))) < 0.6


def test_the_salt_follows_the_key_in_the_form(tmp_path: Path) -> None:
    form = xp.PlanForm(column_plan(), root=tmp_path)
    form.field("/key").control.value = "typed"
    assert form.value["assignment"]["salt"] == "typed"
    form.field("/assignment/salt").control.value = "mine"
    form.field("/key").control.value = "again"
    assert form.value["assignment"]["salt"] == "mine"


# plan.with_baselines


@pytest.mark.parametrize("kind", ["pandas", "polars", "csv", "parquet"])
def test_baselines_come_from_a_table(table: pd.DataFrame, tmp_path: Path, kind: str) -> None:
    source: Any = table
    if kind == "polars":
        source = pl.from_pandas(table)
    elif kind != "pandas":
        source = tmp_path / f"past.{kind}"
        table.to_csv(source, index=False) if kind == "csv" else table.to_parquet(source)
    planning = column_plan().with_baselines(source, day="day").planning
    spent = table["spent"].clip(upper=np.quantile(table["spent"], 0.99))
    close = {"rel": 1e-3}
    assert planning.baselines["bought"] == pytest.approx(table["bought"].mean(), **close)
    assert "bought" not in planning.sds
    assert planning.sds["spent"] == pytest.approx(spent.std(), **close)
    ratio = planning.baselines["rate"]
    linear = (table["spent"] - table["spent"].mean() / table["visits"].mean() * table["visits"]) / table["visits"].mean()
    assert ratio == pytest.approx(table["spent"].mean() / table["visits"].mean(), rel=0.05)
    assert planning.sds["rate"] == pytest.approx(linear.std(), rel=0.2)  # the plan caps what is spent
    assert planning.daily_units == 300


def test_baselines_are_read_under_the_plan_s_own_policy(table: pd.DataFrame) -> None:
    coded = table.assign(spent=np.where(table.index % 20 == 0, -999.0, table["spent"]))
    with pytest.raises(DataError, match="-999"):
        column_plan().with_baselines(coded)
    said = column_plan(data={"missing_codes": [-999.0]}).with_baselines(coded).planning
    assert said.baselines["spent"] > 0
    with pytest.raises(DataError, match=r"twice|times|several|one row"):
        column_plan().with_baselines(pd.concat([table, table.head(300)]))


def test_baselines_need_a_column_of_the_plan(table: pd.DataFrame) -> None:
    with pytest.raises(DecisionError, match="without a column"):
        column_plan().with_baselines(table[["id", "day"]])
    with pytest.raises(DecisionError, match="counted from events"):
        xp.template("conversion-funnel").with_baselines(table)


def test_baselines_do_not_tell_an_effect(table: pd.DataFrame) -> None:
    """All units are one group: whatever the variants, the plan is the same."""
    moved = table.assign(test_group=table["test_group"].iloc[::-1].to_numpy())
    assert column_plan().with_baselines(table).digest == column_plan().with_baselines(moved).digest


# a frame or a path where the plan says enough


@pytest.mark.parametrize("kind", ["pandas", "polars", "csv", "parquet"])
def test_a_readout_takes_what_is_at_hand(table: pd.DataFrame, tmp_path: Path, kind: str) -> None:
    source: Any = table
    if kind == "polars":
        source = pl.from_pandas(table)
    elif kind != "pandas":
        source = tmp_path / f"units.{kind}"
        table.to_csv(source, index=False) if kind == "csv" else table.to_parquet(source)
    experiment = xp.register(column_plan(), tmp_path / "experiments")
    found = experiment.readout(source)
    named = experiment.readout(xp.units(table, unit="id", variant="test_group"))
    assert not found.is_sealed
    assert [r.to_dict() for r in found.rows] == [r.to_dict() for r in named.rows]
    assert "test_group" in found.summary.source  # what was found is said, and stays in the memo
    assert "test_group" not in named.summary.source


def test_a_column_of_any_name_is_found_by_the_plan_s_variants(table: pd.DataFrame, tmp_path: Path) -> None:
    experiment = xp.register(column_plan(), tmp_path)
    odd = table.rename(columns={"test_group": "xyz_23"})
    assert experiment.readout(odd).summary.units == {"old": 1500, "new": 1500}
    both = odd.assign(abc=odd["xyz_23"])
    with pytest.raises(DataError, match="2 columns could hold"):
        experiment.readout(both)
    assert experiment.readout(both, variant="xyz_23").summary.units == {"old": 1500, "new": 1500}


def test_other_names_of_variants_are_not_guessed(table: pd.DataFrame, tmp_path: Path) -> None:
    experiment = xp.register(column_plan(), tmp_path)
    letters = table.assign(test_group=table["test_group"].map({"old": "A", "new": "B"}))
    with pytest.raises(DataError, match="holds 'A', 'B'"):
        experiment.readout(letters)
    with pytest.raises(DataError, match="XPB-D05"):
        experiment.readout(table.drop(columns="test_group"))


def test_a_source_names_its_columns_itself(table: pd.DataFrame, tmp_path: Path) -> None:
    experiment = xp.register(column_plan(), tmp_path)
    with pytest.raises(InputError, match="Leave variant out"):
        experiment.readout(xp.units(table, unit="id", variant="test_group"), variant="test_group")


def test_an_event_plan_reads_a_log_from_its_path(tmp_path: Path) -> None:
    plan = make_plan([metric("q", "conversion", event="Quote")], key="log", title="t", owner="o", horizon={"units": 100})
    lines = []
    for i in range(200):
        who = {"distinct_id": f"u{i}", "time": 1_767_225_600 + i, "$insert_id": f"e{i}"}
        variant = {"Experiment name": "log", "Variant name": ("control", "beta")[i % 2]}
        lines.append({"event": "$experiment_started", "properties": {**who, **variant}})
        if i % 3 == 0:
            lines.append({"event": "Quote", "properties": {**who, "time": who["time"] + 60, "$insert_id": f"q{i}"}})
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    experiment = xp.register(plan, tmp_path / "experiments")
    by_path = experiment.readout(folder / "log.jsonl")
    assert by_path.summary.units == {"control": 100, "beta": 100}
    assert experiment.readout(folder).summary.units == by_path.summary.units
    with pytest.raises(InputError, match="counts events"):
        experiment.readout(folder, variant="x")


# xp.explore


def test_an_exploration_says_what_it_found_and_assumed(table: pd.DataFrame, tmp_path: Path) -> None:
    found = xp.explore(table, ["bought", "spent"], control="old", segments="platform", root=tmp_path)
    text, page = repr(found), found._repr_html_()
    for said in ("split assumed equal", "97.5 %", "Holm over 2 comparisons", "test_group"):
        assert said in text
        assert said in page
    assert "planned" not in text.replace("not planned", "")
    assert "Interval (97.5 %)" in page
    assert list(found.to_frame().alpha) == [0.025, 0.025]
    assert [s.dimension for s in found.segments] == ["platform"]
    assert set(found.segments[0].slices) == {"ios", "web"}
    assert not any("plan" in c.meaning for c in found.health if c.name == "srm")
    named = xp.explore(table, ["bought"], variant="test_group", control="old", split={"old": 1, "new": 1}, root=tmp_path)
    assert "planned 0.5" in repr(named)
    assert "which was found" not in repr(named)
    assert "Intervals: 95 %." in repr(named)


def test_two_columns_that_could_be_the_variant_are_asked_about(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 columns could hold"):
        xp.explore(table.assign(arm=table["test_group"]), ["bought"], control="old", root=tmp_path)
    likely = table.assign(version=np.arange(len(table)) % 3)
    assert xp.explore(likely, ["bought"], control="old", root=tmp_path).found_variant == "test_group"


# plots and files


def size_of(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_a_readout_is_drawn_and_saved(table: pd.DataFrame, tmp_path: Path) -> None:
    experiment = xp.register(column_plan(segments=["platform"]), tmp_path / "experiments")
    readout = experiment.readout(table, day="day")
    names = ("effects", "table", "split", "time", "path", "health", "segments")
    for name in names:
        view = readout.plot(name)
        width, height = size_of(view.save(tmp_path / f"{name}.png").read_bytes())
        assert width > 200
        assert height > 50
        assert "<svg" in view.save(tmp_path / f"{name}.svg").read_text("utf-8")
    assert readout.plot().name == readout.plot("effects").name
    for ending in ("html", "csv", "json", "txt"):
        text = readout.plot().save(tmp_path / f"x.{ending}").read_text("utf-8")
        assert HOSTILE not in text or ending == "csv"
    with pytest.raises(InputError, match=r"saved as \.png"):
        readout.plot().save(tmp_path / "x.gif")
    with pytest.raises(InputError, match="effects"):
        readout.plot("effect")
    with pytest.raises(DecisionError, match="day of exposure"):
        experiment.readout(table).plot("time")


def test_a_sealed_readout_draws_no_effect(table: pd.DataFrame, tmp_path: Path) -> None:
    sealed = xp.register(column_plan(), tmp_path).readout(table.head(2000), day="day")
    assert sealed.is_sealed
    for name in ("split", "time", "health"):
        sealed.plot(name).save(tmp_path / f"{name}.png")
    for name in ("effects", "table", "path", "segments"):
        with pytest.raises(SealedError):
            sealed.plot(name)


def test_plan_experiment_status_and_recommendation_show_themselves(table: pd.DataFrame, tmp_path: Path) -> None:
    plan = column_plan()
    experiment = xp.register(plan, tmp_path)
    readout = experiment.readout(table)
    for thing in (plan, experiment, experiment.status(), readout.recommendation):
        page = thing._repr_html_()
        assert "<img" not in page
        assert len(page) > 60
        assert "object at 0x" not in repr(thing)
        assert "Status(" not in repr(thing)
    assert "ready" in repr(experiment.status())
    assert readout.recommendation.because in readout.recommendation._repr_html_().replace("&#x27;", "'")
