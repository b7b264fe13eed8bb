"""Experiments seen in a log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xpbench as xp
from tests.data.logs import DAY, SECOND, START, event, frame_of, lines_of
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
    assert repr(new) == "SeenExperiment('new', 1 unit: 'x' 1)"


def several(form: str, separator: str = ":") -> list[dict[str, Any]]:
    """The log with both experiments in one event, and what Mixpanel's libraries and others add."""
    out = []
    for e in LOG:
        p = dict(e["properties"])
        if e["event"] == "$experiment_started":
            name, variant = p.pop("Experiment name"), p.pop("Variant name")
            p |= {"$os": "x", "mp_lib": "python", "plan": 5, "page": f"/{e['u']}{e['t']}"}
            more = {"odd" + separator + "name" if form == "list" else "odd": "z"}
            if form == "list":
                p["Experiments"] = [f"{k}{separator}{v}" for k, v in {name: variant, **more}.items()] + ["no separator"]
            else:
                p |= {name: variant, **more}
        out.append({**e, "properties": p})
    return out


@pytest.mark.parametrize("separator", [":", ".", "|", "=>"])
def test_a_list_of_experiments_in_one_event(separator: str) -> None:
    how = Exposure(format="list", list_separator=separator)
    seen = {e.name: e for e in xp.experiments(xp.events(frame_of(several("list", separator))), exposure=how)}
    assert set(seen) == {"old", "new", "odd"}
    for expected in xp.experiments(xp.events(frame_of(LOG))):
        assert seen[expected.name] == expected
    assert seen["odd"].ambiguous == (f"name{separator}z",)  # an experiment 'odd' with such a variant, or 'odd:name' with z?
    assert (seen["odd"].units, seen["odd"].exposures) == (2, 5)
    assert [e.name for e in xp.experiments(xp.events(frame_of(several("list", separator))), exposure=how, names=["new"])] == [
        "new"
    ]


def test_a_dictionary_of_experiments_in_one_event(tmp_path: Path) -> None:
    log = several("dictionary")
    for i in range(30):  # a text property with many values is no experiment
        log.append(started(f"v{i}", START + i, "", None, page=f"/{i}"))
    (tmp_path / "log.jsonl").write_text(lines_of([{**e, "t": e["t"] // SECOND * SECOND} for e in log]))
    how = Exposure(format="dictionary")
    for source in (xp.events(frame_of(log)), xp.events(tmp_path / "log.jsonl")):
        seen = {e.name: e for e in xp.experiments(source, exposure=how)}
        assert {"old", "new", "odd"} <= set(seen) <= {"old", "new", "odd", "Experiment name"}
        for expected in xp.experiments(xp.events(frame_of(LOG))):
            assert seen[expected.name].variants == expected.variants
            assert (seen[expected.name].switchers, seen[expected.name].qa_exposures) == (
                expected.switchers,
                expected.qa_exposures,
            )
        (odd,) = xp.experiments(source, exposure=how, names=["odd"])
        assert odd.variants == {"z": 2}
    flat = frame_of(log).drop(columns="properties").join(pd.DataFrame([e["properties"] for e in log]))
    assert {"old", "new", "odd"} <= {e.name for e in xp.experiments(xp.events(flat), exposure=how)}


def test_no_exposures_and_nothing_named() -> None:
    source = xp.events(frame_of(LOG[-1:]))
    with pytest.raises(DataError, match="XPB-D37"):
        xp.experiments(source)
    with pytest.raises(DataError, match="XPB-D39") as caught:
        xp.experiments(xp.events(frame_of(LOG)), exposure=Exposure(format="list"))
    assert "list property 'Experiments'" in str(caught.value)
    with pytest.raises(DataError, match="XPB-D39"):
        xp.experiments(xp.events(frame_of(LOG)), names=["neww"])


def test_a_path_and_a_frame_are_read_as_a_log(tmp_path: Path) -> None:
    frame = frame_of(LOG)
    frame.to_parquet(tmp_path / "log.parquet")
    expected = xp.experiments(xp.events(frame))
    assert xp.experiments(str(tmp_path / "log.parquet")) == expected
    assert xp.experiments(tmp_path / "log.parquet") == expected
    assert xp.experiments(frame) == expected
