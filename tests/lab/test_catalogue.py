"""The list of experiments: every state, broken ones shown, dates that pass, and what it costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import xpbench as xp
from tests.lab.conftest import make_experiments
from tests.test_experiment import plan, table, units
from tests.watch.life import days_log, life, life_plan
from xpbench.experiment import statuses
from xpbench.lab import catalogue as catalogue_module
from xpbench.lab.catalogue import Catalogue, Item
from xpbench.ledger import fixed_clock


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue") / "experiments"
    make_experiments(folder)
    return folder


def by_key(root: Path, clock: object = None) -> dict[str, Item]:
    catalogue = Catalogue() if clock is None else Catalogue(clock=clock)  # type: ignore[arg-type]
    return {i.key: i for i in catalogue.items(root)}


def test_every_state_is_listed_and_the_broken_ledger_is_not_hidden(root: Path) -> None:
    found = by_key(root)
    assert {k: i.state for k, i in found.items()} == {
        "waiting": "registered",
        "sealed": "sealed",
        "decided": "decided",
        "torn": "broken",
        "idea": "draft",
    }
    assert "XPB-L" in found["torn"].sentence
    assert "entry 2" in found["torn"].sentence.lower() or "line 2" in found["torn"].sentence.lower()
    assert "Signatures missing: Ana" in found["waiting"].sentence
    assert found["decided"].has_memo
    assert found["idea"].path == ".drafts/idea.plan.json"


def test_states_agree_with_the_facade(root: Path) -> None:
    ours = by_key(root)
    for status in statuses(root):
        shown = ours[status["key"]].state
        assert shown == ("sealed" if status["key"] == "sealed" else status["state"])


def make_weeks(root: Path) -> None:
    """One that was shipped, with a letter and two checks that nobody made, and one that was restarted."""
    experiment, clock = life(root, life_plan(title="New start page"), days=8.5)
    log = days_log(np.random.default_rng(7), first=date(2026, 7, 6), days=80, daily=80, rate=0.2)
    made = experiment.watch(xp.events(log, clock=clock), by="ana")
    assert [p.name for p in made.paths] == ["watch.html"]
    xp.register(plan(key="short-form", title="Shorter form"), root, by="ana", clock=clock)
    xp.restart("short-form", root, reason="the button was cut off on phones", new_key="short-form-2", by="ana", clock=clock)


def test_lineage_learnings_and_letters_are_listed(tmp_path: Path) -> None:
    make_weeks(tmp_path)
    found = by_key(tmp_path, lambda: datetime(2026, 12, 1, tzinfo=UTC))
    assert found["short-form"].restarted_as == "short-form-2"
    assert found["short-form-2"].follows == ("short-form",)
    shipped = found["life"]
    assert shipped.letters == ("watch.html",)
    assert (shipped.hypothesis, shipped.learned) == ("If a new page, then quote will increase, because it is shorter.", "rule")
    assert shipped.state == "overdue"
    assert shipped.due.text == "Overdue: the letters of day 14 (due on 2026-09-29), day 28 (due on 2026-10-13)"
    (tmp_path / "life" / "watch-day-14.html").write_text("")
    (tmp_path / "life" / "watch-day-28.html").write_text("")
    again = by_key(tmp_path)["life"]
    assert again.letters == ("watch.html", "watch-day-28.html", "watch-day-14.html")
    portfolio = {line.key: line for line in xp.portfolio(tmp_path).lines}
    for key, item in found.items():
        line = portfolio[key]
        assert (item.hypothesis, item.learned, item.follows) == (line.hypothesis, line.learned, line.follows)


def test_sealed_item_tells_no_effect_and_says_what_is_missing(root: Path) -> None:
    item = by_key(root)["sealed"]
    assert "2,000 more units" in item.sentence
    assert item.health.status in ("pass", "warn")
    assert not {"effect", "lift", "mean", "p_value"} & set(item.to_dict())


def test_health_on_record_is_that_of_the_last_look(tmp_path: Path) -> None:
    experiment = xp.register(plan(), tmp_path)
    frame = table(3000)
    sealed = experiment.readout(units(frame[(frame.variant == "a") | (frame.index % 10 < 5)]))
    failing = sorted(c.name for c in sealed.health if c.status == "fail")
    assert "srm" in failing
    item = by_key(tmp_path)["form"]
    assert item.health.status == "fail"
    assert "srm: fail" in item.health.text
    assert experiment.ledger.entries()[-1].body["health"]["fail"] == failing


def test_edited_plan_is_broken_and_a_repaired_one_is_not(tmp_path: Path) -> None:
    experiment = xp.register(plan(), tmp_path)
    catalogue = Catalogue()
    assert catalogue.items(tmp_path)[0].state == "registered"
    path = experiment.folder / "plan.json"
    before = path.read_text()
    path.write_text(before.replace('"min_lift": 0.01', '"min_lift": 0.0001'))
    assert catalogue.items(tmp_path)[0].state == "broken"
    assert "min_lift" in catalogue.items(tmp_path)[0].sentence
    path.write_text(before)
    assert catalogue.items(tmp_path)[0].state == "registered"


def test_a_date_that_passes_changes_the_state_without_any_file_changing(tmp_path: Path) -> None:
    now = datetime(2026, 11, 3, 9, tzinfo=UTC)
    moment = [now]
    experiment = xp.register(plan(horizon={"days": 14}), tmp_path, clock=lambda: moment[0])
    experiment.launch()
    catalogue = Catalogue(clock=lambda: moment[0])
    first = catalogue.items(tmp_path)[0]
    assert first.state == "running"
    assert first.due.at.startswith("2026-11-17")
    assert not first.due.is_due
    moment[0] = now + timedelta(days=15)
    assert catalogue.items(tmp_path)[0].due.is_due
    assert catalogue.items(tmp_path)[0].next == "readout"


def test_watch_becomes_overdue(tmp_path: Path) -> None:
    moment = [datetime(2026, 11, 3, 9, tzinfo=UTC)]
    experiment = xp.register(
        plan(watch={"weeks": 2, "check_days": [7], "metrics": ["errors"], "owner": "ana"}), tmp_path, clock=lambda: moment[0]
    )
    readout = experiment.readout(units(table()))
    experiment.decide(readout, "ship", variant="b", because="as planned", by="ana")
    catalogue = Catalogue(clock=lambda: moment[0])
    assert catalogue.items(tmp_path)[0].state == "watched"
    moment[0] += timedelta(days=9)
    item = catalogue.items(tmp_path)[0]
    assert (item.state, item.due.is_overdue) == ("overdue", True)
    assert "day 7" in item.sentence


def test_hostile_folders_are_listed_as_broken_and_nothing_raises(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "Upper Case").mkdir()
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "ledger.jsonl").write_bytes(b"\x00\xff\n")
    (tmp_path / "noise" / "plan.json").write_text("[")
    (tmp_path / "away").symlink_to("/etc")
    (tmp_path / "loose.plan.json").write_text("{")
    assert {i.state for i in Catalogue().items(tmp_path)} == {"broken"}
    assert len(Catalogue().items(tmp_path)) == 5


def test_missing_root_is_empty(tmp_path: Path) -> None:
    assert Catalogue().items(tmp_path / "nowhere") == []


def test_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    experiment = xp.register(plan(), tmp_path)
    catalogue = Catalogue()
    catalogue.items(tmp_path)
    for file in experiment.folder.iterdir():
        file.unlink()
    experiment.folder.rmdir()
    assert catalogue.items(tmp_path) == []
    assert catalogue._known == {}


def test_a_root_that_is_known_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long 500 experiments take is measured by benchmarks/catalogue.py; here only that nothing is read twice."""
    clock = fixed_clock("2026-11-03T09:00:00", step_seconds=60)
    first = xp.register(plan(key="e0"), tmp_path, clock=clock)
    for n in range(1, 8):
        xp.register(plan(key=f"e{n}"), tmp_path, clock=clock)
    read: list[str] = []
    entries = catalogue_module.read_entries
    monkeypatch.setattr(catalogue_module, "read_entries", lambda folder: [read.append(folder.name), entries(folder)][1])
    catalogue = Catalogue(clock=clock)
    assert [i.state for i in catalogue.items(tmp_path)] == ["registered"] * 8
    assert sorted(read) == [f"e{n}" for n in range(8)]
    catalogue.items(tmp_path)
    assert len(read) == 8
    first.launch()
    assert next(i for i in catalogue.items(tmp_path) if i.key == "e0").state == "running"
    assert read[8:] == ["e0"]
