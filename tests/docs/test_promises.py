"""Each promise is where the table says it is, in these words, and each test that would fail exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("promises.md", "trust.md")
ROW = re.compile(r"^\| (?P<said>.+?) \| (?P<tests>`tests/.*`) \|$", re.MULTILINE)


def flat(text: str) -> str:
    return " ".join(text.replace("**", "").replace("\\|", "|").split())


def promises() -> list[tuple[str, str, list[str]]]:
    """Document, sentence and tests of each row."""
    text = (ROOT / "docs" / "proof" / "promises.md").read_text(encoding="utf-8")
    found = []
    for part in re.split(r"^\| in `", text, flags=re.MULTILINE)[1:]:
        document = part.partition("`")[0]
        found += [(document, m["said"], re.findall(r"`(tests/[^`]+)`", m["tests"])) for m in ROW.finditer(part)]
    return found


def missing(test: str) -> str:
    """What of a test is not there."""
    file, _, name = test.partition("::")
    path = ROOT / file
    if not path.is_file():
        return f"{file} is not there"
    names = {n.name for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)}
    return "" if not name or name in names else f"{file} has no {name}"


def test_every_promise_is_said_and_tested() -> None:
    rows = promises()
    assert len(rows) >= 35
    for document, said, tests in rows:
        assert flat(said) in flat((ROOT / document).read_text(encoding="utf-8")), f"{document} no longer says: {said}"
        assert tests, said
        assert [m for m in map(missing, tests) if m] == []


@pytest.mark.parametrize("document", ["README.md", "SECURITY.md", "docs/memo.md", "docs/ledger.md"])
def test_every_document_with_promises_has_rows(document: str) -> None:
    assert sum(found == document for found, _, _ in promises()) >= 5


def test_no_promise_of_security_is_left_out() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    part = text[text.index("What xpbench promises") : text.index("What it does not promise")]
    bullets = [flat(b) for b in re.split(r"^- ", part, flags=re.MULTILINE)[1:]]
    said = [flat(s) for document, s, _ in promises() if document == "SECURITY.md"]
    assert [b for b in bullets if not any(s in b for s in said)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / "docs" / "proof" / page).read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", text)
    assert len(named) > 10
    assert [m for m in map(missing, named) if m] == []
    defined = {
        n.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(n, ast.FunctionDef)
    }
    assert set(re.findall(r"`(test_\w+)`", text)) <= defined
