"""`xpbench ledger verify | log`: check a ledger, or list it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xpbench.commands.output import add_command, answer
from xpbench.errors import BrokenLedger, InputError, LedgerError, plain
from xpbench.ledger.entry import Witness
from xpbench.ledger.folder import LEDGER, existing
from xpbench.ledger.ledger import Ledger
from xpbench.ledger.notes import read_notes, write_note

DONE, NO, BAD_INPUT, NEWER = 0, 1, 2, 3


def add_parsers(subparsers: Any) -> None:
    """Add `ledger` with its two commands."""
    parser = subparsers.add_parser(
        "ledger",
        help="check or list the ledger of an experiment",
        description="`verify` checks every link of the chain (and a witness, where one is given); `log` lists the entries.",
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
    check.add_argument("--git-notes", action="store_true", help="take the witnesses in the repository's git notes")
    note = add_command(inner, "note", _note, help="keep length and head of the ledger as a git note of the current commit")
    _with_ledger(note)
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
    try:
        head = ledger.head
        for witness in witnesses:
            ledger.check(witness)
    except BrokenLedger as error:
        answer(args, {"status": "broken", "path": str(path), "error": error.to_dict()}, f"broken: {error}")
        return NO
    except LedgerError as error:
        answer(args, {"status": "newer", "path": str(path), "error": error.to_dict()}, f"newer: {error}")
        return NEWER
    notices = [n.to_dict() for n in ledger.notices]
    value = {"status": "whole", "path": str(path), "witness": head.to_dict(), "notices": notices, "checked": len(witnesses)}
    seen = f", and it has what {len(witnesses)} witness{'' if len(witnesses) == 1 else 'es'} saw" if witnesses else ""
    lines = [f"whole: {head.length} entries, head {head.digest}{seen}", f"  witness {head}"]
    answer(args, value, "\n".join([*lines, *(f"  ▲ {n['detail']}" for n in notices)]))
    return DONE


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
