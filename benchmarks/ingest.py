"""JSON Lines to Parquet: `xp.ingest` beside DuckDB's own declared-schema read of the same file, in one run.

    python -m benchmarks.ingest --lines 1_000_000 5_000_000 --out benchmarks/results/ingest.json

Two shapes of lines: narrow ones (a few properties, some 220 bytes) and wide ones as a web SDK sends them (35 properties, some
1,050 bytes, not all ASCII), of which the properties are kept that a plan with a few metrics and segments reads. Each shape as a
plain file, as a gzip stream, and with a broken line every 16 MB. DuckDB's read is the fastest that it has: every value as text,
nothing checked; broken lines it drops in silence (`ignore_errors`), and it hashes nothing. All write the same columns with the
same compression and groups of rows (the size of what was written stands beside every run). `xp.ingest` leaves the order of
rows to the engine, which by default keeps it; so the declared read is measured with its default, which is what the shares
are of, and with `preserve_insertion_order = false`, too. Each run is a process of its own, they take turns, and imports are
done before the clock starts. By CPU is the better measure on a machine with other work.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import header

ROOT = Path(__file__).resolve().parents[1]
FIXED = ["time", "distinct_id", "$insert_id", "mp_processing_time_ms"]
KEPT = {
    "narrow": ["amount", "Experiment name", "Variant name"],
    "wide": [
        *["amount", "Experiment name", "Variant name", "$is_qa_tester", "$device_id", "$user_id", "$anon_id"],
        *["$distinct_id_before_identity", "$os", "mp_country_code", "plan"],
    ],
}
BROKEN_EVERY = 16 * 1024 * 1024
BROKEN = '{"event": "view", "properties": {"time": 17672256'


def narrow(lines: int) -> Iterator[str]:
    """Lines with a few properties."""
    for i in range(lines):
        p: dict[str, Any] = {"time": 1_767_225_600 + i, "distinct_id": f"u{i % 50_000}", "$insert_id": f"i{i:012}"}
        p |= {"mp_processing_time_ms": (1_767_225_600 + i) * 1000, "$os": "iOS", "$city": "Ghent", "mp_lib": "swift"}
        p |= {"amount": (i * 7919 % 100_000) / 100} if i % 3 == 0 else {"page": f"/home/{i % 100}", "referrer": "none"}
        yield json.dumps({"event": ["view", "order", "ping"][i % 3], "properties": p})


def wide(lines: int) -> Iterator[str]:
    """Lines as a web SDK sends them."""
    rng = random.Random(7)
    cities = ["Ghent", "Köln", "São Paulo", "New York", "東京", "Łódź", "Lagos", "Pune"]
    for i in range(lines):
        t, bits, city = 1_767_225_600 + i // 20, f"{rng.getrandbits(256):064x}", cities[i * 7 % 8]
        user = f"{bits[:16]}-{i % 90_000:06}"
        name = ("view", "order", "$mp_web_page_view", "ping", "$experiment_started")[rng.randrange(5)]
        p: dict[str, Any] = {"time": t, "distinct_id": user, "$app_build_number": bits[16:19], "$app_version_string": "4.21.3"}
        p |= {
            "$browser": ["Chrome", "Safari", "Firefox", "Mobile Safari"][i % 4],
            "$browser_version": 80 + i % 60,
            "$city": city,
        }
        p |= {"$current_url": f"https://shop.example.com/c/{i % 9999}?utm_source=news&ref={bits[20:28]}", "$device": "iPhone"}
        p |= {"$device_id": f"{bits[28:36]}-{bits[36:40]}-4{bits[40:43]}-8{bits[43:46]}-{bits[46:58]}", "$user_id": user}
        p |= {"$had_persisted_distinct_id": False, "$initial_referrer": "$direct", "$initial_referring_domain": "$direct"}
        p |= {"$insert_id": bits[48:64], "$lib_version": "2.55.1", "$mp_api_endpoint": "api-js.mixpanel.com"}
        p |= {"$mp_api_timestamp_ms": t * 1000 + i % 1000, "$os": ["iOS", "Mac OS X", "Windows", "Android"][i // 3 % 4]}
        p |= {"$region": "Flanders", "$screen_height": [844, 900, 1080][i % 3], "$screen_width": [390, 1440, 1920][i % 3]}
        p |= {
            "mp_country_code": ["BE", "DE", "BR", "US", "JP"][i % 5],
            "mp_lib": "web",
            "mp_processing_time_ms": t * 1000 + 900,
        }
        p |= {
            "mp_sent_by_lib_version": "2.55.1",
            "plan": ["free", "pro", "team"][i % 3],
            "signed_in": i % 2 == 0,
            "coupon": None,
        }
        p |= {"cart": [f"sku-{bits[k : k + 4]}" for k in range(i % 4)], "currency": "EUR", "experiment_group": f"g{i % 40}"}
        p |= {"page": {"type": "product", "position": i % 60, "title": f"Trail shoe “Lofoten”, size 42, {city}"}, "tab": i % 9}
        if name == "order":
            p["amount"] = round(rng.lognormvariate(3, 1), 2)
        if name == "$experiment_started":
            p |= {"Experiment name": "homepage", "Variant name": ["control", "beta"][i % 2]}
        yield json.dumps({"event": name, "properties": p}, ensure_ascii=False, separators=(",", ":"))


SHAPES = {"narrow": narrow, "wide": wide}
FORMS = ("plain", "gzip", "broken")


def generate(path: Path, shape: str, lines: int) -> None:
    """Write lines of a shape."""
    with path.open("w", encoding="utf-8") as file:
        for line in SHAPES[shape](lines):
            file.write(line + "\n")


def formed(path: Path, form: str) -> Path:
    """The same lines as a gzip stream, or with a broken line every so many bytes."""
    if form == "plain":
        return path
    made = path.with_name(f"{form}-{path.name}" + (".gz" if form == "gzip" else ""))
    with path.open("rb") as source:
        if form == "gzip":
            with gzip.open(made, "wb", compresslevel=6) as packed:
                shutil.copyfileobj(source, packed, 1 << 22)
        else:
            with made.open("wb") as target:
                left = 0
                for line in source:
                    if left <= 0:
                        target.write(BROKEN.encode() + b"\n")
                        left = BROKEN_EVERY
                    left -= target.write(line)
    return made


def duckdb_read(path: Path, out: Path, shape: str, form: str, *, ordered: bool = True) -> int:
    import duckdb

    fields = ", ".join(f'"{n}" VARCHAR' for n in [*FIXED, *KEPT[shape]])
    columns = f"{{'event': 'VARCHAR', 'properties': 'STRUCT({fields})'}}"
    silent = ", ignore_errors = true" if form == "broken" else ""
    connection = duckdb.connect()
    if not ordered:
        connection.execute("SET preserve_insertion_order = false")
    ((rows,),) = connection.execute(
        f"COPY (SELECT event, properties.* FROM read_json('{path}', format = 'newline_delimited', columns = {columns}{silent}))"
        f" TO '{out / 'all.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
    ).fetchall()
    return int(rows)


def ours(path: Path, out: Path, shape: str, form: str) -> int:
    import xpbench as xp

    return xp.ingest([path], out=out / "events", properties=KEPT[shape]).rows


def _import(case: str) -> None:
    """What a case needs, so that starting up does not count: ingestion is for files of gigabytes."""
    import duckdb  # noqa: F401

    if case == "xp.ingest":
        import pandas  # noqa: F401 - the engine loads it when it is handed a table for the first time

        import xpbench as xp

        xp.ingest  # noqa: B018 - loads the room


def duckdb_unordered(path: Path, out: Path, shape: str, form: str) -> int:
    return duckdb_read(path, out, shape, form, ordered=False)


def written(folder: Path) -> dict[str, Any]:
    """What a run left: megabytes of Parquet, files, and groups of rows."""
    import duckdb

    files = [str(p) for p in folder.rglob("*.parquet")]
    ((groups,),) = duckdb.execute(
        "SELECT count(DISTINCT (file_name, row_group_id)) FROM parquet_metadata(?)", [files]
    ).fetchall()
    return {"parquet_mb": round(sum(os.path.getsize(p) for p in files) / 2**20, 1), "files": len(files), "groups": groups}


CASES = {"duckdb declared": duckdb_read, "duckdb declared, any order": duckdb_unordered, "xp.ingest": ours}


def _one(case: str, path: Path, shape: str, form: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _import(case)
        begun, before = time.perf_counter(), time.process_time()
        rows = CASES[case](path, Path(folder), shape, form)
        seconds, cpu = round(time.perf_counter() - begun, 2), round(time.process_time() - before, 2)
        rss = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
        print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "rss_gb": rss, **written(Path(folder))}))


def compared(path: Path, shape: str, form: str, runs: int) -> dict[str, Any]:
    """Runs of all on one file, and how fast ours is beside DuckDB's read: 1 is as fast, 0.5 takes twice as long."""
    results: dict[str, list[dict[str, Any]]] = {c: [] for c in CASES}
    for _ in range(runs):
        for case in CASES:
            command = [sys.executable, __file__, "--one", case, "--path", str(path), "--shapes", shape, "--forms", form]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )
            results[case].append(json.loads(done.stdout))
    told: dict[str, Any] = {"megabytes": round(path.stat().st_size / 2**20), "runs": results}
    for measure, name in (("seconds", "wall"), ("cpu", "cpu")):
        theirs, unordered, own = ([r[measure] for r in results[c]] for c in CASES)
        told[f"speed_by_{name}"] = round(min(theirs) / min(own), 2)
        told[f"speed_by_{name}_median_of_turns"] = round(statistics.median(t / o for t, o in zip(theirs, own, strict=True)), 2)
        told[f"speed_by_{name}_beside_any_order"] = round(min(unordered) / min(own), 2)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files are made; some 10 GB for 5 million wide lines")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one")
    parser.add_argument("--path", type=Path)
    options = parser.parse_args()
    if options.one:
        _one(options.one, options.path, options.shapes[0], options.forms[0])
        return
    table: dict[str, Any] = {}
    for lines in options.lines:
        for shape in options.shapes:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                path = Path(folder) / "log.jsonl"
                generate(path, shape, lines)
                for form in options.forms:
                    made = formed(path, form)
                    found = table[f"{lines:,} {shape} lines, {form}"] = compared(made, shape, form, options.runs)
                    if made != path:
                        made.unlink()
                    print(f"{lines:,} {shape} {form}", json.dumps({k: v for k, v in found.items() if k != "runs"}), flush=True)
                    for case, runs in found["runs"].items():
                        print("  ", case, *(f"{r['seconds']}s/{r['cpu']}cpu/{r['rss_gb']}GB" for r in runs), flush=True)
    if options.out:
        given = ("DIR" if a == str(options.folder) else a for a in sys.argv[1:])
        told = header(" ".join(["python -m benchmarks.ingest", *given]))
        options.out.write_text(json.dumps({**told, "files": table}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
