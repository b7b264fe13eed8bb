"""A watch that feeds itself from the export: series, unfinished and late days, letters, and what is overdue."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import xpbench as xp
from tests.watch.life import LAUNCHED, SHIPPED, days_log, life, life_plan
from xpbench.errors import DataError, WatchError, XpbenchError
from xpbench.watch.from_events import series_from_events
from xpbench.watch.record import check_rows

FIRST_AFTER = date(2026, 9, 16)
LAST = date(2026, 10, 12)


def before_after(**changes: float) -> pa.Table:
    more = {"step": 0.0, **changes}
    return days_log(
        np.random.default_rng(7), first=date(2026, 7, 6), days=104, daily=80, rate=0.2, at=FIRST_AFTER, **more
    )  # fmt: skip


def by_hand(table: pa.Table, day: date) -> tuple[int, float]:
    """Units that were active on a day, and the share of them that did `Out` on it, row by row."""
    active, out = set(), set()
    for event, time, unit in zip(*(table[c].to_pylist() for c in ("event", "time", "distinct_id")), strict=True):
        if datetime.fromtimestamp(time, UTC).date() == day:
            active.add(unit)
            if event == "Out":
                out.add(unit)
    return len(active), len(out) / len(active)


def test_a_day_holds_the_units_that_were_active_on_it() -> None:
    table = before_after()
    plan = life_plan()
    found = series_from_events(plan, xp.events(table), variant="beta", shipped=SHIPPED, launched=LAUNCHED, last=LAST)
    (group,) = found.series["out"].groups.values()
    days = {d.day: (d.n, d.mean) for d in group.days}
    for day in (date(2026, 7, 6), date(2026, 8, 31), FIRST_AFTER, LAST):
        n, mean = by_hand(table, day)
        assert days[day][0] == n
        assert days[day][1] == pytest.approx(mean, rel=1e-12)
    assert not [d for d in days if LAUNCHED.date() <= d < FIRST_AFTER]  # some units had the variant then
    assert any("left out" in note for note in found.notes)


def test_unit_ids_that_are_numbers_and_units_of_several_days_are_units_of_each_day() -> None:
    times = [datetime(2026, 8, 1, 12, tzinfo=UTC) + timedelta(days=i) for i in range(25)]
    rows = {
        "event": ["Visit", "Out", "Quote"] * 25,
        "time": [t.timestamp() + k for t in times for k in range(3)],
        "distinct_id": [7] * 75,
        "$insert_id": [f"i{i}" for i in range(75)],
    }
    plan = life_plan()
    found = series_from_events(
        plan, xp.events(pa.table(rows)), variant="beta", shipped=times[20], launched=None, last=times[-1].date()
    )
    (group,) = found.series["out"].groups.values()
    assert {(d.n, d.mean) for d in group.days} == {(1, 1.0)}


def test_a_day_that_is_not_over_or_not_settled_does_not_count() -> None:
    table = before_after()
    cut = datetime(2026, 10, 5, 15, tzinfo=UTC).timestamp()
    table = table.filter(pc.less(table["time"], cut))
    plan = life_plan()

    def last(settle: float) -> date:
        return series_from_events(
            plan, xp.events(table), variant="beta", shipped=SHIPPED, launched=LAUNCHED, last=LAST, settle_days=settle
        ).last

    assert last(0.0) == date(2026, 10, 4)
    assert last(1.0) == date(2026, 10, 3)
    assert last(3.0) == date(2026, 10, 1)


def test_a_log_of_the_metrics_alone_has_no_denominator() -> None:
    table = before_after()
    alone = table.filter(pc.not_equal(table["event"], "Visit"))
    plan = life_plan()
    how = {"variant": "beta", "shipped": SHIPPED, "launched": LAUNCHED, "last": LAST}
    only_out = alone.filter(pc.equal(alone["event"], "Out"))
    with pytest.raises(DataError, match="says nothing"):
        series_from_events(plan, xp.events(only_out, absent_events="zero"), **how)
    found = series_from_events(plan, xp.events(table), trigger="Visit", **how)
    assert found.notes[0].startswith("Each day has the units that did Visit")
    with pytest.raises(DataError, match="Visitt"):
        series_from_events(plan, xp.events(table), trigger="Visitt", **how)


def test_holdback_has_the_plans_windows_and_both_groups() -> None:
    table = days_log(np.random.default_rng(3), first=date(2026, 9, 14), days=32, daily=150, rate=0.2, step=0.1, exposed=True)
    plan = life_plan("holdback")
    found = series_from_events(plan, xp.events(table), variant="beta", shipped=SHIPPED, launched=LAUNCHED, last=LAST)
    groups = found.series["out"].groups
    assert set(groups) == {"holdback", "shipped"}
    assert {d.day for d in groups["shipped"].days} == {FIRST_AFTER + timedelta(days=i) for i in range(26)}  # windows are over
    (row,) = check_rows(plan, found.series, shipped=SHIPPED, check_day=28, metrics=found.metrics)
    assert row.state == "breached"
    units = {}
    for event, time, unit, arm in zip(
        *(table[c].to_pylist() for c in ("event", "time", "distinct_id", "Variant name")), strict=True
    ):
        if event == "$experiment_started":
            units[unit] = (arm, datetime.fromtimestamp(time, UTC).date())
    wanted = [u for u, (arm, day) in units.items() if arm == "beta" and FIRST_AFTER <= day <= date(2026, 10, 11)]
    assert sum(d.n for d in groups["shipped"].days) == len(wanted)


def test_staggered_has_its_groups_and_their_days() -> None:
    adopted = {
        "north": FIRST_AFTER,
        "south": date(2026, 9, 20),
        "east": date(2026, 9, 24),
        "west": None,
        "mid": None,
        "coast": None,
    }
    rng = np.random.default_rng(5)
    moved = {k: v for k, v in adopted.items() if v}
    table = days_log(rng, first=date(2026, 8, 20), days=56, daily=150, rate=0.2, step=0.15, region=True, adopted=moved)
    plan = life_plan("staggered")
    found = series_from_events(
        plan, xp.events(table), variant="beta", shipped=SHIPPED, launched=LAUNCHED, last=LAST, by="region", adopted=adopted
    )
    assert {k: g.adopted for k, g in found.series["out"].groups.items()} == adopted
    (row,) = check_rows(plan, found.series, shipped=SHIPPED, check_day=28, metrics=found.metrics)
    assert row.state == "breached"
    with pytest.raises(WatchError, match="--adopted"):
        series_from_events(plan, xp.events(table), variant="beta", shipped=SHIPPED, launched=LAUNCHED, last=LAST)


def test_a_margin_of_a_window_is_held_against_days_as_a_share() -> None:
    plan = life_plan(margin_rel=None)
    table = before_after()
    how = {"variant": "beta", "shipped": SHIPPED, "launched": LAUNCHED, "last": LAST}
    known = series_from_events(plan, xp.events(table), means={"out": 0.2}, **how)
    assert known.metrics["out"].margin is None
    assert known.metrics["out"].margin_rel == pytest.approx(0.05)
    unknown = series_from_events(plan, xp.events(table), **how)
    assert unknown.metrics["out"].margin_rel is None
    (row,) = check_rows(plan, unknown.series, shipped=SHIPPED, check_day=28, metrics=unknown.metrics)
    assert row.state == "not answerable"


def test_checks_that_are_due_are_made_with_their_letters(tmp_path: Path) -> None:
    experiment, clock = life(tmp_path, life_plan(), days=15)
    table = before_after()
    cut = (SHIPPED + timedelta(days=14, hours=12)).timestamp()
    found = experiment.watch(xp.events(table.filter(pc.less(table["time"], cut)), clock=clock), by="ana")
    assert [e.body["check_day"] for e in found.entries] == [7]  # the log does not reach the end of day 14 by a day
    assert "watch.html" in [p.name for p in found.paths]
    assert "waits" in found.waiting
    clock.at = SHIPPED + timedelta(days=31)
    later = experiment.watch(xp.events(table, clock=clock), by="ana")
    assert [e.body["check_day"] for e in later.entries] == [14, 28]
    assert sorted(p.name for p in later.paths) == ["watch-day-14.html", "watch-day-28.html", "watch.html"]
    assert not experiment.watch(xp.events(table, clock=clock), by="ana").entries
    for path in later.paths:
        assert xp.verify(path).exit_code == 0


def test_what_is_overdue_is_listed(tmp_path: Path) -> None:
    experiment, clock = life(tmp_path, life_plan(), days=16)
    table = before_after()
    short = table.filter(pc.less(table["time"], (SHIPPED + timedelta(days=3)).timestamp()))
    found = experiment.watch(xp.events(short, clock=clock), by="ana")
    assert found.status.state == "overdue"
    assert found.overdue == ("day 7, due on 2026-09-22", "day 14, due on 2026-09-29")
    assert not found.entries


def test_a_breach_is_found_and_said(tmp_path: Path) -> None:
    experiment, clock = life(tmp_path, life_plan(), days=31)
    found = experiment.watch(xp.events(before_after(step=0.15), clock=clock), by="ana")
    assert found.status.state == "breached"
    assert found.letter is not None
    assert "Breached" in found.letter.sentences[0]


def test_what_is_not_shipped_or_no_log_is_refused(tmp_path: Path) -> None:
    experiment, clock = life(tmp_path / "a", life_plan(), days=31, ship=False)
    with pytest.raises(WatchError, match="not been shipped"):
        experiment.watch(xp.events(before_after(), clock=clock), by="ana")
    experiment, clock = life(tmp_path / "b", life_plan(), days=31)
    with pytest.raises(WatchError, match="one person"):
        experiment.watch(xp.events(before_after(), clock=clock), by=" ")
    with pytest.raises(XpbenchError):
        experiment.watch(xp.units(pa.table({"id": [1], "variant": ["control"]}), unit="id", variant="variant"), by="ana")
    nothing = xp.events(before_after().slice(0, 0), clock=clock)
    with pytest.raises(DataError):
        experiment.watch(nothing, by="ana")


def test_power_is_played_with_the_noise_of_the_past(tmp_path: Path) -> None:
    experiment, clock = life(tmp_path, life_plan(), days=-1)
    clock.at = datetime(2026, 10, 13, tzinfo=UTC)
    source = xp.events(before_after(), clock=clock)
    small, large = (experiment.watch_power(source, change=c)["out"] for c in (0.02, 0.6))
    assert small < 0.3 < 0.9 < large
