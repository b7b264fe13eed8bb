"""What was read is part of the look: files, end, zone, columns and policies, carried into reading again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, plan_document, split
from xpbench.cli import main
from xpbench.demo.run import run_demo
from xpbench.errors import DecisionError

PLAN = plan_document(
    [column("y")], key="read", owner="o", change="i", variants=split("a", "b"), unit="user", horizon={"units": 500}
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    n = 1200
    frame = pd.DataFrame({"id": [f"u{i}" for i in range(n)], "v": rng.integers(0, 2, n), "y": rng.normal(size=n)})
    frame["when"] = [f"2027-01-{1 + i % 20:02}" for i in range(n)]
    frame["other"] = rng.permutation(frame["v"])  # as many units each
    path = tmp_path / "data" / "units.csv"
    path.parent.mkdir()
    frame.to_csv(path, index=False)
    return path


def source(table: Path, **more: object) -> object:
    return xp.units(str(table), unit="id", variant="v", variants={0: "a", 1: "b"}, **more)


@pytest.fixture
def decided(tmp_path: Path, table: Path) -> xp.Experiment:
    experiment = xp.register(xp.Plan(**PLAN), tmp_path / "experiments")
    readout = experiment.readout(source(table))
    experiment.decide(readout, "ship none", because="Nothing.", by="ana")
    return experiment


def test_a_look_says_how_it_was_read(decided: xp.Experiment) -> None:
    look = next(e for e in decided.ledger.entries() if e.kind == "opened")
    assert look.body["reading"] == {
        "kind": "table",
        "files": ["data/units.csv"],  # seen from the folder that holds the root: nobody's machine
        "how": {"unit": "id", "variant": "v", "variants": {"0": "a", "1": "b"}},
    }
    assert "data/units.csv; unit in column id; variant in column v; 0 means a; 1 means b" in decided.memo().html


def test_the_demo_reproduces_from_its_own_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_demo(tmp_path / "demo", units=2_000)
    root = str(result.folder / "experiments")
    assert main(["reproduce", "beta-homepage", "--root", root]) == 0
    assert main(["reproduce", "beta-homepage", "--root", root, "--events", str(result.data)]) == 0
    assert "to the last digit" in capsys.readouterr().out
    moved = tmp_path / "moved"
    result.folder.rename(moved)
    experiment = xp.open_experiment("beta-homepage", moved / "experiments")
    assert experiment.reproduce().identical
    cells = [c["source"] for c in json.loads((moved / "explore.ipynb").read_text())["cells"] if c["cell_type"] == "code"]
    assert any("experiment.reproduce()" in "".join(c) for c in cells)


def test_what_is_not_said_is_taken_from_the_look(decided: xp.Experiment, table: Path) -> None:
    assert decided.reproduce().identical
    assert decided.reproduce(str(table)).identical
    assert decided.reproduce(xp.units(str(table), day="when")).differences  # what is said counts
    table.unlink()
    with pytest.raises(DecisionError, match=r"XPB-R32.*units\.csv|units\.csv"):
        decided.reproduce()


def test_a_look_at_a_frame_is_read_again_from_a_frame(tmp_path: Path, table: Path) -> None:
    frame = pd.read_csv(table)
    experiment = xp.register(xp.Plan(**PLAN), tmp_path / "experiments")
    readout = experiment.readout(xp.units(frame, unit="id", variant="v", variants={0: "a", 1: "b"}))
    experiment.decide(readout, "ship none", because="Nothing.", by="ana")
    with pytest.raises(DecisionError, match="XPB-R32"):
        experiment.reproduce()
    assert experiment.reproduce(frame).identical


def test_the_frozen_memo_keeps_its_bytes(decided: xp.Experiment, table: Path) -> None:
    frozen = decided.memo().html
    decided.readout(source(table))
    decided.health(source(table, day="when"))
    assert decided.memo().html == frozen
    to_date = decided.memo_to_date()
    assert to_date.html != frozen
    assert xp.verify(to_date.save(decided.folder / "to-date.html")).exit_code == 0
    decided.sign("Ben")
    assert "Ben" in decided.memo().html
    signed = decided.memo().html
    amended = decided.amend(decided.plan.changed(title="Another"), reason="words", by="ana")
    assert amended.memo().html == signed


def test_other_columns_are_other_looks(tmp_path: Path, table: Path) -> None:
    plan = {**PLAN, "model": {"kind": "sequential", "n_opt": 1000, "min_units": 100}}
    experiment = xp.register(xp.Plan(**plan), tmp_path / "experiments")
    assert experiment.readout(source(table)).stamps == ()
    assert experiment.readout(source(table)).stamps == ()  # the same data, read the same way: the same look
    assert experiment.status().looks == 1
    other = xp.units(str(table), unit="id", variant="other", variants={0: "a", 1: "b"})
    readout = experiment.readout(other)
    assert readout.stamps == ("INVALID", "MORE LOOKS THAN PLANNED")  # half of the units are in another variant
    assert [c.name for c in readout.health if c.status == "fail"] == ["shrunk_data"]
    assert readout.to_dict()["headline"].endswith("at one of more looks than the plan allows for")
    assert experiment.status().looks == 2
    experiment.decide(readout, "ship none", because="b", by="a")
    report = xp.verify(experiment.memo().save(tmp_path / "m.html"))
    assert report.exit_code == 0
    payload = json.loads(json.dumps(experiment.memo().to_dict()))
    payload["readout"]["stamps"] = []
    forged = tmp_path / "forged.json"
    forged.write_bytes(json.dumps(payload).encode())
    assert xp.verify(forged).exit_code in (1, 2)


def test_the_command_decides_on_what_the_newest_look_read(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(tmp_path / "experiments")
    xp.register(xp.Plan(**PLAN), root)
    names = ["--variant-name", "0=a", "--variant-name", "1=b"]
    read = ["--units", str(table), "--unit", "id", "--variant-column", "v", *names]
    assert main(["readout", "read", "--root", root, *read, "--agent", "assistant", "--by", "ana"]) == 0
    decide = ["decide", "read", "ship none", "--because", "Nothing.", "--by", "ana", "--root", root]
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    assert main(decide) == 2  # the file is another one by now
    assert "XPB-R33" in capsys.readouterr().err
    table.write_text("\n".join(lines) + "\n")
    assert main(["readout", "read", "--root", root, *read]) == 0
    assert main(decide) == 0
    experiment = xp.open_experiment("read", root)
    assert next(e for e in experiment.ledger.entries() if e.kind == "opened").agent == "assistant"
    capsys.readouterr()
    assert main(["memo", "read", "--root", root, "--to-date", "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["path"]).name == "memo-to-date.html"


def test_days_that_said_the_plan_came_later_are_not_forgotten(tmp_path: Path, table: Path) -> None:
    def clock() -> datetime:
        return datetime(2027, 3, 1, tzinfo=UTC)

    root = tmp_path / "experiments"
    xp.register(xp.Plan(**PLAN), root, clock=clock)
    experiment = xp.open_experiment("read", root, clock=clock)
    first = experiment.readout(source(table, day="when"))
    assert "PLANNED AFTER THE DATA" in first.stamps
    later = experiment.readout(source(table))
    assert "PLANNED AFTER THE DATA" in later.stamps
    experiment.decide(later, "ship none", because="b", by="a")
    assert "by a plan made after the data" in experiment.status().sentence
    assert xp.verify(experiment.memo().save(tmp_path / "m.html")).exit_code == 0
