"""Templates as notebooks: parameters go in as data, the executed notebook is the same every time it runs on the same data."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpbench.errors import InputError, nearest, plain
from xpbench.files import write_atomic
from xpbench.interrupts import temporary_folder

Parameter = str | int | float | bool | None | list[Any] | dict[str, Any]
FOLDER = Path("templates") / "xpbench"
INSTALLED = Path("share") / "jupyter" / "notebook_templates" / "xpbench"


def template_folders() -> list[Path]:
    """Where templates may lie: beside the package in a checkout, then where JupyterLab's template pickers look."""
    import sys

    checkout = Path(__file__).resolve().parents[2] / FOLDER
    return [p for p in (checkout, Path(sys.prefix) / INSTALLED) if p.is_dir()]


def notebook_templates() -> dict[str, Path]:
    """Template notebooks by name."""
    out: dict[str, Path] = {}
    for folder in template_folders():
        for path in sorted(folder.glob("*.ipynb")):
            out.setdefault(path.stem, path)
    return out


def with_parameters(notebook: dict[str, Any], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """The notebook with a cell after the one tagged `parameters` that sets them.

    Values are written as Python literals of JSON values, so that no text of a value is ever code.

    Raises:
        InputError: `XPB-I04`, a name that the notebook's parameters cell does not set, or a value that is no JSON value.
    """
    cells = list(notebook["cells"])
    index = next((i for i, c in enumerate(cells) if "parameters" in c.get("metadata", {}).get("tags", ())), None)
    source = "".join(cells[index]["source"]) if index is not None else ""
    known = [
        line.split(":")[0].split("=")[0].strip() for line in source.splitlines() if "=" in line and not line.startswith("#")
    ]
    lines = []
    for name, value in parameters.items():
        if name not in known:
            raise InputError(
                "XPB-I04",
                name="parameter",
                value=name,
                rule=plain("A template takes the parameters of its first code cell"),
                remedy=plain(nearest(name, known)),
            )
        lines.append(f"{name} = {_literal(name, value)}")
    if index is None or not lines:
        return notebook
    injected: dict[str, Any] = {
        "cell_type": "code",
        "id": "injected-parameters",
        "metadata": {"tags": ["injected-parameters"]},
        "execution_count": None,
        "outputs": [],
        "source": "\n".join(lines),
    }
    return {**notebook, "cells": [*cells[: index + 1], injected, *cells[index + 1 :]]}


def _literal(name: str, value: Any) -> str:
    try:
        plain_value = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            "XPB-I04",
            name=name,
            value=repr(value),
            rule=plain("Parameters are JSON values: text, finite numbers, true, false, null, lists and objects"),
            remedy=plain("Give such a value"),
        ) from error
    return repr(plain_value)


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
    parameters: Mapping[str, Parameter] | None = None,
    folder: str | Path = ".",
    timeout: int = 600,
) -> Path:
    """Run a template headless and write the executed notebook.

    Args:
        name: `plan`, `preflight`, `monitor`, `readout`, `decision` or `post-rollout`.
        out: File to write; replaced whole.
        parameters: Values by name; only those that the template declares.
        folder: Working folder of the notebook.
        timeout: Seconds that one cell may take.

    Raises:
        InputError: unknown template or parameter, `XPB-I05` without nbclient.
    """
    known = notebook_templates()
    if name not in known:
        raise InputError(
            "XPB-I04",
            name="template",
            value=name,
            rule=plain("It is one of the template notebooks"),
            remedy=plain(nearest(name, known)),
        )
    notebook = with_parameters(json.loads(known[name].read_text("utf-8")), parameters or {})
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
