"""marimo, in an environment of its own: readouts and charts show themselves, and the form has its static form."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.full, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    import numpy as np
    import pandas as pd
    import xpbench as xp

    rng = np.random.default_rng(1)
    users = [f"u{i}" for i in range(4000)]
    arms = np.where(np.arange(4000) % 2, "b", "a")
    df = pd.DataFrame({"user": users, "variant": arms, "done": rng.random(4000) < 0.2})
    return df, xp


@app.cell
def _(xp):
    xp.srm({"A": 6192, "B": 6288})
    return


@app.cell
def _(df, xp):
    found = xp.explore(df, unit="user", variant="variant", control="a", metrics=["done"])
    found
    return (found,)


@app.cell
def _(found):
    found.plot()
    return


@app.cell
def _(xp):
    xp.PlanForm()
    return


if __name__ == "__main__":
    app.run()
"""


def outputs(page: str) -> list[dict[str, Any]]:
    """The output of each cell of an exported page, by media type; errors by name."""
    held = re.search(r'"session":\s*(\{.*?\})\s*,\s*"runtimeConfig"', page, re.DOTALL)
    assert held is not None
    out = []
    for cell in json.loads(held[1])["cells"]:
        for one in cell["outputs"]:
            assert one["type"] == "data", one
            data = one["data"]
            inner = data.get("application/vnd.marimo+mimebundle", data)
            out.append(json.loads(inner) if isinstance(inner, str) else inner)
    return out


def test_marimo_shows_results_charts_and_a_static_form(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    if subprocess.run([python, "-m", "pip", "install", "-q", "marimo"], check=False, timeout=300).returncode:
        pytest.skip("marimo could not be installed here")
    (tmp_path / "story.py").write_text(NOTEBOOK, "utf-8")
    # xpbench and what it needs come from this environment, after marimo's own
    paths = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    done = subprocess.run(
        [python, "-m", "marimo", "export", "html", "story.py", "-o", "story.html"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    _, ratio, explored, chart, form = outputs((tmp_path / "story.html").read_text("utf-8"))
    assert "12,480 units" in ratio["text/html"]
    assert "EXPLORATORY" in explored["text/html"]
    assert "/vega-lite/v5" in chart["application/vnd.vegalite.v5+json"]["$schema"]
    assert "text/html" in form, "a front end without these widgets has the form as a page"
