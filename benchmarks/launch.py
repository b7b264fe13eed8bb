"""Worlds from launch to the weeks after: rates of false stops and false breaches, power, and coverage, against nominal.

python -m benchmarks.launch [--runs 500] [--only WORLD …] [--save]
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

from benchmarks.report import commit, machine, write
from tests.builders import make_plan, metric
from xpbench.data.summary import Cell, Summary
from xpbench.plan import Plan
from xpbench.stats.inference import relative
from xpbench.stats.moments import Moments
from xpbench.stats.multipliers import q_fixed
from xpbench.stats.pairs import mean_pair
from xpbench.watch.estimators import pre_post
from xpbench.watch.fading import novelty_of
from xpbench.watch.forecast import forecast_of
from xpbench.watch.holdouts import HELD, SHIPPED_ONLY, SRM_ALPHA, drift_p_of
from xpbench.watch.ramp import guard_rows, ramp_power
from xpbench.watch.record import judge
from xpbench.watch.series import Group, Series, WatchDay

RESULTS = Path(__file__).with_name("results") / "launch.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "proof" / "after-launch.md"
ALPHA = 0.05
STAGES = ((0.1, 4), (0.5, 4), (1.0, 6))
DAILY = 4000
BASE = 0.2
MARGIN = 0.02
START = datetime(2026, 9, 1, tzinfo=UTC)


def plan(*, margin: float = MARGIN) -> Plan:
    """A ramp of three stages guarded by one conversion."""
    return make_plan(
        [
            metric("quote", "conversion", event="Quote"),
            metric("out", "conversion", "guardrail", "decrease", event="Out", margin_rel=margin),
        ],
        key="ramp",
        owner="benchmark",
        model=None,
        assignment={"hash": "sha256", "salt": "ramp", "rollout": [{"key": "everyone", "share": STAGES[0][0]}]},
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


def constant_world(rng: np.random.Generator) -> str:
    """A constant lift under a season over the turn of a year: what the letter says of novelty."""
    groups: dict[str, list[WatchDay]] = {"holdback": [], "shipped": []}
    for i in range(28):
        day = date(2026, 12, 18) + timedelta(days=i)
        level = 0.2 * (1 - 0.4 * (day.month == 12 and day.day >= 24) + 0.1 * (day.weekday() >= 5))
        for name, n, m in (("holdback", 2000, level), ("shipped", 18000, 1.15 * level)):
            share = rng.binomial(n, m) / n
            groups[name].append(WatchDay(day, n, share, share * (1 - share) * n / (n - 1)))
    found = novelty_of(Series("out", {k: Group(k, tuple(v)) for k, v in groups.items()}), alpha=ALPHA / 3)
    return "none" if found is None else found.word


def drift_world(rng: np.random.Generator) -> bool:
    """The halves of a holdout whose units come more and more: whether they are said to drift apart, though they don't."""
    halves = np.where(rng.random(6000) < 0.5, HELD, SHIPPED_ONLY)
    found = drift_p_of(halves, rng.choice(8, len(halves), p=np.arange(1, 9) / 36))
    return found is not None and found < SRM_ALPHA


def programme_world(rng: np.random.Generator) -> tuple[bool, bool]:
    """Twenty experiments, of which the significant ones ship, fade and overlap; then a holdout, whose halves drift alike.

    Returns:
        Whether the holdout's interval holds what shipped is worth together, and whether it holds the sum of the single lifts.
    """
    total, singles = 1.0, 0.0
    for _ in range(20):
        true, se = rng.normal(0.0, 0.02), 0.015
        found = rng.normal(true, se)
        if found > 1.96 * se:
            total *= 1.0 + 0.8 * true  # a fifth of it fades
            singles += found
    n, mean, sd = 4000, 10.0 * (1.0 + rng.normal(0.0, 0.2)), 6.0  # a season moves both halves alike
    held, shipped = rng.gamma(mean**2 / sd**2, sd**2 / mean, n), rng.gamma(mean**2 / sd**2, sd**2 / mean, n) * total
    pair = mean_pair(Moments.of_values(held), Moments.of_values(shipped))
    lift = relative(pair, q_fixed(0.05, pair.df))
    return bool(lift.lift_low <= total - 1.0 <= lift.lift_high), bool(lift.lift_low <= singles <= lift.lift_high)


Row = dict[str, Any]
LIMIT = 2.0
"""Standard errors by which a rate may exceed a bound before it counts as broken."""


def _row(name: str, rate: float, n: int, nominal: str, holds: bool, **more: Any) -> Row:
    se = math.sqrt(max(rate * (1 - rate), 1e-9) / n)
    return {
        "world": name,
        "rate": round(rate, 4),
        "runs": n,
        "se": round(se, 4),
        "nominal": nominal,
        "holds": bool(holds),
        **more,
    }


def _ramps(runs: int, seed: int, **how: Any) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    found = [ramp_world(rng, **how) for _ in range(runs)]
    return sum(a for a, _ in found) / runs, sum(b for _, b in found) / runs


def _false_stops(name: str, runs: int, seed: int, **how: Any) -> Row:
    rate, naive = _ramps(runs, seed, **how)
    bound = ALPHA + LIMIT * math.sqrt(ALPHA * (1 - ALPHA) / runs)
    return _row(name, rate, runs, "at most 5 %", rate <= bound, naive=naive)


def _power(name: str, runs: int, *, change: float, first: int = 1, margin: float = MARGIN) -> Row:
    rate, _ = _ramps(runs, 4, worse=lambda stage: change if stage >= first else 0.0, margin=margin)
    said = ramp_power(plan(margin=margin), "out", change=change, from_stage=first, runs=2000).power
    return _row(name, rate, runs, f"stated {said:.1%} ± 5 points", abs(rate - said) <= 0.05, stated=round(said, 4))


def _null(runs: int) -> list[Row]:
    return [_false_stops("ramp, nothing differs", runs, 1, worse=lambda stage: 0.0)]


def _border(runs: int) -> list[Row]:
    return [_false_stops("ramp, exactly at the margin", runs, 2, worse=lambda stage: MARGIN)]


def _simpson(runs: int) -> list[Row]:
    share, level = {1: 0.1, 2: 0.3, 3: 0.5}, {1: 0.1, 2: 0.2, 3: 0.3}
    name = "ramp, Simpson's trap: shares and levels move together"
    return [_false_stops(name, runs, 3, worse=lambda stage: 0.0, split=share.__getitem__, base=level.__getitem__)]


def _harm(runs: int) -> list[Row]:
    return [_power("ramp, 10 % worse from the first stage", runs, change=0.10)]


def _late(runs: int) -> list[Row]:
    return [_power("ramp, 10 % worse from the third stage", runs, change=0.10, first=3)]


def _some(runs: int) -> list[Row]:
    return [_power("ramp, 6 % worse from the first stage", runs, change=0.06)]


def _two(runs: int) -> list[Row]:
    return [_power("ramp, 2 % worse against a margin of 0.1 %", runs, change=0.02, margin=0.001)]


def _season(runs: int) -> list[Row]:
    out = []
    for name, trend in (("season", 0.0), ("season and a drift", 0.0001)):
        rng = np.random.default_rng(6)
        rate = [season_world(rng, effect=0.0, trend=trend) for _ in range(runs)].count("breached") / runs
        top = ALPHA / 3 / 2
        bound = top + LIMIT * math.sqrt(top * (1 - top) / runs)
        out.append(_row(f"watch, {name}, nothing changed", rate, runs, "at most 0.8 % a check", rate <= bound))
    return out


def _decay(runs: int) -> list[Row]:
    rng = np.random.default_rng(20261201)  # not the seed on which the prior was chosen
    many = 40 * runs  # the band is two points wide on each side, and the rate has to lie in it as it is
    found = [decay_world(rng) for _ in range(many)]
    told = sum(a for a, _ in found)
    rate = sum(b for _, b in found) / told
    holds = 0.78 <= rate <= 0.82
    return [_row("watch, 80 % forecast of decays", rate, told, "78 to 82 %", holds, none=many - told)]


def _programmes(runs: int) -> list[Row]:
    rng = np.random.default_rng(8)
    found = [programme_world(rng) for _ in range(100) for _ in range(max(runs // 25, 1))]
    rate, over = (sum(f[i] for f in found) / len(found) for i in (0, 1))
    name = "holdout over 100 programmes, 95 % interval"
    return [_row(name, rate, len(found), "93.5 to 96.5 %", 0.935 <= rate <= 0.965, sum_of_lifts_in_interval=round(over, 4))]


def _novelty(runs: int) -> list[Row]:
    rng = np.random.default_rng(9)
    found = [constant_world(rng) for _ in range(4 * runs)]
    rate, top = sum(w in ("fading", "growing") for w in found) / len(found), ALPHA / 3
    bound = top + LIMIT * math.sqrt(top * (1 - top) / len(found))
    return [
        _row(
            "letter, a constant lift over Christmas called fading or growing", rate, len(found), "at most 1.7 %", rate <= bound
        )
    ]


def _drift(runs: int) -> list[Row]:
    rng = np.random.default_rng(10)
    many = 4 * runs  # one in a thousand takes many to be seen
    rate = sum(drift_world(rng) for _ in range(many)) / many
    bound = SRM_ALPHA + LIMIT * math.sqrt(SRM_ALPHA / many)
    return [_row("holdout, halves that are alike said to drift apart", rate, many, "at most 0.1 %", rate <= bound)]


WORLDS: dict[str, Callable[[int], list[Row]]] = {
    "null": _null,
    "border": _border,
    "simpson": _simpson,
    "harm": _harm,
    "late": _late,
    "some": _some,
    "two": _two,
    "season": _season,
    "decay": _decay,
    "programmes": _programmes,
    "novelty": _novelty,
    "drift": _drift,
}


MARK = "<!-- table -->\n"


def page_table(saved: dict[str, list[Row]]) -> str:
    """The rows as a table in Markdown."""
    lines = ["| world | rate | ± 2 se | runs | promised | |", "|---|---|---|---|---|---|"]
    for rows in saved.values():
        for r in rows:
            more = f"; all days in one pot: {r['naive']:.1%}" if "naive" in r else ""
            more += (
                f"; the sum of single lifts is in it in {r['sum_of_lifts_in_interval']:.0%}"
                if "sum_of_lifts_in_interval" in r
                else ""
            )
            kept = "kept" if r["holds"] else "**not kept**"
            lines.append(
                f"| {r['world']}{more} | {r['rate']:.1%} | {2 * r['se']:.1%} | {r['runs']:,} | {r['nominal']} | {kept} |"
            )
    return "\n".join(lines) + "\n"


def save_world(name: str, rows: list[Row], *, runs: int) -> None:
    """Put a world's rows next to those of the others, and what made it: worlds may be played at different times.

    Args:
        name: Of the world.
        rows: What was found.
        runs: As asked for.
    """
    saved = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    worlds, made = saved.get("worlds", {}), saved.get("made", {})
    worlds[name] = rows
    command = f"python -m benchmarks.launch --runs {runs} --only {name} --save"
    made[name] = {"command": command, "commit": commit(), "runs": runs, "load_at_end": machine()["load_at_end"]}
    result = {kind: {k: found[k] for k in WORLDS if k in found} for kind, found in (("made", made), ("worlds", worlds))}
    write("launch", result, command=command, quiet=True)


def main() -> None:
    """Run, print and save; worlds that are not asked for keep their saved rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--only", nargs="+", choices=list(WORLDS), default=list(WORLDS))
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the saved rows into docs/proof/after-launch.md")
    args = parser.parse_args()
    if args.page:
        text = PAGE.read_text("utf-8")
        table = page_table(json.loads(RESULTS.read_text("utf-8"))["worlds"])
        PAGE.write_text(text.partition(MARK)[0] + MARK + "\n" + table, encoding="utf-8")
        return
    for name in args.only:
        rows = WORLDS[name](args.runs)
        for row in rows:
            print(row, flush=True)
        if args.save:  # read again: another run may have saved its worlds meanwhile
            save_world(name, rows, runs=args.runs)


if __name__ == "__main__":
    main()
