"""The drift lock on record: a metric that computes something else since it was registered makes a readout exploratory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.decide import sealed
from xpbench.decide.drift import drift_lock as locking
from xpbench.decide.drift import golden
from xpbench.decide.readout import Readout
from xpbench.experiment import Experiment, open_experiment, register


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts as a new process would."""
    monkeypatch.setattr(locking, "_KEPT", {})


def opened(experiment: Experiment) -> Readout:
    found = experiment.readout(sealed.summary(4000))
    assert isinstance(found, Readout)
    return found


def drifted(monkeypatch: pytest.MonkeyPatch, by: float = 1.01) -> None:
    """What a new version of the code does to `done`: the same definition, another value."""
    honest = golden.golden_values

    def changed(plan: Any) -> dict[str, float | None]:
        values = honest(plan)
        assert values["done"] is not None
        return {**values, "done": values["done"] * by}

    monkeypatch.setattr(golden, "golden_values", changed)
    monkeypatch.setattr(locking, "_KEPT", {})


def test_registration_records_definition_and_golden_value(tmp_path: Path) -> None:
    """Both parts of the lock stand in the first entry, with a value that is not empty."""
    experiment = register(sealed.plan(), tmp_path)
    (entry,) = experiment.ledger.entries()
    assert set(entry.body["locks"]) == {"done", "errors"}
    for lock in entry.body["locks"].values():
        assert len(lock["definition"]) == len(lock["digest"]) == 64
        assert lock["golden"] > 0


def test_nothing_drifts_while_the_code_stays(tmp_path: Path) -> None:
    """A readout of an unchanged installation, in a new process, has no deviation."""
    register(sealed.plan(), tmp_path)
    locking._KEPT.clear()
    assert opened(open_experiment("sealed", tmp_path)).deviations == ()


def test_drift_is_an_undeclared_deviation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named with both values, and the readout is stamped; the decision's memo carries it."""
    experiment = register(sealed.plan(), tmp_path)
    drifted(monkeypatch)
    readout = opened(experiment)
    (deviation,) = readout.deviations
    assert (deviation["pointer"], deviation["class"]) == ("/metrics/[done]", "undeclared")
    assert "golden value" in deviation["before"]
    assert deviation["before"] != deviation["after"]
    assert readout.stamps == ("EXPLORATORY",)
    experiment.decide(readout, "iterate", because="the metric changed under us", by="ana")
    page = experiment.memo().html
    assert "EXPLORATORY" in page
    assert "golden value" in page


def test_a_wobble_in_the_last_digits_is_no_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine may add in another order."""
    experiment = register(sealed.plan(), tmp_path)
    drifted(monkeypatch, by=1 + 1e-14)
    assert opened(experiment).stamps == ()


def test_an_amendment_of_something_else_does_not_launder_a_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first lock of an unchanged definition holds; a definition that was amended gets a new one."""
    experiment = register(sealed.plan(), tmp_path)
    drifted(monkeypatch)
    experiment = experiment.amend(sealed.plan(title="Another"), reason="typo")
    assert [d["pointer"] for d in opened(experiment).deviations if d["class"] == "undeclared"] == ["/metrics/[done]"]
    metrics = [m.model_dump(mode="json", exclude_none=True) for m in sealed.plan().metrics]
    metrics[0]["event"] = "Finished"
    experiment = experiment.amend(sealed.plan(title="Another", metrics=metrics), reason="the event was renamed")
    assert "undeclared" not in {d["class"] for d in opened(experiment).deviations}


def test_ledgers_without_locks_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older version registered has nothing to compare with."""
    monkeypatch.setattr(locking, "_KEPT", {})
    monkeypatch.setattr("xpbench.experiment.registering.recorded", lambda plan: {})
    experiment = register(sealed.plan(), tmp_path)
    drifted(monkeypatch)
    assert opened(experiment).deviations == ()
