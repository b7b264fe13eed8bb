"""Honest lives at random verify in full, by the package and by the one file; `benchmarks.honest` lives hundreds of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks import honest
from xpbench.memo.alone import single_file

FOUND = ((1, 5), (1, 7), (1, 15), (1, 92), (5, 38))
"""Lives that failed once: a ratio without a denominator in one variant, a name with two meanings in the one file, a funnel
without entrants, a prior on the lift over a control of zeros, a posterior that only the engine computed."""


@pytest.mark.parametrize(("seed", "number"), FOUND)
def test_a_life_that_failed_once_verifies(tmp_path: Path, seed: int, number: int) -> None:
    result = honest.run(1, seed, folder=tmp_path, only=number)
    assert result["missed"] == []
    assert result["ended"] == {"verified in full": 1}


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_sixty_lives_verify(tmp_path: Path) -> None:
    result = honest.run(60, 2, folder=tmp_path)
    assert result["missed"] == []
    assert result["ended"].get("verified in full", 0) >= 55


def test_no_function_of_the_one_file_is_hidden_by_a_variable() -> None:
    """A name that is called, and that the function around it binds to a value, is another thing there than it was at home."""
    tree = ast.parse(single_file())  # the verifier's own `subject` holds a function, at home as well
    functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    hidden = []
    for outer in (n for n in tree.body if isinstance(n, ast.FunctionDef)):
        stored = {n.id for n in ast.walk(outer) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        called = {n.func.id for n in ast.walk(outer) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        hidden += [f"{outer.name}: {name}" for name in sorted((stored & called & functions) - {"subject"})]
    assert hidden == []
