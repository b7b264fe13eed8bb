"""The verifier as one file: its parts joined, so that a sceptic needs Python and nothing else."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

PARTS = (
    *("report", "text", "plan_keys", "shape", "chain", "file"),
    *("quantiles", "pairs", "score", "estimates", "designs", "boundaries", "posterior", "documented", "rows", "rule"),
    *("numbers", "over_time", "page", "package", "check"),
)
"""Order of the parts: each stands after those whose names it needs when it is loaded."""

HEAD = '''"""Check a memo with nothing but the memo: one file of Python, standard library only.

    python verify.py memo.html [--json] [--key KEY] [--ledger FILE] [--witness LENGTH:DIGEST] [--full]

A second implementation, written apart from the engine that made the memo, of digests, the ledger's chain, estimates from
moments, designs, corrections, margins and the rule. With the package of the same version installed the whole page is rendered
again and compared byte by byte; without it the marked numbers of the page are, and the verdict says so.

Exit codes: 0 verified in full, 1 differs (and where), 2 unreadable, 3 made by a newer version, 4 the numbers hold and the page
was not compared, 5 the numbers hold and the page was touched or there is none.

Joined from the parts in xpbench/verifier; read them there, one subject a file.
"""
'''

_HOME = "xpbench.verifier."


@cache
def single_file() -> str:
    """The source of the verifier in one file: the parts in order, imports of the standard library once, at the top.

    Raises:
        ValueError: two parts define the same name, or a part needs what is neither a part nor the standard library.
    """
    plain: set[str] = set()
    named: dict[str, set[str]] = {}
    bodies: list[str] = []
    seen: dict[str, str] = {}
    for part in PARTS:
        source = (Path(__file__).parent / f"{part}.py").read_text(encoding="utf-8")
        body, title = _body(source, part, plain, named)
        for name in _names(source):
            if name in seen:
                raise ValueError(f"{name} stands in {seen[name]} and in {part}")
            seen[name] = part
        bodies.append(f"# {'-' * (124 - len(part))} {part}\n# {title}\n\n{body}")
    imports = [f"import {name}" for name in sorted(plain)]
    imports += [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(named.items())]
    head = HEAD + "\nfrom __future__ import annotations\n\n" + "\n".join(imports)
    return "\n\n\n".join([head, *bodies, 'if __name__ == "__main__":\n    sys.exit(main())\n'])


def _body(source: str, part: str, plain: set[str], named: dict[str, set[str]]) -> tuple[str, str]:
    """A part without its docstring and imports, and the docstring's first line; what it imports is added to the sets."""
    tree, lines = ast.parse(source), source.split("\n")
    dropped = set(range(tree.body[0].end_lineno or 0))
    for node in tree.body[1:]:
        if isinstance(node, ast.Import):
            plain.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.startswith("xpbench") and (not module.startswith(_HOME) or module[len(_HOME) :] not in PARTS):
                raise ValueError(f"{part} needs {module}, which is no part of the single file")
            if not module.startswith(("xpbench", "__future__")):
                named.setdefault(module, set()).update(a.name for a in node.names)
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
            out += [t.id for t in node.targets if isinstance(t, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            out.append(node.target.id)
    return out
