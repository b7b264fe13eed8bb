"""One command: environments, worlds, all tasks of all peers, table, charts, result.

python -m benchmarks.peers --envs DIR [--short] [--only NAME ...] [--out FOLDER]
python -m benchmarks.peers --envs DIR --part worlds|timed      half of it; the other half stays as the saved result has it
python -m benchmarks.peers --envs DIR --part worlds --only xpbench      its worlds alone, after a change of ours
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.peers import judge, worlds
from benchmarks.peers.envs import PEERS, ROOT, Peer, interpreter, make, versions
from benchmarks.report import commit, machine, write

TASKS = Path(__file__).parent / "tasks"
FUNCTION = {
    "coverage": "lift",
    "peeking": "first_significant_day",
    "guardrail": "guardrail_passes",
    "srm": "srm_day",
    "readout": "readout",
    "assignment": "assign",
}
TIMED = ("readout", "assignment")
SAVED = ROOT / "benchmarks" / "results" / "peers.json"
BOTH_WAYS = 4
"""First runs of each world that xpbench answers from the table, too, to show that both ways agree."""


def call(peer: Peer, folder: Path | None, *arguments: str, script: str | None = None) -> dict[str, Any]:
    """One task of a peer in a process of its own; a failure says why."""
    command = [interpreter(peer, folder), str(TASKS / "harness.py"), script or peer.script, *arguments]
    paths = str(ROOT) if peer.name == "xpbench" else ""
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "2", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def play(peer: Peer, folder: Path | None, tables: dict[str, Path]) -> dict[str, Any]:
    """All that a peer can do, judged; what is timed comes later, when nothing else runs."""
    can = call(peer, folder, "describe")["tasks"]
    out: dict[str, Any] = {"versions": versions(peer, folder), "lines": judge.lines_of_code(peer.script), "worlds": {}}
    for name, path in tables.items():
        task, _, kind = name.partition("/")
        function = "lift_cuped" if kind == "cuped" else FUNCTION[task]
        if task in TIMED or (function not in can and not (peer.name == "xpbench" and task == "srm")):
            continue
        began = time.perf_counter()
        wanted = "coverage cuped" if kind == "cuped" else task
        script = "xpbench_moments.py" if peer.name == "xpbench" else None
        found = call(peer, folder, wanted, str(path), script=script)
        if "failed" in found:
            out["worlds"][name] = found
            continue
        out["worlds"][name] = {
            **judge.JUDGES[task](kind, found["answers"]),
            "cpu_ms_per_run": 1000 * found["seconds"] / len(found["answers"]),
        }
        if peer.name == "xpbench" and task != "srm":
            out["worlds"][name]["both_ways_agree"] = both_ways(peer, wanted, path, found["answers"])
        print(f"  {peer.name}: {name} {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    if "srm_alarm" in can:
        out["odd counts"] = {}
        for what, counts in judge.ODD_COUNTS.items():
            found = call(peer, folder, "single", "srm_alarm", json.dumps(counts))
            out["odd counts"][what] = found["answers"][0] if "answers" in found else found["failed"]
    if "sample_size" in can:
        found = call(peer, folder, "single", "sample_size", json.dumps({"baseline": 0.1, "lift": 0.05}))
        out["sample size"] = found["answers"][0] if "answers" in found else found["failed"]
    return out


def timed(peers: list[Peer], folder: Path | None, tables: dict[str, Path], repeats: int, found: dict[str, Any]) -> None:
    """The large tasks, peers taking turns, one process at a time; the best of the repeats counts."""
    for name in ("readout/large", "assignment/ids"):
        task, path = name.partition("/")[0], tables[name]
        runs: dict[str, list[dict[str, Any]]] = {}
        for _ in range(repeats):
            for peer in peers:
                done = call(peer, folder, task, str(path), str(path.parent / "flag.json"))
                if "failed" not in done:
                    runs.setdefault(peer.name, []).append(done)
        for peer_name, its in runs.items():
            found[peer_name][task] = min(its, key=lambda r: r["wall"])
            found[peer_name][task]["seconds"] = min(r["seconds"] for r in its)


def both_ways(peer: Peer, task: str, path: Path, answers: list[Any]) -> bool:
    """Whether the first runs from tables, through engine and ledger, give what the moments gave."""
    import pandas as pd

    table = pd.read_parquet(path)
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.parquet"
        table[table.run < BOTH_WAYS].to_parquet(few, index=False)
        found = call(peer, None, task, str(few))
    if "failed" in found:
        raise RuntimeError(found["failed"])
    for one, other in zip(found["answers"], answers, strict=False):
        pairs = zip(one, other, strict=True) if isinstance(one, list) else [(one, other)]
        for a, b in pairs:
            missing = [x is None or (isinstance(x, float) and math.isnan(x)) for x in (a, b)]
            if any(missing) and missing[0] != missing[1]:
                return False
            if not any(missing) and abs(a - b) > 1e-9 * max(1.0, abs(b)):
                return False
    return len(found["answers"]) == min(BOTH_WAYS, len(answers))


def compare(found: dict[str, Any]) -> dict[str, Any]:
    """Ratios against xpbench; above 1 the peer needs more."""
    ours = found["xpbench"]
    ratios: dict[str, Any] = {"readout": {}, "assignment": {}}
    for name, its in found.items():
        for task in ratios:
            a, b = its.get(task, {}), ours.get(task, {})
            if "wall" not in a or "wall" not in b:
                continue
            ratios[task][name] = {
                "wall": round(a["wall"] / b["wall"], 2),
                "cpu": round(a["seconds"] / b["seconds"], 2),
                "memory": round(max(a["peak_mb"] - a["floor_mb"], 1) / max(b["peak_mb"] - b["floor_mb"], 1), 2),
            }
    return ratios


def check_agreement(found: dict[str, Any]) -> None:
    """All peers answer the same question: lifts of the large table within a hundredth of their interval, same assignments.

    Adjusting moves the lift by what CUPED is free to choose (one slope or two, which control mean it divides by).
    """
    ours = found["xpbench"]["readout"]["answers"][0]
    for name, its in found.items():
        for row, mine in zip(its.get("readout", {}).get("answers", [[]])[0], ours, strict=False):
            assert row[0] == mine[0], (name, row[0])
            assert abs(row[1] - mine[1]) < 0.05 * (mine[3] - mine[2]), (name, row, mine)
        theirs = its.get("assignment", {}).get("answers")
        if theirs is not None:
            assert theirs == found["xpbench"]["assignment"]["answers"], f"{name} assigns otherwise"


def strip(found: dict[str, Any]) -> dict[str, Any]:
    """Without the answers themselves: the result is for reading."""
    for its in found.values():
        for task in ("readout", "assignment"):
            if task in its:
                its[task] = {k: round(v, 3) if isinstance(v, float) else v for k, v in its[task].items() if k != "answers"}
    return found


def _half(saved: dict[str, Any], half: str) -> dict[str, Any]:
    """What made one half of a saved result, which may be older than its division in halves."""
    whole = {"commit": saved["commit"], "seconds": saved["seconds"], "load_at_end": saved["machine"]["load_at_end"]}
    return dict(saved.get("halves", {}).get(half, whole))


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", type=Path, help="folder of the peers' environments, made where missing")
    parser.add_argument("--page", action="store_true", help="only make charts and page again from the saved result")
    parser.add_argument("--short", action="store_true", help="small worlds; writes only to --out")
    parser.add_argument("--only", nargs="*", choices=list(PEERS), help="these peers, and xpbench")
    parser.add_argument("--jobs", type=int, default=2, help="peers that play at the same time (what is timed runs alone)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of what is timed; the best counts")
    parser.add_argument("--part", choices=("worlds", "timed"), help="only this half; the other stays as it is saved")
    parser.add_argument("--out", type=Path, help="folder for result and charts instead of benchmarks/results and docs/gallery")
    options = parser.parse_args()
    began = time.perf_counter()
    chosen = [p for p in PEERS.values() if p.name == "xpbench" or not options.only or p.name in options.only]
    if options.page:
        from benchmarks.peers import charts

        saved = json.loads(SAVED.read_text("utf-8"))
        charts.draw(saved, ROOT / "docs" / "gallery")
        charts.page(charts.tables(saved), saved)
        return 0
    if options.part and options.short:
        parser.error("--part is a half of the whole comparison: without --short")
    if options.part == "timed" and options.only:
        parser.error("what is timed is compared in one run: without --only")
    if options.envs is None and any(p.packages for p in chosen):
        parser.error("peers need --envs DIR; --only xpbench needs none")
    missing: dict[str, str] = {}
    for peer in chosen:
        failed = make(peer, options.envs) if peer.packages else None
        if failed:
            missing[peer.name] = failed
            print(f"{peer.name} does not install: {failed}", file=sys.stderr)
    installed = time.perf_counter() - began
    sizes = worlds.Sizes.short() if options.short else worlds.Sizes()
    with tempfile.TemporaryDirectory() as folder:
        tables = worlds.write(Path(folder), sizes)
        players = [p for p in chosen if p.name not in missing]
        saved = json.loads(SAVED.read_text("utf-8")) if options.part else {}
        found = dict(saved.get("peers", {}))
        if options.part == "timed":
            for peer in players:
                found[peer.name] |= {"versions": versions(peer, options.envs), "lines": judge.lines_of_code(peer.script)}
        else:
            with ThreadPoolExecutor(options.jobs) as pool:
                played = pool.map(lambda p: play(p, options.envs, tables), players)
                found |= dict(zip((p.name for p in players), played, strict=True))
        if options.part == "worlds":
            for peer in players:
                old = saved["peers"].get(peer.name, {})
                found[peer.name] |= {task: old[task] for task in TIMED if task in old}
        else:
            timed(players, options.envs, tables, 1 if options.short else options.repeats, found)
            check_agreement(found)
    ratios = compare(found)
    now = {
        "commit": commit(),
        "seconds": round(time.perf_counter() - began - installed),
        "load_at_end": machine()["load_at_end"],
    }
    half = f"worlds of {', '.join(options.only)}" if options.part and options.only else options.part
    halves = {name: _half(saved, name) for name in ("worlds", *saved.get("halves", {}), "timed")} if half else {}
    halves = halves | {half: now} if half else dict.fromkeys(("worlds", "timed"), now)
    result = {
        "sizes": vars(sizes),
        "halves": halves,
        "seconds": sum(its["seconds"] for its in (halves.values() if half else [now])),
        "did_not_install": missing,
        "ratios_to_xpbench": ratios,
        "peers": strip(found),
    }
    from benchmarks.peers import charts

    text = charts.tables(result)
    print(text)
    if options.short and not options.out:
        return 0
    command = shlex.join(["python", "-m", "benchmarks.peers", "--envs", "DIR", *(["--short"] if options.short else [])])
    path = write("peers", result, command=command, folder=options.out, quiet=True)
    charts.draw(result, options.out or ROOT / "docs" / "gallery")
    if not options.out:
        charts.page(text, json.loads(path.read_text("utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
