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
    bare = [replace(summary(n), first_exposure="", last_exposure="", exposures_by_day={}) for n in (4000, 4200)]
    experiment.readout(bare[0])
    readout = experiment.readout(bare[1])
    experiment.decide(readout, "iterate", because="b", by="a")
    said = " ".join(experiment.memo().sentences(voice))
    assert "before launch" not in said
    assert "registered before" not in said
    assert "more often than the plan allows for" in said
