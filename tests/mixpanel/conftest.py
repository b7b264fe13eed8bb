"""A sandbox for the tests of this room, and clients to it that do not wait long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xpbench.expose.sender import Backoff
from xpbench.mixpanel.account import Account
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.sandbox import Sandbox


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
    server.project.addon = True
    server.project.role = "admin"


@pytest.fixture
def client(box: Sandbox) -> Iterator[Client]:
    box.site.limits.per_second = 1_000
    options = {"timeout": 2.0, "attempts": 4, "backoff": lambda: Backoff(base=0.005, cap=0.02)}
    with Client(Account.from_environment(), **options) as made:
        made.export_pace._limits = ((1_000, 1.0),)
        yield made
    box.site.limits.per_second = 3
