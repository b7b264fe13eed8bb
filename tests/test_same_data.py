"""A table in memory is the same data whatever columns a look took of it; other values, rows or ids are other data."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import xpbench as xp
from tests.builders import claim, make_plan, split
from xpbench.canonical import canonical_bytes
from xpbench.ledger.knowledge import same_data

N = 1_200
FORMS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "duckdb": lambda frame: duckdb.connect().from_arrow(pa.Table.from_pandas(frame, preserve_index=False)),
}


def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "user": [f"u{i}" for i in range(N)],
            "variant": rng.choice(["a", "b"], N),
            "y": rng.integers(0, 2, N).astype(float),
            "z": rng.normal(10, 2, N).round(2),
            "plan": rng.choice(["free", "paid"], N),
            "day": "2027-01-01",
        }
    )


def log(frame: pd.DataFrame) -> pd.DataFrame:
    at = pd.Timestamp("2027-01-02T10:00:00")
    shown = pd.DataFrame(
        {
            "event": "$experiment_started",
            "time": at,
            "distinct_id": frame.user,
            "Experiment name": "t",
            "Variant name": frame.variant,
            "plan": frame.plan,
        }
    )
    does = frame[frame.y == 1]
    done = pd.DataFrame({"event": "Done", "time": at + pd.Timedelta(hours=1), "distinct_id": does.user, "amount": does.z})
    end = pd.DataFrame({"event": ["Other"], "time": [at + pd.Timedelta(days=9)], "distinct_id": ["zz"]})
    return pd.concat([shown, done, end], ignore_index=True)


def plan(kind: str) -> xp.Plan:
    y: dict[str, Any] = {"key": "y", "role": "primary", "direction": "increase"}
    y |= {"kind": "column", "column": "y"} if kind == "table" else {"kind": "sum", "event": "Done", "property": "amount"}
    return make_plan(
        [y if kind == "table" else y | {"window_days": 2}],
        key="t",
        owner="ana",
        hypothesis=claim([{"metric": "y", "direction": "increase"}], change="i"),
        variants=split("a", "b"),
        unit="user" if kind == "table" else "distinct_id",
        horizon={"units": N - 100},
    )


def source(kind: str, form: str, frame: pd.DataFrame, **options: Any) -> Any:
    made = FORMS[form](frame if kind == "table" else log(frame))
    return xp.units(made, variant="variant", **options) if kind == "table" else xp.events(made)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["table", "log"])
def test_further_columns_are_no_further_look_and_other_values_are(tmp_path: Path, kind: str, form: str) -> None:
    experiment = xp.register(plan(kind), tmp_path)
    frame = table()
    first = experiment.readout(source(kind, form, frame))
    assert "MORE LOOKS THAN PLANNED" not in first.stamps
    again = experiment.readout(source(kind, form, frame), segments=["plan"])
    assert "MORE LOOKS THAN PLANNED" not in again.stamps
    assert "EXPLORATORY" in again.stamps
    third = experiment.readout(source(kind, form, frame.sample(frac=1, random_state=1)))  # the same rows in another order
    assert "MORE LOOKS THAN PLANNED" not in third.stamps
    assert experiment.status().looks == 1
    experiment.decide(first, "iterate", because="b", by="ana")
    report = xp.verify(experiment.memo().save(tmp_path / "memo.html"))
    assert report.status == "verified", report
    assert experiment.ledger.entries()[-1].body["later_looks"] == []
    changed = frame.assign(y=frame.y.where(frame.index > 3, 1 - frame.y))
    assert "MORE LOOKS THAN PLANNED" in experiment.readout(source(kind, form, changed), segments=["plan"]).stamps
    assert experiment.status().looks == 2


def test_a_column_that_came_in_later_is_the_same_data_and_a_dropped_row_is_not(tmp_path: Path) -> None:
    experiment = xp.register(plan("table"), tmp_path)
    frame = table()
    experiment.readout(xp.units(frame, variant="variant"))
    wider = frame.assign(further=frame.z > 10)
    assert "MORE LOOKS THAN PLANNED" not in experiment.readout(xp.units(wider, variant="variant"), segments=["further"]).stamps
    with_days = experiment.readout(xp.units(frame, variant="variant", day="day"))
    assert "MORE LOOKS THAN PLANNED" not in with_days.stamps
    assert "MORE LOOKS THAN PLANNED" in experiment.readout(xp.units(frame[1:], variant="variant")).stamps


def test_a_segment_that_was_edited_between_two_looks_is_other_data(tmp_path: Path) -> None:
    experiment = xp.register(plan("table"), tmp_path)
    frame = table()
    experiment.readout(xp.units(frame, variant="variant"))
    experiment.readout(xp.units(frame, variant="variant"), segments=["plan"])
    edited = frame.assign(plan=np.where(frame.index < 9, "paid", frame.plan))
    assert "MORE LOOKS THAN PLANNED" in experiment.readout(xp.units(edited, variant="variant"), segments=["plan"]).stamps


def test_a_claim_of_the_same_data_is_derived_again(tmp_path: Path) -> None:
    """`same_data` of a look, by which fewer looks are counted, must follow from the digests of its columns."""
    from xpbench.verifier.bound import check_bound
    from xpbench.verifier.report import Notes

    experiment = xp.register(plan("table"), tmp_path)
    frame = table()
    readout = experiment.readout(xp.units(frame, variant="variant"))
    experiment.readout(xp.units(frame, variant="variant"), segments=["plan"])
    experiment.decide(readout, "iterate", because="b", by="ana")
    payload = experiment.memo().to_dict()
    entries = [json.loads(line) for line in payload["ledger"]["lines"]]
    assert entries[2]["body"]["same_data"] == entries[1]["body"]["fingerprint"]
    for change in ({"": "0" * 32}, {"y": "0" * 32}, None):
        forged = copy.deepcopy(entries)
        if change is None:
            forged[2]["body"]["same_data"] = "f" * 64
        else:
            forged[2]["body"]["content"] |= change
        notes = Notes()
        check_bound(notes, payload, forged)
        assert any("look of entry 3, data" in str(d) for d in notes.differences), change
    notes = Notes()
    check_bound(notes, payload, entries)
    assert not notes.differences
    assert canonical_bytes(entries[2]["body"]["content"])


def test_entries_of_earlier_releases_have_no_content(tmp_path: Path) -> None:
    experiment = xp.register(plan("table"), tmp_path)
    experiment.readout(xp.units(table(), variant="variant"))
    entries = experiment.ledger.entries()
    assert same_data(entries, {"fingerprint": "x"}) == ""
    assert same_data(entries, {"fingerprint": "x", "content": {"y": "1"}}) == ""
    assert same_data((), {"fingerprint": "x", "content": {"": "1"}}) == ""
