"""A ledger that git, an editor or a file manager has damaged is named, and repaired without losing an entry of either side."""

import shutil
from pathlib import Path

import pytest

import xpbench as xp
from tests.decide.sealed import plan, summary
from xpbench.cli import main
from xpbench.errors import BrokenLedger, LedgerError
from xpbench.ledger import Ledger, fixed_clock
from xpbench.ledger.repair import repair, sides


@pytest.fixture
def root(tmp_path):
    xp.register(plan(), tmp_path, by="Ana")
    return tmp_path


def forked(root, ours, theirs):
    """The ledger as git leaves it after both sides have added entries."""
    file, plan_file = root / "sealed" / "ledger.jsonl", root / "sealed" / "plan.json"
    base, first = file.read_bytes(), plan_file.read_bytes()
    grown = []
    for side in (ours, theirs):
        file.write_bytes(base)
        plan_file.write_bytes(first)
        side(xp.open_experiment("sealed", root))
        grown.append(file.read_bytes()[len(base) :])
    file.write_bytes(base + b"<<<<<<< HEAD\n" + grown[0] + b"=======\n" + grown[1] + b">>>>>>> bob\n")
    plan_file.write_bytes(b"<<<<<<< HEAD\n" + plan_file.read_bytes() + b"=======\n{}\n>>>>>>> bob\n")
    return [line for side in grown for line in side.split(b"\n") if line]


def looked(by, units, **more):
    def act(experiment):
        experiment.peek(summary(units), reason="curious", by=by)
        if more:
            experiment.amend(experiment.plan.changed(**more), reason="better words", by=by)

    return act


def test_markers_of_git_are_named_and_both_sides_kept(root, capsys):
    lines = forked(root, looked("ana", 1000), looked("bob", 1200))
    with pytest.raises(BrokenLedger, match="XPB-L14"):
        xp.open_experiment("sealed", root)
    assert main(["status", "--root", str(root)]) == 1
    assert "unresolved merge of git in line 2" in capsys.readouterr().out
    done = repair(root / "sealed", by="Cleo")
    assert done.added == 1
    assert done.set_aside == ()
    experiment = xp.open_experiment("sealed", root)
    assert {(k.by, k.units) for k in experiment.looks()} == {("ana", 1000), ("bob", 1200)}
    assert experiment.status().looks == 2
    kept = b"\n".join(e.line for e in experiment.ledger.entries()).decode()
    merged = next(e.body["lines"] for e in experiment.ledger.entries() if e.kind == "repaired")
    assert all(line.decode() in kept or line.decode() in merged for line in lines)
    assert repair(root / "sealed").done == ()


@pytest.mark.parametrize("amends", ["ours", "theirs"])
def test_the_side_that_amended_goes_first_and_the_plan_stays_in_force(root, amends):
    sides_ = [looked("ana", 1000), looked("bob", 1200)]
    sides_[amends == "theirs"] = looked("eva", 1400, title="Better words")
    forked(root, *sides_)
    assert repair(root / "sealed").set_aside == ()
    experiment = xp.open_experiment("sealed", root)
    assert experiment.plan.title == "Better words"
    assert xp.load_plan(root / "sealed" / "plan.json").digest == experiment.plan.digest
    assert len(experiment.looks()) == 2


def test_of_two_amendments_one_is_kept_aside_and_named(root):
    forked(root, looked("ana", 1000, title="Ours"), looked("bob", 1200, title="Theirs"))
    done = repair(root / "sealed")
    assert done.set_aside == ("entry 3 amended by bob: /title",)
    experiment = xp.open_experiment("sealed", root)
    assert experiment.plan.title == "Ours"
    assert {k.by for k in experiment.looks()} == {"ana", "bob"}
    body = next(e.body for e in experiment.ledger.entries() if e.kind == "repaired")
    assert any('"Theirs"' in line for line in body["lines"])


def test_a_readout_of_the_other_side_may_still_be_decided_on(root):
    kept = []
    forked(root, looked("ana", 1000), lambda e: kept.append(e.readout(summary(4000), by="bob")))
    repair(root / "sealed")
    experiment = xp.open_experiment("sealed", root)
    entry = experiment.decide(kept[0], kept[0].recommendation.outcome, variant=kept[0].recommendation.variant or None,
                              because="As planned.", by="bob")  # fmt: skip
    assert experiment.ledger.entries()[entry.body["look"]["seq"] - 1].body["merged"]["at"] == kept[0].at
    assert entry.body["later_looks"] == [2]  # the other side's look, which nobody knew of when this one was taken
    assert xp.verify(experiment.memo().save(root / "memo.html")).status == "verified"


@pytest.mark.parametrize("damage", [lambda d: d.replace(b"\n", b"\r\n"), lambda d: b"\xef\xbb\xbf" + d])
def test_line_ends_are_put_back(root, damage):
    file = root / "sealed" / "ledger.jsonl"
    good = file.read_bytes()
    file.write_bytes(damage(good))
    with pytest.raises(BrokenLedger):
        xp.open_experiment("sealed", root)
    done = repair(file)
    assert file.read_bytes().startswith(good)
    assert [e.kind for e in Ledger(file).entries()] == ["registered", "repaired"]
    assert Path(done.kept).read_bytes() == damage(good)


def test_a_renamed_folder_gets_its_name_back(root):
    (root / "sealed").rename(root / "old")
    with pytest.raises(LedgerError, match="XPB-L17"):
        xp.open_experiment("old", root)
    repair(root / "old")
    assert [e.kind for e in xp.open_experiment("sealed", root).ledger.entries()] == ["registered", "repaired"]
    assert not (root / "old").exists()


def test_a_copied_folder_is_merged_into_the_original_and_put_aside(root):
    shutil.copytree(root / "sealed", root / "copy")
    copy = Ledger(root / "copy" / "ledger.jsonl", clock=fixed_clock("2030-01-01"))
    copy.append("peeked", {"n": 7, "units": {"a": 3, "b": 4}, "fingerprint": "f" * 64, "reason": "x"}, by="Eve")
    done = repair(root / "copy")
    assert done.added == 1
    assert [k.by for k in xp.open_experiment("sealed", root).looks()] == ["Eve"]
    assert not (root / "copy").exists()
    shutil.copytree(done.kept, root / "copy")
    assert repair(root / "copy").added == 0  # the same again adds nothing twice
    assert len(xp.open_experiment("sealed", root).looks()) == 1


def test_what_was_changed_by_hand_is_not_repaired(root):
    file = root / "sealed" / "ledger.jsonl"
    file.write_bytes(file.read_bytes().replace(b"Ana", b"Bob").replace(b"\n", b"\r\n"))
    before = file.read_bytes()
    with pytest.raises(BrokenLedger, match="XPB-L01"):
        repair(file)
    assert file.read_bytes() == before


def test_the_command_says_what_it_did(root, capsys):
    forked(root, looked("ana", 1000), looked("bob", 1200))
    assert main(["ledger", "repair", "sealed", "--root", str(root)]) == 0
    assert "Unresolved merge: 1 entry added" in capsys.readouterr().out
    assert main(["ledger", "verify", "sealed", "--root", str(root)]) == 0


def test_sides_of_a_file_without_markers_are_the_same():
    assert sides(b"a\nb\n") == ([b"a", b"b"], [b"a", b"b"])
    assert sides(b"a\n<<<<<<< x\nb\n||||||| y\nc\n=======\nd\n>>>>>>> z\ne\n") == ([b"a", b"b", b"e"], [b"a", b"d", b"e"])
