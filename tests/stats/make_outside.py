"""Makes tests/stats/outside.txt from R packages: python -m tests.stats.make_outside (needs Rscript; see outside.R)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from xpbench.stats.rest import futility, smallest_found
from xpbench.stats.spending import crossing, q_group

HERE = Path(__file__).parent
PLANS = [
    (spending, looks, floor)
    for spending in ("obrien_fleming", "pocock")
    for looks in ((0.5, 1.0), (0.25, 0.5, 0.75, 1.0), (0.2, 0.45, 0.8, 1.0))
    for floor in (0.1, 0.2)
]


def stops(spending: str, looks: tuple[float, ...], floor: float) -> str:
    """Looks, bounds to give up at, drift of a power of 80 %, and what the upper boundary spends, for one line of R."""
    bounds = q_group(0.05, looks, spending)  # type: ignore[arg-type]
    drift = smallest_found(0.8, looks=looks, bounds=bounds)
    found = futility(floor, looks=looks, bounds=bounds, drift=drift)
    alpha = np.cumsum(crossing(bounds, looks, drift=0.0)[1]).tolist()
    given_up = [max(-q, z) for q, z in zip(bounds, found.stops, strict=False)]  # further down it has ended by a decrease
    fields = (looks, given_up, (drift,), alpha)
    return " ".join([f"{spending}:{floor}", *(",".join(f"{v:.15g}" for v in values) for values in fields)])


if __name__ == "__main__":
    text = "\n".join(stops(*plan) for plan in PLANS) + "\n"
    made = subprocess.run(["Rscript", str(HERE / "outside.R")], input=text, capture_output=True, text=True, check=False)
    if made.returncode:
        raise SystemExit(made.stderr)
    (HERE / "outside.txt").write_text(made.stdout, "utf-8")
