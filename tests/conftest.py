"""Shared fixtures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "default")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with three real experiments; tests that need it skip only where it is absent."""
    for parent in ROOT.parents:
        if (parent / "shared" / "data" / "cookie_cats.csv.gz").is_file():
            return parent / "shared" / "data"
    pytest.skip("the real experiments are not here")


@pytest.fixture(scope="session")
def shared_examples() -> Path:
    """The folder with example plans."""
    for parent in ROOT.parents:
        if (parent / "shared" / "examples" / "cookie-cats.plan.json").is_file():
            return parent / "shared" / "examples"
    pytest.skip("the example plans are not here")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI a skipped browser or Spark test is a failure."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    needed = item.get_closest_marker("browser") or item.get_closest_marker("spark")
    if os.environ.get("CI") and needed and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where it must run: {report.longrepr}"
