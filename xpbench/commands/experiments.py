"""`xpbench readout | peek | decide | memo | status | sign`: from data to decision."""

from __future__ import annotations

import argparse
from typing import Any

from xpbench.commands.output import DONE, NO, add_command, answer, progress_done, progress_line
from xpbench.wording.verdicts import decided


def add_parsers(subparsers: Any) -> None:
    """Add the commands about registered experiments."""
    readout = _with_source(add_command(subparsers, "readout", _readout, help="health and progress; results when they are due"))
    readout.add_argument(
        "--last", default="", metavar="REASON", help="group-sequential: it ended short, this look is the last; why"
    )
    readout.add_argument("--csv", help="also write the rows to this CSV file")
    readout.add_argument("--notebook", help="also write an executed readout notebook")
    readout.add_argument(
        "--when-due", action="store_true", help="with --notebook: write it only when results are due, for a nightly job"
    )
    peek = _with_source(add_command(subparsers, "peek", _peek, help="look at effects before they are due; goes on record"))
    peek.add_argument("--reason", required=True, help="why; it is in the memo")

    decide = _with_source(
        add_command(
            subparsers,
            "decide",
            _decide,
            help="decide and put it on record",
            description="Without data it decides on what the newest look on record read, as that look read it. With data it "
            "reads them as that look did, but for the options given here.",
        )
    )
    decide.add_argument("outcome", choices=["ship", "ship none", "ship-none", "iterate", "defer"], help="what is decided")
    decide.add_argument("--variant", help="with ship: which variant")
    decide.add_argument("--because", required=True, help="why")
    decide.add_argument("--supersedes", type=int, metavar="N", help="entry of the decision in force, where there is one")

    memo = _with_key(add_command(subparsers, "memo", _memo, help="write the frozen memo of the decision"))
    memo.add_argument("--out", help="file to write (.html .png .md .json .pdf .zip); <root>/<key>/memo.html if missing")
    memo.add_argument(
        "--to-date", action="store_true", help="with the ledger as it is now (memo-to-date.html), not as it was when decided"
    )
    say = add_command(
        subparsers,
        "brief",
        _say,
        help="the decision in two to five sentences, from frozen numbers",
        description="Two to five sentences for one kind of reader, every number from the frozen memo. Without a key: two "
        "sentences about all experiments of the root. Check an edited text with `xpbench verify --text FILE MEMO`.",
    )
    say.add_argument("key", nargs="?", help="key of the experiment; all of them if missing")
    say.add_argument("--root", default="experiments", help="folder of all experiments")
    say.add_argument("--for", dest="audience", default="director", choices=["director", "team", "cv", "chat"], help="who reads")

    _with_source(
        add_command(
            subparsers,
            "reproduce",
            _reproduce,
            help="read the data again, compare with what was decided",
            description="Without data it reads the files that the decided look names. End, zone, schema, columns and policies "
            "are those of the look, but for the options given here.",
        )
    )

    sign = _with_key(add_command(subparsers, "sign", _sign, help="sign the plan in force"))
    sign.add_argument("--name", required=True, help="who signs")
    sign.add_argument("--role", help="as what")
    sign.add_argument("--key", dest="key_file", help="file of a private key (Ed25519 PEM or OpenSSH) to sign with")

    launch = _with_key(add_command(subparsers, "launch", _launch, help="record that units are assigned from now on"))
    launch.add_argument("--note", default="", help="anything to remember")

    status = add_command(subparsers, "status", _status, help="what is registered, running, ready, overdue")
    status.add_argument("key", nargs="?", help="one experiment; all if missing")
    status.add_argument("--root", default="experiments", help="folder of all experiments")
    status.add_argument("--exit-code", action="store_true", help="exit 1 where anything is due, for a nightly job")
    status.add_argument("--remote", action="store_true", help="also compare with Mixpanel; exit 1 where it differs")


def _with_key(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("key", help="key of the experiment")
    parser.add_argument("--root", default="experiments", help="folder of all experiments")
    parser.add_argument("--by", help="who does it")
    parser.add_argument("--agent", default="", help="program that acts on behalf of --by; it is in every entry")
    return parser


def _with_source(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    _with_key(parser)
    group = parser.add_argument_group("data")
    group.add_argument("--events", nargs="+", help="event log: JSON Lines, Parquet or CSV files (globs)")
    group.add_argument(
        "--schema",
        action="append",
        default=[],
        metavar="PART=COLUMN",
        help="where event, time, unit, insert_id or properties are in the log (with --events), insert_id= for none; or a "
        "preset: segment, amplitude, ga4, posthog, mixpanel_pipeline",
    )
    group.add_argument(
        "--absent-events",
        choices=("refuse", "zero"),
        help="an event that nobody did yet: refused, since its name may be wrong, or counted as zero",
    )
    group.add_argument(
        "--identities", metavar="FILE", help="table that says which ids are one person's, such as Mixpanel's (with --events)"
    )
    group.add_argument("--time-zone", help="zone of the log's times, for Mixpanel projects from before 2023")
    group.add_argument("--until", metavar="TIME", help="up to when the log is complete; the time of its last event if missing")
    group.add_argument(
        "--duplicates",
        choices=["drop", "keep"],
        help="repeats of an event in the log (same name, unit, time, id)",
    )
    group.add_argument(
        "--units",
        action="append",
        help="table with one row per unit: CSV or Parquet; once for each of several files, or a glob",
    )
    group.add_argument("--unit", help="column of the unit's id; the plan's unit if missing")
    group.add_argument("--variant-column", help="column of the variant (with --units); found if missing")
    group.add_argument("--day-column", help="column of the day of exposure (with --units)")
    group.add_argument(
        "--variant-name",
        action="append",
        default=[],
        metavar="VALUE=KEY",
        help="which value of the column is which variant of the plan, such as 0=control (with --units)",
    )
    return parser


def _source(args: argparse.Namespace, plan: Any, look: Any = None) -> Any:
    """The data that the command names, read as the look read them where nothing else is said."""
    from xpbench.errors import InputError, plain
    from xpbench.experiment.reading import carried

    if bool(args.events) == bool(args.units):
        raise InputError(
            "XPB-I04",
            name="data",
            value="both" if args.events else "none",
            rule=plain("One source feeds a readout"),
            remedy=plain("Give --events FILES, or --units FILE"),
        )
    if args.events:
        from dataclasses import replace

        from xpbench.data import events

        options = ("time_zone", "duplicates", "absent_events")
        stated = {name: value for name in options if (value := getattr(args, name)) is not None}
        source = events(
            args.events if len(args.events) > 1 else args.events[0],
            schema=_schema(args.schema),
            until=args.until,
            identities=args.identities,
            **stated,
        )
        return carried(look, replace(source, stated=frozenset(stated)))
    from xpbench.data import units

    column = args.variant_column or _recorded(look, "variant") or None
    table = args.units if len(args.units) > 1 else args.units[0]
    return carried(look, units(table, unit=args.unit, variant=column, day=args.day_column, variants=_names(args, plan)))


def _recorded(look: Any, name: str) -> str:
    """What a look on record says of how a table was read, "" for nothing."""
    reading = look.body.get("reading") if look is not None else None
    return str(reading["how"].get(name, "")) if reading and reading["kind"] == "table" else ""


def _names(args: argparse.Namespace, plan: Any) -> dict[str, str]:
    from xpbench.errors import InputError, nearest, plain

    known, given = [v.key for v in plan.variants], {}
    for pair in args.variant_name:
        value, sign, key = pair.rpartition("=")
        if not sign or key not in known:
            raise InputError(
                "XPB-I04",
                name=plain("--variant-name"),
                value=pair,
                rule=plain("It is written VALUE=KEY, with a variant of the plan. " + nearest(key, known)),
                remedy=plain("For example --variant-name 0=control"),
            )
        given[value] = key
    return given


def _schema(pairs: list[str]) -> Any:
    from dataclasses import fields, replace

    from xpbench.data import EventSchema
    from xpbench.data.logs.log import PRESETS
    from xpbench.errors import InputError, nearest, plain

    known = {f.name for f in fields(EventSchema)}
    given: dict[str, Any] = {}
    base = EventSchema()
    for pair in pairs:
        name, sign, column = pair.partition("=")
        if pair in PRESETS:
            base = getattr(EventSchema, pair)()
            continue
        if name not in known or not sign:
            raise InputError(
                "XPB-I04",
                name=plain("--schema"),
                value=pair,
                rule=plain("It is written PART=COLUMN. " + nearest(name, known)),
                remedy=plain("For example --schema time=timestamp"),
            )
        given[name] = column or None
    return replace(base, **given)


def _open(args: argparse.Namespace) -> Any:
    from xpbench.experiment import open_experiment

    return open_experiment(args.key, args.root, agent=getattr(args, "agent", ""))


def _readout(args: argparse.Namespace) -> int:
    experiment = _open(args)
    readout = experiment.readout(_source(args, experiment.plan), by=args.by, progress=progress_line, last=args.last)
    if args.notebook and not (args.when_due and readout.is_sealed):
        _write_notebook(args, readout)
    return _told(args, readout)


def _write_notebook(args: argparse.Namespace, readout: Any) -> None:
    """Show this very readout in the readout template: no second look at the data, none in the ledger."""
    import json
    import os
    from pathlib import Path

    from xpbench.files import write_atomic
    from xpbench.notebooks import run_template

    out = Path(args.notebook)
    saved = out.with_suffix(".readout.json")
    write_atomic(saved, (json.dumps(readout.to_dict(), ensure_ascii=False) + "\n").encode())
    root = os.path.relpath(args.root, out.parent)
    parameters = {"key": args.key, "root": root, "saved": saved.name}
    run_template("readout", out, parameters=parameters, folder=out.parent)


def _peek(args: argparse.Namespace) -> int:
    experiment = _open(args)
    readout = experiment.peek(_source(args, experiment.plan), reason=args.reason, by=args.by, progress=progress_line)
    return _told(args, readout)


def _brief(readout: Any) -> dict[str, Any]:
    """A readout for `--json`: without the moments and the plan, which stay in the experiment's folder."""
    found = {k: v for k, v in readout.to_dict().items() if k not in ("summary", "plan")}
    return found if readout.is_sealed else {**found, "what_now": readout.what_now.to_dict()}


def _told(args: argparse.Namespace, readout: Any) -> int:
    progress_done()
    lines = [repr(readout)]
    lines += [f"  {c.label}: {c.status}. {c.meaning} {c.next_step}" for c in readout.health if c.status in ("fail", "warn")]
    lines.append(f"  {sum(c.status == 'pass' for c in readout.health)} health checks pass")
    if not readout.is_sealed:
        lines.append(f"  {readout.cost.sentence}")
        if getattr(args, "csv", None):
            from pathlib import Path

            from xpbench.files import write_atomic
            from xpbench.outward import csv_of_frame

            write_atomic(Path(args.csv), csv_of_frame(readout.to_frame()).encode())
    answer(args, _brief(readout), "\n".join(lines))
    if readout.is_sealed:
        return NO if any(c.blocks for c in readout.health) else DONE
    return DONE if readout.is_valid else NO


def _decide(args: argparse.Namespace) -> int:
    experiment = _open(args)
    readout = _to_decide_on(args, experiment)
    progress_done()
    outcome = "ship none" if args.outcome == "ship-none" else args.outcome
    entry = experiment.decide(
        readout, outcome, variant=args.variant, because=args.because, by=args.by or "", supersedes=args.supersedes
    )
    follows = "as the rule recommends" if entry.body["follows_rule"] else f"the rule recommends {entry.body['recommended']}"
    answer(
        args, dict(entry.body), f"Decided: {decided(entry.body)} ({follows}). Next: xpbench memo {args.key} --root {args.root}"
    )
    return DONE


def _to_decide_on(args: argparse.Namespace, experiment: Any) -> Any:
    """A fresh readout: of the data that the command names, or of those that the newest look on record read."""
    from xpbench.errors import DecisionError
    from xpbench.experiment.binding import look_of
    from xpbench.experiment.reading import newest_look
    from xpbench.ledger.knowledge import data_of

    look = newest_look(experiment.ledger.entries())
    named = args.events or args.units
    source = _source(args, experiment.plan, look) if named or look is None else experiment.source(look)
    readout = experiment.readout(source, by=args.by, progress=progress_line)
    if not named and look is not None and not readout.is_sealed:
        now = look_of(experiment.ledger.entries(), readout)
        if data_of(now.body, now.seq) != data_of(look.body, look.seq):
            raise DecisionError("XPB-R33", seq=look.seq)
    return readout


def _memo(args: argparse.Namespace) -> int:
    experiment = _open(args)
    memo = experiment.memo_to_date() if args.to_date else experiment.memo()
    path = memo.save(args.out or (experiment.folder / "memo-to-date.html" if args.to_date else experiment.memo_path))
    name = path.name.lower()
    if name.endswith((".html", ".htm", ".zip")) and not name.endswith(".interactive.html"):
        hint = f"Check it any time with: xpbench verify {path}"
    elif name.endswith(".json"):
        hint = f"It is the evidence without the page; xpbench verify {path} checks its numbers."
    else:
        hint = "It is a copy to read, without evidence: the memo that can be verified is the HTML one, "
        hint += f"which xpbench memo {experiment.key} writes to {experiment.memo_path}."
    answer(args, {"path": str(path)}, f"Memo written to {path}. {hint}")
    return DONE


def _say(args: argparse.Namespace) -> int:
    if args.key is None:
        from xpbench.watch.past_experiments import portfolio

        lines = portfolio(args.root).programme(args.audience)
        answer(args, {"for": args.audience, "sentences": list(lines)}, " ".join(lines))
        return DONE
    memo = _open(args).memo()
    lines = memo.sentences(args.audience)
    value = {"key": args.key, "for": args.audience, "sentences": list(lines), "memo": memo.digest}
    answer(args, value, " ".join(lines))
    return DONE


def _reproduce(args: argparse.Namespace) -> int:
    experiment = _open(args)
    source = None
    if args.events or args.units:
        from xpbench.experiment.binding import look_of

        look = look_of(experiment.ledger.entries(), experiment.decided_readout())
        source = _source(args, experiment.plan, look)
    found = experiment.reproduce(source, progress=progress_line)
    progress_done()
    answer(args, found.to_dict(), str(found))
    return DONE if found.same else NO


def _sign(args: argparse.Namespace) -> int:
    entry = _open(args).sign(args.name, role=args.role, key=args.key_file)
    answer(args, {"seq": entry.seq, "plan_digest": entry.body["plan_digest"]}, f"Signed by {args.name} as entry {entry.seq}.")
    return DONE


def _launch(args: argparse.Namespace) -> int:
    entry = _open(args).launch(by=args.by, note=args.note)
    answer(args, {"seq": entry.seq, "at": entry.at}, f"Launch recorded at {entry.at}.")
    return DONE


def _status(args: argparse.Namespace) -> int:
    from xpbench.experiment import statuses

    found = statuses(args.root, only=args.key)
    if args.remote:
        _add_remote(args.root, found)
    lines = []
    for s in found:
        lines.append(f"{s['key']:<28} {s['state']:<11} {s['sentence']}")
        lines += [f"{'':<28} → {s['next']}"] if s.get("next") else []
        lines += [f"  {words}" for words in s.get("remote", {}).get("words", ())]
    answer(args, found, "\n".join(lines) or f"No experiments in {args.root}. Start with: xpbench new, or xpbench demo")
    waits = args.exit_code and any(s["state"] == "ready" for s in found)
    drifted = any(s.get("remote", {}).get("in_step") is False for s in found)
    return NO if drifted or waits or any(s["state"] in ("broken", "overdue", "breached") for s in found) else DONE


def _add_remote(root: str, found: list[dict[str, Any]]) -> None:
    """What Mixpanel holds of each published experiment, against plan and ledger."""
    from xpbench.errors import MixpanelError
    from xpbench.experiment import open_experiment
    from xpbench.mixpanel.client import Client

    with Client.from_environment() as client:
        for status in found:
            if status["state"] == "broken":
                continue
            experiment = open_experiment(status["key"], root)
            if not any(e.kind == "published" for e in experiment.ledger.entries()):
                status["remote"] = {"in_step": None, "words": ["Not published to Mixpanel."]}
                continue
            try:
                step = experiment.sync(client, dry_run=True)
            except MixpanelError as error:
                if error.code not in ("XPB-M10", "XPB-M14"):
                    raise
                status["remote"] = {"in_step": False, "words": [str(error)]}
                continue
            words = [str(d) for d in step.differences] or ["Mixpanel holds what plan and ledger say."]
            status["remote"] = {"in_step": step.in_step, "differences": [d.to_dict() for d in step.differences], "words": words}
