# ruff: noqa: E501 - the notebook cells below are text
"""Pictures of the forms in JupyterLab, of views that are tables, and of the memo, light and dark."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import lab

SETUP = """import numpy as np
import pandas as pd
import xpbench as xp

def shop_frame(n):
    rng = np.random.default_rng(3)
    variant = np.where(np.arange(n) % 2, "banner", "control")
    bought = (rng.random(n) < np.where(np.arange(n) % 2, 0.36, 0.3)).astype(int)
    left = (rng.random(n) < 0.3).astype(int)
    return pd.DataFrame({"id": np.arange(n), "variant": variant, "bought": bought, "left": left})

def shop(n, key):
    frame = shop_frame(n)
    plan = xp.Plan(key=key, title="A banner on the shop page", owner="shop-team", unit="id",
        hypothesis={"if": "a banner is shown", "then": [{"metric": "bought", "direction": "increase"}], "because": "it is seen"},
        variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "banner", "split": 0.5}], assignment={"hash": "sha256"},
        metrics=[
            {"key": "bought", "name": "Bought", "kind": "column", "column": "bought", "role": "primary", "direction": "increase",
             "min_lift": 0.02},
            {"key": "left", "name": "Left the page", "kind": "column", "column": "left", "role": "guardrail", "direction": "decrease",
             "margin_rel": 0.15}],
        model={"kind": "frequentist"}, horizon={"units": 8000})
    return xp.register(plan, root), xp.units(frame, unit="id")
"""
CELLS = {
    "plan-form": "form = xp.PlanForm(template='beta-homepage', root=root)\nform",
    "plan-form-empty": "blank = xp.PlanForm(root=root)\nblank",
    "readout-sealed": "sealed = xp.ReadoutPanel(*shop(3000, 'sealed-one'))\nsealed.read()\nsealed.ask_to_peek()\nsealed",
    "readout-open": "open_ = xp.ReadoutPanel(*shop(8000, 'open-one'))\nopen_.read()\nopen_",
    "decision": "decision = xp.DecisionForm(open_.experiment, open_.readout)\ndecision",
    "preflight": "preflight = xp.PreflightPanel('open-one', np.arange(20000), root=root)\npreflight.run()\npreflight",
    "workbench": "bench = xp.Workbench(root)\nbench",
}
HARD = {
    "plan-form-hard": """from benchmarks.gallery import NAME_80, NAME_RTL
names = [NAME_80, NAME_RTL, *(f"Metric number {i + 3}" for i in range(38))]
large = {"key": "large", "title": NAME_RTL, "owner": NAME_80, "unit": "id",
    "hypothesis": {"if": NAME_80, "then": [{"metric": f"m{i}", "direction": "increase"} for i in range(2)], "because": NAME_RTL},
    "variants": [{"key": f"variant-{i}", "name": [NAME_80, NAME_RTL][i] if i < 2 else "", "split": 1 / 12, "control": i == 0}
                 for i in range(12)],
    "metrics": [{"key": f"m{i}", "name": n, "kind": "column", "column": f"c{i}", "role": "primary" if i < 2 else "secondary",
                 "direction": "increase"} for i, n in enumerate(names)],
    "model": {"kind": "frequentist"}, "horizon": {"units": 4000}}
big = xp.PlanForm(large, root=root)
big""",
    "readout-hard": """rng = np.random.default_rng(1)
frame = pd.DataFrame({"id": np.arange(4_000), "variant": [f"variant-{i % 2}" for i in range(4_000)]}
                     | {f"c{i}": rng.normal(10 if i else 0, 3, 4_000) for i in range(40)})
pair = [{**v, "split": 0.5} for v in large["variants"][:2]]
crowd = xp.ReadoutPanel(xp.register(xp.Plan(**{**large, "variants": pair}), root), xp.units(frame, unit="id"))
crowd.read()
crowd""",
    "readout-time": """days = pd.Timestamp("2026-09-07") + pd.to_timedelta(np.arange(8000) // 400, unit="D")
plan, _ = shop(8000, "days-one")
table = shop_frame(8000).assign(day=days)
timed = xp.ReadoutPanel(plan, xp.units(table, unit="id", day="day"))
timed.read()
timed.show("Time")
timed""",
}
STEPS = ("Start", "Metrics", "Hypothesis", "Variants", "Analysis", "Rules", "Afterwards", "Review")
HARD_STEPS = ("Start", "Metrics", "Hypothesis", "Variants", "Review")
PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Gallery</title>{style}
<body style="margin:0;background:{ground};color:{ink};font:13px system-ui,sans-serif"
{theme}><div id="view" style="display:inline-block;padding:12px;max-width:1000px">{body}</div></body></html>"""


def photograph_pages(folder: Path, tables: dict[str, Any]) -> None:
    """Write views that are tables, and the first page of the demo's memo, in both themes and on a phone."""
    from xpbench.demo.run import run_demo
    from xpbench.forms.style import style_tag

    with tempfile.TemporaryDirectory() as place, lab.browser(width=1040, height=900) as watched:
        page = watched.page
        memo = run_demo(Path(place) / "demo").memo
        for scheme, ground, ink in (("light", "#ffffff", "#1b1f24"), ("dark", "#111417", "#e6edf3")):
            page.emulate_media(color_scheme=scheme)
            for name, make in tables.items():
                theme = f'data-jp-theme-light="{str(scheme == "light").lower()}"' if scheme == "light" else ""
                text = PAGE.format(style=style_tag(), ground=ground, ink=ink, theme=theme, body=make().to_html())
                (Path(place) / "page.html").write_text(text, "utf-8")
                page.goto(f"file://{place}/page.html")
                page.locator("#view").screenshot(path=str(folder / f"{name}-{scheme}.png"))
            page.goto(f"file://{memo}")
            chart = page.locator("svg.forest").first.bounding_box()  # down to the end of the chart, not into its middle
            page.set_viewport_size({"width": 1040, "height": round(chart["y"] + chart["height"] + 8) if chart else 900})
            page.screenshot(path=str(folder / ("memo.png" if scheme == "light" else "memo-dark.png")))
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 390, "height": 844})
        page.screenshot(path=str(folder / "memo-phone.png"))
        if watched.strangers or watched.errors:
            raise RuntimeError(f"requests off loopback: {watched.strangers}; errors: {watched.errors}")


def photograph(folder: Path) -> None:
    """Write `<form>-light.png` and `<form>-dark.png` for every form, and for every step of the plan form."""
    every = CELLS | HARD
    with (
        tempfile.TemporaryDirectory() as place,
        lab.server(Path(place)) as base,
        lab.browser(width=1360, height=6400) as watched,
    ):
        for ground in ("light", "dark"):
            lab.set_theme(base, dark=ground == "dark")
            cells = [SETUP + f"\nroot = 'experiments-{ground}'", *every.values()]
            (Path(place) / f"{ground}.ipynb").write_text(json.dumps(lab.notebook(*cells)))
            lab.open_notebook(watched.page, base, f"{ground}.ipynb", seconds=300)
            watched.page.wait_for_timeout(2500)
            for name, form in zip(every, lab.forms(watched.page), strict=True):
                steps = {"plan-form": STEPS, "plan-form-hard": HARD_STEPS}.get(name)
                if steps is None:
                    form.screenshot(path=str(folder / f"{name}-{ground}.png"))
                    continue
                for step in steps:
                    form.locator(".xp-stepper", has_text=step).first.click()
                    watched.page.wait_for_timeout(1500)
                    form.screenshot(path=str(folder / f"{name}-{step.lower()}-{ground}.png"))
    from xpbench.views.png import shrunk

    for path in folder.glob("*.png"):
        path.write_bytes(shrunk(path.read_bytes()))
    if watched.strangers:
        raise RuntimeError(f"requests off loopback: {watched.strangers}")
