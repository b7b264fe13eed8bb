"""Shared fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

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
