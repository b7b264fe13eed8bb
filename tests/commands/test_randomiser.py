"""`xpbench assign | preflight | audit`: files in, exit codes, JSON, nothing half-written."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.randomiser.plans import definition_of, plan_of
from xpbench.commands.randomiser import add_parsers
from xpbench.errors import XpbenchError
from xpbench.randomiser.assigning import assignments

IDS = [f"{i:05d}" for i in range(1200)]


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(required=True))
    args = parser.parse_args([str(a) for a in argv])
    return int(args.run(args))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    plan_of().save(tmp_path / "plan.json")
    Path("ids.csv").write_text("distinct_id,country\n" + "".join(f"{i},UK\n" for i in IDS) + ",UK\n")
    pq.write_table(pa.table({"distinct_id": IDS}), "ids.parquet")
    Path("flags.json").write_text(json.dumps({"flags": [definition_of("checkout", rollout=(0.1,)), {"key": "bad"}]}))
    return tmp_path


def read(path: str) -> list[list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_assign_keeps_leading_zeros_and_order(folder: Path) -> None:
    assert run("assign", "plan.json", "ids.csv", "--out", "out.csv") == 0
    rows = read("out.csv")
    expected = assignments(plan_of(), IDS).variants().tolist()
    assert rows == [["distinct_id", "variant"], *[[u, v] for u, v in zip(IDS, expected, strict=True)], ["", ""]]


def test_assign_to_standard_output_prints_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("assign", "plan.json", "ids.parquet") == 0
    out = capsys.readouterr()
    assert out.out.splitlines()[0] == "distinct_id,variant"
    assert len(out.out.splitlines()) == 1201
    assert "1,200 units" in out.err


def test_assign_in_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("assign", "plan.json", "ids.csv", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["units"], found["assigned"], found["nulls"]) == (1201, 1200, 1)
    assert found["assignments"][0] == {"distinct_id": "00000", "variant": assignments(plan_of(), ["00000"]).variants()[0]}


def test_preflight_says_no_with_exit_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("preflight", "plan.json", "ids.csv") == 0
    assert "✓ nothing keeps from launching" in capsys.readouterr().out
    assert run("preflight", "flags.json", "ids.parquet", "--flag", "checkout", "--json") == 1
    out = capsys.readouterr()
    assert json.loads(out.out)["findings"][0]["name"] == "rollout_without_hash_salt"
    assert "1 of 2 flags were refused" in out.err


def test_preflight_with_history_and_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("history.csv").write_text("distinct_id,spend\n" + "".join(f"{u},{i % 13}\n" for i, u in enumerate(IDS)))
    assert run("preflight", "plan.json", "ids.parquet", "--history", "history.csv", "--others", "flags.json", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["balance"][0]["n"] + found["balance"][0]["n_reference"] == 1200
    assert found["correlations"][0]["other"] == "checkout"


def test_audit_agrees_or_exits_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variants = assignments(plan_of(), IDS).variants().tolist()
    Path("log.csv").write_text("distinct_id,variant\n" + "".join(f"{u},{v}\n" for u, v in zip(IDS, variants, strict=True)))
    assert run("audit", "plan.json", "log.csv") == 0
    Path("bad.csv").write_text("distinct_id,variant\n" + "".join(f"{u}.0,{v}\n" for u, v in zip(IDS, variants, strict=True)))
    capsys.readouterr()
    assert run("audit", "plan.json", "bad.csv", "--json") == 1
    assert json.loads(capsys.readouterr().out)["causes"][0]["name"] == "id_cast"


def test_handoff_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("assign", "plan.json", "ids.csv", "--handoff", "out", "--max-rows", "500") == 0
    assert (folder / "out" / "beta-homepage-003-of-003.csv").is_file()
    assert (folder / "out" / "assign.js").is_file()


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["assign", "plan.json", "none.csv"], "XPB-I01"),
        (["assign", "plan.json", "ids.csv", "--unit", "idd"], "XPB-A13"),
        (["assign", "plan.json", "plan.json"], "XPB-I04"),
        (["assign", "flags.json", "ids.csv", "--flag", "nope"], "XPB-A09"),
        (["assign", "plan.json", "broken.parquet"], "XPB-I02"),
        (["assign", "plan.json", "floats.parquet"], "XPB-A01"),
        (["audit", "plan.json", "ids.csv"], "XPB-A13"),
        (["assign", "plan.json", "ids.csv", "--cohort", "x"], "XPB-I04"),
    ],
)
def test_bad_input_is_an_error_and_leaves_no_file(argv: list[str], code: str, folder: Path) -> None:
    Path("broken.parquet").write_bytes(b"PAR1 nothing")
    pq.write_table(pa.table({"distinct_id": [1.0, 2.0]}), "floats.parquet")
    before = {p.name for p in folder.iterdir()}
    with pytest.raises(XpbenchError) as caught:
        run(*argv, *(["--out", "out.csv"] if argv[0] == "assign" else []))
    assert caught.value.code == code
    assert {p.name for p in folder.iterdir()} == before


def test_cohorts_and_properties_come_from_files(folder: Path) -> None:
    rollout: list[dict[str, Any]] = [
        {"key": "t", "share": 1.0, "cohort": "testers", "variant": "beta"},
        {"key": "uk", "share": 1.0, "where": {"==": [{"var": "country"}, "uk"]}, "variant": "control"},
    ]
    plan_of(rollout=rollout).save(folder / "plan.json")
    Path("testers.csv").write_text("distinct_id\n00001\n00002\n")
    assert run("assign", "plan.json", "ids.csv", "--cohort", "testers=testers.csv", "--out", "out.csv") == 0
    rows = read("out.csv")
    assert [r[1] for r in rows[1:5]] == ["control", "beta", "beta", "control"]
