"""The tables of speed in docs/proof/speed.md and docs/data.md, made from the results on record.

    python scripts/make_speed.py

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`; NAME is a file of benchmarks/results. Whoever runs a
benchmark again runs this, and reads the sentences around the table once more.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "docs" / "proof" / "speed.md", ROOT / "docs" / "data.md")
TABLE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

NAMES = {
    "hand SQL": "hand-written DuckDB SQL, the answer alone",
    "hand SQL, same work": "hand-written DuckDB SQL, same work",
    "xpbench": '**xpbench**, `slices=()`, `duplicates="keep"`',
    "xpbench, days": "… and slices by day",
    "xpbench, days since exposure": "… and days since exposure",
    "xpbench, repeats dropped": "… and repeats dropped",
    "xpbench, default": "**xpbench**, default: all three",
    "xpbench, first look": "xpbench, first look with `cache=`",
    "xpbench, second look": "xpbench, second look from the cache",
    "polars streaming": "Polars streaming, the answer alone",
    "polars streaming, same work": "Polars streaming, same work",
    "polars streaming, repeats dropped": "… and repeats dropped",
    "pandas": "pandas, the answer alone",
    "pandas, same work": "pandas, same work",
}
"""Cases of benchmarks/engine.py in words."""


def how(result: dict[str, Any]) -> str:
    """Command, commit, versions and machine in one sentence."""
    machine, versions = result["machine"], result.get("versions", {})
    named = ", ".join(f"{k} {v}" for k, v in versions.items() if k != "xpbench")
    commit = f", commit `{result['commit']}`" if result.get("commit") else ""
    load = machine["load_at_end"][0]
    return (
        f"`{result['command']}`: {machine['cores']} cores, {machine['memory_gb']} GB, Python {machine['python']}, "
        f"load {load} at the end, {named}{commit}."
    )


def stats_table(result: dict[str, Any]) -> str:
    """One row per case of benchmarks/stats.py."""
    lines = ["| rows × metrics | | case | wall s | of hand SQL | CPU s | peak GB |", "|---|---|---|--:|--:|--:|--:|"]
    for r in result["results"]:
        case = f"**{r['case']}**" if r["case"] == "xpbench" else r["case"]
        lines.append(
            f"| {r['rows']:,} × {r['metrics']} | {'CUPED' if r['cuped'] else 'plain'} | {case} | {r['wall']:.2f} "
            f"| {r['of_hand_sql']:.2f} | {r['cpu']:.2f} | {r['rss_gb']:.2f} |"
        )
    return "\n".join(lines)


def engine_table(result: dict[str, Any]) -> str:
    """One row per case of benchmarks/engine.py."""
    same = "hand SQL, same work" in result["cases"]
    head = ["case", "wall s", "CPU s", "CPU to the answer alone", *(["CPU to the same work"] if same else []), "peak GB"]
    lines = [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}"]
    for name, case in result["cases"].items():
        cells = [NAMES.get(name, name), f"{case['best']:.1f}", f"{case['best_cpu']:.1f}", f"{case['cpu_to_hand_sql']:.2f}"]
        cells += [f"{case['cpu_to_same_work']:.2f}"] if same else []
        lines.append(f"| {' | '.join([*cells, format(case['peak_gb'], '.2f')])} |")
    return "\n".join(lines)


def spark_table(result: dict[str, Any]) -> str:
    """One row per size and engine of benchmarks/spark.py, and one per engine and reading with the line through them."""
    engines = {"duckdb": "DuckDB", "spark": "Spark"}
    lines = [
        "| events | units | engine | first reading: wall s | CPU s | second: wall s | CPU s | jobs | peak GB |",
        "|--:|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in result["sizes"]:
        for engine, words in engines.items():
            run = min(row[engine], key=lambda r: r["first"]["cpu_seconds"])
            costs = [f"{run[n][k]:.1f}" for n in ("first", "again") for k in ("seconds", "cpu_seconds")]
            cells = [f"{row['events']:,}", f"{row['units']:,}", words, *costs, str(run["first"].get("jobs", ""))]
            lines.append(f"| {' | '.join([*cells, format(run['peak_mb'] / 1024, '.2f')])} |")
    lines += [
        "",
        "| engine | reading | CPU s, any log | CPU s for a million events | between, over the line | a billion: CPU s |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for engine, words in engines.items():
        for name, which in (("first", "first"), ("again", "second")):
            g = result["growth"][engine][name]
            lines.append(
                f"| {words} | {which} | {g['fixed_cpu_seconds']:.1f} | {g['cpu_seconds_per_million_events']:.2f} "
                f"| {g['between']:.2f} | {g['cpu_seconds_of_a_billion']:,} |"
            )
    starts = [run["start_cpu_seconds"] for row in result["sizes"] for run in row["spark"]]
    lines += ["", f"Start of the Spark session: {min(starts):.1f} to {max(starts):.1f} CPU s, not in these numbers."]
    return "\n".join(lines)


def table_of(name: str) -> str:
    """The table of one result, and how it was measured."""
    result = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    makers: dict[str, Callable[[dict[str, Any]], str]] = {"engine": engine_table, "spark": spark_table, "stats": stats_table}
    make = makers[name.partition("-")[0]]
    note = f" {result['note'][0].upper()}{result['note'][1:]}." if result.get("note") else ""
    return f"\n{make(result)}\n\n{how(result)}{note}\n\n"


def made(text: str) -> str:
    """A page with its tables made anew."""
    return TABLE.sub(lambda m: m[1] + table_of(m["name"]) + m[3], text)


def main() -> int:
    """Write the pages."""
    for page in PAGES:
        page.write_text(made(page.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
