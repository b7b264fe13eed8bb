"""The public face has types: a wrong call is an error for a checker, and completion offers the public names alone."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import xpbench as xp

ROOT = Path(__file__).resolve().parents[1]
WRONG = {
    'xp.register(xp.load_plan("p.json"), rooot="x")': "rooot",
    'xp.register(xp.load_plan("p.json")).nonsense(1)': "nonsense",
    "xp.nonsense": "nonsense",
    'xp.assign(xp.load_plan("p.json"))': "unit_ids",
}


def test_the_stub_names_what_the_package_gives() -> None:
    """`__init__.pyi` and the names that load on first use are one list, each from the same module."""
    stub = ast.parse((ROOT / "xpbench" / "__init__.pyi").read_text("utf-8"))
    named = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert set(named) == set(xp.__all__) - {"__version__"}
    for name, (module, inner) in named.items():
        assert module is not None
        assert getattr(sys.modules.get(module) or __import__(module, fromlist=["x"]), inner) is getattr(xp, name)


def test_completion_offers_the_public_names_and_nothing_else() -> None:
    assert dir(xp) == sorted(set(xp.__all__) - {"__version__"})
    assert "forest" in dir(xp.views if hasattr(xp, "views") else __import__("xpbench.views", fromlist=["x"]))


@pytest.mark.slow
def test_a_checker_refuses_wrong_calls_and_passes_right_ones(tmp_path: Path) -> None:
    lines = [*WRONG, 'xp.register(xp.load_plan("p.json"), root="x").readout(xp.units("u.csv"))']
    probe = tmp_path / "probe.py"
    probe.write_text("import xpbench as xp\n" + "\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), str(probe)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {int(line.split(":")[1]): line for line in done.stdout.splitlines() if "probe.py:" in line and ": error" in line}
    for number, word in enumerate(WRONG.values(), start=2):
        assert word in found.get(number, ""), done.stdout
    assert len(lines) + 1 not in found, done.stdout


def test_a_plan_shows_its_fields_with_a_line_each() -> None:
    """`xp.Plan?` shows this signature and this text; pydantic's own are thousands of characters of annotations."""
    signature, text = str(inspect.signature(xp.Plan)), xp.Plan.__doc__ or ""
    assert len(signature) < 500
    assert "Annotated" not in signature + text
    for name, field in xp.Plan.model_fields.items():
        shown = field.alias or name
        assert re.search(rf"\b{shown}\b", signature)
        assert re.search(rf"(?m)^    {shown}: \S.*\.$", text), shown
    assert "hypothesis: Hypothesis (required). If (change), then (claims), because (reason)." in text
    assert "segments: list of text. Properties or columns declared in advance." in text


@pytest.mark.parametrize(
    "code",
    [
        "from xpbench.assign import sql, buckets; import xpbench as xp",
        "import xpbench as xp; from xpbench.assign.hashing import fnv1a64",
        "import xpbench as xp; xp.assign; import xpbench.assign.native; from xpbench.assign import assign",
        "from xpbench.mixpanel.commands import events_of; import xpbench as xp",
    ],
)
def test_old_names_warn_and_leave_the_public_function_alone(code: str) -> None:
    use = "; import types; assert isinstance(xp.assign, types.FunctionType) and xp.assign.__name__ == 'assign'"
    done = subprocess.run([sys.executable, "-W", "always", "-c", code + use], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "DeprecationWarning: xpbench." in done.stderr
