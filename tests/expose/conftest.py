"""A sandbox for the tests of this room: one server for the module, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xpbench.mixpanel.sandbox import Sandbox


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox() as box, box.trusted():
        yield box


@pytest.fixture
def box(server: Sandbox) -> Iterator[Sandbox]:
    server.faults.set()
    server.store._db.executescript("DELETE FROM events; DELETE FROM objects;")
    server.app.limits.starts.clear()
    yield server
    server.faults.set()
    server.project.expired = False
    server.project.addon = True
    server.project.role = "admin"
