"""The page of figures is what the results say, and every result says where it comes from."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_figures", ROOT / "scripts" / "make_figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_made_from_the_results() -> None:
    assert (ROOT / "docs" / "figures.md").read_text("utf-8") == maker().page(), "run: python scripts/make_figures.py"


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.name)
def test_page_has_every_result(path: Path) -> None:
    assert f"benchmarks/results/{path.name}" in maker().page()


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
    text = (ROOT / "docs" / "methods" / "proof.md").read_text("utf-8")
    assert text == in_page(text, held), "run: python -m benchmarks.mutation --files NAME --write mutation"
