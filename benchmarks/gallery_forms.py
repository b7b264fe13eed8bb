# ruff: noqa: E501 - the notebook cells below are text
"""Pictures of the forms in JupyterLab, light and dark."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import lab

SETUP = """import numpy as np
import pandas as pd
import xpbench as xp

def shop(n, key):
    rng = np.random.default_rng(3)
    variant = np.where(np.arange(n) % 2, "banner", "control")
    bought = (rng.random(n) < np.where(np.arange(n) % 2, 0.36, 0.3)).astype(int)
    left = (rng.random(n) < 0.3).astype(int)
    frame = pd.DataFrame({"id": np.arange(n), "variant": variant, "bought": bought, "left": left})
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
STEPS = ("Idea", "Metrics", "Variants", "Analysis", "Review")


def photograph(folder: Path) -> None:
    """Write `<form>-light.png` and `<form>-dark.png` for every form, and for every step of the plan form."""
    with (
        tempfile.TemporaryDirectory() as place,
        lab.server(Path(place)) as base,
        lab.browser(width=1360, height=2600) as watched,
    ):
        for ground in ("light", "dark"):
            lab.set_theme(base, dark=ground == "dark")
            cells = [SETUP + f"\nroot = 'experiments-{ground}'", *CELLS.values()]
            (Path(place) / f"{ground}.ipynb").write_text(json.dumps(lab.notebook(*cells)))
            lab.open_notebook(watched.page, base, f"{ground}.ipynb")
            watched.page.wait_for_timeout(2500)
            forms = watched.page.locator(".jp-OutputArea-output > .lm-Widget.xp-form, .jp-OutputArea-output .xp-form")
            roots: list[Any] = [f for f in forms.all() if f.evaluate("e => !e.parentElement.closest('.xp-form')")]
            for name, form in zip(CELLS, roots, strict=True):
                if name == "plan-form":
                    for step in STEPS:
                        form.locator(".xp-stepper", has_text=step).first.click()
                        watched.page.wait_for_timeout(1800)
                        form.screenshot(path=str(folder / f"plan-form-{step.lower()}-{ground}.png"))
                else:
                    form.screenshot(path=str(folder / f"{name}-{ground}.png"))
    from xpbench.views.png import shrunk

    for path in folder.glob("*.png"):
        path.write_bytes(shrunk(path.read_bytes()))
    if watched.strangers:
        raise RuntimeError(f"requests off loopback: {watched.strangers}")
