"""What the command line says of data is read as it says, in a first look and in reading again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import xpbench as xp
from tests.builders import make_plan, split
from xpbench.cli import main


def plan(kind: str) -> xp.Plan:
    y = {"key": "y", "role": "primary", "direction": "increase"}
    y |= {"kind": "column", "column": "y"} if kind == "table" else {"kind": "count", "event": "Done", "window_days": 2}
    return make_plan([y], unit="user", variants=split("a", "b"), model={"kind": "frequentist"}, horizon={"units": 100}, key="t")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Some events stand in it twice."""
    rows = []
    for i in range(200):
        at = pd.Timestamp("2026-01-03T22:30:00") + pd.Timedelta(minutes=10 * i)
        rows.append(("$experiment_started", at, f"u{i}", f"x{i}", "t", "ab"[i % 2]))
        rows += [("Done", at + pd.Timedelta(hours=1), f"u{i}", f"d{i}", None, None)] * (1 + (i % 5 == 0))
    rows.append(("Other", pd.Timestamp("2026-02-03"), "zz", "z", None, None))
    names = ["event", "time", "user", "$insert_id", "Experiment name", "Variant name"]
    path = tmp_path / "log.parquet"
    pd.DataFrame(rows, columns=names).to_parquet(path)
    return path


def test_what_is_said_counts_though_it_is_the_usual_option(
    tmp_path: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--duplicates drop` was taken for nothing said, and the look's `keep` was read: "reproduced"."""
    root = ["--root", str(tmp_path / "experiments")]
    xp.register(plan("log"), tmp_path / "experiments", retrospective=True)
    assert main(["readout", "t", "--events", str(log), "--duplicates", "keep", *root]) == 0
    assert main(["decide", "t", "iterate", "--because", "b", "--by", "ana", *root]) == 0
    assert main(["reproduce", "t", *root]) == 0
    assert main(["reproduce", "t", "--events", str(log), *root]) == 0
    assert main(["reproduce", "t", "--events", str(log), "--duplicates", "keep", *root]) == 0
    capsys.readouterr()
    assert main(["reproduce", "t", "--events", str(log), "--duplicates", "drop", *root]) == 1
    assert "differs" in capsys.readouterr().out


def test_a_table_in_several_files_is_named_file_by_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": range(400), "variant": ["a", "b"] * 200, "y": [float(i % 7) for i in range(400)]})
    parts = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for i, part in enumerate(parts):
        frame[i::2].iloc[:200].assign(variant=lambda d: ["a", "b"] * (len(d) // 2)).to_csv(part, index=False)
    root = ["--root", str(tmp_path / "experiments")]
    xp.register(plan("table"), tmp_path / "experiments")
    assert main(["readout", "--units", str(parts[0]), "--units", str(parts[1]), "t", *root]) == 0
    look = xp.open_experiment("t", tmp_path / "experiments").ledger.entries()[-1]
    assert (look.body["n"], look.body["reading"]["files"]) == (400, ["one.csv", "two.csv"])
    assert main(["decide", "t", "iterate", "--because", "b", "--by", "ana", *root]) == 0
    assert main(["reproduce", "t", *root]) == 0
    assert main(["reproduce", "t", "--units", str(parts[0]), *root]) == 1
