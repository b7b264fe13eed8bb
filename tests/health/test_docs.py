"""The page on health names every check with its question, and marks the gates."""

from __future__ import annotations

from pathlib import Path

import pytest

from xpbench.health import registered

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "health.md").read_text("utf-8")


@pytest.mark.parametrize("name", list(registered()))
def test_check_is_documented(name: str) -> None:
    """Title, name, gate and question stand on the page, with evidence and next step."""
    entry = registered()[name]
    heading = f"### {entry.title} · `{name}`" + (" · gate" if entry.gate else "") + "\n"
    assert heading in PAGE
    section = PAGE.split(heading)[1].split("\n### ")[0]
    assert entry.question in section
    assert "*Evidence*: `" in section
    assert "*Next step*: " in section


def test_page_has_no_other_checks() -> None:
    """What is no longer registered is no longer described."""
    assert PAGE.count("\n### ") == len(registered())
