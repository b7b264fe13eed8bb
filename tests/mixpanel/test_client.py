"""The REST client against the sandbox: retries, named errors, untouched inner fields."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from xpbench.errors import MixpanelError
from xpbench.mixpanel.account import Account
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.pace import Pace
from xpbench.mixpanel.sandbox import Sandbox


def event(number: int, **properties: Any) -> dict[str, Any]:
    base = {"time": 1_700_000_000 + number, "distinct_id": f"u{number}", "$insert_id": f"id-{number}"}
    return {"event": "e", "properties": {**base, **properties}}


@pytest.mark.parametrize("fault", ["throttle", "fail", "cut", "fail_after", "cut_after"])
def test_trouble_that_passes_is_waited_out(box: Sandbox, client: Client, fault: str) -> None:
    box.faults.set(**{fault: 1.0, "limit": 2})
    assert client.experiments() == []


def test_trouble_that_stays_is_named(box: Sandbox, client: Client) -> None:
    box.faults.set(fail=1.0)
    with pytest.raises(MixpanelError, match="XPB-M05") as caught:
        client.experiments()
    assert caught.value.values["status"] == 503
    box.faults.set(throttle=1.0)
    with pytest.raises(MixpanelError, match="XPB-M06"):
        client.experiments()
    box.faults.set(cut=1.0)
    with pytest.raises(MixpanelError, match="XPB-M07"):
        client.experiments()


def test_a_hanging_server_ends_with_the_timeout(box: Sandbox) -> None:
    box.faults.set(hang=1.0)
    with Client(Account.from_environment(), timeout=0.2, attempts=1) as client, pytest.raises(MixpanelError, match="XPB-M07"):
        client.experiments()


def test_a_wait_that_the_server_asks_for_is_kept(box: Sandbox) -> None:
    box.faults.set(throttle=1.0, throttle_after=7, limit=1)
    slept: list[float] = []
    with Client(Account.from_environment(), sleep=slept.append) as client:
        client.experiments()
    assert len(slept) == 1
    assert slept[0] >= 8, "7 s and jitter"


def test_waits_end_at_the_bound(box: Sandbox) -> None:
    box.faults.set(throttle=1.0, throttle_after=200)
    options = {"max_wait": 300, "sleep": lambda seconds: None}
    with Client(Account.from_environment(), **options) as client, pytest.raises(MixpanelError, match="XPB-M06"):
        client.experiments()


def test_expired_secret_and_wrong_region(box: Sandbox, client: Client) -> None:
    box.project.expired = True
    with pytest.raises(MixpanelError, match=r"expired.*MIXPANEL_REGION") as caught:
        client.experiments()
    assert caught.value.code == "XPB-M03"


def test_a_project_without_the_add_on(box: Sandbox, client: Client) -> None:
    box.project.addon = False
    for number in range(3):
        client.create_experiment(f"free {number}")
    with pytest.raises(MixpanelError, match="add-on") as caught:
        client.create_experiment("one too many")
    assert caught.value.code == "XPB-M04"


def test_a_role_that_may_not_write(box: Sandbox, client: Client) -> None:
    box.project.role = "consumer"
    with pytest.raises(MixpanelError, match="analyst"):
        client.create_experiment("x")
    with pytest.raises(MixpanelError, match="XPB-M04"):
        client.import_events([event(1)])


def test_a_workspace_is_needed_for_experiments_only(box: Sandbox) -> None:
    account = Account(username="a", secret="b", project_id="1")
    with Client(account) as client, pytest.raises(MixpanelError, match="MIXPANEL_WORKSPACE_ID"):
        client.experiments()


def test_import_reports_refused_rows_and_takes_the_rest(box: Sandbox, client: Client) -> None:
    rows = [event(i) for i in range(5_000)]
    rows[10]["properties"]["distinct_id"] = "anonymous"
    rows[4_321]["properties"]["$insert_id"] = "under_score"
    report = client.import_events(iter(rows))
    assert report.imported == len(box.events()) == 4_998
    assert [(r["position"], r["field"]) for r in report.failed] == [
        (10, "properties.distinct_id"),
        (4_321, "properties.$insert_id"),
    ]
    with pytest.raises(MixpanelError, match=r"2 of 5000 events.*event 10.*XPB-M13"):
        report.raise_for_failed()


def test_import_twice_adds_nothing_after_deduplication(box: Sandbox, client: Client) -> None:
    rows = [{"event": "e", "properties": {"time": 1_700_000_000, "distinct_id": f"u{i}"}} for i in range(10)]
    for _ in range(2):
        client.import_events(rows)
    assert (len(box.events()), len(box.deduplicated())) == (20, 10)


def test_import_halves_what_is_too_large(box: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpbench.mixpanel.sandbox.ingestion.BATCH_EVENTS", 3)
    report = client.import_events([event(i) for i in range(10)] + [event(10, distinct_id="null")])
    assert report.imported == 10
    assert [r["position"] for r in report.failed] == [10]


def test_unknown_inner_fields_are_round_tripped(client: Client) -> None:
    inner = {"settings": {"model": "sequential", "nested": {"a": [1, None]}}, "metrics": [{"id": 7, "future": True}]}
    made = client.create_experiment("Beta", hypothesis="h", **inner)
    changed = client.update_experiment(made["id"], description="d")
    assert {k: changed[k] for k in inner} == inner
    assert client.experiment(made["id"])["description"] == "d"


def test_life_of_an_experiment(client: Client) -> None:
    id_ = client.create_experiment("Beta")["id"]
    assert client.launch_experiment(id_)["status"] == "active"
    assert client.conclude_experiment(id_, end_date="2026-11-20")["end_date"] == "2026-11-20"
    assert client.decide_experiment(id_, success=False, variant=None, message="no effect")["status"] == "fail"
    assert client.archive_experiment(id_)["archived"]
    assert not client.archive_experiment(id_, archived=False)["archived"]
    with pytest.raises(MixpanelError, match="XPB-M05"):
        client.launch_experiment(id_)


FLAG: dict[str, Any] = {
    "name": "Beta",
    "key": "beta",
    "tags": ["a"],
    "context": "distinct_id",
    "serving_method": "remote_or_local",
    "ruleset": {
        "variants": [{"key": "a", "value": "a", "is_control": True, "split": 1.0, "description": "kept"}],
        "rollout": [{"rollout_percentage": 1.0, "cohort_hash": "kept", "variant_splits": {}}],
    },
}


def test_a_flag_is_changed_without_losing_anything(box: Sandbox, client: Client) -> None:
    made = client.create_flag(FLAG)
    changed = client.update_flag(made["id"], status="enabled")
    assert changed["ruleset"] == FLAG["ruleset"]
    assert changed["hash_salt"] == made["hash_salt"]
    assert [f["key"] for f in client.definitions()["flags"]] == ["beta"]
    client.update_flag(made["id"], status="archived")
    assert client.flags() == []
    assert len(client.flags(include_archived=True)) == 1
    client.delete_flag(made["id"])
    assert client.flags(include_archived=True) == []


def test_annotations(client: Client) -> None:
    note = client.annotate("2026-11-02 10:00:00", "Launch", tags=[client.tag("xpbench"), client.tag("xpbench")])
    assert [t["name"] for t in note["tags"]] == ["xpbench", "xpbench"]
    client.update_annotation(note["id"], description="Launched")
    assert [a["description"] for a in client.annotations("2026-11-01", "2026-11-03")] == ["Launched"]
    client.delete_annotation(note["id"])
    assert client.annotations("2026-11-01", "2026-11-03") == []


def test_answers_of_another_shape(box: Sandbox, client: Client) -> None:
    box.faults.set(truncate=1.0)
    with pytest.raises(MixpanelError, match="XPB-M08"):
        client.experiments()


def test_pace_keeps_both_windows() -> None:
    now = [0.0]
    pace = Pace([(3, 1.0), (60, 3_600.0)], monotonic=lambda: now[0])
    starts = []
    while len(starts) < 63:
        now[0] += pace.wait()
        pace.count()
        starts.append(now[0])
    assert all(later - earlier >= 1.0 for earlier, later in zip(starts, starts[3:], strict=False))
    assert starts[59] < 30
    assert starts[60] >= 3_600


def test_export_pace_keeps_the_sandbox_from_refusing(box: Sandbox) -> None:
    """Seven queries as quickly as the limit of 3 a second allows: no 429."""
    start = time.monotonic()
    with Client.from_environment() as client:
        for _ in range(7):
            query = {"from_date": "2026-01-01", "to_date": "2026-01-01", "project_id": client.account.project_id}
            with client.stream("GET", "export", "/api/2.0/export", params=query, pace=client.export_pace) as answer:
                answer.read()
    assert time.monotonic() - start >= 2.0
    assert 429 not in {status for _, path, status in box.site.requests if "export" in path}
    box.site.requests.clear()


def test_imported_events_keep_out_of_the_importers_city(box: Sandbox, client: Client) -> None:
    """`ip: 0` where an event has none; times in whole milliseconds; other dates as text, and a time that is none is refused."""
    rows = [event(1), event(2, ip="8.8.8.8"), event(3, time=1_700_000_000.25), event(4, time=datetime(2026, 3, 1, tzinfo=UTC))]
    rows.append(event(5, time=float("nan")))
    report = client.import_events(rows)
    assert (report.imported, [f["position"] for f in report.failed]) == (4, [4])
    places = [e["properties"].get("$city") for e in box.events()]
    assert places == [None, "Sandbox", None, None]
    times = [e["properties"]["time"] for e in box.events()]
    assert times[2:] == [1_700_000_000_250, 1_772_323_200_000]


@pytest.mark.parametrize(("header", "least"), [("7", 7), ("Mon, 30 Nov 2099 12:00:00 GMT", 10**8), ("", 0), ("soon", 0)])
def test_a_wait_may_be_asked_for_as_a_date(header: str, least: float) -> None:
    import httpx

    from xpbench.mixpanel.retrying import retry_after

    assert retry_after(httpx.Response(429, headers={"Retry-After": header})) >= least


def test_a_quota_that_others_use_up_is_waited_for(box: Sandbox) -> None:
    """Not attempts count but the time that was promised."""
    box.faults.set(throttle=1.0, limit=25)
    told: list[float] = []
    options = {"sleep": lambda seconds: None, "on_wait": lambda seconds, waited: told.append(seconds)}
    with Client(Account.from_environment(), **options) as client:
        assert client.experiments() == []
    assert len(told) >= 20
    assert max(told) >= 60


def test_a_server_error_is_not_called_a_refusal(box: Sandbox, client: Client) -> None:
    box.faults.set(fail=1.0)
    with pytest.raises(MixpanelError, match=r"Mixpanel fails \(503\).*Do it again later"):
        client.experiments()


def test_ids_and_times_of_frames_and_databases_are_imported(box: Sandbox, client: Client) -> None:
    id_, at = uuid.uuid4(), datetime.now(UTC).replace(microsecond=0)
    rows = [event(i) for i in range(6)]
    for row, unit in zip(rows, (7, np.int64(8), id_, "9", 7.0, True), strict=True):
        row["properties"]["distinct_id"] = unit
    rows += [event(i) for i in range(6, 10)]
    for row, moment in zip(rows[6:], (at, at.isoformat(), "2026-11-01T12:00", "yesterday"), strict=True):
        row["properties"]["time"] = moment
    report = client.import_events(rows)
    assert sorted(f["position"] for f in report.failed) == [4, 5, 8, 9]
    assert any("without an offset" in f["message"] for f in report.failed)
    sent = [e["properties"] for e in box.events()]
    assert [p["distinct_id"] for p in sent[:4]] == ["7", "8", str(id_), "9"]
    assert [p["time"] for p in sent[4:]] == [at.timestamp() * 1000] * 2
