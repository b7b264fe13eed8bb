"""`xpbench pull` and `xpbench sandbox` as a user runs them."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import mixpanel
import pytest

import xpbench as xp
from tests.expose.conftest import make_plan
from tests.mixpanel.test_pull import load
from xpbench.commands.mixpanel import add_parsers, events_of
from xpbench.commands.output import tell
from xpbench.errors import XpbenchError
from xpbench.mixpanel.sandbox import Sandbox
from xpbench.plan import load_plan

PROGRAM = "import sys; from tests.commands.test_mixpanel import main; sys.exit(main(sys.argv[1:]))"


def main(arguments: list[str]) -> int:
    """The command line with the commands of this room alone."""
    parser = argparse.ArgumentParser(prog="xpbench")
    add_parsers(parser.add_subparsers(required=True))
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args))
    except XpbenchError as error:
        return tell(error, as_json=args.json)


ROOT = Path(__file__).resolve().parents[2]


def test_pull_to_parquet(box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(box)
    out = tmp_path / "export"
    assert main(["pull", "--from", "2026-03-01", "--to", "2026-03-02", "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["events"] == 400
    assert duckdb.sql(f"SELECT count(*) FROM '{document['pattern']}'").fetchall() == [(400,)]
    assert main(["pull", "--from", "2026-03-01", "--to", "2026-03-02", "--out", str(out)]) == 0
    assert "400 events of 2 days, 0 fetched now" in capsys.readouterr().out


def test_pull_as_json_lines_of_one_event(box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(box)
    arguments = ["pull", "--from", "2026-03-01", "--to", "2026-03-01", "--event", "Quote", "--format", "jsonl"]
    assert main([*arguments, "--out", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["events"] == 150
    assert document["pattern"].endswith("*.jsonl.gz")


def test_bad_input_is_exit_2(
    box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["pull", "--from", "soon", "--out", str(tmp_path)]) == 2
    assert "XPB-M10" in capsys.readouterr().err
    box.project.expired = True
    assert main(["pull", "--from", "2026-03-01", "--to", "2026-03-01", "--out", str(tmp_path)]) == 2
    assert "XPB-M03" in capsys.readouterr().err
    monkeypatch.delenv("MIXPANEL_SECRET")
    assert main(["pull", "--from", "2026-03-01", "--out", str(tmp_path), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "XPB-M01"


def test_events_that_a_plan_needs(shared_examples: Path) -> None:
    names = events_of(load_plan(shared_examples / "beta-homepage.plan.json"))
    assert names == [
        "$experiment_started",
        "Application Processed",
        "Experiment exposure incident",
        "Page View",
        "Retirement Quote Started",
        "Transfer In",
        "Transfer Out",
    ]


def test_sandbox_serves_until_stopped(tmp_path: Path) -> None:
    arguments = [
        sys.executable,
        "-c",
        PROGRAM,
        "sandbox",
        "--json",
        "--seconds",
        "8",
        "--store",
        str(tmp_path / "s.sqlite"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.rstrip() == "}":
                break
        answer = json.loads("".join(lines))
        address = answer["environment"]["MIXPANEL_HOST"]
        consumer = mixpanel.Consumer(api_host=address, verify_cert=answer["environment"]["SSL_CERT_FILE"], request_timeout=5)
        mixpanel.Mixpanel("sandbox-token", consumer=consumer).track("u1", "e")
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("arguments", [["--host", "0.0.0.0"], ["--fault", "fail"], ["--fault", "fial=1"]])  # noqa: S104
def test_sandbox_refuses_bad_input(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "--seconds", "0", *arguments]) == 2
    assert "XPB-I04" in capsys.readouterr().err


def test_every_event_of_a_metric_is_pulled(box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The steps of a funnel, too; and everything, where a sessions metric counts all events."""
    base = make_plan().to_dict()
    common = {"role": "secondary", "direction": "increase", "window_days": 7}
    funnel = {"key": "f", "kind": "funnel", **common, "steps": [{"event": "Viewed"}, {"event": "Bought"}]}
    plan = make_plan(metrics=[*base["metrics"], funnel])
    assert set(events_of(plan)) == {"$experiment_started", "Experiment exposure incident", "Quote", "Viewed", "Bought"}
    sessions = make_plan(metrics=[*base["metrics"], {"key": "s", "kind": "sessions", **common}])
    assert events_of(sessions) == []
    names = ["Quote", "Viewed", "Bought", "Scrolled", "$experiment_started"]
    start = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    rows = [
        {"event": n, "properties": {"time": start + i, "distinct_id": f"u{i}", "$insert_id": f"i{i}"}}
        for i, n in enumerate(names)
    ]
    box.store.add_events(box.project.token, rows, now=start)
    box.site.limits.per_second = 1_000
    for made, expected in ((plan, 4), (sessions, 5)):
        made.save(tmp_path / "plan.json")
        out = str(tmp_path / f"export{expected}")
        asked = ["pull", "--from", "2026-03-01", "--to", "2026-03-01", "--plan", str(tmp_path / "plan.json"), "--out", out]
        assert main(asked) == 0
        shown = capsys.readouterr()
        assert f"{expected} events of 1 days" in shown.out
        assert f"xp.events({out!r})" in shown.out, "what is printed is what is read"
        assert ("counts every event" in shown.err) == (expected == 5)
        source = xp.events(out)
        assert len(source.log) == 1
