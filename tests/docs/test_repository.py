"""One place names the repository, and nothing points at a place that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.set_repository import blocks, repository, version, written

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_written_follows_from_the_setting() -> None:
    for path, block in blocks(repository(), version()).items():
        text = path.read_text(encoding="utf-8")
        assert written(text, block) == text, f"{path.name}: python scripts/set_repository.py"


def test_setting_it_and_taking_it_back() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    set_ = written(readme, blocks("acme/xpbench", "1.2.3")[ROOT / "README.md"])
    assert "git clone https://github.com/acme/xpbench.git xpbench" in set_
    assert set_.count("mybinder.org/v2/gh/acme/xpbench/v1.2.3?urlpath=") == 2
    assert written(set_, blocks(repository(), version())[ROOT / "README.md"]) == readme
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'Homepage = "https://github.com/acme/xpbench"' in written(
        project, blocks("acme/xpbench", "1.2.3")[ROOT / "pyproject.toml"]
    )


def test_a_file_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="not there once"):
        written("# xpbench\n", blocks("", "1.2.3")[ROOT / "README.md"])


def test_no_page_points_at_a_placeholder() -> None:
    pages = [ROOT / "README.md", ROOT / "pyproject.toml", *(ROOT / "docs").rglob("*.md"), ROOT / "mkdocs.yml"]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"github\.com/OWNER|gh/OWNER", text), path
        if not repository():
            assert "mybinder.org/v2/gh" not in text, path
        if path.parent.name not in ("proof", "adr"):
            assert not re.search(r"pip install \"?xpbench\b", text), path
