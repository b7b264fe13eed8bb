"""Pages for people without a kernel of their own: Voila, and a notebook whose widgets can't be drawn."""

from __future__ import annotations

import json
import shutil
from html import escape
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright")

from benchmarks import lab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(lab.CHROMIUM).exists(), reason="needs Debian's Chromium"),
]

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "notebooks" / "07-stakeholder-demo.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.mark.slow
def test_voila_shows_the_demo_without_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("voila")
    shutil.copy(DEMO, tmp_path)
    shutil.copytree(ROOT / "voila-templates", tmp_path / "data" / "voila" / "templates")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    with lab.server(tmp_path) as base, lab.browser() as watched:
        page = watched.page
        page.goto(f"{base}/voila/render/{DEMO.name}?token=t", wait_until="domcontentloaded", timeout=180_000)
        form = page.locator(".xp-form").first
        form.wait_for(timeout=180_000)
        assert "What the dashboard says: visitors with a quote +" in page.inner_text("body")
        assert "Do not read the effects" in form.inner_text()
        assert "import xpbench" not in page.content()
        assert page.locator(".jp-CodeCell .jp-InputArea:visible, .highlight:visible").count() == 0
        form.get_by_role("tab", name="Results", exact=True).click()
        page.locator(".xp-views summary", has_text="Quote start rate: better").first.wait_for(timeout=60_000)
        page.locator(".xp-views canvas, .xp-views svg").first.wait_for(timeout=60_000)
        decision = page.locator(".xp-form").last
        decision.get_by_role("button", name="Decide …", exact=True).click()
        decision.locator(".xp-status", has_text="a reason").wait_for(timeout=60_000)
        assert lab.serious(page, ".xp-form") == []
        assert watched.strangers == []
        assert [e for e in watched.errors if "xpbench" in e.lower() or "anywidget" in e.lower() or "vega" in e.lower()] == []


def static_page(notebook: dict[str, Any]) -> str:
    """The outputs as a viewer shows them that has neither widgets nor Vega: HTML first, then pictures, then text."""
    parts = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(f"<pre>{escape(''.join(cell['source']))}</pre>")
        for output in cell.get("outputs", ()):
            data = {
                k: "".join(v) for k, v in output.get("data", {"text/plain": output.get("text", "")}).items() if "json" not in k
            }
            if "text/html" in data:
                parts.append(f"<div>{data['text/html']}</div>")
            elif "image/png" in data:
                alt = escape(data["text/plain"].splitlines()[0], quote=True)
                parts.append(f"<img alt='{alt}' src='data:image/png;base64,{data['image/png']}'>")
            else:
                parts.append(f"<pre>{escape(data['text/plain'])}</pre>")
    return f"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Notebook</title><main>{''.join(parts)}</main></html>"


def test_without_a_widget_manager_the_notebook_reads_well(tmp_path: Path) -> None:
    notebook = json.loads(DEMO.read_text("utf-8"))
    assert sum(WIDGET in o.get("data", {}) for c in notebook["cells"] for o in c.get("outputs", ())) == 2
    (tmp_path / "static.html").write_text(static_page(notebook), "utf-8")
    with lab.browser() as watched:
        page = watched.page
        page.goto(f"file://{tmp_path / 'static.html'}")
        text = page.inner_text("main")
        for words in ("Do not read the effects", "Sample ratio: fail", "Quote start rate", "the rule recommends"):
            assert words in text
        assert page.locator("img").count() == 3
        assert page.evaluate("() => [...document.images].every(i => i.complete && i.naturalWidth > 300)")
        assert "xp-form" not in text
        assert lab.serious(page, "main") == []
        assert watched.strangers == []
        assert watched.errors == []
