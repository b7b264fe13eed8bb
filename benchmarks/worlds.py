"""Simulated worlds with known truth: what the whole way from counts to recommendation decides, against nominal rates.

    python -m benchmarks.worlds --runs 500          # full; tests run it short

Every run draws units day by day, goes through health, analysis, looks and rule exactly as an experiment does, and is judged
against what the world planted. Fixed-horizon results that are read daily without a seal are played as a control that must
*fail*: they show that the simulation can see peeking.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import write
from tests.builders import make_plan, metric
from xpbench.data.summary import Cell, Finding, Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.interaction import interaction
from xpbench.decide.novelty import trends
from xpbench.decide.recommend import recommend
from xpbench.health import HealthInputs, run_checks
from xpbench.plan import Plan

DAYS = 28
A_DAY = 1000
UNITS = DAYS * A_DAY
START = date(2026, 9, 7)
RATE, LOAD = 0.2, 1.0
ALPHA = 0.05


def plan(model: str) -> Plan:
    """A conversion that decides, a mean that guards."""
    kinds: dict[str, dict[str, Any]] = {
        "frequentist": {"kind": "frequentist"},
        "sequential": {"kind": "sequential", "n_opt": UNITS, "min_units": 500},
        "group_sequential": {"kind": "group_sequential", "looks": [0.25, 0.5, 0.75, 1.0]},
    }
    return make_plan(
        [
            metric("done", "conversion", event="Done", min_lift=0.01),
            metric("load", "count", "guardrail", "decrease", event="Load", margin_rel=0.05),
        ],
        key="worlds",
        owner="benchmarks",
        lift=0.08,
        model=kinds[model],
        horizon={"units": round(UNITS * 0.98)},
    )


@dataclass(frozen=True)
class World:
    """What is true.

    Attributes:
        lift: Lift of the primary.
        load: Relative change of the guardrail, positive = worse.
        lost: Share of treated units whose exposure is lost.
        switchers: Share of units that met both variants and were left out.
        fade: Days since the start after which the lift is gone.
        days: Days of traffic.
        expected: Outcomes that are right.
        rate: Least share of runs with a right outcome, before Monte-Carlo error.
    """

    lift: float = 0.0
    load: float = 0.0
    lost: float = 0.0
    switchers: float = 0.0
    fade: float = math.inf
    days: int = DAYS
    expected: tuple[str, ...] = ("ship none",)
    rate: float = 0.95
    note: str = field(default="")


WORLDS: dict[str, World] = {
    "null": World(expected=("ship none", "iterate"), rate=1 - ALPHA / 2, note="false ships at most alpha / 2 in the good tail"),
    "small win": World(lift=0.05, expected=("ship", "ship none"), rate=0.95, note="power decides between the two"),
    "large win": World(lift=0.12, expected=("ship",), rate=0.9),
    "guardrail harm": World(lift=0.12, load=0.2, expected=("ship none",), rate=0.95),
    "srm": World(lift=0.03, lost=0.12, expected=("invalid",), rate=0.95),
    "contamination": World(lift=0.12, switchers=0.03, expected=("invalid",), rate=0.95),
    "novelty": World(lift=0.4, fade=6.0, expected=("ship", "ship none", "iterate"), rate=0.0, note="judged by the trend test"),
    "underpowered": World(
        lift=0.08, days=6, expected=("iterate", "ship"), rate=0.9, note="a null result is not called adequate"
    ),
    "interaction": World(lift=0.1, expected=("ship", "ship none", "iterate"), rate=0.0, note="judged by the interaction test"),
}


def days_of(world: World, rng: np.random.Generator) -> np.ndarray:
    """Sums by day: n, done, load, load squared for each variant, shape (days, 2, 4)."""
    out = np.zeros((world.days, 2, 4))
    for d in range(world.days):
        n = rng.binomial(A_DAY, 0.5)
        for v, units in enumerate((n, A_DAY - n)):
            kept = units
            if v == 1 and world.lost:
                kept = rng.binomial(units, 1 - world.lost)
            if world.switchers:
                kept = rng.binomial(kept, 1 - world.switchers)
            lift = world.lift * math.exp(-d / world.fade) if v == 1 else 0.0
            done = rng.binomial(kept, min(1.0, RATE * (1 + lift)))
            loads = rng.poisson(LOAD * (1 + (world.load if v == 1 else 0.0)), kept)
            out[d, v] = kept, done, loads.sum(), float((loads * loads).sum())
    return out


def summary_of(table: np.ndarray, world: World) -> Summary:
    """The summary after the days given."""
    total = table.sum(axis=0)
    cells = []
    for v, name in enumerate(("control", "beta")):
        cells += _cells(name, total[v], "", "")
        for d in range(len(table)):
            cells += _cells(name, table[d, v], "$day", (START + timedelta(days=d)).isoformat())
    units = {"control": int(total[0, 0]), "beta": int(total[1, 0])}
    by_day = {
        (START + timedelta(days=d)).isoformat(): {"control": int(table[d, 0, 0]), "beta": int(table[d, 1, 0])}
        for d in range(len(table))
    }
    findings = []
    if world.switchers:
        seen = sum(units.values())
        count = round(seen / (1 - world.switchers) * world.switchers)
        half = {"control": count // 2, "beta": count - count // 2}
        findings.append(Finding("several_variants", count, seen + count, "excluded", by_variant=half))
    return Summary(
        "events",
        "0" * 64,
        int(total[:, 0].sum()),
        units,
        tuple(cells),
        findings=tuple(findings),
        exposures_by_day=by_day,
        first_exposure=f"{START.isoformat()}T00:00:00+00:00",
        last_exposure=f"{(START + timedelta(days=len(table) - 1)).isoformat()}T23:00:00+00:00",
    )


def _cells(variant: str, sums: np.ndarray, dimension: str, part: str) -> list[Cell]:
    n, done, load, square = sums
    if n < 2:
        return []
    out = []
    for key, total, squares in (("done", done, done), ("load", load, square)):
        mean = total / n
        var = (squares - n * mean * mean) / (n - 1)
        out.append(Cell(key, variant, "value", ("value",), int(n), (float(mean),), ((float(var),),), dimension, part))
    return out


def decide(a_plan: Plan, summary: Summary, *, adequate: bool, earlier: list[int]) -> Any:
    """Health, rows and rule, as a readout makes them."""
    health = run_checks(HealthInputs(a_plan, summary), only=GATES)
    rows = analyse(a_plan, summary, earlier_units=earlier)
    return recommend(a_plan, rows, health, is_adequate=adequate), rows


GATES = ("no_units", "srm", "srm_anytime", "contamination")
"""The gates that a world can trip; the others need a source."""


def play(a_plan: Plan, world: World, rng: np.random.Generator, *, looks: str) -> tuple[str, Summary]:
    """One experiment: `daily` looks that stop at the first ship, the plan's own `planned` looks, or the `horizon` alone."""
    table = days_of(world, rng)
    earlier: list[int] = []
    horizon = a_plan.horizon.units or UNITS
    found = "iterate"
    summary = summary_of(table, world)
    for d in range(1, world.days + 1):
        last = d == world.days
        if looks == "horizon" and not last:
            continue
        if looks == "planned" and not last and d % 7:
            continue
        summary = summary_of(table[:d], world) if not last else summary_of(table, world)
        if min(summary.units.values()) < 500 and not last:
            continue
        advice, _ = decide(a_plan, summary, adequate=summary.n >= horizon * 0.9, earlier=earlier)
        found = advice.outcome
        if found == "ship" or (looks != "horizon" and found == "invalid"):
            break
        earlier.append(summary.n)
    return found, summary


def run_world(name: str, *, runs: int, model: str = "sequential", looks: str = "daily", seed: int = 3) -> dict[str, Any]:
    """Rates of every outcome over the runs, and whether the right ones came up often enough."""
    world, a_plan = WORLDS[name], plan(model)
    counts = dict.fromkeys(("ship", "ship none", "iterate", "invalid"), 0)
    fading = called = 0
    for i in range(runs):
        rng = np.random.default_rng([seed, list(WORLDS).index(name), i])
        if name == "interaction":
            called += _interaction(a_plan, rng)
            continue
        outcome, summary = play(a_plan, world, rng, looks="horizon" if name == "novelty" else looks)
        counts[outcome] += 1
        if name == "novelty":
            words = {(t.metric, t.axis): t.word for t in trends(a_plan, summary)}
            fading += words.get(("done", "cohort")) == "fading"
    right = sum(counts[o] for o in world.expected)
    rate = {"novelty": fading, "interaction": called}.get(name, right) / runs
    bar = {"novelty": 0.8, "interaction": 0.8}.get(name, world.rate)
    error = 3 * math.sqrt(max(bar * (1 - bar), 1e-9) / runs)
    return {
        "world": name,
        "model": model,
        "looks": looks,
        "runs": runs,
        "outcomes": {k: v / runs for k, v in counts.items()},
        "right": rate,
        "bar": bar,
        "met": rate >= bar - error,
        "note": world.note,
    }


def _interaction(a_plan: Plan, rng: np.random.Generator) -> bool:
    """Two experiments on the same units whose joint variant breaks the primary."""
    cells = {}
    for a, b in ((a, b) for a in (0, 1) for b in (0, 1)):
        n = UNITS // 4
        chance = RATE * (1 + 0.1 * a + 0.1 * b - 0.3 * a * b)
        done = rng.binomial(n, chance)
        p = done / n
        key = ("beta" if a else "control", "new" if b else "old")
        cells[key] = Cell("done", key[0], "value", ("value",), n, (p,), ((p * (1 - p) * n / (n - 1),),))
    found = interaction(a_plan.metric("done"), cells, control="control", treatment="beta", other="checkout", alpha=ALPHA)
    return found.state == "interaction"


def peeking(*, runs: int, seed: int = 4) -> dict[str, Any]:
    """The control: a fixed-horizon result read daily as if there were no seal ships a null far more often than alpha / 2."""
    world, a_plan = WORLDS["null"], plan("frequentist")
    ships: Callable[[str], int] = lambda looks: sum(  # noqa: E731
        play(a_plan, world, np.random.default_rng([seed, i]), looks=looks)[0] == "ship" for i in range(runs)
    )
    daily, once = ships("daily") / runs, ships("horizon") / runs
    bar = ALPHA / 2 + 3 * math.sqrt(ALPHA / 2 * (1 - ALPHA / 2) / runs)
    return {
        "runs": runs,
        "false_ships_read_daily": daily,
        "false_ships_read_once": once,
        "bar": bar,
        "once_met": once <= bar,
        "daily_fails_as_it_must": daily > bar,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    runs = parser.parse_args().runs
    began = time.perf_counter()
    rows = [run_world(name, runs=runs) for name in WORLDS]
    rows += [run_world("null", runs=runs, model="group_sequential", looks="planned")]
    rows += [run_world(name, runs=runs, model="frequentist", looks="horizon") for name in ("null", "large win")]
    for row in rows:
        print(f"{row['world']:<16} {row['model']:<17} {row['looks']:<8} {row['right']:.3f} bar {row['bar']:.3f} {row['met']}")
    control = peeking(runs=runs)
    write(
        "worlds",
        {"rows": rows, "peeking_control": control, "seconds": round(time.perf_counter() - began, 1)},
        command=f"python -m benchmarks.worlds --runs {runs}",
    )


if __name__ == "__main__":
    main()
