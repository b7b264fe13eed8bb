"""The documentation builds as a site, strictly, and the site loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("material", reason="pip install -e '.[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; warnings (a page or anchor that is not there, an absolute link) are errors."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


class Loads(HTMLParser):
    """What a page loads by itself: everything but plain links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        wanted = [given[k] for k in ("src", "srcset", "data", "poster", "action") if k in given]
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            wanted.append(given.get("href", ""))
        self.found += wanted


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = [p for p in site.rglob("*.html") if p.name != "404.html"]  # that one is for servers
    assert len(pages) > 80
    outside = {}
    for page in pages:
        parser = Loads()
        parser.feed(page.read_text("utf-8"))
        for target in parser.found:
            if re.match(r"(?:[a-z]+:)?//", target):
                outside[f"{page.name}: {target}"] = True
            elif not target.startswith(("data:", "#")):
                path = (page.parent / target.partition("?")[0].partition("#")[0]).resolve()
                assert path.exists(), f"{page.relative_to(site)} loads {target}"
    assert not outside


def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    for style in site.rglob("*.css"):
        text = style.read_text("utf-8")
        assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", text), style.name


@pytest.mark.browser
def test_browser_asks_nobody_for_anything(site: Path) -> None:
    """Pages opened from disk, where the search works, too: what scripts load at run time counts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda r: asked.append(r.url))
        for name in ("index.html", "tutorial.html", "proof/peers.html", "reference/api.html"):
            page.goto((site / name).as_uri())
            page.wait_for_timeout(300)
        found, ends = page.locator(".md-search-result__item"), time.monotonic() + 60
        while not found.count() and time.monotonic() < ends:  # what is typed before the page listens is lost
            page.locator("input.md-search__input").first.fill("")
            page.locator("input.md-search__input").first.press_sequentially("guardrail")  # it listens to keys
            page.wait_for_timeout(2_000)
        assert found.count()
        browser.close()
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_every_page_of_docs_is_in_the_site_and_its_navigation(site: Path) -> None:
    navigation = (site / "index.html").read_text("utf-8")
    for page in sorted((ROOT / "docs").rglob("*.md")):
        place = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        place = re.sub(r"(^|/)README\.html$", r"\1index.html", place)
        assert (site / place).is_file(), place
        if page.parent.name != "adr":
            assert f'href="{place}"' in navigation or place == "index.html", place


def test_links_lead_somewhere_in_the_built_site(site: Path) -> None:
    broken = set()
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue
        for target in re.findall(r'<a\s[^>]*?href="([^"#?]+)', page.read_text("utf-8")):
            if not re.match(r"[a-z]+:|//", target) and not (page.parent / target).resolve().exists():
                broken.add(f"{page.relative_to(site)} → {target}")
    assert not broken


def test_words_are_spelt() -> None:
    """codespell over pages, messages and docstrings."""
    program = shutil.which("codespell", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("needs codespell")
    wanted = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs", "xpbench", "scripts", "benchmarks"]
    done = subprocess.run([program, *wanted], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
