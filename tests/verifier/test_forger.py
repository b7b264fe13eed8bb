"""A short run of the forger's bench, and a control that shows that it can find a miss."""

import contextlib
import random

import pytest

from benchmarks import forger
from xpbench import verifier


def test_every_verdict_is_as_deep_as_it_claims(tmp_path):
    found = forger.run(90, seed=11, folder=tmp_path, reviewed=45)
    assert found["missed"] == []
    assert found["cases"] == 90
    assert len(found["tried"]) >= 14


def test_a_verifier_that_does_not_compare_the_page_would_be_found(tmp_path, monkeypatch):
    def shallow(path, *, ledger=None):
        report = verifier.verify(path, ledger=ledger)
        object.__setattr__(report, "depth", "in full" if report.holds else report.depth)
        object.__setattr__(report, "status", "verified" if report.holds else report.status)
        return report

    monkeypatch.setattr(forger, "verify", shallow)
    found = forger.run(25, seed=2, folder=tmp_path, reviewed=1000)
    assert any("package" in miss for miss in found["missed"])


def test_what_only_the_ledger_shows_is_asked_with_it(tmp_path):
    world = forger.world(tmp_path)
    made = forger.chain_rebuilt(random.Random(1), world)
    assert 0 in made.allowed
    assert made.with_ledger == forger.REFUSED


@pytest.mark.parametrize("name", forger.FORGERIES)
def test_each_kind_of_forgery_can_be_made(tmp_path, name):
    """One that always failed to be made would be counted nowhere."""
    world = forger.world(tmp_path)
    if name == "a signature copied into a rebuilt ledger":
        pytest.importorskip("cryptography")
    made = 0
    for seed in range(12):
        with contextlib.suppress(Exception):  # some payloads make no page
            made += forger.FORGERIES[name][1](random.Random(seed), world) is not None
    assert made >= 3
