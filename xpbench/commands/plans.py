"""`xpbench new | check | register | amend`: drafts, problems, freezing and amending."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from xpbench.commands.output import BAD_INPUT, DONE, NO, add_command, answer


def add_parsers(subparsers: Any) -> None:
    """Add the commands about plans."""
    new = add_command(subparsers, "new", _new, help="draft a plan from a template")
    new.add_argument("path", nargs="?", help="file to write; <key>.plan.json if missing")
    new.add_argument("--template", default="conversion-funnel", help="template to start from (--list shows them)")
    new.add_argument("--key", help="key of the experiment")
    new.add_argument("--owner", help="who answers for it")
    new.add_argument("--list", action="store_true", help="list the templates")

    check = add_command(subparsers, "check", _check, help="list every problem of plan files; exit 1 where there is one")
    check.add_argument("plans", nargs="+", help="plan files (JSON or TOML)")

    register = add_command(subparsers, "register", _register, help="freeze a plan")
    register.add_argument("plan", help="plan file")
    register.add_argument("--root", default="experiments", help="folder of all experiments")
    register.add_argument("--by", help="who registers")
    register.add_argument("--retrospective", action="store_true", help="the plan looks back on data that exist; it is stamped")

    amend = add_command(subparsers, "amend", _amend, help="replace a registered plan by a linked record")
    amend.add_argument("plan", help="the new plan file, same key; with --drop the key")
    amend.add_argument("--drop", metavar="VARIANT", help="drop this treatment while the experiment runs: no longer analysed")
    amend.add_argument("--reason", required=True, help="why")
    amend.add_argument("--root", default="experiments", help="folder of all experiments")
    amend.add_argument("--by", help="who amends")
    amend.add_argument("--agent", default="", help="program that acts on behalf of --by; it is in the entry")
    amend.add_argument("--undo", action="store_true", help="it may put back what an earlier amendment changed")

    restart = add_command(
        subparsers,
        "restart",
        _restart,
        help="end a run and register the next one, linked to it, with a fresh salt",
        description="The new run keeps the name in the log; its exposures count from --start on (tomorrow if missing), so that "
        "those of the run before are left out, and the tracker exposes returning users again. Also the way to add a variant.",
    )
    restart.add_argument("key", help="key of the run that ends")
    restart.add_argument("--reason", required=True, help="why; it is in both ledgers and in the memo")
    restart.add_argument("--plan", help="plan file of the new run, where more changes than dates and salt")
    restart.add_argument("--new-key", help="key of the new run; the old one with the next number if missing")
    restart.add_argument("--start", metavar="DAY", help="first day (UTC) that counts; tomorrow if missing")
    restart.add_argument("--keep-salt", action="store_true", help="draw the same units as before")
    restart.add_argument("--root", default="experiments", help="folder of all experiments")
    restart.add_argument("--by", help="who restarts")


def _new(args: argparse.Namespace) -> int:
    from xpbench.errors import InputError, plain
    from xpbench.plan import template, template_names
    from xpbench.plan.templates import read_template

    if args.list:
        found = [read_template(name) for name in template_names()]
        answer(
            args,
            [{k: t[k] for k in ("name", "version", "title", "use")} for t in found],
            "\n".join(f"{t['name']:<18} {t['use']}" for t in found),
        )
        return DONE
    plan = template(args.template, key=args.key, owner=args.owner)
    path = Path(args.path or f"{plan.key}.plan.json")
    if path.exists():
        raise InputError(
            "XPB-I04",
            name="path",
            value=str(path),
            rule=plain("A draft never replaces a file"),
            remedy=plain("Choose another name"),
        )
    plan.save(path)
    answer(args, {"path": str(path), "key": plan.key}, f"Draft written to {path}. Edit it, then: xpbench check {path}")
    return DONE


def _check(args: argparse.Namespace) -> int:
    from xpbench.errors import XpbenchError
    from xpbench.plan.reading import check, read_document

    out: list[dict[str, Any]] = []
    code = DONE
    lines: list[str] = []
    for path in args.plans:
        try:
            problems = check(read_document(path))
        except XpbenchError as error:
            out.append({"path": path, "error": error.to_dict()})
            lines.append(f"▲ {path}: {error}")
            code = BAD_INPUT
            continue
        out.append({"path": path, "problems": [p.to_dict() for p in problems]})
        if problems:
            code = max(code, NO)
            lines += [f"▲ {path}: {p.placed}" for p in problems]
            continue
        chances, is_low, said = _chances(path)
        out[-1]["ships"] = chances
        weak = ", with less power than planned" if is_low else "" if chances else ", power unknown"
        lines.append(f"{'!' if weak else '✓'} {path}: ready to register{weak}")
        lines += [f"  {sentence}" for sentence in said]
    answer(args, out, "\n".join(lines))
    return code


def _chances(path: str) -> tuple[dict[str, float | None], bool, tuple[str, ...]]:
    """By treatment, the chance that the plan's own rule ships it if the hypothesis holds; nothing without a baseline."""
    from xpbench.plan import load_plan

    plan = load_plan(path)
    if not any(m.key in plan.planning.baselines for m in plan.metrics_with("primary")):
        return {}, False, ("Nobody knows yet what it can find: set planning.baselines, or run xpbench power --baseline.",)
    from xpbench.forecast.power import plan_power  # brings scipy, which a plan without baselines need not wait for

    report = plan_power(plan)
    return dict(report.ships), report.is_low, report.sentences


def _register(args: argparse.Namespace) -> int:
    from xpbench.experiment import register
    from xpbench.plan import load_plan

    experiment = register(load_plan(args.plan), args.root, by=args.by, retrospective=args.retrospective)
    answer(
        args,
        {"key": experiment.key, "folder": str(experiment.folder), "plan_digest": experiment.plan.digest},
        f"Registered {experiment.key}: plan frozen in {experiment.folder} with digest {experiment.plan.digest[:12]}…",
    )
    return DONE


def _restart(args: argparse.Namespace) -> int:
    from xpbench.experiment import restart
    from xpbench.plan import load_plan

    new = restart(
        args.key,
        args.root,
        reason=args.reason,
        plan=load_plan(args.plan) if args.plan else None,
        new_key=args.new_key,
        start=args.start,
        keep_salt=args.keep_salt,
        by=args.by,
    )
    start = new.plan.exposure.start
    answer(
        args,
        {"key": new.key, "follows": list(new.status().follows), "start": start, "folder": str(new.folder)},
        f"{args.key} ended; {new.key} is registered and counts from {start} on. Next: xpbench preflight "
        f"{new.folder / 'plan.json'}",
    )
    return DONE


def _amend(args: argparse.Namespace) -> int:
    from xpbench.experiment import open_experiment
    from xpbench.plan import load_plan

    if args.drop is not None:
        key = load_plan(args.plan).key if Path(args.plan).is_file() else args.plan
        amended = open_experiment(key, args.root, agent=args.agent).drop(args.drop, reason=args.reason, by=args.by)
    else:
        plan = load_plan(args.plan)
        amended = open_experiment(plan.key, args.root, agent=args.agent).amend(
            plan, reason=args.reason, by=args.by, undo=args.undo
        )
    entry = amended.ledger.entries()[-1]
    changes = json.loads(json.dumps(entry.body["changes"]))
    answer(
        args,
        {"key": amended.key, "changes": changes, "knowledge": entry.body["knowledge"]},
        f"Amended {amended.key}: {len(changes)} field(s) changed when the state of knowledge was "
        f"“{entry.body['knowledge']}”. The memo will say so.",
    )
    return DONE
