"""The REST client keeps to a deadline, counts what it imports, and follows no redirect."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from xpbench.errors import MixpanelError
from xpbench.expose.sender import Backoff
from xpbench.mixpanel.account import Account
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.pull import pull
from xpbench.mixpanel.sandbox import Sandbox


class Server:
    """Over TLS, with the certificate of the sandbox; answers as it is told."""

    def __init__(self, box: Sandbox) -> None:
        self.rows: list[Any] = []
        self.answer: Callable[[Any, list[Any]], None] = lambda handler, rows: None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    outer.answer(self, [])

            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
                rows = [json.loads(line) for line in body.splitlines()]
                with contextlib.suppress(OSError):
                    outer.answer(self, rows)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(box._certificate, box._key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def client(self, **options: Any) -> Client:
        account = Account("user", "secret-1234", "1", "2", host=f"127.0.0.1:{self.server.server_port}")
        return Client(account, **{"attempts": 1, "backoff": lambda: Backoff(base=0.01, cap=0.02), **options})


@pytest.fixture
def answering(box: Sandbox) -> Iterator[Server]:
    made = Server(box)
    yield made
    made.server.shutdown()


def say(handler: Any, code: int, body: Any, **headers: str) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    handler.send_response(code)
    for name, value in {"Content-Length": str(len(data)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def event(number: int, **properties: Any) -> dict[str, Any]:
    return {"event": "E", "properties": {"time": 1.7e9, "distinct_id": f"u{number}", "$insert_id": f"i{number}", **properties}}


def test_an_event_that_is_never_counted_is_among_the_failed(answering: Server) -> None:
    def without_u3(handler: Any, rows: list[Any]) -> None:
        kept = [r for r in rows if r["properties"]["distinct_id"] != "u3"]
        say(handler, 200, {"code": 200, "num_records_imported": len(kept), "status": "OK"})

    answering.answer = without_u3
    with answering.client() as client:
        report = client.import_events(event(i) for i in range(10))
    assert (report.imported, [(f["position"], f["$insert_id"]) for f in report.failed]) == (9, [(3, "i3")])


def test_events_of_every_type_are_imported_and_the_others_named(answering: Server) -> None:
    got: list[Any] = []

    def take(handler: Any, rows: list[Any]) -> None:
        got.extend(r["properties"].get("value") for r in rows)
        say(handler, 200, {"code": 200, "num_records_imported": len(rows), "status": "OK"})

    answering.answer = take
    values = [Decimal("9.90"), object(), UUID(int=1), datetime(2026, 5, 1, tzinfo=UTC), float("nan"), float("inf")]
    with answering.client() as client:
        report = client.import_events(event(i, value=v) for i, v in enumerate(values))
    assert got == [9.9, "00000000-0000-0000-0000-000000000001", "2026-05-01T00:00:00", None]
    assert (report.imported, [f["position"] for f in report.failed]) == (4, [1, 5])


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_are_failures(answering: Server, code: int) -> None:
    answering.answer = lambda handler, rows: say(handler, code, "", Location="https://example.com/")
    with answering.client() as client:
        with pytest.raises(MixpanelError, match="XPB-M05"):
            client.import_events([event(1)])
        with pytest.raises(MixpanelError, match="XPB-M05"):
            client.definitions()


def test_a_400_that_is_not_mixpanels_is_no_verdict(answering: Server) -> None:
    answering.answer = lambda handler, rows: say(handler, 400, "<html>Bad Request</html>")
    with answering.client() as client, pytest.raises(MixpanelError, match="XPB-M08"):
        client.import_events([event(1)])


def drip_headers(handler: Any) -> None:
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.connection.sendall(b"X-A: b\r\n")
        time.sleep(0.1)


def drip_body(handler: Any) -> None:
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        handler.connection.sendall(b" ")
        time.sleep(0.1)


@pytest.mark.parametrize("drip", [drip_headers, drip_body])
@pytest.mark.parametrize("what", ["call", "import", "pull"])
def test_an_answer_that_never_ends_does(answering: Server, tmp_path: Path, drip: Callable[[Any], None], what: str) -> None:
    answering.answer = lambda handler, rows: drip(handler)
    work: dict[str, Callable[[Client], Any]] = {
        "call": lambda client: client.definitions(),
        "import": lambda client: client.import_events([event(1)]),
        "pull": lambda client: pull(client, tmp_path, first="2026-01-01", last="2026-01-01", attempts=1),
    }
    start = time.monotonic()
    with answering.client(deadline=0.5) as client, pytest.raises(MixpanelError):
        work[what](client)
    assert time.monotonic() - start < 5


def test_a_large_export_may_take_longer_while_it_comes(answering: Server, tmp_path: Path) -> None:
    line = json.dumps(event(1)).encode() + b"\n"

    def flow(handler: Any, rows: list[Any]) -> None:
        block = line * 2000
        handler.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (12 * len(block)))
        for _ in range(12):
            handler.connection.sendall(block)
            time.sleep(0.1)

    answering.answer = flow
    with answering.client(deadline=0.6) as client:
        assert pull(client, tmp_path, first="2026-01-01", last="2026-01-01").events == 24_000
