"""The record against second people, older looks, restarts and kills: what one step promises the next."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing as mp
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from tests.decide.sealed import plan, summary
from tests.registering import register_at_once
from xpbench.decide.recommend import recommend
from xpbench.errors import DecisionError, LedgerError, XpbenchError
from xpbench.ledger import Ledger
from xpbench.ledger.folder import READOUTS


@pytest.fixture
def experiment(tmp_path: Path) -> xp.Experiment:
    return xp.register(plan(), tmp_path, by="Ana")


def decided(experiment: xp.Experiment, readout: Any, **more: Any) -> Any:
    advice = readout.recommendation
    words = {"because": "As planned.", "by": "Ana", **more}
    return experiment.decide(readout, advice.outcome, variant=advice.variant or None, **words)


# looks


def test_a_decision_on_an_older_look_is_named_where_everybody_reads(experiment: xp.Experiment, tmp_path: Path) -> None:
    first = experiment.readout(summary(4000), by="Ana")
    second = experiment.readout(summary(5000), by="Ana")
    entry = decided(experiment, first)
    assert entry.body["look"]["seq"] == 2
    assert entry.body["later_looks"] == [3]
    assert entry.body["follows_rule"] is False
    path = experiment.memo().save(tmp_path / "memo.html")
    page = path.read_text(encoding="utf-8").partition('<script type="application/json"')[0]
    assert "OLDER LOOK" in page
    assert "2 looks at the effects" in page
    assert "follows the rule of the plan" not in page
    assert xp.verify(path).status == "verified"
    assert second.summary.n == 5000


def test_a_second_look_at_the_same_data_is_the_same_look(experiment: xp.Experiment) -> None:
    first = experiment.readout(summary(4000), by="Ana")
    experiment.readout(summary(4000), by="Bob")
    experiment.readout(summary(4000), by="Ana")
    entry = decided(experiment, first)
    assert entry.body["later_looks"] == []
    assert entry.body["follows_rule"] is True
    assert experiment.status().looks == 1
    assert "1 look at the effects" in experiment.memo().html
    assert "3 entries" in experiment.memo().html


@pytest.mark.parametrize("part", ["health", "summary", "rows", "recommendation"])
def test_nothing_of_a_readout_may_be_edited_between_look_and_decision(experiment: xp.Experiment, part: str) -> None:
    readout = experiment.readout(summary(4000), by="Ana")
    if part == "health":
        kept = tuple(dataclasses.replace(c, status="warn") if c.status == "pass" else c for c in readout.health)
        advice = recommend(experiment.plan, readout.rows, kept, is_adequate=True)
        edited = dataclasses.replace(readout, health=kept, recommendation=advice)
    elif part == "summary":
        edited = dataclasses.replace(readout, summary=summary(4000, effect=0.5))
    elif part == "rows":
        edited = dataclasses.replace(readout, rows=(dataclasses.replace(readout.rows[0], lift=0.5), *readout.rows[1:]))
    else:
        other = "ship none" if readout.recommendation.outcome == "ship" else "ship"
        edited = dataclasses.replace(readout, recommendation=dataclasses.replace(readout.recommendation, outcome=other))
    before = experiment.ledger.path.read_bytes()
    with pytest.raises(DecisionError, match="XPB-R16"):
        decided(experiment, edited)
    assert experiment.ledger.path.read_bytes() == before
    decided(experiment, readout)


def test_a_readout_without_a_look_on_record_decides_nothing(experiment: xp.Experiment) -> None:
    readout = experiment.readout(summary(4000), by="Ana")
    with pytest.raises(DecisionError, match="XPB-R08"):
        decided(experiment, dataclasses.replace(readout, at="2020-01-01T00:00:00.000000Z"))


# two people, two handles


def test_a_stale_amendment_is_refused_and_every_handle_acts_under_the_plan_in_force(tmp_path: Path) -> None:
    xp.register(plan(), tmp_path)
    ana, bob = xp.open_experiment("sealed", tmp_path), xp.open_experiment("sealed", tmp_path)
    before = ana.plan
    ana.amend(before.changed(title="Ana's"), reason="words", by="ana")
    with pytest.raises(LedgerError, match="entry 2 amended by ana: /title"):
        bob.amend(before.changed(notes="Bob's"), reason="words", by="bob")
    assert bob.plan.title == "Ana's"
    assert bob.readout(summary(4000), by="bob").plan_digest == bob.plan.digest
    again = xp.open_experiment("sealed", tmp_path)
    again.amend(again.plan.changed(notes="Bob's"), reason="words", by="bob")
    assert (again.plan.title, again.plan.notes) == ("Ana's", "Bob's")
    assert [c["pointer"] for c in again.ledger.entries()[-1].body["changes"]] == ["/notes"]


def test_a_plan_file_that_undoes_an_amendment_needs_a_word(tmp_path: Path) -> None:
    experiment = xp.register(plan(), tmp_path)
    before = experiment.plan
    experiment = experiment.amend(before.changed(title="New"), reason="words", by="ana")
    with pytest.raises(DecisionError, match="XPB-R18"):
        experiment.amend(before.changed(notes="more"), reason="notes", by="bob", undo=False)
    assert experiment.amend(before.changed(notes="more"), reason="notes", by="bob").plan.title == before.title


def test_a_second_decision_says_what_it_supersedes_and_a_double_click_is_one(experiment: xp.Experiment) -> None:
    readout = experiment.readout(summary(4000), by="Ana")
    first = decided(experiment, readout)
    assert decided(experiment, readout).seq == first.seq
    with pytest.raises(DecisionError, match="XPB-R17"):
        decided(experiment, readout, because="Another reason.")
    with pytest.raises(DecisionError, match="XPB-R17"):
        decided(experiment, readout, because="Another reason.", supersedes=first.seq - 1)
    second = decided(experiment, readout, because="Another reason.", supersedes=first)
    assert second.body["supersedes"] == first.seq
    assert decided(experiment, readout, because="Another reason.", supersedes=first).seq == second.seq
    assert sum(e.kind == "decided" for e in experiment.ledger.entries()) == 2


def test_a_deferral_is_superseded_without_a_word(experiment: xp.Experiment) -> None:
    readout = experiment.readout(summary(4000), by="Ana")
    first = experiment.decide(readout, "defer", because="waiting", by="Ana")
    assert decided(experiment, readout).body["supersedes"] == first.seq


def test_of_several_who_register_a_key_at_once_one_is_let_in(tmp_path: Path) -> None:
    context = mp.get_context("spawn")  # not forked: threads of engines in this process leave locks behind in a forked one
    for run in range(2):
        root = tmp_path / str(run)
        barrier, answers = context.Barrier(3), context.Queue()
        plans = [plan().changed(title=f"Plan {i}") for i in range(3)]
        workers = [
            context.Process(target=register_at_once, args=(i, plans[i], str(root), barrier, answers), daemon=True)
            for i in range(3)
        ]
        for w in workers:
            w.start()
        found = dict(answers.get(timeout=60) for _ in workers)
        for w in workers:
            w.join(60)
        (winner,) = [i for i, said in found.items() if said == "registered"]
        assert set(found.values()) == {"registered", "XPB-L03"}
        assert xp.open_experiment("sealed", root).plan.title == f"Plan {winner}"
        assert json.loads((root / "sealed" / "plan.json").read_text())["title"] == f"Plan {winner}"


# two files


def test_readouts_are_kept_under_their_digests(experiment: xp.Experiment) -> None:
    first = decided(experiment, experiment.readout(summary(4000), by="Ana"))
    memo = experiment.memo().digest
    later = experiment.readout(summary(5000), by="Ana")
    with pytest.raises(DecisionError):
        decided(experiment, later, because="Again.")
    with pytest.raises(XpbenchError):
        decided(experiment, later, because="x" * 17_000_000, supersedes=first)
    assert experiment.decided_readout().summary.n == 4000
    assert memo
    name = first.body["readout_digest"]
    file = experiment.folder / READOUTS / f"{name}.json"
    file.write_text(file.read_text().replace('"n"', '"m"', 1))
    with pytest.raises(DecisionError, match="XPB-R05"):
        experiment.decided_readout()


def test_a_readout_of_an_earlier_release_is_found(experiment: xp.Experiment) -> None:
    entry = decided(experiment, experiment.readout(summary(4000), by="Ana"))
    file = experiment.folder / READOUTS / f"{entry.body['readout_digest']}.json"
    file.rename(experiment.folder / "readout.json")
    assert experiment.decided_readout().summary.n == 4000


def test_plan_json_is_made_again_where_it_is_older_or_gone(experiment: xp.Experiment) -> None:
    file = experiment.folder / "plan.json"
    older = file.read_bytes()
    experiment.amend(experiment.plan.changed(title="New"), reason="words", by="ana")
    newer = file.read_bytes()
    file.write_bytes(older)
    assert xp.open_experiment("sealed", experiment.root).plan.title == "New"
    assert file.read_bytes() == newer
    file.unlink()
    xp.open_experiment("sealed", experiment.root)
    assert file.read_bytes() == newer
    file.write_bytes(newer.replace(b'"New"', b'"Never on record"'))
    with pytest.raises(XpbenchError, match="XPB-P28"):
        xp.open_experiment("sealed", experiment.root)


def _steps(root: str, pipe: int) -> None:
    """Register, amend, decide and restart again and again, saying what was acknowledged."""
    experiment = xp.open_experiment("sealed", root)
    readout = None
    for i in range(1_000):
        if i % 2:
            supersedes = experiment.decision
            readout = experiment.readout(summary(4000 + i), by="Ana", further_health="off")
            experiment.decide(readout, "iterate", because=f"reason {i}", by="Ana", supersedes=supersedes)
            os.write(pipe, f"decided reason {i}\n".encode())
        else:
            experiment = experiment.amend(experiment.plan.changed(title=f"Title {i}"), reason="words", by="Ana")
            os.write(pipe, f"amended Title {i}\n".encode())


def test_a_kill_anywhere_in_amend_and_decide_leaves_an_experiment_that_opens(tmp_path: Path) -> None:
    """120 kills of an amendment once left 16 experiments that nothing opened."""
    for run in range(25):
        root = tmp_path / str(run)
        xp.register(plan(), root)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _steps(str(root), write)
            finally:
                os._exit(0)
        os.close(write)
        time.sleep(0.03 + 0.013 * run)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        said = b""
        while block := os.read(read, 65_536):
            said += block
        os.close(read)
        experiment = xp.open_experiment("sealed", root)
        entries = experiment.ledger.entries()
        on_record = {f"amended {e.body['plan']['title']}" for e in entries if e.kind == "amended"}
        on_record |= {f"decided {e.body['because']}" for e in entries if e.kind == "decided"}
        assert set(said.decode().split("\n")[:-1]) <= on_record
        assert xp.load_plan(root / "sealed" / "plan.json").digest == experiment.plan.digest
        if experiment.decision is not None:
            assert experiment.decided_readout().recommendation is not None


# restart


def restarted(root: Path, **more: Any) -> xp.Experiment:
    return xp.restart("sealed", root, reason="The sample ratio failed.", by="Ana", **more)


def test_a_restart_is_a_linked_run_with_a_fresh_salt_and_a_day_of_its_own(tmp_path: Path) -> None:
    assigned = plan(assignment={"hash": "sha256", "salt": "first"})
    old = xp.register(assigned, tmp_path)
    old.peek(summary(1000), reason="curious")
    new = restarted(tmp_path)
    assert (new.key, new.plan.experiment_name) == ("sealed-2", "sealed")
    assert new.plan.assignment is not None
    assert new.plan.assignment.salt not in (None, "first")
    assert new.plan.exposure.start is not None
    assert new.plan.exposure.start > new.ledger.entries()[0].at[:10]
    follows = new.ledger.entries()[0].body["follows"]
    assert (follows["key"], follows["knowledge"]) == ("sealed", "effects seen")
    assert follows["digest"] == old.ledger.head.digest
    assert (old.status().state, old.status().restarted_as) == ("restarted", "sealed-2")
    assert new.status().follows == ("sealed",)
    assert xp.restart("sealed-2", tmp_path, reason="Once more.").status().follows == ("sealed", "sealed-2")
    assert any("sealed → sealed-2 → sealed-3" in s for s in xp.portfolio(tmp_path).sentences)
    ids = [f"u{i}" for i in range(2000)]
    same = sum(a == b for a, b in zip(xp.assign(assigned, ids), xp.assign(new.plan, ids), strict=True))
    assert 800 < same < 1200


def test_a_run_ends_once_and_then_takes_no_amendment(tmp_path: Path) -> None:
    old = xp.register(plan(), tmp_path)
    restarted(tmp_path)
    with pytest.raises(LedgerError, match="XPB-L18"):
        restarted(tmp_path)
    with pytest.raises(LedgerError, match="XPB-L16"):
        old.amend(old.plan.changed(title="x"), reason="late", by="Ana")
    with pytest.raises(LedgerError, match="XPB-L13"):
        xp.open_experiment("sealed", tmp_path).launch()
    with pytest.raises(DecisionError, match="XPB-R02"):
        xp.restart("sealed-2", tmp_path, reason=" ")


def test_a_restart_that_was_killed_between_its_two_entries_is_finished_by_the_next(tmp_path: Path) -> None:
    import shutil

    xp.register(plan(), tmp_path)
    made = restarted(tmp_path)
    wanted = made.plan.digest
    shutil.rmtree(made.folder)
    assert restarted(tmp_path).plan.digest == wanted


def test_a_restart_that_was_killed_before_its_first_entry_is_finished_by_the_next(tmp_path: Path) -> None:
    """The file of the new ledger is there and empty: that is no run yet."""
    xp.register(plan(), tmp_path)
    made = restarted(tmp_path)
    (made.folder / "plan.json").unlink()
    made.ledger.path.write_bytes(b"")
    again = restarted(tmp_path)
    assert again.plan.digest == made.plan.digest
    assert [e.kind for e in again.ledger.entries()] == ["registered"]
    with pytest.raises(LedgerError, match="XPB-L18"):
        restarted(tmp_path)


def test_a_restart_may_add_a_variant(tmp_path: Path) -> None:
    old = xp.register(plan(), tmp_path)
    document = old.plan.to_dict()
    third = [{"key": k, "split": 1 / 3, "control": k == "a"} for k in ("a", "b", "c")]
    with pytest.raises(DecisionError, match="restart"):
        old.amend(xp.Plan(**{**document, "variants": third}), reason="one more", by="Ana")
    new = restarted(tmp_path, plan=xp.Plan(**{**document, "variants": third}), new_key="three")
    assert (new.key, [v.key for v in new.plan.variants]) == ("three", ["a", "b", "c"])


def test_the_memo_of_a_later_run_says_so(tmp_path: Path) -> None:
    xp.register(plan(), tmp_path).peek(summary(1000), reason="curious")
    new = restarted(tmp_path)
    decided(new, new.readout(summary(4000), by="Ana"))
    path = new.memo().save(tmp_path / "memo.html")
    assert "RUN 2" in path.read_text(encoding="utf-8")
    assert "effects seen: The sample ratio failed." in path.read_text(encoding="utf-8")
    assert xp.verify(path).status == "verified"


def test_a_name_in_the_log_belongs_to_one_experiment(tmp_path: Path) -> None:
    xp.register(plan(), tmp_path)
    other = {**plan().to_dict(), "key": "other"}
    with pytest.raises(LedgerError, match="XPB-L19"):
        xp.register(xp.Plan(**{**other, "exposure": {"experiment": "sealed"}}), tmp_path)
    assert not (tmp_path / "other").exists()
    xp.register(xp.Plan(**{**other, "exposure": {"experiment": "sealed", "start": "2027-01-01"}}), tmp_path)


# bad input


def test_an_entry_of_a_newer_kind_is_read_and_named(experiment: xp.Experiment) -> None:
    Ledger(experiment.ledger.path).append("teleported", {})
    again = xp.open_experiment("sealed", experiment.root)
    assert again.status().state == "registered"
    assert [n.name for n in again.ledger.notices] == ["unknown_kind"]
    assert "teleported" in again.status().sentence
    with pytest.raises(LedgerError, match="XPB-L21"):  # what it says may be just what an amendment has to know
        again.amend(again.plan.changed(title="Other"), reason="words")
    assert not again.readout(summary(4000)).is_sealed


def test_a_memo_is_not_called_the_latest_where_a_newer_version_wrote_since(experiment: xp.Experiment, tmp_path: Path) -> None:
    decided(experiment, experiment.readout(summary(4000), by="Ana"))
    path = experiment.memo().save(tmp_path / "memo.html")
    plainly = xp.verify(path, ledger=experiment.ledger.path)
    assert any(said.endswith("has no later decision") for said in plainly.checked)
    Ledger(experiment.ledger.path).append("teleported", {})
    report = xp.verify(path, ledger=experiment.ledger.path)
    assert report.exit_code == 0
    assert any("newer version" in said and "teleported" in said for said in report.not_checked)
    assert not any(said.endswith("has no later decision") for said in report.checked)
