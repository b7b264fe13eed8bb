"""The oracle cases are counted, not claimed: each names its source and its tolerance."""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "proof" / "statistics.md"
TOLERANCE = re.compile(
    r"\de-\d|decimal|\d ?%|digit|exact|Monte-Carlo error|± ?\d|brute force|as printed|by hand|whole number|within one|the same"
)


def oracles() -> Iterator[tuple[str, str, int]]:
    """Name, docstring and number of cases of every test that names a source."""
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(f"tests.stats.{path.stem}")
        for name, test in vars(module).items():
            text = inspect.getdoc(test) if inspect.isfunction(test) and name.startswith("test_") else None
            if text and "Source:" in text and test.__module__.endswith(path.stem):
                marks = [m for m in getattr(test, "pytestmark", ()) if m.name == "parametrize"]
                yield f"{path.stem}.{name}", text, math.prod(len(list(m.args[1])) for m in marks)


def test_every_oracle_names_its_tolerance():
    assert [name for name, text, _ in oracles() if not TOLERANCE.search(text)] == []


def test_the_page_of_the_proof_has_the_count():
    cases = sum(count for _, _, count in oracles())
    tight = sum(count for _, text, count in oracles() if re.search(r"1e-(9|1\d)\b", text))
    assert cases >= 200
    assert f"**{cases} test cases**" in PAGE.read_text(encoding="utf-8"), cases
    assert f"{tight} of them at 1e-9" in PAGE.read_text(encoding="utf-8"), tight
