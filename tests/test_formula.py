"""Formulas are parsed, never run."""

from __future__ import annotations

import pytest

from xpbench.formula import parse


@pytest.mark.parametrize(
    ("text", "names"), [("a / (b + 1)", ["a", "b"]), ("-a * `x-y`", ["a", "x-y"]), ("2 * 3", []), ("a-a", ["a"])]
)
def test_names(text: str, names: list[str]) -> None:
    assert parse(text).names() == names


@pytest.mark.parametrize(
    "text",
    ["", "a b", "(", "a +", "a)", "__import__('os')", "a ** b", "(" * 100, "-" * 1000, "a;b", "x" * 3000, "+".join("a" * 900)],
)
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)
