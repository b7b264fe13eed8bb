"""ab-analysis-kit in the worlds of docs/proof/peers.md: daily looks by exact recursion, the sample ratio by 20,000 runs.

    uv venv peers && uv pip install --python peers/bin/python ab-analysis-kit numpy scipy
    PYTHONPATH=. peers/bin/python -m benchmarks.abkit

Its sequential mode is a normal mixture that is narrowest at the first look; its sample-ratio check over several looks a
Dirichlet mixture with concentration 1 for each variant. Boundaries come from its own functions.
"""

from __future__ import annotations

import math

import numpy as np
from abkit.stats.sequential.confidence_sequence import sequentialize
from abkit.stats.sequential.mixture import mixture_tau2
from abkit.stats.srm import sequential_multinomial_srm
from scipy.special import gammaln

from benchmarks.report import write
from xpbench.stats.rest import smallest_found
from xpbench.stats.spending import crossing

DAYS = 28
LOOKS = [i / DAYS for i in range(1, DAYS + 1)]
ALPHA = 0.05
RUNS = 20_000


def daily() -> dict[str, float]:
    """False alarms, power at a lift of 15 %, and mean units for 80 % in units of the fixed test; exact."""
    se = [1.0 / math.sqrt(t) for t in LOOKS]
    tau2 = mixture_tau2(se[0] ** 2, ALPHA)
    bounds = []
    for s in se:  # half-width of its interval in standard errors
        low, high, _ = sequentialize(0.0, s, tau2, ALPHA)
        bounds.append((high - low) / 2.0 / s)
    pooled = 0.2 * 1.075
    drift = 0.03 / math.sqrt(2 * pooled * (1 - pooled) / 1_400)
    false = sum(float(x.sum()) for x in crossing(bounds, LOOKS, drift=0.0))
    power = float(crossing(bounds, LOOKS, drift=drift)[1].sum())
    fixed = smallest_found(0.8, looks=(1.0,), bounds=(1.959963984540054,)) ** 2
    needed = smallest_found(0.8, looks=LOOKS, bounds=bounds)
    stops = sum(crossing(bounds, LOOKS, drift=needed))
    mean = (float(stops @ np.array(LOOKS)) + 1.0 - float(stops.sum())) * needed**2 / fixed
    return {"false": false, "power": power, "most_units": needed**2 / fixed, "mean_units": mean}


def ratio(loss: float, level: float, seed: int) -> float:
    """Share of runs of 28 days with 1,000 arrivals in which its sequential check trips."""
    rng = np.random.default_rng(seed)
    n = rng.multinomial(1_000, [0.5, 0.5], size=(RUNS, DAYS))
    n[..., 1] = rng.binomial(n[..., 1], 1.0 - loss)
    counts = n.cumsum(axis=1).astype(float)
    total = counts.sum(axis=-1)
    log = gammaln(2.0) - gammaln(2.0 + total) + (gammaln(1.0 + counts) - counts * math.log(0.5)).sum(axis=-1)
    for run in range(20):  # the same numbers as its function
        stream = [{"a": int(a), "b": int(b)} for a, b in counts[run]]
        theirs = sequential_multinomial_srm(stream, {"a": 0.5, "b": 0.5}, alpha=level)
        assert [r.srm_flag for r in theirs] == (np.maximum.accumulate(log[run]) >= -math.log(level)).tolist()
    return float((log.max(axis=1) >= -math.log(level)).mean())


def main() -> None:
    """Print and write benchmarks/results/abkit.json."""
    from importlib.metadata import version

    found = {
        "version": version("ab-analysis-kit"),
        "daily": daily(),
        "sample_ratio": [
            {"loss": loss, "level": level, "alarms": ratio(loss, level, 1), "runs": RUNS}
            for loss in (0.0, 0.04)
            for level in (0.001, 0.01)
        ],
    }
    write("abkit", found, command="python -m benchmarks.abkit", packages=("ab-analysis-kit",))


if __name__ == "__main__":
    main()
