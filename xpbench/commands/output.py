"""How every command answers: words or JSON on standard output, errors on standard error, exit code 0, 1 or 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from xpbench.errors import XpbenchError
from xpbench.outward import json_text, one_line, terminal

DONE, NO, BAD_INPUT = 0, 1, 2

Run = Callable[[argparse.Namespace], int]


def add_command(subparsers: Any, name: str, run: Run, *, help: str, description: str | None = None) -> argparse.ArgumentParser:  # noqa: A002
    """A command with `--json`, bound to its function."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=help, description=description or help)
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(run=run)
    return parser


def answer(args: argparse.Namespace, value: Any, text: str) -> None:
    """Print the value as JSON where asked for, else the text."""
    if getattr(args, "json", False):
        print(json_text(value))
    else:
        print(terminal(text))


def tell(error: XpbenchError, *, as_json: bool) -> int:
    """Print an error and return the exit code for bad input."""
    if as_json:
        print(json_text({"error": error.to_dict()}))
    problems = getattr(error, "problems", None)
    lines = [f"▲ {p.placed}" for p in problems] if problems else [f"▲ {error}"]
    print(terminal("\n".join(lines)), file=sys.stderr)
    return BAD_INPUT


def note(text: str) -> None:
    """One line on standard error, next to the answer."""
    print(terminal(text), file=sys.stderr)


def progress_line(stage: Any) -> None:
    """One stage of work on standard error, in place, where that is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K  {one_line(stage.name)} …", end="", file=sys.stderr, flush=True)


def progress_done() -> None:
    """Clear the line of `progress_line`."""
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
