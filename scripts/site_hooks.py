"""What mkdocs does not do by itself: links that leave docs/, the list of decisions, pages that the navigation forgot, pictures
for the dark theme.

The pages are written to be read in the repository, too; so links to notebooks, results and sources stay as they are there,
and the site gets copies of what they point at.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # mkdocs loads this file alone

from scripts.decisions import index  # noqa: E402 - after the path

DOCS = ROOT / "docs"
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=[)\s])")
COPIES = "files"
"""Folder of the site that holds what lies outside docs/."""


def on_config(config: Any) -> Any:
    """Pages without a place go to the end of *Proof*, decisions to a list of their own."""
    placed = set(_paths(config["nav"]))
    forgotten = sorted(
        p.relative_to(DOCS).as_posix()
        for p in DOCS.rglob("*.md")
        if p.relative_to(DOCS).as_posix() not in placed and p.parent.name != "adr"
    )
    for section in config["nav"]:
        if "Proof" in section:
            section["Proof"] += [*forgotten, {"Decisions": "adr/README.md"}]
    return config


def _paths(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [p for part in inner for p in _paths(part)]


def on_files(files: Files, config: Any) -> Files:
    """Add the index of decisions, and copies of everything outside docs/ that a page links to."""
    files.append(File.generated(config, "adr/README.md", content=index()))
    for page in DOCS.rglob("*.md"):
        for target in LINK.findall(page.read_text("utf-8")):
            outside = _outside(page.relative_to(DOCS).as_posix(), target[0])
            if outside and outside.is_file() and f"{COPIES}/{_place(outside)}" not in files.src_uris:
                files.append(File.generated(config, f"{COPIES}/{_place(outside)}", content=outside.read_bytes()))
    return files


def _place(path: Path) -> str:
    """Where a copy goes; sources keep their text but lose the name that would make them a page."""
    name = path.relative_to(ROOT).as_posix()
    return name + ".txt" if path.suffix in (".md", ".py") or not path.suffix else name


def _outside(page: str, target: str) -> Path | None:
    """The file outside docs/ that a link of a page points at, if it does."""
    if re.match(r"[a-z]+:", target):
        return None
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith(("docs/", "..")) or path == "docs" else ROOT / path


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links that leave docs/ at the copies; links to folders at their first page."""
    here = page.file.src_uri

    def mend(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        if target.rstrip("/").endswith("adr"):
            return f"{target.rstrip('/')}/README.md"
        outside = _outside(here, target)
        if outside is None or not outside.is_file():
            return match[0]
        return posixpath.relpath(f"{COPIES}/{_place(outside)}", posixpath.dirname(here) or ".") + anchor

    return LINK.sub(mend, markdown)


PICTURE = re.compile(r'<img [^>]*?src="([^"]*gallery/[^"]+?)(-light)?\.png"[^>]*>')


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Beside each picture of the gallery its dark twin, where it has one; the theme shows one of them."""

    def both(match: re.Match[str]) -> str:
        name = posixpath.basename(match[1])
        if not (DOCS / "gallery" / f"{name}-dark.png").is_file():
            return match[0]
        shown = f"{match[1]}{match[2] or ''}.png"
        return match[0].replace(shown, f"{shown}#only-light") + match[0].replace(shown, f"{match[1]}-dark.png#only-dark")

    return PICTURE.sub(both, html)


SHIM = re.compile(r'<script src="https://[^"]*iframe-worker[^"]*"></script>')


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Search from disk by our own script instead of one from a network."""
    place = posixpath.relpath("assets/search-from-disk.js", posixpath.dirname(page.file.dest_uri) or ".")
    return SHIM.sub(f'<script src="{place}"></script>', output)


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """The same for pages without a source, such as 404.html."""
    return SHIM.sub('<script src="/assets/search-from-disk.js"></script>', output_content)
