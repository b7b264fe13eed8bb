"""Kill processes with SIGKILL while they append, freeze and save; count what was lost.

    python -m benchmarks.crash                 3,000 runs, some minutes
    python -m benchmarks.crash --resume        go on where a run was interrupted
    python -m benchmarks.crash --runs 60       fewer

A run is one killed process, forked from a warm one so that the kill falls into the work and not into its start. What counts as
acknowledged is what the process had said before it died. Afterwards the chain must be whole and hold every acknowledged entry,
every file must be the old one or the new one, and what was killed on the way must work when it is done again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xpbench as xp
from benchmarks.report import commit, write
from tests.memo.making import PLAN, decided, summary_of
from xpbench.experiment import open_experiment, register
from xpbench.ledger import Ledger
from xpbench.plan import Plan

RESULTS = Path(__file__).parent / "results" / "crash.json"
PARTIAL = RESULTS.with_name("crash.partial.json")
CHUNK = 50


def killed(work: Callable[[Callable[[object], None]], None], *, after: float) -> list[str]:
    """What a process said before it was killed: `work` gets a function to say something with."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.write(writer, b"ready\n")
            work(lambda text: os.write(writer, f"{text}\n".encode()))
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        said.readline()
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lines = said.read().decode().split("\n")[:-1]
    return [line for line in lines if line]


def appends(runs: int, rng: random.Random) -> Counter[str]:
    """Entries of 3 kB, one after the other, to a ledger that the runs share."""
    found = Counter[str]({"runs": runs, "acknowledged": 0, "lost": 0, "broken chains": 0, "torn tails": 0})
    with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as folder:
        path = Path(folder) / "ledger.jsonl"

        def work(say: Callable[[object], None]) -> None:
            ledger = Ledger(path, wait_seconds=60)
            while True:
                say(ledger.append("looked", {"text": "x" * 3000}).seq)

        for _ in range(runs):
            said = killed(work, after=rng.uniform(0.0, 0.03))
            ledger = Ledger(path)
            try:
                length = len(ledger.entries())
            except Exception:  # noqa: BLE001 - counted
                found["broken chains"] += 1
                continue
            found["torn tails"] += bool(ledger.notices)
            found["acknowledged"] += len(said)
            found["lost"] += bool(said) and length < int(said[-1])
    return found


def plan_named(key: str) -> Plan:
    """A plan of its own: two experiments of a root share neither a name in the log nor a salt."""
    own = {"exposure": {**PLAN["exposure"], "experiment": key}, "assignment": {**PLAN["assignment"], "salt": key}}
    return Plan(**{**PLAN, "key": key, **own})


def freezes(runs: int, rng: random.Random) -> Counter[str]:
    """Plans registered one after the other; whatever was killed on the way is registered again."""
    found = Counter[str]({"runs": runs, "acknowledged": 0, "lost": 0, "half files": 0, "not to be done again": 0})
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as root:

            def work(say: Callable[[object], None], root: str = root) -> None:
                for number in range(1, 1_000):
                    register(plan_named(f"x{number}"), root)
                    say(number)

            said = killed(work, after=rng.uniform(0.0, 0.12))
            found["acknowledged"] += len(said)
            for number in said:
                try:
                    open_experiment(f"x{number}", root)
                except Exception:  # noqa: BLE001 - counted
                    found["lost"] += 1
            for plan in Path(root).glob("*/plan.json"):
                try:
                    json.loads(plan.read_bytes())
                except ValueError:
                    found["half files"] += 1
            key = f"x{len(said) + 1}"  # the one that was on its way
            try:
                if not Ledger(Path(root) / key / "ledger.jsonl").entries():
                    register(plan_named(key), root)
                open_experiment(key, root)
            except Exception:  # noqa: BLE001 - counted
                found["not to be done again"] += 1
    return found


def saves(runs: int, rng: random.Random) -> Counter[str]:
    """Two memos written over each other by turns."""
    found = Counter[str]({"runs": runs, "acknowledged": 0, "half files": 0, "not verified": 0})
    with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as folder:
        root = Path(folder)
        memos = [decided(root / str(i), summary=summary_of(seed=7 + i)).memo() for i in range(2)]
        whole = {m.html.encode() for m in memos}
        target = root / "memo.html"

        def work(say: Callable[[object], None]) -> None:
            number = 0
            while True:
                number += 1
                memos[number % 2].save(target)
                say(number)

        for _ in range(runs):
            found["acknowledged"] += len(killed(work, after=rng.uniform(0.0, 0.03)))
            found["half files"] += target.exists() and target.read_bytes() not in whole
        found["not verified"] += target.exists() and xp.verify(target).status != "verified"
    return found


PARTS: dict[str, tuple[Callable[[int, random.Random], Counter[str]], int]] = {
    "append": (appends, 1_500),
    "freeze": (freezes, 750),
    "memo save": (saves, 750),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=sum(n for _, n in PARTS.values()))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--resume", action="store_true", help="go on where the last run was interrupted")
    args = parser.parse_args()
    state: dict[str, Any] = {"revision": commit(), "runs": args.runs, "seed": args.seed, "done": {}, "seconds": 0.0}
    if args.resume and PARTIAL.exists():
        state = json.loads(PARTIAL.read_text())
        if state["revision"] != commit():
            sys.stderr.write(f"begun on {state['revision']}, now {commit()}: start without --resume\n")
            return 2
    began, before = time.perf_counter(), state["seconds"]
    full = sum(n for _, n in PARTS.values())
    for name, (work, share) in PARTS.items():
        runs = max(1, round(share * state["runs"] / full))
        for k in range(-(-runs // CHUNK)):
            if f"{name}/{k}" in state["done"]:
                continue
            count = min(CHUNK, runs - k * CHUNK)
            state["done"][f"{name}/{k}"] = work(count, random.Random(state["seed"] * 1_000 + k))
            state["seconds"] = before + time.perf_counter() - began
            PARTIAL.write_text(json.dumps(state))
            sys.stderr.write(f"[{state['seconds']:5.0f} s] {name}: {k * CHUNK + count} of {runs} runs\n")
            sys.stderr.flush()
    result: dict[str, Any] = {}
    for name in PARTS:
        total = Counter[str]()
        for key, found in state["done"].items():
            if key.rpartition("/")[0] == name:
                total.update(found)
        result[name] = dict(total)
    result |= {"runs in all": sum(r["runs"] for r in result.values()), "commit": state["revision"]}
    write("crash", result | {"seconds": round(state["seconds"])}, command="python -m benchmarks.crash")
    PARTIAL.unlink(missing_ok=True)
    bad = ("lost", "broken chains", "half files", "not to be done again", "not verified")
    return 1 if any(result[name].get(b) for name in PARTS for b in bad) else 0


if __name__ == "__main__":
    sys.exit(main())
