"""`xpbench mcp | confirm | guard`: what assistants may do, what a person says for them, and code next to the seal."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path
from typing import Any

from xpbench.commands.output import DONE, NO, add_command, answer


def add_parsers(subparsers: Any) -> None:
    """Add the commands about assistants."""
    mcp = add_command(
        subparsers,
        "mcp",
        _mcp,
        help="tools for assistants over standard input and output, under the seal",
        description="A Model Context Protocol server over standard input and output. It opens no socket, and reads and writes "
        "in one folder only. Looks go on record as an agent's; a peek needs a reason.",
    )
    mcp.add_argument("--root", default=".", help="the one folder that it may read and write")
    mcp.add_argument("--experiments", default="experiments", help="folder of all experiments, inside that folder")
    mcp.add_argument("--for", dest="person", help="on whose behalf it acts; your login name if missing")
    mcp.add_argument("--allow-unconfirmed", action="store_true", help="register drafts that nobody has confirmed")
    mcp.add_argument("--allow-decide", action="store_true", help="also offer tools that decide and amend")
    mcp.add_argument(
        "--write-files", action="store_true", help="write AGENTS.md, llms.txt and a skill into the folder, and end"
    )

    confirm = add_command(subparsers, "confirm", _confirm, help="say that an assistant may register this draft as it is")
    confirm.add_argument("plan", help="plan file")
    confirm.add_argument("--root", default="experiments", help="folder of all experiments")
    confirm.add_argument("--by", help="who confirms; your login name if missing")

    guard = add_command(
        subparsers,
        "guard",
        _guard,
        help="name code that reads outcomes of a sealed experiment outside xpbench",
        description="Looks through Python, SQL and notebooks for outcome columns and events of sealed experiments that are "
        "read outside xpbench. It reads the code and does not run it: computed names and other languages escape it. Exit 1 "
        "where it found something.",
    )
    guard.add_argument("paths", nargs="*", help="files or folders; this folder if missing")
    guard.add_argument("--root", default="experiments", help="folder of all experiments")


def _person(given: str | None) -> str:
    if given and given.strip():
        return " ".join(given.split())
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "a person who was not named"


def _mcp(args: argparse.Namespace) -> int:
    from xpbench.agents.root import Root

    root = Root(args.root, args.experiments)
    if args.write_files:
        from xpbench.agents.files import write_files

        written, kept = write_files(root)
        lines = [f"Written: {name}" for name in written]
        lines += [f"Kept as it is: {name}" for name in kept]
        answer(args, {"written": written, "kept": kept}, "\n".join(lines))
        return DONE
    from xpbench.agents.server import serve
    from xpbench.agents.tools import Desk

    serve(Desk(root, _person(args.person), allow_unconfirmed=args.allow_unconfirmed, allow_decide=args.allow_decide))
    return DONE


def _confirm(args: argparse.Namespace) -> int:
    from xpbench.experiment.confirming import confirm
    from xpbench.plan import load_plan

    plan = load_plan(args.plan)
    record = confirm(plan, args.root, by=_person(args.by))
    lines = [
        repr(plan),
        f"  If {plan.hypothesis.if_}, because {plan.hypothesis.because}",
        f"  Digest {record['digest']}",
        f"Confirmed by {record['by']}: an assistant may register this draft as it is. A changed draft needs another.",
    ]
    answer(args, record, "\n".join(lines))
    return DONE


def _guard(args: argparse.Namespace) -> int:
    from xpbench.agents.guard import guard

    report = guard([Path(p) for p in args.paths or ["."]], root=args.root)
    answer(args, report.to_dict(), str(report))
    return NO if report.findings else DONE
