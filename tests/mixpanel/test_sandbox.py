"""The sandbox answers as the documentation says, and the unmodified official SDK works against it."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx
import mixpanel
import pytest
from mixpanel.flags.types import LocalFlagsConfig, RemoteFlagsConfig, SelectedVariant

from xpbench.errors import InputError
from xpbench.mixpanel.sandbox import Sandbox
from xpbench.mixpanel.sandbox.site import SandboxProject

FLAG: dict[str, Any] = {
    "name": "Beta",
    "key": "beta-homepage",
    "tags": [],
    "context": "distinct_id",
    "serving_method": "remote_or_local",
    "status": "enabled",
    "ruleset": {
        "variants": [
            {"key": "control", "value": "old", "is_control": True, "split": 0.5},
            {"key": "beta", "value": "new", "is_control": False, "split": 0.5},
        ],
        "rollout": [{"rollout_percentage": 1.0, "variant_splits": {}}],
    },
}


def rest(box: Sandbox) -> httpx.Client:
    return httpx.Client(base_url=box.url, auth=(box.project.username, box.project.secret), timeout=10)


def event(**properties: Any) -> dict[str, Any]:
    return {"event": "e", "properties": {"time": time.time(), "distinct_id": "u", "$insert_id": "a1", **properties}}


def test_sdk_tracks_over_tls(box: Sandbox) -> None:
    """Default consumer, certificate checked, one event stored as sent."""
    sdk = mixpanel.Mixpanel(box.project.token, consumer=mixpanel.Consumer(api_host=box.address, request_timeout=5))
    sdk.track("u1", "Page View", {"path": "/"})
    (stored,) = box.events()
    assert stored["event"] == "Page View"
    assert stored["properties"]["distinct_id"] == "u1"
    assert stored["properties"]["mp_lib"] == "python"
    assert "token" not in stored["properties"]


def test_certificate_is_checked(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the throw-away authority the SDK refuses the connection."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    sdk = mixpanel.Mixpanel("t", consumer=mixpanel.Consumer(api_host=box.address, request_timeout=5, retry_limit=0))
    with pytest.raises(mixpanel.MixpanelException, match="CERTIFICATE_VERIFY_FAILED"):
        sdk.track("u1", "Page View")
    assert box.events() == []


def test_sdk_imports_with_a_service_account(box: Sandbox) -> None:
    p = box.project
    account = mixpanel.ServiceAccountCredentials(p.username, p.secret, p.project_id)
    consumer = mixpanel.Consumer(api_host=box.address, request_timeout=5, credentials=account)
    mixpanel.Mixpanel(p.token, consumer=consumer).import_data(None, "u1", "Old", 1_600_000_000)
    assert [e["properties"]["time"] for e in box.events()] == [1_600_000_000_000]


def test_sdk_import_without_credentials_is_refused(box: Sandbox) -> None:
    consumer = mixpanel.Consumer(api_host=box.address, request_timeout=5)
    with pytest.raises(mixpanel.MixpanelException, match="service account"):
        mixpanel.Mixpanel(box.project.token, consumer=consumer).import_data(None, "u1", "Old", 1_600_000_000)


def test_sdk_flags_agree_between_local_and_remote_and_send_exposures(box: Sandbox) -> None:
    with rest(box) as client:
        client.post("/api/app/projects/1001/workspaces/2002/feature-flags", json=FLAG).raise_for_status()
    sdk = mixpanel.Mixpanel(
        box.project.token,
        consumer=mixpanel.Consumer(api_host=box.address, request_timeout=5),
        local_flags_config=LocalFlagsConfig(api_host=box.address, enable_polling=False),
        remote_flags_config=RemoteFlagsConfig(api_host=box.address),
    )
    with sdk:
        sdk.local_flags.start_polling_for_definitions()
        none = SelectedVariant("fallback")
        for i in range(20):
            context = {"distinct_id": f"user-{i}"}
            near = sdk.local_flags.get_variant("beta-homepage", none, context)
            far = sdk.remote_flags.get_variant("beta-homepage", none, context, reportExposure=False)
            assert (near.variant_key, near.variant_value) == (far.variant_key, far.variant_value)
            assert near.variant_source == "local"
            assert far.variant_source == "remote"
    sent = box.events()
    assert [e["event"] for e in sent] == ["$experiment_started"] * 20
    assert {e["properties"]["Variant name"] for e in sent} == {"control", "beta"}


def test_import_names_bad_rows_and_takes_the_good_ones(box: Sandbox) -> None:
    rows = [event(), event(**{"$insert_id": "under_score"}), event(distinct_id="anonymous"), event(time=5), event(ok=[1])]
    with rest(box) as client:
        answer = client.post("/import", params={"strict": 1, "project_id": "1001"}, json=rows)
    assert answer.status_code == 400
    body = answer.json()
    assert body["num_records_imported"] == 2
    assert [r["index"] for r in body["failed_records"]] == [1, 2, 3]
    assert [r["field"].rsplit(".", 1)[-1] for r in body["failed_records"]] == ["$insert_id", "distinct_id", "time"]
    assert len(box.events()) == 2


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({f"p{i}": 1 for i in range(260)}, "properties"),
        ({"deep": {"a": {"b": {"c": {"d": 1}}}}}, "properties.deep"),
        ({"list": list(range(255))}, "properties.list"),
        ({"time": time.time() + 7_200}, "properties.time"),
        ({"$insert_id": "x" * 37}, "properties.$insert_id"),
        ({"text": "x" * 1_000_000}, "event"),
    ],
)
def test_import_limits(box: Sandbox, properties: dict[str, Any], field: str) -> None:
    with rest(box) as client:
        body = client.post("/import", params={"strict": 1, "project_id": "1001"}, json=[event(**properties)]).json()
    assert [r["field"] for r in body["failed_records"]] == [field]


def test_request_limits(box: Sandbox) -> None:
    with rest(box) as client:
        query = {"strict": 1, "project_id": "1001"}
        assert client.post("/import", params=query, json=[event()] * 2_001).status_code == 413
        assert client.post("/import", params={"strict": 1}, json=[event()]).status_code == 400
        assert client.post("/import", params={"strict": 1, "project_id": "9"}, json=[event()]).status_code == 403


def test_track_refuses_what_is_older_than_five_days(box: Sandbox) -> None:
    old = event(token=box.project.token, time=time.time() - 6 * 86_400)
    with rest(box) as client:
        answer = client.post("/track", params={"verbose": 1}, json=[old, event(token=box.project.token)]).json()
    assert answer["status"] == 0
    assert "5 days" in answer["error"]
    assert len(box.events()) == 1


def test_strings_are_cut_at_255(box: Sandbox) -> None:
    with rest(box) as client:
        client.post("/import", params={"strict": 1, "project_id": "1001"}, json=[event(note="x" * 300)])
    assert len(box.events()[0]["properties"]["note"]) == 255


def test_export_repeats_what_was_sent_twice_and_the_dedup_rule_merges_it(box: Sandbox) -> None:
    row = event(time=1_700_000_000)
    with rest(box) as client:
        for _ in range(2):
            client.post("/import", params={"strict": 1, "project_id": "1001"}, json=[row])
        query = {"from_date": "2023-11-14", "to_date": "2023-11-14", "project_id": "1001"}
        lines = client.get("/api/2.0/export", params=query).text.splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0])["properties"]["time"] == 1_700_000_000
    assert len(box.deduplicated()) == 1


def test_export_filters_and_compresses(box: Sandbox) -> None:
    rows = [event(time=1_700_000_000 + i, **{"$insert_id": f"id{i}", "plan": "a" if i % 2 else "b"}) for i in range(100)]
    rows.append({**event(time=1_700_000_000, **{"$insert_id": "other"}), "event": "other"})
    with rest(box) as client:
        client.post("/import", params={"strict": 1, "project_id": "1001"}, json=rows)
        query = {"from_date": "2023-11-14", "to_date": "2023-11-14", "project_id": "1001", "event": '["e"]'}
        whole = client.get("/api/2.0/export", params=query)
        part = client.get("/api/2.0/export", params={**query, "where": 'properties["plan"] == "a"'})
        short = client.get("/api/2.0/export", params={**query, "limit": 3})
    assert whole.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in short.headers
    assert [len(r.text.splitlines()) for r in (whole, part, short)] == [100, 50, 3]


def test_export_rate_limit(box: Sandbox) -> None:
    query = {"from_date": "2023-11-14", "to_date": "2023-11-14", "project_id": "1001"}
    with rest(box) as client:
        answers = [client.get("/api/2.0/export", params=query).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]


def test_experiment_moves_through_its_statuses(box: Sandbox) -> None:
    base = "/api/app/workspaces/2002/experiments"
    with rest(box) as client:
        id_ = client.post(base, json={"name": "Beta", "settings": {"unpublished": {"x": 1}}}).json()["results"]["id"]
        assert client.put(f"{base}/{id_}/force_conclude", json={}).status_code == 400
        assert client.put(f"{base}/{id_}/launch").json()["results"]["status"] == "active"
        assert client.put(f"{base}/{id_}/force_conclude").status_code == 400, "a body is required"
        assert client.put(f"{base}/{id_}/force_conclude", json={}).json()["results"]["status"] == "concluded"
        decided = client.patch(f"{base}/{id_}/decide", json={"success": True, "variant": "beta"}).json()["results"]
        assert decided["status"] == "success"
        assert decided["settings"] == {"unpublished": {"x": 1}}
        assert client.post(base, json={"name": "x", "description": "d" * 401}).status_code == 400


def test_credentials_and_add_on(box: Sandbox) -> None:
    base = "/api/app/workspaces/2002/experiments"
    with httpx.Client(base_url=box.url, timeout=10) as nobody:
        assert nobody.get(base).status_code == 401
        assert nobody.get(base, auth=(box.project.username, "wrong")).status_code == 401
    with rest(box) as client:
        box.project.expired = True
        assert "expired" in client.get(base).json()["error"]
        box.project.expired = False
        box.project.addon = False
        codes = [client.post(base, json={"name": f"n{i}"}).status_code for i in range(4)]
        assert codes == [201, 201, 201, 403]


def test_flag_management_refuses_what_the_schema_does_not_have(box: Sandbox) -> None:
    url = "/api/app/projects/1001/workspaces/2002/feature-flags"
    with rest(box) as client:
        assert client.post(url, json={**FLAG, "colour": "red"}).status_code == 400
        made = client.post(url, json=FLAG).json()["results"]
        assert len(made["hash_salt"]) == 32
        assert client.put(f"{url}/{made['id']}", json={**FLAG, "context": "device_id"}).status_code == 400
        kept = client.put(f"{url}/{made['id']}", json={**FLAG, "name": "Renamed"}).json()["results"]
        assert (kept["name"], kept["hash_salt"]) == ("Renamed", made["hash_salt"])
        archived = client.put(f"{url}/{made['id']}", json={**FLAG, "status": "archived"}).json()["results"]
        assert archived["status"] == "archived"
        assert client.get(url).json()["results"] == []
        assert len(client.get(url, params={"include_archived": "true"}).json()["results"]) == 1


def test_annotations(box: Sandbox) -> None:
    url = "/api/app/projects/1001/annotations"
    with rest(box) as client:
        tag = client.post(f"{url}/tags", json={"name": "launch"}).json()["results"]["id"]
        note = client.post(url, json={"date": "2026-11-01 10:00:00", "description": "Launch", "tags": [tag]}).json()["results"]
        assert note["tags"] == [{"id": tag, "name": "launch"}]
        assert client.post(url, json={"date": "yesterday", "description": "x"}).status_code == 400
        assert client.get(url, params={"fromDate": "2026-11-02", "toDate": "2026-11-03"}).json()["results"] == []
        assert len(client.get(url, params={"fromDate": "2026-11-01", "toDate": "2026-11-01"}).json()["results"]) == 1


@pytest.mark.parametrize(
    ("fault", "stored"),
    [("throttle", 0), ("fail", 0), ("cut", 0), ("hang", 0), ("fail_after", 1), ("cut_after", 1), ("truncate", 1)],
)
def test_each_fault_reaches_the_sdk_and_says_what_was_taken_in(box: Sandbox, fault: str, stored: int) -> None:
    box.faults.set(**{fault: 1.0, "path": "/track"})
    sdk = mixpanel.Mixpanel(box.project.token, mixpanel.Consumer(api_host=box.address, request_timeout=0.5, retry_limit=0))
    with pytest.raises(mixpanel.MixpanelException):
        sdk.track("u1", "e")
    assert len(box.events()) == stored


def test_store_file_outlives_the_server(tmp_path: Any) -> None:
    with Sandbox(store=tmp_path / "box.sqlite") as first, first.trusted():
        mixpanel.Mixpanel(first.project.token, mixpanel.Consumer(api_host=first.address, request_timeout=5)).track("u", "e")
    with Sandbox(store=tmp_path / "box.sqlite") as second:
        assert len(second.events()) == 1


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104 - refused is the point
        "192.168.1.4",
        "::",
        "example.com",
        "",
    ],
)
def test_other_interfaces_are_refused(host: str) -> None:
    with pytest.raises(InputError, match="loopback"):
        Sandbox(host=host)


def test_reprs_hold_no_secret(box: Sandbox) -> None:
    assert "sandbox-secret" not in repr(box) + repr(SandboxProject())


def test_track_answers_as_a_picture_a_call_or_a_digit(box: Sandbox) -> None:
    event = {"event": "Opened", "properties": {"token": box.project.token, "distinct_id": "u"}}
    data = base64.b64encode(json.dumps(event).encode()).decode()
    with httpx.Client(base_url=box.url, trust_env=True) as client:
        picture = client.get("/track/", params={"data": data, "img": "1"})
        called = client.get("/track", params={"data": data, "callback": "page.done"})
        digit = client.get("/track", params={"data": data, "callback": "alert(1)//"})
    assert (picture.headers["content-type"], picture.content[:6]) == ("image/gif", b"GIF89a")
    assert called.headers["content-type"].startswith("text/javascript")
    assert called.text == "page.done(1);"
    assert digit.text == "1", "what is not a name is not called"
    assert len([e for e in box.events() if e["event"] == "Opened"]) == 3
