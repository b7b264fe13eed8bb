"""The verifier as one file of Python, with the drawing of the page: what `docs/verify.py` is, and `--save-verifier` writes.

The verifier's own parts come first, joined by `verify.single`. Then what makes a page of a payload (`cells` and whatever it
needs, followed from there) and the template as text. The file needs Python and nothing else.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import importlib
import importlib.util
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from xpbench.verifier.single import joined

ROOTS = (("xpbench.memo.cells", "made"), ("xpbench.memo.cells", "wordings"))
"""What the verifier is handed: the cells of a page, and the wordings of its sentences."""


@dataclass
class _Module:
    """A module's source, what it defines at its top level, and what it imports."""

    name: str
    lines: list[str]
    defined: dict[str, ast.stmt] = field(default_factory=dict)
    told: dict[str, ast.stmt] = field(default_factory=dict)
    inside: dict[str, tuple[str, str]] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)


@cache
def _module(name: str) -> _Module:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"{name} has no source")
    source = Path(spec.origin).read_text(encoding="utf-8")
    out = _Module(name, source.split("\n"))
    last = ""
    for node in ast.parse(source).body:
        names: list[str] = []
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        elif isinstance(node, ast.Expr) and last:
            out.told[last] = node
        elif isinstance(node, ast.Import):
            out.outside |= {
                (a.asname or a.name): f"import {a.name}" + (f" as {a.asname}" if a.asname else "") for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xpbench"):
            out.inside |= {(a.asname or a.name): (node.module or "", a.name) for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            out.outside |= {(a.asname or a.name): f"from {node.module} import {a.name}" for a in node.names}
        out.defined |= dict.fromkeys(names, node)
        last = names[0] if len(names) == 1 and not isinstance(node, (ast.FunctionDef, ast.ClassDef)) else ""
    return out


def _home(module: str, name: str) -> tuple[str, str] | None:
    """Module and name where something is defined; None where the name is a module itself."""
    here = _module(module)
    if name in here.defined:
        return module, name
    if name in here.inside:
        return _home(*here.inside[name])
    if importlib.util.find_spec(f"{module}.{name}") is not None:
        return None
    return _home(getattr(importlib.import_module(module), name).__module__, name)  # a package that loads its names on first use


def _bound(node: ast.stmt) -> set[str]:
    """Names that a definition binds inside of itself."""
    bound = {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)}
    if isinstance(node, ast.FunctionDef):
        bound |= _stored(node)
        bound |= {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n is not node}
    return bound


def _needs(module: _Module, node: ast.stmt) -> tuple[list[tuple[str, str, str]], set[str]]:
    """What a definition uses: (text in the source, module, name) of the package, and imports from outside."""
    bound = _bound(node)
    inside: list[tuple[str, str, str]] = []
    outside: set[str] = set()
    for used in ast.walk(node):
        if isinstance(used, ast.Attribute) and isinstance(used.value, ast.Name) and used.value.id in module.inside:
            owner, name = module.inside[used.value.id]
            if used.value.id not in bound and _home(owner, name) is None:
                inside.append((f"{used.value.id}.{used.attr}", f"{owner}.{name}", used.attr))
        elif isinstance(used, ast.Name) and used.id not in bound:
            if used.id in module.defined:
                inside.append((used.id, module.name, used.id))
            elif used.id in module.inside:
                if _home(*module.inside[used.id]) is not None:  # a module: its names are found as attributes
                    inside.append((used.id, *module.inside[used.id]))
            elif used.id in module.outside:
                outside.add(module.outside[used.id])
            elif not hasattr(builtins, used.id) and used.id not in _stored(node):
                raise ValueError(f"{module.name} uses {used.id}, which is not there")
    return inside, outside


def _stored(node: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


@dataclass
class _Joining:
    """Definitions in the order in which they can be loaded."""

    taken: set[str]
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    bodies: list[str] = field(default_factory=list)

    def add(self, module: str, name: str) -> str:
        """Add a definition after what it needs; its name in the one file."""
        home = _home(module, name)
        if home is None:
            raise ValueError(f"{module}.{name} is a module")
        if home in self.names:
            return self.names[home]
        here = _module(home[0])
        node = here.defined[home[1]]
        own = name if name not in self.taken else f"_{home[0].rpartition('.')[2]}_{name.lstrip('_')}"
        if own in self.taken:
            raise ValueError(f"{own} is there twice")
        self.taken.add(own)
        self.names[home] = own
        inside, outside = _needs(here, node)
        changed = {text: self.add(owner, other) for text, owner, other in inside if (owner, other) != home}
        changed[home[1]] = own
        for text, new in changed.items():  # `chances.chance` in a function that has a `chance` of its own
            if text != new and new in _bound(node):
                changed[text] = self._alias(new)
        self.imports |= outside
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        told = here.told.get(home[1], node)
        text = "\n".join(here.lines[first - 1 : told.end_lineno])
        for old, new in changed.items():
            if old != new:
                text = re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", new, text)
        self.bodies.append(text)
        return own

    def _alias(self, name: str) -> str:
        """A second name of a definition, for where its own one is a variable of whoever uses it."""
        alias = f"_the_{name.lstrip('_')}"
        if alias not in self.taken:
            self.taken.add(alias)
            self.bodies.append(f"{alias} = {name}")
        return alias


def _template() -> str:
    """The template as source: a dictionary from its SHA-256 to its text."""
    text = Path(__file__).with_name("page.html.j2").read_text(encoding="utf-8")
    lines = "\n".join(f"    {line + chr(10)!r}" for line in text.removesuffix("\n").split("\n"))
    return f'TEMPLATES = {{\n    "{hashlib.sha256(text.encode()).hexdigest()}": (\n{lines}\n    )\n}}'


@cache
def single_file() -> str:
    """The source of the verifier in one file.

    Raises:
        ValueError: two parts define the same name, or one needs what is neither a part nor the standard library.
    """
    from xpbench._version import __version__

    head, bodies, imports, taken = joined()
    page = _Joining(taken | {"TEMPLATES", "PAGE"})
    made, wordings = (page.add(*root) for root in ROOTS)
    for line in imports | page.imports:
        name = line.rpartition(" ")[2]
        if name in page.taken:
            raise ValueError(f"{name} is imported and defined")
    plain = sorted(line for line in imports | page.imports if line.startswith("import "))
    named: dict[str, set[str]] = {}
    for line in imports | page.imports:
        if line.startswith("from "):
            _, module, _, name = line.split(" ")
            named.setdefault(module, set()).add(name)
    lines = [*plain, *(f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(named.items()))]
    title = f"# {'-' * 120} page\n# What makes a page of a payload: wording, numbers as text, charts, the template"
    last = (
        f"{_template()}\n\nPAGE = Renderer({__version__!r}, {made}, {wordings}, TEMPLATES)\n\n\n"
        'if __name__ == "__main__":\n    sys.exit(main(renderer=PAGE))\n'
    )
    start = f"{head}\nfrom __future__ import annotations\n\n" + "\n".join(lines)
    return "\n\n\n".join([start, *bodies, title, *page.bodies, last])
