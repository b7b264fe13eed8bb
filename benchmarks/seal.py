"""The seal at full length: 10,000 steps of the state machine, 300 processes killed while they peek, 500 mirrored worlds.

python -m benchmarks.seal            # about three minutes, and half an hour for the worlds
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hypothesis.stateful import run_state_machine_as_test

from benchmarks.report import write
from tests.decide.kill_helper import main as kill
from tests.decide.test_seal_machine import Seal, budget


def world(i: int) -> list[str]:
    """What any surface shows of outcomes by variant in one world with outcomes planted in some field."""
    from tests.decide.mirrored import LOGS, MODELS, TABLES, leaks

    fields = [("table", p) for p in TABLES] + [("log", p) for p in LOGS]
    kind, plant = fields[i % len(fields)]
    with tempfile.TemporaryDirectory() as folder:
        return [f"world {i}, {plant}: {leak}" for leak in leaks(Path(folder), kind, plant, [*MODELS][i % 2], i)]


def mirrored(worlds: int) -> list[str]:
    """What is shown in any of so many worlds, one process to a core."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # engines have threads: no fork
        return [leak for found in pool.map(world, range(worlds)) for leak in found]


def main(*, examples: int = 200, runs: int = 300, worlds: int = 500) -> None:
    started = time.perf_counter()
    run_state_machine_as_test(Seal, settings=budget(examples))
    machine = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        killed = kill(Path(folder), runs)
    leaking = mirrored(worlds)
    assert not leaking, leaking[:5]
    result = {
        "mirrored_worlds": worlds,
        "surfaces_that_differ": len(leaking),
        "steps": examples * 50,
        "state_machine": "no effect without a row",
        "seconds_state_machine": round(machine, 1),
        "kill": killed,
    }
    assert killed["revealed_without_row"] == 0
    assert killed["broken_ledgers"] == 0
    write("seal", result, command="python -m benchmarks.seal")


if __name__ == "__main__":
    main()
