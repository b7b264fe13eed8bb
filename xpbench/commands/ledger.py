"""`xpbench ledger verify | note | stamp | log`: check a ledger, have it witnessed, or list it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xpbench.commands.output import add_command, answer
from xpbench.errors import BrokenLedger, InputError, LedgerError, number_of, plain
from xpbench.files import write_atomic
from xpbench.ledger import stamp
from xpbench.ledger.entry import Entry, Witness
from xpbench.ledger.folder import LEDGER, existing
from xpbench.ledger.ledger import Ledger
from xpbench.ledger.notes import read_notes, write_note

DONE, NO, BAD_INPUT, NEWER = 0, 1, 2, 3


def add_parsers(subparsers: Any) -> None:
    """Add `ledger` with its two commands."""
    parser = subparsers.add_parser(
        "ledger",
        help="check, witness or list the ledger of an experiment",
        description="`verify` checks the chain, witnesses and stamps; `note` and `stamp` make them; `log` lists the entries.",
    )
    inner = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = add_command(
        inner,
        "verify",
        _verify,
        help="check the chain, and that it still has what a witness saw",
        description="Check a ledger. Exit 0 whole, 1 broken or not what the witness saw, 2 unreadable, 3 newer.",
    )
    _with_ledger(check)
    check.add_argument("--witness", help="length:digest noted elsewhere")
    check.add_argument("--memo", help="a memo of this experiment: its witness is taken")
    check.add_argument("--tsa-ca", metavar="FILE", help="certificates (PEM) of a time-stamp authority, to check stamps against")
    check.add_argument("--git-notes", action="store_true", help="take the witnesses in the repository's git notes")
    note = add_command(inner, "note", _note, help="keep length and head of the ledger as a git note of the current commit")
    _with_ledger(note)
    mark = add_command(
        inner,
        "stamp",
        _stamp,
        help="have an RFC 3161 authority stamp the head of the ledger, or a memo",
        description=(
            "Ask a time-stamp authority for its signed word that this head of the ledger (or these bytes of a memo) exist now. "
            "For a ledger the answer becomes an entry; for a memo it is written next to it with the ending .tsr. "
            "Only --tsa opens a connection; --query and --reply carry query and answer as files."
        ),
    )
    _with_ledger(mark)
    way = mark.add_mutually_exclusive_group(required=True)
    way.add_argument("--tsa", metavar="URL", help="address of the authority, asked over HTTP")
    way.add_argument("--query", metavar="FILE", help="write the query to a file, to be answered elsewhere")
    way.add_argument("--reply", metavar="FILE", help="take the answer from a file")
    mark.add_argument("--memo", help="stamp this memo instead of the ledger")
    mark.add_argument("--tsa-ca", metavar="FILE", help="certificates (PEM) to check the answer against before it is kept")
    mark.add_argument("--by", help="who asks")
    mend = add_command(
        inner,
        "repair",
        _repair,
        help="put right what git, editors or a file manager did to a ledger, without losing an entry",
        description="Joins both sides of an unresolved merge, puts line ends back, gives a copied folder its place. "
        "What was there before is kept in <root>/.repaired.",
    )
    _with_ledger(mend)
    mend.add_argument("--by", help="who repairs")
    log = add_command(inner, "log", _log, help="every entry, one a line")
    _with_ledger(log)


def _with_ledger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", help="key of the experiment, or path of a ledger.jsonl")
    parser.add_argument("--root", default="experiments", help="folder of all experiments")


def _path(args: argparse.Namespace) -> Path:
    if args.key.endswith(".jsonl"):
        path = Path(args.key)
        if not path.is_file():
            raise InputError("XPB-I01", path=args.key)
        return path
    return existing(args.root, args.key) / LEDGER


def _witnesses(args: argparse.Namespace) -> list[Witness]:
    out = []
    if args.witness:
        try:
            out.append(Witness.parse(args.witness))
        except ValueError as error:
            raise InputError(
                "XPB-I04", name="witness", value=args.witness, rule=plain(str(error)), remedy=plain("Copy it whole")
            ) from error
    if args.memo:
        out.append(witness_of_memo(Path(args.memo)))
    if args.git_notes:
        path = _path(args)
        out += read_notes(path.parent, key=path.parent.name)
    return out


def witness_of_memo(path: Path) -> Witness:
    """The witness that a memo file carries.

    Raises:
        InputError: `XPB-I01`, `XPB-I02`, there is no such file, or it carries none.
    """
    import re

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError("XPB-I01", path=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("XPB-I02", path=str(path), kind=plain("memo"), reason=plain(type(error).__name__)) from error
    found = re.findall(r'"witness":\{"digest":"([0-9a-f]{64})","length":([0-9]{1,9})\}', text)
    if not found:
        raise InputError("XPB-I02", path=str(path), kind=plain("memo"), reason=plain("it carries no witness"))
    return Witness(int(found[-1][1]), found[-1][0])


def _verify(args: argparse.Namespace) -> int:
    path = _path(args)
    ledger = Ledger(path)
    witnesses = _witnesses(args)
    roots = stamp.certificates(args.tsa_ca) if args.tsa_ca else []
    try:
        entries = ledger.entries()
        head = ledger.head
        for witness in witnesses:
            ledger.check(witness)
    except BrokenLedger as error:
        answer(args, {"status": "broken", "path": str(path), "error": error.to_dict()}, f"broken: {error}")
        return NO
    except LedgerError as error:
        answer(args, {"status": "newer", "path": str(path), "error": error.to_dict()}, f"newer: {error}")
        return NEWER
    stamps = stamp.check_entries(entries, key=_key_of(entries, path), roots=roots)
    good = all(s.verdict != "invalid" for s in stamps)
    notices = [n.to_dict() for n in ledger.notices]
    value = {
        "status": "whole" if good else "broken",
        "path": str(path),
        "witness": head.to_dict(),
        "notices": notices,
        "checked": len(witnesses),
        "stamps": [s.to_dict() for s in stamps],
    }
    seen = f", and it has what {number_of(len(witnesses), 'witness', 'witnesses')} saw" if witnesses else ""
    first = f"whole: {head.length} entries, head {head.digest}{seen}" if good else "broken: a time stamp does not hold"
    lines = [
        first,
        f"  witness {head}",
        *(f"  {'✕' if s.verdict == 'invalid' else '✓' if not s.reason else '─'} {s}" for s in stamps),
    ]
    answer(args, value, "\n".join([*lines, *(f"  ▲ {n['detail']}" for n in notices)]))
    return DONE if good else NO


def _key_of(entries: Sequence[Entry], path: Path) -> str:
    """Key of the experiment as registered; the folder's name where nothing was."""
    plan = entries[0].body.get("plan") if entries else None
    return str(plan["key"]) if isinstance(plan, Mapping) and "key" in plan else path.parent.name


def _stamp(args: argparse.Namespace) -> int:
    path = _path(args)
    ledger = Ledger(path)
    entries = ledger.entries()
    if not entries:
        raise InputError("XPB-I01", path=str(path))
    key = _key_of(entries, path)
    heads = [Witness(e.seq, e.digest) for e in reversed(entries)]
    memo = Path(args.memo) if args.memo else None
    data = _bytes_of(memo) if memo else stamp.message(key, heads[0])
    if args.query:
        write_atomic(Path(args.query), stamp.request(data)[0])
        answer(args, {"query": args.query}, f"Query written to {args.query}; have it answered, then use --reply.")
        return DONE
    source, witness = args.tsa or args.reply, heads[0]
    if args.tsa:
        query, nonce = stamp.request(data)
        reply = stamp.ask(args.tsa, query)
        wrong = stamp.fits(reply, data, nonce=nonce)
    else:
        reply = _bytes_of(Path(args.reply))
        if memo is None:  # the ledger may have grown since the query was written
            witness = next((w for w in heads if not stamp.fits(reply, stamp.message(key, w))), heads[0])
            data = stamp.message(key, witness)
        wrong = stamp.fits(reply, data)
    if not wrong and args.tsa_ca:
        verdict, reason = stamp.check(reply, data, roots=stamp.certificates(args.tsa_ca))
        wrong = "" if verdict == "valid" else reason
    if wrong:
        raise LedgerError("XPB-L12", url=source, reason=plain(wrong))
    found = stamp.read(reply)
    value = found.to_dict() | {"checked": bool(args.tsa_ca)}
    told = f"stamped {found.at} by {found.authority}" + ("" if args.tsa_ca else ", not checked against a certificate")
    if memo is not None:
        target = memo.with_name(memo.name + ".tsr")
        write_atomic(target, reply)
        answer(args, value | {"path": str(target)}, f"{memo.name} {told}; answer in {target}")
        return DONE
    entry = ledger.append("stamped", stamp.body_of(witness, reply), by=args.by)
    answer(args, value | {"seq": entry.seq}, f"{witness.length} entries {told}; on record as entry {entry.seq}")
    return DONE


def _repair(args: argparse.Namespace) -> int:
    from xpbench.ledger.repair import repair

    done = repair(_path(args), by=args.by)
    answer(args, done.to_dict(), str(done))
    return DONE


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("XPB-I01", path=str(path)) from error


def _note(args: argparse.Namespace) -> int:
    path = _path(args)
    witness = Ledger(path).head
    commit = write_note(path.parent, key=path.parent.name, witness=witness)
    answer(
        args,
        {"commit": commit, "witness": witness.to_dict()},
        f"Noted {witness} at commit {commit[:12]}. Push refs/notes/xpbench.",
    )
    return DONE


def _log(args: argparse.Namespace) -> int:
    ledger = Ledger(_path(args))
    try:
        entries = ledger.entries()
    except BrokenLedger as error:
        answer(args, {"status": "broken", "error": error.to_dict()}, f"broken: {error}")
        return NO
    lines = [
        f"{e.seq:>5}  {e.at[:19]}Z  {e.kind:<11} {_shown(e.by or '–'):<20} {e.digest[:12]}  {_brief(e.body)}" for e in entries
    ]
    answer(args, [{**e.to_dict(), "digest": e.digest} for e in entries], "\n".join(lines))
    return DONE


def _shown(text: str) -> str:
    from xpbench.errors import shown

    return shown(text)[1:-1]


def _brief(body: Any) -> str:
    """The body's short values on one line."""
    parts = [f"{k}={v}" for k, v in body.items() if isinstance(v, (str, int, float, bool)) and v != ""]
    text = _shown(" ".join(parts))
    return text if len(text) <= 90 else text[:89] + "…"
