"""The first run: its page says what its results say, and what it tries can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import every_page, make_first_run
from scripts.stranger import Story, parts_of_install

LOG = """2026-11-28T21:49:10,843 Using pip 23.2.1
2026-11-28T21:49:14,227   Installing collected packages: tomlkit, hatchling
2026-11-28T21:49:15,513   Successfully installed hatchling-1.33.0 tomlkit-0.15.2
2026-11-28T21:49:16,843   Preparing metadata (pyproject.toml): started
2026-11-28T21:49:20,843   Preparing metadata (pyproject.toml): finished with status 'done'
2026-11-28T21:49:30,343 Building wheels for collected packages: xpbench
2026-11-28T21:49:31,000 Successfully built xpbench
2026-11-28T21:50:30,343 Successfully installed tqdm-4.70.1 xpbench-0.1.0
"""


def test_page_is_made_from_the_results() -> None:
    assert make_first_run.PAGE.read_text("utf-8") == make_first_run.page(), "run: python scripts/make_first_run.py"


@pytest.mark.parametrize("result", make_first_run.results(), ids=lambda r: r["tried_with"])
def test_kept_runs_are_whole_and_nothing_failed(result: dict[str, object]) -> None:
    assert {"command", "commit", "versions", "machine", "cloned_commit"} <= set(result)
    tried = result["every_page"]
    assert set(tried) == set(every_page.PARTS)  # type: ignore[call-overload]
    assert {part: of["failed"] for part, of in tried.items() if of["failed"]} == {}  # type: ignore[attr-defined]
    stages = {step["stage"] for step in result["steps"]}  # type: ignore[attr-defined]
    assert {"install", "first memo", "own data", "refused plan", "JupyterLab", "every page"} <= stages


def test_parts_of_pip_install_are_read_from_its_log() -> None:
    assert list(parts_of_install(LOG).values()) == [6.0, 4.0, 9.5, 60.0]
    assert list(parts_of_install(LOG)) == list(make_first_run.PARTS)


def test_step_with_another_exit_code_ends_the_story(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.run("a", "true", sys.executable, "-c", "print('said')")
    assert (story.steps[0].told, story.steps[0].cpu is not None) == ("said", True)
    with pytest.raises(SystemExit, match="exit 3, expected 0"):
        story.run("a", "false", sys.executable, "-c", "raise SystemExit(3)")


def test_page_that_fails_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprice = 1\n```\n\n```python\nassert price == 2\n```\n", "utf-8")
    assert "AssertionError" in every_page.run_page(page, tmp_path)
    page.write_text("```python\nassert True\n```\n\n```sh\nexit 1\n```\n", "utf-8")
    assert every_page.run_page(page, tmp_path) == ""


def test_it_runs_as_a_script() -> None:
    """Every message of the catalogue, as scripts/stranger.py asks for it."""
    command = [sys.executable, every_page.__file__, "messages"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("messages: ")
