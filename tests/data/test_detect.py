"""Experiments seen in a log."""

from __future__ import annotations

from typing import Any

import pytest

import xpbench as xp
from tests.data.logs import DAY, START, event, frame_of
from xpbench.errors import DataError
from xpbench.plan.design import Exposure


def started(u: str, t: int, name: str, variant: str | None, **more: Any) -> dict[str, Any]:
    return event("$experiment_started", u, t, f"{u}{t}", **{"Experiment name": name, "Variant name": variant, **more})


LOG = [
    started("u1", START, "old", "a"),
    started("u2", START + DAY, "old", "b"),
    started("u2", START + 2 * DAY, "old", "a"),
    started("u1", START + 400 * DAY, "new", "x"),
    started("u1", START + 400 * DAY + 5, "new", "x", **{"$is_qa_tester": True}),
    event("view", "u9", START + 500 * DAY),
]


def test_experiments_are_listed_however_old() -> None:
    new, old = xp.experiments(xp.events(frame_of(LOG)))
    assert (old.name, old.variants, old.units, old.switchers, old.exposures) == ("old", {"a": 2, "b": 1}, 2, 1, 3)
    assert (old.first_exposure, old.last_exposure) == ("2026-01-01T00:00:00.000000Z", "2026-01-03T00:00:00.000000Z")
    assert (new.name, new.units, new.qa_exposures) == ("new", 1, 1)
    assert new.to_dict()["variants"] == {"x": 1}
    assert repr(new) == "SeenExperiment('new', 1 units: 'x' 1)"


def test_no_exposures_and_formats_without_names() -> None:
    source = xp.events(frame_of(LOG[-1:]))
    with pytest.raises(DataError, match="XPB-D37"):
        xp.experiments(source)
    with pytest.raises(DataError, match="XPB-D39"):
        xp.experiments(source, exposure=Exposure(format="list"))
