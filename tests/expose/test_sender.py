"""The sender: order, retries, split batches, dead letters, credentials; nothing acknowledged is lost."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mixpanel
import pytest

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.expose.delivery import Delivery
from xpbench.expose.outbox import Outbox, SenderLock
from xpbench.expose.sender import Backoff, Sender
from xpbench.mixpanel.sandbox import Sandbox

Make = Callable[..., xp.Tracker]


def units(box: Sandbox) -> list[str]:
    return [e["properties"]["distinct_id"] for e in box.events()]


def spoil(path: Path, row: int, **properties: Any) -> None:
    """Make a queued event one that Mixpanel refuses, as a newer rule of theirs would."""
    db = sqlite3.connect(path, isolation_level=None)
    event = json.loads(db.execute("SELECT event FROM pending WHERE id = ?", (row,)).fetchone()[0])
    event["properties"].update(properties)
    db.execute("UPDATE pending SET event = ? WHERE id = ?", (json.dumps(event), row))
    db.close()


@pytest.mark.parametrize(
    "fault", [{"fail": 0.5}, {"throttle": 0.5}, {"fail_after": 0.5}, {"cut": 0.5}, {"cut_after": 0.5}, {"truncate": 0.5}]
)
def test_trouble_delays_and_loses_nothing(box: Sandbox, track: Make, fault: dict[str, float]) -> None:
    box.faults.set(**fault, path="/import")
    tracker = track()
    for i in range(60):
        assert tracker.expose(f"u{i}", "beta").state == "queued"
        if i % 20 == 0:
            time.sleep(0.03)
    assert tracker.flush(timeout=20)
    arrived = [e["properties"]["distinct_id"] for e in box.deduplicated()]
    assert sorted(arrived) == sorted(f"u{i}" for i in range(60))
    first_seen = list(dict.fromkeys(units(box)))
    assert first_seen == [f"u{i}" for i in range(60)], "order is kept"


def test_a_server_that_is_down_costs_the_caller_nothing(box: Sandbox, track: Make) -> None:
    tracker = track()
    box.stop()
    try:
        start = time.monotonic()
        assert {tracker.expose(f"u{i}", "beta").state for i in range(100)} == {"queued"}
        assert time.monotonic() - start < 4.0
        assert not tracker.flush(timeout=0.3)
        assert tracker.status().pending == 100
        assert "refused" in tracker.status().last_problem
    finally:
        box.start()
    assert tracker.flush(timeout=20)
    assert units(box) == [f"u{i}" for i in range(100)]


def test_a_hanging_server_is_left_after_the_timeout(box: Sandbox, track: Make) -> None:
    box.faults.set(hang=1.0, limit=1, path="/import")
    tracker = track(timeout=0.3)
    tracker.expose("u1", "beta")
    assert tracker.flush(timeout=10)
    assert units(box) == ["u1"]


def test_a_server_that_is_too_slow_for_large_requests_gets_smaller_ones(box: Sandbox, track: Make) -> None:
    """It takes 5 ms an event: 300 at once would never be answered within the timeout."""
    add = box.store.add_events

    def slow(token: str, events: Any, *, now: float) -> None:
        add(token, events, now=now)
        time.sleep(0.005 * len(events))

    box.store.add_events = slow  # type: ignore[method-assign]
    try:
        waiting = track(sender="none")
        for i in range(300):
            waiting.expose(f"u{i}", "beta")
        assert track(timeout=0.6).flush(timeout=60)
    finally:
        box.store.add_events = add  # type: ignore[method-assign]
    assert len(box.deduplicated()) == 300


def test_rows_of_a_partial_400_are_settled_one_by_one(box: Sandbox, track: Make, tmp_path: Path) -> None:
    """Valid rows are not sent again; refused ones become dead letters with field and reason."""
    waiting = track(sender="none")
    for i in range(10):
        waiting.expose(f"u{i}", "beta")
    spoil(tmp_path / "out.sqlite", 3, distinct_id="anonymous")
    spoil(tmp_path / "out.sqlite", 8, **{"$insert_id": "under_score"})
    waiting.close()
    tracker = track()
    assert tracker.flush()
    assert units(box) == [f"u{i}" for i in range(10) if i not in (2, 7)]
    assert [r for r in box.site.requests if r[1] == "/import"][-1:] == [("POST", "/import", 400)]
    assert [(d.field, d.id) for d in tracker.dead_letters()] == [("properties.distinct_id", 1), ("properties.$insert_id", 2)]
    assert "forbidden id" in tracker.dead_letters()[0].reason
    assert tracker.status().dead == 2


def test_dead_letters_can_be_sent_again(box: Sandbox, track: Make, tmp_path: Path) -> None:
    waiting = track(sender="none")
    waiting.expose("u1", "beta")
    spoil(tmp_path / "out.sqlite", 1, distinct_id="anonymous")
    tracker = track()
    tracker.flush()
    tracker.close()
    assert waiting.outbox.requeue_dead() == 1
    spoil(tmp_path / "out.sqlite", 1, distinct_id="u1")
    assert track().flush()
    assert units(box) == ["u1"]


def test_track_refuses_without_naming_rows_so_the_batch_is_halved(box: Sandbox, track: Make, tmp_path: Path) -> None:
    waiting = track(sender="none")
    for i in range(30):
        waiting.expose(f"u{i}", "beta")
    spoil(tmp_path / "out.sqlite", 11, deep={"a": {"b": {"c": {"d": 1}}}})
    tracker = track(via="track")
    assert tracker.flush(timeout=20)
    assert sorted({e["properties"]["distinct_id"] for e in box.deduplicated()}) == sorted(f"u{i}" for i in range(30) if i != 10)
    (dead,) = tracker.dead_letters()
    assert dead.event["properties"]["distinct_id"] == "u10"


def test_track_hands_what_is_older_than_five_days_to_import(box: Sandbox, track: Make) -> None:
    tracker = track(via="track", sender="none")
    now = time.time()
    for i, age in enumerate((0, 0, 10, 10, 0)):
        tracker.expose(f"u{i}", "beta", time=now - age * 86_400)
    tracker.close()
    tracker = track(via="track")
    box.site.requests.clear()
    assert tracker.flush()
    assert units(box) == [f"u{i}" for i in range(5)]
    assert [path for _, path, _ in box.site.requests] == ["/track", "/track", "/import", "/track"], (
        "the first request is of one event"
    )


def test_large_requests_are_split_by_bytes(box: Sandbox, track: Make) -> None:
    tracker = track(sender="none")
    for i in range(60):
        tracker.expose(f"u{i}", "beta", **{f"p{k}": "x" * 250 for k in range(200)})
    tracker.close()
    tracker = track(timeout=10.0)
    box.site.requests.clear()
    assert tracker.flush(timeout=30)
    assert len([r for r in box.site.requests if r[1] == "/import"]) == 3, "one event, then 3 MB below 2 MB each"
    assert units(box) == [f"u{i}" for i in range(60)]


def test_refused_credentials_lose_nothing_and_are_named(box: Sandbox, track: Make) -> None:
    p = box.project
    account = mixpanel.ServiceAccountCredentials(p.username, p.secret, p.project_id)
    consumer = mixpanel.Consumer(api_host=box.address, credentials=account)
    sdk = mixpanel.Mixpanel(p.token, consumer=consumer)
    box.project.expired = True
    tracker = track(mixpanel=sdk)
    tracker.expose("u1", "beta")
    assert not tracker.flush(timeout=0.3)
    assert tracker.status().last_problem == "HTTP 401 Service account credentials have expired"
    assert any(i.kind == "credentials" for i in tracker.incidents())
    box.project.expired = False
    assert tracker.flush()
    assert units(box) == ["u1"]


def test_the_sdk_consumers_keep_their_settings(box: Sandbox, track: Make) -> None:
    buffered = mixpanel.BufferedConsumer(api_host=box.address)
    tracker = track(mixpanel=mixpanel.Mixpanel(box.project.token, consumer=buffered))
    tracker.expose("u1", "beta")
    assert tracker.flush()
    assert tracker._delivery._consumer._request_timeout == 5.0, "the SDK's own default waits without bound"


class Kafka:
    """A consumer as a company would write it: fails once, then works."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.fail = True

    def send(self, endpoint: str, json_message: str) -> None:
        if self.fail and len(self.messages) == 2:
            self.fail = False
            raise OSError("broker away")
        self.messages.append(json.loads(json_message))


def test_a_consumer_of_the_callers_own_is_used(track: Make) -> None:
    kafka = Kafka()
    tracker = track(mixpanel=mixpanel.Mixpanel("t", consumer=kafka), sender="none")
    for i in range(5):
        tracker.expose(f"u{i}", "beta")
    tracker.close()
    tracker = track(mixpanel=mixpanel.Mixpanel("t", consumer=kafka))
    assert tracker.flush()
    assert [m["properties"]["distinct_id"] for m in kafka.messages] == [f"u{i}" for i in range(5)]
    with pytest.raises(xp.XpbenchError, match="XPB-E14"):
        track(mixpanel=mixpanel.Mixpanel("t", consumer=kafka), sender="process")


def test_one_sender_at_a_time(tmp_path: Path) -> None:
    first, second = SenderLock(tmp_path / "o"), SenderLock(tmp_path / "o")
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_backoff_doubles_to_the_cap_with_jitter_and_hears_the_server() -> None:
    backoff = Backoff(base=2.0, cap=60.0, seed=7)
    waits = [backoff.failed() for _ in range(8)]
    grown = [2, 4, 8, 16, 32, 60, 60, 60]
    assert all(g + 1 <= w <= g + 5 for g, w in zip(grown, waits, strict=True)), "1 to 5 s of jitter, as Mixpanel asks"
    assert backoff.failed(wait=120.0) > 120
    backoff.succeeded()
    assert backoff.failed() <= 7


def test_rows_leave_once_over_two_trackers_on_one_outbox(box: Sandbox, track: Make, tmp_path: Path) -> None:
    one, two = track(), track()
    for i in range(100):
        (one if i % 2 else two).expose(f"u{i % 60}", "beta")
    assert one.flush()
    assert two.flush()
    assert sorted(units(box)) == sorted(f"u{i}" for i in range(60))


def test_random_interleavings_of_faults_keep_every_promise(box: Sandbox, track: Make) -> None:
    """Seeded: faults change between calls; at the end each unit is there once, in order."""
    draw = random.Random(11)
    tracker = track(timeout=0.4)
    kinds = ["fail", "throttle", "fail_after", "cut", "cut_after", "truncate"]
    for i in range(150):
        if i % 15 == 0:
            box.faults.set(**{draw.choice(kinds): draw.random(), "path": "/import"})
            time.sleep(0.02)
        tracker.expose(f"u{draw.randrange(120)}", draw.choice(["control", "beta"]))
    box.faults.set()
    assert tracker.flush(timeout=20)
    per_unit: dict[str, list[str]] = {}
    for event in box.deduplicated():
        if event["event"] == "$experiment_started":
            per_unit.setdefault(event["properties"]["distinct_id"], []).append(event["properties"]["Variant name"])
    assert all(len(v) == 1 for v in per_unit.values())
    assert tracker.status().dead == 0


def test_delivery_reports_the_servers_time(box: Sandbox) -> None:
    sdk = mixpanel.Mixpanel(box.project.token, consumer=mixpanel.Consumer(api_host=box.address))
    event = {"event": "e", "properties": {"distinct_id": "u", "time": time.time(), "$insert_id": "a1"}}
    outcome = Delivery(sdk).send([event], now=time.time())
    assert outcome.accepted == (0,)
    assert outcome.server_time == pytest.approx(time.time(), abs=3)


def test_sender_survives_an_outbox_that_can_not_be_read_for_a_while(box: Sandbox, sdk: Any, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    tracker = xp.Tracker(make_plan(), mixpanel=sdk, outbox=outbox, sender="none")
    tracker.expose("u1", "beta")
    locker = sqlite3.connect(tmp_path / "o.sqlite", isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    sender = Sender(outbox, Delivery(sdk), interval=0.02, backoff=Backoff(base=0.01, cap=0.02))
    sender.start()
    time.sleep(0.1)
    locker.execute("ROLLBACK")
    assert sender.flush(timeout=10)
    sender.stop(timeout=2)
    tracker.close()
    assert units(box) == ["u1"]
