"""The page docs/proof/first-run.md, made from benchmarks/results/first-run-*.json; scripts/stranger.py makes those.

python scripts/make_first_run.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "proof" / "first-run.md"
RESULTS = ROOT / "benchmarks" / "results"
START, END = "<!-- made by python scripts/make_first_run.py -->", "<!-- end -->"

PARTS = (
    "tools for the build",
    "making the panel for JupyterLab",
    "choosing and fetching packages",
    "unpacking and compiling them",
)
"""Parts of `pip install`, in order."""


def results() -> list[dict[str, Any]]:
    """What is kept, one for each Python, the oldest first."""
    found = [json.loads(path.read_text("utf-8")) for path in RESULTS.glob("first-run-*.json")]
    return sorted(found, key=lambda r: [int(n) for n in r["tried_with"].split(".")])


def told(kept: list[dict[str, Any]]) -> str:
    """What the page says: all Pythons beside each other, parts of the installation, weight, every step of the oldest Python."""
    first = kept[0]
    with_lab = first["with_lab"]
    heads = [
        overview(kept),
        "",
        "Seconds are those of a clock on the machine as it was. Load is how many processes wanted a core at the end:",
        "where that is far more than the machine has cores, the seconds include the other work, and the CPU seconds are what",
        "to go by.",
        "",
        "## What part of the time is what",
        "",
        parts_table(kept),
        "",
        "The first two parts of `pip install` are a checkout's alone: the wheel of a release has the panel in it.",
        "",
        "## What a base install weighs",
        "",
        f"**{first['base']['packages']} packages, {first['base']['mb']} MB** with Python {first['tried_with']}; "
        + (f"with JupyterLab {with_lab['packages']} packages, {with_lab['mb']} MB. " if with_lab else "")
        + "The heaviest of the base: "
        + ", ".join(f"{name} {size}" for name, size in first["base"]["heaviest_mb"].items())
        + " MB. [Why each is there](../adr/0087-base-install.md).",
        "",
        f"## Every step, with Python {first['tried_with']}",
        "",
        f"`{first['command']}`",
        "",
    ]
    return "\n".join(heads) + "\n" + table(first["steps"])


def overview(kept: list[dict[str, Any]]) -> str:
    """One line for each Python."""
    lines = [
        "| Python | to the first verified memo | steps | CPU s | everything | pages | notebooks | commands | messages | load |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in kept:
        tried = [
            f"{p['tried'] - len(p['failed'])} of {p['tried']}" if (p := r["every_page"].get(part)) else "–"
            for part in ("snippets", "notebooks", "commands", "messages")
        ]
        load = r["machine"]["load_at_end"][1] if "machine" in r else os.getloadavg()[1]
        lines.append(
            f"| {r['tried_with']} | **{r['seconds_to_memo']:.0f} s** | {r['steps_to_memo']} | {r['cpu_to_memo']:.0f} "
            f"| {r['seconds']:.0f} s in {len(r['steps'])} steps | {' | '.join(tried)} | {load:.0f} |"
        )
    return "\n".join(lines)


def parts_table(kept: list[dict[str, Any]]) -> str:
    """Seconds to the first memo, part by part, one column for each Python."""
    names = [f"Python {r['tried_with']}" for r in kept]
    lines = [f"| part | {' | '.join(names)} |", f"|---|{'--:|' * len(kept)}"]
    first = kept[0]
    for i in range(first["steps_to_memo"]):
        steps = [r["steps"][i] for r in kept]
        seconds = " | ".join(f"{s['seconds']:.1f}" for s in steps)
        lines.append(f"| `{steps[0]['typed']}` | {seconds} |")
        if "pip install" in steps[0]["typed"]:
            for part in PARTS:
                values = [f"{r['pip_install'][part]:.1f}" if part in r["pip_install"] else "–" for r in kept]
                lines.append(f"| … {part} | {' | '.join(values)} |")
    return "\n".join(lines)


def table(steps: list[dict[str, Any]]) -> str:
    """The steps as Markdown."""
    lines = ["| | typed or clicked | s | CPU s | what came back |", "|---|---|--:|--:|---|"]
    stage = ""
    for step in steps:
        answer = step["told"].replace("|", "\\|").replace("<", "&lt;")
        cpu = "" if step["cpu"] is None else f"{step['cpu']:.1f}"
        name = step["stage"] if step["stage"] != stage else ""
        lines.append(f"| {name} | `{step['typed']}` | {step['seconds']:.1f} | {cpu} | {answer} |")
        stage = step["stage"]
    return "\n".join(lines)


def page() -> str:
    """The page with what the results say between its marks."""
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    kept = results()
    return f"{before}{START}\n\n{told(kept) if kept else 'Not measured yet.'}\n\n{END}{rest.partition(END)[2]}"


def write() -> None:
    """Make the page anew."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    write()
