"""What the designs find and how often they alarm: daily looks, an uneven split, guardrails, an early stop, and what p costs.

    python -m benchmarks.designs [runs]
    python -m benchmarks.designs speed      how long 28 looks at ten metrics take, into results/design-speed.json

Daily looks and mean units are exact (recursive integration); everything else is simulated on sums of units. The world of daily
looks is that of docs/proof/peers.md: 100 units a day, 28 days, a rate of 20 %, a lift of 15 %.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from typing import Any

import numpy as np
import scipy.stats

from benchmarks.report import write
from xpbench.stats.fieller import z_lift
from xpbench.stats.moments import Floats
from xpbench.stats.multipliers import Mixture, q_mixture
from xpbench.stats.pairs import welch_df
from xpbench.stats.rest import smallest_found
from xpbench.stats.spending import crossing, q_group, q_reflection
from xpbench.stats.stopped import exceeding

DAYS = 28
LOOKS = [i / DAYS for i in range(1, DAYS + 1)]
ALPHA = 0.05


def bounds_of(name: str, alpha: float = ALPHA, units: float = 2_800.0) -> list[float]:
    """Two-sided multipliers at the daily looks."""
    if name == "fixed":
        return [math.inf] * (DAYS - 1) + [float(scipy.stats.norm.isf(alpha / 2))]
    if name == "mixture":
        rho2 = float(Mixture.optimal(alpha=alpha, n_opt=units).rho2 or 0.0)
        return [float(q_mixture(alpha, t * units * rho2)) for t in LOOKS]
    if name == "reflection":
        return [q_reflection(alpha, t) for t in LOOKS]
    if name.endswith(" and mixture"):  # a tenth of the level for what comes after the horizon: two tests, by Bonferroni
        pairs = zip(bounds_of(name.split(" ")[0], 0.9 * alpha), bounds_of("mixture", 0.1 * alpha), strict=True)
        return [min(a, b) for a, b in pairs]
    return q_group(alpha, LOOKS, name)  # type: ignore[arg-type]


def daily() -> list[dict[str, Any]]:
    """False alarms, power, and units for a power of 80 %, at most and on average, in units of the fixed design."""
    rate, lift, n = 0.2, 0.15, 1_400
    pooled = rate * (1 + lift / 2)
    drift = rate * lift / math.sqrt(2 * pooled * (1 - pooled) / n)
    fixed = smallest_found(0.8, looks=(1.0,), bounds=(float(scipy.stats.norm.isf(ALPHA / 2)),)) ** 2
    out = []
    for name in (
        "fixed", "mixture", "reflection", "reflection and mixture", "obrien_fleming", "obrien_fleming and mixture", "pocock",
    ):  # fmt: skip
        bounds = bounds_of(name)
        false = sum(float(x.sum()) for x in crossing(bounds, LOOKS, drift=0.0))
        power = float(crossing(bounds, LOOKS, drift=drift)[1].sum())
        needed = smallest_found(0.8, looks=LOOKS, bounds=bounds)
        stops = crossing(bounds, LOOKS, drift=needed)
        by_look = stops[0] + stops[1]
        mean = float(by_look @ np.array(LOOKS)) + 1.0 - float(by_look.sum())
        row = {"design": name, "false": false, "power": power}
        out.append({**row, "most_units": needed**2 / fixed, "mean_units": mean * needed**2 / fixed})
    return out


def uneven(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """99:1, a rate of 2 %, 28 daily looks: false alarms of the score statistic, and of the unpooled one beside it."""
    n_c, n_t, rate = 3_500, 35, 0.02
    x_c = rng.binomial(n_c, rate, (runs, DAYS)).cumsum(1)
    x_t = rng.binomial(n_t, rate, (runs, DAYS)).cumsum(1)
    day = np.arange(1, DAYS + 1)
    a, b = x_c / (n_c * day), x_t / (n_t * day)
    p = (x_c + x_t) / ((n_c + n_t) * day)
    n = (n_c + n_t) * day
    score = (b - a) / np.sqrt(np.maximum(p * (1 - p) * (1 / (n_c * day) + 1 / (n_t * day)) * n / (n - 1), 1e-300))
    wald = (b - a) / np.sqrt(np.maximum(a * (1 - a) / (n_c * day) + b * (1 - b) / (n_t * day), 1e-300))
    enough = (x_c + x_t >= 10) & (p * n_t * day >= 2)
    out = []
    for name in ("obrien_fleming", "pocock", "reflection"):
        bounds = np.array(bounds_of(name))
        for statistic, z in (("score", score), ("unpooled", wald)):
            hit = (np.abs(z) >= bounds) & enough
            out.append({"design": name, "statistic": statistic, "false": float(hit.any(1).mean()), "runs": runs})
    return out


def sums(rng: np.random.Generator, runs: int, units: int, parts: int) -> tuple[Floats, Floats]:
    """Cumulative sums and sums of squares of exponential values, after each of so many equal parts."""
    size = units // parts
    first, second = np.empty((runs, parts)), np.empty((runs, parts))
    chunk = max(1, 8_000_000 // size)
    for i in range(parts):
        for start in range(0, runs, chunk):
            values = rng.standard_exponential((min(chunk, runs - start), size))
            first[start : start + chunk, i] = values.sum(1)
            second[start : start + chunk, i] = np.einsum("ij,ij->i", values, values)
    return first.cumsum(1), second.cumsum(1)


def guardrails(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Load times with a margin of 5 %, lower is better: how often a guardrail passes at one-sided 5 %."""
    out = []
    for what, units, change, parts, design in (
        ("harmless, 1,000 a variant", 1_000, 0.0, 1, "fixed"),
        ("exactly at the margin, 1,000 a variant", 1_000, 0.05, 1, "fixed"),
        ("harm of 7.5 %, 1,000 a variant", 1_000, 0.075, 1, "fixed"),
        ("harmless, 8,000 a variant", 8_000, 0.0, 1, "fixed"),
        ("exactly at the margin, 8,000 a variant", 8_000, 0.05, 1, "fixed"),
        ("harmless, 8,000 a variant, read daily: O'Brien–Fleming", 8_008, 0.0, DAYS, "obrien_fleming"),
        ("harmless, 8,000 a variant, read daily: reflection", 8_008, 0.0, DAYS, "reflection"),
        ("exactly at the margin, 8,000 a variant, read daily: O'Brien–Fleming", 8_008, 0.05, DAYS, "obrien_fleming"),
        ("exactly at the margin, 8,000 a variant, read daily: reflection", 8_008, 0.05, DAYS, "reflection"),
    ):
        passed, n = [], np.arange(1, parts + 1) * (units // parts)
        for _ in range(max(1, runs // 1_000)):
            (sc, qc), (st, qt) = (sums(rng, 1_000, units, parts) for _ in range(2))
            st, qt = st * (1 + change), qt * (1 + change) ** 2
            mc, mt = sc / n, st / n
            vc, vt = ((q - s * s / n) / (n - 1) / n for q, s in ((qc, sc), (qt, st)))
            z = -z_lift(mc=mc, mt=mt, vc=vc, vt=vt, cov=np.zeros_like(mc), null=0.05)
            if design == "fixed":
                df = np.array(
                    [welch_df(a, b, df_c=n[-1] - 1.0, df_t=n[-1] - 1.0) for a, b in zip(vc[:, 0], vt[:, 0], strict=True)]
                )
                passed.append(scipy.stats.t.sf(z[:, 0], df) <= ALPHA)
            else:
                passed.append((z >= np.array(bounds_of(design, 2 * ALPHA))).any(1))
        found = np.concatenate(passed)
        out.append({"what": what, "passes": float(found.mean()), "runs": len(found)})
        print(out[-1], flush=True)
    return out


def stops(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """After four looks: how often raw and adjusted estimate are above the truth, and the interval holds it."""
    looks, out = [0.25, 0.5, 0.75, 1.0], []
    for name in ("obrien_fleming", "pocock", "reflection"):
        bounds = np.array(q_group(ALPHA, looks, name))
        for drift in (2.0, 3.0):
            steps = rng.normal(size=(runs, 4)) * 0.5 + drift * 0.25
            z = steps.cumsum(1) / np.sqrt(looks)
            crossed = np.abs(z) >= bounds
            at = np.where(crossed.any(1), crossed.argmax(1), 3)
            raw = np.array([z[i, k] / math.sqrt(looks[k]) for i, k in enumerate(at)])
            above = np.array(
                [exceeding(z[i, k], looks=looks[: k + 1], bounds=list(bounds[:k]), drift=drift) for i, k in enumerate(at)]
            )
            early = at < 3
            row = {"design": name, "drift": drift, "runs": runs, "raw_above": float((raw > drift).mean())}
            row |= {"raw_mean_of_early_stops": float(raw[early].mean()), "median_above": float((above < 0.5).mean())}
            out.append({**row, "interval_holds": float(((above > ALPHA / 2) & (above < 1 - ALPHA / 2)).mean())})
    return out


def readout_of(spending: str, look: int, metrics: int = 10) -> tuple[Any, Any, list[int]]:
    """A plan that is read at 28 looks, the sums at one of them, and the units at the looks before."""
    from tests.builders import make_plan, metric
    from xpbench.data.summary import Cell, Summary

    keys = [f"m{i}" for i in range(metrics)]
    plan = make_plan(
        [metric(key, "count", "secondary" if i else "primary", event="M") for i, key in enumerate(keys)],
        model={"kind": "group_sequential", "looks": LOOKS, "spending": spending},
        horizon={"units": 28_000},
    )
    rng, n = np.random.default_rng(look), 500 * look
    cells = [
        Cell(key, variant, "value", ("value",), n, (5.0 + float(rng.normal(0, n**-0.5)),), ((1.0,),))
        for key in keys
        for variant in ("control", "beta")
    ]
    summary = Summary("events", "0" * 64, 2 * n, {"control": n, "beta": n}, tuple(cells))
    return plan, summary, [1_000 * i for i in range(1, look)]


def seconds(spending: str) -> dict[str, Any]:
    """Processor time of the first readout at look 28 in a fresh process, and of each of all 28 in turn; ten metrics."""
    from xpbench.decide.analysis import analyse

    plan, summary, before = readout_of(spending, 28)
    start = time.process_time()
    analyse(plan, summary, earlier_units=before)
    last = time.process_time() - start
    made = [readout_of(spending, look) for look in range(2, 28)]
    start = time.process_time()
    for plan, summary, before in made:
        analyse(plan, summary, earlier_units=before)
    return {"design": spending, "look_28": last, "mean_of_looks_2_to_27": (time.process_time() - start) / len(made)}


def speed() -> None:
    """`seconds` of each design in a process of its own, the best of three."""
    rows = []
    for name in ("obrien_fleming", "pocock", "reflection"):
        code = f"import json; from benchmarks.designs import seconds; print(json.dumps(seconds({name!r})))"
        tried = [
            json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
            for _ in range(3)
        ]
        rows.append(min(tried, key=lambda row: row["look_28"]))
    write(
        "design-speed",
        {"metrics": 10, "seconds": rows},
        command="python -m benchmarks.designs speed",
        packages=("numpy", "scipy"),
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["speed"]:
        speed()
        sys.exit()
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rng = np.random.default_rng(20_261_130)
    found: dict[str, Any] = {"daily": daily(), "uneven": uneven(runs, rng), "stops": stops(max(1_000, runs // 10), rng)}
    for name in ("daily", "uneven", "stops"):
        for line in found[name]:
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}, flush=True)
    found["guardrails"] = guardrails(runs, rng)
    write("designs", found, command=f"python -m benchmarks.designs {runs}", packages=("numpy", "scipy"))
