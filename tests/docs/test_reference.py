"""The reference pages are what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "scripts" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["api.md", "errors.md", "plan.md"])
def test_page_is_the_committed_one(page: str) -> None:
    made = maker().PAGES[page]()
    assert (ROOT / "docs" / "reference" / page).read_text("utf-8") == made, "run: python scripts/make_reference.py"


def test_every_command_has_its_section() -> None:
    text = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    import re

    from xpbench.cli import build_parser

    commands = next(a for a in build_parser()._actions if getattr(a, "choices", None)).choices
    assert re.findall(r"^## xpbench (\S+)$", text, re.MULTILINE) == list(commands or {})
