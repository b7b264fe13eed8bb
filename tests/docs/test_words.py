"""The house's word list holds where a person reads, messages are short, and the memo's sentences are, too."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scripts.house_words import RULES, Text, finds, texts
from xpbench.errors import CATALOGUE
from xpbench.memo.messages import WORDING
from xpbench.memo.render import page

GOLDEN = Path(__file__).resolve().parents[1] / "memo" / "golden"


def sentences(text: str) -> list[int]:
    """Words of every sentence."""
    parts = re.split(r"(?<=[.!?:])\s+|\n+|;\s", text)
    counts = [len(re.findall(r"[^\s…–-]+", part)) for part in parts]
    return [n for n in counts if n]


def mean(counts: list[int]) -> float:
    return sum(counts) / len(counts)


def test_no_word_of_the_list_where_a_person_reads() -> None:
    assert [str(find) for text in texts() for find in finds(text)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The result stands in the memo.", "stands"),
        ("Mend the table.", "Mend"),
        ("The plan is told.", "is told"),
        ("This hangs on the day.", "hangs on"),
        ("1 is no date.", "is no "),
        ("8 units with a yes", "with a yes"),
        ("It begins anew.", "anew"),
        ("Names parted by commas", "parted"),
    ],
)
def test_every_kind_of_word_is_found(text: str, found: str) -> None:
    assert [find.found for find in finds(Text("page.md", 1, text))] == [found]


@pytest.mark.parametrize(
    "text",
    ["There is no plan.", "It is no longer there.", "* stands for any name.", "Names that can't be told apart", "a stand-in"],
)
def test_plain_english_is_left_alone(text: str) -> None:
    assert list(finds(Text("page.md", 1, text))) == []


def test_the_list_is_looked_for_on_every_surface() -> None:
    """Catalogue, forms, command help, memo, template, pages: a surface that is not read would pass in silence."""
    places = {text.place.split(",")[0] for text in texts()}
    wanted = {
        "README.md",
        "docs/tutorial.md",
        "docs/methods/mean.md",
        "xpbench/errors/messages/plan.py",
        "xpbench/forms/labels.py",
        "xpbench/commands/plans.py",
        "xpbench/memo/messages.py",
        "xpbench/memo/page.html.j2",
        "xpbench/views/forest_plot.py",
    }
    assert wanted <= places
    assert len(RULES) > 10


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_no_message_has_more_than_40_words(code: str) -> None:
    assert sum(sentences(" ".join(CATALOGUE[code]))) <= 40


def test_no_message_names_a_code_or_a_pointer() -> None:
    for code, message in CATALOGUE.items():
        assert not re.search(r"XPB-|(?<![\w.])/(metrics|variants|horizon|model)\b", " ".join(message)), code


def test_sentences_of_messages_are_short() -> None:
    assert mean([n for message in CATALOGUE.values() for part in message for n in sentences(part)]) <= 18


class Prose(HTMLParser):
    """The text of paragraphs, list items and headings of a page."""

    WANTED = frozenset(("p", "li", "h1", "h2", "h3", "summary", "figcaption"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.depth = 0
        self.blocks: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.WANTED:
            self.depth += 1
            self.blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.WANTED:
            self.depth -= 1

    def handle_data(self, data: str) -> None:
        if self.depth and self.blocks:
            self.blocks[-1] += data


def test_sentences_of_the_memo_are_short() -> None:
    assert mean([n for wordings in WORDING.values() for n in sentences(wordings[0])]) <= 18
    reader = Prose()
    reader.feed(page(json.loads((GOLDEN / "0.1.0" / "payload.json").read_text(encoding="utf-8"))))
    counts = [n for block in reader.blocks for n in sentences(block) if n > 2]
    assert len(counts) > 50
    assert mean(counts) <= 18
