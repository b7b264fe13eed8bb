"""Notebook 03 runs from top to bottom, and shows no secret."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "03-exposure.ipynb"


def test_round_trip_notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    written = results(notebook)
    nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert results(notebook) == written
    assert "sandbox-secret" not in nbformat.writes(notebook)


def results(notebook: nbformat.NotebookNode) -> list[str]:
    """What cells return; what is said on standard error about the outage in it holds the path of a temporary folder."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    return [o["data"]["text/plain"] for o in outputs if "data" in o]
