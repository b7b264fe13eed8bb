"""Formulas of metrics: parsed by hand, never evaluated as code.

Grammar: `sum = product (("+" | "-") product)*`, `product = unary (("*" | "/") unary)*`, `unary = "-"? atom`,
`atom = number | name | "(" sum ")"`. A name is the key of a metric; keys with other characters than letters, digits and
underscores stand in backticks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|`(?P<quoted>[^`]+)`|(?P<sign>[-+*/()]))"
)
MAX_LENGTH = 2_000
MAX_DEPTH = 50
MAX_SIGNS = 200


@dataclass(frozen=True, slots=True)
class Node:
    """A formula as a tree.

    Attributes:
        op: `number`, `name`, `neg`, `+`, `-`, `*` or `/`.
        value: The number or the name.
        parts: Operands.
    """

    op: str
    value: float | str = 0.0
    parts: tuple[Node, ...] = ()

    def names(self) -> list[str]:
        """Names in the formula, each once, in order of first appearance."""
        own = [str(self.value)] if self.op == "name" else []
        for part in self.parts:
            own += part.names()
        return list(dict.fromkeys(own))


def parse(text: str) -> Node:
    """The tree of a formula.

    Raises:
        ValueError: with the reason and the place.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it has {len(text)} characters, more than {MAX_LENGTH}")
    tokens: list[tuple[str, str, int]] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if not match:
            raise ValueError(f"at character {position + 1}: {text[position:].strip()[:20]!r} is not understood")
        kind = match.lastgroup or ""
        tokens.append(("name" if kind == "quoted" else kind, match.group(kind), position + 1))
        position = match.end()
    if not tokens:
        raise ValueError("it is empty")
    signs = sum(kind == "sign" for kind, _, _ in tokens)
    if signs > MAX_SIGNS:
        raise ValueError(f"it has {signs} signs and parentheses, more than {MAX_SIGNS}")
    node, rest = _sum(tokens, 0, 0)
    if rest < len(tokens):
        raise ValueError(f"at character {tokens[rest][2]}: {tokens[rest][1]!r} is one too many")
    return node


def _sum(tokens: list[tuple[str, str, int]], at: int, depth: int) -> tuple[Node, int]:
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    node, at = _product(tokens, at, depth)
    while at < len(tokens) and tokens[at][1] in "+-" and tokens[at][0] == "sign":
        right, after = _product(tokens, at + 1, depth)
        node, at = Node(tokens[at][1], parts=(node, right)), after
    return node, at


def _product(tokens: list[tuple[str, str, int]], at: int, depth: int) -> tuple[Node, int]:
    node, at = _unary(tokens, at, depth)
    while at < len(tokens) and tokens[at][1] in "*/" and tokens[at][0] == "sign":
        right, after = _unary(tokens, at + 1, depth)
        node, at = Node(tokens[at][1], parts=(node, right)), after
    return node, at


def _unary(tokens: list[tuple[str, str, int]], at: int, depth: int) -> tuple[Node, int]:
    if at >= len(tokens):
        raise ValueError("it ends too early")
    kind, text, place = tokens[at]
    if (kind, text) == ("sign", "-"):
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        inner, after = _unary(tokens, at + 1, depth + 1)
        return Node("neg", parts=(inner,)), after
    if kind == "number":
        return Node("number", float(text)), at + 1
    if kind == "name":
        return Node("name", text), at + 1
    if text == "(":
        node, after = _sum(tokens, at + 1, depth + 1)
        if after >= len(tokens) or tokens[after][1] != ")":
            raise ValueError(f"the parenthesis at character {place} is not closed")
        return node, after + 1
    raise ValueError(f"at character {place}: {text!r} is in the place of a value")
