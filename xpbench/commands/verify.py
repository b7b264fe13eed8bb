"""`xpbench verify`: check a memo."""

from __future__ import annotations

import argparse
from typing import Any

from xpbench.commands.output import add_command, answer


def add_parsers(subparsers: Any) -> None:
    """Add `verify`."""
    parser = add_command(
        subparsers,
        "verify",
        _verify,
        help="check a memo: digests, chain, estimates, decision, text and charts",
        description="Check a memo with nothing but the memo. Exit 0 verified in full, 1 differs, 2 unreadable, 3 newer, "
        "4 the numbers hold and the page, or some of them, were not compared, 5 the numbers hold and the page was touched or "
        "there is none.",
    )
    parser.add_argument("memo", nargs="?", help="the memo (.html), its payload (.json) or its archive (.zip)")
    parser.add_argument("--key", help="experiment that it should be of")
    parser.add_argument("--ledger", help="the experiment's ledger.jsonl today, which must begin with the memo's entries")
    parser.add_argument("--witness", help="length:digest noted elsewhere, which the memo's ledger must contain")
    parser.add_argument("--stamp", metavar="FILE", help="RFC 3161 answer over this file, as `ledger stamp --memo` writes it")
    parser.add_argument("--tsa-ca", metavar="FILE", help="certificates (PEM) of the time-stamp authority")
    parser.add_argument("--text", metavar="FILE", help="also trace every number of this text to a cell of the memo")
    parser.add_argument("--full", action="store_true", help="also run the installed engine over every row")
    parser.add_argument("--save-verifier", metavar="FILE", help="write the verifier as one file of Python without dependencies")


def _verify(args: argparse.Namespace) -> int:
    from pathlib import Path

    from xpbench.errors import InputError, plain
    from xpbench.memo.verification import verify

    if args.save_verifier:
        from xpbench.files import write_atomic
        from xpbench.memo.alone import single_file

        target = Path(args.save_verifier)
        write_atomic(target, single_file().encode())
        if args.memo is None:
            answer(args, {"path": str(target)}, f"Verifier written to {target}. Use it with: python {target} MEMO")
            return 0
    if args.memo is None:
        raise InputError(
            "XPB-I04", name="memo", value="missing", rule=plain("One memo is checked"), remedy=plain("Name the file")
        )
    report = verify(
        args.memo,
        key=args.key,
        ledger=args.ledger,
        witness=args.witness,
        full=args.full,
        stamp=args.stamp,
        tsa_ca=args.tsa_ca,
    )
    if args.text:
        return _traced(args, report)
    answer(args, report.to_dict(), str(report))
    return report.exit_code


def _traced(args: argparse.Namespace, report: Any) -> int:
    """Whether each number of a text is one of the memo's, where the memo itself holds."""
    from xpbench.memo.verification import renderer
    from xpbench.verifier import trace_memo, traced_text

    if not report.holds:
        answer(args, report.to_dict(), str(report))
        return int(report.exit_code)
    found = trace_memo(_text_of(args.text), args.memo, renderer=renderer())
    value = {**report.to_dict(), "text": [t.to_dict() for t in found]}
    answer(args, value, f"{report.verdict}: {report.reason}\n{traced_text(found)}")
    return 1 if any(not t.ok for t in found) else int(report.exit_code)


def _text_of(path: str) -> str:
    """The text of a file.

    Raises:
        InputError: `XPB-I04`, it can't be read.
    """
    from pathlib import Path

    from xpbench.errors import InputError, plain

    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(
            "XPB-I04",
            name=plain("--text"),
            value=path,
            rule=plain("A text is a file in UTF-8"),
            remedy=plain("Name a file that can be read"),
        ) from None
