"""Pull: whole days, resumed, never with half a line."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.errors import MixpanelError
from xpbench.ledger.clock import fixed_clock
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.parquet import to_parquet
from xpbench.mixpanel.pull import _checked, _CutError, pull
from xpbench.mixpanel.sandbox import Sandbox

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
