"""The site's search index finds the pages that answer what practitioners ask, and the navigation puts proof behind guidance."""

from __future__ import annotations

import json
import math
import os
import posixpath
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from scripts.decisions import ROOMS, index, room_of

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
pytest.importorskip("material", reason="pip install -e '.[docs]'")
ROW = re.compile(r"^\| (?P<question>[^|]+\?) \| \[[^\]]+\]\((?P<page>[^)]+)\) \|$", re.MULTILINE)
QUESTIONS = [(m["question"], m["page"]) for m in ROW.finditer((DOCS / "questions.md").read_text(encoding="utf-8"))]
NOISE = re.compile(
    r"an?|and|are|as|at|be|by|can|do(es)?|for|from|have|how|i[ns]?|it|many|may|m[ey]|of|on|or|should|th(at|e|is)|to|was|wh(at|ich|y)|with"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Counter[str], Counter[str]]]:
    """Every page of the built index: its address, the words of its titles, all of its words."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    titles: dict[str, Counter[str]] = {}
    words: dict[str, Counter[str]] = {}
    for entry in json.loads((out / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]:
        page = entry["location"].partition("#")[0]
        titles.setdefault(page, Counter()).update(stems(entry["title"]))
        words.setdefault(page, Counter()).update(stems(entry["title"] + " " + re.sub(r"<[^>]+>", " ", entry["text"])))
    return [(page, titles[page], words[page]) for page in titles]


def stems(text: str) -> list[str]:
    """Words without their commonest endings."""
    out = []
    for word in re.findall(r"[a-z0-9]+", text.lower()):
        if len(word) > 1 and not NOISE.fullmatch(word):
            out.append(re.sub(r"(ations?|ation|ed|ing|es|s|e)$", "", word) if len(word) > 4 else word)
    return out


def search(question: str, found: list[tuple[str, Counter[str], Counter[str]]]) -> list[str]:
    """Pages by BM25, the words of titles counted ten times, as the site's own search boosts them."""
    sizes = {page: sum(words.values()) for page, _, words in found}
    mean = sum(sizes.values()) / len(sizes)
    scores = {}
    for page, titles, words in found:
        score = 0.0
        for word in stems(question):
            holders = sum(1 for _, _, other in found if word in other)
            if holders:
                many = words[word] + 10 * titles[word]
                rare = math.log(1 + (len(found) - holders + 0.5) / (holders + 0.5))
                score += rare * many * 2.2 / (many + 1.2 * (0.25 + 0.75 * sizes[page] / mean))
        scores[page] = score
    return sorted(scores, key=lambda page: -scores[page])


def test_there_are_thirty_questions() -> None:
    assert len(QUESTIONS) >= 30


@pytest.mark.parametrize(("question", "page"), QUESTIONS)
def test_the_search_finds_the_answer(question: str, page: str, found: list[tuple[str, Counter[str], Counter[str]]]) -> None:
    wanted = posixpath.splitext(page)[0] + ".html"
    pages = [p for p in search(question, found) if p != "questions.html" and not p.startswith(("adr/", "files/"))]
    assert wanted in pages[:5], pages[:8]


def test_decisions_have_a_room_and_a_status() -> None:
    text = index()
    for path in (DOCS / "adr").glob("[0-9]*.md"):
        assert f"({path.name}) |" in text
    assert "amended by [154]" in text
    assert room_of(360) == "Words, pages and pictures"
    assert len(ROOMS) > 10


def test_proof_is_behind_guidance() -> None:
    """The last part of the navigation holds all evidence, and nothing else does."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    before, _, proof = text.partition("  - Proof:\n")
    assert "proof/" not in before.partition("nav:\n")[2]
    assert proof.count("proof/") >= len(list((DOCS / "proof").glob("*.md")))
