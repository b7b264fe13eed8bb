"""Hostile sessions: no effect before due without a row that says agent and reason, nothing written outside, server alive."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("mcp")

from tests.agents.hostile import breaches, play_all
from tests.agents.world import make, state_of


def held(folder: Path, seeds: range, count: int, at_once: int) -> int:
    """Play, hold what was seen against what may be, and say how many calls were made."""
    project = make(folder)
    before = state_of(folder / "outside")
    listed = {p.name for p in folder.iterdir()}
    sessions = play_all(project, seeds, count, at_once=at_once)
    assert len(sessions) == len(seeds)
    assert breaches(project, sessions) == []
    assert state_of(folder / "outside") == before
    assert {p.name for p in folder.iterdir()} == listed
    assert {p.name for p in (project / "experiments").iterdir()} - {".gitattributes"} == {"hostile"}
    return sum(len(s.answers) for s in sessions)


def test_two_clients_at_once(tmp_path: Path) -> None:
    assert held(tmp_path, range(2), 14, 2) == 28


@pytest.mark.full
def test_two_hundred_sessions(tmp_path: Path) -> None:
    assert held(tmp_path, range(1000, 1200), 14, 3) == 2_800
