"""`xpbench watch` and `xpbench portfolio`: the weeks after shipping, and what the past adds up to."""

from __future__ import annotations

import argparse
from typing import Any

from xpbench.commands.output import answer

DONE, NO = 0, 1


def add_parsers(subparsers: Any) -> None:
    """Add the commands of this room."""
    watch = subparsers.add_parser(
        "watch",
        help="the contract after shipping: kept, breached, overdue or not answerable",
        description="Without data it says how far the contract has come. With --events it makes every check that is due from "
        "the log, puts it on record and writes watch.html, which xpbench verify checks. With --data it records the next check "
        "from a series of days. Exit 1 where a guardrail is breached or a check is overdue.",
    )
    watch.add_argument("key", nargs="?", help="one experiment; all shipped ones if missing")
    watch.add_argument("--root", default="experiments", help="folder of all experiments")
    log = watch.add_argument_group("from a log")
    log.add_argument("--events", nargs="+", help="event log: JSON Lines, Parquet or CSV files, or the folder of a pull")
    log.add_argument("--schema", action="append", default=[], metavar="PART=COLUMN", help="as for xpbench readout")
    log.add_argument("--time-zone", default="UTC", help="zone of the log's times, for Mixpanel projects from before 2023")
    log.add_argument("--until", metavar="TIME", help="up to when the log is complete; the time of its last event if missing")
    log.add_argument(
        "--settle-days", type=float, default=1.0, help="time beyond the end of a day that the log must reach, for late events"
    )
    log.add_argument("--trigger", help="event that makes a unit active on a day (before and after); any event if missing")
    log.add_argument("--group-by", metavar="PROPERTY", help="staggered rollout: property that holds a unit's group")
    log.add_argument(
        "--adopted",
        action="append",
        default=[],
        metavar="GROUP=DAY",
        help="staggered rollout: first day of a group with the variant, GROUP= for not yet; once for each group",
    )
    log.add_argument(
        "--power",
        type=float,
        metavar="CHANGE",
        help="make no check; say how likely the last one finds a change for the worse of this share, such as 0.05 (pre_post)",
    )
    watch.add_argument("--data", help="CSV with day, metric, n, mean (variance, group, adopted): records a check")
    watch.add_argument("--day", type=int, help="with --data: which check, in days after shipping; the next one if missing")
    watch.add_argument("--trend", choices=["linear", "none"], default="linear", help="for before and after (pre_post)")
    watch.add_argument("--by", help="who looks (needed with --events and --data)")
    watch.add_argument("--note", default="", help="anything to remember")
    add_notify(watch)
    watch.add_argument("--json", action="store_true", help="answer in JSON")
    watch.set_defaults(run=run_watch)
    ramp = subparsers.add_parser(
        "ramp",
        help="a guarded ramp: go on, hold or roll back",
        description="Guardrails over all stages of the plan's ramp, valid however often it is asked; results stay sealed, and "
        "the reading goes on record. Exit 0 go on, 1 hold or roll back. With --power it plays the ramp and reads no data.",
    )
    ramp.add_argument("key", help="key of the experiment")
    ramp.add_argument("--root", default="experiments", help="folder of all experiments")
    ramp.add_argument("--events", nargs="+", help="event log: JSON Lines, Parquet or CSV files, or the folder of a pull")
    ramp.add_argument("--schema", action="append", default=[], metavar="PART=COLUMN", help="as for xpbench readout")
    ramp.add_argument("--time-zone", default="UTC", help="zone of the log's times, for Mixpanel projects from before 2023")
    ramp.add_argument("--until", metavar="TIME", help="up to when the log is complete; the time of its last event if missing")
    ramp.add_argument("--by", help="who reads")
    ramp.add_argument("--go-on", action="store_true", help="where it says go on, put the next share in force")
    ramp.add_argument(
        "--push", action="store_true", help="bring Mixpanel in step: the share in force, or everyone to control on roll back"
    )
    ramp.add_argument(
        "--power", type=float, metavar="CHANGE", help="how likely the ramp finds this relative change for the worse, by stage"
    )
    add_notify(ramp)
    ramp.add_argument("--json", action="store_true", help="answer in JSON")
    ramp.set_defaults(run=run_ramp)
    held = subparsers.add_parser(
        "holdout",
        help="what everything that shipped changed together, next to the sum of the single lifts",
        description="A holdout across experiments: its half that sees only what shipped against the one that sees nothing new, "
        "from the event log since it began (--events, --since), or from a table with a row for each unit (--units, --column). "
        "Exit 1 where the halves are not half and half, drift apart, or met an experiment.",
    )
    held.add_argument("key", help="an experiment whose plan has the holdout (assignment.holdout)")
    held.add_argument("--root", default="experiments", help="folder of all experiments")
    held.add_argument("--events", nargs="+", help="event log: JSON Lines, Parquet or CSV files, or the folder of a pull")
    held.add_argument("--since", metavar="DAY", help="with --events: first day of the holdout, such as 2026-01-01")
    held.add_argument("--schema", action="append", default=[], metavar="PART=COLUMN", help="as for xpbench readout")
    held.add_argument("--time-zone", default="UTC", help="zone of the log's times, for Mixpanel projects from before 2023")
    held.add_argument("--until", metavar="TIME", help="up to when the log is complete; the time of its last event if missing")
    held.add_argument("--trigger", help="with --events: event that makes a unit active; any event if missing")
    held.add_argument("--units", help="table with one row per unit: CSV or Parquet")
    held.add_argument("--unit", help="column of the unit's id; the plan's unit if missing")
    held.add_argument("--column", help="with --units: column with the metric since the holdout began")
    held.add_argument("--metric", help="key of the metric in the plans; with --units the column if missing")
    held.add_argument("--direction", choices=["increase", "decrease"], default="increase", help="which way is better")
    held.add_argument("--confidence", type=float, default=0.95, help="level of the interval")
    held.add_argument("--exposed", metavar="FILE", help="units that any experiment exposed: a table with the column of the id")
    held.add_argument("--json", action="store_true", help="answer in JSON")
    held.set_defaults(run=run_holdout)
    whole = subparsers.add_parser(
        "portfolio",
        help="all experiments: without memo, peeks, overrides, forecasts, what shipped lifts are worth",
        description="All experiments of a root together: plans without a memo, peeks, deviations and overrides, forecast "
        "against outcome, what the lifts that were shipped are worth, and the win rate with its interval.",
    )
    whole.add_argument("--root", default="experiments", help="folder of all experiments")
    whole.add_argument("--search", metavar="QUESTION", help="has this been tried? the three experiments that fit best")
    whole.add_argument("--html", metavar="FILE", help="also write the overview as a page that xpbench verify checks")
    whole.add_argument("--json", action="store_true", help="answer in JSON")
    whole.set_defaults(run=run_portfolio)


def add_notify(parser: argparse.ArgumentParser) -> None:
    """Add the options for a message to people."""
    group = parser.add_argument_group("message")
    group.add_argument("--notify", choices=["mail", "slack", "teams"], help="print the answer as a message for people")
    group.add_argument(
        "--webhook",
        metavar="NAME",
        help="also send it, to the address in the environment as XPBENCH_WEBHOOK_<NAME>; nothing is sent without",
    )


def ensure_sendable(args: argparse.Namespace) -> None:
    """Return only if a message that is asked for can be made and has an address, before anything is put on record.

    Raises:
        WatchError: `XPB-W03`, a webhook without a message for Slack or Teams, or one that is not configured.
    """
    from xpbench.errors import WatchError, plain
    from xpbench.watch.notify import webhook_of

    if not args.webhook:
        return
    if args.notify not in ("slack", "teams"):
        raise WatchError(
            "XPB-W03",
            name=plain("--webhook"),
            value=args.webhook,
            rule=plain("A webhook takes a message for Slack or Teams"),
            remedy=plain("Add --notify slack or --notify teams"),
        )
    webhook_of(args.webhook)


def notified(args: argparse.Namespace, subject: str, sentences: list[str], value: Any) -> None:
    """The answer, as a message where one is asked for; sent where a webhook is named (`ensure_sendable` has checked it)."""
    from xpbench.watch.notify import message, send, webhook_of

    if not args.notify:
        answer(args, value, "\n".join(sentences))
        return
    text = message(subject, sentences, args.notify)
    answer(args, value, text)
    if args.webhook:
        send(text, address=webhook_of(args.webhook), name=args.webhook)


def run_watch(args: argparse.Namespace) -> int:
    """Status of the contract(s), or one more check on record."""
    from xpbench.errors import WatchError, plain
    from xpbench.ledger import experiments, system_clock
    from xpbench.watch.contract import watch_status
    from xpbench.watch.record import record_check
    from xpbench.watch.series import read_series

    ensure_sendable(args)
    one = bool(args.events) != bool(args.data) and args.key and (args.by or args.power)
    if (args.events or args.data) and not one:
        raise WatchError(
            "XPB-W03",
            name=plain("--events" if args.events else "--data"),
            value=" ".join(args.events) if args.events else args.data,
            rule=plain("A check is made from one source, for one experiment, by one person"),
            remedy=plain("Give --events or --data, the key and --by"),
        )
    if args.events:
        return _from_events(args)
    if args.data:
        plan, ledger = _open(args.root, args.key)
        entry = record_check(
            plan,
            ledger,
            read_series(args.data),
            check_day=args.day,
            by=args.by,
            note=args.note,
            trend=args.trend,
            clock=system_clock,
        )
        rows = entry.body["rows"]
        lines = [f"Check of day {entry.body['check_day']}: {entry.body['state']} (entry {entry.seq})"]
        lines += [f"  {r['metric']}: {r['state']}. {r['reason']}{_interval(r)}" for r in rows]
        notified(args, f"Watch of {args.key}", lines, {**entry.body, "seq": entry.seq, "at": entry.at})
        return NO if entry.body["state"] == "breached" else DONE
    keys = [args.key] if args.key else [e.key for e in experiments(args.root) if e.status == "ok"]
    found = []
    for key in keys:
        plan, ledger = _open(args.root, key)
        status = watch_status(plan, ledger.entries(), now=system_clock())
        if status is None:
            if args.key:
                raise WatchError("XPB-W01" if plan.watch is None else "XPB-W02", key=key)
            continue
        found.append(status)
    text = [f"{s.key}: {s.state}. {s.sentence}" for s in found] or ["Nothing shipped is being watched."]
    late = [s for s in found if s.state == "overdue"]
    if late:
        text.append(f"Overdue: {', '.join(s.key for s in late)}.")
    notified(args, "Watch after shipping", text, [s.to_dict() for s in found])
    return NO if any(s.state in ("breached", "overdue") for s in found) else DONE


def _from_events(args: argparse.Namespace) -> int:
    """Every check that is due and that the log reaches, with its letter."""
    from xpbench.experiment import open_experiment
    from xpbench.experiment.sources import log_of_files

    experiment = open_experiment(args.key, args.root)
    source = log_of_files(args.events, schema=args.schema, time_zone=args.time_zone, until=args.until)
    if args.power is not None:
        chances = experiment.watch_power(source, change=args.power, trend=args.trend, trigger=args.trigger)
        lines = [f"{k}: {v:.0%} of changes for the worse of {args.power:.1%} are called breached." for k, v in chances.items()]
        answer(args, chances, "\n".join(lines))
        return DONE
    found = experiment.watch(
        source,
        by=args.by,
        note=args.note,
        trend=args.trend,
        settle_days=args.settle_days,
        group_by=args.group_by,
        adopted=_adopted(args.adopted),
        trigger=args.trigger,
    )
    lines = list(found.sentences)
    lines += [f"Written to {path}. Check it any time with: xpbench verify {path}" for path in found.paths]
    notified(args, f"Watch of {args.key}: {found.status.state}", lines, found.to_dict())
    return NO if found.status.state in ("breached", "overdue") else DONE


def run_ramp(args: argparse.Namespace) -> int:
    """The answer of a ramp; the next share and Mixpanel where asked for."""
    from xpbench.errors import WatchError, plain
    from xpbench.experiment import open_experiment
    from xpbench.experiment.sources import log_of_files

    experiment = open_experiment(args.key, args.root)
    if args.power is not None:
        return _ramp_power(args, experiment.plan)
    if not args.events:
        raise WatchError(
            "XPB-W03",
            name=plain("--events"),
            value=plain("missing"),
            rule=plain("A ramp is read from the log"),
            remedy=plain("Give --events FILES, or --power CHANGE to play it"),
        )
    ensure_sendable(args)
    if args.push:
        _ensure_pushable(experiment.plan)
    source = log_of_files(args.events, schema=args.schema, time_zone=args.time_zone, until=args.until)
    found = experiment.ramp(source, by=args.by)
    lines = [repr(found)]
    lines += [f"  {g.metric} ({g.variant}): {g.state}{', ' + g.where if g.where else ''}" for g in found.guards]
    if args.go_on and found.answer == "go on" and found.next_share is not None:
        experiment = experiment.ramp_on(by=args.by)
        lines.append(f"Stage {found.stage + 1} is in force: {found.next_share:.0%} of the units.")
    if args.push and (found.answer != "hold" or found.row == "rolled-back"):
        lines.append(_pushed(experiment, found, by=args.by))
    notified(args, f"Ramp of {args.key}: {found.answer}", lines, found.to_dict())
    return DONE if found.answer == "go on" else NO


def _ensure_pushable(plan: Any) -> None:
    """Return only if the share can go out, before anything is put on record: in force here and not there is two truths.

    Raises:
        WatchError: `XPB-W03`, the plan's share is not in a flag of Mixpanel.
        MixpanelError: `XPB-M01`, the environment names no account.
    """
    from xpbench.errors import WatchError, plain
    from xpbench.mixpanel.account import Account

    if plan.assignment is not None and plan.assignment.hash != "mixpanel":
        raise WatchError(
            "XPB-W03",
            name=plain("--push"),
            value=plain(f"for a plan whose units are assigned by {plan.assignment.hash}"),
            rule=plain("It moves the share of a flag that Mixpanel assigns by (assignment.hash: mixpanel)"),
            remedy=plain("Leave --push out, and set the share where units are assigned"),
        )
    Account.from_environment()


def _pushed(experiment: Any, found: Any, *, by: str | None) -> str:
    """Mixpanel in step with the share in force, or with everyone on control."""
    from xpbench.mixpanel.client import Client

    last = next((e.kind for e in reversed(experiment.ledger.entries()) if e.kind in ("rolled_back", "launched", "decided")), "")
    with Client.from_environment() as client:
        # what is on record already is pushed again, and not recorded again
        reason = f"Ramp: {found.sentence}" if found.answer == "roll back" and last != "rolled_back" else None
        step = experiment.sync(client, roll_back=reason, by=by)
    if not step.in_step:
        return f"Mixpanel still differs: {'; '.join(map(str, step.left))}."
    return f"Mixpanel: {', '.join(step.did)}." if step.did else "Mixpanel holds it already."


def _ramp_power(args: argparse.Namespace, plan: Any) -> int:
    from xpbench.watch.ramp import ramp_power

    rails = [m.key for m in plan.metrics_with("guardrail") if m.margin is not None or m.margin_rel is not None]
    found = [ramp_power(plan, key, change=args.power) for key in rails]
    lines = []
    for p in found:
        by_stage = ", ".join(f"stage {i} {v:.0%}" for i, v in enumerate(p.by_stage, 1))
        days = "" if p.days is None else f", after {p.days:.0f} days in the middle"
        lines.append(
            f"{p.metric}: a change for the worse of {p.change:.1%} is found with a chance of {p.power:.0%} ({by_stage}){days}."
        )
    answer(args, [p.to_dict() for p in found], "\n".join(lines))
    return DONE


def _adopted(pairs: list[str]) -> dict[str, str | None]:
    from xpbench.errors import WatchError, plain

    out: dict[str, str | None] = {}
    for pair in pairs:
        group, sign, day = pair.rpartition("=")
        if not sign or not group:
            raise WatchError(
                "XPB-W03",
                name=plain("--adopted"),
                value=pair,
                rule=plain("It is written GROUP=DAY"),
                remedy=plain("For example --adopted north=2026-11-03, and --adopted south= for not yet"),
            )
        out[group] = day or None
    return out


def run_holdout(args: argparse.Namespace) -> int:
    """The cumulative effect of what shipped, from the halves of a holdout."""
    from xpbench.experiment import open_experiment
    from xpbench.watch.holdouts import SRM_ALPHA, holdout_of

    plan = open_experiment(args.key, args.root).plan
    holdout_of(plan)  # before anything is read
    found = _held_of_log(args, plan) if _has_log(args) else _held_of_table(args, plan)
    answer(args, found.to_dict(), "\n".join(found.sentences))
    drifts = found.drift_p is not None and found.drift_p < SRM_ALPHA
    return NO if found.ratio_p < SRM_ALPHA or found.met or drifts else DONE


def _has_log(args: argparse.Namespace) -> bool:
    """Whether a holdout is read from a log, with all that takes; a table takes other arguments.

    Raises:
        WatchError: `XPB-W03`, neither is whole, or both are given.
    """
    from xpbench.errors import WatchError, plain

    log = [args.events, args.since, args.metric]
    table = [args.units, args.column]
    if bool(args.events) != bool(args.units) and all(log if args.events else table):
        return bool(args.events)
    raise WatchError(
        "XPB-W03",
        name=plain("What is given"),
        value=plain("both a log and a table" if args.events and args.units else "not enough to read a holdout"),
        rule=plain("A holdout is read from a log since a day, or from a table with one row for each unit"),
        remedy=plain("Give --events, --since and --metric, or --units and --column"),
    )


def _held_of_log(args: argparse.Namespace, plan: Any) -> Any:
    from datetime import date

    from xpbench.errors import WatchError, plain
    from xpbench.experiment.sources import log_of_files
    from xpbench.watch.holdouts import cumulative_effect_of_log
    from xpbench.watch.past_experiments import portfolio

    try:
        since = date.fromisoformat(args.since)
    except ValueError:
        raise WatchError(
            "XPB-W03",
            name=plain("--since"),
            value=args.since,
            rule=plain("A day is written 2026-01-01"),
            remedy=plain("Correct it"),
        ) from None
    return cumulative_effect_of_log(
        log_of_files(args.events, schema=args.schema, time_zone=args.time_zone, until=args.until),
        plan,
        metric=args.metric,
        since=since,
        portfolio=portfolio(args.root),
        confidence=args.confidence,
        trigger=args.trigger,
    )


def _held_of_table(args: argparse.Namespace, plan: Any) -> Any:
    from xpbench.errors import WatchError, nearest, plain
    from xpbench.randomiser.tables import whole
    from xpbench.watch.holdouts import cumulative_effect, holdout_of
    from xpbench.watch.past_experiments import portfolio

    unit = args.unit or plan.unit
    table = whole(args.units, as_text=(unit,))
    for name in (unit, args.column):
        if name not in table.column_names:
            raise WatchError(
                "XPB-W03",
                name=plain("The table"),
                value=plain(f"without column {name}"),
                rule=plain("It has the unit's id and the metric"),
                remedy=plain(nearest(name, table.column_names)),
            )
    exposed = whole(args.exposed, as_text=(unit,))[unit].to_pylist() if args.exposed else None
    return cumulative_effect(
        table[unit].to_pylist(),
        table[args.column].to_pylist(),
        holdout_of(plan),
        metric=args.metric or args.column,
        portfolio=portfolio(args.root),
        direction=args.direction,
        confidence=args.confidence,
        exposed=exposed,
    )


def run_portfolio(args: argparse.Namespace) -> int:
    """The portfolio in sentences, or in full as JSON."""
    from xpbench.watch.past_experiments import portfolio

    found = portfolio(args.root)
    if args.search:
        best = found.search(args.search)
        text = "\n".join(map(str, best)) or "No experiment here has these words: it seems not to have been tried."
        answer(args, [b.to_dict() for b in best], text)
        return DONE
    lines = list(found.sentences)
    if args.html:
        from xpbench.memo.letter import programme_letter

        path = programme_letter(args.root).save(args.html)
        lines.append(f"Overview written to {path}. Check it any time with: xpbench verify {path}")
    answer(args, found.to_dict(), "\n".join(lines))
    return DONE


def _open(root: str, key: str) -> tuple[Any, Any]:
    from xpbench.ledger import Ledger
    from xpbench.ledger.folder import LEDGER, existing
    from xpbench.plan import Plan

    ledger = Ledger(existing(root, key) / LEDGER)
    entries = ledger.entries()
    document = next(e.body["plan"] for e in reversed(entries) if e.kind in ("registered", "amended"))
    return Plan(**document), ledger


def _interval(row: dict[str, Any]) -> str:
    if row["lift"] is None or row["lift_low"] is None:
        return ""
    low, high = (f"{v * 100:+.1f} %".replace("-", "\u2212") for v in (row["lift_low"], row["lift_high"]))
    return f" Change {low} to {high}."
