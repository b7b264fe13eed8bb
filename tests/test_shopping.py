"""Choosing among readings, ends and plans under designs that pay for looks at data that grow: the headline says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from benchmarks.tricks import Analyst, analyst, seen, ship
from xpbench.errors import DecisionError

MORE = "Ship beta, at one of more looks than the plan allows for"


def hands(root: Path, source: str, kind: str) -> Analyst:
    a = analyst(7, root)
    a.source = source
    group = {"kind": "group_sequential", "looks": [0.5, 1.0]}
    a.model = group if kind == "group" else {"kind": "sequential", "min_units": 100, "n_opt": a.n}
    return a


@pytest.mark.parametrize("option", [{"duplicates": "keep"}, {"time_zone": "Pacific/Kiritimati"}])
def test_a_log_is_read_in_another_way(tmp_path: Path, option: dict[str, Any]) -> None:
    def life(a: Analyst) -> Any:
        e, frame = a.register(), a.world(0.1)
        e.readout(a.read(frame))
        return ship(e, e.readout(replace(a.read(frame), **option)))

    assert seen(life, hands(tmp_path, "log", "sequential")) == (True, MORE)


def test_a_log_is_read_up_to_an_earlier_day(tmp_path: Path) -> None:
    def life(a: Analyst) -> Any:
        e, frame = a.register(), a.world(0.1)
        e.readout(a.read(frame, until="2026-01-30"))
        return ship(e, e.readout(a.read(frame, until="2026-01-28")))

    assert seen(life, hands(tmp_path, "log", "group")) == (True, MORE)


def test_an_older_export_is_taken_out_again(tmp_path: Path) -> None:
    def life(a: Analyst) -> Any:
        e, frame = a.register(), a.world(0.1)
        other = frame.assign(z=frame.z.where(frame.index > 20, 1 - frame.z))
        e.readout(a.read(frame))
        e.readout(a.read(other))
        return ship(e, e.readout(a.read(frame)))

    assert seen(life, hands(tmp_path, "table", "sequential")) == (True, MORE)


def test_a_look_is_declared_the_last_after_it_was_seen(tmp_path: Path) -> None:
    def life(a: Analyst) -> Any:
        e, frame = a.register(horizon={"units": int(a.n * 1.9)}), a.world(0.1)
        e.readout(a.read(frame))
        return ship(e, e.readout(a.read(frame), last="The budget ended."))

    assert seen(life, hands(tmp_path, "table", "group")) == (True, MORE)


def test_an_end_that_was_declared_before_anything_was_seen_is_no_choice(tmp_path: Path) -> None:
    a = hands(tmp_path, "table", "group")
    e = a.register(horizon={"units": int(a.n * 1.9)})
    assert "MORE LOOKS THAN PLANNED" not in e.readout(a.read(a.world(0.1)), last="The budget ended.").stamps


def test_moments_of_another_plan_are_refused(tmp_path: Path) -> None:
    a = hands(tmp_path, "table", "sequential")
    e, source = a.register(), a.read(a.world(0.1))
    document = a.plan().to_dict()
    document["metrics"][0]["column"] = "z"
    with pytest.raises(DecisionError, match="XPB-R35"):
        e.readout(source.summarize(xp.Plan(**document)))
    margin = e.plan.to_dict()
    margin["metrics"][2]["margin"] = 0.3
    e.readout(source.summarize(xp.Plan(**margin)))  # how numbers are judged is not which they are
