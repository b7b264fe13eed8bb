"""No public surface of a sealed experiment shows anything that follows from the outcomes of a variant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.decide.mirrored import LOGS, TABLES, leaks
from xpbench.health.check import Check
from xpbench.health.sealing import under_seal

SHORT = {"identity", "text", "late"}
"""Fields of a log that CI plants; the others take as long each, and `-m full` and benchmarks/seal.py plant them all."""
WORLDS = [pytest.param("table", p) for p in TABLES] + [
    pytest.param("log", p, marks=[] if p in SHORT else [pytest.mark.full]) for p in LOGS
]


@pytest.mark.parametrize(("kind", "plant"), WORLDS, ids=lambda v: str(v).replace(" ", "-"))
def test_a_world_and_its_mirror_look_the_same_under_the_seal(tmp_path: Path, kind: str, plant: str) -> None:
    """Outcomes are planted in every field of every source; 500 worlds in benchmarks/seal.py."""
    assert leaks(tmp_path, kind, plant, "fixed" if len(plant) % 2 else "sequential", 0) == []


def test_a_check_that_nobody_listed_is_sealed() -> None:
    own = Check("of_a_plugin", "warn", {"by_variant": {"a": 3, "b": 9}, "count": 12}, "Beta has 9 (p = 0.003).", "Look.")
    (sealed,) = under_seal([own])
    assert sealed.evidence == {"count": 12, "sealed": True}
    assert "p =" not in sealed.meaning
    assert sealed.status == "warn"
