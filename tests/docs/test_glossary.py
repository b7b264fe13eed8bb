"""The glossary names things that exist, and the code uses no other word for them."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `([\w.]+)` \|$", PAGE, re.MULTILINE)

OTHER_WORDS = {
    "arm": "variant", "arms": "variant", "branch": "variant", "uplift": "lift", "lower": "ci_low or lift_low",
    "upper": "ci_high or lift_high", "pval": "p_value", "pvalue": "p_value", "significance": "alpha", "traffic": "rollout",
}  # fmt: skip
"""Words that would name a thing of the glossary a second time."""

EXCUSED = {
    "pvalue": "scipy's own attribute",
    "lower": "the method of text; the lower end of a winsorization",
    "upper": "the method of text; the upper end of a winsorization",
    "n_lower": "units below the lower cap",
    "n_upper": "units above the upper cap",
}


def resolve(path: str) -> Any:
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for name in parts[end:]:
            if isinstance(found, type) and not hasattr(found, name):
                fields = found.model_fields if issubclass(found, BaseModel) else {f.name for f in dataclasses.fields(found)}
                assert name in fields, path
                return name
            found = getattr(found, name)
        return found
    raise AssertionError(path)


def test_there_are_terms() -> None:
    assert len(ROWS) > 40


@pytest.mark.parametrize(("word", "place"), [(w, p) for w, _, p in ROWS], ids=[w for w, _, _ in ROWS])
def test_term_stands_in_the_code(word: str, place: str) -> None:
    resolve(place)


def _names(tree: ast.AST) -> set[str]:
    """Names that a module gives: functions, classes, arguments, fields."""
    out = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            out.add(node.name)
        elif isinstance(node, ast.arg):
            out.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            out.add(node.target.id)
    return out


def test_no_second_word_for_a_term() -> None:
    found = {}
    for path in sorted((ROOT / "xpbench").rglob("*.py")):
        for name in _names(ast.parse(path.read_text("utf-8"))):
            for word in name.lower().strip("_").split("_"):
                if word in OTHER_WORDS and name.strip("_") not in EXCUSED:
                    found[f"{path.relative_to(ROOT)}: {name}"] = OTHER_WORDS[word]
    assert not found


def test_prose_uses_the_words() -> None:
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if path.name == "glossary.md":
            continue
        text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
        found += [f"{path.relative_to(ROOT)}: {m[0]}" for m in re.finditer(r"\b(arms?|uplift)\b", text, re.IGNORECASE)]
    assert not found
