"""Letters and overviews verify like a memo: every number from its evidence, the page from its payload, and nothing added."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpbench as xp
from tests.watch.ledgers import SHIPPED as THEN
from tests.watch.ledgers import Hands, plan, readout, shipped
from tests.watch.life import days_log, life, life_plan
from xpbench.canonical import canonical_bytes
from xpbench.memo.letter import Letter, letter_page, programme_letter

ROOT = Path(__file__).resolve().parents[2]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Letter:
    """Of a holdback after four weeks, with a forecast."""
    root = tmp_path_factory.mktemp("life")
    experiment, clock = life(root, life_plan("holdback", title="<b>Start & page</b>"), days=31)
    rng = np.random.default_rng(2)
    table = days_log(rng, first=date(2026, 9, 15), days=32, daily=400, rate=0.4, step=-0.05, exposed=True, holdback=0.5)
    found = experiment.watch(xp.events(table, clock=clock), by="ana & <bob>")
    assert found.letter is not None
    return found.letter


@pytest.fixture(scope="module")
def programme(tmp_path_factory: pytest.TempPathFactory) -> Letter:
    """Of six experiments: five decided, one peeked at and left."""
    root = tmp_path_factory.mktemp("root")
    clock = Hands(THEN)
    for i, lift in enumerate((0.08, 0.02, -0.01, 0.05, 0.0)):
        key = f"p{i}"
        (root / key).mkdir(parents=True)
        name = readout(root / key, lift=lift, se=0.02)
        kept = (root / key / "readout.json").read_bytes()
        (root / key / "readout.json").unlink()
        (root / key).rmdir()
        clock.at = THEN
        shipped(root, plan(key), clock=clock, outcome="ship" if lift > 0.03 else "ship none", readout_digest=name)
        (root / key / "readout.json").write_bytes(kept)
    ledger = shipped(root, plan("open"), clock=clock, outcome="defer")
    body = {
        "n": 10, "units": {"control": 5, "beta": 5}, "fingerprint": "f", "data_until": "", "first_exposure": "", "caps": [],
        "plan_digest": plan("open").digest, "reading": {}, "health": {"gates": []}, "reason": "curious",
    }  # fmt: skip
    ledger.append("peeked", body, by="bob")
    clock.at = THEN + timedelta(days=90)
    return programme_letter(root, clock=clock)


def changed(letter: Letter, change: Change, *, page: bool = False) -> Letter:
    """A letter with something else in it, sealed again; with `page` its words made again, as a forger would."""
    payload = json.loads(json.dumps(letter.payload))
    change(payload)
    if page:
        payload["page"] = json.loads(canonical_bytes(letter_page(payload)))
    return Letter(payload)


def test_a_letter_verifies_in_full(letter: Letter, tmp_path: Path) -> None:
    report = xp.verify(letter.save(tmp_path / "watch.html"))
    assert (report.exit_code, report.differences) == (0, ())
    assert report.headline.startswith("watch of beta")
    assert letter.payload["forecasts"], "the forecast is part of what is computed again"
    assert letter.payload["novelty"], "so is the verdict on novelty"
    assert "is not shown to fade or grow. The ratio moves by" in letter.html
    assert xp.verify(tmp_path / "watch.html", key="life").exit_code == 0
    assert xp.verify(tmp_path / "watch.html", key="other").exit_code == 1
    assert xp.verify(letter.save(tmp_path / "watch.json")).exit_code == 5


def test_texts_of_people_are_no_markup(letter: Letter) -> None:
    main = letter.html.partition("</main>")[0]
    assert "<b>Start" not in main
    assert "&lt;b&gt;Start &amp; page" in main
    assert "<bob>" not in main


@pytest.mark.parametrize("name", ["letter", "programme"])
def test_the_single_file_computes_the_numbers(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = request.getfixturevalue(name).save(tmp_path / "page.html")
    done = subprocess.run(
        [sys.executable, "-I", str(ROOT / "docs" / "verify.py"), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "words of the page" in done.stdout


def _mean(p: dict[str, Any]) -> None:
    p["series"]["out"]["shipped"]["days"][3][2] += 0.01


def _state(p: dict[str, Any]) -> None:
    p["state"] = "kept" if p["state"] != "kept" else "breached"


def _date(p: dict[str, Any]) -> None:
    p["dates"][0][2] = "kept" if p["dates"][0][2] != "kept" else "waiting"


def _forecast(p: dict[str, Any]) -> None:
    p["forecasts"][0]["lift"] += 0.01


def _none(p: dict[str, Any]) -> None:
    p["forecasts"] = []


def _word(p: dict[str, Any]) -> None:
    p["novelty"][0]["word"] = "fading" if p["novelty"][0]["word"] != "fading" else "growing"


def _week(p: dict[str, Any]) -> None:
    p["novelty"][0]["per_week"] += 0.01


def _said(p: dict[str, Any]) -> None:
    p["novelty"] = []


def _title(p: dict[str, Any]) -> None:
    p["title"] = "Another"


def _variant(p: dict[str, Any]) -> None:
    p["variant"] = "control"


def _later(p: dict[str, Any]) -> None:
    p["as_of"] = "2026-12-01T00:00:00.000000Z"


def _cut(p: dict[str, Any]) -> None:
    p["ledger"]["lines"] = p["ledger"]["lines"][:-1]


@pytest.mark.parametrize(
    "change", [_mean, _state, _date, _forecast, _none, _word, _week, _said, _title, _variant, _later, _cut]
)
def test_no_number_of_a_letter_can_be_changed(change: Change, letter: Letter, tmp_path: Path) -> None:
    for page in (False, True):
        try:
            forged = changed(letter, change, page=page)
        except (StopIteration, KeyError):  # the page can't even be made
            continue
        assert xp.verify(forged.save(tmp_path / "forged.html")).exit_code == 1


def test_a_note_that_nothing_accounts_for_is_seen(letter: Letter, tmp_path: Path) -> None:
    forged = changed(letter, lambda p: p["page"]["blocks"].append(["p", "All is well."]))
    assert xp.verify(forged.save(tmp_path / "a.html")).exit_code == 1
    forged = changed(letter, lambda p: p.update(extra=1))
    assert xp.verify(forged.save(tmp_path / "b.html")).exit_code == 1
    (tmp_path / "c.html").write_text(letter.html.replace("<h2", "<h2 hidden", 1))
    assert xp.verify(tmp_path / "c.html").exit_code == 1


def test_an_estimate_that_the_ledger_has_wrong_is_seen(tmp_path: Path) -> None:
    """A ledger rebuilt by its owner with better rows does not get past the series."""
    from xpbench.ledger import Ledger

    experiment, clock = life(tmp_path, life_plan("holdback"), days=31)
    rng = np.random.default_rng(2)
    table = days_log(rng, first=date(2026, 9, 15), days=32, daily=60, rate=0.4, step=0.3, exposed=True, holdback=0.5)
    found = experiment.watch(xp.events(table, clock=clock), by="ana")
    assert found.letter is not None
    assert found.status.state == "breached"
    path = tmp_path / "again" / "ledger.jsonl"
    path.parent.mkdir()
    forged = Ledger(path, clock=clock)
    for entry in experiment.ledger.entries():
        body = json.loads(json.dumps(entry.body))
        clock.at = entry_time(entry.at)
        if entry.kind == "watched":
            body["state"] = "kept"
            body["rows"][0] |= {"state": "kept", "reason": "It is shown to be within its margin."}
        forged.append(entry.kind, body, by=entry.by)
    from xpbench.memo.letter import watch_letter

    better = watch_letter(
        forged.entries(), found.letter.payload["series"], last_day=found.letter.payload["last_day"],
        notes=found.letter.payload["notes"], forecasts=[], novelty=[],
    )  # fmt: skip
    report = xp.verify(better.save(tmp_path / "better.html"))
    assert report.exit_code == 1
    assert any(d.part == "out, state" for d in report.differences)


def entry_time(stamp: str) -> Any:
    """The time of an entry."""
    from xpbench.ledger.clock import parse_stamp

    return parse_stamp(stamp)


def test_an_overview_verifies_in_full(programme: Letter, tmp_path: Path) -> None:
    report = xp.verify(programme.save(tmp_path / "programme.html"))
    assert (report.exit_code, report.differences) == (0, ())
    found = programme.payload["found"]
    assert (found["experiments"], found["decided"], found["shipped"]) == (6, 5, 2)
    assert found["peeks_by"] == {"bob": 1}
    assert found["reported"] == pytest.approx(0.13)
    assert 0.0 < found["expected"] < found["reported"]
    text = programme.html
    assert "The file drawer" in text
    assert "Peeks by person: bob 1" in text


def _drop(p: dict[str, Any]) -> None:
    p["experiments"].pop()


def _won(p: dict[str, Any]) -> None:
    p["found"]["shipped"] += 1


def _worth(p: dict[str, Any]) -> None:
    p["found"]["expected"] += 0.01


def _lift(p: dict[str, Any]) -> None:
    p["experiments"][1]["readout"]["rows"][0]["lift"] = 0.5


def _twice(p: dict[str, Any]) -> None:
    p["experiments"].append(p["experiments"][1])


def _nobody(p: dict[str, Any]) -> None:
    p["found"]["peeks_by"] = {"": 1}


@pytest.mark.parametrize("change", [_drop, _won, _worth, _lift, _twice, _nobody])
def test_no_number_of_an_overview_can_be_changed(change: Change, programme: Letter, tmp_path: Path) -> None:
    for page in (False, True):
        assert xp.verify(changed(programme, change, page=page).save(tmp_path / "forged.html")).exit_code == 1
