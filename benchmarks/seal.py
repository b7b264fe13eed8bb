"""The seal at full length: 10,000 steps of the state machine, 300 processes killed while they peek.

python -m benchmarks.seal            # about three minutes
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hypothesis.stateful import run_state_machine_as_test

from benchmarks.report import write
from tests.decide.kill_helper import main as kill
from tests.decide.test_seal_machine import Seal, budget


def main(*, examples: int = 200, runs: int = 300) -> None:
    started = time.perf_counter()
    run_state_machine_as_test(Seal, settings=budget(examples))
    machine = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        killed = kill(Path(folder), runs)
    result = {
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
