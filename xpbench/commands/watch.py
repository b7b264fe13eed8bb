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
        description="Without --data it says how far the contract has come; with --data it records the next check. "
        "Exit 1 where a guardrail is breached or a check is overdue.",
    )
    watch.add_argument("key", nargs="?", help="one experiment; all shipped ones if missing")
    watch.add_argument("--root", default="experiments", help="folder of all experiments")
    watch.add_argument("--data", help="CSV with day, metric, n, mean (variance, group, adopted): records a check")
    watch.add_argument("--day", type=int, help="which check, in days after shipping; the next one if missing")
    watch.add_argument("--trend", choices=["linear", "none"], default="linear", help="for before and after (pre_post)")
    watch.add_argument("--by", help="who looks (needed with --data)")
    watch.add_argument("--note", default="", help="anything to remember")
    watch.add_argument("--json", action="store_true", help="answer in JSON")
    watch.set_defaults(run=run_watch)
    whole = subparsers.add_parser(
        "portfolio",
        help="all experiments: without memo, peeks, overrides, forecasts, what shipped lifts are worth",
        description="All experiments of a root together: plans without a memo, peeks, deviations and overrides, forecast "
        "against outcome, what the lifts that were shipped are worth, and the win rate with its interval.",
    )
    whole.add_argument("--root", default="experiments", help="folder of all experiments")
    whole.add_argument("--json", action="store_true", help="answer in JSON")
    whole.set_defaults(run=run_portfolio)


def run_watch(args: argparse.Namespace) -> int:
    """Status of the contract(s), or one more check on record."""
    from xpbench.errors import WatchError, plain
    from xpbench.ledger import experiments, system_clock
    from xpbench.watch.contract import watch_status
    from xpbench.watch.record import record_check
    from xpbench.watch.series import read_series

    if args.data:
        if not args.key or not args.by:
            raise WatchError(
                "XPB-W03",
                name=plain("--data"),
                value=args.data,
                rule=plain("A check belongs to one experiment and one person"),
                remedy=plain("Give the key and --by"),
            )
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
        answer(args, {**entry.body, "seq": entry.seq, "at": entry.at}, "\n".join(lines))
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
    text = "\n".join(f"{s.key}: {s.state}. {s.sentence}" for s in found) or "Nothing shipped is being watched."
    answer(args, [s.to_dict() for s in found], text)
    return NO if any(s.state in ("breached", "overdue") for s in found) else DONE


def run_portfolio(args: argparse.Namespace) -> int:
    """The portfolio in sentences, or in full as JSON."""
    from xpbench.watch.past_experiments import portfolio

    found = portfolio(args.root)
    answer(args, found.to_dict(), "\n".join(found.sentences))
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
