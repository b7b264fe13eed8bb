"""`xpbench power`: what a plan can find. `xpbench plan`: a draft from data. `xpbench explore`: a table without a plan."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xpbench.commands.output import DONE, NO, add_command, answer


def add_parsers(subparsers: Any) -> None:
    """Add the commands about sample size and about tables without a plan."""
    power = add_command(subparsers, "power", _power, help="sample size, smallest lift, power and days")
    power.add_argument("plan", help="plan file, or key of a registered experiment")
    power.add_argument("--root", default="experiments", help="folder of all experiments")
    power.add_argument("--baseline", action="append", default=[], metavar="METRIC=MEAN", help="mean of the control")
    power.add_argument("--sd", action="append", default=[], metavar="METRIC=SD", help="standard deviation per unit")
    power.add_argument("--daily", type=float, help="new units a day")

    draft = add_command(subparsers, "plan", _plan, help="a draft plan from a table or log of the past; --from PATH")
    draft.add_argument("--from", dest="source", required=True, nargs="+", help="CSV, Parquet or JSON Lines files, or a folder")
    draft.add_argument("--out", help="file to write; <key>.plan.json if missing")
    draft.add_argument("--unit", help="column of the unit's id; found if missing")
    draft.add_argument("--variant", help="column of the variant; found if missing")
    draft.add_argument("--control", help="what is there for control")
    draft.add_argument("--day", help="column of the day of exposure")
    draft.add_argument("--primary", help="column or event that decides")
    draft.add_argument(
        "--guardrail", action="append", default=[], metavar="COLUMN[=MARGIN]", help="must not get worse; 0.05 = 5 %%"
    )
    draft.add_argument("--lift", type=float, help="lift to plan for, 0.05 = 5 %%")
    draft.add_argument("--trigger", help="event at which a unit would be exposed, for a log without exposures")
    draft.add_argument("--key", help="key of the experiment")
    draft.add_argument("--title", help="what people call it")
    draft.add_argument("--owner", help="who answers for it")

    explore = add_command(subparsers, "explore", _explore, help="effects in a table that belongs to no plan; exploratory")
    explore.add_argument("table", nargs="+", help="CSV or Parquet files with one row per unit")
    explore.add_argument("--unit", required=True, help="column of the unit's id")
    explore.add_argument("--metric", action="append", required=True, metavar="COLUMN", help="a numeric column; may be repeated")
    explore.add_argument("--variant", default="variant", help="column of the variant")
    explore.add_argument("--control", help="what is there for control; `control` if missing")
    explore.add_argument("--covariate", action="append", default=[], metavar="METRIC=COLUMN", help="from before, for CUPED")
    explore.add_argument(
        "--split", action="append", default=[], metavar="VARIANT=SHARE", help="planned share; equal if missing"
    )
    explore.add_argument("--root", default="experiments", help="folder of registered experiments, whose seals are kept")
    explore.add_argument("--csv", help="also write the rows to this CSV file")


def _power(args: argparse.Namespace) -> int:
    from xpbench.experiment import open_experiment
    from xpbench.forecast.power import plan_power
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


def _plan(args: argparse.Namespace) -> int:
    from xpbench.errors import InputError, plain
    from xpbench.forecast.drafting import plan_from

    margins = dict(_number(g, "Guardrail", "COLUMN=MARGIN", "--guardrail revenue=0.05") for g in args.guardrail if "=" in g)
    names = {**{g: 0.0 for g in args.guardrail if "=" not in g}, **margins}
    drafted = plan_from(
        args.source if len(args.source) > 1 else args.source[0],
        unit=args.unit, variant=args.variant, control=args.control, day=args.day, primary=args.primary, guardrails=names,
        lift=args.lift, trigger=args.trigger, key=args.key, title=args.title, owner=args.owner,
    )  # fmt: skip
    path = Path(args.out or f"{drafted.key}.plan.json")
    if path.exists():
        rule, remedy = plain("A draft never replaces a file"), plain("Choose another name with --out")
        raise InputError("XPB-I04", name=plain("path"), value=str(path), rule=rule, remedy=remedy)
    drafted.save(path)
    still = drafted.problems()
    left = "".join(f"\n  {p.placed}" for p in still)
    said = f"Draft written to {path}.\n{drafted.notes}\n{f'Still open:{left}' if left else 'Nothing is left open.'}\n"
    said += f"Then: xpbench check {path}"
    answer(args, {"path": str(path), "key": drafted.key, "notes": drafted.notes, "open": [p.to_dict() for p in still]}, said)
    return DONE


def _explore(args: argparse.Namespace) -> int:
    from xpbench.experiment import explore

    covariates: dict[str, list[str]] = {}
    for metric, column in (
        _two(text, "Covariate", "METRIC=COLUMN", "--covariate spent=spent_before") for text in args.covariate
    ):
        covariates.setdefault(metric, []).append(column)
    found = explore(
        args.table,
        args.metric,
        variant=args.variant,
        control=args.control,
        unit=args.unit,
        covariates=covariates,
        split=dict(_number(text, "Share", "VARIANT=SHARE", "--split control=0.9") for text in args.split) or None,
        root=args.root,
    )
    if args.csv:
        from pathlib import Path

        from xpbench.files import write_atomic
        from xpbench.outward import csv_of_frame

        write_atomic(Path(args.csv), csv_of_frame(found.to_frame()).encode())
    answer(args, found.to_dict(), repr(found))
    return DONE if found.is_valid else NO


def _pair(text: str) -> tuple[str, float]:
    return _number(text, "Baseline", "METRIC=NUMBER", "--baseline quotes=0.12")


def _number(text: str, name: str, form: str, example: str) -> tuple[str, float]:
    left, right = _two(text, name, form, example)
    try:
        return left, float(right)
    except ValueError:
        raise _misread(text, name, form, example) from None


def _two(text: str, name: str, form: str, example: str) -> tuple[str, str]:
    left, sign, right = text.rpartition("=")
    if not sign:
        raise _misread(text, name, form, example)
    return left, right


def _misread(text: str, name: str, form: str, example: str) -> Exception:
    from xpbench.errors import InputError, plain

    rule, remedy = plain(f"It is written {form}"), plain(f"For example {example}")
    return InputError("XPB-I04", name=plain(name), value=text, rule=rule, remedy=remedy)
