"""Shared fixtures."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.twins import write_twins
from xpbench.plan import template

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "default")

ROOT = Path(__file__).resolve().parents[1]


def beside(*path: str) -> Path | None:
    """A file in the folder `shared` beside the checkout or further up, where it is there."""
    return next((p for parent in ROOT.parents if (p := parent.joinpath("shared", *path)).is_file()), None)


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with three real experiments, or with their generated twins where they are not here."""
    found = None if os.environ.get("XPB_TWINS") else beside("data", "cookie_cats.csv.gz")
    return found.parent if found else write_twins(tmp_path_factory.mktemp("twins"))


@pytest.fixture(scope="session")
def shared_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with example plans, or with the ones of the documentation and of the templates."""
    found = None if os.environ.get("XPB_TWINS") else beside("examples", "cookie-cats.plan.json")
    if found:
        return found.parent
    folder = tmp_path_factory.mktemp("examples")
    shutil.copy(ROOT / "docs" / "examples" / "cookie-cats.plan.json", folder)
    (folder / "beta-homepage.plan.json").write_text(json.dumps(template("beta-homepage").to_dict()), "utf-8")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not checked here, and why."""
    if os.environ.get("XPB_TWINS") or not beside("data", "cookie_cats.csv.gz"):
        terminalreporter.write_line(
            "The three real experiments are not in ../shared/data: their generated twins were used, and the published numbers "
            "that do not follow from counts were not checked."
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what `scripts/slow_tests.py` found to be slow, so that a short run can leave it out."""
    slow = set((ROOT / "tests" / "slow.txt").read_text("utf-8").split())
    for item in items:
        if item.nodeid.split("[")[0] in slow:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI a skipped browser or Spark test is a failure."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    needed = item.get_closest_marker("browser") or item.get_closest_marker("spark")
    if os.environ.get("CI") and needed and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where it must run: {report.longrepr}"
