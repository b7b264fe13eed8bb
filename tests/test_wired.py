"""Nothing is built, tested and then reached by nobody."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

BY_OTHERS = {
    "content_security_policy": "tornado asks a handler for it",
    "data_received": "tornado asks a handler for it",
    "handle_data": "the parser of HTML calls it",
    "handle_endtag": "the parser of HTML calls it",
    "handle_startendtag": "the parser of HTML calls it",
    "handle_starttag": "the parser of HTML calls it",
    "get_metadata": "OpenFeature asks a provider for it",
    **{
        f"resolve_{kind}_details": "OpenFeature asks a provider" for kind in ("boolean", "float", "integer", "object", "string")
    },
    "load_ipython_extension": "IPython calls it: %load_ext xpbench",
    "unload_ipython_extension": "IPython calls it: %unload_ext xpbench",
    "is_enabled": "the official SDK's provider has it, and Flags replaces the provider",
}
"""Names that a library calls, or that it expects."""


def used(tree: ast.AST) -> Iterator[str]:
    """Names that code mentions: names, attributes, arguments, and words in strings such as `views.plots:plot`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):  # under another name it is used as that
            yield from (a.name for a in node.names if a.asname)
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.]+(:\w+)?", node.value):
            yield re.split(r"[.:]", node.value)[-1]


def without_lists(tree: ast.Module) -> ast.Module:
    """A module without its `__all__`, which names everything."""
    kept = [n for n in tree.body if not (isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__")]
    return ast.Module(kept, [])


def declared(tree: ast.Module) -> Iterator[str]:
    """Public functions, classes and methods."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (m.name for m in node.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("_"))


@cache
def parsed(pattern: str) -> dict[str, ast.Module]:
    """Modules of a pattern, by path."""
    return {str(p.relative_to(ROOT)): ast.parse(p.read_text("utf-8")) for p in sorted(ROOT.glob(pattern))}


@cache
def documented() -> str:
    """What people read who use the package: guides, README, notebooks, templates; not what is generated or decided."""
    pages = [p for p in ROOT.glob("docs/**/*.md") if p.parent.name not in ("adr", "reference")]
    pages += [
        ROOT / "README.md",
        *ROOT.glob("notebooks/*.ipynb"),
        *ROOT.glob("templates/**/*.ipynb"),
        *ROOT.glob("templates/**/*.py"),
    ]
    return "\n".join(p.read_text("utf-8") for p in pages)


def unreached(code: dict[str, ast.Module], others: dict[str, ast.Module], text: str) -> dict[str, str]:
    """Public names that neither the package nor its tools use and no page names, with where they are."""
    uses = Counter(name for tree in code.values() for name in used(without_lists(tree)))
    uses.update(name for tree in others.values() for name in used(tree))
    where = {name: path for path, tree in code.items() for name in declared(tree)}
    return {n: p for n, p in where.items() if not uses[n] and n not in BY_OTHERS and not re.search(rf"\b{n}\b", text)}


def test_every_public_name_is_used_or_explained() -> None:
    tools = parsed("scripts/**/*.py") | parsed("benchmarks/**/*.py") | parsed("hatch_build.py")
    assert unreached(parsed("xpbench/**/*.py"), tools, documented()) == {}


def test_a_name_that_nobody_uses_is_found() -> None:
    code = {"a.py": ast.parse("__all__ = ['lost']\ndef lost(): ...\ndef used(): ...\nclass K:\n    def m(self): used()\n")}
    assert set(unreached(code, {}, "write `K`")) == {"lost", "m"}
