"""Pull: whole days, resumed, never with half a line."""

from __future__ import annotations

import functools
import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.errors import MixpanelError
from xpbench.expose.sender import Backoff
from xpbench.ledger.clock import fixed_clock
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.parquet import to_parquet
from xpbench.mixpanel.pull import _checked, _CutError, pull
from xpbench.mixpanel.sandbox import Sandbox
from xpbench.mixpanel.sandbox.limits import ExportLimits

LATER = fixed_clock("2026-04-01T00:00:00")


def load(box: Sandbox, per_day: int = 200) -> list[dict[str, Any]]:
    rows = []
    for day in range(1, 4):
        start = datetime(2026, 3, day, tzinfo=UTC).timestamp()
        for i in range(per_day):
            name = "Quote" if i % 4 else "$experiment_started"
            properties = {"time": start + i, "distinct_id": f"u{i}", "$insert_id": f"d{day}i{i}", "note": 'é\n"x'}
            rows.append({"event": name, "properties": properties})
    box.store.add_events(box.project.token, rows, now=datetime(2026, 3, 4, tzinfo=UTC).timestamp())
    return rows


def read(folder: Path) -> list[dict[str, Any]]:
    out = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            out += [json.loads(line) for line in lines]
    return out


def test_days_arrive_whole(box: Sandbox, client: Client, tmp_path: Path) -> None:
    rows = load(box)
    report = pull(client, tmp_path, first="2026-03-01", last="2026-03-03", clock=LATER)
    assert [d.events for d in report.days] == [200, 200, 200]
    assert report.events == 600
    found = read(tmp_path)
    assert [(e["event"], e["properties"]["$insert_id"]) for e in found] == [
        (r["event"], r["properties"]["$insert_id"]) for r in rows
    ]
    assert found[0]["properties"]["time"] == round(rows[0]["properties"]["time"] * 1000)


def test_settled_days_are_not_asked_for_again(box: Sandbox, client: Client, tmp_path: Path) -> None:
    load(box)
    pull(client, tmp_path, first="2026-03-01", last="2026-03-02", clock=LATER)
    box.site.requests.clear()
    report = pull(client, tmp_path, first="2026-03-01", last="2026-03-03", clock=LATER)
    assert [d.reused for d in report.days] == [True, True, False]
    assert len(box.site.requests) == 1


def test_a_day_is_pulled_again_until_it_has_settled(box: Sandbox, client: Client, tmp_path: Path) -> None:
    load(box)
    early = fixed_clock("2026-03-03T23:00:00")
    report = pull(client, tmp_path, first="2026-03-01", last="2026-03-03", clock=early)
    assert [d.settled for d in report.days] == [True, False, False]
    late = {"event": "Quote", "properties": {"time": 1_772_496_000, "distinct_id": "late", "$insert_id": "late"}}
    box.store.add_events(box.project.token, [late], now=1_772_600_000)
    again = pull(client, tmp_path, first="2026-03-01", last="2026-03-03", clock=LATER)
    assert [d.events for d in again.days] == [200, 200, 201]


@pytest.mark.parametrize("fault", ["truncate", "cut", "fail", "throttle", "cut_after"])
def test_trouble_on_the_way_costs_nothing_but_time(box: Sandbox, client: Client, tmp_path: Path, fault: str) -> None:
    load(box)
    box.faults.set(**{fault: 1.0, "limit": 2})
    report = pull(client, tmp_path, first="2026-03-01", last="2026-03-03", clock=LATER)
    assert report.events == len(read(tmp_path)) == 600


def test_a_day_that_never_ends_whole_leaves_the_others(box: Sandbox, client: Client, tmp_path: Path) -> None:
    load(box)
    pull(client, tmp_path, first="2026-03-01", last="2026-03-01", clock=LATER)
    box.faults.set(truncate=1.0)
    with pytest.raises(MixpanelError, match="2026-03-02' ended in the middle of a line, 4 times"):
        pull(client, tmp_path, first="2026-03-01", last="2026-03-03", clock=LATER)
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["2026-03-01.jsonl.gz", "pull.json"]
    box.faults.set()
    assert pull(client, tmp_path, first="2026-03-01", last="2026-03-03", clock=LATER).events == 600


def test_a_proxy_that_cuts_between_bytes_is_noticed(box: Sandbox, client: Client, tmp_path: Path) -> None:
    """The stream ends well, the last line does not."""
    box.site.export_bytes = lambda first, last: iter([b'{"event":"a","properties":{}}\n' * 100, b'{"event":"a","prop'])
    try:
        with pytest.raises(MixpanelError, match="XPB-M09"):
            pull(client, tmp_path, first="2026-03-01", last="2026-03-01", clock=LATER)
    finally:
        box.site.export_bytes = None


def test_empty_days_are_days(box: Sandbox, client: Client, tmp_path: Path) -> None:
    report = pull(client, tmp_path, first="2025-03-01", last="2025-03-02", clock=LATER)
    assert [d.events for d in report.days] == [0, 0]
    assert read(tmp_path) == []


def test_events_and_filter(box: Sandbox, client: Client, tmp_path: Path) -> None:
    load(box)
    names = ["$experiment_started"]
    report = pull(client, tmp_path, first="2026-03-01", last="2026-03-01", events=names, where='defined(properties["note"])')
    assert report.events == 50
    assert {e["event"] for e in read(tmp_path)} == set(names)
    with pytest.raises(MixpanelError, match="another selection"):
        pull(client, tmp_path, first="2026-03-01", last="2026-03-01")


@pytest.mark.parametrize(
    ("first", "last"), [("2026-03-02", "2026-03-01"), ("yesterday", "2026-03-01"), ("2026-02-30", "2026-03-01")]
)
def test_days_that_are_none(client: Client, tmp_path: Path, first: str, last: str) -> None:
    with pytest.raises(MixpanelError, match="XPB-M10"):
        pull(client, tmp_path, first=first, last=last)


def test_a_filter_that_mixpanel_refuses_is_named(box: Sandbox, client: Client, tmp_path: Path) -> None:
    with pytest.raises(MixpanelError, match=r"where.*XPB-M05"):
        pull(client, tmp_path, first="2026-03-01", last="2026-03-01", where="drop table")


def test_parquet_gives_the_same_numbers_as_the_lines(box: Sandbox, client: Client, tmp_path: Path) -> None:
    """The same moments from both, also after a day was pulled again."""
    plan = make_plan()
    load(box)
    early = fixed_clock("2026-03-03T23:00:00")
    to_parquet(pull(client, tmp_path, first="2026-02-28", last="2026-03-03", clock=early))
    late = {"time": 1_772_496_000, "distinct_id": "late", "$insert_id": "late", "Experiment name": plan.key}
    event = {"event": "$experiment_started", "properties": {**late, "Variant name": "beta"}}
    box.store.add_events(box.project.token, [event], now=1_772_600_000)
    report = pull(client, tmp_path, first="2026-02-28", last="2026-03-03", clock=LATER)
    pattern, read_days = to_parquet(report)
    assert [r.rows for r in read_days if r.rows] == [200, 201], "the day that had settled is kept"
    one = xp.events(pattern, until="2026-04-01").summarize(plan)
    two = xp.events(report.pattern, until="2026-04-01").summarize(plan)
    assert one.units == two.units
    assert one.units["beta"] == 1


@given(st.lists(st.text(alphabet='ab\\é"', max_size=20), max_size=30), st.integers(1, 50), st.booleans(), st.integers(0, 40))
def test_lines_are_counted_and_cut_ones_found_however_the_bytes_are_chunked(
    texts: list[str], size: int, newline: bool, cut: int
) -> None:
    lines = [json.dumps({"event": t}) for t in texts]
    whole = ("\n".join(lines) + ("\n" if newline and lines else "")).encode()
    chunks = [whole[i : i + size] for i in range(0, len(whole), size)]
    assert _checked(iter(chunks)) == len(lines)
    short = whole.rstrip(b"\n")[: -1 - cut] if lines else b""
    last = short.rsplit(b"\n", 1)[-1]
    if last and last.decode() not in lines:  # a cut between two lines shows in the stream's own end, not here
        with pytest.raises(_CutError):
            _checked(iter([short[i : i + size] for i in range(0, len(short), size)]))


def days_of(first: str, count: int) -> list[str]:
    return [(date.fromisoformat(first) + timedelta(days=i)).isoformat() for i in range(count)]


def event_at(day: str, number: int, **more: Any) -> dict[str, Any]:
    moment = datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() + 60 * number
    return {
        "event": "Quote",
        "properties": {"time": moment, "distinct_id": f"u{number}", "$insert_id": f"{day}n{number}", **more},
    }


def test_late_events_come_with_a_later_pull(box: Sandbox, client: Client, tmp_path: Path) -> None:
    """A day is asked for again for six days after its end; where nothing has come, its file stays as it is."""
    token = box.project.token
    box.store.add_events(token, [event_at("2026-03-01", i) for i in range(10)], now=0)
    ask = functools.partial(pull, client, tmp_path, first="2026-03-01", last="2026-03-01")
    assert ask(clock=fixed_clock("2026-03-03T12:00:00")).events == 10
    written = (tmp_path / "2026-03-01.jsonl.gz").stat().st_mtime_ns
    assert ask(clock=fixed_clock("2026-03-04T12:00:00")).late == 0
    assert (tmp_path / "2026-03-01.jsonl.gz").stat().st_mtime_ns == written
    box.store.add_events(token, [event_at("2026-03-01", 100 + i) for i in range(5)], now=0)
    later = ask(clock=fixed_clock("2026-03-06T12:00:00"))
    assert (later.events, later.late) == (15, 5)
    assert ask(clock=fixed_clock("2026-03-08T00:00:00")).days[0].reused is False
    assert ask(clock=fixed_clock("2026-03-20T00:00:00")).days[0].reused is True
    box.store.add_events(token, [event_at("2026-03-01", 200)], now=0)
    assert ask(clock=fixed_clock("2026-03-21T00:00:00")).events == 15, "an import of old events needs --again"
    again = ask(clock=fixed_clock("2026-03-21T00:00:00"), again=True)
    assert (again.events, again.late) == (16, 1)
    names = [e["properties"]["$insert_id"] for e in read(tmp_path)]
    assert len(names) == len(set(names)) == 16


def test_the_newer_id_of_a_unit_counts_and_no_event_is_lost(box: Sandbox, client: Client, tmp_path: Path) -> None:
    token = box.project.token
    first = [event_at("2026-03-01", i, **{"distinct_id": "$device:d1", "$device_id": "d1"}) for i in range(3)]
    box.store.add_events(token, first, now=0)
    early, later = fixed_clock("2026-03-03T12:00:00"), fixed_clock("2026-03-05T12:00:00")
    pull(client, tmp_path, first="2026-03-01", last="2026-03-01", clock=early)
    login = event_at("2026-03-04", 1, **{"distinct_id": "ann", "$device_id": "d1", "$user_id": "ann"})
    box.store.add_events(token, [login], now=0)
    report = pull(client, tmp_path, first="2026-03-01", last="2026-03-01", clock=later)
    assert (report.events, report.late) == (3, 0)
    assert {e["properties"]["distinct_id"] for e in read(tmp_path)} == {"ann"}
    box.store._db.execute("DELETE FROM events WHERE insert_id = '2026-03-01n0'")
    assert pull(client, tmp_path, first="2026-03-01", last="2026-03-01", clock=later).events == 3
    assert len(read(tmp_path)) == 3, "what was pulled stays"


class Shared(ExportLimits):
    """The quota on a clock that stands, so that only `starts.clear()` lets an hour pass."""

    def admit(self, now: float) -> bool:
        return ExportLimits.admit(self, 1.0)


def test_ninety_days_with_interruptions_late_events_and_a_shared_quota(box: Sandbox, client: Client, tmp_path: Path) -> None:
    """Every event once: several days a query, connections that break, a quota that others use up, events that come late."""
    token, days = box.project.token, days_of("2026-01-01", 90)
    box.store.add_events(token, [event_at(d, i) for d in days for i in range(20)], now=0)
    before, limits = box.site.limits, Shared(per_second=1_000)
    box.site.limits = limits
    hour = [0.0]

    def sleep(seconds: float) -> None:
        hour[0] += seconds
        if hour[0] > 600:  # ten minutes later the hour's window has moved on
            hour[0] = 0.0
            limits.starts.clear()

    told: list[float] = []
    limits.starts.extend([0.0] * 45)  # another tool has asked 45 times within the hour
    account = client.account
    clock = fixed_clock("2026-04-01T12:00:00")
    try:
        options = {"sleep": sleep, "on_wait": lambda seconds, waited: told.append(seconds)}
        for _ in range(40):
            box.faults.set(truncate=0.3, cut=0.2, path="/api/2.0/export", limit=6)
            with Client(account, backoff=lambda: Backoff(base=2.0), **options) as made:
                made.export_pace._limits = ((1_000, 1.0),)
                try:
                    report = pull(made, tmp_path, first=days[0], last=days[-1], clock=clock, attempts=2)
                    break
                except MixpanelError as error:
                    if error.code not in ("XPB-M06", "XPB-M09"):
                        raise
        box.faults.set()
        assert report.events == 1_800
        queries = len([1 for m, p, s in box.site.requests if p == "/api/2.0/export" and s == 200])
        assert queries < 90, "several days a query"
        assert told, "waiting for the quota is said"
        late = [event_at(d, 500) for d in days[-5:]]
        box.store.add_events(token, late, now=0)
        with Client(account, backoff=lambda: Backoff(base=2.0), **options) as made:
            made.export_pace._limits = ((1_000, 1.0),)
            report = pull(made, tmp_path, first=days[0], last=days[-1], clock=fixed_clock("2026-04-04T12:00:00"))
        assert (report.events, report.late) == (1_805, 5)
    finally:
        box.site.limits = before
    names = [e["properties"]["$insert_id"] for e in read(tmp_path)]
    assert len(names) == len(set(names)) == 1_805
    assert all(name.startswith(e["properties"]["$insert_id"][:10]) for name, e in zip(names, read(tmp_path), strict=True))
    for path in tmp_path.glob("*.jsonl.gz"):
        with gzip.open(path, "rt") as lines:
            assert {json.loads(line)["properties"]["$insert_id"][:10] for line in lines} == {path.name[:10]}


def test_days_of_an_old_project_end_at_its_own_midnight(box: Sandbox, client: Client, tmp_path: Path) -> None:
    """Los Angeles is eight hours behind: its day is over, and final, eight hours later."""
    box.store.add_events(box.project.token, [event_at("2026-03-01", 1)], now=0)
    ask = functools.partial(pull, client, tmp_path, first="2026-03-01", last="2026-03-01", time_zone="America/Los_Angeles")
    assert not ask(clock=fixed_clock("2026-03-03T07:00:00")).days[0].settled
    assert ask(clock=fixed_clock("2026-03-03T09:00:00")).days[0].settled
    with pytest.raises(MixpanelError, match=r"IANA.*XPB-M10"):
        pull(client, tmp_path, first="2026-03-01", last="2026-03-01", time_zone="Mars")
    with pytest.raises(MixpanelError, match="another selection"):
        pull(client, tmp_path, first="2026-03-01", last="2026-03-01")


def test_a_pulled_folder_is_a_log(box: Sandbox, client: Client, tmp_path: Path) -> None:
    """Parquet where every day has it, else the lines; nothing of it is counted twice."""
    plan = make_plan()
    start = {"Experiment name": plan.key, "Variant name": "beta"}
    rows = [{**event_at("2026-03-01", i, **start), "event": "$experiment_started"} for i in range(30)]
    box.store.add_events(box.project.token, rows, now=0)
    report = pull(client, tmp_path, first="2026-03-01", last="2026-03-02", clock=LATER)
    source = xp.events(tmp_path, until="2026-04-01", absent_events="zero")
    assert source.summarize(plan).units["beta"] == 30
    to_parquet(report)
    assert xp.events(tmp_path, until="2026-04-01", absent_events="zero").summarize(plan).units["beta"] == 30
    found = xp.audit(plan, xp.events(tmp_path))
    assert (found.rows, found.units) == (30, 30)
    assert 0 < found.disagreeing < 30
