"""`xpbench pull`, `xpbench sync` and `xpbench sandbox`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from xpbench.commands.output import DONE, NO, add_command, answer, progress_done, progress_line


def add_parsers(subparsers: Any) -> None:
    """Add the commands that speak Mixpanel."""
    pull = add_command(
        subparsers,
        "pull",
        _pull,
        help="Mixpanel export to files, day by day, resumable",
        description="Export raw events day by day. Credentials come from MIXPANEL_USERNAME, MIXPANEL_SECRET, "
        "MIXPANEL_PROJECT_ID and MIXPANEL_REGION (us, eu, in). Days that are complete are not asked for again.",
    )
    pull.add_argument("--from", dest="first", required=True, metavar="DAY", help="first day, yyyy-mm-dd")
    pull.add_argument("--to", dest="last", metavar="DAY", help="last day, included; yesterday (UTC) if missing")
    pull.add_argument("--out", default="export", metavar="DIR", help="folder (export)")
    pull.add_argument("--event", action="append", default=[], metavar="NAME", help="only this event; may appear several times")
    pull.add_argument("--plan", metavar="PLAN", help="only the events that this plan file needs; all where it counts sessions")
    pull.add_argument(
        "--time-zone", default="UTC", metavar="ZONE", help="zone of the project, for those made before 2023 (UTC)"
    )
    pull.add_argument(
        "--late-days", type=int, default=6, metavar="N", help="days after its end during which a day is asked for again (6)"
    )
    pull.add_argument("--again", action="store_true", help="ask for every day again, after old events were imported")
    pull.add_argument("--where", default="", metavar="EXPRESSION", help="filter in Mixpanel's expression language")
    pull.add_argument("--format", choices=["jsonl", "parquet"], default="parquet", help="one file a day of this kind (parquet)")

    step = add_command(
        subparsers,
        "sync",
        _sync,
        help="Mixpanel in step with plan and ledger: the difference first",
        description="Compare what Mixpanel holds of an experiment with its plan and its ledger, show the difference, write it: "
        "experiment, flag, stage. Exit 0: in step. Exit 1: it still differs. Credentials come from MIXPANEL_USERNAME, "
        "MIXPANEL_SECRET, MIXPANEL_PROJECT_ID, MIXPANEL_WORKSPACE_ID and MIXPANEL_REGION.",
    )
    step.add_argument("key", help="key of the experiment")
    step.add_argument("--root", default="experiments", help="folder of all experiments")
    step.add_argument("--by", help="who does it")
    step.add_argument("--dry-run", action="store_true", help="show the difference and write nothing; exit 1 where there is one")
    step.add_argument("--launch", action="store_true", help="also launch it, which can't be undone")
    step.add_argument("--holdback", type=float, metavar="SHARE", help="after shipping: share that stays on control; recorded")
    step.add_argument("--roll-back", metavar="REASON", help="everyone back to control; the reason goes on record")
    step.add_argument("--adopt", action="store_true", help="take over what was not made from this ledger")
    step.add_argument("--yes", action="store_true", help="do not ask")

    out = add_command(
        subparsers,
        "publish",
        _publish,
        help="make the Mixpanel experiment of a plan, or bring it up to date",
        description="Once an experiment is published, `xpbench sync` keeps it in step and shows the difference first.",
    )
    out.add_argument("key", help="key of the experiment")
    out.add_argument("--root", default="experiments", help="folder of all experiments")
    out.add_argument("--launch", action="store_true", help="also launch it, which can't be undone")
    out.add_argument("--flag", action="store_true", help="also make a flag that assigns by the plan (hash: mixpanel)")

    end = add_command(
        subparsers, "conclude", _conclude, help="end the Mixpanel experiment, with the decision where there is one"
    )
    end.add_argument("key", help="key of the experiment")
    end.add_argument("--root", default="experiments", help="folder of all experiments")
    end.add_argument("--end-date", metavar="DAY", help="its last day, yyyy-mm-dd; today if missing")

    box = add_command(
        subparsers,
        "sandbox",
        _sandbox,
        help="a local stand-in for the Mixpanel APIs",
        description="Serve Mixpanel's APIs over TLS on the loopback interface, with a throw-away certificate, until stopped. "
        "Prints the environment under which the SDK and xpbench find it.",
    )
    box.add_argument("--host", default="127.0.0.1", help="loopback address")
    box.add_argument("--port", type=int, default=0, help="0 picks a free one")
    box.add_argument("--store", metavar="FILE", help="SQLite file that keeps events and objects; memory if missing")
    box.add_argument("--pages", metavar="DIR", help="folder of pages; their address is printed")
    box.add_argument("--relay", metavar="PLAN", help="plan whose exposures the pages send to /relay/expose")
    box.add_argument("--fault", action="append", default=[], metavar="NAME=SHARE", help="for example fail=0.3 or latency=0.2")
    box.add_argument("--seconds", type=float, help="stop by itself after so long")


def events_of(plan: Any) -> list[str]:
    """Names of the events that a plan's readout needs: the exposure, incidents, and those of the metrics.

    Empty where it needs every event: sessions are runs of any events, and an export of some would cut them in silence.
    """
    from xpbench.expose.event import INCIDENT_EVENT

    names = {plan.exposure.event, INCIDENT_EVENT}
    for metric in plan.metrics:
        fields = metric.model_dump(mode="json", by_alias=True)
        if fields["kind"] == "sessions":
            return []
        names.update(_names(fields))
    return sorted(names)


def _names(value: Any) -> set[str]:
    """Events named anywhere in a metric: its own, and those of its parts, such as the steps of a funnel."""
    if isinstance(value, list):
        return {name for item in value for name in _names(item)}
    if not isinstance(value, dict):
        return set()
    own = {value["event"]} if isinstance(value.get("event"), str) else set()
    own |= {e for e in value.get("events") or () if isinstance(e, str)}
    return own.union(*(_names(v) for v in value.values())) if value else own


def _pull(args: argparse.Namespace) -> int:
    from xpbench.ledger.clock import system_clock
    from xpbench.mixpanel.client import Client
    from xpbench.mixpanel.parquet import to_parquet
    from xpbench.mixpanel.pull import pull
    from xpbench.plan import load_plan

    needed = events_of(load_plan(args.plan)) if args.plan else []
    events = [] if args.plan and not needed else [*args.event, *needed]
    if args.plan and not needed and not args.json:
        sys.stderr.write("A sessions metric counts every event, so every event is exported.\n")
    try:
        zone = ZoneInfo(args.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = ZoneInfo("UTC")  # pull names what is wrong with it
    last = args.last or (system_clock().astimezone(zone) - timedelta(days=1)).date().isoformat()
    told: list[float] = []

    def waiting(seconds: float, waited: float) -> None:
        if not told:
            sys.stderr.write(
                "Mixpanel's export takes 60 queries an hour for the whole project, other tools included. They are used up: "
                "waiting for more, days that are complete stay.\n"
            )
        told.append(seconds)
        sys.stderr.write(f"  waiting {seconds:.0f} s ({(waited + seconds) / 60:.0f} min so far)\n")
        sys.stderr.flush()

    class Stage:
        def __init__(self, name: str) -> None:
            self.name = name

    with Client.from_environment(on_wait=waiting) as client:
        report = pull(
            client,
            args.out,
            first=args.first,
            last=last,
            events=sorted(set(events)),
            where=args.where,
            time_zone=args.time_zone,
            late_days=args.late_days,
            again=args.again,
            progress=lambda day: progress_line(Stage(f"{day.day}: {day.events} events")),
        )
    document = report.to_dict()
    if args.format == "parquet":
        document["pattern"], read = to_parquet(report)
        document["rejected"] = sum(sum(r.rejected.values()) for r in read)
    progress_done()
    fetched = sum(not d.reused for d in report.days)
    counts = f"{report.events} events of {len(report.days)} days, {fetched} fetched now"
    if report.late:
        counts += f", {report.late} of them late"
    zone_words = f", time_zone={args.time_zone!r}" if args.time_zone != "UTC" else ""
    answer(args, document, f"{counts}. Read them with xp.events({args.out!r}{zone_words})")
    return DONE


def _sync(args: argparse.Namespace) -> int:
    from xpbench.experiment import open_experiment
    from xpbench.mixpanel.client import Client

    experiment = open_experiment(args.key, args.root)

    def before(found: Any) -> None:
        if args.json:
            return
        sys.stdout.write("\n".join([*map(str, found.differences), *found.notes]) + "\n")
        sys.stdout.flush()
        if not args.yes and sys.stdin.isatty() and input("Write this to Mixpanel? [y/N] ").strip().lower() not in ("y", "yes"):
            raise _StoppedError

    with Client.from_environment() as client:
        try:
            found = experiment.sync(
                client,
                dry_run=args.dry_run,
                adopt=args.adopt,
                launch=args.launch,
                holdback=args.holdback,
                roll_back=args.roll_back,
                by=args.by,
                before_writing=before,
            )
        except _StoppedError:
            sys.stdout.write("Nothing was written.\n")
            return NO
    text = str(found)
    if found.did:  # the difference was shown before it was written
        left = [f"Still differs: {d}" for d in found.left] + [n for n in found.notes if found.left]
        text = "\n".join([f"Done: {', '.join(found.did)}.", *left])
    answer(args, found.to_dict(), text)
    return DONE if found.in_step else NO


def _publish(args: argparse.Namespace) -> int:
    from xpbench.experiment import open_experiment
    from xpbench.mixpanel.client import Client

    experiment = open_experiment(args.key, args.root)
    with Client.from_environment() as client:
        found = experiment.publish(client, launch=args.launch, flag=args.flag)
    return _stands(args, found, "It was there already, as the plan says.")


def _conclude(args: argparse.Namespace) -> int:
    from xpbench.experiment import open_experiment
    from xpbench.mixpanel.client import Client

    experiment = open_experiment(args.key, args.root)
    with Client.from_environment() as client:
        found = experiment.conclude(client, end_date=args.end_date)
    return _stands(args, found, "It was ended already.")


def _stands(args: argparse.Namespace, found: Any, nothing: str) -> int:
    did = f"Done: {', '.join(found.did)}." if found.did else nothing
    answer(args, found.to_dict(), f"{did} {found.name} is {found.status} in Mixpanel (id {found.experiment_id}).")
    return DONE


class _StoppedError(Exception):
    """Whoever was asked said no."""


def _sandbox(args: argparse.Namespace) -> int:
    from xpbench.errors import InputError, plain
    from xpbench.mixpanel.sandbox import Sandbox

    faults: dict[str, Any] = {}
    for text in args.fault:
        name, _, value = text.partition("=")
        try:
            faults[name] = value if name == "path" else float(value)
        except ValueError:
            raise InputError(
                "XPB-I04",
                name=plain("Fault"),
                value=text,
                rule=plain("It is written NAME=SHARE"),
                remedy=plain("For example --fault fail=0.3"),
            ) from None
    relay = None
    if args.relay:
        from xpbench.plan import load_plan

        relay = load_plan(args.relay)
    with Sandbox(host=args.host, port=args.port, store=args.store, pages=args.pages, relay=relay) as box, box.trusted():
        try:
            box.faults.set(**faults)
        except ValueError as error:
            raise InputError(
                "XPB-I04",
                name=plain("Fault"),
                value=", ".join(args.fault),
                rule=plain(str(error)),
                remedy=plain("Name another"),
            ) from None
        environment = box.environment()
        lines = [f"export {name}={value}" for name, value in environment.items()]
        shown = [f"# pages: {box.pages_url}/"] if box.pages_url else []
        text = "\n".join([f"# {box.url}, until stopped with Ctrl-C", *shown, *lines])
        answer(args, {"url": box.url, "pages": box.pages_url, "environment": environment}, text)
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait(args.seconds)
    return DONE
