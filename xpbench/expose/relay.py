"""A sender in a process of its own, started and fed by `RelaySender`.

Encoding and sending thousands of events a second holds Python's lock for milliseconds at a time, which callers of `expose`
would feel. Configuration, secrets among it, goes through a pipe: neither arguments nor the environment show it. When the
pipe closes, because the parent ends in whatever way, the relay sends what it can in `exit_seconds` and ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

import mixpanel

from xpbench.expose.delivery import Delivery
from xpbench.expose.outbox import Outbox
from xpbench.expose.sender import Backoff, Sender

_PROGRAM = "import sys; from xpbench.expose.relay import run; run(sys.stdin)"


class RelaySender:
    """Keeps one relay process running for an outbox; the same face as `Sender`.

    Args:
        outbox: Where rows wait.
        delivery: Of an official consumer; its settings are handed to the relay.
        interval: Seconds between looks at the outbox.
        backoff: Waits after failures.
        exit_seconds: How long the relay goes on after this process has ended.
    """

    def __init__(
        self, outbox: Outbox, delivery: Delivery, *, interval: float, backoff: Backoff | None, exit_seconds: float
    ) -> None:
        self._outbox = outbox
        backoff = backoff or Backoff()
        self._settings = {
            "path": str(outbox.path),
            "delivery": delivery.settings(),
            "interval": interval,
            "backoff": [backoff.base, backoff.cap],
            "exit_seconds": exit_seconds,
        }
        self.sent = 0
        self.last_problem = ""
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._next_check = 0.0
        self._stopped = False

    def start(self) -> None:
        """Run a relay unless it runs; looked at ten times a second at most, so that it costs a call nothing."""
        now = time.monotonic()
        if now < self._next_check and os.getpid() == self._pid:
            return
        if os.getpid() != self._pid:
            self._process, self._lock, self._pid = None, threading.Lock(), os.getpid()
        with self._lock:
            self._next_check = now + 0.1
            if self._stopped or (self._process is not None and self._process.poll() is None):
                return
            self._process = subprocess.Popen([sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, text=True, close_fds=True)
            self._say(json.dumps(self._settings))

    def _say(self, line: str) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            try:
                process.stdin.write(line + "\n")
                process.stdin.flush()
            except OSError:
                self.last_problem = "the relay process has ended; it is started again"

    def flush(self, *, timeout: float) -> bool:
        """Send what waits, now; True when the outbox is empty."""
        end = time.monotonic() + timeout
        while self._outbox.held or self._outbox.pending():
            self._outbox.write_held()
            self.start()
            self._say("flush")
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
        return True

    def stop(self, *, timeout: float) -> None:
        """Let the relay end."""
        with self._lock:
            self._stopped = True
            process, self._process = self._process, None
        if process is None or os.getpid() != self._pid:
            return
        if process.stdin is not None:
            try:
                process.stdin.write("stop\n")
                process.stdin.close()
            except OSError:
                pass
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(lines: Any) -> None:
    """Send an outbox as the settings in the first line say, until the lines end."""
    if hasattr(os, "nice"):
        os.nice(5)  # being late costs nothing, standing in the callers' way does
    settings = json.loads(lines.readline())
    given = settings["delivery"]
    account = given.pop("account")
    credentials = mixpanel.ServiceAccountCredentials(*account) if account else None
    token, via, timeout = given.pop("token"), given.pop("via"), given.pop("timeout")
    consumer = mixpanel.Consumer(**given, credentials=credentials)
    delivery = Delivery(mixpanel.Mixpanel(token, consumer=consumer), via=via, timeout=timeout)
    outbox = Outbox(settings["path"])
    base, cap = settings["backoff"]
    sender = Sender(outbox, delivery, interval=settings["interval"], backoff=Backoff(base=base, cap=cap))
    sender.start()
    stop_now = False
    for line in lines:
        if line.strip() == "stop":
            stop_now = True
            break
        sender.wake()
    if not stop_now:  # the parent is gone without a word
        sender.flush(timeout=settings["exit_seconds"])
    sender.stop(timeout=2.0)
    outbox.close()
