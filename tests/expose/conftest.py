"""A sandbox for the tests of this room, a plan, and trackers that send to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mixpanel
import pytest

from tests.builders import metric, plan_document
from xpbench.expose import Tracker
from xpbench.expose.sender import Backoff
from xpbench.mixpanel.sandbox import Sandbox
from xpbench.plan import Plan


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox() as box, box.trusted():
        yield box


@pytest.fixture
def box(server: Sandbox) -> Iterator[Sandbox]:
    server.faults.set()
    server.store._db.executescript("DELETE FROM events; DELETE FROM objects;")
    server.site.limits.starts.clear()
    yield server
    server.faults.set()
    server.project.expired = False
    server.project.role = "admin"


def make_plan(key: str = "beta-homepage", **changes: Any) -> Plan:
    values: dict[str, Any] = plan_document(
        [metric("quotes", "conversion", event="Quote", window_days=7)],
        key=key,
        title="Beta homepage",
        lift=0.05,
        change="visitors see the beta homepage",
        because="three entry points hide the quote",
        model={"kind": "sequential", "n_opt": 1000},
        assignment={"hash": "sha256", "salt": "s-2026"},
    )
    return Plan(**{**values, **changes})


@pytest.fixture
def plan() -> Plan:
    return make_plan()


@pytest.fixture
def sdk(box: Sandbox) -> mixpanel.Mixpanel:
    return mixpanel.Mixpanel(box.project.token, consumer=mixpanel.Consumer(api_host=box.address))


@pytest.fixture
def track(sdk: mixpanel.Mixpanel, tmp_path: Path) -> Iterator[Callable[..., Tracker]]:
    """Makes trackers with quick retries; closes them at the end."""
    made: list[Tracker] = []

    def make(plans: Any = None, **options: Any) -> Tracker:
        options = {"outbox": tmp_path / "out.sqlite", "interval": 0.02, "timeout": 5.0, "exit_seconds": 0.2, **options}
        options.setdefault("mixpanel", sdk)
        options.setdefault("backoff", Backoff(base=0.01, cap=0.05))
        tracker = Tracker(make_plan() if plans is None else plans, **options)
        made.append(tracker)
        return tracker

    yield make
    for tracker in made:
        tracker.close(timeout=0.0)
