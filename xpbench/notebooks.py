"""Notebooks from templates: where templates lie, their parameters filled in as data, and headless runs.

The one finder and the one filler of the command line, forms and JupyterLab. A run on the same data gives the same notebook.
"""

from __future__ import annotations

import ast
import copy
import json
import os
import posixpath
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpbench.errors import InputError, nearest, plain
from xpbench.files import write_atomic
from xpbench.interrupts import temporary_folder

FOLDER = "xpbench"
TAG = "parameters"


def template_folders() -> list[Path]:
    """Return folders with templates: a checkout's own first, then where Jupyter looks; `JUPYTER_PATH` adds a team's."""
    checkout = Path(__file__).resolve().parents[1] / "templates" / FOLDER
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError:  # without Jupyter there is the environment's own folder
        places = [str(Path(sys.prefix) / "share" / "jupyter" / "notebook_templates")]
    else:
        places = jupyter_path("notebook_templates")
    return [p for p in (checkout, *(Path(place) / FOLDER for place in places)) if p.is_dir()]


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


def fill(notebook: Mapping[str, Any], values: Mapping[str, Any], *, strict: bool = False) -> dict[str, Any]:
    """Return a copy of the notebook with values in its cell tagged `parameters`.

    Only the right-hand sides are replaced: names, annotations and comments stay. Values are written as Python literals, so
    no text of a value is ever code.

    Args:
        notebook: A notebook (nbformat 4).
        values: JSON values by name.
        strict: Refuse a name that the cell does not have; else it is left out.

    Raises:
        InputError: `XPB-I04`, an unknown name, or a value that is not a JSON value.
    """
    known = parameters_of(notebook)
    for name, value in values.items():
        if strict and name not in known:
            rule, remedy = plain("A template takes the parameters of its first code cell"), plain(nearest(name, known))
            raise InputError("XPB-I04", name="parameter", value=name, rule=rule, remedy=remedy)
        if name in known:
            _literal(name, value)
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
        data = data[:begin] + _literal(name, values[name]).encode() + data[end:]
    cell["source"] = data.decode()
    return out


def _literal(name: str, value: Any) -> str:
    try:
        value = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            "XPB-I04",
            name=name,
            value=repr(value),
            rule=plain("Parameters are JSON values: text, finite numbers, true, false, null, lists and objects"),
            remedy=plain("Give such a value"),
        ) from error
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


def stripped(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook without what changes from run to run: times, versions, ids of displays and of cells."""
    cells = []
    for index, cell in enumerate(notebook["cells"]):
        tags = cell.get("metadata", {}).get("tags")
        outputs = [
            {k: v for k, v in output.items() if k != "transient"}
            for output in cell.get("outputs", ())
            if output.get("name") != "stderr"
        ]
        cells.append(
            {
                **cell,
                "id": f"cell-{index + 1:02}",
                "metadata": {"tags": tags} if tags else {},
                **({"outputs": outputs} if cell["cell_type"] == "code" else {}),
            }
        )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def run_template(
    name: str,
    out: str | Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    folder: str | Path = ".",
    timeout: int = 600,
) -> Path:
    """Run a template headless and write the executed notebook.

    Args:
        name: `plan`, `preflight`, `monitor`, `readout`, `decision`, `post-rollout`, or one of your team's.
        out: File to write; replaced whole.
        parameters: Values by name; only those that the template declares.
        folder: Working folder of the notebook.
        timeout: Seconds that one cell may take.

    Raises:
        InputError: `XPB-J03` unknown template, `XPB-I04` unknown parameter, `XPB-I05` without nbclient.
    """
    notebook = fill(read_template(name), parameters or {}, strict=True)
    target = Path(out)
    document = json.dumps(stripped(execute(notebook, folder=folder, timeout=timeout)), indent=1, ensure_ascii=False) + "\n"
    write_atomic(target, document.encode())
    return target


def execute(notebook: Mapping[str, Any], *, folder: str | Path = ".", timeout: int = 600) -> dict[str, Any]:
    """The notebook with its outputs, run in a kernel of its own.

    The kernel's channels are socket files in a folder of our own: nobody else on the machine can connect, and no port is lost
    to another program between the choice and the start. (On Windows they are ports of the loopback.)

    Raises:
        InputError: `XPB-I05`, nbclient is not installed.
    """
    try:
        import nbformat
        from nbclient import NotebookClient
        from traitlets.config import Config
    except ImportError as error:
        raise InputError(
            "XPB-I05", feature=plain("Running notebooks"), package="nbclient", install=plain("xpbench[lab]")
        ) from error
    node = nbformat.from_dict(dict(notebook))
    with temporary_folder("xp-") as private:
        manager = {"transport": "ipc", "connection_file": str(private / "k.json")} if os.name == "posix" else {}
        NotebookClient(
            node,
            timeout=timeout,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            store_widget_state=False,
            extra_arguments=["--log-level=ERROR"],
            config=Config({"KernelManager": manager}),
        ).execute()
    return dict(json.loads(nbformat.writes(node)))
