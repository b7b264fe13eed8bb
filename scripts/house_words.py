"""The house's word list: words and patterns that we don't use where a person reads, each with the better word.

python scripts/house_words.py            # every find with its place; exit 1 where there is one
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Rule(NamedTuple):
    """A pattern that we don't write, and what to write instead."""

    pattern: re.Pattern[str]
    better: str


class Text(NamedTuple):
    """A piece of text that a person reads, and where it is."""

    place: str
    line: int
    text: str


class Find(NamedTuple):
    """A word of the list in a text."""

    place: str
    line: int
    found: str
    better: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.found!r}; better: {self.better}"


def _rule(pattern: str, better: str) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), better)


RULES = (
    _rule(r"\bstands?\b(?! for\b| in for\b|-in\b|-ins\b)", "is, has, appears"),
    _rule(r"\bstood\b|\bstanding\b", "was, is"),
    _rule(r"\bmend(s|ed|ing)?\b", "fix"),
    _rule(r"\b(is|are|was|were|be|being|been) told\b(?! apart\b)", "is reported, is shown"),
    _rule(r"\btells?\b(?! apart\b| them apart\b| neighbours apart\b)(?<!can't tell)(?<!to tell)", "says, shows, reports"),
    _rule(r"\bhangs? on\b", "depends on"),
    _rule(r"\bparted\b", "separated"),
    _rule(r"\banew\b", "again"),
    _rule(r"\bbeside\b", "next to"),
    _rule(r"\bfore(told|tells?)\b", "predicted, predicts"),
    _rule(r"\bwith a yes\b", "conversions, or users who converted"),
    _rule(
        r"(?<!there )\b(is|are|was|were) no (?!longer\b|more\b|less\b|later\b|earlier\b|fewer\b|worse\b|better\b|one\b)",
        "is not a",
    ),
)
"""What we don't write, with the better word. "There is no …" is fine; "X is no …" is not."""

ALLOWED = {
    "its result stands": "a result stands in plain English, and memos on record hold the sentence",
    "is no effect that matters": "the name of a verdict: 'no effect that matters'",
    "*is no*": "the rule itself, in CONTRIBUTING",
}
"""Phrases with a word of the list that stay, and why."""

OLDER = ("xpbench/verifier/derived.py", "xpbench/memo/messages.py")
"""Files that hold the wordings of memos on record next to the present ones; there only the present one is read."""


def pages() -> Iterator[Path]:
    """Pages for users: everything in docs but decisions, which are a record, and what is generated from other texts."""
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"))
    for path in sorted((ROOT / "docs").rglob("*.md")):
        if path.relative_to(ROOT / "docs").parts[0] not in ("adr", "reference"):
            yield path


def texts() -> Iterator[Text]:
    """Everything that a person reads: pages, notebooks, templates, messages, labels, help, first lines of docstrings."""
    for path in pages():
        yield from _page(path)
    for ending in ("*.j2", "*.html"):
        for path in sorted((ROOT / "xpbench").rglob(ending)):
            place = path.relative_to(ROOT).as_posix()
            yield from (Text(place, i, line) for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for path in sorted((ROOT / "xpbench").rglob("*.py")):
        if path.relative_to(ROOT).as_posix() not in OLDER:
            yield from _module(path)
    for path in (*sorted((ROOT / "notebooks").glob("*.ipynb")), *sorted((ROOT / "templates").glob("*.ipynb"))):
        yield from _notebook(path)
    for path in sorted((ROOT / "labextension" / "src").glob("*.ts*")):
        yield from _typescript(path)
    yield from _messages()


def _notebook(path: Path) -> Iterator[Text]:
    """Prose and comments of a notebook; the place is the number of the cell."""
    place = path.relative_to(ROOT).as_posix()
    for i, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        lines = "".join(cell["source"]).splitlines()
        if cell["cell_type"] == "code":
            lines = [line for line in lines if line.lstrip().startswith("#")]
        yield from (Text(f"{place}, cell {i}", 0, line) for line in lines)


def _typescript(path: Path) -> Iterator[Text]:
    """Strings of the extension that hold a blank; comments are for its developers."""
    place = path.relative_to(ROOT).as_posix()
    for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.lstrip().startswith(("//", "*", "/*")):
            yield from (Text(place, i, said) for said in _SAID.findall(line) if " " in said)


_SAID = re.compile(r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)""")


def _page(path: Path) -> Iterator[Text]:
    place = path.relative_to(ROOT).as_posix()
    code = False
    for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            code = not code
        elif not code:
            yield Text(place, i, line)


def _messages() -> Iterator[Text]:
    from xpbench.memo.messages import WORDING

    for id_, wordings in WORDING.items():
        yield Text(f"xpbench/memo/messages.py, {id_}", 0, wordings[0])


def _module(path: Path) -> Iterator[Text]:
    """Strings with a blank, and the first paragraph of every docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    place = path.relative_to(ROOT).as_posix()
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            text = node.value.split("\n\n")[0] if id(node) in described else node.value
            yield Text(place, node.lineno, text)


def finds(text: Text) -> Iterator[Find]:
    """Words of the list in a text, without those that are allowed."""
    said = text.text
    for phrase in ALLOWED:
        said = said.replace(phrase, " " * len(phrase))
    for rule in RULES:
        for match in rule.pattern.finditer(said):
            yield Find(text.place, text.line, match.group(), rule.better)


def main() -> int:
    """Print every find."""
    found = sorted({find for text in texts() for find in finds(text)})
    sys.stdout.writelines(f"{find}\n" for find in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
