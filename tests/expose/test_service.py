"""The relay: a clear answer to everything, one event per unit over any number of machines, and nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import xpbench as xp
from tests.expose.conftest import make_plan
from tests.expose.served import Served
from tests.postgres import postgres
from xpbench.errors import ExposeError
from xpbench.expose.outbox import Outbox
from xpbench.expose.postgres import PostgresOutbox
from xpbench.expose.service import EXPOSURES, REFUSED, RelayService
from xpbench.mixpanel.sandbox import Sandbox

__all__ = ["postgres"]

uvicorn = pytest.importorskip("uvicorn")
ORIGIN = "https://www.example.com"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    with contextlib.ExitStack() as stack:

        def make(plans: Any = None, *, outbox: Any = None, **options: Any) -> Served:
            outbox = tmp_path / "o.sqlite" if outbox is None else outbox
            tracker = xp.Tracker(plans or make_plan(), mixpanel="token", outbox=outbox, sender="none")
            stack.callback(tracker.close)
            served = Served(RelayService(tracker, **options))
            stack.callback(served.close)
            return served

        yield make


def stored(tmp_path: Path) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(tmp_path / "o.sqlite")) as db:
        return [json.loads(text) for (text,) in db.execute("SELECT event FROM pending ORDER BY id")]


def test_an_exposure_is_acknowledged_once_and_counted(serve: Callable[..., Served], tmp_path: Path) -> None:
    relay = serve()
    first = relay.post({"experiment": "beta-homepage", "unit": "user-1", "properties": {"page": "home", "n": [1, 2]}})
    assert first.status_code == 200
    variant = xp.assign(make_plan(), ["user-1"])[0]
    assert first.json() == {"state": "queued", "experiment": "beta-homepage", "variant": variant}
    assert relay.post({"unit": "user-1"}).json()["state"] == "repeat"
    other = "beta" if variant == "control" else "control"
    assert relay.post({"unit": "user-1", "variant": other}).json()["state"] == "switch"
    assert relay.post({"distinct_id": 7}).json()["state"] == "queued"
    (exposure, incident, number) = stored(tmp_path)
    assert exposure["properties"]["page"] == "home"
    assert exposure["properties"]["Variant name"] == variant
    assert incident["properties"]["Incident"] == "variant switch"
    assert number["properties"]["distinct_id"] == "7"
    counts = relay.service.counts
    assert counts.of(EXPOSURES, state="queued", experiment="beta-homepage") == 2
    assert counts.of(EXPOSURES) == 4
    assert counts.of(REFUSED) == 0


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b'{"unit":"a","unit":"b"}', 400, "appears twice"),
        (b'{"unit":NaN}', 400, "NaN"),
        (b"[" * 100 + b"]" * 100, 400, "levels deep"),
        (b"[]", 400, "list of them"),
        (b'"user-1"', 400, "list of them"),
        ({}, 422, "no unit"),
        ({"unit": None}, 422, "no unit"),
        ({"unit": ""}, 422, "refuses this id"),
        ({"unit": "undefined"}, 422, "refuses this id"),
        ({"unit": True}, 422, "neither text"),
        ({"unit": 12345.0}, 422, "Send the id as text"),
        ({"unit": 12345678901234567890}, 422, "Send the id as text"),
        ({"unit": ["a"]}, 422, "neither text"),
        ({"unit": {"id": "a"}}, 422, "neither text"),
        ({"unit": "x" * 300}, 422, "more than 255"),
        ({"company_id": "c-1"}, 422, "no field 'company_id'"),
        ({"unit": "a", "distinct_id": "b"}, 422, "two ids"),
        ({"unit": "a", "variant": 1.5}, 422, "Pass its key as text"),
        ({"unit": "a", "variant": ""}, 422, "Pass its key as text"),
        ({"unit": "a", "experiment": "other"}, 404, "Known: beta-homepage"),
        ({"unit": "a", "experiment": 3}, 404, "Known: beta-homepage"),
        ({"unit": "a", "properties": [1]}, 422, "properties is an object"),
        ({"unit": "a", "properties": {"distinct_id": "b"}}, 422, "field of its own"),
        ({"unit": "a", "age": -1}, 422, "age is -1"),
        ({"unit": "a", "age": 1e9}, 422, "age is"),
        ({"unit": "a", "age": 1, "time": 2e9}, 422, "Send one"),
        ({"unit": "a", "time": "yesterday"}, 422, "offset"),
        ({"unit": "a", "time": 2e9}, 422, "clock is wrong"),
        ({"unit": "a", "time": time.time() - 366 * 86_400}, 422, "clock is wrong"),
        ({"unit": "a", "time": time.time() + 366 * 86_400}, 422, "Send age"),
    ],
)
def test_what_is_wrong_is_said_counted_and_not_stored(
    body: Any, status: int, words: str, serve: Callable[..., Served], tmp_path: Path
) -> None:
    relay = serve()
    answer = relay.post(body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert relay.service.counts.of(REFUSED) == 1
    assert stored(tmp_path) == []
    assert relay.service.tracker.status().incidents == {}


def test_age_needs_no_right_clock(serve: Callable[..., Served], tmp_path: Path) -> None:
    relay = serve()
    before = time.time()
    assert relay.post({"unit": "a", "age": 7_200}).status_code == 200
    assert relay.post({"unit": "b", "time": before - 60}).status_code == 200
    first, second = (e["properties"]["time"] for e in stored(tmp_path))
    assert before - 7_201 < first < time.time() - 7_199
    assert second == pytest.approx(before - 60, abs=0.01)


def test_a_batch_answers_for_each_of_its_exposures(serve: Callable[..., Served], tmp_path: Path) -> None:
    relay = serve(max_batch=50)
    answer = relay.post([{"unit": "a"}, {"unit": 1.5}, {"unit": "a"}, {"unit": "b"}])
    assert answer.status_code == 422
    assert answer.json()["counts"] == {"queued": 2, "unit": 1, "repeat": 1}
    assert [r.get("state", r.get("reason")) for r in answer.json()["results"]] == ["queued", "unit", "repeat", "queued"]
    assert relay.post([{"unit": f"u{i}"} for i in range(50)]).json()["counts"] == {"queued": 50}
    assert relay.post([{"unit": f"v{i}"} for i in range(51)]).status_code == 413
    assert len(stored(tmp_path)) == 52


def test_a_huge_body_is_not_read(serve: Callable[..., Served]) -> None:
    relay = serve(max_body=1_000)
    assert relay.post(b" " * 1_001).status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    assert relay.client.post("/expose", content=parts()).status_code == 413  # no length said before


def test_the_token_is_asked_for(serve: Callable[..., Served]) -> None:
    relay = serve(tokens=["first-secret", "next-secret"])
    right = {"Authorization": "Bearer next-secret"}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic first-secret"}):
        answer = relay.post({"unit": "a"}, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "secret" not in answer.text
    assert relay.service.counts.of(REFUSED, reason="token") == 3
    assert relay.post({"unit": "a"}, headers=right).status_code == 200
    assert relay.post({"unit": "a"}, params={"token": "first-secret"}).json()["state"] == "repeat"
    assert relay.client.get("/metrics").status_code == 401
    assert relay.client.get("/metrics", headers=right).status_code == 200
    assert relay.client.get("/health").status_code == 200


def test_pages_of_other_origins_are_refused(serve: Callable[..., Served]) -> None:
    relay = serve(origins=[ORIGIN + "/"])
    assert relay.post({"unit": "a"}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert relay.post({"unit": "a"}, headers={"Host": "evil.example:80"}).status_code == 403
    good = relay.post({"unit": "a"}, headers={"Origin": ORIGIN, "Content-Type": "text/plain;charset=UTF-8"})
    assert good.status_code == 200
    assert good.headers["access-control-allow-origin"] == ORIGIN
    before = relay.client.request("OPTIONS", "/expose", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    assert before.status_code == 204
    assert "authorization" in before.headers["access-control-allow-headers"]
    assert relay.client.request("OPTIONS", "/expose", headers={"Origin": "null"}).status_code == 403


def test_a_full_or_broken_outbox_is_said_and_not_acknowledged(serve: Callable[..., Served], tmp_path: Path) -> None:
    relay = serve(outbox=Outbox(tmp_path / "o.sqlite", max_pending=1))
    assert relay.post({"unit": "a"}).status_code == 200
    full = relay.post({"unit": "b"})
    assert (full.status_code, full.json()["state"], full.headers["retry-after"]) == (503, "refused", "1")
    assert relay.client.get("/health").status_code == 503
    assert relay.post({"unit": "a"}).status_code == 200  # a repeat needs no room


def test_too_many_at_once_are_asked_to_come_back(serve: Callable[..., Served]) -> None:
    relay = serve(max_inflight=0)
    answer = relay.post({"unit": "a"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert relay.service.counts.of(REFUSED, reason="busy") == 1


def test_it_is_mounted_in_a_service_as_the_page_says(tmp_path: Path) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    tracker = xp.Tracker(make_plan(), mixpanel="token", outbox=tmp_path / "o.sqlite", sender="none")
    relay = RelayService(tracker, tokens=["a-long-secret"])
    with TestClient(Starlette(routes=[Mount("/relay", relay)])) as client:
        answer = client.post("/relay/expose", json={"unit": "a"}, headers={"Authorization": "Bearer a-long-secret"})
        assert (answer.status_code, answer.json()["state"]) == (200, "queued")
        assert client.get("/relay/health").status_code == 200
        assert client.get("/relay/relay/health").status_code == 404
    assert stored(tmp_path) != []
    assert relay.counts.of("xpbench_relay_requests_total", status="200") == 2
    tracker.close()


def test_metrics_are_read_by_prometheus(serve: Callable[..., Served]) -> None:
    relay = serve()
    for i in range(3):
        relay.post({"unit": f"u{i}"})
    answer = relay.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line and not line.startswith("#"))
    assert values['xpbench_relay_exposures_total{experiment="beta-homepage",state="queued"}'] == "3"
    assert values["xpbench_relay_pending_events"] == "3"
    assert values['xpbench_relay_request_duration_seconds_bucket{le="+Inf"}'] == "3"
    assert relay.client.get("/nothing").status_code == 404
    assert relay.client.get("/expose").status_code == 405


# -- the command, killed and among others ----------------------------------------------------------------------------------


@contextlib.contextmanager
def relay_process(box: Sandbox, plan: Path, outbox: str, *more: str, **environment: str) -> Iterator[tuple[str, Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "xpbench.cli", "relay", str(plan), "--port", "0", "--outbox", outbox, "--json", *more],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **box.environment(), **environment},
    )
    try:
        text = ""
        while True:
            line = process.stdout.readline()  # type: ignore[union-attr]
            text += line
            if line.rstrip() == "}" or not line:
                break
        yield json.loads(text)["url"], process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(make_plan().to_dict()))
    return path


def exposed(url: str, units: list[str], *, size: int = 25) -> set[str]:
    """Send units in batches until each is acknowledged or nobody answers; gives those that were acknowledged."""
    done: set[str] = set()
    with httpx.Client(base_url=url, timeout=10.0, trust_env=False) as client:
        for start in range(0, len(units), size):
            batch = units[start : start + size]
            for _ in range(50):
                try:
                    answer = client.post("/expose", json=[{"unit": u} for u in batch])
                except httpx.HTTPError:
                    return done
                if answer.status_code == 200:
                    done.update(batch)
                    break
                time.sleep(0.05)
    return done


def units_of(events: list[dict[str, Any]]) -> list[str]:
    return [e["properties"]["distinct_id"] for e in events if e["event"] == "$experiment_started"]


def arrived(box: Sandbox, wanted: set[str], *, seconds: float = 30.0) -> list[str]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = units_of(box.deduplicated())
        if wanted <= set(found):
            return found
        time.sleep(0.1)
    return units_of(box.deduplicated())


def test_nothing_acknowledged_is_lost_when_the_relay_is_killed(box: Sandbox, plan_file: Path, tmp_path: Path) -> None:
    box.faults.set(fail=0.3)
    units = [f"user-{i}" for i in range(600)]
    done: set[str] = set()
    outbox = str(tmp_path / "o.sqlite")
    for _ in range(3):
        with relay_process(box, plan_file, outbox) as (url, process):
            threading.Timer(0.4, process.send_signal, (signal.SIGKILL,)).start()
            done |= exposed(url, units, size=5)
    with relay_process(box, plan_file, outbox) as (url, _):
        done |= exposed(url, units)
        assert done == set(units)
        found = arrived(box, done)
    assert sorted(found) == sorted(units)


def test_relays_on_one_postgres_send_one_event_per_unit(
    box: Sandbox, plan_file: Path, postgres: str, request: pytest.FixtureRequest
) -> None:
    address = f"postgresql://xpb@/postgres?host={postgres}"
    units = [f"user-{i}" for i in range(300)]
    more = ("--schema", "several")
    with contextlib.ExitStack() as stack:
        relays = [stack.enter_context(relay_process(box, plan_file, address, *more)) for _ in range(2)]
        with ThreadPoolExecutor(4) as pool:
            sent = list(pool.map(lambda i: exposed(relays[i % 2][0], units, size=20), range(4)))
        assert all(s == set(units) for s in sent)
        found = arrived(box, set(units))
        assert sorted(found) == sorted(units)
        assert len(units_of(box.events())) == len(units)
        relays[0][1].send_signal(signal.SIGKILL)  # whichever of the two sent: the other goes on
        late = [f"late-{i}" for i in range(40)]
        assert exposed(relays[1][0], late) == set(late)
        assert sorted(arrived(box, set(late))) == sorted(units + late)


def test_without_a_token_only_this_machine_is_served(plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from xpbench.cli import main

    os.environ.pop("XPBENCH_RELAY_TOKEN", None)
    assert main(["relay", str(plan_file), "--host", "0.0.0.0", "--port", "0"]) == 2  # noqa: S104 - that it is refused is the point  # noqa: S104 - that it is refused is the point
    assert "without a token" in capsys.readouterr().err


def test_node_exposes_through_the_relay(box: Sandbox, plan_file: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    page = (Path(__file__).parents[2] / "docs" / "howto" / "relay.md").read_text()
    source = page.split("```js\n", 1)[1].split("```", 1)[0]
    script = tmp_path / "client.mjs"
    script.write_text(source + "\nfor (const u of ['n-1', 'n-2', 'n-1']) console.log(await expose('beta-homepage', u));\n")
    with relay_process(box, plan_file, str(tmp_path / "o.sqlite"), XPBENCH_RELAY_TOKEN="secret-1") as (url, _):
        out = subprocess.run(
            [node, str(script)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "RELAY_URL": url, "RELAY_TOKEN": "secret-1"},
            check=True,
        ).stdout.split()
        assert out == list(xp.assign(make_plan(), ["n-1", "n-2", "n-1"]))
        assert sorted(arrived(box, {"n-1", "n-2"})) == ["n-1", "n-2"]


# -- the outbox on Postgres ------------------------------------------------------------------------------------------------


@pytest.fixture
def shared(postgres: str, request: pytest.FixtureRequest) -> Callable[..., PostgresOutbox]:
    schema = "s" + str(abs(hash(request.node.name)) % 10**9)
    return lambda **options: PostgresOutbox(f"postgresql://xpb@/postgres?host={postgres}", schema=schema, **options)


def test_a_postgres_outbox_behaves_as_one_on_disk(shared: Callable[..., PostgresOutbox], box: Sandbox) -> None:
    import mixpanel

    sdk = mixpanel.Mixpanel(box.project.token, consumer=mixpanel.Consumer(api_host=box.address))
    with xp.Tracker(make_plan(), mixpanel=sdk, outbox=shared(), interval=0.02) as tracker:
        assert tracker.expose("user-1", "beta", page="home", odd="a\x00b").state == "queued"
        assert tracker.expose("user-1", "beta").state == "repeat"
        assert tracker.expose("user-1", "control").state == "switch"
        assert tracker.expose("user-2", "gamma").state == "queued"
        assert tracker.flush()
        assert tracker.status().incidents == {"variant switch": 1, "unknown variant": 1}
        assert tracker.outbox.pending() == 0
        assert "socket" not in repr(tracker.outbox)
    with xp.Tracker(make_plan(), mixpanel=sdk, outbox=shared(), sender="none") as again:
        assert again.expose("user-1", "beta").state == "repeat"  # from the table, not from memory
    assert sorted(units_of(box.events())) == ["user-1", "user-2"]


def test_threads_and_connections_write_one_event_per_unit(shared: Callable[..., PostgresOutbox]) -> None:
    outboxes = [shared() for _ in range(4)]
    trackers = [xp.Tracker(make_plan(), mixpanel="token", outbox=o, sender="none") for o in outboxes]
    units = [f"user-{i}" for i in range(100)]
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda i: trackers[i % 4].expose(units[i // 4]).state, range(400)))
    assert states.count("queued") == 100
    assert states.count("repeat") == 300
    assert outboxes[0].pending() == 100
    for tracker in trackers:
        tracker.close()


def test_a_postgres_that_is_not_there_or_not_ours_is_named(postgres: str, shared: Callable[..., PostgresOutbox]) -> None:
    with pytest.raises(ExposeError, match="XPB-E18") as caught:
        PostgresOutbox("postgresql://someone:hush-hush@127.0.0.1:1/none")
    assert "hush-hush" not in str(caught.value)
    shared(project="one").close()
    with pytest.raises(ExposeError, match="XPB-E02"):
        shared(project="two")


def test_sessions_that_the_server_ends_are_replaced(shared: Callable[..., PostgresOutbox]) -> None:
    outbox, other = shared(), shared()
    tracker = xp.Tracker(make_plan(), mixpanel="token", outbox=outbox, sender="none")
    assert tracker.expose("a").state == "queued"
    with other.reading() as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'"
        )
    assert tracker.expose("b").state == "queued"
    assert outbox.pending() == 2
    tracker.close()


def test_what_the_server_does_not_take_is_held_and_not_acknowledged(shared: Callable[..., PostgresOutbox]) -> None:
    outbox = shared(max_block=1.0)
    with xp.Tracker(make_plan(), mixpanel="token", outbox=outbox, sender="none") as tracker:
        relay = RelayService(tracker)
        with outbox.reading() as db:
            db.execute("ALTER TABLE seen RENAME TO elsewhere")
        answer = relay._one({"unit": "a"})
        assert (answer.status, answer.body["state"]) == (503, "held")
        with outbox.reading() as db:
            db.execute("ALTER TABLE elsewhere RENAME TO seen")
        assert relay._one({"unit": "a"}).body["state"] == "repeat"  # what was held is written first
        assert outbox.pending() == 1


def test_one_session_sends(shared: Callable[..., PostgresOutbox]) -> None:
    outbox = shared()
    first, second = outbox.connect(timeout=5), outbox.connect(timeout=5)
    lock, other = outbox.sender_lock(), outbox.sender_lock()
    assert lock.acquire(first)
    assert lock.acquire(first)
    assert not other.acquire(second)
    first.close()  # as when the machine is gone
    end = time.monotonic() + 5
    while not other.acquire(second) and time.monotonic() < end:
        time.sleep(0.01)
    assert other.acquire(second)
    second.close()
