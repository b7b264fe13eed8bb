"""Writes docs/figures.md from benchmarks/results/*.json: no figure on that page is typed. A test compares.

python scripts/make_figures.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "figures.md"
HEADER = ("command", "commit", "versions", "machine", "python", "cores", "load_average", "memory_gb", "note")

TITLES = {
    "assign": "Assignment against SDK and hashlib",
    "calibration": "Calibration of every method on planted truth",
    "command_line": "Commands, in whole processes",
    "crash": "Processes killed while they write",
    "engine-20m": "Event log to moments, 20 million events",
    "engine-100m": "Event log to moments, 100 million events",
    "engine-100m-1gb": "Event log to moments, 100 million events, 1 GB",
    "expose": "Exposing and pulling",
    "faults": "Exposure under faults",
    "first-run-3.11": "First run, Python 3.11",
    "first-run-3.12": "First run, Python 3.12",
    "first-run-3.13": "First run, Python 3.13",
    "health": "Causes of a sample ratio mismatch",
    "import_time": "Import time",
    "ingest": "JSON Lines to Parquet",
    "injection": "System calls that fail",
    "lab_start": "JupyterLab's start with and without the panel",
    "lite": "JupyterLite in Chromium",
    "mutation": "Faults planted in the statistics",
    "notebook": "Forms and readouts in a notebook",
    "packaging": "Every way of installing",
    "peers": "The same tasks in other tools",
    "reference-duckdb": "Random small logs against plain Python, on DuckDB",
    "reference-spark": "Random small logs against plain Python, on Spark",
    "reference-units": "Random small logs against plain Python, one row per unit",
    "spark": "Spark beside DuckDB",
    "rehearsal": "Rehearsal",
    "scale": "Growth",
    "seal": "The seal",
    "stats-1m": "Statistics from a table, a million units",
    "stats-10m": "Statistics from a table, ten million units",
    "trust": "Attempts to break memo and ledger",
    "worlds": "Simulated worlds, from counts to recommendation",
}
LONGEST = 16
"""Rows of a list that the page shows; more are counted."""


def page() -> str:
    """The page as Markdown."""
    out = [
        "# Figures of all suites",
        "",
        "Read from `benchmarks/results/*.json` by `python scripts/make_figures.py`; nothing here is typed. Each section names",
        "the command that makes the figures again, the commit, and the machine. Figures of a busy machine say so by its load.",
        "",
    ]
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        name = path.stem
        out += [f"## {TITLES.get(name, name)}", "", *_header(result, name), ""]
        out += _lines({k: v for k, v in result.items() if k not in HEADER})
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def _header(result: dict[str, Any], name: str) -> list[str]:
    machine = result.get("machine", {})
    if isinstance(machine, dict):
        told = [f"{machine['cores']} cores"] if "cores" in machine else []
        told += [f"{machine['memory_gb']} GB"] if "memory_gb" in machine else []
        told += [f"Python {machine['python']}"] if "python" in machine else []
        told += [f"load {machine['load_at_end'][0]}"] if machine.get("load_at_end") else []
    else:
        told = [str(machine)]
    versions = result.get("versions")
    told += [f"{k} {v}" for k, v in versions.items()] if isinstance(versions, dict) else []
    commit = result.get("commit")
    told += [f"commit `{commit}`"] if commit else []
    lines = [f"`{_cell(result.get('command', 'no command on record'))}` · [{name}.json](../benchmarks/results/{name}.json)"]
    lines += ["", ", ".join(_cell(t) for t in told) + "."] if told else []
    lines += ["", _cell(result["note"])] if isinstance(result.get("note"), str) else []
    return lines


def _lines(value: dict[str, Any], level: int = 0) -> list[str]:
    """Scalars as a list, lists of records as tables, records inside one another up to two levels."""
    out: list[str] = []
    for key, inner in value.items():
        label = "  " * level + f"- {_cell(str(key).replace('_', ' '))}"
        if isinstance(inner, dict):
            if inner and all(not isinstance(v, (dict, list)) for v in inner.values()):
                out.append(
                    f"{label}: " + ", ".join(f"{_cell(str(k).replace('_', ' '))} {_number(v)}" for k, v in inner.items())
                )
            elif inner and level < 2:
                out += [label, *_lines(inner, level + 1)]
            elif inner:
                out.append(f"{label}: {len(inner)} more, see the file")
        elif isinstance(inner, list):
            if inner and isinstance(inner[0], dict) and level == 0 and len(inner) <= LONGEST:
                out += ["", f"{_cell(str(key).replace('_', ' '))}:", "", *_table(inner), ""]
            elif inner:
                out.append(f"{label}: {_counted(inner)}")
        else:
            out.append(f"{label}: {_number(inner)}")
    return out


def _counted(rows: list[Any]) -> str:
    if isinstance(rows[0], dict):
        for word in ("passed", "met"):
            if all(word in r for r in rows):
                return f"{sum(bool(r[word]) for r in rows)} of {len(rows)} {word}"
        return f"{len(rows)} rows"
    return ", ".join(_number(r) for r in rows[:LONGEST]) + (" …" if len(rows) > LONGEST else "")


def _table(rows: list[dict[str, Any]]) -> list[str]:
    columns = [k for k in rows[0] if not isinstance(rows[0][k], (dict, list)) and k != "answer"]
    lines = ["| " + " | ".join(_cell(c.replace("_", " ")) for c in columns) + " |", "|" + "---|" * len(columns)]
    return lines + ["| " + " | ".join(_number(r.get(c)) for c in columns) + " |" for r in rows]


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return _cell(value)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
