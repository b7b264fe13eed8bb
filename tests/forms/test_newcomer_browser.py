"""A newcomer with data of their own in a real JupyterLab: every field and click is counted, from a file to a memo."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("playwright")
pytest.importorskip("jupyterlab")

import xpbench as xp
from benchmarks import lab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(lab.CHROMIUM).exists(), reason="needs Debian's Chromium"),
]

CELL = """import os
import xpbench as xp
os.chdir({folder!r})
bench = xp.Workbench()
bench"""
TEXTS = ("If we change this …", "… because")


class Newcomer:
    """Fills and clicks what is named, and counts it; the texts of the hypothesis are counted apart."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.form = page.locator(".xp-form").first
        self.did: list[str] = []
        self.began = time.monotonic()

    def click(self, name: str, *, role: str = "button") -> None:
        self.form.get_by_role(role, name=name, exact=True).first.click(timeout=60_000)
        self.did.append(name)
        lab.kernel_idle(self.page)

    def fill(self, name: str, text: str, *, role: str = "textbox") -> None:
        control = self.form.get_by_role(role, name=name, exact=True).first
        control.wait_for(timeout=60_000)
        control.fill(text)
        self.page.keyboard.press("Tab")
        if name not in TEXTS:
            self.did.append(name)
        lab.kernel_idle(self.page)

    def says(self, text: str) -> None:
        self.page.locator(".xp-status", has_text=text).first.wait_for(timeout=90_000)


def history(path: Path, n: int = 8400) -> None:
    rng = np.random.default_rng(5)
    bought = rng.random(n) < 0.12
    frame = {
        "customer_id": [f"h{i}" for i in range(n)],
        "converted": bought.astype(int),
        "revenue": np.where(bought, rng.lognormal(3, 0.8, n), 0.0).round(2),
        "date": (pd.Timestamp("2026-10-05") + pd.to_timedelta(np.arange(n) // 400, unit="D")).strftime("%Y-%m-%d"),
    }
    pd.DataFrame(frame).to_csv(path, index=False)


def experiment_table(plan: xp.Plan, path: Path) -> None:
    """What came of it: the assigned units, with a lift of 20 % in the treatment."""
    rng = np.random.default_rng(6)
    n = int((plan.horizon.units or 0) + 200)
    ids = [f"e{i}" for i in range(n)]
    variant = np.asarray(xp.assign(plan, ids))
    bought = rng.random(n) < np.where(variant == "treatment", 0.144, 0.12)
    frame = {"customer_id": ids, "variant": variant, "converted": bought.astype(int),
             "revenue": np.where(bought, rng.lognormal(3, 0.8, n), 0.0).round(2)}  # fmt: skip
    pd.DataFrame(frame).to_csv(path, index=False)


def export(path: Path, units: int, *, ago: int = 40) -> None:
    """A raw export: page views, exposures of an experiment, purchases with an amount."""
    rng = np.random.default_rng(7)
    start = int(time.time()) // 86_400 * 86_400 - ago * 86_400
    with path.open("w") as file:
        for i in range(units):
            at = start + int(rng.integers(0, (ago - 9) * 86_400))
            who = {"distinct_id": f"u{i}", "$device_id": f"d{i}"}
            shown = {"Experiment name": "beta-checkout", "Variant name": ("control", "beta")[i % 2]}
            events = [("Page Viewed", at - 5, {}), ("$experiment_started", at, shown)]
            if rng.random() < (0.2, 0.26)[i % 2]:
                events.append(("Order Completed", at + 600, {"amount": round(float(rng.lognormal(3, 0.6)), 2)}))
            for k, (event, when, more) in enumerate(events):
                properties = {**who, "time": when, "$insert_id": f"{i}-{k}", **more}
                file.write(json.dumps({"event": event, "properties": properties}) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("newcomer")
    for name in ("csv", "log"):
        (made / name).mkdir()
        (made / f"{name}.ipynb").write_text(json.dumps(lab.notebook(CELL.format(folder=str(made / name)))))
    return made


@pytest.fixture(scope="module")
def base(folder: Path) -> Iterator[str]:
    with lab.server(folder) as address:
        yield address


def plan_from_file(person: Newcomer, file: str) -> None:
    person.click("New plan")
    assert "▲" not in person.form.inner_text()
    person.fill("Your data", file, role="combobox")
    person.says("Filled from the data")
    person.click("Hypothesis", role="tab")
    person.fill("If we change this …", "the checkout fits on one page")
    person.fill("… because", "every page more loses people")
    person.click("Review", role="tab")
    person.click("I confirm these proposals", role="checkbox")
    person.click("Register …")
    person.click("Freeze and register")
    person.says("Registered")
    assert len(person.did) <= 8, person.did


def to_the_memo(person: Newcomer, file: str) -> None:
    person.click("Readout", role="tab")
    person.fill("Path", file, role="combobox")
    person.click("Read out")
    person.says("Read out at")
    person.click("Decision", role="tab")
    person.fill("Because", "it sells more and nothing got worse")
    person.click("Decide …")
    person.click("Put the decision on record")
    person.says("On record")
    person.click("Save memo")
    person.says("Memo written")
    person.page.locator("iframe.xp-memo-page").wait_for(timeout=90_000)
    assert len(person.did) <= 15, person.did
    assert time.monotonic() - person.began < 180


def test_from_a_csv_to_a_memo(base: str, folder: Path) -> None:
    here = folder / "csv"
    history(here / "history.csv")
    with lab.browser(width=1280, height=800) as watched:
        lab.open_notebook(watched.page, base, "csv.ipynb", seconds=240)
        person = Newcomer(watched.page)
        plan_from_file(person, "history.csv")
        assert lab.serious(watched.page, ".xp-form") == []
        plan = xp.open_experiment("history", here / "experiments").plan
        experiment_table(plan, here / "experiment.csv")
        to_the_memo(person, "experiment.csv")
        assert lab.serious(watched.page, ".xp-form") == []
        assert watched.strangers == []
    memo = here / "experiments" / "history" / "memo.html"
    assert xp.verify(memo).status == "verified"
    assert xp.open_experiment("history", here / "experiments").decision.body["outcome"] == "ship"


def test_from_a_mixpanel_export_to_a_memo(base: str, folder: Path) -> None:
    here = folder / "log"
    export(here / "so_far.jsonl", 2500)
    with lab.browser(width=1280, height=800) as watched:
        lab.open_notebook(watched.page, base, "log.ipynb", seconds=240)
        person = Newcomer(watched.page)
        plan_from_file(person, "so_far.jsonl")
        (key,) = [p.name for p in (here / "experiments").iterdir() if not p.name.startswith(".")]
        plan = xp.open_experiment(key, here / "experiments").plan
        assert plan.experiment_name == "beta-checkout"
        assert {m.kind for m in plan.metrics} == {"conversion", "sum"}
        export(here / "all.jsonl", int(plan.horizon.units or 0) + 200)
        to_the_memo(person, "all.jsonl")
        assert watched.strangers == []
    assert xp.verify(here / "experiments" / key / "memo.html").status == "verified"


def test_the_form_holds_at_200_per_cent(base: str, folder: Path) -> None:
    cell = "import xpbench as xp\nform = xp.PlanForm(template='beta-homepage', root='zoomed')\nform"
    (folder / "zoom.ipynb").write_text(json.dumps(lab.notebook(cell)))
    with lab.browser(width=640, height=900, scale=2) as watched:
        page = watched.page
        lab.open_notebook(page, base, "zoom.ipynb", seconds=240)
        form = lab.forms(page)[0]
        form.get_by_role("tab", name="Metrics", exact=True).click()
        form.locator("h3", has_text="Metrics").first.wait_for()
        narrow = form.evaluate(
            "e => [...e.querySelectorAll('.xp-metric-line')].filter(l => l.getClientRects().length)"
            ".map(l => l.getBoundingClientRect()).filter(r => r.height > 4 * 20 || r.width < 60).length"
        )
        assert narrow == 0  # no line of a metric is broken to a word a line
        crossed = form.evaluate(
            "e => [...e.querySelectorAll('.xp-metric-row')].filter(r => { const b = [...r.children]"
            ".filter(c => c.getClientRects().length).map(c => c.getBoundingClientRect());"
            " return b.some((x, i) => b.some((y, j) => j > i && x.left < y.right - 1 && y.left < x.right - 1"
            " && x.top < y.bottom - 1 && y.top < x.bottom - 1)); }).length"
        )
        assert crossed == 0  # and nothing runs under the arrows
