"""What is no answer of Mixpanel's settles nothing: redirects, proxies, counts that don't fit, answers that never end."""

from __future__ import annotations

import contextlib
import http.server
import json
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mixpanel
import pytest

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.expose.sender import Backoff
from xpbench.mixpanel.sandbox import Sandbox


class Server:
    """A server that answers as it is told; `taken` are the units that it has really stored."""

    def __init__(self, *, context: ssl.SSLContext | None = None) -> None:
        self.taken: list[str] = []
        self.requests: list[str] = []
        self.answer: Callable[[Any, list[str]], None] = self.take
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                outer.requests.append(f"GET {self.path}")
                say(self, 200, {"status": 1, "code": 200, "num_records_imported": 1000})

            def do_POST(self) -> None:
                outer.requests.append(f"POST {self.path}")
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                rows = json.loads(urllib.parse.parse_qs(body)["data"][0])
                outer.answer(self, [r["properties"]["distinct_id"] for r in rows])

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        scheme = "http"
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, handler: Any, units: list[str]) -> None:
        self.taken.extend(units)
        track = handler.path.startswith("/track")
        imported = {"code": 200, "status": "OK", "num_records_imported": len(units)}
        say(handler, 200, {"status": 1, "error": None} if track else imported)


def say(handler: Any, code: int, body: Any, **headers: str) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(data)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


@pytest.fixture
def answering() -> Iterator[Server]:
    made = Server()
    yield made
    made.server.shutdown()


@pytest.fixture
def tracker(answering: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[xp.Tracker]:
    made = make(answering, tmp_path, **getattr(request, "param", {}))
    yield made
    made.close(timeout=0.0)


def make(answering: Server, folder: Path, **options: Any) -> xp.Tracker:
    consumer = mixpanel.Consumer(events_url=f"{answering.url}/track", import_url=f"{answering.url}/import", verify_cert=False)
    options = {"interval": 0.02, "timeout": 1.0, "backoff": Backoff(base=0.01, cap=0.05), **options}
    return xp.Tracker(
        make_plan(), mixpanel=mixpanel.Mixpanel("a-token-1234", consumer=consumer), outbox=folder / "o", **options
    )


def lost(tracker: xp.Tracker, answering: Server, acknowledged: list[str]) -> set[str]:
    """Units that are nowhere; where events still wait, none is."""
    kept = {d.event["properties"]["distinct_id"] for d in tracker.dead_letters()}
    return set() if tracker.status().pending else set(acknowledged) - set(answering.taken) - kept


def within_seconds(holds: Callable[[], Any], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(holds())


def expose(tracker: xp.Tracker, count: int = 40) -> list[str]:
    units = [f"u{i}" for i in range(count)]
    assert all(tracker.expose(u, "beta").is_acknowledged for u in units)
    return units


@pytest.mark.parametrize("count", [lambda n: n - 1, lambda n: 0, lambda n: -1, lambda n: "all", lambda n: True])
def test_answers_are_counted(answering: Server, tracker: xp.Tracker, count: Callable[[int], Any]) -> None:
    def fewer(handler: Any, units: list[str]) -> None:
        answering.taken.extend(units[:-1])
        say(handler, 200, {"code": 200, "status": "OK", "num_records_imported": count(len(units))})

    answering.answer = fewer
    units = expose(tracker)
    assert within_seconds(lambda: "Mixpanel counts" in tracker.status().last_problem or tracker.dead_letters())
    answering.answer = answering.take
    assert tracker.flush(timeout=10)
    assert lost(tracker, answering, units) == set()


def test_a_row_that_is_never_counted_is_a_dead_letter_and_the_rest_goes_on(answering: Server, tracker: xp.Tracker) -> None:
    def without_u7(handler: Any, units: list[str]) -> None:
        kept = [u for u in units if u != "u7"]
        answering.taken.extend(kept)
        say(handler, 200, {"code": 200, "status": "OK", "num_records_imported": len(kept)})

    answering.answer = without_u7
    units = expose(tracker)
    assert tracker.flush(timeout=20)
    assert [d.event["properties"]["distinct_id"] for d in tracker.dead_letters()] == ["u7"]
    assert lost(tracker, answering, units) == set()


def test_the_count_of_a_partial_400_is_read_as_well(answering: Server, tracker: xp.Tracker) -> None:
    def partial(handler: Any, units: list[str]) -> None:
        bad = [{"index": i, "field": "x", "message": "no"} for i, u in enumerate(units) if u == "u3"]
        fine = [u for u in units if u != "u3"]
        answering.taken.extend(fine[1:])  # one is dropped without a word
        body = {"code": 400, "error": "some", "status": "Bad Request", "failed_records": bad}
        say(handler, 400, body | {"num_records_imported": len(fine[1:])}) if bad else answering.take(handler, units)

    answering.answer = partial
    units = expose(tracker)
    assert tracker.flush(timeout=10)
    assert [d.event["properties"]["distinct_id"] for d in tracker.dead_letters()] == ["u3"]
    assert lost(tracker, answering, units) == set()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("via", ["import", "track"])
def test_redirects_are_failures_and_nothing_goes_elsewhere(answering: Server, tmp_path: Path, code: int, via: Any) -> None:
    other = Server()
    answering.answer = lambda handler, units: say(handler, code, "", Location=f"{other.url}/import")
    tracker = make(answering, tmp_path, via=via)
    units = expose(tracker, 5)
    assert within_seconds(lambda: tracker.status().last_problem)
    assert not tracker.flush(timeout=0.1)
    assert (other.requests, tracker.status().pending) == ([], 5)
    assert f"HTTP {code}: redirected" in tracker.status().last_problem
    answering.answer = answering.take
    assert tracker.flush(timeout=10)
    assert sorted(answering.taken) == units
    tracker.close()


PROXIES: list[tuple[int, Any]] = [
    (400, "<html><body>Bad Request</body></html>"),
    (422, "<html>no</html>"),
    (400, ""),
    (400, []),
    (400, {"message": "Bad Request"}),
    (400, {"error": {"code": 400, "message": "invalid", "status": "INVALID_ARGUMENT"}}),
    (400, {"timestamp": "now", "status": 400, "error": "Bad Request", "path": "/import"}),
    (401, "<html>login</html>"),
    (403, "<html>blocked by the firewall</html>"),
    (200, "<html>Welcome to the hotel</html>"),
    (200, {"welcome": True}),
    (204, ""),
    (404, {"error": "not found"}),
]


@pytest.mark.parametrize(("code", "body"), PROXIES)
@pytest.mark.parametrize("via", ["import", "track"])
def test_the_answer_of_a_proxy_is_no_verdict_on_events(
    answering: Server, tmp_path: Path, code: int, body: Any, via: Any
) -> None:
    answering.answer = lambda handler, units: say(handler, code, body)
    tracker = make(answering, tmp_path, via=via)
    units = expose(tracker, 5)
    assert within_seconds(lambda: tracker.status().last_problem)
    assert not tracker.flush(timeout=0.1)
    status = tracker.status()
    assert (status.pending, status.dead, status.incidents) == (5, 0, {})
    answering.answer = answering.take
    assert tracker.flush(timeout=10)
    assert sorted(answering.taken) == units
    tracker.close()


def test_the_same_codes_with_mixpanels_own_answer_are_verdicts(answering: Server, tracker: xp.Tracker) -> None:
    answering.answer = lambda handler, units: say(handler, 400, {"code": 400, "error": "invalid", "status": "Bad Request"})
    expose(tracker, 3)
    assert tracker.flush(timeout=10)
    assert tracker.status().dead == 3


def drip_headers(handler: Any) -> None:
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.connection.sendall(b"X-A: b\r\n")
        time.sleep(0.2)


def drip_body(handler: Any) -> None:
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        handler.connection.sendall(b" ")
        time.sleep(0.2)


def drip_status(handler: Any) -> None:
    for byte in b"HTTP/1.1 200 OK" + b"K" * 1000:
        handler.connection.sendall(bytes([byte]))
        time.sleep(0.2)


def drip_continue(handler: Any) -> None:
    while True:
        handler.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.2)


def silence(handler: Any) -> None:
    time.sleep(30)


@pytest.mark.parametrize("drip", [drip_headers, drip_body, drip_status, drip_continue, silence])
@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
@pytest.mark.parametrize("secure", [False, True])
def test_a_deadline_bounds_the_whole_request(box: Sandbox, tmp_path: Path, drip: Callable[[Any], None], secure: bool) -> None:
    before = set(threading.enumerate())  # other tests of this process may have timers of their own
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(box._certificate, box._key)
    answering = Server(context=context)
    stuck = threading.Event()

    def answer(handler: Any, units: list[str]) -> None:
        stuck.set()
        with contextlib.suppress(OSError):
            drip(handler)

    answering.answer = answer
    tracker = make(answering, tmp_path, timeout=0.6)
    units = expose(tracker, 3)
    assert stuck.wait(5)
    answering.answer = answering.take
    start = time.monotonic()
    assert tracker.flush(timeout=10)
    assert time.monotonic() - start < 3
    assert sorted(set(answering.taken)) == units
    tracker.close()
    assert within_seconds(lambda: not [t for t in set(threading.enumerate()) - before if isinstance(t, threading.Timer)])


def test_close_does_not_wait_for_an_answer_that_never_ends(answering: Server, tmp_path: Path) -> None:
    def answer(handler: Any, units: list[str]) -> None:
        with contextlib.suppress(OSError):
            drip_headers(handler)

    answering.answer = answer
    tracker = make(answering, tmp_path, timeout=30.0, exit_seconds=0.2)
    expose(tracker, 1)
    start = time.monotonic()
    assert not tracker.close()
    assert time.monotonic() - start < 3


def test_a_large_request_to_a_quick_server_keeps_its_connection(answering: Server, tracker: xp.Tracker) -> None:
    units = expose(tracker, 3000)
    assert tracker.flush(timeout=20)
    assert sorted(answering.taken) == sorted(units)


def test_trouble_is_logged_once(answering: Server, tracker: xp.Tracker, caplog: pytest.LogCaptureFixture) -> None:
    answering.answer = lambda handler, units: say(handler, 503, "")
    expose(tracker, 5)
    tracker.flush(timeout=0.5)
    found = [r for r in caplog.records if "exposures wait" in r.getMessage()]
    assert [r.levelname for r in found] == ["WARNING"]
    assert "a-token-1234" not in caplog.text
