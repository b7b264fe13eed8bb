"""Injected causes of a sample ratio mismatch are ranked first."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.health.injected import INJECTED, World
from tests.health.worlds import healthy
from xpbench.health.causes import accuracy, srm_causes


def test_right_cause_comes_first() -> None:
    """At least 12 causes, each ranked first in at least 70 % of runs and 80 % over all (full runs: benchmarks/health.py)."""
    assert len(INJECTED) >= 12
    rates = {k: v["first"] for k, v in accuracy(INJECTED, runs=15, seed=3).items()}
    assert {k: r for k, r in rates.items() if r < 0.7} == {}
    assert np.mean(list(rates.values())) >= 0.8


def test_no_cause_without_a_mismatch() -> None:
    """A sound experiment gets no list of causes."""
    assert srm_causes(healthy()) == ()


def test_sound_experiments_rarely_get_causes() -> None:
    """Chance alone brings causes at about the level of the tests (1 % each, three families)."""
    with_causes = sum(bool(srm_causes(World(np.random.default_rng([11, i])).inputs())) for i in range(150))
    assert with_causes <= 12  # mean 4.5 at most; 12 lies beyond 3 standard deviations


def test_weights_sum_to_one_and_are_json() -> None:
    """The list is JSON and its weights are shares."""
    causes = srm_causes(INJECTED["late_start"](np.random.default_rng(5)))
    assert sum(c.weight for c in causes) == pytest.approx(1.0)
    assert [c.score for c in causes] == sorted((c.score for c in causes), reverse=True)
    json.dumps([c.to_dict() for c in causes], allow_nan=False)


def test_hostile_names_stay_plain() -> None:
    """A segment's value is shown without control or direction characters."""
    inputs = INJECTED["segment_fault"](np.random.default_rng(5))
    segments = {"platform": {f"\u202e{k}\n": v for k, v in inputs.summary.segments["platform"].items()}}
    causes = srm_causes(replace(inputs, summary=replace(inputs.summary, segments=segments)))
    assert "web" in causes[0].meaning
    for cause in causes:
        assert "\u202e" not in cause.meaning + cause.next_step
        assert "\n" not in cause.meaning + cause.next_step
