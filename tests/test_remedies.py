"""A remedy that names an argument of Python names its twin on the command line, or no command comes to that place."""

from __future__ import annotations

import argparse
import ast
import re
from pathlib import Path

import pytest

import xpbench
from xpbench.cli import build_parser

ARGUMENT = re.compile(r"(?<![\w.\-])[a-z][a-z_]*=(?!=)|\bxp\.\w+\(|(?<![\w.])(?:peek|readout|publish)\(")
"""An argument by its name, or a call, as a sentence of a message writes it."""
TWIN = re.compile(r"--[a-z][\w-]*|\bxpbench [a-z]+")
PARTS = {"remedy", "hint"}

PYTHON_ONLY = {
    "Hand over the data: readout(source), or moments of experiment.summarize(source)": "a command reads the data itself",
    "Use readout(...) or peek(reason=...); for another experiment's table pass root=None": "`xpbench explore` needs no root",
    'Write xp.EventSchema(event="name of the column", time=…)': "the command line makes the schema itself, from --schema",
    "Use formulas='escape', or another id": "the command line always escapes",
    "Give conditions={group: 'SQL condition'}": "SQL with conditions is made in Python alone",
    "Publish without flag=True, or set assignment.hash to mixpanel before registering": "`xpbench sync` makes no such flag",
    "Give the log's format and names in exposure=": "the command line reads the format from the log",
    "Raise the limit or read with fewer threads: xp.DuckDB(memory_limit=…, threads=…)": "a session is configured in Python",
    "Choose a path on a local disk with outbox=, or give this process the right to write there": (
        "the tracker lives in a program"
    ),
    "Set XPBENCH_STATE to a folder that this process may write, or give outbox= a path": "the tracker lives in a program",
    "Give mixpanel=mixpanel.Mixpanel(token, …) or the project token as text": "the tracker lives in a program",
    "Add experiment= to the call": "the tracker lives in a program",
    "Make it with local_flags_config or remote_flags_config, and name one with evaluate= where it has both": (
        "the tracker lives in a program"
    ),
    'Use sender="thread", or mixpanel.Consumer and a path': "the tracker lives in a program",
    "Write each variant in one way, or say in Python with xp.units(…, variants=…) which are meant as one": "it says so",
    "Say which is which, such as xp.units(table, variant=, variants={'A': , …})": (
        "the command line takes the names in the table; the plan's variants can be named like them"
    ),
}
"""Remedies without a twin, and why no command needs one."""


def words(node: ast.AST) -> str:
    """The text of a literal, with nothing where a value is put in."""
    return "".join(n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def remedies() -> dict[str, str]:
    """Every remedy and hint in the source, by its text; the place of each."""
    found = {}
    for path in sorted(Path(xpbench.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                if getattr(node.func, "id", "") == "Message" and len(node.args) == 3:
                    found[words(node.args[2])] = f"{path.name}:{node.lineno}"
                for given in node.keywords:
                    if given.arg in PARTS:
                        found[words(given.value)] = f"{path.name}:{node.lineno}"
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in PARTS | {"how"}:
                found[words(node.value)] = f"{path.name}:{node.lineno}"
    return found


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Every option and command of the command line."""
    out = set()
    for action in parser._actions:
        out |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                out |= {f"xpbench {name}"} | options(inner)
    return out


def test_the_walk_finds_remedies() -> None:
    found = remedies()
    assert len(found) > 150
    assert sum(bool(ARGUMENT.search(text)) for text in found) > 20


def test_a_remedy_of_python_has_its_twin_on_the_command_line() -> None:
    alone = {
        f"{place}: {text}"
        for text, place in remedies().items()
        if ARGUMENT.search(text) and not TWIN.search(text) and text not in PYTHON_ONLY
    }
    assert alone == set()


def test_what_is_excused_is_still_there() -> None:
    assert PYTHON_ONLY.keys() - remedies().keys() == set()


def test_a_remedy_names_options_and_commands_that_exist() -> None:
    known = options(build_parser())
    named = {twin: text for text in remedies() for twin in TWIN.findall(text)}
    spoken = {"xpbench in", "xpbench make"}  # the name in a sentence, and no command
    assert {twin: text for twin, text in named.items() if twin not in known | spoken} == {}


@pytest.mark.parametrize(
    ("text", "is_python"),
    [("Give by=...", True), ("Use xp.units(…)", True), ("Set data.missing: zero", False), ("a == b", False), ("--x a=b", True)],
)
def test_an_argument_is_told_from_a_field_of_a_plan(text: str, is_python: bool) -> None:
    assert bool(ARGUMENT.search(text)) == is_python
