"""Golden files: what views and forms write, byte for byte; `XPB_WRITE_GOLDEN=1` in the environment writes them anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.gallery import VIEWS, checks
from xpbench import views
from xpbench.plan import template
from xpbench.views.card import PlanCard

GOLDEN = Path(__file__).with_name("golden")


def bundle(name: str) -> str:
    view = VIEWS[name]()
    return json.dumps({k: v for k, v in view._repr_mimebundle_().items() if k != "image/png"}, indent=1, ensure_ascii=False)


CASES: dict[str, Callable[[], str]] = {
    "forest.bundle.json": lambda: bundle("forest"),
    "split.bundle.json": lambda: bundle("split-fails"),
    "timeline.bundle.json": lambda: bundle("timeline"),
    "forest.table.html": lambda: VIEWS["forest"]().table_html(),
    "health.html": lambda: views.health_summary(checks(fail=True)).to_html(),
    "plan-card.html": lambda: PlanCard(template("beta-homepage"), problems=0).to_html(),
    "plan-card.txt": lambda: PlanCard(template("beta-homepage"), problems=0).to_text(),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_golden(name: str) -> None:
    path = GOLDEN / name
    found = CASES[name]() + "\n"
    if os.environ.get("XPB_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8")
