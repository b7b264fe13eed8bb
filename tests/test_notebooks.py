"""Filling parameters: only right-hand sides change, and nothing that stands in a value can run."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench import notebooks
from xpbench.errors import InputError

SOURCE = 'key: str = "a"  # the experiment\nroot = "experiments"\nn = (\n    1 +\n    2\n)  # three\nother = f(key)\n'


def notebook(source: Any = SOURCE) -> dict[str, Any]:
    return {"cells": [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source}], "nbformat": 4}


def test_names_annotations_and_comments_stay() -> None:
    out = notebooks.fill(notebook(), {"key": "b", "n": 7, "unknown": 1})
    assert (
        out["cells"][0]["source"]
        == 'key: str = "b"  # the experiment\nroot = "experiments"\nn = (\n    7\n)  # three\nother = f(key)\n'
    )
    assert notebooks.parameters_of(out) == ["key", "root", "n", "other"]


def test_source_as_lines_and_notebooks_without_parameters() -> None:
    assert notebooks.fill(notebook(SOURCE.splitlines(keepends=True)), {"root": "x"})["cells"][0]["source"].count('"x"') == 1
    plain: dict[str, Any] = {"cells": [{"cell_type": "code", "metadata": {}, "source": "key = 1"}]}
    assert notebooks.fill(plain, {"key": 2}) == plain
    assert notebooks.fill(notebook("key = = 1"), {"key": 2}) == notebook("key = = 1")


@given(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers(), st.booleans(), st.none()))
def test_any_value_comes_back_as_itself(value: Any) -> None:
    source = notebooks.fill(notebook('ä = "é"; key = "a"; b = 1'), {"key": value})["cells"][0]["source"]
    tree = ast.parse(source)
    assert len(tree.body) == 3
    node = tree.body[1]
    assert isinstance(node, ast.Assign)
    assert ast.literal_eval(node.value) == value


def test_unknown_template_names_the_nearest() -> None:
    with pytest.raises(InputError, match="'readout'"):
        notebooks.template_path("readuot")


@pytest.mark.parametrize(
    ("path", "start", "expected"),
    [("experiments", "", "experiments"), ("a/experiments", "a", "experiments"), ("experiments", "a/b", "../../experiments")],
)
def test_relative(path: str, start: str, expected: str) -> None:
    assert notebooks.relative(path, start=start) == expected


def test_a_teams_template_is_found_and_run_by_the_same_finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "share" / "notebook_templates" / "xpbench"
    folder.mkdir(parents=True)
    cells = [
        {
            "cell_type": "code",
            "id": "a",
            "metadata": {"tags": ["parameters"]},
            "source": 'reader: str = ""',
            "outputs": [],
            "execution_count": None,
        },
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "source": "print('for', reader)",
            "outputs": [],
            "execution_count": None,
        },
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "team.ipynb").write_text(json.dumps(document))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    assert notebooks.template_path("team") == folder / "team.ipynb"
    made = notebooks.run_template("team", tmp_path / "made.ipynb", parameters={"reader": "the team"}, folder=tmp_path)
    assert "for the team" in made.read_text()
