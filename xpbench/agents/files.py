"""Files for assistants in the projects of users: AGENTS.md, llms.txt and a skill, from the templates that are installed."""

from __future__ import annotations

import sys
from pathlib import Path

from xpbench.agents.root import Root
from xpbench.errors import InputError
from xpbench.files import write_atomic

FILES = {
    "AGENTS.md": "AGENTS.md",
    "llms.txt": "llms.txt",
    "SKILL.md": "skills/xpbench/SKILL.md",
}
"""Template, and where it goes."""


def write_files(root: Root) -> tuple[list[str], list[str]]:
    """Write what is not there yet; what is there belongs to its owner and stays.

    Args:
        root: The project's folder.

    Returns:
        Names of the files written, and of those that were there.

    Raises:
        InputError: `XPB-I01`, the templates are not installed; `XPB-G01`, a link stands in the way.
    """
    source = _templates()
    written, kept = [], []
    for name, target in FILES.items():
        path = root.path(target)
        if path.exists():
            kept.append(target)
            continue
        write_atomic(path, (source / name).read_bytes())
        written.append(target)
    return written, kept


def _templates() -> Path:
    checkout = Path(__file__).resolve().parents[2] / "templates" / "agents"
    places = [checkout, Path(sys.prefix) / "share" / "jupyter" / "notebook_templates" / "agents"]
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError:
        pass
    else:
        places += [Path(p) / "agents" for p in jupyter_path("notebook_templates")]
    for place in places:
        if all((place / name).is_file() for name in FILES):
            return place
    raise InputError("XPB-I01", path=str(places[0]))
