"""Processes as a cloud runs functions: short, frozen at any moment, killed without a word. What was acknowledged arrives."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import mixpanel
import pytest

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.expose.sender import Backoff
from xpbench.mixpanel.sandbox import Sandbox

EACH = 5


def life(box: Sandbox, outbox: Path, number: int, told: int) -> None:
    """One invocation: a tracker, some exposures (one of them shared by all), a flush before the answer."""
    sdk = mixpanel.Mixpanel(box.project.token, consumer=mixpanel.Consumer(api_host=box.address))
    tracker = xp.Tracker(
        make_plan(),
        mixpanel=sdk,
        outbox=outbox,
        interval=0.01,
        timeout=2.0,
        backoff=Backoff(base=0.01, cap=0.05),
        exit_seconds=0,
    )
    for unit in ["everyone", *(f"user-{number}-{i}" for i in range(EACH))]:
        if tracker.expose(unit).is_acknowledged:
            os.write(told, f"{unit}\n".encode())
    tracker.flush(timeout=0.1)


def lives(box: Sandbox, tmp_path: Path, count: int) -> None:
    draw = random.Random(7)
    outbox = tmp_path / "outbox.sqlite"
    box.faults.set(fail=0.3)
    acknowledged: set[str] = set()
    killed = Counter[str]()
    for number in range(count):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(read)
                life(box, outbox, number, write)
                code = 0
            finally:
                os._exit(code)
        os.close(write)
        end = draw.choice(["ends", "killed", "frozen"])
        killed[end] += 1
        if end != "ends":
            time.sleep(draw.uniform(0.0, 0.12))
            if end == "frozen":
                os.kill(child, signal.SIGSTOP)
                time.sleep(0.01)
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(read) as lines:
            acknowledged |= {line.strip() for line in lines if line.endswith("\n")}
    assert min(killed.values()) > count // 6
    assert len(acknowledged) > count
    box.faults.set()
    sdk = mixpanel.Mixpanel(box.project.token, consumer=mixpanel.Consumer(api_host=box.address))
    with xp.Tracker(make_plan(), mixpanel=sdk, outbox=outbox, interval=0.01) as tracker:  # the next process sends the rest
        assert tracker.flush(timeout=60)
        assert tracker.dead_letters() == []
    arrived = Counter(e["properties"]["distinct_id"] for e in box.deduplicated() if e["event"] == "$experiment_started")
    assert acknowledged <= set(arrived)
    assert set(arrived.values()) == {1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_nothing_acknowledged_is_lost_in_short_lives(box: Sandbox, tmp_path: Path) -> None:
    lives(box, tmp_path, 40)


@pytest.mark.full
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_five_hundred_short_lives(box: Sandbox, tmp_path: Path) -> None:
    lives(box, tmp_path, 500)
