"""The verifier as one file: its parts joined, so that a sceptic needs Python and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

PARTS = (
    *("report", "text", "plan_keys", "shape", "letter", "quantiles", "grammar", "bound", "chain", "exports", "file", "story"),
    *(
        "signed",
        "first",
        "pairs",
        "score",
        "estimates",
        "designs",
        "boundaries",
        "futility",
        "ratio",
        "posterior",
        "documented",
    ),
    *("rows", "rule", "health_words", "health", "numbers", "counted", "growth", "derived", "over_time", "template"),
    *("page", "said", "watching", "programme", "check"),
)
"""Order of the parts: each comes after those whose names it needs when it is loaded."""

HEAD = '''"""Check a memo with nothing but the memo: one file of Python, standard library only.

    python verify.py memo.html [--json] [--key KEY] [--ledger FILE] [--witness LENGTH:DIGEST] [--text FILE]

A second implementation, written apart from the engine that made the memo, of digests, the ledger's chain, estimates from
moments, designs, corrections, margins and the rule. Then the page: every cell is made again from the payload, put into the
template and compared byte by byte. Signatures by other keys than Ed25519 and time stamps need the package.

Exit codes: 0 verified in full, 1 differs (and where), 2 unreadable, 3 made by a newer version, 4 the numbers hold and the page
or some of them were not compared, 5 the numbers hold and the page was touched or there is none.

Joined from the parts in xpbench/verifier and from what draws the page; read them there, one subject a file.
"""
'''

_HOME = "xpbench.verifier."


def joined() -> tuple[str, list[str], set[str], set[str]]:
    """What the file says of itself, the parts in order, the imports that they need, and the names that they define.

    Raises:
        ValueError: two parts define the same name, or a part needs what is neither a part nor the standard library.
    """
    imports: set[str] = set()
    bodies: list[str] = []
    seen: dict[str, str] = {}
    for part in PARTS:
        source = (Path(__file__).parent / f"{part}.py").read_text(encoding="utf-8")
        body, title = _body(source, part, imports)
        for name in _names(source):
            if name in seen:
                raise ValueError(f"{name} is in {seen[name]} and in {part}")
            seen[name] = part
        bodies.append(f"# {'-' * (124 - len(part))} {part}\n# {title}\n\n{body}")
    return HEAD, bodies, imports, set(seen)


def _body(source: str, part: str, imports: set[str]) -> tuple[str, str]:
    """A part without its docstring and imports, and the docstring's first line; what it imports is added to the set."""
    tree, lines = ast.parse(source), source.split("\n")
    dropped = set(range(tree.body[0].end_lineno or 0))
    for node in tree.body[1:]:
        if isinstance(node, ast.Import):
            imports.update(f"import {a.name}" for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.startswith("xpbench") and (not module.startswith(_HOME) or module[len(_HOME) :] not in PARTS):
                raise ValueError(f"{part} needs {module}, which is not part of the single file")
            if not module.startswith(("xpbench", "__future__")):
                imports.update(f"from {module} import {a.name}" for a in node.names)
        else:
            continue
        dropped |= set(range(node.lineno - 1, node.end_lineno or node.lineno))
    return "\n".join(x for i, x in enumerate(lines) if i not in dropped).strip(), (ast.get_docstring(tree) or "").split("\n")[0]


def _names(source: str) -> list[str]:
    """What a part defines at its top level."""
    out = []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            out.append(node.name)
        elif isinstance(node, ast.Assign):
            out += [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]  # of a tuple each name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            out.append(node.target.id)
    return out
