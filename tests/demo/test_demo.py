"""The demo: whole flow, planted truth inside its intervals, and three endings."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from xpbench.cli import main
from xpbench.demo.run import recent_start, run_demo
from xpbench.demo.simulation import demo_plan, simulate
from xpbench.errors import InputError


@pytest.mark.parametrize(
    ("story", "outcome", "units"),
    [("ship", "ship", 40_000), ("guardrail", "ship none", 15_000), ("srm", "invalid", 15_000), ("lost", "invalid", 15_000)],
)
def test_each_story_has_its_ending_and_the_truth_is_inside(tmp_path: Path, story: str, outcome: str, units: int) -> None:
    result = run_demo(tmp_path / "demo", story=story, units=units)  # type: ignore[arg-type]
    assert result.readout.recommendation.outcome == outcome
    assert len(result.coverage) == 7
    if story not in ("srm", "lost"):  # there the units that are left are not comparable, which is the point
        assert [c for c in result.coverage if not c.is_inside] == []
    assert result.sealed.is_sealed
    assert xp.verify(result.memo).status == result.verdict == "verified"
    assert [e.kind for e in xp.open_experiment("beta-homepage", result.folder / "experiments").ledger.entries()] == [
        "registered", "preflight", "launched", "looked", "opened", "decided",
    ]  # fmt: skip


def test_same_seed_same_memo(tmp_path: Path) -> None:
    one, other = (run_demo(tmp_path / name, units=3_000, seed=5) for name in ("a", "b"))
    assert one.memo.read_bytes() == other.memo.read_bytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    first = run_demo(tmp_path / "demo", units=2_000)
    second = run_demo(tmp_path / "demo", units=2_000)
    assert (first.folder, second.folder) == (tmp_path / "demo", tmp_path / "demo-2")


def test_truth_is_planted_where_it_is_said(tmp_path: Path) -> None:
    plan = demo_plan(units=60_000)
    simulation = simulate(plan, units=60_000, seed=1)
    frame = simulation.events.to_pandas()
    exposed = frame[frame["event"] == "$experiment_started"].set_index("distinct_id")["Variant name"]
    after = frame[frame["event"] == "Retirement Quote Started"].drop_duplicates("distinct_id")["distinct_id"]
    rate = exposed.index.isin(after)
    lift = rate[exposed == "beta"].mean() / rate[exposed == "control"].mean() - 1
    assert lift == pytest.approx(0.12, abs=0.05)  # 3 standard errors


def test_command_prints_decision_and_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path / "d"), "--units", "3000", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert Path(shown["memo"]).is_file()
    assert Path(shown["notebook"]).is_file()
    assert shown["verify"] == "verified"
    assert main(["verify", shown["memo"]]) == 0


@pytest.mark.parametrize("words", [{"units": 10}, {"story": "other"}])
def test_bad_input_is_told(tmp_path: Path, words: dict[str, object]) -> None:
    with pytest.raises(InputError, match="XPB-I04"):
        run_demo(tmp_path / "d", **words)  # type: ignore[arg-type]


@pytest.mark.parametrize("now", [datetime(2026, 12, 1, 1, tzinfo=UTC), datetime(2027, 1, 3, 23, 59, tzinfo=UTC)])
def test_the_story_ends_within_the_last_week_and_its_numbers_depend_on_no_date(tmp_path: Path, now: datetime) -> None:
    start = recent_start(now)
    assert start.weekday() == 0
    result = run_demo(tmp_path / "recent", units=2_000, start=start)
    decided = datetime.fromisoformat(result_time(result))
    assert timedelta(0) <= now - decided < timedelta(days=9)
    usual = run_demo(tmp_path / "usual", units=2_000)
    assert [(r.metric, r.mean, r.lift) for r in result.readout.rows] == [(r.metric, r.mean, r.lift) for r in usual.readout.rows]


def result_time(result: Any) -> str:
    entries = xp.open_experiment("beta-homepage", result.folder / "experiments").ledger.entries()
    return str(entries[-1].at)


def test_a_start_that_is_no_day_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "--start", "last monday"])
    assert "2026-09-07" in capsys.readouterr().err


@pytest.mark.browser
def test_the_page_counts_a_visitor_once_through_relay_and_sandbox(tmp_path: Path) -> None:
    """As a new user opens it: one variant is seen, its exposure arrives, a reload adds none, a forced variant counts nobody."""
    from tests.randomiser.pages import AGENT, WATCH
    from xpbench.demo.page import homepage
    from xpbench.mixpanel.sandbox import Sandbox

    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    plan = demo_plan(units=3_000)
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text(homepage(plan), "utf-8")

    def exposed(box: Sandbox, count: int) -> dict[str, str]:
        end = time.monotonic() + 15
        while time.monotonic() < end and len(box.deduplicated()) < count:
            time.sleep(0.05)
        sent = [e["properties"] for e in box.events() if e["event"] == "$experiment_started"]
        assert len(sent) == len({p["distinct_id"] for p in sent})
        return {p["distinct_id"]: p["Variant name"] for p in sent}

    with Sandbox(pages=tmp_path / "page", relay=plan) as box, box.trusted(), playwright.sync_playwright() as driver:
        args = ["--no-sandbox", "--disable-blink-features=AutomationControlled"]
        browser = driver.chromium.launch(executable_path=program, args=args)
        context = browser.new_context(user_agent=AGENT)
        context.add_init_script(WATCH)
        page = context.new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{box.pages_url}/")
        page.wait_for_function("document.getElementById('did').textContent.indexOf('has your one exposure') > 0")
        unit = page.evaluate("localStorage.getItem('xpb_id')")
        variant = xp.assign(plan, [unit])[0]
        assert exposed(box, 1) == {unit: variant}
        assert page.locator(".old-home").is_visible() == (variant == "control")
        assert page.locator(".beta-home").is_visible() == (variant != "control")
        page.wait_for_function(f"document.getElementById('arrived').textContent.indexOf('{variant} 1') > 0")
        assert page.evaluate("shift") == 0
        page.reload()
        page.wait_for_timeout(300)
        for forced, shown in (("control", ".old-home"), (plan.treatments[0].key, ".beta-home")):
            page.goto(f"{box.pages_url}/?xpb-{plan.key}={forced}")
            assert page.locator(shown).is_visible()
        page.click("#other")
        page.wait_for_function(f"(localStorage.getItem('xpb_id') || '{unit}') !== '{unit}'")
        second = page.evaluate("localStorage.getItem('xpb_id')")
        assert exposed(box, 2) == {unit: variant, second: xp.assign(plan, [second])[0]}
        browser.close()
    assert said == []
    assert box.pages_url is None


def test_a_relay_without_pages_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(demo_plan(units=3_000).to_dict()))
    assert main(["sandbox", "--relay", str(path), "--seconds", "0"]) == 2
    assert "--pages" in capsys.readouterr().err
