"""`xpbench watch --events` in a shell: checks and letters, exit codes, what is overdue, messages, and bad input."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.watch.life import SHIPPED, days_log, life, life_plan
from xpbench.cli import main

FIRST_AFTER = date(2026, 9, 16)


@pytest.fixture(scope="module")
def quiet() -> pa.Table:
    """Fifteen weeks in which nothing changed."""
    return days_log(np.random.default_rng(7), first=date(2026, 7, 6), days=104, daily=80, rate=0.2)


def command(tmp_path: Path, table: pa.Table, *, until: datetime | None = None) -> list[str]:
    """The command for a log that ends at a time."""
    if until is not None:
        table = table.filter(pc.less(table["time"], until.timestamp()))
    pq.write_table(table, tmp_path / "log.parquet")
    return ["watch", "life", "--root", str(tmp_path / "root"), "--events", str(tmp_path / "log.parquet"), "--by", "ana"]


def test_checks_that_are_due_are_made_with_letters_and_exit_0(
    tmp_path: Path, quiet: pa.Table, capsys: pytest.CaptureFixture[str]
) -> None:
    life(tmp_path / "root", life_plan(margin_rel=0.9), days=31)
    assert main(command(tmp_path, quiet)) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "root" / "life"
    for name in ("watch.html", "watch-day-14.html", "watch-day-28.html"):
        assert (folder / name).exists()
        assert f"xpbench verify {folder / name}" in out
        assert main(["verify", str(folder / name)]) == 0
    capsys.readouterr()
    assert main([*command(tmp_path, quiet), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["entries"] == []  # every check once
    assert [c["state"] for c in again["checks"]] == ["not answerable", "kept", "kept"]  # a week says too little


def test_a_breach_exits_1_and_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    life(tmp_path / "root", life_plan(), days=31)
    worse = days_log(np.random.default_rng(7), first=date(2026, 7, 6), days=104, daily=80, rate=0.2, at=FIRST_AFTER, step=0.2)
    assert main([*command(tmp_path, worse), "--notify", "mail"]) == 1
    assert capsys.readouterr().out.startswith("Subject: Watch of life: breached\n")


def test_what_is_overdue_is_listed_with_exit_1(tmp_path: Path, quiet: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    """The log ends before the first check could be made; the whole list names the experiment, too."""
    life(tmp_path / "root", life_plan(), days=31)
    assert main(command(tmp_path, quiet, until=SHIPPED + timedelta(days=3))) == 1
    out = capsys.readouterr().out
    assert "Overdue: day 7, due on 2026-09-22; day 14, due on 2026-09-29; day 28, due on 2026-10-13." in out
    assert "The check of day 7 waits" in out
    assert main(["watch", "--root", str(tmp_path / "root")]) == 1
    assert "Overdue: life." in capsys.readouterr().out


class Hook(BaseHTTPRequestHandler):
    """Takes what it is sent."""

    def do_POST(self) -> None:
        """One message."""
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def hook() -> Iterator[Any]:
    """A webhook on this machine."""
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        server.got = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_message_goes_out_only_where_a_webhook_is_named(
    tmp_path: Path, quiet: pa.Table, hook: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address is configured all the time; `--notify` alone sends nothing, and no output has the address."""
    monkeypatch.setenv("XPBENCH_WEBHOOK_TEAM", f"http://127.0.0.1:{hook.server_port}/secret")
    life(tmp_path / "root", life_plan(margin_rel=0.9), days=31)
    assert main([*command(tmp_path, quiet), "--notify", "slack"]) == 0
    assert hook.got == []
    assert main([*command(tmp_path, quiet), "--notify", "slack", "--webhook", "team"]) == 0
    (sent,) = hook.got
    assert sent["text"].startswith("Watch of life: not answerable:")
    assert "secret" not in "".join(capsys.readouterr())


def test_bad_input_exits_2_and_nothing_is_on_record(
    tmp_path: Path, quiet: pa.Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("XPBENCH_WEBHOOK_TEAM", raising=False)
    experiment, _ = life(tmp_path / "root", life_plan(), days=31)
    before = len(experiment.ledger.entries())
    good = command(tmp_path, quiet)
    wrong = [
        (good[:-2], "one person"),
        ([*good, "--data", "x.csv"], "one source"),
        (["watch", *good[2:]], "the key"),
        ([*good, "--webhook", "team", "--notify", "slack"], "XPBENCH_WEBHOOK_TEAM"),
        ([*good, "--webhook", "team", "--notify", "mail"], "Slack or Teams"),
        ([*good, "--trigger", "Vist"], "Vist"),
        ([*good, "--adopted", "north"], "GROUP=DAY"),
        ([*good, "--power", "5"], "between 0 and 1"),
        ([*good[:5], str(tmp_path / "none.parquet"), *good[6:]], "none.parquet"),
    ]
    for argv, words in wrong:
        assert main(argv) == 2, argv
        assert words in capsys.readouterr().err, argv
    assert len(experiment.ledger.entries()) == before


def test_power_makes_no_check(tmp_path: Path, quiet: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    experiment, _ = life(tmp_path / "root", life_plan(), days=31)
    before = len(experiment.ledger.entries())
    assert main([*command(tmp_path, quiet), "--power", "0.6"]) in (0, 2)
    assert len(experiment.ledger.entries()) == before
