"""What goes wrong between looks, tried as a user: said, recorded, decided by policy, never silently mixed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xpbench as xp
from tests.decide.test_further import DAY, START, log, plan
from xpbench.decide.readout import Readout
from xpbench.errors import DataError, DecisionError
from xpbench.experiment import Experiment, register


class Hands:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = datetime.fromtimestamp(START + 10 * DAY, UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def experiment(tmp_path: Path, hands: Hands) -> Experiment:
    return register(plan(), tmp_path, clock=hands)


def read(experiment: Experiment, frame: pd.DataFrame) -> Readout:
    found = experiment.readout(xp.events(frame), further_health="off")
    assert isinstance(found, Readout)
    return found


def gates(readout: Readout) -> list[str]:
    return [c.name for c in readout.health if c.blocks]


def loud(readout: Readout) -> dict[str, str]:
    return {c.name: c.status for c in readout.health if c.status in ("warn", "fail")}


def test_another_experiment_is_refused_or_invalid(experiment: Experiment, tmp_path: Path) -> None:
    """A log that does not name this one is refused with the name that it has; nothing goes on record."""
    before = len(experiment.ledger.entries())
    other = log().replace({"Experiment name": {"t": "checkout"}})
    with pytest.raises(DataError, match="checkout"):
        read(experiment, other)
    assert len(experiment.ledger.entries()) == before
    metrics = [{"key": "views", "kind": "column", "column": "views", "role": "primary"}]
    table = register(plan(key="table", metrics=metrics), tmp_path)
    frame = pd.DataFrame({"distinct_id": range(3000), "variant": ["a", "b", "x", "y", "x", "y"] * 500, "views": 1.0})
    frame["views"] += frame.distinct_id % 7
    found = table.readout(xp.units(frame))
    assert isinstance(found, Readout)
    assert gates(found) == ["unknown_variant"]
    assert found.recommendation.outcome == "invalid"
    with pytest.raises(DataError, match="XPB-D08"):
        table.readout(xp.units(frame.assign(variant="x")))


def test_data_that_shrank_is_invalid_and_on_record(experiment: Experiment, hands: Hands) -> None:
    """A fifth of the control is gone since the last look: a gate, in readout and ledger."""
    full = log()
    assert "shrunk_data" not in loud(read(experiment, full))
    hands.now += timedelta(hours=1)
    gone = [f"u{i}" for i in range(300)]
    found = read(experiment, full[~full.distinct_id.isin(gone)])
    assert gates(found) == ["shrunk_data"]
    assert found.stamps == ("INVALID", "PLANNED AFTER THE DATA", "MORE LOOKS THAN PLANNED")
    assert found.recommendation.outcome == "invalid"
    body = experiment.ledger.entries()[-1].body
    assert "shrunk_data" in body["health"]["gates"]


def test_other_data_of_the_same_size_is_told(experiment: Experiment) -> None:
    """As many units, but another beginning: not the data of the look before."""
    read(experiment, log())
    moved: Any = log()
    moved.loc[moved.event == "$experiment_started", "time"] -= 3600
    assert loud(read(experiment, moved))["shrunk_data"] == "warn"


def test_clock_that_goes_backwards_is_told(experiment: Experiment, hands: Hands) -> None:
    """An hour back: the ledger keeps its order, the check says it; three days back: the data lies in the future, invalid."""
    read(experiment, log())
    hands.now -= timedelta(hours=1)
    found = read(experiment, log())
    assert loud(found)["clock"] == "warn"
    entries = experiment.ledger.entries()
    assert [e.seq for e in entries] == sorted(e.seq for e in entries)
    assert entries[-1].at < entries[-2].at
    hands.now -= timedelta(days=3)
    assert "clock" in gates(read(experiment, log()))


def test_plan_amended_between_looks(experiment: Experiment) -> None:
    """The next look says what changed and what had been seen; a handle from before acts under the new plan."""
    first = read(experiment, log())
    metrics = [{"key": "views", "kind": "count", "event": "View", "role": "primary", "direction": "increase", "window_days": 2}]
    amended = experiment.amend(plan(metrics=metrics), reason="shorter window", by="ana")
    found = read(amended, log())
    assert [(d["pointer"], d["class"]) for d in found.deviations] == [
        ("/metrics/[views]/window_days", "amendment after effects")
    ]
    assert found.stamps == ("PLANNED AFTER THE DATA", "AMENDED AFTER EFFECTS")
    stale = read(experiment, log())
    assert stale.plan_digest == amended.plan.digest
    assert {d["class"] for d in stale.deviations} == {"amendment after effects"}
    with pytest.raises(DecisionError, match="XPB-R05"):
        amended.decide(first, "iterate", because="x", by="ana")
