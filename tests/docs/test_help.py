"""Every command and subcommand tells what it does, and every message of the catalogue is shown as a person meets it."""

from __future__ import annotations

import argparse
import html
import re
import string

import pytest

from scripts.every_page import every_command
from xpbench.cli import build_parser, main
from xpbench.commands.output import tell
from xpbench.errors import CATALOGUE, InputError, Problem, plain
from xpbench.forms.field import problem_lines
from xpbench.forms.plain_problems import in_words

ALL = dict(every_command(build_parser()))


def test_there_are_nested_commands() -> None:
    assert ("ledger", "verify") in ALL
    assert len(ALL) > 25


@pytest.mark.parametrize("path", list(ALL), ids=" ".join)
def test_help_is_printed(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*path, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: xpbench " + " ".join(path))
    assert len(ALL[path].description or "") > 10


@pytest.mark.parametrize("path", list(ALL), ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    for action in ALL[path]._actions:
        if not isinstance(action, argparse._SubParsersAction) and action.help != argparse.SUPPRESS:
            assert action.help, f"{' '.join(path)}: {action.dest}"


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_message_on_the_terminal_and_in_a_form(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it on one line, with hostile values told and not obeyed."""
    names = {name for part in CATALOGUE[code] for _, name, _, _ in string.Formatter().parse(part) if name}
    error = InputError(code, **dict.fromkeys(names, "<b>\x1b[31mx\ny"))
    assert tell(error, as_json=False) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert said.rstrip().endswith(f"[{code}]")
    line = problem_lines([Problem("/key", code, error.what, error.rule, error.remedy)])
    assert "<b>" not in line
    assert "\x1b" not in line
    assert f'title="{code}"' in line  # the code is there for who asks, and not in the sentence
    sentence = html.unescape(re.sub(r"<[^>]+>", " ", line))
    assert code not in sentence
    problem = Problem("/key", code, error.what, error.rule, error.remedy)
    assert in_words(problem) in sentence
    if not code.startswith("XPB-P"):  # messages about plans have words of their own in the form
        assert html.escape(str(error).removesuffix(f" [{code}]")) in line
    assert error.to_dict() == {"code": code, "what": error.what, "rule": error.rule, "remedy": error.remedy}


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_message_reads_as_sentences(code: str) -> None:
    """What, rule and remedy each begin as a sentence and end as one."""
    names = {name for part in CATALOGUE[code] for _, name, _, _ in string.Formatter().parse(part) if name}
    text = str(InputError(code, **{n: plain("Word") for n in names}))
    assert ".." not in text.replace("...", "").replace("…", "")
    assert "  " not in text
    assert text[0].isupper() or not text[0].isalpha() or text.startswith(("plan.json", "xpbench"))
