"""The commands answer in words and JSON, with exit codes."""

from __future__ import annotations

import argparse
import csv
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.watch.ledgers import SHIPPED, Hands, plan, series, shipped
from xpbench import ledger as ledger_room
from xpbench.commands.watch import add_parsers
from xpbench.errors import WatchError


def run(*argv: str) -> int:
    """Parse and run."""
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(required=True))
    args = parser.parse_args(argv)
    return int(args.run(args))


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """The clock that commands use, set by the test."""
    clock = Hands()
    monkeypatch.setattr(ledger_room, "system_clock", clock)
    return clock


def test_status_says_overdue_and_exits_1(tmp_path: Path, hands: Hands, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 while waiting, 1 when overdue."""
    shipped(tmp_path, plan(), clock=hands)
    assert run("watch", "--root", str(tmp_path)) == 0
    assert "beta: waiting" in capsys.readouterr().out
    hands.at = SHIPPED + timedelta(days=9)
    assert run("watch", "beta", "--root", str(tmp_path), "--json") == 1
    assert json.loads(capsys.readouterr().out)[0]["state"] == "overdue"


def test_data_records_a_check(tmp_path: Path, hands: Hands, capsys: pytest.CaptureFixture[str]) -> None:
    """A CSV file becomes an entry of the ledger; a breach exits 1."""
    shipped(tmp_path / "root", plan(), clock=hands)
    hands.at = SHIPPED + timedelta(days=8)
    path = tmp_path / "daily.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["day", "metric", "n", "mean"])
        for day in series(np.random.default_rng(1), effect=0.04, sd=0.002)["out"].groups[""].days:
            writer.writerow([day.day.isoformat(), "out", day.n, day.mean])
    assert run("watch", "beta", "--root", str(tmp_path / "root"), "--data", str(path), "--by", "ana") == 1
    out = capsys.readouterr().out
    assert "Check of day 7: breached" in out
    assert "Change +" in out
    assert run("watch", "beta", "--root", str(tmp_path / "root")) == 1


def test_data_needs_a_name(tmp_path: Path) -> None:
    """Nobody is no one."""
    with pytest.raises(WatchError, match="one person"):
        run("watch", "beta", "--root", str(tmp_path), "--data", "x.csv")


def test_portfolio_command(tmp_path: Path, hands: Hands, capsys: pytest.CaptureFixture[str]) -> None:
    """Sentences, or JSON."""
    shipped(tmp_path, plan(), clock=hands)
    assert run("portfolio", "--root", str(tmp_path)) == 0
    assert "1 experiment, 1 without a memo" in capsys.readouterr().out
    assert run("portfolio", "--root", str(tmp_path), "--json") == 0
    assert json.loads(capsys.readouterr().out)["experiments"] == 1
