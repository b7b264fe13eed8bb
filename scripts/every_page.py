"""Everything that the pages promise, tried with the interpreter that runs this, in empty folders.

    python scripts/every_page.py                       all four, with the xpbench that this Python has installed
    python scripts/every_page.py snippets messages     these
    python scripts/every_page.py --json                the answer as JSON, for scripts/stranger.py

snippets   every Python block of README and docs, page by page, top to bottom
notebooks  every notebook, from its first cell to its last (needs nbclient, which JupyterLab brings)
commands   every command and subcommand with --help
messages   every message of the error catalogue, as the terminal shows it
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECONDS = 1800
"""A page or notebook that takes longer has failed."""

Found = dict[str, str]
"""Page, notebook, command or code → nothing where it is as it should be, else what is wrong."""


def pages() -> list[Path]:
    """README and every page of docs/."""
    return sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def run_page(page: Path, folder: Path, *, environment: dict[str, str] | None = None) -> str:
    """Run a page's Python blocks as one script in a folder; the end of its error, or nothing."""
    script = folder / "snippets.py"
    script.write_text("\n".join(BLOCK.findall(page.read_text("utf-8"))), "utf-8")
    command = [sys.executable, "-W", "ignore", str(script)]
    done = subprocess.run(
        command, cwd=folder, env=environment or _bare(), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return "" if done.returncode == 0 else done.stderr[-3000:] or f"exit {done.returncode}"


def snippets() -> Found:
    """Every page with Python blocks, each in a folder of its own."""
    out = {}
    for page in pages():
        if BLOCK.search(page.read_text("utf-8")):
            with tempfile.TemporaryDirectory() as folder:
                out[page.relative_to(ROOT).as_posix()] = run_page(page, Path(folder))
    return out


def notebooks() -> Found:
    """Every notebook, run in a copy of its folder."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    out = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as scratch:
            folder = shutil.copytree(path.parent, Path(scratch) / "notebooks")
            notebook = nbformat.read(path, as_version=4)
            client = NotebookClient(
                notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
            )
            try:
                client.execute()
                out[path.name] = ""
            except CellExecutionError as error:
                out[path.name] = str(error)[-3000:]
    return out


def every_command(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Commands and subcommands with their parsers; the first is `xpbench` itself."""
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from every_command(inner, (*path, name))


def commands() -> Found:
    """Every command with `--help`: it exits with 0, names itself, and says what it is for."""
    from xpbench.cli import build_parser, main

    out = {}
    for path, parser in every_command(build_parser()):
        name = " ".join(("xpbench", *path))
        said = io.StringIO()
        code: object = "no exit"
        with contextlib.redirect_stdout(said):
            try:
                main([*path, "--help"])
            except SystemExit as ended:
                code = ended.code
        is_good = code == 0 and said.getvalue().startswith(f"usage: {name}") and len(parser.description or "") > 10
        out[name] = "" if is_good else f"exit {code}: {said.getvalue()[:200]}"
    return out


def messages() -> Found:
    """Every message of the catalogue on the terminal: one line that ends with its code, and exit 2."""
    from xpbench.commands.output import tell
    from xpbench.errors import CATALOGUE, InputError, plain

    out = {}
    for code in sorted(CATALOGUE):
        names = {name for part in CATALOGUE[code] for _, name, _, _ in string.Formatter().parse(part) if name}
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            answer = tell(InputError(code, **{name: plain("word") for name in names}), as_json=False)
        text = said.getvalue()
        is_good = answer == 2 and text.count("\n") == 1 and text.rstrip().endswith(f"[{code}]")
        out[code] = "" if is_good else text or f"exit {answer}"
    return out


PARTS: dict[str, Callable[[], Found]] = {
    "snippets": snippets,
    "notebooks": notebooks,
    "commands": commands,
    "messages": messages,
}


def _bare() -> dict[str, str]:
    """The environment without paths that would put another xpbench in front of the installed one."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


def main() -> int:
    """Run the parts asked for; 1 where something is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all if missing")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    found = {part: PARTS[part]() for part in options.parts or PARTS}
    wrong = {f"{part}: {name}": why for part, of in found.items() for name, why in of.items() if why}
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for part, of in found.items():
            print(f"{part}: {sum(not why for why in of.values())} of {len(of)}")
        for name, why in wrong.items():
            print(f"\n{name}\n{why}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
