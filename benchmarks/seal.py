"""The seal at full length: 10,000 steps of the state machine, 300 processes killed while they peek, 500 mirrored worlds.

python -m benchmarks.seal                              # about three minutes, and an hour for the worlds
python -m benchmarks.seal --worlds 500 --minutes 30    # the worlds alone, from where the last run stopped

A world has outcomes planted in some field of some source; its mirror has the variants' outcomes exchanged. Under the seal every
surface of both shows the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hypothesis.stateful import run_state_machine_as_test

from benchmarks.report import RESULTS, write
from tests.decide.kill_helper import main as kill
from tests.decide.test_seal_machine import Seal, budget

BLOCK = 20
"""Worlds between two writes of the result: one of each field that is planted."""
HEADER = ("command", "commit", "versions", "machine")


def world(i: int) -> list[str]:
    """What any surface shows of outcomes by variant in one world with outcomes planted in some field."""
    from tests.decide.mirrored import LOGS, MODELS, TABLES, leaks

    fields = [("table", p) for p in TABLES] + [("log", p) for p in LOGS]
    kind, plant = fields[i % len(fields)]
    with tempfile.TemporaryDirectory() as folder:
        return [f"world {i}, {plant}: {leak}" for leak in leaks(Path(folder), kind, plant, [*MODELS][i % 2], i)]


def mirrored(worlds: int, *, minutes: float) -> tuple[int, float]:
    """How many worlds are on record, all without a leak, and their seconds; goes on where the last run stopped."""
    record = RESULTS / "seal.json"
    known = json.loads(record.read_text("utf-8")) if record.exists() else {}
    done, spent = int(known.get("mirrored_worlds", 0)), float(known.get("seconds_worlds", 0))
    began = time.perf_counter()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # engines have threads: no fork
        while done < worlds and time.perf_counter() - began < 60 * minutes:
            started = time.perf_counter()
            block = range(done, min(done + BLOCK, worlds))
            leaking = [leak for found in pool.map(world, block) for leak in found]
            assert not leaking, leaking[:5]
            done, spent = block.stop, spent + time.perf_counter() - started
            kept = {k: v for k, v in known.items() if k not in HEADER}
            write(
                "seal",
                {**kept, "mirrored_worlds": done, "surfaces_that_differ": 0, "seconds_worlds": round(spent, 1)},
                command="python -m benchmarks.seal --worlds 500",
                quiet=True,
            )
            print(f"{done} of {worlds} worlds, {spent:.0f} s", flush=True)
    return done, spent


def machine(examples: int, runs: int) -> None:
    """The state machine and the kills, with what is on record of the worlds."""
    started = time.perf_counter()
    run_state_machine_as_test(Seal, settings=budget(examples))
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        killed = kill(Path(folder), runs)
    assert killed["revealed_without_row"] == 0
    assert killed["broken_ledgers"] == 0
    record = RESULTS / "seal.json"
    known = json.loads(record.read_text("utf-8")) if record.exists() else {}
    result = {
        **{k: v for k, v in known.items() if k in ("mirrored_worlds", "surfaces_that_differ", "seconds_worlds")},
        "steps": examples * 50,
        "state_machine": "no effect without a row",
        "seconds_state_machine": round(seconds, 1),
        "kill": killed,
    }
    write("seal", result, command="python -m benchmarks.seal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=0, help="only the mirrored worlds, up to so many")
    parser.add_argument("--minutes", type=float, default=60, help="begin no further block of worlds after so many")
    parser.add_argument("--examples", type=int, default=200, help="examples of the state machine, 50 steps each")
    parser.add_argument("--runs", type=int, default=300, help="processes killed")
    args = parser.parse_args()
    if not args.worlds:
        machine(args.examples, args.runs)
    mirrored(args.worlds or 500, minutes=args.minutes)


if __name__ == "__main__":
    main()
