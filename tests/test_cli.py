"""The command line: exit codes, JSON, errors in the same words, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xpbench.cli import build_parser, main

from .test_experiment import plan, table


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    plan().save(tmp_path / "form.plan.json")
    table().to_csv(tmp_path / "units.csv", index=False)
    table(1000).to_csv(tmp_path / "early.csv", index=False)
    return tmp_path


def source(name: str = "units.csv") -> list[str]:
    return ["--units", name, "--unit", "user", "--variant-column", "variant"]


def test_from_draft_to_memo(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "form.plan.json"]) == 0
    assert main(["register", "form.plan.json", "--by", "ana"]) == 0
    assert main(["readout", "form", *source("early.csv")]) == 0
    assert "Sealed" in capsys.readouterr().out
    assert main(["peek", "form", *source("early.csv"), "--reason", "a bug"]) == 0
    assert main(["readout", "form", *source(), "--csv", "rows.csv", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert shown["recommendation"]["outcome"] == "ship"
    assert (folder / "rows.csv").read_text().startswith("metric,role,variant,n_control,n,")
    assert main(["decide", "form", "ship", "--variant", "b", "--because", "as planned", "--by", "ana", *source()]) == 0
    assert main(["memo", "form"]) == 0
    assert main(["status"]) == 0
    assert "decided" in capsys.readouterr().out
    assert main(["verify", "experiments/form/memo.html"]) == 0


def test_check_tells_every_problem_and_exits_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = plan().to_dict()
    data["horizn"] = 1
    del data["metrics"][1]["margin"]
    (folder / "bad.plan.json").write_text(json.dumps(data))
    assert main(["check", "bad.plan.json", "form.plan.json"]) == 1
    out = capsys.readouterr().out
    assert "[XPB-P01]" in out
    assert "[XPB-P14]" in out
    assert "form.plan.json: ready to register, power unknown" in out
    assert main(["register", "bad.plan.json"]) == 2
    assert not (folder / "experiments").exists()


def test_errors_have_the_same_words_in_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["readout", "form", *source(), "--json"]) == 2
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert error["code"] == "XPB-L04"
    assert error["what"] in captured.err


def test_invalid_readout_exits_1(folder: Path) -> None:
    frame = table()
    frame[(frame.variant == "a") | (frame.index % 5 > 0)].to_csv("srm.csv", index=False)
    assert main(["register", "form.plan.json"]) == 0
    assert main(["peek", "form", *source("srm.csv"), "--reason", "x"]) == 1


def test_new_never_replaces_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "--template", "revenue", "--key", "money", "draft.json"]) == 0
    assert main(["check", "draft.json"]) == 0
    before = (folder / "draft.json").read_bytes()
    assert main(["new", "draft.json"]) == 2
    assert (folder / "draft.json").read_bytes() == before
    assert main(["new", "--list", "--json"]) == 0


def test_power_needs_baselines_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "form.plan.json"]) == 0
    assert "planning.baselines.done" in capsys.readouterr().out
    assert main(["power", "form.plan.json", "--baseline", "done=0.2", "--daily", "500"]) == 0
    assert "the chance is" in capsys.readouterr().out
    assert main(["power", "form.plan.json", "--baseline", "done"]) == 2


def test_every_command_has_help_and_json() -> None:
    parser = build_parser()
    commands = next(a for a in parser._actions if hasattr(a, "choices") and a.choices).choices
    assert commands is not None
    for name in (
        "demo",
        "new",
        "check",
        "register",
        "amend",
        "assign",
        "preflight",
        "audit",
        "pull",
        "power",
        "readout",
        "peek",
    ):
        assert name in commands
    for name in ("decide", "memo", "watch", "status", "verify", "sandbox", "lab"):
        assert name in commands
    for name, command in commands.items():
        assert command.description, name
        inner = next((a.choices for a in command._actions if isinstance(a.choices, dict)), {name: command})
        for each in inner.values():
            assert "--json" in each.format_help(), name
