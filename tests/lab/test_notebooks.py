"""Filling parameters: only right-hand sides change, and nothing that stands in a value can run."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.errors import InputError
from xpbench.lab import notebooks

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
