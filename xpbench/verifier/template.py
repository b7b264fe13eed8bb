"""A page filled by other code than the one that made it: the few words of Jinja that the memo's template uses.

The template is data: fixed wording and where each cell goes. This reads it with the standard library, for anyone who checks
a memo without the package. Nothing of a template or of a cell is run: expressions are read by Python's parser and looked up
node by node, and what is not in the short list below is an error.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

from xpbench.verifier.report import J

_TAG = re.compile(r"\{%(-?)\s*(.*?)\s*(-?)%\}\n?|\{\{\s*(.*?)\s*\}\}", re.DOTALL)


class Safe(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped_text(text: str) -> str:
    """Text as it is written in HTML."""
    for sign, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&#34;")):
        text = text.replace(sign, code)
    return text


def filled(template: str, context: J) -> str:
    """The template with the cells of a context, every one of them escaped.

    Raises:
        ValueError: the template uses something else than the list above, or names a cell that is not there.
    """
    return "".join(_run(_tree(template), dict(context)))


@cache
def _tree(template: str) -> J:
    tokens = list(_tokens(template))
    nodes, at, _ = _block(tokens, 0, ())
    if at != len(tokens):
        raise ValueError("a template ends in the middle of a block")
    return nodes


def _tokens(template: str) -> Iterator[tuple[str, str]]:
    at, strip = 0, False
    for match in _TAG.finditer(template):
        text = template[at : match.start()]
        text = text.lstrip() if strip else text
        text = text.rstrip() if match[1] else text
        if text:
            yield "text", text
        strip = bool(match[3])
        at = match.end()
        yield ("value", match[4]) if match[4] is not None else ("tag", match[2])
    text = template[at:]
    yield "text", text.lstrip() if strip else text


def _block(tokens: Sequence[tuple[str, str]], at: int, ends: tuple[str, ...]) -> tuple[list[J], int, str]:
    """Nodes up to one of the closing words; the place after it, and the closing tag."""
    nodes: list[J] = []
    while at < len(tokens):
        kind, text = tokens[at]
        at += 1
        if kind == "text":
            nodes.append(("text", text))
            continue
        if kind == "value":
            nodes.append(("value", _parsed(text)))
            continue
        word, _, rest = text.partition(" ")
        if word in ends:
            return nodes, at, text
        if word == "if":
            branches: list[J] = []
            condition: J = _parsed(rest)
            while True:
                body, at, closing = _block(tokens, at, ("elif", "else", "endif"))
                branches.append((condition, body))
                if closing == "endif":
                    break
                condition = _parsed(closing.partition(" ")[2]) if closing.startswith("elif") else None
            nodes.append(("if", branches))
        elif word == "for":
            loop = _parsed(f"[0 for {rest}]").generators[0]
            body, at, closing = _block(tokens, at, ("else", "endfor"))
            empty: list[J] = []
            if closing == "else":
                empty, at, closing = _block(tokens, at, ("endfor",))
            targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
            names = [ast.unparse(target) for target in targets]
            nodes.append(("for", names, loop.iter, loop.ifs, body, empty))
        elif word == "set":
            name, _, value = rest.partition("=")
            nodes.append(("set", name.strip(), _parsed(value)))
        elif word == "macro":
            call = _parsed(rest)
            body, at, _ = _block(tokens, at, ("endmacro",))
            nodes.append(("macro", call.func.id, [a.id for a in call.args], body))
        else:
            raise ValueError(f"a template uses {word!r}")
    return nodes, at, ""


def _parsed(text: str) -> J:
    text = text.strip()
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:  # Jinja's `a if b` without else is nothing where b is not so
        return ast.parse(f'{text} else ""', mode="eval").body


def _run(nodes: Sequence[J], names: dict[str, J]) -> Iterator[str]:
    for node in nodes:
        kind = node[0]
        if kind == "text":
            yield node[1]
        elif kind == "value":
            value = _value(node[1], names)
            yield value if isinstance(value, Safe) else escaped_text(str(value))
        elif kind == "if":
            chosen = next((body for test, body in node[1] if test is None or _value(test, names)), ())
            yield from _run(chosen, names)
        elif kind == "set":
            names[node[1]] = _value(node[2], names)
        elif kind == "macro":
            names[node[1]] = partial(_called, node[2], node[3], names)
        else:
            yield from _looped(node, names)


def _called(arguments: Sequence[str], body: Sequence[J], names: dict[str, J], *values: J) -> Safe:
    return Safe("".join(_run(body, {**names, **dict(zip(arguments, values, strict=True))})))


def _looped(node: J, names: dict[str, J]) -> Iterator[str]:
    _, targets, source, tests, body, empty = node
    rounds = []
    for item in _value(source, names):
        bound = dict(zip(targets, item, strict=True)) if len(targets) > 1 else {targets[0]: item}
        if all(_value(test, {**names, **bound}) for test in tests):
            rounds.append(bound)
    if not rounds:
        yield from _run(empty, dict(names))
    for i, bound in enumerate(rounds):
        yield from _run(body, {**names, **bound, "loop": {"last": i == len(rounds) - 1}})


_FILTERS: dict[str, Callable[..., J]] = {
    "safe": lambda value: Safe(value),
    "length": len,
    "list": list,
    "join": lambda items, between="": between.join(map(str, items)),
    "replace": lambda text, old, new: str(text).replace(old, new),
    "selectattr": lambda items, name, test, wanted: [i for i in items if test == "equalto" and i[name] == wanted],
}
_COMPARE: dict[type, Callable[[J, J], bool]] = {
    ast.Eq: lambda a, b: bool(a == b),
    ast.NotEq: lambda a, b: bool(a != b),
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Gt: lambda a, b: bool(a > b),
    ast.Lt: lambda a, b: bool(a < b),
}


def _value(node: J, names: dict[str, J]) -> J:
    """What an expression of a template stands for; a node that is not named here is an error."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            if name not in names:
                raise ValueError(f"a template names {name!r}, which is not there")
            return names[name]
        case ast.Attribute(value=inner, attr=name):
            owner = _value(inner, names)
            if not isinstance(owner, dict) or name not in owner:
                raise ValueError(f"a template names a cell {name!r}, which is not there")
            return owner[name]
        case ast.Subscript(value=inner, slice=ast.Slice(lower=low, upper=high)):
            ends = [None if end is None else _value(end, names) for end in (low, high)]
            return _value(inner, names)[ends[0] : ends[1]]
        case ast.Subscript(value=inner, slice=key):
            return _value(inner, names)[_value(key, names)]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return [_value(item, names) for item in items]
        case ast.IfExp(test=test, body=body, orelse=other):
            return _value(body if _value(test, names) else other, names)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _value(inner, names)
        case ast.BoolOp(op=op, values=values):
            found: J = None
            for each in values:
                found = _value(each, names)
                if bool(found) == isinstance(op, ast.Or):
                    break
            return found
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return _COMPARE[type(op)](_value(left, names), _value(right, names))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            called, arguments = (right.func, right.args) if isinstance(right, ast.Call) else (right, [])
            name = ast.unparse(called)
            if name not in _FILTERS:
                raise ValueError(f"a template uses the filter {name!r}")
            return _FILTERS[name](_value(left, names), *(_value(a, names) for a in arguments))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, names) + _value(right, names)
        case ast.Call(func=ast.Name(id=name), args=arguments) if isinstance(names.get(name), partial):
            return names[name](*(_value(a, names) for a in arguments))
        case _:
            raise ValueError(f"a template uses an expression of the kind {type(node).__name__}")
