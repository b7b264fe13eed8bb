"""Outcomes edited by hand between two looks: moved between variants, or changed little by little."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xpbench as xp
from benchmarks.tricks import Analyst, analyst
from xpbench.cli import main


def hands(root: Path, source: str, kind: str) -> Analyst:
    a = analyst(7, root)
    a.source = source
    a.model = {
        "fixed": {"kind": "frequentist"},
        "group": {"kind": "group_sequential", "looks": [0.5, 1.0]},
        "sequential": {"kind": "sequential", "min_units": 100, "n_opt": a.n},
    }[kind]
    return a


def swapped(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    """As many conversions taken from the control as given to the treatment."""
    out = frame.copy()
    out.loc[out.index[(out.variant == "control") & (out.y == 1)][:count], "y"] = 0
    out.loc[frame.index[(frame.variant == "beta") & (frame.y == 0)][:count], "y"] = 1
    return out


def outcome(readout: Any) -> Any:
    return next(c for c in readout.health if c.name == "restated_outcomes")


@pytest.mark.parametrize("source", ["table", "log"])
@pytest.mark.parametrize("kind", ["fixed", "group", "sequential"])
def test_outcomes_that_move_between_variants_fail_though_their_sum_stays(tmp_path: Path, source: str, kind: str) -> None:
    a = hands(tmp_path, source, kind)
    e, frame = a.register(), a.world(0.0)
    e.readout(a.read(frame))
    readout = e.readout(a.read(swapped(frame, 60)))
    found = outcome(readout)
    assert found.status == "fail"
    assert "one variant" in found.meaning
    assert "INVALID" in readout.stamps
    assert "beta" not in found.meaning  # it may be said under a seal


def test_a_table_without_days_shows_what_one_variant_lost(tmp_path: Path) -> None:
    a = hands(tmp_path, "table", "group")
    e, frame = a.register(), a.world(0.0)
    e.readout(a.read(frame, day=False))
    assert outcome(e.readout(a.read(swapped(frame, 60), day=False))).status == "fail"


@pytest.mark.parametrize("source", ["table", "log"])
def test_little_by_little_is_no_way_around(tmp_path: Path, source: str) -> None:
    a = hands(tmp_path, source, "sequential")
    e, frame = a.register(), a.world(0.0)
    seen = []
    for _ in range(8):
        seen.append(outcome(e.readout(a.read(frame))))
        frame = frame.copy()
        frame.loc[frame.index[(frame.variant == "control") & (frame.y == 1)][:5], "y"] = 0
    assert seen[1].status == "pass"
    assert seen[-1].status == "fail"
    assert "Since the look of 2026-03-06" in seen[-1].meaning


def test_a_late_sale_of_a_small_variant_is_no_restatement(tmp_path: Path) -> None:
    a = hands(tmp_path, "log", "sequential")
    e, frame = a.register(), a.world(0.0)
    frame["y"] = (frame.index % 100 == 0).astype(int)
    e.readout(a.read(frame))
    late = frame.copy()
    late.loc[late.index[(late.variant == "beta") & (late.y == 0)][:1], "y"] = 1
    assert outcome(e.readout(a.read(late))).status != "fail"


def test_more_units_change_nothing(tmp_path: Path) -> None:
    a = hands(tmp_path, "table", "sequential")
    e, frame = a.register(), a.world(0.0)
    e.readout(a.read(frame.iloc[: len(frame) // 2]))
    assert outcome(e.readout(a.read(frame))).status in ("pass", "not answerable")


def test_a_sealed_look_and_a_peek_put_nothing_by_variant_on_record(tmp_path: Path) -> None:
    a = hands(tmp_path, "table", "group")
    e, frame = a.register(horizon={"units": 9 * a.n}), a.world(0.0)
    e.readout(a.read(frame))
    e.peek(a.read(frame), reason="curious")
    assert all("outcomes_by" not in entry.body for entry in e.ledger.entries())


def test_a_csv_edited_by_hand_fails_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = hands(tmp_path, "table", "sequential")
    a.register()
    frame = a.world(0.0).drop(columns="at")
    file = tmp_path / "units.csv"
    command = ["readout", "beta", "--units", str(file), "--root", str(tmp_path), "--variant-column", "variant", "--json"]
    frame.to_csv(file, index=False)
    main(command)
    capsys.readouterr()
    swapped(frame, 60).to_csv(file, index=False)
    main(command)
    told = json.loads(capsys.readouterr().out)
    assert next(c["status"] for c in told["health"] if c["name"] == "restated_outcomes") == "fail"


def test_a_table_of_users_in_companies_is_compared_column_by_column(tmp_path: Path) -> None:
    from tests.data.test_members import plan_of, world

    e, frame = xp.register(plan_of(), tmp_path), world().assign(size="small")
    e.readout(xp.units(frame))
    again = e.readout(xp.units(frame), segments=["size"])
    assert "MORE LOOKS THAN PLANNED" not in again.stamps
    assert e.status().looks == 1
    assert e.ledger.entries()[-1].body["content"].keys() >= {"", "company", "size", "x", "y", "z"}
    edited = frame.assign(y=frame.y.where(frame.index % 3 > 0, 0.0))
    assert outcome(e.readout(xp.units(edited))).status == "fail"


def test_moments_of_companies_made_by_another_plan_are_refused(tmp_path: Path) -> None:
    from tests.data.test_members import plan_of, world
    from xpbench.errors import DecisionError

    e = xp.register(plan_of(), tmp_path)
    document = plan_of().to_dict()
    document["metrics"][0]["column"] = "z"
    with pytest.raises(DecisionError, match="XPB-R35"):
        e.readout(xp.units(world()).summarize(xp.Plan(**document)))


def test_a_zone_that_was_given_is_kept_though_it_is_the_usual_one(tmp_path: Path) -> None:
    from xpbench.experiment.reading import carried

    a = hands(tmp_path, "log", "sequential")
    e, source = a.register(), a.read(a.world(0.1))
    e.readout(xp.events(source.log, schema=source.schema, time_zone="Europe/London", clock=a.clock))
    look = e.ledger.entries()[-1]
    assert carried(look, xp.events(source.log)).time_zone == "Europe/London"
    assert carried(look, xp.events(source.log, time_zone="UTC")).time_zone == "UTC"
