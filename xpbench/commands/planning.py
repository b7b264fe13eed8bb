"""`xpbench power`: what a plan can find, before it is registered or after."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xpbench.commands.output import DONE, add_command, answer


def add_parsers(subparsers: Any) -> None:
    """Add the command about sample size."""
    power = add_command(subparsers, "power", _power, help="sample size, smallest lift, power and days")
    power.add_argument("plan", help="plan file, or key of a registered experiment")
    power.add_argument("--root", default="experiments", help="folder of all experiments")
    power.add_argument("--baseline", action="append", default=[], metavar="METRIC=MEAN", help="mean of the control")
    power.add_argument("--sd", action="append", default=[], metavar="METRIC=SD", help="standard deviation per unit")
    power.add_argument("--daily", type=float, help="new units a day")


def _power(args: argparse.Namespace) -> int:
    from xpbench.decide.power import plan_power
    from xpbench.experiment import open_experiment
    from xpbench.plan import load_plan

    plan = load_plan(args.plan) if Path(args.plan).is_file() else open_experiment(args.plan, args.root).plan
    planning = plan.planning.model_dump(exclude_none=True)
    planning["baselines"] = {**planning["baselines"], **dict(map(_pair, args.baseline))}
    planning["sds"] = {**planning["sds"], **dict(map(_pair, args.sd))}
    if args.daily is not None:
        planning["daily_units"] = args.daily
    report = plan_power(plan.changed(planning=planning))
    answer(args, report.to_dict(), repr(report))
    return DONE


def _pair(text: str) -> tuple[str, float]:
    from xpbench.errors import InputError, plain

    name, sign, value = text.partition("=")
    try:
        if not sign:
            raise ValueError
        return name, float(value)
    except ValueError:
        raise InputError(
            "XPB-I04",
            name=plain("Baseline"),
            value=text,
            rule=plain("It is written METRIC=NUMBER"),
            remedy=plain("For example --baseline quotes=0.12"),
        ) from None
