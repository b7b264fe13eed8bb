"""Every Python block of README and docs runs, page by page, top to bottom, in an empty folder; every link leads somewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from scripts.every_page import BLOCK, pages, run_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = pages()
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)[^)]*\)|!\[[^\]]*\]\(([^)\s]+)\)|src=\"([^\"]+)\"")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text("utf-8"))], ids=name)
def test_snippets_run(page: Path, tmp_path: Path) -> None:
    assert run_page(page, tmp_path, environment={**os.environ, "PYTHONPATH": str(ROOT)}) == ""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    broken = []
    for groups in LINK.findall(text):
        target = next(g for g in groups if g)
        if re.match(r"[a-z]+:", target):
            continue
        if not (page.parent / target).exists():
            broken.append(target)
    assert not broken
