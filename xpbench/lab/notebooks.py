"""Notebooks from templates: where templates are, and their parameters filled in."""

from __future__ import annotations

import ast
import copy
import json
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpbench.errors import InputError, nearest, plain

FOLDER = "xpbench"
TAG = "parameters"


def template_folders() -> list[Path]:
    """Folders with our templates: a checkout's own first, then where packages and teams install theirs."""
    from jupyter_core.paths import jupyter_path

    checkout = Path(__file__).resolve().parents[2] / "templates" / FOLDER
    candidates = [checkout, *(Path(p) / FOLDER for p in jupyter_path("notebook_templates"))]
    return [p for p in candidates if p.is_dir()]


def templates() -> dict[str, Path]:
    """Every template by its name (the file's stem); the first folder that has it wins."""
    out: dict[str, Path] = {}
    for folder in template_folders():
        for path in sorted(folder.glob("*.ipynb")):
            out.setdefault(path.stem, path)
    return out


def template_path(name: str) -> Path:
    """The file of a template.

    Raises:
        InputError: `XPB-J03`, there is no such template.
    """
    known = templates()
    if name not in known:
        raise InputError("XPB-J03", name=name, hint=plain(nearest(name, known)))
    return known[name]


def read_template(name: str) -> dict[str, Any]:
    """A template as a notebook.

    Raises:
        InputError: `XPB-J03`, no such template; `XPB-I02`, it is no notebook.
    """
    path = template_path(name)
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
            raise ValueError("no cells")
    except ValueError as error:
        raise InputError("XPB-I02", path=plain(path.name), kind=plain("notebook"), reason=str(error)) from error
    return document


def parameters_of(notebook: Mapping[str, Any]) -> list[str]:
    """Names that the cell tagged `parameters` assigns, in its order."""
    cell = _parameters_cell(notebook)
    return [] if cell is None else [name for name, _ in _assignments(_source(cell))]


def fill(notebook: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the notebook with values in its cell tagged `parameters`.

    Only the right-hand sides are replaced: names, annotations and comments stay. Values are written as Python literals, so
    nothing that stands in them can run. A name that the cell does not have is left out.

    Args:
        notebook: A notebook (nbformat 4).
        values: Text, numbers, booleans or None by name.
    """
    out = copy.deepcopy(dict(notebook))
    cell = _parameters_cell(out)
    if cell is None:
        return out
    source = _source(cell)
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    data = source.encode()
    for name, value in reversed(_assignments(source)):
        if name not in values:
            continue
        begin = starts[value.lineno - 1] + value.col_offset
        end = starts[(value.end_lineno or value.lineno) - 1] + (value.end_col_offset or 0)
        data = data[:begin] + _literal(values[name]).encode() + data[end:]
    cell["source"] = data.decode()
    return out


def _literal(value: Any) -> str:
    if isinstance(value, str) and value.isascii():
        return json.dumps(value)  # plain JSON text is Python text, with the double quotes of our style
    return repr(value)


def _parameters_cell(notebook: Mapping[str, Any]) -> dict[str, Any] | None:
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code" and TAG in cell.get("metadata", {}).get("tags", []):
            found: dict[str, Any] = cell
            return found
    return None


def _source(cell: Mapping[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _assignments(source: str) -> list[tuple[str, ast.expr]]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    out: list[tuple[str, ast.expr]] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            out.append((node.targets[0].id, node.value))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            out.append((node.target.id, node.value))
    return out


def relative(path: str, *, start: str) -> str:
    """A contents path as seen from a notebook's folder."""
    return posixpath.relpath("/" + path, "/" + start)
