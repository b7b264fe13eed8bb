"""Files are known by their names: what an engine or a shell would take for a pattern is part of a name like any other."""

from __future__ import annotations

import ast
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import claim, make_plan
from xpbench.data.logs.opening import expanded
from xpbench.errors import DataError
from xpbench.files import as_file, matching
from xpbench.plan import Plan

NAMES = {  # a name, and another that it would fit as a pattern
    "export[1]": "export1",
    "part*": "part-2",
    "what?": "whatx",
    "day{1,2}": "day1",
    "[!a]b": "cb",
    "[[]": "[",
    "~": "home",
    "it's": "its",
    "a%20b": "a b",
    "ü #1": "u",
    "-x": "x",
    "back\\slash": "backslash",
}
FOLDERS = ["plain", "f[1]", "g*", "variant=zzz", "day{1}"]


def plan(events: bool) -> Plan:
    metric: dict[str, Any] = {"key": "quotes", "role": "primary", "direction": "increase"}
    metric |= {"kind": "count", "event": "Quote", "window_days": 1} if events else {"kind": "column", "column": "quotes"}
    return make_plan(
        [metric],
        key="beta",
        owner="o",
        hypothesis=claim([{"metric": "quotes", "direction": "increase"}]),
        unit="distinct_id" if events else "visitor",
        assignment={"hash": "sha256", "salt": "s"},
        horizon={"units": 4000},
    )


def table(n: int) -> pd.DataFrame:
    variants = np.where(np.arange(n) % 2, "beta", "control")
    return pd.DataFrame({"visitor": [f"v{i}" for i in range(n)], "variant": variants, "quotes": np.arange(n) % 3})


def log(n: int) -> list[dict[str, Any]]:
    rows = []
    for i in range(n):
        at = 1_767_225_600 + i
        names = {"Experiment name": "beta", "Variant name": ("control", "beta")[i % 2]}
        base = {"time": at, "distinct_id": f"u{i}"}
        rows.append({"event": "$experiment_started", "properties": base | names | {"$insert_id": f"x{i}"}})
        rows.append({"event": "Quote", "properties": base | {"time": at + 60, "$insert_id": f"q{i}"}})
    rows.append(
        {"event": "Ping", "properties": {"time": 1_767_225_600 + 40 * 86_400, "distinct_id": "u0", "$insert_id": "end"}}
    )
    return rows


def flat(n: int) -> pd.DataFrame:
    return pd.DataFrame([{"event": r["event"], **r["properties"]} for r in log(n)])


def write_lines(path: Path, n: int) -> None:
    text = "\n".join(map(json.dumps, log(n))) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.name.endswith(".gz") else text.encode())


def units_in(path: str) -> int:
    return xp.units(path, unit="visitor", variant="variant").summarize(plan(False)).n


def events_in(path: str) -> int:
    return xp.events(path).summarize(plan(True)).n


def ingested(path: str) -> int:
    folder = Path(path + ".out")
    report = xp.ingest(path, out=folder)
    shutil.rmtree(folder)
    return (report.rows - 1) // 2


READERS: dict[str, tuple[str, Callable[[Path, int], Any], Callable[[str], int]]] = {
    "units of CSV": (".csv", lambda p, n: table(n).to_csv(p, index=False), units_in),
    "units of Parquet": (".parquet", lambda p, n: table(n).to_parquet(p), units_in),
    "events of lines": (".jsonl", write_lines, events_in),
    "events of packed lines": (".jsonl.gz", write_lines, events_in),
    "events of CSV": (".csv", lambda p, n: flat(n).to_csv(p, index=False), events_in),
    "events of Parquet": (".parquet", lambda p, n: flat(n).to_parquet(p), events_in),
    "ingest": (".jsonl", write_lines, ingested),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_file_of_this_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, folder: str) -> None:
    ending, write, read = READERS[reader]
    place = tmp_path / folder
    place.mkdir()
    (tmp_path / "g2").mkdir()
    write(tmp_path / "g2" / f"part-2{ending}", 30)
    monkeypatch.chdir(place)
    quick = "events" not in reader  # a log takes longer to read than a table, and is opened in the same way
    names = list(NAMES.items())[: 99 if quick and folder == "plain" else 4 if folder == "plain" else 1]
    for name, other in names:
        for old in place.iterdir():
            old.unlink()
        write(place / f"{name}{ending}", 200)
        write(place / f"{other}{ending}", 60)
        assert read(f"{name}{ending}") == 200, name
        assert not quick or read(str(place / f"{other}{ending}")) == 60, other


@pytest.mark.parametrize("reader", READERS)
def test_a_pattern_is_one_where_no_such_file_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str) -> None:
    ending, write, read = READERS[reader]
    monkeypatch.chdir(tmp_path)
    for name in ("part[1]", "part[2]"):
        (tmp_path / "2026" / name).mkdir(parents=True)
        write(tmp_path / "2026" / name / f"a{ending}", 100)
    if "units" in reader:  # a unit in two files is one too many
        shutil.rmtree(tmp_path / "2026" / "part[2]")
    expected = 100
    found = [read(f"{pattern}{ending}") for pattern in ("2026/part[1]/?", "2026/*/a", "**/a") if reader != "ingest"]
    assert found == [expected] * len(found)
    with pytest.raises(DataError, match="XPB-D02"):
        read(f"2026/part{{1,2}}/a{ending}")
    with pytest.raises(DataError, match="XPB-D02"):
        read(f"2026/part[12]/a{ending}")


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a1.csv", "a2.csv", "a[1].csv", ".a3.csv", "b*.csv", "b2.csv", "x/y/c.csv", "x/.hidden/c.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("1")
    assert matching("a?.csv") == ["a1.csv", "a2.csv"]
    assert matching("a[*].csv") == ["a[1].csv"]
    assert matching("b*.csv") == ["b*.csv"], "there is a file of this name"
    assert matching(".a*.csv") == [".a3.csv"]
    assert matching("**/c.csv") == ["x/y/c.csv"]
    assert matching(str(tmp_path / "x" / "*" / "c.csv")) == [str(tmp_path / "x" / "y" / "c.csv")]
    assert matching("a1.csv") == []
    assert expanded(["a1.csv", "./a1.csv", "a?.csv"]) == ["a1.csv", "a2.csv"]


def test_the_folder_of_a_pull_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pull[1]*").mkdir()
    Path("pull[1]x").mkdir()
    write_lines(Path("pull[1]*/2026-01-01.jsonl.gz"), 50)
    write_lines(Path("pull[1]x/2026-01-01.jsonl.gz"), 10)
    assert events_in("pull[1]*/*.jsonl.gz") == 50


def test_a_folder_named_like_a_column_changes_nothing(tmp_path: Path) -> None:
    for kind in ("variant=zzz", "quotes=7"):
        (tmp_path / kind).mkdir()
        for ending in (".csv", ".parquet"):
            path = tmp_path / kind / f"t{ending}"
            table(300).to_csv(path, index=False) if ending == ".csv" else table(300).to_parquet(path)
            summary = xp.units(str(path), unit="visitor", variant="variant").summarize(plan(False))
            assert {c.variant: c.n for c in summary.cells if not c.dimension} == {"control": 150, "beta": 150}
            assert xp.explore(str(path), ["quotes"], unit="visitor", variant="variant", control="control") is not None


@pytest.mark.parametrize("name", list(NAMES)[:6])
def test_a_temporary_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    write_lines(tmp_path / "a.jsonl", 100)
    code = "import xpbench as xp, sys; from tests.test_file_names import events_in; print(events_in(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "a.jsonl")]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(place)}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "100"
    assert list(place.iterdir()) == []


OF_THE_ENGINE = ("read_csv", "read_parquet", "read_json", "read_ndjson", "sniff_csv")


def test_every_reader_of_the_engine_gets_names_and_no_patterns() -> None:
    """Found by a walk over the source: a new reader that hands over a path as it is fails here."""
    seen = 0
    for path in (Path(xp.__file__).parent).rglob("*.py"):
        source = path.read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.JoinedStr):
                text = ast.get_source_segment(source, node) or ""
                for reader in OF_THE_ENGINE:
                    for part in text.split(f"{reader}(")[1:]:
                        seen += 1
                        named = part.startswith("{file_list(") or (part.startswith("[{listed}]") and "as_file(p)" in source)
                        assert named, f"{path}: {reader}({part[:40]}"
                        assert reader == "read_json" or "hive_partitioning = false" in source, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                engine = node.func.attr in ("read_csv", "read_parquet", "read_json", "from_parquet", "from_csv_auto")
                if engine and not (
                    isinstance(node.func.value, ast.Name) and node.func.value.id in ("pd", "pl", "nw", "pq", "pacsv")
                ):
                    seen += 1
                    call = ast.get_source_segment(source, node) or ""
                    assert "as_file(" in call or ("as_file(" in source and "(name" in call), f"{path}: {call}"
    assert seen >= 3


def test_the_engine_is_given_an_absolute_name() -> None:
    assert as_file("~/a[1]*?.csv") == f"{os.getcwd()}/~/a[[]1][*][?].csv"
