"""What changed since the look before, derived from the ledger: alike in honest and dishonest lives, and nothing is believed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from benchmarks.tricks import Analyst
from tests.health.test_other_units import alike, hands
from xpbench.verifier.growth import check_growth
from xpbench.verifier.report import Notes

Looks = Callable[[Analyst], list[pd.DataFrame]]


def again(a: Analyst) -> list[pd.DataFrame]:
    frame = alike(a, 0.1)
    return [frame[: len(frame) // 2], frame]


def lost(a: Analyst) -> list[pd.DataFrame]:
    frame = alike(a, 0.1)
    return [frame, frame.drop(frame.index[::50])]


def barely_lost(a: Analyst) -> list[pd.DataFrame]:
    frame = alike(a, 0.1)
    return [frame, frame.drop(frame.index[5:8])]


def moved(a: Analyst) -> list[pd.DataFrame]:
    frame = alike(a, 0.1)
    return [frame, frame.assign(at=frame["at"] - pd.Timedelta(days=3))]


def others(a: Analyst) -> list[pd.DataFrame]:
    return [alike(a, 0.0), alike(a, 0.1)]


def gone(a: Analyst) -> list[pd.DataFrame]:
    frame = alike(a, 0.0)
    return [frame, frame.assign(y=np.where(frame.index % 7 == 0, 0, frame.y))]


def swapped(a: Analyst) -> list[pd.DataFrame]:
    frame = alike(a, 0.0)
    other = frame.copy()
    other.loc[frame.index[(frame.variant == "control") & (frame.y == 1)][:60], "y"] = 0
    other.loc[frame.index[(frame.variant == "beta") & (frame.y == 0)][:60], "y"] = 1
    return [frame, other]


def grown(a: Analyst) -> list[pd.DataFrame]:
    frame = alike(a, 0.0)
    return [frame, frame.assign(y=np.where(frame.index % 3 == 0, 1, frame.y))]


def little_by_little(a: Analyst) -> list[pd.DataFrame]:
    frame = alike(a, 0.0)
    ones = frame.index[frame.y == 1]
    return [frame.assign(y=frame.y.where(~frame.index.isin(ones[: k * len(ones) // 30]), 0)) for k in range(4)]


LIVES: dict[str, tuple[Looks, str, str, str]] = {
    "once": (lambda a: [alike(a, 0.1)], "both", "not answerable", "not answerable"),
    "growth": (again, "both", "pass", ""),
    "lost": (lost, "both", "fail", ""),
    "barely lost": (barely_lost, "both", "warn", ""),
    "older data": (moved, "table", "warn", ""),
    "other units": (others, "both", "fail", ""),
    "gone": (gone, "both", "pass", "fail"),
    "swapped": (swapped, "both", "pass", "fail"),
    "grown": (grown, "table", "pass", "warn"),
    "little by little": (little_by_little, "both", "pass", "fail"),
}


def read(life: Looks, root: Path, source: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Payload-like readout and entries of an experiment whose last look is the one that is asked about."""
    a = hands(root, source)
    e = a.register()
    readout = None
    for frame in life(a):
        readout = e.readout(a.read(frame))
    assert readout is not None
    entries = [json.loads(line) for line in e.ledger.path.read_text("utf-8").splitlines()]
    return {"readout": json.loads(json.dumps(readout.to_dict()))}, entries


def check(payload: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in payload["readout"]["health"] if c["name"] == name)


def differences(payload: dict[str, Any], entries: list[dict[str, Any]]) -> list[str]:
    notes = Notes()
    check_growth(notes, payload, entries, is_own=True)
    assert notes.checked or notes.differences
    return [d.part for d in notes.differences]


@pytest.mark.parametrize("source", ["table", "log"])
@pytest.mark.parametrize("name", LIVES)
def test_both_implementations_say_the_same(tmp_path: Path, name: str, source: str) -> None:
    life, where, shrunk, stays = LIVES[name]
    if where != "both" and where != source:
        pytest.skip("the other source")
    payload, entries = read(life, tmp_path, source)
    assert check(payload, "shrunk_data")["status"] == shrunk
    assert check(payload, "restated_outcomes")["status"] == (stays or check(payload, "restated_outcomes")["status"])
    assert differences(payload, entries) == []


FORGED: dict[str, tuple[Looks, str, Callable[[dict[str, Any]], Any], Callable[[dict[str, Any]], Any]]] = {
    "a failure that passes": (lost, "shrunk_data", lambda c: c.update(status="pass"), lambda b: None),
    "a sentence": (lost, "shrunk_data", lambda c: c.update(meaning=c["meaning"].replace("2.", "0.")), lambda b: None),
    "a number": (again, "shrunk_data", lambda c: c["evidence"].update(sampled_gone=9), lambda b: None),
    "other units that pass": (
        others,
        "shrunk_data",
        lambda c: c.update(status="pass", meaning="No variant has fewer units than at the look before."),
        lambda b: None,
    ),
    "outcomes that stayed": (
        gone,
        "restated_outcomes",
        lambda c: c.update(status="pass", meaning="The outcomes of mature units are those of the look before."),
        lambda b: None,
    ),
    "how many are gone": (
        gone,
        "restated_outcomes",
        lambda c: c.update(meaning=c["meaning"].replace("then, ", "then, 1")),
        lambda b: None,
    ),
    "sums on record that the moments don't have": (
        again,
        "restated_outcomes",
        lambda c: None,
        lambda b: b["outcomes_of"]["y"].update(sum=1.0),
    ),
    "sums by variant that the moments don't have": (
        again,
        "restated_outcomes",
        lambda c: None,
        lambda b: b["outcomes_by"]["y"]["beta"].update(sum=1.0),
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_nothing_of_it_is_taken_on_trust(tmp_path: Path, name: str) -> None:
    """Whoever rebuilds the ledger can give every digest; what the looks on record say gives the rest away."""
    life, of, change, forge = FORGED[name]
    payload, entries = read(life, tmp_path, "table")
    payload, entries = copy.deepcopy(payload), copy.deepcopy(entries)
    change(check(payload, of))
    forge(entries[-1]["body"])
    assert differences(payload, entries), name


def test_another_release_is_not_judged_by_the_limits_of_this_one(tmp_path: Path) -> None:
    payload, entries = read(lost, tmp_path, "table")
    check(payload, "shrunk_data")["status"] = "pass"
    notes = Notes()
    check_growth(notes, payload, entries, is_own=False)
    assert not notes.differences


def test_a_memo_of_several_looks_verifies_in_full(tmp_path: Path) -> None:
    a = hands(tmp_path, "log")
    e = a.register()
    for frame in again(a):
        readout = e.readout(a.read(frame))
    e.decide(readout, "ship", variant="beta", because="As planned.", by="ana")
    report = xp.verify(e.memo().save(tmp_path / "memo.html"))
    assert report.exit_code == 0, report
    assert any("since the look before" in c for c in report.checked)
