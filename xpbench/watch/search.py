"""Has this been tried? Prior experiments by the words of a question, without embeddings and without a network."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

K1, B = 1.2, 0.6
WEIGHTS = (("title", 3.0), ("key", 2.0), ("hypothesis", 1.5), ("learned", 1.0))
"""Fields that are searched, and how much a word in each of them counts."""

_WORD = re.compile(r"[^\W_]+")
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an and any anyone are as at be been before but by can could did do does ever for from has have how i if "
        "in into is it its like many much of on once one or our out run should so some somebody someone test "
        "tested than that the their them then there these they this those through to tried try us was we were what "
        "when where whether which who why will with would you your already yet experiment experiments increase "
        "decrease because ",
    )
)
_ENDINGS = (
    ("ization", "iz"), ("isation", "is"), ("ational", "at"), ("ations", "at"), ("ation", "at"), ("ators", "at"), ("ator", "at"),
    ("fulness", ""), ("ously", "ous"), ("ively", "iv"), ("iness", "i"), ("ness", ""),
    ("ingly", ""), ("edly", ""), ("ally", "al"), ("ings", ""), ("ing", ""), ("iest", "i"), ("ies", "i"), ("ied", "i"),
    ("ers", ""), ("est", ""), ("er", ""), ("ed", ""), ("ly", ""), ("es", ""), ("s", ""), ("y", "i"), ("e", ""),
)  # fmt: skip


class Searched(Protocol):
    """One experiment as it is searched: a line of a portfolio, or an item of the panel."""

    @property
    def key(self) -> str:
        """Its key."""
        ...

    @property
    def title(self) -> str:
        """Its title."""
        ...

    @property
    def decision(self) -> str:
        """Outcome in force, "" where there is none."""
        ...

    @property
    def hypothesis(self) -> str:
        """Its hypothesis in a sentence."""
        ...

    @property
    def learned(self) -> str:
        """Why it was decided so."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """One experiment that a question may be about.

    Attributes:
        key: The experiment.
        title: Its title.
        decision: Outcome in force, "" where there is none.
        learned: Why it was decided so.
        score: How well it fits; larger is better, and only the order means anything.
    """

    key: str
    title: str
    decision: str
    learned: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        return f"{self.title} ({self.key}): {self.decision or 'not decided'}{'. ' + self.learned if self.learned else ''}"


def stem(word: str) -> str:
    """A word without its ending, so that *pricing*, *prices* and *priced* are one."""
    word = word.casefold()
    if len(word) <= 3:
        return word
    for ending, rest in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) + len(rest) >= 3:
            word = word[: len(word) - len(ending)] + rest
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]  # stopping, stopped
    return word


def words_of(text: str) -> list[str]:
    """The words of a text that say anything, without endings."""
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    return [stem(w) for w in _WORD.findall(text) if w.casefold() not in _STOP]


def search(lines: Sequence[Searched], question: str, *, most: int = 3) -> tuple[Found, ...]:
    """The experiments that fit a question, best first; none of them where no word fits.

    Args:
        lines: Of a portfolio, or of the panel.
        question: In words.
        most: How many at most.

    Source: BM25F, Robertson, Zaragoza and Taylor 2004: a word counts by its field, by how rare it is, and less with each
        repetition.
    """
    wanted = Counter(words_of(question))
    texts = [{name: Counter(words_of(str(getattr(x, name)))) for name, _ in WEIGHTS} for x in lines]
    mean = {name: sum(sum(t[name].values()) for t in texts) / max(len(texts), 1) for name, _ in WEIGHTS}
    within = {w: sum(any(t[name][w] for name, _ in WEIGHTS) for t in texts) for w in wanted}
    found = []
    for line, text in zip(lines, texts, strict=True):
        score = 0.0
        for word in wanted:
            weight = sum(
                f * text[name][word] / (1 - B + B * sum(text[name].values()) / mean[name])
                for name, f in WEIGHTS
                if text[name][word]
            )
            rare = math.log(1 + (len(texts) - within[word] + 0.5) / (within[word] + 0.5))
            score += rare * weight / (K1 + weight)
        if score > 0:
            found.append(Found(line.key, line.title, line.decision, line.learned, score))
    return tuple(sorted(found, key=lambda f: (-f.score, f.key))[:most])
