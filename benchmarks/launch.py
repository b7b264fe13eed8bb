"""Worlds from launch to the weeks after: rates of false stops and false breaches, power, and coverage, against nominal.

python -m benchmarks.launch [--runs 500] [--save]
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from xpbench.data.summary import Cell, Summary
from xpbench.plan import Plan
from xpbench.watch.estimators import pre_post
from xpbench.watch.forecast import forecast_of
from xpbench.watch.ramp import guard_rows, ramp_power
from xpbench.watch.record import judge
from xpbench.watch.series import Group, Series, WatchDay

RESULTS = Path(__file__).with_name("results") / "launch.json"
ALPHA = 0.05
STAGES = ((0.1, 4), (0.5, 4), (1.0, 6))
DAILY = 4000
BASE = 0.2
MARGIN = 0.02
START = datetime(2026, 9, 1, tzinfo=UTC)


def plan(*, margin: float = MARGIN) -> Plan:
    """A ramp of three stages guarded by one conversion."""
    return Plan(
        key="ramp",
        title="Ramp",
        owner="benchmark",
        hypothesis={"if": "a", "then": [{"metric": "quote", "direction": "increase"}], "because": "b"},
        variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "beta", "split": 0.5}],
        assignment={"hash": "sha256", "salt": "ramp", "rollout": [{"key": "everyone", "share": STAGES[0][0]}]},
        metrics=[
            {"key": "quote", "kind": "conversion", "role": "primary", "direction": "increase", "event": "Quote"},
            {
                "key": "out",
                "kind": "conversion",
                "role": "guardrail",
                "direction": "decrease",
                "event": "Out",
                "margin_rel": margin,
            },
        ],
        horizon={"units": int(sum(s * n for s, n in STAGES) * DAILY)},
        planning={"daily_units": DAILY, "baselines": {"out": BASE, "quote": 0.1}},
        decision={"harm_alpha": ALPHA},
        ramp={"stages": [{"share": s, "days": n} for s, n in STAGES]},
    )


def ramp_world(
    rng: np.random.Generator,
    *,
    worse: Callable[[int], float],
    base: Callable[[int], float] = lambda stage: BASE,
    split: Callable[[int], float] = lambda stage: 0.5,
    margin: float = MARGIN,
) -> tuple[bool, bool]:
    """One ramp of real units' coin flips, read every day: whether it was rolled back, and whether a naive test would have.

    Args:
        rng: Generator.
        worse: Relative change for the worse by stage.
        base: Share of the control by stage.
        split: Share of the treatment among those who take part by stage.
        margin: Relative margin.
    """
    p = plan(margin=margin)
    cells: list[Cell] = []
    starts: list[datetime] = []
    units = {"control": 0, "beta": 0}
    done = {"control": 0, "beta": 0}
    day, naive = 0, False
    for stage, (share, length) in enumerate(STAGES, 1):
        starts.append(START + timedelta(days=day))
        for _ in range(length):
            when = (START + timedelta(days=day)).date().isoformat()
            day += 1
            size = rng.poisson(DAILY * share)
            nt = int(rng.binomial(size, split(stage)))
            for variant, n, rate in (("control", size - nt, base(stage)), ("beta", nt, base(stage) * (1 + worse(stage)))):
                k = int(rng.binomial(n, min(rate, 1.0)))
                units[variant], done[variant] = units[variant] + n, done[variant] + k
                if n > 1:
                    m = k / n
                    cov = ((m * (1 - m) * n / (n - 1),),)
                    cells.append(Cell("out", variant, "value", ("value",), n, (m,), cov, "$day", when))
            summary = Summary("world", "", 0, dict(units), tuple(cells))
            naive = naive or _naive(units, done, margin)
            if any(g.state == "harm" for g in guard_rows(p, summary, starts)):
                return True, naive
    return False, naive


def _naive(units: dict[str, int], done: dict[str, int], margin: float) -> bool:
    """All days in one pot, tested each day at the nominal level."""
    if min(units.values()) < 200:
        return False
    pc, pt = (done[v] / units[v] for v in ("control", "beta"))
    f = 1 + margin
    noise = math.sqrt(pt * (1 - pt) / units["beta"] + f * f * pc * (1 - pc) / units["control"])
    return noise > 0 and (pt - f * pc) / noise > 1.645


def season_world(rng: np.random.Generator, *, effect: float, trend: float = 0.0) -> str:
    """Fourteen weeks before and four after, weekdays, autocorrelation and a drift: what the last check says."""
    noise, days = 0.0, []
    first = date(2026, 6, 1)
    shipped = first + timedelta(days=98)
    for i in range(126):
        day = first + timedelta(days=i)
        noise = 0.4 * noise + math.sqrt(1 - 0.16) * rng.normal(0, 0.004)
        mean = 0.2 - 0.03 * (day.weekday() >= 5) + trend * i + noise + (effect if day >= shipped else 0.0)
        days.append(WatchDay(day, 2000, mean))
    pair = pre_post(Series("out", {"": Group("", tuple(days))}), shipped=shipped, trend="linear")
    return judge(plan(margin=0.05).metric("out"), pair, alpha=ALPHA / 3).state


def decay_world(rng: np.random.Generator) -> tuple[bool, bool]:
    """A lift that moves towards one value with a time constant of 3 to 30 days: whether there is a forecast that covers."""
    tau, a, b = 3 * 10 ** rng.uniform(0, 1), rng.normal(0, 0.05), rng.normal(0.1, 0.1)
    groups: dict[str, list[WatchDay]] = {"holdback": [], "shipped": []}
    for i in range(28):
        day = date(2026, 9, 16) + timedelta(days=i)
        base = 0.2 * (1 + 0.2 * math.sin(2 * math.pi * i / 7))
        for name, n, m in (("holdback", 2000, base), ("shipped", 18000, base * math.exp(a + b * math.exp(-i / tau)))):
            share = rng.binomial(n, m) / n
            groups[name].append(WatchDay(day, n, share, share * (1 - share) * n / (n - 1)))
    found = forecast_of(Series("out", {k: Group(k, tuple(v)) for k, v in groups.items()}))
    truth = math.expm1(a + b * math.exp(-84 / tau))
    return (False, False) if found is None else (True, found.low <= truth <= found.high)


def run(runs: int) -> list[dict[str, Any]]:
    """Every world with its rate and what it is held against."""
    out: list[dict[str, Any]] = []

    def add(name: str, rate: float, n: int, nominal: str, holds: bool, **more: Any) -> None:
        se = math.sqrt(max(rate * (1 - rate), 1e-9) / n)
        row = {"world": name, "rate": round(rate, 4), "runs": n, "se": round(se, 4), "nominal": nominal, "holds": bool(holds)}
        out.append({**row, **more})
        print(row, more, flush=True)

    def ramp(seed: int, **how: Any) -> tuple[float, float]:
        rng = np.random.default_rng(seed)
        found = [ramp_world(rng, **how) for _ in range(runs)]
        return sum(a for a, _ in found) / runs, sum(b for _, b in found) / runs

    limit = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
    rate, naive = ramp(1, worse=lambda stage: 0.0)
    add("ramp, nothing differs", rate, runs, "at most 5 %", rate <= limit, naive=naive)
    rate, naive = ramp(2, worse=lambda stage: MARGIN)
    add("ramp, exactly at the margin", rate, runs, "at most 5 %", rate <= limit, naive=naive)
    sparse = {1: 0.1, 2: 0.3, 3: 0.5}
    rising = {1: 0.1, 2: 0.2, 3: 0.3}
    rate, naive = ramp(3, worse=lambda stage: 0.0, split=sparse.__getitem__, base=rising.__getitem__)
    add("ramp, Simpson's trap: shares and levels move together", rate, runs, "at most 5 %", rate <= limit, naive=naive)
    for change, first in ((0.10, 1), (0.10, 3), (0.06, 1)):
        rate, _ = ramp(4, worse=lambda stage, c=change, f=first: c if stage >= f else 0.0)
        said = ramp_power(plan(), "out", change=change, from_stage=first, runs=2000).power
        name = f"ramp, {change:.0%} worse from stage {first}"
        add(name, rate, runs, f"stated {said:.1%} ± 5 points", abs(rate - said) <= 0.05, stated=round(said, 4))
    rate, _ = ramp(5, worse=lambda stage: 0.02, margin=0.001)
    said = ramp_power(plan(margin=0.001), "out", change=0.02, runs=2000).power
    add(
        "ramp, 2 % worse, margin 0.1 %",
        rate,
        runs,
        f"stated {said:.1%} ± 5 points",
        abs(rate - said) <= 0.05,
        stated=round(said, 4),
    )
    for name, effect, trend in (("season", 0.0, 0.0), ("season and a drift", 0.0, 0.0001)):
        rng = np.random.default_rng(6)
        states = [season_world(rng, effect=effect, trend=trend) for _ in range(runs)]
        rate = states.count("breached") / runs
        top = ALPHA / 3 / 2
        bound = top + 2 * math.sqrt(top * (1 - top) / runs)
        add(f"watch, {name}, nothing changed", rate, runs, "at most 0.8 % a check (one side)", rate <= bound)
    rng = np.random.default_rng(7)
    many = max(4 * runs, 2000)
    found = [decay_world(rng) for _ in range(many)]
    told = sum(a for a, _ in found)
    rate = sum(b for _, b in found) / told
    add("forecast of decays", rate, told, "78 to 82 %", 0.78 <= rate <= 0.82, none=many - told)
    return out


def main() -> None:
    """Run, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    rows = run(args.runs)
    if args.save:
        RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
        print(RESULTS)


if __name__ == "__main__":
    main()
