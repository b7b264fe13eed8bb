"""Simulated worlds, short: every decision where the world's truth asks for it (500 runs each: benchmarks/worlds.py)."""

from __future__ import annotations

import pytest

from benchmarks.worlds import WORLDS, peeking, run_world


@pytest.mark.parametrize("name", list(WORLDS))
def test_world_is_decided_right(name: str) -> None:
    """Rates within 3 Monte-Carlo errors of what is promised, under weekly looks of a sequential plan."""
    assert run_world(name, runs=30, looks="planned")["met"]


def test_sequential_null_read_daily_rarely_ships() -> None:
    """Daily looks at a sequential plan: false ships stay below alpha."""
    assert run_world("null", runs=20)["outcomes"]["ship"] <= 0.1


def test_unsealed_fixed_horizon_fails() -> None:
    """The control: the same rule on fixed-horizon results that are read daily ships nulls, so the simulation sees peeking."""
    control = peeking(runs=20)
    assert control["daily_fails_as_it_must"]
    assert control["once_met"]
