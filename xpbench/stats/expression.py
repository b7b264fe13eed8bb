"""Arithmetic over metric keys: read by a small parser of our own and never run as code.

Grammar: sums of products of factors; a factor is a number, a known name, a parenthesis or a signed factor. Names are the
keys of other metrics and may hold any character; the longest known name wins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xpbench.errors import StatsError, nearest, plain, shown
from xpbench.stats.moments import Floats

LONGEST = 2_000
"""Characters of an expression."""
DEEPEST = 50
"""Nested parentheses and signs."""
MOST = 200
"""Operations."""

_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a parsed expression.

    Attributes:
        op: `number`, `name`, `negate`, `+`, `-`, `*` or `/`.
        parts: Operands.
        value: The number of a `number`.
        index: Position of a `name` among the names.
    """

    op: str
    parts: tuple[Node, ...] = ()
    value: float = 0.0
    index: int = -1


class _Parser:
    def __init__(self, text: str, names: Sequence[str]) -> None:
        self.text, self.at, self.depth, self.operations = text, 0, 0, 0
        self.names = sorted(enumerate(names), key=lambda pair: -len(pair[1]))
        self.known = list(names)

    def fail(self, why: str) -> StatsError:
        return StatsError("XPB-S02", expression=self.text, reason=plain(why))

    def peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at] if self.at < len(self.text) else ""

    def operator(self, known: str) -> str | None:
        found = self.peek()
        if not found or found not in known:
            return None
        self.at += 1
        self.operations += 1
        if self.operations > MOST:
            raise self.fail(f"it has more than {MOST} operations")
        return found

    def parse(self) -> Node:
        node = self.sum()
        if self.peek():
            raise self.fail(f"{shown(self.text[self.at :][:20])} is left over at position {self.at + 1}")
        return node

    def sum(self) -> Node:
        node = self.product()
        while (op := self.operator("+-")) is not None:
            node = Node(op, (node, self.product()))
        return node

    def product(self) -> Node:
        node = self.factor()
        while (op := self.operator("*/")) is not None:
            node = Node(op, (node, self.factor()))
        return node

    def name(self) -> Node | None:
        for index, name in self.names:
            end = self.at + len(name)
            if name and self.text.startswith(name, self.at):
                after = self.text[end : end + 1]
                if not (_is_word(name[-1]) and after and _is_word(after)):
                    self.at = end
                    return Node("name", index=index)
        return None

    def factor(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(f"it is nested more than {DEEPEST} deep")
        node = self._factor()
        self.depth -= 1
        return node

    def _factor(self) -> Node:
        first = self.peek()
        if not first:
            raise self.fail("it ends where a name, a number or a parenthesis is expected")
        named = self.name()
        if named is not None:
            return named
        if first == "(":
            self.at += 1
            node = self.sum()
            if self.peek() != ")":
                raise self.fail("a parenthesis is not closed")
            self.at += 1
            return node
        if first in "+-":
            self.at += 1
            node = self.factor()
            return Node("negate", (node,)) if first == "-" else node
        number = _NUMBER.match(self.text, self.at)
        if number and not _is_word(self.text[number.end() : number.end() + 1] or " "):
            self.at = number.end()
            return Node("number", value=float(number.group()))
        word = re.compile(r"[^\s+*/()-]+").match(self.text, self.at)
        found = word.group() if word else first
        raise self.fail(f"{shown(found)} at position {self.at + 1} is no known metric. {nearest(found, self.known)}")


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def parse(expression: str, *, names: Sequence[str]) -> Node:
    """The expression as a tree over positions of `names`.

    Raises:
        StatsError: `XPB-S02`, it can't be read; the message says where and why.
    """
    if len(expression) > LONGEST:
        raise StatsError("XPB-S02", expression=expression, reason=plain(f"it has more than {LONGEST} characters"))
    return _Parser(expression, names).parse()


def names_in(expression: str, *, names: Sequence[str]) -> list[str]:
    """The names that the expression uses, in the order of `names`."""
    used: set[int] = set()
    todo = [parse(expression, names=names)]
    while todo:
        node = todo.pop()
        todo.extend(node.parts)
        if node.op == "name":
            used.add(node.index)
    return [name for i, name in enumerate(names) if i in used]


def value_and_gradient(node: Node, means: Floats) -> tuple[Floats, Floats]:
    """Value and gradient of the expression at the means, by forward differentiation.

    Args:
        node: Parsed expression.
        means: Shape (..., k).

    Returns:
        Value of shape (...), gradient of shape (..., k). A division by zero gives values that are not finite.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _dual(node, means)


def _dual(node: Node, means: Floats) -> tuple[Floats, Floats]:
    if node.op == "number":
        return np.full(means.shape[:-1], node.value), np.zeros_like(means)
    if node.op == "name":
        gradient = np.zeros_like(means)
        gradient[..., node.index] = 1.0
        return means[..., node.index], gradient
    if node.op == "negate":
        value, gradient = _dual(node.parts[0], means)
        return -value, -gradient
    (a, da), (b, db) = (_dual(p, means) for p in node.parts)
    if node.op == "+":
        return a + b, da + db
    if node.op == "-":
        return a - b, da - db
    if node.op == "*":
        return a * b, a[..., None] * db + b[..., None] * da
    return a / b, (da - (a / b)[..., None] * db) / b[..., None]
