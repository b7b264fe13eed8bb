"""Sentences for a reader say what the headline says: looks beyond the plan, and nothing of dates that nobody knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.decide.sealed import plan, summary
from xpbench.experiment import register


@pytest.mark.parametrize("voice", ["director", "team", "cv", "chat"])
def test_a_plan_without_dates_is_not_said_to_come_first(tmp_path: Path, voice: str) -> None:
    experiment = register(plan(model={"kind": "frequentist"}), tmp_path)
    first = replace(summary(4000), first_exposure="", last_exposure="", exposures_by_day={})
    later = replace(summary(4200), first_exposure="", last_exposure="", exposures_by_day={})
    bare = [first, replace(later, cells=tuple(replace(c, n=2100) for c in first.cells))]  # grown, not another world
    experiment.readout(bare[0])
    readout = experiment.readout(bare[1])
    experiment.decide(readout, "iterate", because="b", by="a")
    said = " ".join(experiment.memo().sentences(voice))
    assert "before launch" not in said
    assert "registered before" not in said
    assert "more often than the plan allows for" in said
