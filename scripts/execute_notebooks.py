"""Runs notebooks and keeps their outputs, without times and kernel chatter.

python scripts/execute_notebooks.py notebooks/01*.ipynb
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CHATTER = ("IPKernelApp", "TCP without encryption", "exposures wait in ")


def main(paths: list[str]) -> None:
    """Run each notebook in its own folder and write it back."""
    for path in map(Path, paths):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
        ).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                cell.outputs = [
                    o for o in cell.outputs if not (o.output_type == "stream" and any(c in o.text for c in CHATTER))
                ]
        notebook.metadata.pop("widgets", None)
        nbformat.write(notebook, path)
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
