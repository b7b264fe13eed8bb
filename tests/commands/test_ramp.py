"""`xpbench ramp` in a shell: answers, exit codes, messages, and Mixpanel's flag moved over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.mixpanel.test_sync import IDS, served
from tests.watch.test_ramp import World, small
from xpbench.cli import main
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.sandbox import Sandbox

SALT = "0123456789abcdef0123456789abcdef"
STAGES = [{"share": 0.5, "days": 3}, {"share": 1.0, "days": 3}]


def begun(tmp_path: Path, days: float, *, worse: float = 0.0, **changes: Any) -> tuple[World, list[str]]:
    """A ramp that began so many days ago, its log, and the command that reads it."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)
    world = World(tmp_path / "root", small(ramp={"stages": STAGES}, **changes), start=start)
    pq.write_table(world.log(days, worse=worse), tmp_path / "log.parquet")
    command = ["ramp", "ramp", "--root", str(tmp_path / "root"), "--events", str(tmp_path / "log.parquet"), "--by", "ana"]
    return world, command


def kinds(world: World) -> list[str]:
    """What is on record."""
    return [e.kind for e in world.open().ledger.entries()]


def test_it_holds_with_exit_1_and_goes_on_with_exit_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world, command = begun(tmp_path, 2)
    assert main([*command, "--go-on"]) == 1
    assert "ramp: hold. Stage 1 of 2 (50% of the units): the stage has not run its days or units" in capsys.readouterr().out
    assert "amended" not in kinds(world)


def test_go_on_puts_the_next_share_in_force_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world, command = begun(tmp_path, 4)
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["answer"], found["row"], found["next_share"]) == ("go on", "clear", 1.0)
    assert "amended" not in kinds(world)
    assert main([*command, "--go-on"]) == 0
    assert "Stage 2 is in force: 100% of the units." in capsys.readouterr().out
    assert world.open().plan.assignment.rollout[0].share == 1.0
    assert main([*command, "--go-on"]) == 1  # the new stage has not run
    assert kinds(world).count("amended") == 1


def test_harm_exits_1_and_is_a_message_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, command = begun(tmp_path, 2, worse=2.5)
    assert main([*command, "--notify", "mail"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("Subject: Ramp of ramp: roll back\n\n")
    assert "a guardrail is shown to be worse than its margin (out)" in out
    assert main([*command, "--notify", "slack"]) == 1
    assert json.loads(capsys.readouterr().out)["text"].startswith("Ramp of ramp: roll back:")


def test_bad_input_exits_2_and_nothing_is_on_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, command = begun(tmp_path, 4)
    before = kinds(world)
    monkeypatch.delenv("XPBENCH_WEBHOOK_TEAM", raising=False)
    for name in ("USERNAME", "SECRET", "PROJECT_ID"):
        monkeypatch.delenv(f"MIXPANEL_{name}", raising=False)
    wrong = [
        (command[:4], "--events is missing"),
        ([*command, "--webhook", "team", "--notify", "mail"], "Slack or Teams"),
        ([*command, "--webhook", "team"], "--notify slack"),
        ([*command, "--webhook", "team", "--notify", "slack"], "XPBENCH_WEBHOOK_TEAM"),
        ([*command, "--push"], "assigned by sha256"),
        ([*command[:5], str(tmp_path / "none.parquet")], "none.parquet"),
        (["ramp", "other", *command[2:]], "other"),
    ]
    for argv, words in wrong:
        assert main(argv) == 2, argv
        assert words in capsys.readouterr().err, argv
    assert kinds(world) == before


def test_a_plan_without_stages_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world, command = begun(tmp_path, 1)
    world.open().amend(world.open().plan.replace(ramp=None), reason="no ramp", by="ana")
    assert main(command) == 2
    assert "has no stages" in capsys.readouterr().err


def test_power_reads_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world, command = begun(tmp_path, 1)
    before = kinds(world)
    assert main([*command[:4], "--power", "0.5"]) == 0
    assert "a change for the worse of 50.0% is found with a chance of" in capsys.readouterr().out
    assert kinds(world) == before


def shares(box: Sandbox) -> list[tuple[float, dict[str, float]]]:
    """The flag as Mixpanel has it: share of each rollout group, and the split."""
    (flag,) = box.store.all("flag")
    variants = {v["key"]: v["split"] for v in flag["ruleset"]["variants"]}
    return [(g["rollout_percentage"], variants) for g in flag["ruleset"]["rollout"]]


def published(tmp_path: Path, client: Client, days: float, *, worse: float = 0.0) -> tuple[World, list[str]]:
    """A ramp whose flag Mixpanel serves."""
    assignment = {"hash": "mixpanel", "hash_salt": SALT, "rollout": [{"key": "everyone", "share": 0.5}]}
    world, command = begun(tmp_path, days, worse=worse, assignment=assignment)
    world.open().sync(client)
    return world, command


def test_push_moves_the_share_of_the_flag(
    tmp_path: Path, box: Sandbox, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    world, command = published(tmp_path, client, 4)
    assert [s for s, _ in shares(box)] == [0.5]
    assert main([*command, "--push"]) == 0
    assert "Mixpanel holds it already." in capsys.readouterr().out
    assert main([*command, "--go-on", "--push"]) == 0
    assert "Mixpanel: " in capsys.readouterr().out
    assert [s for s, _ in shares(box)] == [1.0]
    assert world.open().sync(client, dry_run=True).in_step
    assert kinds(world)[-2:] == ["amended", "published"]
    assert main([*command, "--go-on", "--push"]) == 1  # hold: nothing goes out
    assert [s for s, _ in shares(box)] == [1.0]


def test_push_puts_everyone_back_to_control_on_harm(
    tmp_path: Path, box: Sandbox, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    world, command = published(tmp_path, client, 2, worse=2.5)
    assert main([*command, "--push"]) == 1
    assert "Mixpanel: flag updated" in capsys.readouterr().out
    assert set(served(client, IDS)) == {"control"}
    assert kinds(world).count("rolled_back") == 1
    assert main([*command, "--push"]) == 1  # every night again: once on record
    assert kinds(world).count("rolled_back") == 1
    assert set(served(client, IDS)) == {"control"}


def test_a_push_that_fails_is_made_up_for(
    tmp_path: Path, box: Sandbox, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    world, command = published(tmp_path, client, 2, worse=2.5)
    box.project.role = "consumer"
    assert main([*command, "--push"]) == 2
    assert capsys.readouterr().err
    assert kinds(world).count("rolled_back") == 1
    box.project.role = "admin"
    assert main([*command, "--push"]) == 1
    assert set(served(client, IDS)) == {"control"}
    assert kinds(world).count("rolled_back") == 1
