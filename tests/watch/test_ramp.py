"""A guarded ramp: the rule's rows, the stages from the ledger, false stops, harm at a stage, and Simpson's trap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import xpbench as xp
from tests.watch.life import LifeClock
from xpbench.canonical import digest
from xpbench.data.summary import Cell, Summary
from xpbench.errors import DecisionError, InvalidPlan
from xpbench.experiment import open_experiment
from xpbench.plan import Plan
from xpbench.watch.ramp import RULES, answer_of, guard_rows, ramp_power, strata_of, stratified_pair

START = datetime(2026, 9, 1, tzinfo=UTC)
STAGES = [{"share": 0.1, "days": 4}, {"share": 0.5, "days": 4}, {"share": 1.0, "days": 6, "needs": "non_inferior"}]


def ramp_plan(**changes: object) -> Plan:
    """Two guardrails, three stages."""
    return Plan(
        **{
            "key": "ramp",
            "title": "Ramp",
            "owner": "ana",
            "hypothesis": {"if": "a", "then": [{"metric": "quote", "direction": "increase"}], "because": "b"},
            "variants": [{"key": "control", "split": 0.5, "control": True}, {"key": "beta", "split": 0.5}],
            "assignment": {"hash": "sha256", "salt": "ramp", "rollout": [{"key": "everyone", "share": 0.1}]},
            "metrics": [
                {"key": "quote", "kind": "conversion", "role": "primary", "direction": "increase", "event": "Quote"},
                {
                    "key": "out",
                    "kind": "conversion",
                    "role": "guardrail",
                    "direction": "decrease",
                    "event": "Out",
                    "margin_rel": 0.1,
                    "window_days": 1,
                },
            ],
            "horizon": {"units": 40_000},
            "planning": {"daily_units": 4000, "baselines": {"out": 0.2, "quote": 0.1}},
            "decision": {"harm_alpha": 0.05},
            "ramp": {"stages": STAGES},
            **changes,
        }
    )


def summary_of_days(rows: list[tuple[str, int, int, float, float]]) -> Summary:
    """Moments from days: n and share with the event, in control and in beta."""
    cells, by_day, units = [], {}, {"control": 0, "beta": 0}
    for day, nc, nt, pc, pt in rows:
        by_day[day] = {"control": nc, "beta": nt}
        for variant, n, p in (("control", nc, pc), ("beta", nt, pt)):
            if n > 1:
                cells.append(Cell("out", variant, "value", ("value",), n, (p,), ((p * (1 - p) * n / (n - 1),),), "$day", day))
            units[variant] += n
    last = rows[-1][0]
    return Summary("test", "f", 0, units, tuple(cells), exposures_by_day=by_day, data_until=f"{last}T23:59:59+00:00")


def days_from(first: int, count: int) -> list[str]:
    """ISO days of September."""
    return [f"2026-09-{first + i:02d}" for i in range(count)]


def test_a_plan_with_a_ramp_keeps_older_digests_and_is_checked() -> None:
    plan = ramp_plan()
    assert plan.problems() == []
    without = Plan(**{k: v for k, v in plan.to_dict().items() if k != "ramp"})
    assert "ramp" not in without.to_dict()
    assert digest(without.to_dict()) == without.digest
    wrong = [
        {"ramp": {"stages": STAGES[:1]}},
        {"ramp": {"stages": [STAGES[1], STAGES[0]]}},
        {"ramp": {"stages": [{"share": 0.1}, {"share": 0.5, "days": 2}]}},
        {"assignment": {"hash": "sha256", "salt": "r", "rollout": [{"key": "everyone", "share": 0.3}]}},
        {"metrics": [plan.to_dict()["metrics"][0]]},
        {"assignment": None},
    ]
    for change in wrong:
        assert any("/ramp" in p.pointer or "rollout" in p.pointer for p in ramp_plan(**change).problems()), change
    with pytest.raises(InvalidPlan):
        ramp_plan(ramp={"stages": [{"share": 0.1, "hours": 3}]})


def test_strata_are_the_stages_and_each_day_of_change_alone() -> None:
    summary = summary_of_days([(d, 500, 500, 0.2, 0.2) for d in days_from(1, 9)])
    starts = [START, datetime(2026, 9, 5, 14, tzinfo=UTC)]
    found = strata_of(summary, starts)
    assert found == {"stage 1": days_from(1, 4), "change to stage 2": ["2026-09-05"], "stage 2": days_from(6, 4)}


def test_simpsons_trap_is_not_fallen_into() -> None:
    """Within each stage nothing differs; pooled without stages the variant looks 30 per cent worse."""
    rows = [(d, 9000, 1000, 0.10, 0.10) for d in days_from(1, 4)] + [(d, 5000, 5000, 0.30, 0.30) for d in days_from(6, 4)]
    summary = summary_of_days(rows)
    plan = ramp_plan()
    starts = [START, datetime(2026, 9, 5, tzinfo=UTC)]
    nc, nt = (sum(r[i] for r in rows) for i in (1, 2))
    naive = sum(r[2] * r[4] for r in rows) / nt - sum(r[1] * r[3] for r in rows) / nc
    assert naive > 0.05
    pair, alone = stratified_pair(plan.metric("out"), summary, "control", "beta", strata_of(summary, starts))
    assert pair.effect == pytest.approx(0.0, abs=1e-12)
    assert set(alone) == {"stage 1", "stage 2"}
    assert [g.state for g in guard_rows(plan, summary, starts)] == ["within margin"]


def test_the_other_way_round_harm_is_not_hidden() -> None:
    """Within each stage the variant is a third worse; pooled without stages it looks better."""
    rows = [(d, 1000, 9000, 0.10, 0.14) for d in days_from(1, 4)] + [(d, 9000, 1000, 0.30, 0.40) for d in days_from(6, 4)]
    summary = summary_of_days(rows)
    naive = sum(r[2] * r[4] for r in rows) / 40_000 - sum(r[1] * r[3] for r in rows) / 40_000
    assert naive < 0
    found = guard_rows(ramp_plan(), summary, [START, datetime(2026, 9, 5, tzinfo=UTC)])
    assert [(g.state, g.where) for g in found] == [("harm", "pooled over the stages")]


def test_harm_that_comes_with_a_stage_is_found_in_it() -> None:
    rows = [(d, 20000, 20000, 0.20, 0.17) for d in days_from(1, 4)] + [(d, 2000, 2000, 0.20, 0.27) for d in days_from(6, 4)]
    found = guard_rows(ramp_plan(), summary_of_days(rows), [START, datetime(2026, 9, 5, tzinfo=UTC)])
    assert [(g.state, g.where) for g in found] == [("harm", "stage 2")]


def test_an_arm_that_loses_everything_does_not_fall_out() -> None:
    """No event in the control and many in the variant have no interval, and are harm all the same."""
    rows = [(d, 1000, 1000, 0.0, 0.3) for d in days_from(1, 3)]
    plan = ramp_plan(metrics=[*ramp_plan().to_dict()["metrics"][:1], {**_rail(), "margin": 0.01}])
    assert [g.state for g in guard_rows(plan, summary_of_days(rows), [START])] == ["harm"]


def _rail() -> dict[str, object]:
    return {k: v for k, v in ramp_plan().to_dict()["metrics"][1].items() if k != "margin_rel"}


def test_few_units_are_not_tested_and_hold() -> None:
    found = guard_rows(ramp_plan(), summary_of_days([("2026-09-01", 100, 90, 0.2, 0.9)]), [START])
    assert found[0].state == "not tested"


def test_a_stage_that_cant_be_tested_never_goes_on_the_word_of_the_one_before() -> None:
    """A stage with nobody in a variant, or with few, is `not tested` however well the first stage went."""
    first = [(d, 2000, 2000, 0.2, 0.2) for d in days_from(1, 4)]
    starts = [START, datetime(2026, 9, 5, tzinfo=UTC)]
    for nt in (0, 30):
        later = [(d, 2000, nt, 0.2, 0.2) for d in days_from(5, 5)]
        (row,) = guard_rows(ramp_plan(), summary_of_days(first + later), starts)
        assert (row.state, row.reason) == ("not tested", "fewer than 200 units with a whole window in an arm of stage 2")
    full = [(d, 2000, 2000, 0.2, 0.2) for d in days_from(5, 5)]
    (row,) = guard_rows(ramp_plan(), summary_of_days(first + full), starts)
    assert row.state == "within margin"
    harmful = [(d, 2000, 2000, 0.2, 0.3) for d in days_from(1, 4)]
    (row,) = guard_rows(ramp_plan(), summary_of_days(harmful + [(d, 2000, 0, 0.2, 0.2) for d in days_from(5, 5)]), starts)
    assert row.state == "harm"


def test_harm_at_the_first_stage_alone_stays_harm_when_later_stages_are_large_and_well() -> None:
    rows = [(d, 2000, 2000, 0.20, 0.27) for d in days_from(1, 4)] + [(d, 20000, 20000, 0.20, 0.19) for d in days_from(6, 4)]
    (row,) = guard_rows(ramp_plan(), summary_of_days(rows), [START, datetime(2026, 9, 5, tzinfo=UTC)])
    assert (row.state, row.where) == ("harm", "stage 1")


def test_false_stops_and_power_as_played() -> None:
    plan = ramp_plan()
    null = ramp_power(plan, "out", change=0.0, runs=300)
    border = ramp_power(plan, "out", change=0.1, runs=300)
    large = ramp_power(plan, "out", change=0.3, runs=300)
    late = ramp_power(plan, "out", change=0.3, from_stage=2, runs=300)
    assert null.power == 0.0
    assert border.power <= 0.05 + 3 * 0.0126
    assert large.power > 0.9
    assert late.by_stage[0] <= 0.05
    assert late.power > 0.8


class World:
    """An experiment with a ramp, and logs up to a day."""

    def __init__(self, root: Path, plan: Plan, *, start: datetime = START) -> None:
        self.clock = LifeClock(start - timedelta(days=1))
        self.root, self.start = root, start
        everyone = {k: v for k, v in (plan.to_dict()["assignment"] or {}).items() if k != "rollout"}
        self.all_in = ramp_plan(assignment=everyone)
        xp.register(plan, root, by="ana", clock=self.clock)
        self.clock.at = start
        self.open().launch(by="ana")

    def open(self) -> xp.Experiment:
        """As it is now."""
        return open_experiment("ramp", self.root, clock=self.clock)

    def log(self, days: float, *, worse: float = 0.0, daily: int = 500) -> pa.Table:
        """Exposures and events of so many days."""
        rng = np.random.default_rng(4)
        rows: dict[str, list] = {
            k: [] for k in ("event", "time", "distinct_id", "$insert_id", "Experiment name", "Variant name")
        }

        def add(event: str, time: float, unit: str, name: str | None, arm: str | None) -> None:
            for key, value in zip(rows, (event, time, unit, f"{event}-{unit}", name, arm), strict=True):
                rows[key].append(value)

        for i in range(int(days * daily)):
            unit, time = f"u{i}", self.start.timestamp() + (i + 0.5) / daily * 86_400
            arm = xp.assign(self.all_in, [unit])[0]
            add("$experiment_started", time, unit, "ramp", arm)
            if rng.random() < 0.2 * (1 + (worse if arm == "beta" else 0.0)):
                add("Out", time + 60, unit, None, None)
            if rng.random() < 0.1:
                add("Quote", time + 90, unit, None, None)
        return pa.table({k: pa.array(v, type=pa.float64() if k == "time" else pa.string()) for k, v in rows.items()})


def small(**more: object) -> Plan:
    """Two stages of two days, signed."""
    stages = [{"share": 0.5, "days": 3, "signs": "eve"}, {"share": 1.0, "days": 3}]
    assignment = {"hash": "sha256", "salt": "ramp", "rollout": [{"key": "everyone", "share": 0.5}]}
    return ramp_plan(**{"ramp": {"stages": stages}, "assignment": assignment, "horizon": {"units": 6000}, **more})


def test_a_ramp_from_launch_to_its_last_stage(tmp_path: Path) -> None:
    world = World(tmp_path, small())
    world.clock.at = START + timedelta(days=2)
    early = world.open().ramp(xp.events(world.log(2), clock=world.clock), by="ana")
    assert (early.answer, early.row) == ("hold", "early")
    world.clock.at = START + timedelta(days=4)
    source = xp.events(world.log(4), clock=world.clock)
    found = world.open().ramp(source, by="ana")
    assert (found.answer, found.row) == ("hold", "unsigned")
    with pytest.raises(DecisionError, match="hold"):
        world.open().ramp_on(by="ana")
    world.open().sign("eve")
    found = world.open().ramp(source, by="ana")
    assert (found.answer, found.row, found.next_share) == ("go on", "clear", 1.0)
    after = world.open().ramp_on(by="ana")
    assert after.plan.assignment is not None
    assert after.plan.assignment.rollout[0].share == 1.0
    assert after.ledger.entries()[-1].kind == "amended"
    with pytest.raises(DecisionError, match="was not read"):
        after.ramp_on(by="ana")
    world.clock.at = START + timedelta(days=8)
    done = world.open().ramp(xp.events(world.log(8), clock=world.clock), by="ana")
    assert (done.answer, done.row, done.stage) == ("go on", "done", 2)
    with pytest.raises(DecisionError, match="last stage"):
        world.open().ramp_on(by="ana")
    looks = [e for e in world.open().ledger.entries() if e.kind == "looked"]
    assert [e.body["ramp"]["row"] for e in looks] == ["early", "unsigned", "clear", "done"]
    assert not any("effect" in str(e.body["ramp"]) or "lift" in str(e.body["ramp"]) for e in looks)
    assert world.open().status().knowledge != "effects seen"


def test_harm_rolls_back_whatever_else_is_missing(tmp_path: Path) -> None:
    world = World(tmp_path, small())
    world.clock.at = START + timedelta(days=2)
    found = world.open().ramp(xp.events(world.log(2, worse=2.5), clock=world.clock), by="ana")
    assert (found.answer, found.row) == ("roll back", "harm")
    assert "out" in found.sentence
    assert world.open().ledger.entries()[-1].body["harm"] is True


def test_without_stages_or_launch_it_says_what_to_do(tmp_path: Path) -> None:
    clock = LifeClock(START)
    xp.register(ramp_plan(ramp=None, key="none"), tmp_path / "a", by="ana", clock=clock)
    with pytest.raises(DecisionError, match="has no stages"):
        open_experiment("none", tmp_path / "a", clock=clock).ramp(pa.table({"event": []}))
    xp.register(ramp_plan(key="still"), tmp_path / "b", by="ana", clock=clock)
    with pytest.raises(DecisionError, match="no launch"):
        open_experiment("still", tmp_path / "b", clock=clock).ramp(pa.table({"event": []}))


def test_the_rule_is_total_and_its_rows_are_asked_from_the_top() -> None:
    assert RULES[0][0] == "harm"
    assert {answer for _, answer, _ in RULES} == {"go on", "hold", "roll back"}
    assert [name for name, answer, _ in RULES if answer == "go on"] == ["done", "clear"]
    assert answer_of.__doc__
