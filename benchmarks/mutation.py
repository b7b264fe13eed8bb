"""Faults planted in `xpbench/stats`, one at a time: how many do the tests notice?

    python -m benchmarks.mutation --sample 60 --write mutation      all modules; also the table of docs/proof/statistics.md
    python -m benchmarks.mutation --files cuped fieller --sample 60

Every fault is one change of an operator, a number, a comparison or a branch in the syntax tree of one module. A seeded
random sample of all possible faults of a module is tried, each in a process of its own that loads the changed module and
runs the tests of that module, stopping at the first that fails. A fault counts as noticed when a test fails, or when the
tests need many times their usual processor time. Messages, docstrings and annotations are left alone.

The processes are forks of one that has loaded pytest and the libraries, but nothing of xpbench; plugins of pytest that the
tests of the statistics do not need stay out, and a counter-example is not made smaller, so that a fault takes about a second.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import math
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

TESTS: dict[str, list[str]] = {
    "arguments": ["multipliers", "multiplicity", "srm", "quantiles"],
    "batch_cuped": ["batch", "cuped"],
    "designs": ["designs", "planning", "spending"],
    "fieller": ["fieller", "inference", "pairs"],
    "marginals": ["bayes"],
    "roots": ["proportion", "spending"],
}
"""Tests of a module, where they are not in the file of its name."""

MARK, END = "<!-- mutation -->", "<!-- end of mutation -->"
PAGE = ROOT / "docs/proof/statistics.md"

COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
FLIP: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
HEAVY = (
    "hypothesis.strategies", "pytest", "pandas", "duckdb", "narwhals", "tea_tasting",
    "scipy.integrate", "scipy.optimize", "scipy.stats.mstats", "statsmodels.api", "statsmodels.stats.api",
)  # fmt: skip
"""Loaded once, before the first fault."""
OPTIONS = ["-x", "-q", "--assert=plain", "-pno:cacheprovider", "-pno:unraisableexception", "-pno:threadexception"]
"""Nothing that only explains a failure, and no collection of garbage after each test."""

NAMES = {"max": "min", "min": "max", "any": "all", "all": "any", "maximum": "minimum", "minimum": "maximum", "ndtr": "ndtri"}


def _skipped(tree: ast.Module) -> set[int]:
    """Nodes inside annotations, docstrings, imports, messages of errors and decorators."""
    out: set[int] = set()

    def drop(node: ast.AST | None) -> None:
        if node is not None:
            out.update(id(n) for n in ast.walk(node))

    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            drop(node.returns)
            for argument in [*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]:
                if argument is not None:
                    drop(argument.annotation)
            for decorator in node.decorator_list:
                drop(decorator)
        elif isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                drop(decorator)
        elif isinstance(node, ast.AnnAssign):
            drop(node.annotation)
        elif isinstance(node, (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)):
            drop(node)
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id[0].isupper() for t in node.targets):
            if isinstance(node.value, ast.Subscript):  # a name for a type
                drop(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("refuse", "TypeVar", "cast"):
            drop(node)
    return out


def _changes(node: ast.AST) -> Iterator[Callable[[Any], None]]:
    """Ways to spoil one node, each a function that changes a copy of it."""
    if isinstance(node, ast.Compare):
        for at, op in enumerate(node.ops):
            for table in (COMPARE, FLIP):
                if (other := table.get(type(op))) is not None:
                    yield lambda n, at=at, other=other: n.ops.__setitem__(at, other())
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and (found := ARITHMETIC.get(type(node.op))) is not None:
        yield lambda n: setattr(n, "op", found())
    elif isinstance(node, ast.BoolOp):
        yield lambda n: setattr(n, "op", ast.And() if isinstance(n.op, ast.Or) else ast.Or())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield lambda n: n.__dict__.update(op=ast.UAdd() if isinstance(n.op, ast.USub) else n.op, operand=_inner(n))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield lambda n: setattr(n, "value", not n.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield lambda n: setattr(n, "value", n.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield lambda n: setattr(n, "value", n.value * 1.5 if n.value else 1.0)
    elif isinstance(node, ast.IfExp):
        yield lambda n: n.__dict__.update(body=n.orelse, orelse=n.body)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield lambda n: setattr(n.func, "id", NAMES[n.func.id])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NAMES:
        yield lambda n: setattr(n.func, "attr", NAMES[n.func.attr])
    elif isinstance(node, ast.If):
        yield lambda n: setattr(n, "test", ast.Constant(False))


def _inner(node: ast.UnaryOp) -> ast.expr:
    return ast.UnaryOp(ast.Not(), node.operand) if isinstance(node.op, ast.Not) else node.operand


def sites(tree: ast.Module) -> list[tuple[int, int]]:
    """Every fault of a module: position of the node in `ast.walk`, and which of its changes."""
    skipped = _skipped(tree)
    return [(at, k) for at, node in enumerate(ast.walk(tree)) if id(node) not in skipped for k, _ in enumerate(_changes(node))]


def spoil(tree: ast.Module, site: tuple[int, int]) -> tuple[str, str]:
    """One fault: `line: before -> after`, and the changed source."""
    at, k = site
    node, other = list(ast.walk(tree))[at], copy.deepcopy(tree)
    spoiled = list(ast.walk(other))[at]
    list(_changes(spoiled))[k](spoiled)
    ast.fix_missing_locations(other)
    before, after = (ast.unparse(n).split("\n", 1)[0] for n in (node, spoiled))
    return f"{node.lineno}: {before}  ->  {after}", ast.unparse(other)  # type: ignore[attr-defined]


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads one module from another source; nothing compiled is read or kept."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        super().__init__(name, str(path))
        self.source = source

    def get_data(self, path: str) -> bytes:  # type: ignore[override]
        if not path.endswith(".py"):
            raise OSError
        return self.source.encode()

    def set_data(self, path: str, data: Any, **more: Any) -> None:
        return


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module by its loader."""

    def __init__(self, loader: _Loader) -> None:
        self.loader = loader

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != self.loader.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.loader.path, loader=self.loader)


class _Plain:
    """A plugin of pytest: properties look for a counter-example, and do not make it smaller."""

    def pytest_sessionstart(self) -> None:
        from hypothesis import Phase, settings

        settings.register_profile("mutation", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutation")


def noticed(module: str, source: str, tests: list[str], limit: float) -> tuple[str, float]:
    """`failed`, `survived` or `time limit`, from a process of its own, and its processor time in seconds."""
    name = f"xpbench.stats.{module}"
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(limit), math.ceil(limit) + 1))
            loader = _Loader(name, ROOT / f"xpbench/stats/{module}.py", source)
            for held in [m for m in sys.modules if m.partition(".")[0] in ("xpbench", "tests")]:
                del sys.modules[held]
            sys.meta_path.insert(0, _Finder(loader))
            import pytest

            code = int(pytest.main([*OPTIONS, *tests], plugins=[_Plain()]))
            used = getattr(sys.modules.get(name), "__loader__", None)
            os._exit(code if code or used is loader else 9)  # a pass counts only where the changed module was in use
        os._exit(9)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    found = "survived" if code == 0 else "time limit" if -code in (signal.SIGXCPU, signal.SIGKILL) else "failed"
    return found, used.ru_utime + used.ru_stime


def table(held: dict[str, Any]) -> str:
    """Markdown table: a row for each module, tried or not, and the sum of those that were."""
    rows = ["| module | possible faults | tried | noticed | left | score | commit |", "|---|---|---|---|---|---|---|"]
    total = [0, 0, 0, 0]
    for name in modules():
        row = held["modules"].get(name)
        if row is None:
            rows.append(f"| `{name}` | | | | | not tried | |")
            continue
        if not row["faults"]:
            rows.append(f"| `{name}` | 0 | | | | only names | {row['commit']} |")
            continue
        counts = [row["faults"], row["tried"], row["failed"] + row["time limit"], row["survived"]]
        total = [a + b for a, b in zip(total, counts, strict=True)]
        rows.append(f"| `{name}` | {' | '.join(f'{v:,}' for v in counts)} | {row['score']:.0%} | {row['commit']} |")
    share = f"{total[2] / total[1]:.0%}" if total[1] else ""
    rows.append(f"| **sum** | {' | '.join(f'**{v:,}**' for v in total)} | **{share}** | |")
    return "\n".join(rows)


def in_page(page: str, held: dict[str, Any]) -> str:
    """The page with the table of the result between its two marks."""
    head, _, rest = page.partition(MARK)
    _, _, tail = rest.partition(END)
    return f"{head}{MARK}\n\n{table(held)}\n\n{END}{tail}"


def modules() -> list[str]:
    """Names of all modules of the statistics."""
    return sorted(p.stem for p in (ROOT / "xpbench/stats").glob("*.py") if p.stem != "__init__")


def main() -> None:
    """Try faults module by module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", nargs="*", default=modules())
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", metavar="NAME", help="add to benchmarks/results/NAME.json")
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ["CI"] = "1"  # the properties look at the same cases each time
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path.insert(0, str(ROOT))
    with contextlib.redirect_stdout(io.StringIO()):  # load what takes long once; the children only add xpbench
        for heavy in HEAVY:
            importlib.import_module(heavy)
    gc.freeze()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    for module in options.files:
        source = (ROOT / f"xpbench/stats/{module}.py").read_text()
        tests = [f"tests/stats/test_{t}.py" for t in TESTS.get(module, [module])]
        plain, usual = noticed(module, source, tests, 600)
        if plain != "survived":
            print(module, "is not tried: its own tests", plain)
            continue
        tree = ast.parse(source)
        every = sites(tree)
        chosen = random.Random(f"{options.seed}:{module}").sample(every, min(options.sample, len(every)))
        found = {"failed": 0, "time limit": 0, "survived": 0}
        left, seconds = [], 0.0
        for site in chosen:
            change, spoiled = spoil(tree, site)
            result, took = noticed(module, spoiled, tests, 5 + 5 * usual)
            found[result] += 1
            seconds += took
            if result == "survived":
                left.append(change)
        score = 1 - found["survived"] / len(chosen) if chosen else 1.0
        row = {"faults": len(every), "tried": len(chosen), **found, "score": round(score, 3), "cpu_seconds": round(seconds)}
        row |= {"tests": tests, "seed": options.seed, "commit": commit, "left": left}
        print(module, json.dumps({k: v for k, v in row.items() if k not in ("left", "tests")}), *left, sep="\n  ", flush=True)
        if options.write:
            _keep(options.write, module, row)


def _keep(name: str, module: str, row: dict[str, Any]) -> None:
    """The row into the result, and the table of the result into the page."""
    from benchmarks.report import header

    path = ROOT / f"benchmarks/results/{name}.json"
    held = json.loads(path.read_text()) if path.exists() else {"modules": {}}
    held |= header(f"python -m benchmarks.mutation --write {name}", ("pytest", "hypothesis", "statsmodels", "tea-tasting"))
    held["modules"][module] = row
    held["modules"] = dict(sorted(held["modules"].items()))
    path.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(in_page(PAGE.read_text(), held))


if __name__ == "__main__":
    main()
