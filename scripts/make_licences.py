"""Writes the tables of docs/proof/dependencies.md: every package of an install, with its licence, from its own metadata.

python scripts/make_licences.py            in an environment with xpbench's dependencies
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "proof" / "dependencies.md"
MARK = "<!-- made by scripts/make_licences.py -->"

WORDS = {
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Public Domain": "Public Domain",
}


def name_of(requirement: str) -> str:
    """Package that a requirement asks for, in one spelling."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0]).lower()


def licence_of(package: str) -> str:
    """Licence in the package's own words: SPDX expression, classifier, or the first line of its field."""
    data = distribution(package).metadata
    if data.get("License-Expression"):
        return str(data["License-Expression"])
    found = [c.rpartition(" :: ")[2] for c in data.get_all("Classifier") or [] if c.startswith("License :: ")]
    found = [WORDS.get(c, c) for c in found if c != "OSI Approved"]
    return " or ".join(dict.fromkeys(found)) or WORDS.get(
        first := (data.get("License") or "?").strip().splitlines()[0][:60], first
    )


def needs(package: str) -> list[str]:
    """What a package asks for in every install: requirements without an extra, whose marker holds here."""
    from packaging.requirements import Requirement

    out = []
    for text in distribution(package).requires or []:
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            out.append(name_of(wanted.name))
    return out


def closure(roots: list[str]) -> dict[str, str]:
    """Every package that roots bring, with its licence; those that are not installed here are told as such."""
    out: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        package = waiting.pop()
        if package in out:
            continue
        try:
            out[package] = licence_of(package)
            waiting += needs(package)
        except PackageNotFoundError:
            out[package] = "not installed here"
    return out


def tables() -> str:
    """Packages of a plain install, then those that the extras for users add."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = [name_of(r) for r in project["dependencies"]]
    extras = {
        name: [name_of(r) for r in rs]
        for name, rs in project["optional-dependencies"].items()
        if name not in ("test", "dev", "docs")
    }
    core = closure(direct)
    lines = [MARK, "", "| package | licence | asked for by |", "|---|---|---|"]
    lines += [f"| {p} | {core[p]} | {'xpbench' if p in direct else 'another package'} |" for p in sorted(core)]
    lines += ["", "| extra | adds | licence |", "|---|---|---|"]
    for extra, roots in sorted(extras.items()):
        more = {p: licence for p, licence in closure(roots).items() if p not in core}
        lines += [f"| `{extra}` | {p} | {licence} |" for p, licence in sorted(more.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text[: text.index(MARK)] + tables(), encoding="utf-8", newline="")
    sys.stdout.write(f"{PAGE}\n")
