"""What keeps an experiment from an answer, named right? `python -m benchmarks.blockers` → a table, and exit 1 where one misses.

Planted causes, a few hundred experiments each: is the blocker that `what_now` names first the planted one, among experiments
that the rule does not ship? Then its promise: how often does a run that goes on, or begins again, with the units that were
named win where the lift is as planned (80 % promised), and how often where there is none (the plan's alpha)? Last, how often is
an effect as large as the margin called one that does not matter (at most 5 %)?

Moments are drawn from their sampling distribution, so a run costs milliseconds; analysis, rule and `what_now` are those of
the package.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.report import write
from tests.builders import column, make_plan, split
from xpbench.data.summary import Cell, Finding, Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.recommend import recommend
from xpbench.decide.whatnow import WhatNow, what_now
from xpbench.health.check import Check
from xpbench.plan import Plan

BASE, LIFT, LOAD, SD = 0.2, 0.1, 2.0, 1.0
MODELS: dict[str, dict[str, Any]] = {
    "frequentist": {"kind": "frequentist"},
    "sequential": {"kind": "sequential", "n_opt": 30_000},
}


def plan_of(
    model: str = "frequentist", *, horizon: int = 30_000, value: bool = False, margin: float = 0.05, least: float = 0.02
) -> Plan:
    """One primary metric (a rate, or a value of 10 with sd 10) and one guardrail (load time, 2 s with sd 1)."""
    base = 10.0 if value else BASE
    return make_plan(
        [column("main", column="m", min_lift=least), column("load", "guardrail", "decrease", column="l", margin_rel=margin)],
        key="planted",
        owner="nobody",
        lift=LIFT,
        change="x",
        because="y",
        variants=split("a", "b"),
        unit="u",
        model=MODELS[model],
        horizon={"units": horizon},
        planning={"baselines": {"main": base, "load": LOAD}, "sds": {"load": SD, **({"main": 10.0} if value else {})}},
    )


class World:
    """Units that come in, and what they did; more of them can be drawn later."""

    def __init__(
        self, rng: np.random.Generator, *, lift: float, value: bool = False, sd: float = 10.0, load: float = 0.0
    ) -> None:
        self.rng, self.value = rng, value
        self.means = {"a": (10.0 if value else BASE, LOAD), "b": ((10.0 if value else BASE) * (1 + lift), LOAD * (1 + load))}
        self.sd = sd
        self.seen = {v: np.zeros((2, 3)) for v in "ab"}  # n, sum, sum of squares of both metrics

    def draw(self, n: int, shares: tuple[float, float] = (0.5, 0.5)) -> None:
        """So many units more."""
        first = int(self.rng.binomial(n, shares[0]))
        for variant, count in (("a", first), ("b", n - first)):
            main, load = self.means[variant]
            if self.value:
                self._add(variant, 0, count, main, self.sd)
            else:
                ones = float(self.rng.binomial(count, main))
                self.seen[variant][0] += (count, ones, ones)
            self._add(variant, 1, count, load, SD)

    def _add(self, variant: str, place: int, n: int, mean: float, sd: float) -> None:
        average = self.rng.normal(mean, sd / math.sqrt(n))
        squares = sd * sd * self.rng.chisquare(n - 1)
        self.seen[variant][place] += (n, n * average, squares + n * average * average)

    def summary(self, *, matured: float = 1.0, units: dict[str, int] | None = None) -> Summary:
        """Moments of what was drawn; with `matured` below 1 more units were exposed than have a value."""
        cells = []
        for place, metric in enumerate(("main", "load")):
            for variant in "ab":
                n, total, squares = self.seen[variant][place]
                mean = total / n
                variance = (squares - n * mean * mean) / (n - 1)
                cells.append(Cell(metric, variant, "value", ("value",), int(n), (mean,), ((variance,),)))
        counts = units or {v: round(self.seen[v][0][0] / matured) for v in "ab"}
        waiting = sum(counts.values()) - int(sum(self.seen[v][0][0] for v in "ab"))
        found = (Finding("immature_units", waiting, sum(counts.values()), "excluded"),) if waiting > 0 else ()
        return Summary("planted", "0" * 64, sum(counts.values()), counts, tuple(cells), findings=found)


def read(plan: Plan, summary: Summary, *, gate: bool = False) -> dict[str, Any]:
    """What `what_now` reads of a readout."""
    rows = analyse(plan, summary)
    health = [Check("srm", "fail" if gate else "pass", {}, "The split is off.", "Find the cause.", True, "Sample ratio")]
    enough = summary.n >= (plan.horizon.units or 0) * 0.999
    advice = recommend(plan, rows, health, is_adequate=enough)
    return {
        "sealed": False,
        "rows": [r.to_dict() for r in rows],
        "health": [c.to_dict() for c in health],
        "recommendation": advice.to_dict(),
        "due": {"is_adequate": enough, "reason": "", "units_needed": plan.horizon.units, "days": None, "days_needed": None},
        "summary": summary.to_dict(),
        "stamps": [],
    }


def too_few(rng: np.random.Generator) -> tuple[Plan, dict[str, Any]]:
    plan, world = plan_of("sequential"), World(rng, lift=LIFT)
    world.draw(8_000)
    return plan, read(plan, world.summary())


def too_noisy(rng: np.random.Generator) -> tuple[Plan, dict[str, Any]]:
    plan, world = plan_of(value=True, horizon=6_000, margin=0.1), World(rng, lift=LIFT, value=True, sd=20.0)
    world.draw(6_000)
    return plan, read(plan, world.summary())


def smaller(rng: np.random.Generator) -> tuple[Plan, dict[str, Any]]:
    plan, world = plan_of(least=0.005), World(rng, lift=0.1 * LIFT)
    world.draw(30_000)
    return plan, read(plan, world.summary())


def guardrail(rng: np.random.Generator) -> tuple[Plan, dict[str, Any]]:
    plan, world = plan_of(margin=0.008), World(rng, lift=1.6 * LIFT, load=0.002)
    world.draw(30_000)
    return plan, read(plan, world.summary())


def gate(rng: np.random.Generator) -> tuple[Plan, dict[str, Any]]:
    plan, world = plan_of(), World(rng, lift=LIFT)
    world.draw(30_000, (0.54, 0.46))
    return plan, read(plan, world.summary(), gate=True)


def immature(rng: np.random.Generator) -> tuple[Plan, dict[str, Any]]:
    plan, world = plan_of(), World(rng, lift=LIFT)
    world.draw(10_000)
    return plan, read(plan, world.summary(matured=1 / 3))


def hopeless(rng: np.random.Generator) -> tuple[Plan, dict[str, Any]]:
    plan, world = plan_of(horizon=4_000, margin=0.1), World(rng, lift=LIFT)
    world.draw(4_000)
    return plan, read(plan, world.summary())


CAUSES: dict[str, Callable[[np.random.Generator], tuple[Plan, dict[str, Any]]]] = {
    "too few units": too_few,
    "too noisy": too_noisy,
    "smaller than planned": smaller,
    "guardrail undecided": guardrail,
    "health gate": gate,
    "immature units": immature,
    "plan can't find this": hopeless,
}


def named(cause: str, runs: int, seed: int = 1) -> tuple[int, int, dict[str, int]]:
    """How often the planted cause is named first, of how many runs that do not ship, and what else was named."""
    rng = np.random.default_rng(seed)
    right, other = 0, {}
    count = 0
    while count < runs:
        plan, readout = CAUSES[cause](rng)
        if readout["recommendation"]["outcome"] == "ship":
            continue
        count += 1
        found = what_now(plan.to_dict(), readout).blocker
        if found == cause:
            right += 1
        else:
            other[found or "a result"] = other.get(found or "a result", 0) + 1
    return right, count, other


def promised(model: str, runs: int, *, lift: float, seed: int = 2) -> tuple[int, int, int]:
    """Wins after the extension, of how many, and wins at the first or the second look of all runs.

    Under a sequential plan the same run goes on; under a fixed horizon a new run begins. Extensions beyond ten times the units
    are not run: nobody would.
    """
    rng = np.random.default_rng(seed)
    plan = plan_of(model, margin=0.1, least=0.0001)
    first, won, count, ever, every = 12_000 if model == "sequential" else 30_000, 0, 0, 0, 0
    while count < runs:
        world = World(rng, lift=lift)
        world.draw(first)
        readout = read(plan, world.summary())
        every += 1
        now: WhatNow = what_now(plan.to_dict(), readout)
        better = readout["rows"][0]["verdict"] == "better"
        if better or now.units is None or now.units > 20 * first or readout["rows"][0]["verdict"] == "worse":
            ever += readout["rows"][0]["verdict"] != "unclear"
            if every > 50 * runs:
                break
            continue
        if model != "sequential":
            world = World(rng, lift=lift)
        world.draw(now.units)
        row = analyse(plan, world.summary())[0]
        count += 1
        won += row.verdict == "better"
        ever += row.verdict != "unclear"
    return won, count, round(1e6 * ever / every)


def at_the_margin(model: str, runs: int, seed: int = 3) -> int:
    """How often an effect of exactly the smallest lift that matters is called one that does not matter."""
    rng = np.random.default_rng(seed)
    plan, wrong = plan_of(model, least=0.06), 0
    for i in range(runs):
        world = World(rng, lift=0.06 if i % 2 else -0.06)
        world.draw(30_000)
        wrong += bool(analyse(plan, world.summary())[0].equivalent)
    return wrong


def main() -> None:
    """All of it as text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    args = parser.parse_args()
    bad = False
    result: dict[str, Any] = {"runs": args.runs, "named_first": {}, "extensions": {}, "equivalence": {}}
    for cause in CAUSES:
        right, count, other = named(cause, args.runs)
        bad |= right < 0.9 * count
        result["named_first"][cause] = {"right": right, "of": count, "else": other}
        print(f"{cause:<22} named first in {right} of {count}{f'; else {other}' if other else ''}")
    for model in MODELS:
        won, count, _ = promised(model, 20 * args.runs, lift=LIFT)
        bad |= abs(won / count - 0.8) > 0.03
        print(f"{model:<22} {won} of {count} extensions win, promised 80 %: {won / count:.1%}")
        result["extensions"][model] = {"won": won, "of": count, "promised": 0.8}
        won, count, ever = promised(model, 5 * args.runs, lift=0.0)
        print(f"{model:<22} without an effect {won} of {count} extensions win; {ever / 1e4:.2f} % of runs at either look")
        bad |= model == "sequential" and ever / 1e6 > 0.05 + 2 * math.sqrt(0.05 * 0.95 / count)
        wrong = at_the_margin(model, 10 * args.runs)
        bad |= wrong > 0.05 * 10 * args.runs
        result["extensions"][model] |= {"without_effect_won": won, "without_effect_of": count, "at_either_look": ever / 1e6}
        result["equivalence"][model] = {"wrong": wrong, "of": 10 * args.runs, "allowed": 0.05}
        print(f"{model:<22} no effect that matters, said at the margin: {wrong} of {10 * args.runs}")
    if args.write:
        write("blockers", result, command=f"python -m benchmarks.blockers --runs {args.runs} --write", quiet=True)
    sys.exit(bad)


if __name__ == "__main__":
    main()
