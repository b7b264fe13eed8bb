"""The contract's dates: waiting, overdue by themselves, kept, breached; the clock is injected."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.watch.ledgers import SHIPPED, Hands, plan, series, shipped
from xpbench.errors import WatchError
from xpbench.watch import record_check, watch_status
from xpbench.watch.contract import check_days, watched_metrics
from xpbench.watch.series import Group, Series


def test_waiting_then_overdue_one_day_after_the_date(tmp_path: Path) -> None:
    """Silence becomes overdue by itself, at one day and not before."""
    ledger = shipped(tmp_path, plan(), clock=Hands())
    entries = ledger.entries()
    for days, state in ((0, "waiting"), (6.9, "waiting"), (7.99, "waiting"), (8.0, "overdue"), (40, "overdue")):
        status = watch_status(plan(), entries, now=SHIPPED + timedelta(days=days))
        assert status is not None
        assert status.state == state
    assert "day 7" in status.sentence
    assert "growth" in status.sentence


def test_clock_set_back_does_not_hide_overdue(tmp_path: Path) -> None:
    """An entry written later proves that the time has passed."""
    clock = Hands()
    ledger = shipped(tmp_path, plan(), clock=clock)
    clock.at = SHIPPED + timedelta(days=20)
    ledger.append("memo", {})
    status = watch_status(plan(), ledger.entries(), now=SHIPPED - timedelta(days=3))
    assert status is not None
    assert [c.state for c in status.checks] == ["overdue", "overdue", "waiting"]


def test_kept_at_every_check(tmp_path: Path) -> None:
    """Each check on record, all within the margin: kept and over."""
    clock = Hands()
    ledger = shipped(tmp_path, plan(), clock=clock)
    data = series(np.random.default_rng(1), effect=-0.002, sd=0.001)
    for day in (7, 14, 28):
        clock.at = SHIPPED + timedelta(days=day, hours=3)
        entry = record_check(plan(), ledger, data, by="ana", clock=clock)
        assert (entry.body["check_day"], entry.body["state"]) == (day, "kept")
    status = watch_status(plan(), ledger.entries(), now=clock.at)
    assert status is not None
    assert (status.state, status.is_over, status.next_check) == ("kept", True, None)


def test_breached_stays_breached(tmp_path: Path) -> None:
    """A regression beyond the margin is found and stays the headline, also when later dates pass in silence."""
    clock = Hands()
    ledger = shipped(tmp_path, plan(), clock=clock)
    clock.at = SHIPPED + timedelta(days=14)
    entry = record_check(plan(), ledger, series(np.random.default_rng(2), effect=0.03), check_day=14, by="ana", clock=clock)
    assert entry.body["state"] == "breached"
    assert entry.body["rows"][0]["lift_low"] > 0
    status = watch_status(plan(), ledger.entries(), now=SHIPPED + timedelta(days=60))
    assert status is not None
    assert status.state == "breached"
    assert [c.state for c in status.checks] == ["overdue", "breached", "overdue"]


def test_not_answerable_is_said(tmp_path: Path) -> None:
    """Too noisy, no data, too few days: a state with its reason."""
    clock = Hands(SHIPPED)
    ledger = shipped(tmp_path, plan(), clock=clock)
    clock.at = SHIPPED + timedelta(days=7)
    entry = record_check(plan(), ledger, {}, by="ana", clock=clock)
    assert entry.body["state"] == "not answerable"
    assert "no data" in entry.body["rows"][0]["reason"]
    clock.at = SHIPPED + timedelta(days=14)
    short = series(np.random.default_rng(3), effect=0.0, before=10)
    assert "14 days before" in record_check(plan(), ledger, short, by="ana", clock=clock).body["rows"][0]["reason"]
    clock.at = SHIPPED + timedelta(days=28)
    noisy = series(np.random.default_rng(3), effect=0.0, sd=0.2)
    row = record_check(plan(), ledger, noisy, by="ana", clock=clock).body["rows"][0]
    assert row["state"] == "not answerable"
    assert "more days" in row["reason"]


def test_refusals(tmp_path: Path) -> None:
    """Too early, twice, no such day, not shipped, no contract."""
    clock = Hands()
    ledger = shipped(tmp_path, plan(), clock=clock)
    data = series(np.random.default_rng(1), effect=0.0)
    with pytest.raises(WatchError, match="due on 2026-10-08"):
        record_check(plan(), ledger, data, by="ana", clock=clock)
    clock.at = SHIPPED + timedelta(days=9)
    record_check(plan(), ledger, data, by="ana", clock=clock)
    with pytest.raises(WatchError, match="recorded once"):
        record_check(plan(), ledger, data, check_day=7, by="ana", clock=clock)
    with pytest.raises(WatchError, match="7, 14, 28"):
        record_check(plan(), ledger, data, check_day=9, by="ana", clock=clock)
    other = plan("other")
    with pytest.raises(WatchError, match="XPB-W02"):
        record_check(other, shipped(tmp_path, other, clock=clock, outcome="ship none"), data, by="ana", clock=clock)
    bare = plan("bare", watch=None)
    with pytest.raises(WatchError, match="XPB-W01"):
        record_check(bare, shipped(tmp_path, bare, clock=clock), data, by="ana", clock=clock)


def test_no_contract_no_status(tmp_path: Path) -> None:
    """Nothing shipped, nothing to watch; a later decision ends the contract."""
    clock = Hands()
    ledger = shipped(tmp_path, plan(), clock=clock)
    ledger.append("decided", {"outcome": "ship none", "variant": None, "follows_rule": True}, by="ana")
    assert watch_status(plan(), ledger.entries(), now=SHIPPED) is None


def test_dates_and_metrics_come_from_the_plan() -> None:
    """Dates beyond the weeks fall away, the last day is always one; no list of metrics means all guardrails."""
    two_weeks = plan(watch={"weeks": 2, "check_days": [3, 10, 28]})
    assert check_days(two_weeks) == (3, 10, 14)
    assert watched_metrics(two_weeks) == ("out",)


def test_status_is_escaped(tmp_path: Path) -> None:
    """A hostile owner stays text."""
    hostile = plan(watch={"weeks": 2, "owner": "<script>x</script>", "check_days": [7]})
    ledger = shipped(tmp_path, hostile, clock=Hands())
    status = watch_status(hostile, ledger.entries(), now=SHIPPED + timedelta(days=30))
    assert status is not None
    assert "<script>" not in status._repr_html_()


def test_an_unfinished_day_neither_breaches_nor_hides_a_breach(tmp_path: Path) -> None:
    """The day of the check is not over: whatever its morning holds is left out, and said so."""
    for n, (effect, today, state) in enumerate([(-0.002, 0.9, "kept"), (0.03, 0.0, "breached")]):
        what, clock = plan(f"x{n}"), Hands()
        ledger = shipped(tmp_path, what, clock=clock)
        data = series(np.random.default_rng(4), effect=effect, sd=0.001)
        clock.at = SHIPPED + timedelta(days=14, hours=1)
        groups = {
            k: Group(g.name, tuple(replace(d, mean=today) if d.day == clock.at.date() else d for d in g.days), g.adopted)
            for k, g in data["out"].groups.items()
        }
        entry = record_check(what, ledger, {"out": Series("out", groups)}, check_day=14, by="ana", clock=clock)
        assert entry.body["state"] == state
        assert f"{clock.at.date()} was not over yet" in entry.body["rows"][0]["reason"]
