"""What was acknowledged survives a kill at any moment of amending, deciding, registering and restarting."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are forked")


def test_nothing_acknowledged_is_lost_by_a_kill() -> None:
    from benchmarks import kills

    result = kills.run(24, seed=1)
    assert kills.wrong(result) == {}
    assert sum(counts["runs"] for counts in result.values()) == 24
    assert sum(counts["acknowledged"] for counts in result.values()) > 0


@pytest.mark.full
def test_two_thousand_kills() -> None:
    from benchmarks import kills

    result = kills.run(2_000, seed=7)
    assert kills.wrong(result) == {}
    assert all(counts["acknowledged"] > 100 for counts in result.values())
