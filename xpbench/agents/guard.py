"""Code that reads outcomes of a sealed experiment outside xpbench, named by file, line and column.

It reads code and never runs it: Python by its syntax tree, notebooks cell by cell, SQL by its words. What it finds is a name:
an outcome column or event of a sealed experiment in a file that reads tables by itself. It does not see names that are
computed, `SELECT *`, other languages, or a table read elsewhere; and a column that is called the same in another table is named
as well. It keeps honest people and programs honest, and stops nobody.

`%load_ext xpbench.agents.guard` looks at each cell of a notebook before it runs, and warns.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.errors import InputError, number_of, shown
from xpbench.experiment.listing import sealed_plans
from xpbench.experiment.outcomes import outcome_columns, outcome_events
from xpbench.ledger.clock import Clock, system_clock
from xpbench.plan import Plan

ENDINGS = (".py", ".ipynb", ".sql")
SKIPPED = {"node_modules", "site-packages", "__pycache__", "build", "dist", "venv"}
LARGEST = 5_000_000
"""Bytes of a file that is still read."""
LIMITS = (
    "Names that are computed, SELECT *, other languages and tables read elsewhere escape it; a column of the same name in "
    "another table is named as well."
)

_READERS = re.compile(
    r"(read_(csv|parquet|json|ndjson|table|sql\w*|excel|feather|orc|ipc|database\w*)|scan_(csv|parquet|ndjson|ipc)|ParquetFile"
    r"|ParquetDataset|dataset|execute|query|sql|table|open|load_dataset|read)\Z"
)
_OURS = re.compile(r"(xp|xpbench)\Z")
_METHODS = {"readout", "peek", "health", "summarize", "reproduce", "decide", "with_baselines"}
_SELECT = re.compile(r"\bselect\b.*\bfrom\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """One place.

    Attributes:
        path: The file.
        line: Its line, from 1; in a notebook the line of the cell.
        cell: Number of the cell, from 1; 0 outside notebooks.
        name: The outcome column or event.
        key: The sealed experiment.
    """

    path: str
    line: int
    cell: int
    name: str
    key: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        where = f"{self.path}, cell {self.cell}, line {self.line}" if self.cell else f"{self.path}:{self.line}"
        return f"{where}: reads {shown(self.name)}, an outcome of {self.key}, which is sealed. Use xpbench readout {self.key}."


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What was found, in how many files, and which could not be read."""

    findings: tuple[GuardFinding, ...]
    files: int
    sealed: tuple[str, ...]
    unread: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "findings": [f.to_dict() for f in self.findings],
            "files": self.files,
            "sealed": list(self.sealed),
            "unread": list(self.unread),
            "limits": LIMITS,
        }

    def __str__(self) -> str:
        lines = [f"▲ {f}" for f in self.findings]
        lines += [f"△ {shown(name)} can't be read as code and was not looked at." for name in self.unread]
        files, sealed = number_of(self.files, "file"), number_of(len(self.sealed), "sealed experiment")
        found = number_of(len(self.findings), "place reads", "places read") if self.findings else "No place reads"
        return "\n".join([*lines, f"{found} an outcome outside xpbench, in {files}, for {sealed}. {LIMITS}"])


def guard(paths: Iterable[str | Path], *, root: str | Path = "experiments", clock: Clock = system_clock) -> GuardReport:
    """Places in code that read an outcome of a sealed experiment outside xpbench.

    Args:
        paths: Files, or folders that are searched for Python, SQL and notebooks.
        root: Folder of all experiments.
        clock: Where the time comes from.

    Raises:
        InputError: `XPB-I01`, a path does not exist: nothing found there would say that all is well.
    """
    given = [Path(p) for p in paths]
    for path in given:
        if not path.exists():
            raise InputError("XPB-I01", path=str(path))
    plans = sealed_plans(root, clock=clock)
    names = _names(plans)
    found: list[GuardFinding] = []
    unread: list[str] = []
    count = 0
    for path in _files(given):
        count += 1
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError("too large")
            found += list(_in_file(path, names))
        except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            unread.append(str(path))
    return GuardReport(tuple(found), count, tuple(p.key for p in plans), tuple(unread))


def _names(plans: Sequence[Plan]) -> dict[str, str]:
    """The experiment by the name of each of its outcomes."""
    out: dict[str, str] = {}
    for plan in plans:
        for name in outcome_columns(plan) | outcome_events(plan):
            out.setdefault(name, plan.key)
    return out


def _files(paths: Iterable[str | Path]) -> Iterator[Path]:
    seen = set()
    for given in map(Path, paths):
        inside = [given] if given.is_file() else sorted(given.rglob("*")) if given.is_dir() else []
        for path in inside:
            parts = path.relative_to(given).parts if given.is_dir() else ()
            hidden = any(p.startswith(".") or p in SKIPPED for p in parts)
            if path.suffix in ENDINGS and not hidden and path.is_file() and path not in seen:
                seen.add(path)
                yield path


def _in_file(path: Path, names: dict[str, str]) -> Iterator[GuardFinding]:
    if not names:
        return
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".sql":
        for line, name in _in_sql(text, names):
            yield GuardFinding(str(path), line, 0, name, names[name])
    elif path.suffix == ".py":
        for line, name in in_code([text], names)[0]:
            yield GuardFinding(str(path), line, 0, name, names[name])
    else:
        cells = [
            ("".join(c.get("source", "")), i) for i, c in enumerate(json.loads(text)["cells"], 1) if c["cell_type"] == "code"
        ]
        for (_, cell), places in zip(cells, in_code([_without_magics(source) for source, _ in cells], names), strict=True):
            for line, name in places:
                yield GuardFinding(str(path), line, cell, name, names[name])


def _without_magics(source: str) -> str:
    """A cell without lines of IPython's own; a cell of SQL becomes a text that is looked at as such."""
    first, _, rest = source.partition("\n")
    if re.match(r"\s*%%\s*(sql|bigquery|duckdb)\b", first):
        return f"__sql__(\n{rest!r})" if rest else ""
    if first.lstrip().startswith("%%"):
        return ""
    return "\n".join("pass" if re.match(r"\s*[%!?]", line) else line for line in source.split("\n"))


def in_code(sources: Sequence[str], names: dict[str, str]) -> list[list[tuple[int, str]]]:
    """Line and name of each outcome that Python reads, for every piece of code that runs in one process.

    A name counts where any piece reads a table by itself: the frame of one cell is used in the next.

    Args:
        sources: Pieces of code; a piece that is no Python is left out.
        names: What to look for.

    Raises:
        SyntaxError: the only piece is no Python.
    """
    trees: list[ast.Module | None] = []
    for source in sources:
        try:
            trees.append(ast.parse(source))
        except (SyntaxError, ValueError):
            if len(sources) == 1:
                raise
            trees.append(None)
    reads = any(_reads(tree) for tree in trees if tree is not None)
    return [[] if tree is None else sorted(set(_places(tree, names, reads))) for tree in trees]


def _reads(tree: ast.AST) -> bool:
    """Whether code reads a table by other means than xpbench."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not _is_ours(node):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if _READERS.match(name):
                return True
    return False


def _is_ours(call: ast.Call) -> bool:
    """Whether a call is one of xpbench's, so that its arguments may name outcomes."""
    at: ast.expr = call.func
    if isinstance(at, ast.Attribute) and at.attr in _METHODS:
        return True
    while isinstance(at, ast.Attribute):
        at = at.value
    return isinstance(at, ast.Name) and bool(_OURS.match(at.id))


def _places(tree: ast.AST, names: dict[str, str], reads: bool) -> Iterator[tuple[int, str]]:
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Call) and _is_ours(node):
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if reads and node.value in names:
                yield node.lineno, node.value
            elif len(node.value) > 10 and _SELECT.search(node.value):
                for offset, name in _in_sql(node.value, names):
                    yield node.lineno + offset - 1, name
        elif isinstance(node, ast.Attribute) and reads and node.attr in names:
            yield node.lineno, node.attr
        stack.extend(ast.iter_child_nodes(node))


def _in_sql(text: str, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(re.sub(r"--[^\n]*", "", text).split("\n"), 1):
        for name in names:
            if re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", line):
                yield number, name


def load_ipython_extension(shell: Any, root: str | Path = "experiments") -> None:
    """Warn before each cell that reads an outcome of a sealed experiment; called by `%load_ext xpbench.agents.guard`."""
    before: list[str] = []

    def look(info: Any) -> None:
        source = _without_magics(str(getattr(info, "raw_cell", "") or ""))
        names = _names(sealed_plans(root))
        before.append(source)
        for _, name in in_code([*before, ""], names)[len(before) - 1]:
            sys.stderr.write(
                f"▲ This cell reads {shown(name)}, an outcome of {names[name]}, which is sealed. Use "
                f"xp.open_experiment({names[name]!r}).readout(...); an early look needs peek(reason=...).\n"
            )

    shell.events.register("pre_run_cell", look)
    shell._xpbench_guard = look  # so that it can be taken away again


def unload_ipython_extension(shell: Any) -> None:
    """Stop warning."""
    look = getattr(shell, "_xpbench_guard", None)
    if look is not None:
        shell.events.unregister("pre_run_cell", look)
        del shell._xpbench_guard
