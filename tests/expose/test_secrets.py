"""A canary token and a canary secret appear in 0 bytes of what people read, whatever goes wrong."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import mixpanel
import pytest
from mixpanel.flags.types import LocalFlagsConfig, RemoteFlagsConfig

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.mixpanel.account import Account
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.lifecycle import publish
from xpbench.mixpanel.sandbox import Sandbox

TOKEN, SECRET = "canary-token-77aa31", "canary-secret-c0ffee+/ä"

Make = Callable[..., xp.Tracker]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any logger says, tracebacks included."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


def clean(text: str) -> bool:
    from xpbench.expose.masks import SecretMask

    mask = SecretMask([TOKEN, SECRET], pairs=[(TOKEN, ""), ("canary", SECRET)])
    return mask(text) == text


def test_the_check_finds_what_it_looks_for() -> None:
    assert not clean(f"token={TOKEN}")
    assert not clean("secret=canary-secret-c0ffee%2B%2F%C3%A4")
    assert clean("nothing")


@pytest.mark.parametrize("fault", ["none", "fail", "throttle", "cut", "truncate", "hang"])
def test_tracker_and_flags(
    box: Sandbox, track: Make, tmp_path: Path, log: io.StringIO, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    account = mixpanel.ServiceAccountCredentials("canary", SECRET, "1001")
    sdk = mixpanel.Mixpanel(
        TOKEN,
        consumer=mixpanel.Consumer(api_host=box.address, credentials=account),
        local_flags_config=LocalFlagsConfig(api_host=box.address, enable_polling=False, request_timeout_in_seconds=1),
        remote_flags_config=RemoteFlagsConfig(api_host=box.address, request_timeout_in_seconds=1),
        credentials=account,
    )
    if fault != "none":
        box.faults.set(**{fault: 1.0})
    tracker = track(mixpanel=sdk, timeout=0.2)
    told = [repr(tracker)]
    for evaluate in ("local", "remote"):
        flags = xp.mixpanel_flags(sdk, tracker=tracker, evaluate=evaluate).start()
        picked = flags.get_variant("beta-homepage", "spare", {"distinct_id": "u1", "token": TOKEN})
        told += [repr(flags), repr(picked), repr(flags.problems), repr(flags.fallbacks)]
        flags.shutdown()
    tracker.expose("u1", "beta")
    told.append(repr(tracker.expose(f"{TOKEN}" * 20, "beta")))
    tracker.flush(timeout=0.4)
    told += [repr(tracker.status()), str(tracker.status().to_dict()), repr(tracker.incidents()), repr(tracker.dead_letters())]
    tracker.close(timeout=0.0)
    captured = capfd.readouterr()
    files = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()).decode("latin-1")
    for text in (*told, log.getvalue(), captured.out, captured.err, files):
        assert clean(text), text[:2_000]
    assert tracker.status is not None


@pytest.mark.parametrize("fault", ["none", "fail", "throttle", "cut", "truncate", "hang"])
def test_client_and_its_tracebacks(box: Sandbox, log: io.StringIO, tmp_path: Path, fault: str) -> None:
    """Tracebacks with the values of all local names, as IPython shows them."""
    if fault != "none":
        box.faults.set(**{fault: 1.0})
    account = Account("canary", SECRET, "1001", "2002", host=box.address)
    plan = make_plan()
    xp.register(plan, root=tmp_path)
    told = [repr(account)]
    with Client(account, timeout=0.2, attempts=2, max_wait=0.1, sleep=lambda seconds: None) as client:
        told.append(repr(client))
        for step in (
            lambda: publish(plan, plan.digest, client),
            lambda: client.import_events([{"event": "e", "properties": {"time": 1}}]),
            lambda: client.definitions(),
        ):
            with pytest.raises(xp.XpbenchError) as caught:
                step()
            shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            told += ["".join(shown.format()), str(caught.value.to_dict())]
    files = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()).decode("latin-1")
    for text in (*told, log.getvalue(), files):
        assert clean(text), text[:2_000]
