"""Posteriors by two implementations on random cases where they are hardest: do engine and verifier agree?

    python -m benchmarks.posteriors --cases 20000 --seed 1 --write

Few units, a control that may be zero, mirrored signs, priors from far too narrow to far too wide, shares next to 0 and 1. Each
case draws its own numbers from (seed, place), so that a case that differs is named and can be drawn again. Runs with other
seeds add up in the result. A case *differs* where chance, risk, median, mass or narrowest interval is not that of the other
implementation to a millionth of probability (median and mass of shares of fewer than 100 units to a ten-thousandth); it is
*silent* where one of the two has no number and the other has one.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.report import RESULTS, header, write
from xpbench.stats.bayes import Posterior, beta_posterior, nig_posterior, posterior_lift
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import Pair
from xpbench.stats.proportion import EventCounts
from xpbench.verifier import posterior as theirs
from xpbench.verifier.pairs import Pair as TheirPair

CLOSE = 1e-6
"""Probability within which the two agree."""
PILED = 1e-4
"""The same for median and mass of shares where a variant has fewer than 100 units."""
KINDS = ("prior on the lift", "means", "shares")


def verdict(ours: Posterior, other: Any, mass: float, se: float, *, piled: bool = False) -> str:
    """`same`, `differs: what` or `silent`."""
    has = ours.status in ("ok", "unbounded_lift")
    if not has or other is None:
        return "same" if not has and other is None else "silent"
    other = replace(other, close=min(other.close, CLOSE))  # today's engine is held to more than that of an earlier release
    if abs(ours.chance - other.chance) > other.close:
        return f"differs: chance {ours.chance:.12g}, {other.chance:.12g}"
    if abs(ours.risk - other.risk) > 10 * other.close * max(abs(other.risk), 1e-3 * se):
        return f"differs: risk {ours.risk:.12g}, {other.risk:.12g}"
    if other.below is None or ours.status == "unbounded_lift":
        return "same" if (other.below is None) == (ours.status == "unbounded_lift") else "silent"
    if piled:  # a share next to 0 or 1 of few units: the distribution has all but a step, and is followed to five digits
        other = replace(other, close=PILED)
    row = {"lift": ours.lift, "lift_low": ours.low, "lift_high": ours.high}
    missed = theirs.misses(other, row, mass)
    if piled and missed.startswith("the narrowest"):  # at a step, a ten-thousandth of probability moves an end visibly
        return "same"
    return f"differs: {missed}" if missed else "same"


def lift_case(rng: np.random.Generator) -> str:
    """A normal prior on the lift, from a control that is firm to one that may be zero."""
    n = int(rng.integers(2, 60))
    vc, vt = np.exp(rng.uniform(math.log(1e-5), math.log(0.6), 2))
    scale = math.sqrt(vc) * float(np.exp(rng.uniform(math.log(0.2), math.log(30))))
    mc = float(rng.choice((-1, 1))) * scale
    mt = mc * float(1 + rng.choice((-1, 1)) * np.exp(rng.uniform(math.log(1e-3), math.log(3))))
    cov = float(rng.choice((0.0, rng.uniform(-0.8, 0.8) * math.sqrt(vc * vt))))
    mean = float(rng.choice((0.0, rng.normal(0, 0.2))))
    sd = float(np.exp(rng.uniform(math.log(0.01), math.log(100))))
    up, mass = bool(rng.integers(2)), float(rng.choice((0.8, 0.9, 0.95, 0.99)))
    values = (mc, mt, float(vc), float(vt), cov, math.inf, n)
    ours = posterior_lift(Pair(*values), prior_mean=mean, prior_sd=sd, direction="increase" if up else "decrease", mass=mass)
    return verdict(ours, theirs._lift_prior(TheirPair(*values), mean, sd, up=up), mass, float(vc + vt - 2 * cov) ** 0.5)


def mean_case(rng: np.random.Generator) -> str:
    """Two means with one pseudo-observation, few units against few or many."""
    n = [int(v) for v in np.exp(rng.uniform(math.log(2), math.log(rng.choice((12, 300, 5000))), 2))]
    sign, up = float(rng.choice((-1, 1))), bool(rng.integers(2))
    level, mass = float(np.exp(rng.uniform(math.log(0.05), math.log(20)))), float(rng.choice((0.8, 0.9, 0.95)))
    cells, moments = [], []
    for size, mean in zip(n, (sign * level, sign * level * float(1 + rng.normal(0, 0.3))), strict=True):
        variance = float(np.exp(rng.uniform(math.log(0.05), math.log(4))))
        moments.append(Moments.of(max(size, 2), [mean], [[variance]]))
        cells.append({"n": max(size, 2), "mean": [mean], "cov": [[variance]], "columns": ["value"]})
    se = sum(c["cov"][0][0] / c["n"] for c in cells) ** 0.5
    ours = nig_posterior(*moments, subject=0, direction="increase" if up else "decrease", mass=mass)
    return verdict(ours, theirs._nig({"kind": "count"}, *cells, up=up, mass=mass), mass, se)


def share_case(rng: np.random.Generator) -> str:
    """Two shares, at an end or in the middle, of one unit to a hundred thousand."""
    sizes = [max(1, int(v)) for v in np.exp(rng.uniform(0.0, math.log(rng.choice((30, 3000, 100_000))), 2))]
    rate = float(rng.choice((rng.uniform(), 10 ** rng.uniform(-4, -1), 1 - 10 ** rng.uniform(-4, -1))))
    counts = [int(rng.binomial(n, min(max(rate * float(1 + rng.normal(0, 0.2)), 0.0), 1.0))) for n in sizes]
    up, mass = bool(rng.integers(2)), float(rng.choice((0.8, 0.9, 0.95)))
    found = EventCounts(counts[0], sizes[0], counts[1], sizes[1])
    if sum(counts) in (0, sum(sizes)):
        return "same"
    ours = beta_posterior(found, direction="increase" if up else "decrease", mass=mass)
    pooled = sum(counts) / sum(sizes)
    few = min(sizes) < theirs.FEW
    both = [theirs.beta(x + pooled, n - x + 1 - pooled) for x, n in zip(counts, sizes, strict=True)]
    se = sum(max(x * (n - x), n) / n**3 for x, n in zip(counts, sizes, strict=True)) ** 0.5
    return verdict(ours, theirs._compared(*both, up=up, mass=mass, few=few), mass, se, piled=few)


CASES = dict(zip(KINDS, (lift_case, mean_case, share_case), strict=True))


def some(seed: int, first: int, count: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Verdicts of consecutive cases, and those that are not the same, with how to draw them again."""
    out: Counter[tuple[str, str]] = Counter()
    odd = []
    for place in range(first, first + count):
        kind = KINDS[place % len(KINDS)]
        with np.errstate(all="ignore"):
            said = CASES[kind](np.random.default_rng(np.random.SeedSequence([seed, place])))
        out[kind, said.split(":")[0]] += 1
        if said != "same":
            odd.append(f"{kind}, seed {seed}, place {place}: {said}")
    return out, odd


def main() -> None:
    """Draw, compare, add up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin nothing after so many seconds")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    total: Counter[tuple[str, str]] = Counter()
    odd: list[str] = []
    start, step = time.monotonic(), 25
    with ProcessPoolExecutor(options.jobs) as pool:
        todo = list(range(0, options.cases, step))
        while todo and time.monotonic() - start < options.seconds:
            wave, todo = todo[: 2 * options.jobs], todo[2 * options.jobs :]
            futures = [pool.submit(some, options.seed, at, min(step, options.cases - at)) for at in wave]
            for future in futures:
                found, other = future.result()
                total += found
                odd += other
    counts = {kind: {word: total[kind, word] for word in ("same", "differs", "silent")} for kind in KINDS}
    print(json.dumps(counts), *odd[:20], f"{time.monotonic() - start:.0f} s", sep="\n")
    if options.write:
        until = "" if math.isinf(options.seconds) else f" --seconds {options.seconds:g}"
        command = f"python -m benchmarks.posteriors --cases {options.cases} --seed {options.seed}{until} --write"
        file = RESULTS / "posteriors.json"
        earlier = json.loads(file.read_text())["runs"] if file.exists() else []
        run = {**header(command), "seed": options.seed, "cases": sum(total.values()), "found": counts, "odd": odd}
        runs = [*(r for r in earlier if r["seed"] != options.seed), run]
        write("posteriors", {"cases": sum(r["cases"] for r in runs), "runs": runs}, command=command, quiet=True)


if __name__ == "__main__":
    main()
