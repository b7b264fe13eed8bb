"""Accessibility of the memo by axe-core in a real browser: light and dark, on screen and paper, with every section filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.memo.making import PLAN, decided, many, summary_of
from xpbench.memo.interactive import interactive
from xpbench.memo.pdf import browser

pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser() is None, reason="needs Chromium")]

TALL = {"width": 1100, "height": 1400}
PHONE = {"width": 390, "height": 844}
SETTINGS = (("light", "screen", TALL), ("dark", "screen", TALL), ("dark", "screen", PHONE), ("light", "print", TALL))


def pages(folder: Path) -> dict[str, str]:
    """Memos that together fill every section: shipped, invalid, peeked and deferred, Bayesian with several variants."""
    uneven = {**PLAN, "variants": [{"key": "control", "split": 0.4, "control": True}, {"key": "beta", "split": 0.6}]}
    shipped = decided(folder / "a").memo().html
    return {
        "shipped": shipped,
        "invalid": decided(folder / "c", plan=uneven).memo().html,
        "peeked": decided(folder / "d", summary=summary_of(4_000), peek=True, outcome="defer").memo().html,
        "several variants": many(folder / "f", metrics=8, treatments=3, model={"kind": "bayesian"}).memo().html,
        "interactive": interactive(shipped),
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("memos")
    out = {}
    for name, html in pages(folder).items():
        out[name] = folder / f"{name}.html"
        out[name].write_text(html, encoding="utf-8", newline="")
    return out


def findings(tab: Any) -> list[tuple[str, str, str]]:
    """Rule, impact and first place of every violation, best practices included."""
    from axe_core_python.sync_playwright import Axe

    return [(v["id"], v["impact"], v["nodes"][0]["html"][:120]) for v in Axe().run(tab)["violations"]]


def test_a_browser_finds_no_barrier(made: dict[str, Path]) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        for scheme, media, size in (
            ("light", "screen", TALL),
            ("dark", "screen", TALL),
            ("dark", "screen", PHONE),
            ("light", "print", TALL),
        ):
            context = chromium.new_context(color_scheme=scheme, viewport=size)
            tab = context.new_page()
            tab.emulate_media(media=media, color_scheme=scheme)
            for name, path in made.items():
                tab.goto(path.as_uri())
                assert findings(tab) == [], (scheme, media, name)
                wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide <= 0, (scheme, media, size, name)
            context.close()
        chromium.close()


def test_on_a_phone_a_row_is_a_block(made: dict[str, Path]) -> None:
    """Below 600 px nothing in a table scrolls sideways, each value has its name, and 200 % zoom of a laptop is such a width."""
    from playwright.sync_api import sync_playwright

    unfold = (
        "document.querySelectorAll('details').forEach(d => d.open = true);"
        "const audit = document.querySelector('#audit'); if (audit) audit.checked = true;"
    )
    over = (
        "[...document.querySelectorAll('.wide')].filter(w => w.scrollWidth > w.clientWidth + 1)"
        ".map(w => w.innerText.slice(0, 60))"
    )
    unnamed = "[...document.querySelectorAll('.wide:not(:has(.prov)) td')].filter(d => !d.dataset.l).length"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": 360, "height": 740})
        for name, path in made.items():
            tab.goto(path.as_uri())
            tab.evaluate(unfold)
            assert tab.evaluate(over) == [], name
            assert tab.evaluate(unnamed) == 0, name
            assert findings(tab) == [], name
        tab.set_viewport_size({"width": 1280, "height": 800})
        assert tab.locator(".wide thead").first.is_visible()
        chromium.close()


def test_axe_would_find_a_barrier(made: dict[str, Path], tmp_path: Path) -> None:
    """The check can fail: grey on white, and a picture without words, are found."""
    from playwright.sync_api import sync_playwright

    bad = tmp_path / "bad.html"
    html = made["shipped"].read_text(encoding="utf-8").replace("--muted:#57606a", "--muted:#b7c0ca", 1)
    bad.write_text(html.replace('role="img"', 'role="img" aria-label="" aria-labelledby=""', 1), encoding="utf-8", newline="")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        tab = chromium.new_page()
        tab.goto(bad.as_uri())
        assert "color-contrast" in {rule for rule, _, _ in findings(tab)}
        chromium.close()


def test_it_is_dark_where_dark_is_wished_and_light_on_paper(made: dict[str, Path]) -> None:
    """Also inside a frame: a viewer's colour scheme reaches the memo in it."""
    from playwright.sync_api import sync_playwright

    ground = "getComputedStyle(document.documentElement).backgroundColor"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        tab = chromium.new_page()
        seen = {}
        for scheme in ("light", "dark"):
            for media in ("screen", "print"):
                tab.emulate_media(media=media, color_scheme=scheme)
                tab.goto(made["shipped"].as_uri())
                seen[scheme, media] = tab.evaluate(ground)
        assert seen["light", "screen"] == seen["light", "print"] == seen["dark", "print"] == "rgb(255, 255, 255)"
        assert seen["dark", "screen"] == "rgb(17, 20, 23)"
        tab = chromium.new_context(color_scheme="null").new_page()  # nothing emulated: what the frame's element says
        for scheme, expected in (("dark", "rgb(17, 20, 23)"), ("light", "rgb(255, 255, 255)")):
            tab.set_content(f'<iframe sandbox style="color-scheme:{scheme}" width="900" height="900"></iframe>')
            tab.eval_on_selector(
                "iframe", "(frame, html) => { frame.srcdoc = html }", made["shipped"].read_text(encoding="utf-8")
            )
            tab.wait_for_timeout(300)
            inside = tab.frames[-1]
            inside.wait_for_load_state()
            assert inside.evaluate(ground) == expected, scheme
        chromium.close()
