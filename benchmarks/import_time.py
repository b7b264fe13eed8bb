"""How long `import xpbench` and the first form take against bare Python: `python -m benchmarks.import_time`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import installed
from benchmarks.report import header

RUNS = 15
CASES = {
    "bare python": "pass",
    "import xpbench": "import xpbench",
    "xp.Plan": "import xpbench; xpbench.Plan",
    "xp.register": "import xpbench; xpbench.register",
}


def once(code: str, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return time.perf_counter() - began


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in CASES}
    environment = installed.environment()
    for _ in range(RUNS):  # interleaved, so that a slow moment of the machine hits all
        for name, code in CASES.items():
            times[name].append(once(code, environment))
    base = statistics.median(times["bare python"])
    rows = {
        name: {"median_s": statistics.median(t), "over_bare_ms": (statistics.median(t) - base) * 1000}
        for name, t in times.items()
    }
    for name, row in rows.items():
        print(f"{name:<16} {row['median_s'] * 1000:7.1f} ms   {row['over_bare_ms']:+7.1f} ms over bare Python")
    result = {
        **header("python -m benchmarks.import_time"),
        "runs": RUNS,
        "rows": rows,
        "bar": "import xpbench within 100 ms of bare Python",
        "met": rows["import xpbench"]["over_bare_ms"] <= 100,
    }
    path = Path(__file__).parent / "results" / "import_time.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
