"""`xpbench assign | preflight | audit`: ids or exposures in CSV or Parquet."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

from xpbench.commands.output import DONE, NO, add_command, answer, note
from xpbench.errors import number_of
from xpbench.outward import cell, terminal

ID_NAMES = ("device_id", "$device_id", "user_id", "$user_id", "distinct_id", "$distinct_id_before_identity", "anonymous_id")


def add_parsers(subparsers: Any) -> None:
    """Add the commands about assignment."""
    assign = add_command(
        subparsers, "assign", _assign, help="the variant of each unit", description="Write the variant of each id as CSV."
    )
    _subject_arguments(assign)
    assign.add_argument("ids", help="ids in CSV (.csv, .csv.gz, .tsv) or Parquet")
    assign.add_argument("--out", help="CSV file to write; standard output if missing")
    assign.add_argument(
        "--handoff", metavar="DIR", help="write audience lists, JavaScript, SQL and the sheet of duties instead"
    )
    assign.add_argument("--max-rows", type=int, default=500_000, help="rows of an audience file at most")
    assign.add_argument("--per-variant", action="store_true", help="one set of audience files per variant")
    lists = assign.add_argument_group("lists of the hand-off")
    lists.add_argument("--columns", metavar="ID,VARIANT", help="what the receiving system calls id and variant")
    lists.add_argument("--form", choices=["csv", "jsonl"], default="csv", help="kind of list (csv)")
    lists.add_argument("--buckets", metavar="NAME", help="also a column with a number from 0 to 9,999, for targeting by number")
    lists.add_argument(
        "--preset", choices=["braze", "customer-io", "optimizely"], help="names, shape and limits that a receiver asks for"
    )
    lists.add_argument("--before", metavar="DIR", help="an earlier hand-off: write only what has changed")

    preflight = add_command(
        subparsers, "preflight", _preflight, help="run the real hash over real ids before launch; exit 1 on a failure"
    )
    _subject_arguments(preflight)
    preflight.add_argument("ids", help="ids in CSV (.csv, .csv.gz, .tsv) or Parquet")
    preflight.add_argument("--history", help="metrics from before the experiment, one row per unit")
    preflight.add_argument("--others", help="flag definitions of the other live flags")
    preflight.add_argument(
        "--root", default="experiments", help="folder of experiments; those that are not decided are compared with the plan"
    )

    audit = add_command(
        subparsers, "audit", _audit, help="recompute the variant of each exposed unit; exit 1 where the log differs"
    )
    _subject_arguments(audit)
    audit.add_argument(
        "exposures",
        help="exposures in CSV (.csv, .csv.gz, .tsv) or Parquet; or a folder or files of the event log (xpbench pull)",
    )
    audit.add_argument("--sticky", metavar="FILE", help="assignment store with the variants that were kept")
    audit.add_argument("--experiment", help="name of the experiment in the log; the plan's if missing")
    audit.add_argument("--variant-column", help="column of the logged variant")
    audit.add_argument("--time-column", help="column of the time")
    audit.add_argument("--salt", action="append", default=[], help="another salt to try; may be repeated")

    made = add_command(
        subparsers,
        "tag",
        _tag,
        help="one script of at most 5 kB for a codeless page: assigns, shows, waits until seen, sends once",
    )
    made.add_argument("plan", help="plan file")
    made.add_argument("--out", required=True, metavar="DIR", help="folder for tag.html, tag.js and sample.html")
    made.add_argument(
        "--show", action="append", default=[], required=True, metavar="VARIANT=SELECTOR", help="what a variant shows; repeat"
    )
    made.add_argument(
        "--view", action="append", default=[], metavar="SELECTOR", help="what counts as seen, where it is another"
    )
    made.add_argument("--by", choices=["hash", "page", "flag"], default="hash", help="who assigns (hash)")
    made.add_argument("--relay", default="", metavar="URL", help="where exposures go; without it mixpanel-browser sends them")
    made.add_argument("--token", default="", help="the relay's token for pages, which everyone can read")
    made.add_argument(
        "--id",
        default="visitor",
        metavar="WHERE",
        help="mixpanel:TOKEN, cookie:NAME, storage:NAME, global:NAME, or visitor (an id of its own)",
    )
    made.add_argument("--consent", default="", metavar="WHERE=VALUE", help="where consent is, such as cookie:consent=yes")
    made.add_argument("--last", metavar="DAY", help="last day (UTC); the plan's if missing")


def _subject_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", help="plan file, or with --flag a file of flag definitions")
    parser.add_argument("--flag", help="key of the flag in the file of definitions")
    parser.add_argument("--unit", help="column of the ids; the assignment key if missing")
    parser.add_argument("--cohort", action="append", default=[], metavar="NAME=FILE", help="ids of a cohort; may be repeated")


def _subject(args: argparse.Namespace) -> Any:
    if args.flag is not None:
        return _flags(args.plan)[args.flag]
    from xpbench.plan import load_plan

    return load_plan(args.plan)


def _flags(path: str) -> Any:
    import warnings

    from xpbench.randomiser.flags import AssignWarning, load_flags

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AssignWarning)
        flags = load_flags(path)
    for warning in caught:
        note(f"△ {warning.message}")
    return flags


def _cohorts(args: argparse.Namespace) -> dict[str, Any] | None:
    from xpbench.errors import InputError, plain
    from xpbench.randomiser.tables import id_column, without_empty

    out: dict[str, Any] = {}
    for pair in args.cohort:
        name, mark, path = pair.partition("=")
        if not mark or not path:
            raise InputError(
                "XPB-I04",
                name="--cohort",
                value=pair,
                rule=plain("A cohort is given as NAME=FILE"),
                remedy=plain("For example --cohort beta-testers=testers.csv"),
            )
        table = _text_table(path, args)
        out[name] = without_empty(table[id_column(table.column_names, args.unit, table.column_names[0])])
    return out or None


def _text_table(path: str, args: argparse.Namespace) -> Any:
    from xpbench.randomiser.tables import header, whole

    return whole(path, as_text=tuple(header(path)[:1]) + ((args.unit,) if args.unit else ()))


def _assign(args: argparse.Namespace) -> int:
    from xpbench.randomiser.assigning import assignments, unit_key
    from xpbench.randomiser.tables import batches, header, id_column, without_empty

    subject = _subject(args)
    cohorts = _cohorts(args)
    key = id_column(header(args.ids), args.unit, unit_key(subject))
    if args.handoff:
        return _handoff(args, subject, key, cohorts)
    totals: dict[str, int] = {}
    reasons: dict[str, int] = {}
    nulls = units = 0
    pairs: list[tuple[Any, str | None]] = []
    out = None if args.json and not args.out else _Output(args.out)
    try:
        if out is not None:
            out.rows([(key, "variant")])
        for table in batches(args.ids, as_text=(key,)):
            ids = without_empty(table[key])
            rest = [c for c in table.column_names if c != key]
            found = assignments(subject, ids, properties=table.select(rest) if rest else {}, cohorts=cohorts)
            units, nulls = units + len(ids), nulls + found.nulls
            for into, counted in ((totals, found.counts()), (reasons, found.reason_counts())):
                for name, count in counted.items():
                    into[name] = into.get(name, 0) + count
            if out is None:
                pairs += zip(ids.to_pylist(), found.variants().tolist(), strict=True)
            else:
                out.rows(zip(_cells(ids), found.variants().tolist(), strict=True))
        if out is not None:
            out.done()
    finally:
        if out is not None:
            out.drop()
    report = {"units": units, "assigned": sum(totals.values()), "nulls": nulls, "variants": totals, "reasons": reasons}
    if args.json:
        more = {"path": args.out} if args.out else {"assignments": [{key: u, "variant": v} for u, v in pairs]}
        answer(args, {**report, **more}, "")
    else:
        counts = ", ".join(f"{k} {v:,}" for k, v in totals.items())
        where = f" in {args.out}" if args.out else ""
        note(f"{number_of(units, 'unit')}{where}: {counts}; {units - sum(totals.values()):,} without a variant")
    return DONE


def _cells(ids: Any) -> list[Any]:
    from xpbench.randomiser.ids import UnitIds

    return list(UnitIds(ids).text().to_pylist())


class _Output:
    """CSV rows to standard output, or to a file that appears whole or not at all."""

    def __init__(self, path: str | None) -> None:
        self.path = Path(path) if path else None
        self.temporary: str | None = None
        self.stream: TextIO = sys.stdout
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, self.temporary = tempfile.mkstemp(prefix=f".{self.path.name[:40]}.", suffix=".tmp", dir=self.path.parent)
            self.stream = os.fdopen(handle, "w", encoding="utf-8", newline="")
        self.writer = csv.writer(self.stream, lineterminator="\r\n")

    def rows(self, rows: Any) -> None:
        """Write rows; None is an empty cell, and no spreadsheet computes one."""
        shown = self.path is None and self.stream.isatty()
        for row in rows:
            cells = [cell(c) for c in row]
            self.writer.writerow([terminal(c) if isinstance(c, str) else c for c in cells] if shown else cells)

    def done(self) -> None:
        """Put the file in its place."""
        if self.path is not None and self.temporary is not None:
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self.stream.close()
            os.chmod(self.temporary, 0o644)
            os.replace(self.temporary, self.path)
            self.temporary = None

    def drop(self) -> None:
        """Remove what was not finished."""
        if self.temporary is not None:
            self.stream.close()
            Path(self.temporary).unlink(missing_ok=True)
            self.temporary = None


def _handoff(args: argparse.Namespace, subject: Any, key: str, cohorts: Any) -> int:
    from xpbench.randomiser.handoff.folder import handoff
    from xpbench.randomiser.handoff.presets import preset
    from xpbench.randomiser.tables import whole, without_empty

    table = whole(args.ids, as_text=(key,))
    rest = [c for c in table.column_names if c != key]
    lists = {"max_rows": args.max_rows, "per_variant": args.per_variant}
    if args.preset:
        lists |= preset(args.preset).options(subject.key)
    if args.columns:
        lists["columns"] = _pair(args.columns)
    made = handoff(
        subject,
        args.handoff,
        unit_ids=without_empty(table[key]),
        properties=table.select(rest) if rest else {},
        cohorts=cohorts,
        form=args.form,
        buckets=args.buckets,
        before=args.before,
        extras=True,
        **lists,
    )
    lines = [f"Hand-off of {made.subject} in {args.handoff}:", *(f"  {name}" for name in made.files)]
    lines += [f"  not written: {name} ({why})" for name, why in made.left_out.items()]
    if made.audiences and made.audiences.escaped:
        lines.append(f"  {made.audiences.escaped:,} ids begin like a formula and have an apostrophe before them")
    if made.audiences and made.audiences.rule:
        told = ", ".join(f"{k} {low:,} to {high:,}" for k, (low, high) in made.audiences.rule.items())
        lines.append(f"  {args.buckets}: {told}")
    answer(args, made.to_dict(), "\n".join(lines))
    return DONE


def _tag(args: argparse.Namespace) -> int:
    from datetime import date

    from xpbench.errors import InputError, plain
    from xpbench.files import write_atomic
    from xpbench.plan import load_plan
    from xpbench.randomiser.handoff.tag import sample, tag

    show: dict[str, list[str]] = {}
    for text in args.show:
        variant, mark, selector = text.partition("=")
        if not mark:
            raise InputError(
                "XPB-I04",
                name="--show",
                value=text,
                rule=plain("It is written VARIANT=SELECTOR"),
                remedy=plain("For example --show beta=.beta-hero"),
            )
        show.setdefault(variant.strip(), []).append(selector)
    try:
        last = date.fromisoformat(args.last) if args.last else None
    except ValueError:
        raise InputError(
            "XPB-I04", name="--last", value=args.last, rule=plain("It is a day"), remedy=plain("Write it as yyyy-mm-dd")
        ) from None
    made = tag(
        load_plan(args.plan),
        show=show,
        view=args.view or None,
        by=args.by,
        relay=args.relay,
        token=args.token,
        id=args.id,
        consent=args.consent,
        last=last,
    )
    folder = Path(args.out)
    files = {"tag.html": made.html, "tag.js": made.script, "sample.html": sample(made, show)}
    for name, text in files.items():
        write_atomic(folder / name, text.encode())
    size = len(made.html.encode())
    lines = [f"{folder / name}" for name in files]
    lines.append(f"tag.html has {size:,} bytes and goes into the head of the page. Try it with ?xpb-{made.key}=VARIANT.")
    if args.id == "visitor" and args.by != "flag":
        note(
            "△ The tag makes the id (cookie xpb_id). The events of the metrics must carry it as well, or no exposure meets one."
        )
    answer(args, {"files": [str(folder / name) for name in files], "bytes": size}, "\n".join(lines))
    return DONE


def _pair(text: str | None) -> tuple[str, str] | None:
    from xpbench.errors import InputError, plain

    if text is None:
        return None
    names = [n.strip() for n in text.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise InputError(
            "XPB-I04",
            name="--columns",
            value=text,
            rule=plain("It names two columns, the id's and the variant's"),
            remedy=plain("For example --columns external_id,test_group"),
        )
    return names[0], names[1]


def _preflight(args: argparse.Namespace) -> int:
    from xpbench.randomiser.assigning import unit_key
    from xpbench.randomiser.preflight.preflighting import preflight
    from xpbench.randomiser.tables import header, id_column, whole, without_empty

    subject = _subject(args)
    key = id_column(header(args.ids), args.unit, unit_key(subject))
    table = whole(args.ids, as_text=(key,))
    rest = [c for c in table.column_names if c != key]
    history = None
    if args.history:
        own = id_column(header(args.history), args.unit, unit_key(subject))
        history = whole(args.history, as_text=(own,))
        history = history.set_column(history.column_names.index(own), unit_key(subject), without_empty(history[own]))
    report = preflight(
        subject,
        without_empty(table[key]),
        history,
        others=_others(args, subject),
        properties=table.select(rest) if rest else None,
        cohorts=_cohorts(args),
    )
    lines = [
        f"{report.subject}: {report.assigned:,} of {number_of(report.units, 'unit gets', 'units get')} a variant "
        f"({report.hash} hash), "
        f"SRM p = {report.p_value:.4g}",
        *(
            f"  {row.group or 'all'} {row.variant}: planned {row.planned:.2%}, realised {row.share:.2%} ({row.units:,})"
            for row in report.splits
        ),
        *(f"{ {'fail': '▲', 'warn': '△', 'info': '·'}[f.level] } {f.name}: {f.message} {f.remedy}" for f in report.findings),
        "✓ nothing keeps from launching" if report.ok else "▲ do not launch like this",
    ]
    answer(args, report.to_dict(), "\n".join(lines))
    return DONE if report.ok else NO


def _event_log(path: str) -> Any:
    """The event log of a folder, of files by a pattern, or of one file that has events; None for a table of exposures."""
    where = Path(path)
    lines = where.name.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz"))
    if where.is_file() and where.suffix == ".parquet" and not lines:
        import pyarrow.parquet as pq

        lines = "properties" in pq.read_schema(where).names
    if not (where.is_dir() or lines or ("*" in path and not where.is_file())):
        return None
    from xpbench.data.logs.events import events

    return events(path)


def _store(path: str | None) -> Any:
    from xpbench.randomiser.sticky import AssignmentStore

    return None if path is None else AssignmentStore(path)


def _others(args: argparse.Namespace, subject: Any) -> list[Any]:
    """The other live flags that were given, and for a plan the running experiments of the root."""
    others: list[Any] = [*_flags(args.others).values()] if args.others else []
    if args.flag is None and Path(args.root).is_dir():
        from xpbench.experiment.neighbours import running_plans

        plans, unreadable = running_plans(args.root, besides=subject.key)
        others += plans
        for key in unreadable:
            note(f"△ {key} can't be read and was not compared.")
    return others


def _audit(args: argparse.Namespace) -> int:
    from xpbench.randomiser.assigning import unit_key
    from xpbench.randomiser.audit.auditing import audit
    from xpbench.randomiser.audit.exposure_log import UNITS
    from xpbench.randomiser.tables import whole

    subject = _subject(args)
    ids = tuple(n for n in (args.unit, unit_key(subject), *UNITS, *ID_NAMES) if n)
    log = _event_log(args.exposures)
    if log is None:
        log = whole(args.exposures, as_text=(*ids, *((args.variant_column,) if args.variant_column else ())))
    report = audit(
        subject,
        log,
        unit=args.unit,
        experiment=args.experiment,
        sticky=_store(args.sticky),
        variant=args.variant_column,
        time=args.time_column,
        salts=args.salt,
        cohorts=_cohorts(args),
    )
    lines = [
        f"{report.subject}: {number_of(report.rows, 'exposure')} of {number_of(report.units, 'unit')}, "
        f"{report.disagreeing:,} disagree"
    ]
    if report.first_divergence is not None:
        lines.append(f"First divergence: {report.first_divergence}")
    lines += [f"▲ {c.name}: {number_of(c.rows, 'row')}, {c.detail}. {c.remedy}" for c in report.causes]
    lines += [
        f"▲ unknown variant {json.dumps(k, ensure_ascii=True)}: {number_of(v, 'row')}"
        for k, v in report.unknown_variants.items()
    ]
    if report.missing_variant or report.null_ids:
        lines.append(
            f"△ not compared: {number_of(report.missing_variant, 'row')} without a variant, {report.null_ids:,} without an id"
        )
    if report.ok:
        lines.append("✓ every compared row has the variant that the hash gives")
    else:
        lines.append("▲ the log differs from the hash" if report.rows else "▲ there is no row that can be compared")
    answer(args, report.to_dict(), "\n".join(lines))
    return DONE if report.ok else NO
