"""Notebooks are made from the scripts beside their maker, and say nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.make_notebooks import ROOT, document, sources, text

TEMPLATES = sources(numbered=False)
NUMBERED = sources(numbered=True)


def test_every_template_has_a_script() -> None:
    assert sorted(TEMPLATES) == sorted(p.stem for p in (ROOT / "templates" / "xpbench").glob("*.ipynb"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_its_script_to_the_byte(name: str) -> None:
    assert (ROOT / "templates" / "xpbench" / f"{name}.ipynb").read_text("utf-8") == text(document(TEMPLATES[name]))


@pytest.mark.parametrize("name", NUMBERED)
def test_a_numbered_notebook_ran_its_script(name: str) -> None:
    ran = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))
    made = document(NUMBERED[name])
    parts = ("cell_type", "id", "metadata", "source")
    assert [["".join(c[p]) if p == "source" else c[p] for p in parts] for c in ran["cells"]] == [
        [c[p] for p in parts] for c in made["cells"]
    ]
    assert all(c["execution_count"] for c in ran["cells"] if c["cell_type"] == "code")


def test_tags_and_folded_cells_come_from_the_script(tmp_path: Path) -> None:
    script = tmp_path / "a.py"
    script.write_text('# %% [markdown]\n# # A\n\n# %% tags=["parameters"]\nn = 1\n\n# %% tags=["hide-input"]\nn\n', "utf-8")
    made = document(script)
    assert [c["source"] for c in made["cells"]] == ["# A", "n = 1", "n"]
    assert [c["metadata"] for c in made["cells"]] == [
        {},
        {"tags": ["parameters"]},
        {"tags": ["hide-input"], "jupyter": {"source_hidden": True}},
    ]
    assert made["metadata"]["voila"] == {"template": "xpbench"}
