"""Kill processes with SIGKILL while they append, freeze and save; count what was lost.

    python -m benchmarks.crash --runs 1000

A run is one killed process. An append counts as acknowledged when the process said so before it died. Afterwards the chain
must be whole and hold every acknowledged entry, and every file must be the old one or the new one, whole.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import header
from xpbench.ledger import Ledger
from xpbench.memo import verify as v

RESULTS = Path(__file__).parent / "results" / "crash.json"

APPEND = """
import sys
from xpbench.ledger import Ledger
ledger = Ledger(sys.argv[1], wait_seconds=60)
print("ready", flush=True)
while True:
    print(ledger.append("looked", {"text": "x" * 3000}).seq, flush=True)
"""

FREEZE = """
import sys
from pathlib import Path
from tests.memo.making import PLAN
from xpbench.experiment import register
from xpbench.plan import Plan
print("ready", flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    register(Plan(**{**PLAN, "key": f"x{number}"}), sys.argv[1])
    print(number, flush=True)
"""

SAVE = """
import sys
from pathlib import Path
from xpbench.files import write_atomic
data = [Path(p).read_bytes() for p in sys.argv[2:4]]
print("ready", flush=True)
number = 0
while True:
    number += 1
    write_atomic(Path(sys.argv[1]), data[number % 2])
    print(number, flush=True)
"""


def killed(script: str, *arguments: str, after: float) -> list[str]:
    """Lines that the process said before it was killed."""
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    out, _ = process.communicate()
    return [line for line in out.split("\n")[:-1] if line.strip()]


def appends(runs: int, rng: random.Random) -> dict[str, Any]:
    lost = broken = torn = total = 0
    with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as folder:
        for run in range(runs):
            path = Path(folder) / f"{run // 50}.jsonl"
            said = killed(APPEND, str(path), after=rng.uniform(0.0, 0.08))
            ledger = Ledger(path)
            try:
                length = len(ledger.entries())
            except Exception:  # noqa: BLE001 - counted
                broken += 1
                continue
            torn += bool(ledger.notices)
            total += len(said)
            lost += bool(said) and length < int(said[-1])
    return {"runs": runs, "acknowledged": total, "lost": lost, "broken chains": broken, "torn tails mended": torn}


def freezes(runs: int, rng: random.Random) -> dict[str, Any]:
    from xpbench.experiment import open_experiment

    lost = half = total = 0
    with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as folder:
        for run in range(runs):
            root = Path(folder) / str(run)
            said = killed(FREEZE, str(root), "0", after=rng.uniform(0.0, 0.5))
            total += len(said)
            for number in said:
                try:
                    open_experiment(f"x{number}", root)
                except Exception:  # noqa: BLE001 - counted
                    lost += 1
            for plan in root.glob("*/plan.json"):
                try:
                    json.loads(plan.read_bytes())
                except ValueError:
                    half += 1
    return {"runs": runs, "acknowledged": total, "lost": lost, "half files": half}


def saves(runs: int, rng: random.Random) -> dict[str, Any]:
    from tests.memo.making import decided, summary_of

    half = total = 0
    with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as folder:
        root = Path(folder)
        pages = []
        for i in range(2):
            memo = decided(root / str(i), summary=summary_of(seed=7 + i)).memo()
            pages.append(memo.save(root / f"{i}.html"))
        whole = {p.read_bytes() for p in pages}
        target = root / "memo.html"
        for _ in range(runs):
            total += len(killed(SAVE, str(target), *map(str, pages), after=rng.uniform(0.0, 0.06)))
            half += target.exists() and target.read_bytes() not in whole
        verified = v.verify(target).status
    return {"runs": runs, "acknowledged": total, "half files": half, "memo afterwards": verified}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    started = time.perf_counter()
    results = {
        **header(f"python -m benchmarks.crash --runs {args.runs} --seed {args.seed}"),
        "append": appends(args.runs * 7 // 10, rng),
        "freeze": freezes(args.runs * 15 // 100, rng),
        "save": saves(args.runs * 15 // 100, rng),
    }
    results["seconds"] = round(time.perf_counter() - started)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
