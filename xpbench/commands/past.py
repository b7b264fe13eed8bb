"""`xpbench experiments | baselines | sizes | unit | rehearse | calibrate`: what data of the past say, before launch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xpbench.commands.output import DONE, NO, add_command, answer, progress_done, progress_line


def add_parsers(subparsers: Any) -> None:
    """Add the commands that read data of the past."""
    seen = add_command(subparsers, "experiments", _experiments, help="the experiments whose exposures a log holds")
    seen.add_argument("events", nargs="+", help="event log: JSON Lines, Parquet or CSV files, or the folder of a pull")
    seen.add_argument("--unit", help="unit to count; distinct_id if missing")
    seen.add_argument(
        "--format", choices=["separate", "list", "dictionary"], default="separate", help="how exposures name them"
    )

    known = _with_history(add_command(subparsers, "baselines", _baselines, help="means, sds and units a day from the past"))
    known.add_argument("--save", action="store_true", help="write them into the plan file")

    _with_history(add_command(subparsers, "sizes", _sizes, help="lift by days at your traffic, for each metric"))

    unit = add_command(subparsers, "unit", _unit, help="which id to randomise by, measured in a log")
    unit.add_argument("events", nargs="+", help="event log: JSON Lines, Parquet or CSV files, or the folder of a pull")
    unit.add_argument("--at", help="event at which a variant is met; any if missing")
    unit.add_argument("--event", help="event whose rate is to be changed")
    unit.add_argument("--person", help="property with the identity of people")
    unit.add_argument("--device", help="property with the device")
    unit.add_argument("--group", action="append", metavar="KEY", help="a group key; may be repeated")

    played = _with_history(
        add_command(subparsers, "rehearse", _rehearse, help="how often the plan's rule would ship on this traffic")
    )
    played.add_argument("--runs", type=int, default=500, help="runs for each truth")

    level = _with_history(
        add_command(subparsers, "calibrate", _calibrate, help="A/A calibration on your traffic; exit 1 where it fails")
    )
    level.add_argument("--draws", type=int, default=1000, help="re-randomisations")


def _with_history(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("plan", help="plan file, or key of a registered experiment")
    parser.add_argument("--root", default="experiments", help="folder of all experiments")
    group = parser.add_argument_group("data of the past")
    group.add_argument("--events", nargs="+", help="event log: JSON Lines, Parquet or CSV files, or the folder of a pull")
    group.add_argument("--units", nargs="+", help="table with one row per unit: CSV or Parquet")
    group.add_argument("--trigger", help="event at which a unit would have been exposed, for a log without exposures")
    group.add_argument("--day-column", help="column of the day of the first visit (with --units)")
    return parser


def _plan(args: argparse.Namespace) -> Any:
    from xpbench.experiment import open_experiment
    from xpbench.plan import load_plan

    return load_plan(args.plan) if Path(args.plan).is_file() else open_experiment(args.plan, args.root).plan


def _history(args: argparse.Namespace, plan: Any) -> Any:
    from xpbench.data.logs.opening import located
    from xpbench.errors import InputError, plain
    from xpbench.forecast.history import History

    if bool(args.events) == bool(args.units):
        value, rule = "both" if args.events else "none", plain("One source holds the past")
        raise InputError("XPB-I04", name="data", value=value, rule=rule, remedy=plain("Give --events FILES, or --units FILES"))
    if args.units:
        return History.of_frame(located(args.units), plan, day=args.day_column)
    return History.of_events(located(args.events), plan, trigger=args.trigger)


def _experiments(args: argparse.Namespace) -> int:
    from xpbench.data import events, experiments

    found = experiments(events(args.events), unit=args.unit, exposure={"format": args.format})
    lines = []
    for e in found:
        met = ", ".join(f"{k} {n:,}" for k, n in e.variants.items())
        lines.append(f"{e.name}: {e.units:,} units from {e.first_exposure[:10]} to {e.last_exposure[:10]}: {met}")
    answer(args, [e.to_dict() for e in found], "\n".join(lines))
    return DONE


def _baselines(args: argparse.Namespace) -> int:
    from xpbench.errors import InputError, plain
    from xpbench.forecast.baselines import baselines_of

    plan = _plan(args)
    found = baselines_of(plan, _history(args, plan))
    values = found.to_dict()
    lines = [found.sentence]
    for key, mean in found.baselines.items():
        sd = found.sds.get(key)
        lines.append(f"  {key}: mean {mean:g}" + (f", sd {sd:g}" if sd is not None else ""))
    if found.daily_units:
        lines.append(f"  {found.daily_units:,.4g} new units a day")
    if args.save:
        if not Path(args.plan).is_file():
            raise InputError(
                "XPB-I04",
                name=plain("--save"),
                value=args.plan,
                rule=plain("A registered plan is frozen"),
                remedy=plain("Name a plan file, or amend"),
            )
        before = plan.planning.model_dump(mode="json", exclude_none=True)
        merged = {k: {**before.get(k, {}), **v} if isinstance(v, dict) else v for k, v in values.items()}
        plan.changed(planning={**before, **merged}).save(args.plan)
        lines.append(f"Written into {args.plan}.")
    answer(args, values, "\n".join(lines))
    return DONE


def _sizes(args: argparse.Namespace) -> int:
    from xpbench.forecast.accrual import accrual_of
    from xpbench.forecast.baselines import baselines_of
    from xpbench.forecast.size_table import reductions_of, size_table

    plan = _plan(args)
    if not (args.events or args.units):
        found = size_table(plan)
    else:
        history = _history(args, plan)
        planning = plan.planning.model_dump(mode="json", exclude_none=True)
        plan = plan.changed(planning={**planning, **baselines_of(plan, history).to_dict()})
        found = size_table(plan, accrual=accrual_of(plan, history), reductions=reductions_of(history))
    answer(args, found.to_dict(), repr(found))
    return DONE


def _unit(args: argparse.Namespace) -> int:
    from xpbench.forecast.unit_choice import choose_unit

    found = choose_unit(args.events, at=args.at, event=args.event, person=args.person, device=args.device, groups=args.group)
    answer(args, found.to_dict(), repr(found))
    return DONE


def _rehearse(args: argparse.Namespace) -> int:
    from xpbench.data.engines.embedded import ReadingStage
    from xpbench.forecast.rehearsal import rehearse

    plan = _plan(args)

    def told(done: int, total: int) -> bool:
        progress_line(ReadingStage(f"rehearsing {done:,} of {total:,}", done, total, None, 0.0))
        return True

    found = rehearse(plan, _history(args, plan), runs=args.runs, progress=told)
    progress_done()
    answer(args, found.to_dict(), repr(found))
    return DONE


def _calibrate(args: argparse.Namespace) -> int:
    from xpbench.forecast.calibration import calibrate
    from xpbench.health.checks.aa_calibration import not_uniform

    plan = _plan(args)
    found = calibrate(plan, _history(args, plan), draws=args.draws)
    rows = found.get("metrics", [])
    tested = [r for r in rows if r.get("uniform") is not None]
    bad = not_uniform(tested)[1] if tested else []
    lines = [
        f"{r['metric']}: {r['false_positive_rate']:.2%} of {r['draws']:,} p-values without any effect fall below {r['alpha']:g}"
        + ("; not uniform: cap the metric, or wait for more units" if r in bad else "; uniform")
        for r in tested
    ]
    lines += [f"{r.get('metric', '')}: could not be re-randomised" for r in rows if r not in tested]
    answer(args, {**found, "not_uniform": [r["metric"] for r in bad]}, "\n".join(lines) or "No metric could be re-randomised.")
    return NO if bad or not tested else DONE
