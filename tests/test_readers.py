"""Every function and command that reads a file, found by a walk: a name is a name, and what is wrong with a file is only shown.

A file whose name is a pattern, a format or an escape is that file, with others beside it that the pattern would match. A file
that is not there, or that holds what it should not, ends in an error of ours whose text steers no terminal.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.memo.making import decided
from tests.verifier.test_honest import PLAN
from xpbench.cli import build_parser, main
from xpbench.errors import XpbenchError

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    "a[1]",
    "a*",
    "a?",
    "a{b}",
    "a b%20#x",
    "{0.__class__}",
    "$HOME",
    "~a",
    "a'\"`;x",
    "אב",
    "a\x1b[31m",
    "a\u202eb",
    "%s%n",
)
"""Names of files that are patterns, formats, escapes or code elsewhere."""
DECOYS = ("a1", "ab", "ax", "a{b", "aa")
"""What a pattern among the names would match."""
LOG_PLAN: dict[str, Any] = {
    **PLAN,
    "unit": "distinct_id",
    "metrics": [{"key": "m", "kind": "count", "event": "Bought", "role": "primary", "direction": "increase"}],
}


def table_csv(path: Path) -> None:
    rng = np.random.default_rng(0)
    ids = [f"u{i}" for i in range(60)]
    which = np.where(np.arange(60) % 2, "beta", "control")
    pd.DataFrame({"id": ids, "variant": which, "m": rng.normal(5, 1, 60)}).to_csv(path, index=False)


def log_jsonl(path: Path) -> None:
    lines = []
    for i in range(40):
        at, own = 1767225600 + i * 60, {"distinct_id": f"u{i}", "$insert_id": f"i{i}"}
        shown = {"Experiment name": "honest", "Variant name": "beta" if i % 2 else "control"}
        lines.append({"event": "$experiment_started", "properties": {**own, "time": at, **shown}})
        lines.append({"event": "Bought", "properties": {**own, "$insert_id": f"b{i}", "time": at + 3600}})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")


def plan_json(path: Path) -> None:
    path.write_text(json.dumps(PLAN), "utf-8")


def flags_json(path: Path) -> None:
    from tests.randomiser import random_flags

    flags = random_flags.definitions(3, seed=1) if hasattr(random_flags, "definitions") else []
    path.write_text(json.dumps({"flags": flags}), "utf-8")


_MEMO: list[str] = []


def memo_html(path: Path) -> None:
    if not _MEMO:
        _MEMO.append(decided(path.parent / "experiments").memo().html)
    path.write_text(_MEMO[0], encoding="utf-8", newline="")


def plan() -> xp.Plan:
    return xp.Plan(**PLAN)


READERS: dict[str, tuple[Callable[[Path], None], str, Callable[[str], Any]]] = {
    "units": (table_csv, ".csv", lambda p: xp.units(p, unit="id", variant="variant").summarize(plan()).units),
    "events": (log_jsonl, ".jsonl", lambda p: xp.events(p).summarize(xp.Plan(**LOG_PLAN)).units),
    "explore": (
        table_csv,
        ".csv",
        lambda p: len(xp.explore(p, ["m"], unit="id", variant="variant", control="control", root=None).rows),
    ),
    "plan_from": (table_csv, ".csv", lambda p: xp.plan_from(p, unit="id", variant="variant", key="x", title="x").digest),
    "ingest": (log_jsonl, ".jsonl", lambda p: xp.ingest([p], out=f"{p}.out").rows),
    "load_plan": (plan_json, ".plan.json", lambda p: xp.load_plan(p).digest),
    "load_flags": (flags_json, ".json", lambda p: sorted(xp.load_flags(p))),
    "verify": (memo_html, ".memo.html", lambda p: xp.verify(p).exit_code),
}
"""Functions that take the path of a file: what writes one, its ending, and what reading it gives."""
TAKES_NO_FILE = {
    "assign": "ids and a plan",
    "audit": "a frame, or a source of the above",
    "calibrate": "a source of the above",
    "choose_unit": "a source as events takes it, opened by the same `located`",
    "experiments": "a source as events takes it",
    "mixpanel_flags": "the official SDK",
    "open_experiment": "a key below a root: tests/ledger/test_folder.py",
    "portfolio": "a root",
    "power": "a plan",
    "preflight": "ids",
    "progress_bar": "an open file",
    "register": "a plan and a root",
    "rehearse": "a plan and a source of the above",
    "restart": "a key below a root",
    "sample_size": "numbers",
    "size_table": "numbers",
    "srm": "counts",
    "template": "a name of ours",
}
"""Public functions that open no file by a name that the caller gives, and what they take."""


def written(name: str, folder: Path, stem: str) -> str | None:
    """A file of this name with decoys beside it; None where the file system has no such name."""
    make, ending, _ = READERS[name]
    path = folder / f"{stem}{ending}"
    try:
        make(path)
    except (OSError, ValueError):
        return None
    for decoy in DECOYS:
        with contextlib.suppress(OSError):
            (folder / f"{decoy}{ending}").write_text("this is,no\nsuch file\n", "utf-8")
    return str(path)


@pytest.mark.parametrize("name", READERS)
def test_a_file_is_read_by_its_name_whatever_the_name(tmp_path: Path, name: str) -> None:
    read = READERS[name][2]
    plain = tmp_path / "plain"
    plain.mkdir()
    expected = read(written(name, plain, "file") or "")
    for i, stem in enumerate(NAMES):
        folder = tmp_path / str(i)
        folder.mkdir()
        path = written(name, folder, stem)
        if path is not None:
            assert read(path) == expected, stem


@pytest.mark.parametrize("name", READERS)
def test_what_is_not_there_or_no_such_file_is_named_and_only_shown(tmp_path: Path, name: str) -> None:
    _, ending, read = READERS[name]
    bad = {
        "missing": None,
        "empty": b"",
        "bytes": bytes(range(256)) * 8,
        "deep": b"[" * 5000,
        "escape": b"\x1b[2J\x1b]0;x\x07,\n1\n",
    }
    for what, data in bad.items():
        path = tmp_path / f"{what}\x1b[31m\u202e{ending}"
        if data is not None:
            path.write_bytes(data)
        try:
            said = str(read(str(path)))
        except XpbenchError as error:
            said = str(error)
        assert not {"\x1b", "\u202e", "\x07"} & set(said), (what, said)


def test_every_public_function_is_a_reader_or_says_what_it_takes() -> None:
    functions = {name for name in xp.__all__ if inspect.isfunction(getattr(xp, name))}
    assert functions == READERS.keys() | TAKES_NO_FILE.keys()


def test_a_reader_that_takes_a_pattern_for_a_file_would_be_found(tmp_path: Path) -> None:
    """A control: the decoys are what `glob` gives for the names."""
    import glob

    written("units", tmp_path, "a[1]")
    assert glob.glob(str(tmp_path / "a[1].csv")) == [str(tmp_path / "a1.csv")]


def commands() -> dict[str, argparse.ArgumentParser]:
    parser = build_parser()
    (sub,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(sub.choices)


COMMANDS: dict[str, tuple[str, list[str]]] = {
    "check": ("load_plan", ["check", "{}"]),
    "verify": ("verify", ["verify", "{}"]),
    "explore": ("explore", ["explore", "{}", "--unit", "id", "--metric", "m", "--control", "control", "--root", "none"]),
    "plan": ("plan_from", ["plan", "--from", "{}", "--unit", "id", "--out", "draft.plan.json"]),
    "readout": ("units", ["readout", "honest", "--units", "{}", "--unit", "id", "--root", "registry"]),
    "assign": ("units", ["assign", "assigned.json", "{}", "--unit", "id"]),
    "preflight": ("units", ["preflight", "assigned.json", "{}", "--unit", "id"]),
    "audit": ("units", ["audit", "assigned.json", "{}", "--unit", "id"]),
    "power": ("load_plan", ["power", "{}"]),
    "register": ("load_plan", ["register", "{}", "--root", "other"]),
    "experiments": ("events", ["experiments", "{}"]),
    "unit": ("events", ["unit", "{}"]),
    "baselines": ("units", ["baselines", "assigned.json", "--units", "{}"]),
    "sizes": ("units", ["sizes", "assigned.json", "--units", "{}"]),
    "rehearse": ("units", ["rehearse", "assigned.json", "--units", "{}", "--runs", "20"]),
    "calibrate": ("units", ["calibrate", "assigned.json", "--units", "{}", "--draws", "40"]),
    "peek": ("units", ["peek", "honest", "--units", "{}", "--unit", "id", "--reason", "x", "--root", "registry"]),
    "confirm": ("load_plan", ["confirm", "{}", "--root", "other", "--by", "ana"]),
    "guard": ("load_plan", ["guard", "{}", "--root", "registry"]),
    "tag": ("load_plan", ["tag", "{}", "--out", "tag", "--show", "beta=#a"]),
    "decide": (
        "units",
        ["decide", "honest", "iterate", "--units", "{}", "--unit", "id", "--because", "x", "--by", "a", "--root", "registry"],
    ),
    "amend": ("load_plan", ["amend", "{}", "--reason", "x", "--by", "ana", "--root", "registry"]),
}
"""Commands that take a file by its name, of which kind, and how they are called."""
NO_FILE_COMMANDS = {
    **dict.fromkeys(
        ("brief", "conclude", "launch", "portfolio", "publish", "restart", "status", "sync", "watch"),
        "a key below a root: tests/ledger/test_folder.py",
    ),
    "demo": "writes",
    "holdout": "tables and logs by the readers of readout: tests/watch",
    "lab": "starts a server",
    "ledger": "a key below a root: tests/ledger/test_folder.py",
    "mcp": "starts a server: tests/agents/test_root.py",
    "memo": "a key below a root; writes",
    "new": "writes a draft: tests/test_cli.py",
    "pull": "writes",
    "ramp": "tables and logs by the readers of readout: tests/commands/test_ramp.py",
    "relay": "starts a server",
    "reproduce": "tables and logs by the readers of readout, once there is a decision: tests/memo/test_reproduce.py",
    "review": "files that git names: tests/commands/test_review.py",
    "sandbox": "starts a server",
    "sign": "a key of ssh or PEM: tests/ledger/test_signature.py",
}
"""Commands that open no file by a name that the caller gives, or that are walked elsewhere, and what they take."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_reads_the_file_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    kind, words = COMMANDS[name]
    for i, stem in enumerate(("plain", "a[1]", "a*", "a{b}", "a\x1b[31m")):
        folder = tmp_path / str(i)
        folder.mkdir()
        monkeypatch.chdir(folder)
        (folder / "assigned.json").write_text(json.dumps({**PLAN, "assignment": {"hash": "sha256"}}), "utf-8")
        if "registry" in words:
            xp.register(plan(), "registry")
        path = written(kind, folder, stem)
        assert path is not None
        code = main([w.replace("{}", os.path.basename(path)) for w in words])
        said = capsys.readouterr()
        assert "\x1b" not in said.out + said.err
        if i == 0:
            expected = code
        assert code == expected, f"{stem}: {said.out}{said.err}"


def test_every_command_is_walked_or_says_what_it_takes() -> None:
    assert not COMMANDS.keys() & NO_FILE_COMMANDS.keys()
    assert commands().keys() == COMMANDS.keys() | NO_FILE_COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_names_the_file_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A control of the walk: each of these calls gets as far as its file."""
    _, words = COMMANDS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assigned.json").write_text(json.dumps({**PLAN, "assignment": {"hash": "sha256"}}), "utf-8")
    if "registry" in words:
        xp.register(plan(), "registry")
    code = main([w.replace("{}", "not-there.csv") for w in words])
    said = capsys.readouterr()
    assert code != 0
    assert "not-there.csv" in said.out + said.err or (name == "verify" and "No such file" in said.out)


@pytest.mark.parametrize("table", [TAKES_NO_FILE, NO_FILE_COMMANDS])
def test_a_test_that_an_excuse_names_is_there(table: dict[str, str]) -> None:
    named = {word for why in table.values() for word in re.findall(r"tests/[\w/.]*\w", why)}
    assert named
    assert {n for n in named if not (ROOT / n).exists()} == set()
