"""Choosing among readings, ends and plans under designs that pay for looks at data that grow: the headline says so."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xpbench as xp
from benchmarks.tricks import BEFORE, START, Analyst, analyst, seen, ship, shop_among_plans
from tests.builders import claim
from xpbench.errors import DecisionError
from xpbench.memo.content import content

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


PLANS = "Ship beta, by one of several plans for the same units"


@pytest.mark.parametrize("source", ["table", "log"])
@pytest.mark.parametrize("kind", ["group", "sequential"])
def test_a_second_plan_asks_another_question_of_the_same_units(tmp_path: Path, source: str, kind: str) -> None:
    assert seen(shop_among_plans, hands(tmp_path, source, kind)) == (True, PLANS)
    page = content(xp.open_experiment("beta-2", tmp_path).memo().payload)
    told = next(s["means"] for s in page["stamps"] if s["word"] == "ONE OF SEVERAL PLANS")
    assert "beta (primary: y)" in told
    assert "no level is promised over all plans" in page["looks"]["cost"]
    assert "ONE OF SEVERAL PLANS" in xp.open_experiment("beta-2", tmp_path).status().stamps


def second(a: Analyst, key: str = "beta-2", **changes: Any) -> xp.Experiment:
    """Another plan of the root, registered before the data, on which `z` decides."""
    other = a.plan(**changes).to_dict()
    other["key"], other["metrics"][0]["role"], other["metrics"][1]["role"] = key, "secondary", "primary"
    other["hypothesis"] = claim([{"metric": "z", "direction": "increase"}], change="i")
    a.now = BEFORE
    return a.reopen(xp.register(xp.Plan(**other), a.root, by="ben", clock=a.clock).key)


def test_two_experiments_on_other_units_or_other_variants_of_the_same_units_share_nothing(tmp_path: Path) -> None:
    a = hands(tmp_path, "table", "sequential")
    first, other, frame = a.register(), second(a), a.world(0.1)
    first.readout(a.read(frame))
    assert "ONE OF SEVERAL PLANS" not in other.readout(a.read(frame, variant="other")).stamps  # assigned anew, as in a layer
    a.now = BEFORE
    third = second(a, "beta-3")
    assert "ONE OF SEVERAL PLANS" not in third.readout(a.read(a.world(0.1).assign(user=lambda f: "v" + f.user))).stamps


def test_a_sealed_reading_under_another_plan_showed_nothing(tmp_path: Path) -> None:
    a = hands(tmp_path, "table", "group")
    first, frame = a.register(horizon={"units": 9 * a.n}), a.world(0.1)
    assert first.readout(a.read(frame)).is_sealed
    assert "ONE OF SEVERAL PLANS" not in second(a).readout(a.read(frame)).stamps


def test_a_plan_with_other_words_alone_asks_the_same(tmp_path: Path) -> None:
    a = hands(tmp_path, "table", "sequential")
    frame = a.world(0.1)
    a.register().readout(a.read(frame))
    a.now = BEFORE
    twin = a.reopen(xp.register(a.plan(key="twin", title="The same once more"), a.root, by="ben", clock=a.clock).key)
    assert "ONE OF SEVERAL PLANS" not in twin.readout(a.read(frame)).stamps


def test_two_experiments_of_one_log_share_nothing(tmp_path: Path) -> None:
    a = hands(tmp_path, "log", "sequential")
    first, other = a.register(), second(a, "gamma")
    mine, frame = a.read(a.world(0.1)), a.world(0.1)
    theirs = a.read(frame)
    log = theirs.log.assign(
        properties=theirs.log.properties.str.replace('"Experiment name": "beta"', '"Experiment name": "gamma"')
    )
    both = replace(mine, log=pd.concat([mine.log, log], ignore_index=True))
    first.readout(both)
    assert "ONE OF SEVERAL PLANS" not in other.readout(both).stamps


def test_a_run_that_begins_after_the_other_has_ended_shares_nothing(tmp_path: Path) -> None:
    a = hands(tmp_path, "log", "sequential")
    early, late = a.world(0.1), a.world(0.1, first=START + timedelta(days=40)).assign(user=lambda f: "v" + f.user)
    a.register().readout(a.read(early, until="2026-01-30"))
    other = second(a, exposure={"experiment": "beta", "start": "2026-02-10"})
    both = replace(a.read(early), log=pd.concat([a.read(early).log, a.read(late).log], ignore_index=True))
    assert "ONE OF SEVERAL PLANS" not in other.readout(both).stamps


def test_what_another_plan_showed_is_in_the_ledger_and_can_not_be_taken_out_of_a_memo(tmp_path: Path) -> None:
    a = hands(tmp_path, "table", "sequential")
    e = shop_among_plans(a)
    look = next(entry for entry in e.ledger.entries() if entry.kind == "opened")
    first = xp.open_experiment("beta", tmp_path).ledger.entries()
    shown = next(entry for entry in first if entry.kind == "opened")
    assert look.body["shared"] == [{"key": "beta", "seq": shown.seq, "digest": shown.digest, "primary": ["y"]}]
    payload = e.memo().payload
    payload["readout"]["stamps"] = [s for s in payload["readout"]["stamps"] if s != "ONE OF SEVERAL PLANS"]
    from xpbench.verifier.first import check_first
    from xpbench.verifier.report import Notes

    notes = Notes()
    check_first(notes, payload, [json.loads(line) for line in payload["ledger"]["lines"]])
    assert any("stamps about the plan" in str(d) for d in notes.differences)
