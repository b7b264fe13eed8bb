"""The server for assistants: hostile sessions through the protocol, CPU of a start, and status on many experiments.

python -m benchmarks.agents --sessions 200
python -m benchmarks.agents --status 500
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

import anyio

import xpbench as xp
from tests.agents.hostile import breaches, call, connected, play_all
from tests.agents.world import document, make, state_of


def sessions(count: int, calls: int, at_once: int) -> dict[str, object]:
    """Hostile sessions on one project; what was seen that should not have been."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = make(folder)
        before, start = state_of(folder / "outside"), time.perf_counter()
        played = play_all(project, range(1000, 1000 + count), calls, at_once=at_once)
        answers = [a for s in played for _, _, failed, a in s.answers if not failed]
        return {
            "sessions": len(played),
            "calls": sum(len(s.answers) for s in played),
            "answered": len(answers),
            "looks_with_effects": sum(a.get("sealed") is False for a in answers),
            "alive_at_the_end": sum(s.alive for s in played),
            "writes_outside": int(state_of(folder / "outside") != before),
            "breaches": breaches(project, played)[:20],
            "seconds": round(time.perf_counter() - start, 1),
        }


def start_up() -> dict[str, float]:
    """CPU seconds of a process that starts the server and ends with its input, the least of five."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, "-m", "xpbench.cli", "mcp", "--root", folder], input=b"", capture_output=True, check=True
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {"cpu_seconds": round(min(found), 3), "worst": round(max(found), 3)}


def status(count: int) -> dict[str, float]:
    """Seconds of the first and the second answer of status, over the protocol."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for i in range(count):
            key = f"e{i:04d}"
            folder = root / "experiments" / key
            folder.mkdir(parents=True)
            _register(folder, key)
        times: list[float] = []

        async def main() -> None:
            async with connected(root) as session:
                for _ in range(2):
                    begin = time.perf_counter()
                    failed, answer = await call(session, "status", {})
                    times.append(time.perf_counter() - begin)
                    assert not failed, answer
                    assert answer["experiments"] == count, answer

        anyio.run(main)
        return {"experiments": count, "first": round(times[0], 3), "second": round(times[1], 3)}


def _register(folder: Path, key: str) -> None:
    """One registered experiment with a few looks, written by the ledger itself."""
    from xpbench.ledger import Ledger
    from xpbench.plan.methods import METHODS

    plan = xp.Plan(**document(key=key, title=key))
    ledger = Ledger(folder / "ledger.jsonl")
    ledger.append("registered", {"plan": plan.to_dict(), "plan_digest": plan.digest, "methods": METHODS}, by="Ana")
    ledger.append("launched", {"plan_digest": plan.digest}, by="Ana")
    plan.save(folder / "plan.json")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=0)
    parser.add_argument("--calls", type=int, default=14)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--status", type=int, default=0)
    parser.add_argument("--start", action="store_true")
    args = parser.parse_args()
    out: dict[str, object] = {"load": os.getloadavg()[0]}
    if args.start:
        out["start"] = start_up()
    if args.status:
        out["status"] = status(args.status)
    if args.sessions:
        out["hostile"] = sessions(args.sessions, args.calls, args.at_once)
    print(json.dumps(out, indent=2))


if __name__ == "__main__":
    main()
