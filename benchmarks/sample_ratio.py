"""How often the daily sample-ratio gate finds a fault, and how often it alarms without one.

    python -m benchmarks.sample_ratio [runs]

Worlds: 28 daily looks, a share of the exposures of the last variant is lost. Boundaries are those of `srm_spending` at the
expected counts, integrated once for all runs; the Dirichlet share of the level adds to both numbers and is counted as well.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.report import write
from xpbench.stats.moments import Floats
from xpbench.stats.spending import spending_bounds
from xpbench.stats.srm import FULL_AT, MIXTURE_SHARE, srm_anytime

DAYS = 28
WORLDS = (
    (2, 1_000, 0.0),
    (2, 1_000, 0.02),
    (2, 1_000, 0.04),
    (2, 1_000, 0.08),
    (2, 1_000, 0.20),
    (4, 2_000, 0.0),
    (4, 2_000, 0.04),
    (20, 10_000, 0.0),
    (20, 10_000, 0.04),
    (20, 10_000, 0.08),
)
"""Variants, arrivals a day, share of the last variant's exposures that is lost."""


def crossed(counts: Floats, bounds: Floats) -> Floats:
    """First day at which a variant's score crosses, or DAYS, for counts of shape (runs, days, variants)."""
    total, k = counts.sum(2), counts.shape[2]
    z = np.abs(counts - total[..., None] / k).max(2) / np.sqrt(total / k * (1 - 1 / k))
    over = z >= bounds
    return np.where(over.any(1), over.argmax(1), DAYS)


def world(k: int, arrivals: int, loss: float, runs: int, seed: int) -> dict[str, float]:
    """Shares of runs that fail (0.001) and at least warn (0.01), and the median day of those that fail."""
    rng = np.random.default_rng(seed)
    n = rng.multinomial(arrivals, [1 / k] * k, size=(runs, DAYS)).astype(np.float64)
    n[..., -1] = rng.binomial(n[..., -1].astype(np.int64), 1 - loss)
    counts = n.cumsum(1)
    mean = counts.sum(2).mean(0)
    progress = np.minimum(mean / (FULL_AT * DAYS * arrivals), 1.0) ** 3
    out = {"variants": k, "arrivals": arrivals, "lost": loss, "runs": runs}
    mixture = np.array([srm_anytime(c, [1.0] * k, k=max(100.0, 50.0 * k))[-1] for c in counts[: min(runs, 2_000)]])
    for name, alpha in (("fails", 0.001), ("warns", 0.01)):
        share = alpha * (1 - MIXTURE_SHARE) / (1 if k == 2 else k)
        day = crossed(counts, np.array(spending_bounds(share * progress, mean / mean[-1])))
        found = day < DAYS
        both = found[: len(mixture)] | (mixture < alpha * MIXTURE_SHARE)
        out[name] = float(found.mean())
        out[f"{name}_with_mixture"] = float(found.mean() + both.mean() - found[: len(mixture)].mean())
        out[f"{name}_day"] = float(np.median(day[found]) + 1) if found.any() else float("nan")
    return out


if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    results = []
    for i, (k, arrivals, loss) in enumerate(WORLDS):
        parts = [world(k, arrivals, loss, 1_000, 1_000 * i + j) for j in range(max(1, runs // 1_000))]
        means = {name: float(np.nanmean([p[name] for p in parts])) for name in parts[0]}
        results.append({**means, "runs": 1_000 * len(parts)})
        print({k: round(v, 4) for k, v in results[-1].items()}, flush=True)
    write("sample_ratio", {"worlds": results}, command=f"python -m benchmarks.sample_ratio {runs}", packages=("numpy", "scipy"))
