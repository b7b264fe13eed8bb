"""A message for people: escaped, printed, and sent only to an address that is configured by name."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from xpbench.errors import WatchError
from xpbench.watch.notify import message, send, webhook_of


def test_texts_of_people_call_nobody() -> None:
    lines = ["<!channel> *all* [x](http://a)\x1b[31m\nnext"]
    slack = json.loads(message("Watch", lines, "slack"))["text"]
    assert "<!channel>" not in slack
    teams = json.loads(message("Watch", lines, "teams"))
    texts = [b["text"] for b in teams["attachments"][0]["content"]["body"]]
    assert r"\[x\]" in texts[1]
    mail = message("Watch\nBcc: all@example.com", lines, "mail")
    assert mail.splitlines()[0] == "Subject: Watch Bcc: all@example.com"
    assert "\x1b" not in slack + mail


def test_an_address_is_configured_by_name_and_never_shown() -> None:
    address = webhook_of("team", {"XPBENCH_WEBHOOK_TEAM": "https://hooks.example.com/secret"})
    assert address.endswith("secret")
    for environment in (
        {},
        {"XPBENCH_WEBHOOK_TEAM": "http://hooks.example.com/secret"},
        {"XPBENCH_WEBHOOK_TEAM": "file:///etc/secret"},
    ):
        with pytest.raises(WatchError) as caught:
            webhook_of("team", environment)
        assert "secret" not in str(caught.value)


class Hook(BaseHTTPRequestHandler):
    """Takes what it is sent; answers with what the test wants."""

    got: ClassVar[list[Any]] = []
    status = 200

    def do_POST(self) -> None:
        """One message."""
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        if 300 <= self.status < 400:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing."""


def test_it_is_sent_once_and_redirects_are_not_followed() -> None:
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = webhook_of("team", {"XPBENCH_WEBHOOK_TEAM": f"http://127.0.0.1:{server.server_port}/secret"})
        send(message("Watch", ["kept"], "slack"), address=address, name="team")
        assert Hook.got == [{"text": "Watch:\nkept"}]
        for status in (302, 500):
            Hook.status = status
            with pytest.raises(WatchError) as caught:
                send("{}", address=address, name="team")
            assert "secret" not in str(caught.value)
        server.shutdown()
    with pytest.raises(WatchError):
        send("{}", address=address, name="team")
