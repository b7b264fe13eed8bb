"""The command line: every command calls the same functions as the notebook.

Exit codes: 0 done, 1 the check says no, 2 bad input (`verify` adds 3: made by a newer version, 4: the numbers
hold and the page was not compared, 5: the numbers hold and the page was touched or there is none).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import signal
import sys
from collections.abc import Iterator, Sequence

from xpbench._version import __version__
from xpbench.commands.output import BAD_INPUT, tell
from xpbench.interrupts import INTERRUPTED, is_free, is_interruption, raise_terminated

ROOMS = (
    "xpbench.commands.demo",
    "xpbench.commands.plans",
    "xpbench.commands.review",
    "xpbench.commands.randomiser",
    "xpbench.commands.mixpanel",
    "xpbench.commands.relay",
    "xpbench.commands.planning",
    "xpbench.commands.past",
    "xpbench.commands.experiments",
    "xpbench.commands.watch",
    "xpbench.commands.verify",
    "xpbench.commands.ledger",
    "xpbench.commands.agents",
    "xpbench.commands.lab",
)
"""Modules that add commands, in the order in which `--help` lists them."""


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    parser = argparse.ArgumentParser(
        prog="xpbench",
        description="Plan an experiment before launch, see results when they are due, hand over a memo that verifies itself.",
    )
    parser.add_argument("--version", action="version", version=f"xpbench {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for room in ROOMS:
        importlib.import_module(room).add_parsers(subparsers)
    return parser


def _as_utf8(argument: str) -> str:
    """An argument that the locale of the process could not read, as the UTF-8 that shells of today send."""
    try:
        return argument.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8")
    except UnicodeError:
        return argument


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    as_json = False
    try:
        with _ended_by_signals():
            from xpbench.errors import XpbenchError

            for stream in (sys.stdout, sys.stderr):
                if hasattr(stream, "reconfigure"):
                    stream.reconfigure(encoding="utf-8", errors="replace")
            args = build_parser().parse_args([_as_utf8(a) for a in (sys.argv[1:] if argv is None else argv)])
            as_json = getattr(args, "json", False)
            try:
                return int(args.run(args))
            except XpbenchError as error:
                return tell(error, as_json=as_json)
    except KeyboardInterrupt:
        print("Cancelled; nothing half-written was left behind.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return BAD_INPUT
    except Exception as error:
        if not is_interruption(error):
            raise
        print("Cancelled; nothing half-written was left behind.", file=sys.stderr)
        return INTERRUPTED


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: what it has begun is cleaned up."""
    if not is_free():
        yield
        return
    before = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
