"""`xpbench review` on real git repositories, and the CI examples that call it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # noqa: TID251 - our own workflow, read with safe_load

from tests.memo.making import PLAN, decided
from xpbench.cli import main
from xpbench.commands.review import ReviewFinding, markdown, review
from xpbench.experiment import open_experiment, register
from xpbench.plan import template

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / "docs" / "examples" / "ci"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def commit(folder: Path, message: str = "x") -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A team's repository: one registered experiment on main, a branch checked out."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    register(template("conversion-funnel"), folder / "experiments", by="a")
    commit(folder)
    git(folder, "checkout", "-qb", "change")
    return folder


def home(folder: Path) -> Path:
    return folder / "experiments" / "checkout-funnel"


def one(folder: Path, **options: Any) -> ReviewFinding:
    (found,) = review("main", folder=folder, **options)
    return found


def test_nothing_changed(repository: Path) -> None:
    assert review("main", folder=repository) == []


def test_good_draft_is_accepted_with_its_card(repository: Path) -> None:
    template("conversion-funnel", key="second").save(repository / "second.plan.json")
    found = one(repository)
    assert (found.path, found.state, found.sentences) == (
        "second.plan.json",
        "accepted",
        ["Ready to register.", "If the hypothesis holds, the rule ships treatment in 85% of cases (planned 80%)."],
    )
    text = markdown([found])
    assert "in order" in text
    assert "Shorter checkout" in text
    assert "Ships when" in text


def test_bad_draft_is_refused_with_every_problem(repository: Path) -> None:
    document = template("conversion-funnel", key="second").to_dict()
    document["metrics"][0]["role"] = "secondary"
    document["variants"][0]["split"] = 0.1
    (repository / "second.plan.json").write_text(json.dumps(document), "utf-8")
    found = one(repository)
    assert found.state == "refused"
    assert len(found.sentences) >= 2
    assert all("[XPB-P" in s for s in found.sentences)


def test_edited_registered_plan_is_refused(repository: Path) -> None:
    path = home(repository) / "plan.json"
    path.write_text(path.read_text("utf-8").replace("Shorter checkout", "Longer checkout"), "utf-8")
    commit(repository)
    found = one(repository)
    assert found.state == "refused"
    assert "[XPB-P28]" in found.sentences[0]
    assert str(ROOT.anchor + "tmp") not in found.sentences[0]


def test_amendment_is_accepted_and_told(repository: Path) -> None:
    plan = open_experiment("checkout-funnel", repository / "experiments").plan
    open_experiment("checkout-funnel", repository / "experiments").amend(plan.changed(title="Other"), reason="typo", by="a")
    found = one(repository)
    assert found.state == "accepted", found.sentences
    assert ": title. Reason: typo" in found.sentences[0]
    assert "Reason: typo" in found.sentences[0]
    assert found.plan is not None
    assert found.plan["title"] == "Other"


def test_rewritten_ledger_is_refused_though_its_chain_holds(repository: Path) -> None:
    """Registering anew gives a chain that holds; what stood on the base is gone all the same."""
    import shutil

    shutil.rmtree(home(repository))
    register(template("conversion-funnel").changed(title="Other"), repository / "experiments", by="b")
    found = one(repository)
    assert found.state == "refused"
    assert "only grows" in found.sentences[0]


@pytest.mark.parametrize("gone", ["ledger.jsonl", "plan.json"])
def test_missing_file_is_refused(repository: Path, gone: str) -> None:
    (home(repository) / gone).unlink()
    assert one(repository).state == "refused"


def test_broken_chain_is_refused(repository: Path) -> None:
    path = home(repository) / "ledger.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes())
    assert one(repository).state == "refused"


def test_memo_must_verify(repository: Path, tmp_path: Path) -> None:
    from tests.memo.making import decided

    experiment = decided(repository / "experiments")
    memo = experiment.memo().save(experiment.memo_path)
    found = one(repository)
    assert (found.state, found.sentences[-1]) == ("accepted", "The memo verifies.")
    memo.write_text(memo.read_text("utf-8").replace("</h1>", "!</h1>", 1), "utf-8")
    found = one(repository)
    assert found.state == "refused"
    assert "does not verify" in found.sentences[0]


def test_staged_looks_at_the_index(repository: Path) -> None:
    path = home(repository) / "plan.json"
    good = path.read_text("utf-8")
    path.write_text(good.replace("Shorter", "Longer"), "utf-8")
    git(repository, "add", "-A")
    path.write_text(good, "utf-8")
    assert review("HEAD", folder=repository) == []
    (found,) = review("HEAD", folder=repository, staged=True)
    assert found.state == "refused"


def test_first_commit_has_no_base(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    template("conversion-funnel").save(tmp_path / "a.plan.json")
    git(tmp_path, "add", "-A")
    (found,) = review("HEAD", folder=tmp_path, staged=True)
    assert found.state == "accepted"


def test_text_of_a_plan_cannot_become_markup(repository: Path) -> None:
    plan = template("conversion-funnel", key="second").changed(title="<img src=x> [a](http://b) | @team `x`")
    plan.save(repository / "second.plan.json")
    text = markdown([one(repository)])
    assert "<img" not in text
    assert "](http" not in text
    assert " @team" not in text


def test_command(repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.chdir(repository)
    assert main(["review", "--base", "main"]) == 0
    assert "touches no plan" in capsys.readouterr().out
    (home(repository) / "ledger.jsonl").unlink()
    comment = tmp_path / "review.md"
    assert main(["review", "--base", "main", "--json", "--comment", str(comment)]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] == "refused"
    assert "1 of 1 refused" in comment.read_text("utf-8")
    assert main(["review", "--base", "no-such-branch"]) == 2
    assert main(["review", "--base=--output=x"]) == 2
    monkeypatch.chdir(tmp_path)
    assert main(["review"]) == 2


# -- the examples ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shimmed(tmp_path: Path) -> dict[str, str]:
    """An environment whose `xpbench` is this checkout's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    shim = folder / "xpbench"
    shim.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -W ignore -m xpbench.cli "$@"\n', "utf-8")
    shim.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("edit", [False, True])
def test_workflow_step_runs(repository: Path, tmp_path: Path, shimmed: dict[str, str], edit: bool) -> None:
    """The script of the GitHub workflow, run as the runner runs it, on a clone with an origin."""
    work = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(work))
    git(work, "checkout", "-qb", "pull-request", "origin/main")
    if edit:
        path = home(work) / "plan.json"
        path.write_text(path.read_text("utf-8").replace("Shorter", "Longer"), "utf-8")
    template("conversion-funnel", key="second").save(work / "second.plan.json")
    commit(work)
    steps = yaml.safe_load((CI / "plans.yml").read_text("utf-8"))["jobs"]["plans"]["steps"]
    (step,) = [s for s in steps if s.get("name") == "Review plans and experiments"]
    summary = tmp_path / "summary.md"
    env = {
        **shimmed,
        "BASE": step["env"]["BASE"].replace("${{ github.base_ref }}", "main"),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    done = subprocess.run(["bash", "-e", "-c", step["run"]], cwd=work, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == int(edit), done.stderr
    assert ("1 of 2 refused" if edit else "1 in order") in summary.read_text("utf-8")
    if not edit:
        out = {**shimmed, "OUT": str(tmp_path / "other.md")}
        subprocess.run([str(CI / "review.sh")], cwd=work, env=out, check=True, capture_output=True)
        assert (tmp_path / "other.md").read_text("utf-8") == summary.read_text("utf-8")


def test_workflow_passes_no_text_of_others_to_a_shell() -> None:
    steps = yaml.safe_load((CI / "plans.yml").read_text("utf-8"))["jobs"]["plans"]["steps"]
    run = [step["run"] for step in steps if "run" in step]
    assert len(run) >= 3
    assert [text for text in run if "${{" in text] == [], "values go through the environment"


@pytest.mark.parametrize("file", [ROOT / ".pre-commit-hooks.yaml", CI / "pre-commit-config.yaml"], ids=lambda p: p.name)
def test_hooks_name_commands_that_exist(file: Path) -> None:
    import re

    loaded = yaml.safe_load(file.read_text("utf-8"))
    hooks = loaded if isinstance(loaded, list) else loaded["repos"][0]["hooks"]
    from xpbench.cli import build_parser

    by_id = {h["id"]: h for h in hooks}
    assert set(by_id) == {"xpbench-review"} | (
        {"xpbench-check", "xpbench-guard"} if file.name == ".pre-commit-hooks.yaml" else set()
    )
    for hook in hooks:
        arguments = hook["entry"].split()[1:] + (["a.plan.json"] if hook.get("pass_filenames", True) else [])
        build_parser().parse_args(arguments)
    assert by_id["xpbench-review"]["always_run"]
    assert all(re.search(h["files"], "a.plan.toml") for h in hooks if "files" in h)


def test_pre_commit_stops_what_review_refuses(repository: Path, tmp_path: Path, shimmed: dict[str, str]) -> None:
    """The real pre-commit with the example's file: problems, edits and deletions are stopped, a good draft is not."""
    pytest.importorskip("pre_commit")
    env = {**shimmed, "PRE_COMMIT_HOME": str(tmp_path / "cache"), "PRE_COMMIT_ALLOW_NO_CONFIG": "0"}
    env |= {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def run(*command: str) -> tuple[int, str]:
        done = subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def committed(text: str) -> bool:
        run("git", "add", "-A")
        code, said = run("git", "commit", "-m", "x")
        assert text in said
        run("git", "reset", "-q", "--hard", "HEAD")
        return code == 0

    (repository / ".pre-commit-config.yaml").write_bytes((CI / "pre-commit-config.yaml").read_bytes())
    assert run(sys.executable, "-m", "pre_commit", "install")[0] == 0
    draft = template("conversion-funnel", key="second").save(repository / "second.plan.json")
    assert committed("second.plan.json")
    text = draft.read_text("utf-8")
    draft.write_text(text.replace('"split": 0.5', '"split": 0.9', 1), "utf-8")
    assert not committed("XPB-P07")
    path = home(repository) / "plan.json"
    path.write_text(path.read_text("utf-8").replace("Shorter", "Longer"), "utf-8")
    assert not committed("XPB-P28")
    shutil.rmtree(home(repository))
    assert not committed("The ledger is gone")


def test_git_hook_stops_the_commit(repository: Path, shimmed: dict[str, str]) -> None:
    """What pre-commit would run, as git's own hook: the commit does not come about."""
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexec xpbench review --staged\n", "utf-8")
    hook.chmod(0o755)
    path = home(repository) / "plan.json"
    path.write_text(path.read_text("utf-8").replace("Shorter", "Longer"), "utf-8")
    git(repository, "add", "-A")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *identity, "commit", "-qm", "x"], cwd=repository, env=shimmed, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "XPB-P28" in done.stdout + done.stderr
    assert git(repository, "log", "--oneline").count("\n") == 1


def test_another_experiments_memo_is_refused(repository):
    """It verifies by itself: only the key and the ledger in the folder say that it is not this one's."""
    experiment = decided(repository / "experiments")
    other = decided(repository / "other", plan={**PLAN, "key": "bravo"})
    other.memo().save(experiment.memo_path)
    found = next(f for f in review(folder=repository) if f.path.endswith(experiment.key))
    assert found.state == "refused"
    assert "another experiment" in found.sentences[0]


def test_a_memo_of_a_superseded_decision_is_refused(repository):
    experiment = decided(repository / "experiments")
    experiment.decide(
        experiment.decided_readout(), "iterate", because="Thought again.", by="Ana", supersedes=experiment.decision
    )
    experiment.memo_path.write_bytes(build_stale(experiment))
    found = next(f for f in review(folder=repository) if f.path.endswith(experiment.key))
    assert found.state == "refused"
    assert "later decision" in found.sentences[0]


def build_stale(experiment):
    """The memo as it was before the last decision."""
    from xpbench.memo import build

    entries = experiment.ledger.entries()
    return build(experiment.plan, experiment.decided_readout(), entries[:-1]).html.encode()


def test_a_copied_folder_is_refused(repository):
    experiment = decided(repository / "experiments")
    experiment.memo().save(experiment.memo_path)
    shutil.copytree(experiment.folder, experiment.folder.with_name("copied"))
    found = {f.path.rpartition("/")[2]: f for f in review(folder=repository)}
    assert found["copied"].state == "refused"
    assert any("copied or renamed" in s for s in found["copied"].sentences)
    assert any("same registration" in s for s in found["copied"].sentences)
