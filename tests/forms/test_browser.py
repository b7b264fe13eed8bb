"""The whole flow in a real JupyterLab, by keyboard, without a network; what it did is read from disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("playwright")
pytest.importorskip("jupyterlab")

from benchmarks import lab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(lab.CHROMIUM).exists(), reason="needs Debian's Chromium"),
]

CELL = """import numpy as np
import xpbench as xp
sources = {"shop-banner": xp.units("units.csv", unit="id")}
bench = xp.Workbench("exp", sources=sources, unit_ids={"shop-banner": np.arange(1, 5001)})
bench"""


def write_units(folder: Path, n: int) -> None:
    generator = np.random.default_rng(3)
    variant = np.where(np.arange(n) % 2 == 0, "control", "banner")
    rate = np.where(variant == "control", 0.3, 0.375)
    frame = {"id": np.arange(1, n + 1), "variant": variant, "bought": (generator.random(n) < rate).astype(int)}
    pd.DataFrame(frame).to_csv(folder / "units.csv", index=False)


class Keys:
    """A person at the keyboard: focus moves to a named control, everything else is typed."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.form = page.locator(".xp-form").first

    def focus(self, role: str, name: str, *, last: bool = False) -> Any:
        found = self.form.get_by_role(role, name=name, exact=True)
        control = found.last if last else found.first
        control.wait_for()
        control.focus()
        return control

    def press(self, name: str, *, last: bool = False) -> None:
        self.focus("button", name, last=last)
        self.page.keyboard.press("Enter")
        lab.kernel_idle(self.page)

    def tab(self, name: str) -> None:
        self.focus("tab", name)
        self.page.keyboard.press("Enter")
        lab.kernel_idle(self.page)

    def write(self, name: str, text: str, *, role: str = "textbox", last: bool = False) -> None:
        self.focus(role, name, last=last)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Tab")
        lab.kernel_idle(self.page)

    def choose(self, name: str, *pressed: str) -> None:
        self.focus("combobox", name)
        for key in pressed:
            self.page.keyboard.press(key)
        self.page.keyboard.press("Tab")
        lab.kernel_idle(self.page)

    def says(self, text: str) -> None:
        self.page.locator(".xp-status", has_text=text).first.wait_for(timeout=90_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lab")
    write_units(made, 1000)
    (made / "work.ipynb").write_text(json.dumps(lab.notebook(CELL)))
    return made


@pytest.fixture(scope="module")
def base(folder: Path) -> Iterator[str]:
    with lab.server(folder) as address:
        yield address


def test_the_whole_flow_by_keyboard(base: str, folder: Path) -> None:
    with lab.browser() as watched:
        page = watched.page
        lab.open_notebook(page, base, "work.ipynb")
        keys = Keys(page)
        plan_by_keyboard(keys)
        saved = json.loads((folder / "exp" / "shop-banner" / "plan.json").read_text())
        assert saved["hypothesis"]["if"] == "visitors see a banner"
        assert [v["split"] for v in saved["variants"]] == [0.49, 0.51]
        assert saved["metrics"][0]["min_lift"] == 0.01
        assert not list((folder / "exp" / ".drafts").iterdir())

        keys.press("Preflight")
        keys.press("Run preflight")
        keys.says("Ready to launch")
        keys.press("Record the launch")
        keys.tab("Readout")
        keys.press("Read out")
        keys.says("Sealed: counts and health, no effects.")
        assert "lift" not in page.locator(".xp-views").inner_text().lower()
        keys.press("Peek …")
        keys.press("Reveal the effects")
        keys.says("A peek needs a reason.")
        assert lab.serious(page, ".xp-form") == []
        keys.press("Not now")

        write_units(folder, 4000)
        keys.press("Read out")
        keys.says("Read out at")
        page.locator(".xp-views canvas, .xp-views svg").first.wait_for(timeout=90_000)
        assert lab.serious(page, ".xp-form") == []

        keys.tab("Decision")
        keys.write("Because", "it sells more")
        keys.press("Decide …")
        keys.press("Put the decision on record")
        keys.says("On record")
        keys.press("Save memo")
        keys.says("Memo written")
        lab.save_notebook(page)
        assert watched.strangers == []
        assert [e for e in watched.errors if "xp" in e.lower() or "anywidget" in e.lower() or "vega" in e.lower()] == []
    entries = [json.loads(line)["kind"] for line in (folder / "exp" / "shop-banner" / "ledger.jsonl").read_text().splitlines()]
    assert entries == ["registered", "launched", "looked", "opened", "decided"]
    assert (folder / "exp" / "shop-banner" / "memo.html").stat().st_size > 10_000
    import xpbench as xp

    assert xp.verify(folder / "exp" / "shop-banner" / "memo.html").status == "verified"


def plan_by_keyboard(keys: Keys) -> None:
    page = keys.page
    keys.press("New plan")
    keys.write("Title", "A banner on the shop page")
    keys.write("Key", "shop-banner")
    keys.write("Owner", "shop-team")
    keys.press("Next")
    keys.press("Add metric")
    page.wait_for_function("() => document.activeElement?.tagName === 'SELECT'")  # the focus is where one goes on
    keys.choose("Kind", "End")
    keys.write("Column", "bought", role="combobox")
    keys.write("Smallest lift that matters (%)", "1")
    keys.press("Next")
    keys.write("If we change this …", "visitors see a banner")
    page.locator(".xp-quote", has_text="If visitors see a banner").wait_for()
    keys.write("… because", "it is seen")
    keys.press("Next")
    keys.write("Assignment key (unit)", "id", role="combobox")
    keys.write("Variant key", "banner", role="combobox", last=True)
    keys.focus("slider", "Split of control")
    page.keyboard.press("ArrowLeft")
    lab.kernel_idle(page)
    keys.focus("checkbox", "xpbench assigns the units")
    page.keyboard.press("Space")
    lab.kernel_idle(page)
    keys.press("Next")
    keys.choose("Model", "ArrowUp")
    keys.write("Exposed units", "4,000")
    assert lab.serious(page, ".xp-form") == []
    keys.focus("tab", "Analysis")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    lab.kernel_idle(page)
    assert keys.form.get_by_role("tab", name="Review", exact=True).get_attribute("aria-selected") == "true"
    keys.press("Register …")
    keys.press("Freeze and register")
    keys.says("Registered shop-banner")


def test_reopened_without_a_kernel_the_summary_is_there(base: str, folder: Path) -> None:
    with lab.browser() as watched:
        page = watched.page
        lab.set_theme(base, dark=True)
        lab.open_notebook(page, base, "work.ipynb", run=False)
        summary = page.locator(".jp-OutputArea-output summary", has_text="1 experiment in exp")
        summary.wait_for(timeout=90_000)
        summary.focus()
        page.keyboard.press("Enter")
        page.locator(".jp-OutputArea-output", has_text="A banner on the shop page").first.wait_for()
        assert page.locator("body[data-jp-theme-light=false]").count() == 1
        assert watched.strangers == []


BROKEN = """from xpbench.forms.panel import Panel
from xpbench.views.readout_card import ReadoutCard

class Broken(Panel):
    def __init__(self):
        super().__init__()
        self.main.children = (self.button("Break", lambda: 1 / 0),)

    def twin(self):
        return ReadoutCard(None, key="broken")

Broken()"""


def test_forms_in_the_dark_theme_are_accessible_and_show_every_error(base: str, folder: Path) -> None:
    from benchmarks.gallery_forms import CELLS, SETUP

    asking = "xp.ReadoutPanel('open-one', root=root)"
    cells = [SETUP + "\nroot = 'exp-dark'", *CELLS.values(), asking, BROKEN]
    (folder / "forms.ipynb").write_text(json.dumps(lab.notebook(*cells)))
    with lab.browser(height=1400) as watched:
        page = watched.page
        lab.set_theme(base, dark=True)
        lab.open_notebook(page, base, "forms.ipynb")
        forms = lab.forms(page)
        plan = forms[0]
        for step in ("Metrics", "Hypothesis", "Variants", "Analysis", "Rules", "Afterwards", "Review"):
            plan.locator(".xp-stepper", has_text=step).first.click()
            plan.locator("h3", has_text=step).first.wait_for()
            assert lab.serious(page, ".xp-form .xp-step") == [], step
        assert lab.serious(page, ".xp-form") == []
        asked = forms[len(CELLS)]
        asked.get_by_role("combobox", name="Path", exact=True).fill("no-such-file.csv")
        page.keyboard.press("Tab")
        asked.get_by_role("button", name="Read out", exact=True).click()
        asked.locator(".xp-status-bad", has_text="XPB-D02").wait_for(timeout=90_000)
        broken = forms[-1]
        broken.get_by_role("button", name="Break", exact=True).click()
        broken.locator(".xp-status-bad", has_text="ZeroDivisionError: division by zero").wait_for(timeout=90_000)
        broken.locator("summary", has_text="Where it happened").click()
        assert "1 / 0" in broken.locator("pre").inner_text()
        assert lab.serious(page, ".xp-form") == []
        assert watched.strangers == []
        assert [e for e in watched.errors if "xp" in e.lower() or "anywidget" in e.lower() or "vega" in e.lower()] == []


def test_charts_draw_in_the_dark_theme_with_the_vega_lite_of_jupyterlab(base: str, folder: Path) -> None:
    loop = "for make in VIEWS.values():\n    view = make()\n    if view.spec:\n        display(view)"
    cell = f"from benchmarks.gallery import VIEWS\n{loop}"
    (folder / "charts.ipynb").write_text(json.dumps(lab.notebook(cell)))
    with lab.browser(height=1400) as watched:
        page = watched.page
        lab.set_theme(base, dark=True)
        lab.open_notebook(page, base, "charts.ipynb")
        from benchmarks.gallery import VIEWS

        wanted = sum(1 for make in VIEWS.values() if make().spec)
        lab.wait_until(
            page, f"() => document.querySelectorAll('.vega-embed canvas, .vega-embed svg').length >= {wanted}", seconds=60
        )
        assert [e for e in watched.errors if "vega" in e.lower() or "expression" in e.lower()] == []
        assert page.locator(".jp-OutputArea-output pre", has_text="Traceback").count() == 0
        assert watched.strangers == []
