"""JSON Lines to Parquet: `xp.ingest` beside DuckDB's own declared-schema read, in one run on one file.

    python -m benchmarks.ingest --lines 1_000_000 --out benchmarks/results/ingest.json

Each case is a process of its own; imports are done before the clock starts. DuckDB's read drops what it can't parse in
silence; ours judges it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import header

ROOT = Path(__file__).resolve().parents[1]
NAMES = ["time", "distinct_id", "$insert_id", "mp_processing_time_ms", "amount", "Experiment name", "Variant name"]


def generate(path: Path, lines: int) -> None:
    with path.open("w") as file:
        for i in range(lines):
            p = {"time": 1_767_225_600 + i, "distinct_id": f"u{i % 50_000}", "$insert_id": f"i{i:012}"}
            p |= {"mp_processing_time_ms": (1_767_225_600 + i) * 1000, "$os": "iOS", "$city": "Ghent", "mp_lib": "swift"}
            p |= {"amount": (i * 7919 % 100_000) / 100} if i % 3 == 0 else {"page": f"/home/{i % 100}", "referrer": "none"}
            file.write(json.dumps({"event": ["view", "order", "ping"][i % 3], "properties": p}) + "\n")


def duckdb_read(path: Path, out: Path) -> int:
    import duckdb

    fields = ", ".join(f'"{n}" VARCHAR' for n in NAMES)
    columns = f"{{'event': 'VARCHAR', 'properties': 'STRUCT({fields})'}}"
    connection = duckdb.connect()
    connection.execute(
        f"COPY (SELECT event, properties.* FROM read_json('{path}', format = 'newline_delimited', columns = {columns})) "
        f"TO '{out / 'all.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
    ).fetchall()
    return int(connection.execute(f"SELECT count(*) FROM '{out / 'all.parquet'}'").fetchall()[0][0])


def ours(path: Path, out: Path) -> int:
    sys.path.insert(0, str(ROOT))
    import xpbench as xp

    return xp.ingest([path], out=out / "events", properties=NAMES[4:]).rows


def _import(case: str) -> None:
    """What a case needs, so that starting up does not count: ingestion is for files of gigabytes."""
    import duckdb  # noqa: F401

    if case == "xp.ingest":
        sys.path.insert(0, str(ROOT))
        import xpbench as xp

        xp.ingest  # noqa: B018 - loads the room


CASES = {"duckdb declared": duckdb_read, "xp.ingest": ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one")
    parser.add_argument("--path", type=Path)
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as folder:
            _import(options.one)
            begun, before = time.perf_counter(), time.process_time()
            rows = CASES[options.one](options.path, Path(folder))
            seconds, cpu = round(time.perf_counter() - begun, 2), round(time.process_time() - before, 2)
            rss = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
            print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "rss_gb": rss}))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.path or Path(folder) / "log.jsonl"
        if not path.exists():
            generate(path, options.lines)
        results: dict[str, list[dict[str, Any]]] = {c: [] for c in CASES}
        for _ in range(options.runs):
            for case in CASES:
                command = [sys.executable, __file__, "--one", case, "--path", str(path)]
                done = subprocess.run(
                    command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
                )
                results[case].append(json.loads(done.stdout))
                print(case, results[case][-1], flush=True)
        best = {c: min(r["cpu"] for r in rs) for c, rs in results.items()}
        wall = {c: min(r["seconds"] for r in rs) for c, rs in results.items()}
        table = {
            "lines": options.lines,
            "megabytes": round(path.stat().st_size / 2**20),
            "runs": results,
            "speed_of_duckdb_by_wall": round(wall["duckdb declared"] / wall["xp.ingest"], 2),
            "speed_of_duckdb_by_cpu": round(best["duckdb declared"] / best["xp.ingest"], 2),
        }
    sys.path.insert(0, str(ROOT))

    print(json.dumps({k: v for k, v in table.items() if k != "runs"}))
    if options.out:
        told = header(" ".join(["python", "benchmarks/ingest.py", *sys.argv[1:]]))
        options.out.write_text(json.dumps({**told, **table}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
