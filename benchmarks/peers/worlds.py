"""Planted truth: the tables that every peer is given. Seeds are fixed, so that all peers see the same numbers.

A simulated world is one Parquet file of many small experiments, one after the other (`run`), so that reading costs little.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 20261122
VARIANTS = np.array(["control", "beta"])


@dataclass(frozen=True)
class Sizes:
    """How much is played."""

    coverage: int = 1000
    peeking: int = 250
    guardrail: int = 400
    srm: int = 200
    rows: int = 1_000_000
    ids: int = 200_000

    @classmethod
    def short(cls) -> Sizes:
        """For tests."""
        return cls(coverage=40, peeking=12, guardrail=20, srm=20, rows=20_000, ids=5_000)


LIFTS = {"proportion": 0.2, "skewed": 0.1, "noisy control": 0.5, "cuped": 0.05}
"""True lifts of the coverage worlds."""

MARGIN = 0.05
"""Relative margin of the guardrail (a load time: lower is better)."""

HARMS = {"harm beyond the margin": (1000, 0.075), "no harm, few units": (1000, 0.0), "no harm, enough units": (8000, 0.0)}
"""Units per variant and true relative change of the guardrail."""

DAYS = 28
PEEKS = {"no effect": 0.0, "lift of 15 %": 0.15}
LOSSES = {"sound": 0.0, "4 % of treated exposures lost": 0.04}


def _stack(tables: list[pd.DataFrame], path: Path) -> None:
    pd.concat(tables, keys=range(len(tables)), names=["run"]).reset_index("run").to_parquet(path, index=False)


def _pair(rng: np.random.Generator, n: int) -> np.ndarray:
    """Both variants, n units each."""
    return np.repeat([0, 1], n)


def coverage(kind: str, runs: int, path: Path) -> None:
    """Small experiments with a known lift; beside each value a value from before the experiment."""
    lift, tables = LIFTS[kind], []
    for run in range(runs):
        rng = np.random.default_rng([SEED, list(LIFTS).index(kind), run])
        if kind == "noisy control":
            n = 400
            v = _pair(rng, n)
            y = rng.normal(1 + lift * v, 5)
            x = rng.normal(1, 5, 2 * n)
        else:
            n = 1000
            v = _pair(rng, n)
            if kind == "proportion":
                y = (rng.random(2 * n) < 0.05 * (1 + lift * v)).astype(float)
                x = np.zeros(2 * n)
            elif kind == "skewed":
                y = np.where(rng.random(2 * n) < 0.2, rng.lognormal(3, 1.2, 2 * n), 0.0) * (1 + lift * v)
                x = np.zeros(2 * n)
            else:
                x = rng.lognormal(0, 1, 2 * n)
                y = (0.8 * x + rng.lognormal(0, 0.6, 2 * n)) * (1 + lift * v)
        tables.append(pd.DataFrame({"variant": VARIANTS[v], "y": y, "x": x}))
    _stack(tables, path)


def peeking(kind: str, runs: int, path: Path) -> None:
    """100 units a day for 28 days, a conversion of 20 %."""
    lift, tables = PEEKS[kind], []
    for run in range(runs):
        rng = np.random.default_rng([SEED, 10 + list(PEEKS).index(kind), run])
        n = DAYS * 100
        v = rng.integers(0, 2, n)
        y = (rng.random(n) < 0.2 * (1 + lift * v)).astype(float)
        tables.append(pd.DataFrame({"day": np.repeat(np.arange(1, DAYS + 1), 100), "variant": VARIANTS[v], "y": y}))
    _stack(tables, path)


def guardrail(kind: str, runs: int, path: Path) -> None:
    """Load times, lower is better."""
    (n, change), tables = HARMS[kind], []
    for run in range(runs):
        rng = np.random.default_rng([SEED, 20 + list(HARMS).index(kind), run])
        v = _pair(rng, n)
        tables.append(pd.DataFrame({"variant": VARIANTS[v], "y": rng.gamma(1.0, 1.0, 2 * n) * (1 + change * v)}))
    _stack(tables, path)


def sample_ratio(kind: str, runs: int, path: Path) -> None:
    """Exposed units by day and variant, 1,000 arriving a day."""
    tables = []
    for run in range(runs):
        rng = np.random.default_rng([SEED, 30 + list(LOSSES).index(kind), run])
        control = rng.binomial(1000, 0.5, DAYS)
        beta = rng.binomial(1000 - control, 1 - LOSSES[kind])
        tables.append(pd.DataFrame({"day": np.arange(1, DAYS + 1), "control": control, "beta": beta}))
    _stack(tables, path)


def large(rows: int, path: Path) -> None:
    """One table of many units: five skewed metrics with a covariate each."""
    from benchmarks.stats import generate

    generate(path, rows=rows, metrics=5)


def ids(count: int, path: Path) -> None:
    """Unit ids as text, and the definition of the flag that assigns them."""
    rng = np.random.default_rng([SEED, 40])
    pd.DataFrame({"unit": [f"user-{i}" for i in rng.integers(0, 10**12, count)]}).to_parquet(path, index=False)


FLAG = {
    "id": "1",
    "name": "checkout",
    "key": "checkout",
    "status": "enabled",
    "project_id": 1,
    "context": "distinct_id",
    "hash_salt": "0123456789abcdef",
    "ruleset": {
        "variants": [
            {"key": "beta", "value": "beta", "is_control": False, "split": 0.5},
            {"key": "control", "value": "control", "is_control": True, "split": 0.5},
        ],
        "rollout": [{"rollout_percentage": 0.8}],
    },
}
"""The flag as Mixpanel's definitions give it."""


def write(folder: Path, sizes: Sizes) -> dict[str, Path]:
    """Every table of every world; the key is `task/world`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flag.json").write_text(json.dumps(FLAG), "utf-8")
    jobs: list[tuple[str, object]] = [
        *((f"coverage/{k}", lambda p, k=k: coverage(k, sizes.coverage, p)) for k in LIFTS),
        *((f"peeking/{k}", lambda p, k=k: peeking(k, sizes.peeking, p)) for k in PEEKS),
        *((f"guardrail/{k}", lambda p, k=k: guardrail(k, sizes.guardrail, p)) for k in HARMS),
        *((f"srm/{k}", lambda p, k=k: sample_ratio(k, sizes.srm, p)) for k in LOSSES),
        ("readout/large", lambda p: large(sizes.rows, p)),
        ("assignment/ids", lambda p: ids(sizes.ids, p)),
    ]
    out = {}
    for number, (name, make) in enumerate(jobs):
        path = folder / f"{number:02}-{name.partition('/')[0]}.parquet"
        make(path)  # type: ignore[operator]
        out[name] = path
    return out
