"""The web back end of the docs, run against the sandbox."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mixpanel
import pytest
from mixpanel.flags.types import LocalFlagsConfig

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.mixpanel.lifecycle import flag_body
from xpbench.mixpanel.sandbox import Sandbox

pytest.importorskip("flask")
SOURCE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "flask_backend.py"


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("flask_backend", SOURCE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "flask_backend", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def app(box: Sandbox, tmp_path: Path, backend: Any) -> Iterator[Any]:
    plan = make_plan(assignment={"hash": "mixpanel", "hash_salt": "0123456789abcdef0123456789abcdef"})
    body = flag_body(plan) | {"id": "f", "project_id": 1001, "status": "enabled", "experiment_id": None}
    box.store.put("flag", "f", body | {"is_experiment_active": True})
    sdk = mixpanel.Mixpanel(
        box.project.token,
        consumer=mixpanel.Consumer(api_host=box.address),
        local_flags_config=LocalFlagsConfig(api_host=box.address, enable_polling=False),
    )
    tracker = xp.Tracker(plan, mixpanel=sdk, outbox=tmp_path / "o.sqlite", interval=0.02)
    with tracker, xp.mixpanel_flags(sdk, tracker=tracker, exposures="tracker") as flags:
        yield backend.create_app(plan, tracker, flags, webhook_secret="s"), plan, tracker


def sent(box: Sandbox) -> list[tuple[str, str, str]]:
    rows = [e["properties"] for e in box.events() if e["event"] == "$experiment_started"]
    return [(r["distinct_id"], r["Variant name"], r.get("source", r.get("page", ""))) for r in rows]


def test_rendered_pages_are_exposed_once(box: Sandbox, app: Any) -> None:
    flask, plan, tracker = app
    expected = next(iter(xp.assign(plan, ["u1"])))
    client = flask.test_client()
    client.set_cookie("visitor_id", "u1")
    pages = {client.get("/").data for _ in range(3)}
    assert pages == {
        b"<h1>Retirement, one entry point(s)</h1>" if expected == "beta" else b"<h1>Retirement, three entry point(s)</h1>"
    }
    assert flask.test_client().get("/").status_code == 200, "a visitor without an id gets the fallback and is not counted"
    tracker.flush()
    assert sent(box) == [("u1", expected, "home")]


def test_the_webhook_keeps_the_time_and_drops_repeats(box: Sandbox, app: Any) -> None:
    flask, _, tracker = app
    client = flask.test_client()
    message = {
        "event": "Experiment Viewed",
        "userId": "u2",
        "timestamp": "2026-03-01T12:00:00Z",
        "properties": {"experiment_id": "beta-homepage", "variant_id": "beta"},
    }
    assert client.post("/webhooks/cdp", json=message).status_code == 401
    header = {"X-Webhook-Secret": "s"}
    assert [client.post("/webhooks/cdp", json=message, headers=header).status_code for _ in range(2)] == [202, 202]
    assert client.post("/webhooks/cdp", json={**message, "userId": "null"}, headers=header).status_code == 422
    assert client.post("/webhooks/cdp", json={"event": "Page"}, headers=header).status_code == 204
    tracker.flush()
    assert sent(box) == [("u2", "beta", "cdp")]
    assert box.events()[0]["properties"]["time"] == 1_772_366_400_000


def test_the_cms_is_checked(box: Sandbox, app: Any) -> None:
    flask, plan, tracker = app
    client = flask.test_client()
    right = next(iter(xp.assign(plan, ["u3"])))
    wrong = "beta" if right == "control" else "control"
    for variant in (wrong, right, right):
        assert client.post("/exposed", json={"unit": "u3", "variant": variant}).status_code == 202
    tracker.flush()
    assert sent(box) == [("u3", right, "cms")]
    assert [i.kind for i in tracker.incidents()] == ["cms disagrees"]


def test_serve_reads_the_environment(box: Sandbox, backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_plan().save(tmp_path / "plan.json")
    monkeypatch.setenv("XPBENCH_PLAN", str(tmp_path / "plan.json"))
    monkeypatch.setenv("CDP_WEBHOOK_SECRET", "s")
    monkeypatch.setenv("XPBENCH_STATE", str(tmp_path))
    monkeypatch.setattr(backend, "HOST", box.address)
    made = backend.serve()
    tracker, flags = made.extensions["xpbench"]
    flags.shutdown()
    tracker.close()
    assert {rule.rule for rule in made.url_map.iter_rules()} >= {"/", "/webhooks/cdp", "/exposed"}
