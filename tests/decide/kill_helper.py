"""Kill processes while they peek, and count what was shown without a row: `kill_helper.py FOLDER RUNS`."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.decide.sealed import plan, summary
from xpbench.experiment import open_experiment, register


def child(root: Path, pipe: int) -> None:
    """Peek again and again, and say each time what was shown."""
    experiment = open_experiment("sealed", root)
    for i in range(10_000):
        found = experiment.peek(summary(1000 + 2 * i), reason="test")
        os.write(pipe, f"{found.summary.fingerprint}\n".encode())


def main(folder: Path, runs: int) -> dict[str, int]:
    """Fork, kill at a random moment, compare pipe and ledger."""
    rng = random.Random(5)
    names = ("runs", "killed", "revealed", "revealed_without_row", "rows", "rows_not_revealed", "broken_ledgers")
    out = dict.fromkeys(names, 0)
    for run in range(runs):
        root = folder / str(run)
        register(plan(), root)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            try:
                child(root, write)
            finally:
                os._exit(0)
        os.close(write)
        time.sleep(rng.uniform(0.02, 0.25))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        shown = b""
        while block := os.read(read, 65_536):
            shown += block
        os.close(read)
        marks = [line for line in shown.decode().split("\n") if len(line) == 64]
        try:
            rows = [e.body["fingerprint"] for e in open_experiment("sealed", root).ledger.entries() if e.kind == "peeked"]
        except Exception:  # noqa: BLE001 - any failure counts
            out["broken_ledgers"] += 1
            continue
        out["runs"] += 1
        out["killed"] += os.WIFSIGNALED(status)
        out["revealed"] += len(marks)
        out["rows"] += len(rows)
        out["revealed_without_row"] += len(set(marks) - set(rows))
        out["rows_not_revealed"] += len(set(rows) - set(marks))
    return out


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))) + "\n")
