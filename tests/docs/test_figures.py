"""Every result says where it comes from, and every benchmark writes that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OLDER = {
    "assign.json",
    "expose.json",
    "faults.json",
    "health.json",
    "import_time.json",
    "seal.json",
    "trust.json",
    "worlds.json",
}
"""Results from before `benchmarks.report` wrote commit, versions and machine; the next run of each takes it off this list."""
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.name)
def test_every_result_says_where_it_comes_from(path: Path) -> None:
    found = json.loads(path.read_text("utf-8"))
    wanted = {"command"} if path.name in OLDER else {"command", "commit", "versions", "machine"}
    assert wanted <= set(found), path.name


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.name)
def test_every_benchmark_that_writes_names_where_it_comes_from(path: Path) -> None:
    text = path.read_text("utf-8")
    reads_only = {"report.py", "__init__.py", "trust_page.py", "guard.py"}
    if "write_text" in text and "results" in text.lower() and path.name not in reads_only:
        assert "benchmarks.report import" in text, "use benchmarks.report: command, versions, machine, commit"


def test_header_names_command_versions_machine_commit(tmp_path: Path) -> None:
    from benchmarks.report import write

    made = json.loads(write("a", {"x": 1}, command="python -m a", folder=tmp_path, quiet=True).read_text("utf-8"))
    assert {"command", "commit", "versions", "machine", "x"} == set(made)
    assert {"cores", "memory_gb", "python", "load_at_end"} <= set(made["machine"])
    assert {"xpbench", "numpy", "duckdb"} <= set(made["versions"])


def test_the_table_of_planted_faults_is_that_of_the_result() -> None:
    from benchmarks.mutation import in_page

    held = json.loads((ROOT / "benchmarks" / "results" / "mutation.json").read_text("utf-8"))
    text = (ROOT / "docs" / "proof" / "statistics.md").read_text("utf-8")
    assert text == in_page(text, held), "run: python -m benchmarks.mutation --files NAME --write mutation"
