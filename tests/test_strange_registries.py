"""Registries of a newer version, on a read-only disk, and two with one key: a clear message, nothing lost, read where safe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import xpbench as xp
from tests.commands.test_review import commit, git, one
from tests.memo.making import decided
from xpbench.cli import main
from xpbench.ledger import Ledger
from xpbench.plan import template

KEY = "beta-homepage"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with a decided experiment, its memo, and one that was only registered."""
    root = tmp_path_factory.mktemp("made") / "experiments"
    e = decided(root)
    e.memo().save(root / KEY / "memo.html")
    xp.register(template("conversion-funnel"), root, by="a")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "repo" / "experiments"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(list(words))
    out = capsys.readouterr()
    return code, out.out + out.err


READING = {
    "status": (["status", KEY, "--root", "{root}"], "teleported"),
    "status as JSON": (["status", KEY, "--root", "{root}", "--json"], "teleported"),
    "verify": (["verify", "{root}/" + KEY + "/memo.html", "--ledger", "{root}/" + KEY + "/ledger.jsonl"], "teleported"),
    "ledger log": (["ledger", "log", KEY, "--root", "{root}"], "teleported"),
    "ledger verify": (["ledger", "verify", KEY, "--root", "{root}"], "newer version"),
    "portfolio": (["portfolio", "--root", "{root}"], "2 experiments"),
}


@pytest.mark.parametrize("name", READING)
def test_what_a_newer_version_wrote_is_named_and_the_rest_is_read(
    root: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words, expected = READING[name]
    words = [w.format(root=root) for w in words]
    plainly, _ = said(capsys, *words)
    Ledger(root / KEY / "ledger.jsonl").append("teleported", {"where": "mars"})
    before = files(root)
    code, text = said(capsys, *words)
    assert code == plainly
    assert expected in text
    if name not in ("portfolio", "ledger log"):
        assert "newer version" in text
    assert files(root) == before


def test_a_step_that_may_have_to_know_it_is_refused_and_nothing_is_lost(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Ledger(root / KEY / "ledger.jsonl").append("teleported", {})
    before = files(root)
    code, text = said(capsys, "restart", KEY, "--reason", "x", "--root", str(root))
    assert code != 0
    assert "newer" in text, text
    assert files(root) == before


def test_review_names_an_entry_of_a_newer_version_and_reads_on(root: Path) -> None:
    folder = root.parent
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    git(folder, "checkout", "-qb", "change")
    Ledger(root / KEY / "ledger.jsonl").append("teleported", {"where": "mars"})
    before = files(root)
    found = one(folder)
    assert found.state == "accepted"
    (told,) = [s for s in found.sentences if "teleported" in s]
    assert "newer version" in told
    assert "The memo verifies." in found.sentences
    assert found.plan is not None
    text = (root / KEY / "ledger.jsonl").read_text("utf-8")
    (root / KEY / "ledger.jsonl").write_text(text.replace('"because":"', '"because":"So: ', 1), "utf-8")
    assert one(folder).state == "refused"  # a line that was rewritten is found as ever
    (root / KEY / "ledger.jsonl").write_bytes(before[f"{KEY}/ledger.jsonl"])
    assert files(root) == before


@pytest.mark.parametrize("command", ["status", "verify", "review"])
def test_a_ledger_of_a_newer_schema_is_refused_with_words(root: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    folder, path = root.parent, root / KEY / "ledger.jsonl"
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    git(folder, "checkout", "-qb", "change")
    line = json.loads(path.read_text("utf-8").splitlines()[-1])
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, "schema": 99, "seq": line["seq"] + 1}, separators=(",", ":"), sort_keys=True) + "\n")
    before = files(root)
    if command == "review":
        found = one(folder)
        assert found.state == "refused"
        text = " ".join(found.sentences)
    elif command == "status":
        code, text = said(capsys, "status", KEY, "--root", str(root))
        assert code == 2
        assert said(capsys, "status", "checkout-funnel", "--root", str(root))[0] == 0
    else:
        code, text = said(capsys, "verify", str(root / KEY / "memo.html"), "--ledger", str(path))
        assert code == 3
    assert "newer" in text, text
    assert str(root.parent.parent) not in text or command != "review"
    assert files(root) == before


READ_ONLY = """
import sys
from xpbench.cli import main
print(main(sys.argv[1:]))
"""


def read_only(folder: Path, *words: str) -> tuple[int, str]:
    """Exit code and words of a command in a folder on a disk that can't be written, mounted so for this command alone."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("needs Linux and unshare")
    mount = f'mount --bind "{folder}" "{folder}" && mount -o remount,ro,bind "{folder}"'
    run = f'cd "{folder}" && exec "$@"'
    probe = subprocess.run(["unshare", "-rm", "sh", "-c", f'{mount} && ! touch "{folder}/x" 2>/dev/null'], capture_output=True)
    if probe.returncode:
        pytest.skip("this system lets nobody mount a disk read-only")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{mount} && {run}", "sh", sys.executable, "-c", READ_ONLY, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    lines = done.stdout.strip().splitlines()
    return int(lines[-1]) if lines and lines[-1].isdigit() else -1, done.stdout + done.stderr


def test_a_registry_on_a_read_only_disk_is_read_and_a_step_is_refused_whole(root: Path) -> None:
    before = files(root)
    for words, expected in (
        (["status", "checkout-funnel", "--root", "experiments"], "Registered"),
        (["verify", f"experiments/{KEY}/memo.html", "--ledger", f"experiments/{KEY}/ledger.jsonl"], "verified in full"),
        (["portfolio", "--root", "experiments"], "2 experiments"),
    ):
        code, text = read_only(root.parent, *words)
        assert code == 0, text
        assert expected in text
    for words in (
        ["restart", "checkout-funnel", "--reason", "x", "--root", "experiments"],
        ["launch", "checkout-funnel", "--root", "experiments"],
        ["memo", KEY, "--root", "experiments"],
    ):
        code, text = read_only(root.parent, *words)
        assert code == 2, text
        assert "Read-only file system" in text
        assert "could not be written" in text
        assert "Traceback" not in text
    assert files(root) == before


def test_two_roots_with_one_key_are_two_experiments(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "second"
    xp.register(xp.open_experiment(KEY, root).plan, other, by="b")
    states = [json.loads(said(capsys, "status", KEY, "--root", str(r), "--json")[1])[0]["state"] for r in (root, other)]
    assert states == ["overdue", "registered"]
    memo = str(root / KEY / "memo.html")
    assert said(capsys, "verify", memo, "--ledger", str(root / KEY / "ledger.jsonl"))[0] == 0
    code, text = said(capsys, "verify", memo, "--ledger", str(other / KEY / "ledger.jsonl"))
    assert code == 1
    assert "ledger" in text
    before = files(root)
    said(capsys, "launch", KEY, "--root", str(other))
    assert files(root) == before
