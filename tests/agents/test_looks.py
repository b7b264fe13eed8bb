"""Looks by programs: limited by the plan, counted in readout, memo and portfolio; older plans keep their bytes."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest

import xpbench as xp
from tests.agents.world import KEY, document, table
from tests.builders import make_plan, metric
from xpbench.agents.root import Root
from xpbench.agents.tools import Desk
from xpbench.errors import SealedError
from xpbench.ledger import Ledger
from xpbench.watch.past_experiments import portfolio

REASON = "the board asked for it on Monday"


def project(folder: Path, *, agents: int | None, units: int) -> Path:
    looks = {} if agents is None else {"looks": {"agents": agents}}
    xp.register(xp.Plan(**document(**looks)), folder / "experiments", by="Ana")
    for i in range(3):
        (folder / f"units{i}.csv").write_text(table(units + 10 * i))
    return folder


def looks(folder: Path) -> list[str]:
    return [e.kind for e in Ledger(folder / "experiments" / KEY / "ledger.jsonl").entries() if e.kind in ("opened", "peeked")]


def test_a_plan_without_the_field_keeps_its_bytes() -> None:
    assert "looks" not in xp.Plan(**document()).to_dict()
    assert xp.Plan(**document(looks={"agents": 0})).to_dict()["looks"] == {"agents": 0}


@pytest.mark.parametrize("value", [-1, 1.5, True, "0"])
def test_a_limit_is_a_number_of_looks(value: object) -> None:
    with pytest.raises(xp.errors.InvalidPlan if hasattr(xp, "errors") else Exception):
        xp.Plan(**document(looks={"agents": value}))


@pytest.mark.parametrize("units", [400, 1200])
def test_none_allowed(tmp_path: Path, units: int) -> None:
    folder = project(tmp_path, agents=0, units=units)
    desk = Desk(Root(folder), "Ana")
    arguments = {"key": KEY, "data": "units0.csv"}
    failed, answer = desk.call("peek", {**arguments, "reason": REASON}, ("probe", "1"))
    assert failed
    assert answer["error"]["code"] == "XPB-R40"
    failed, answer = desk.call("readout", arguments, ("probe", "1"))
    assert failed is (units > 1000)
    assert failed or answer["sealed"]
    assert looks(folder) == []
    person = xp.open_experiment(KEY, folder / "experiments").peek(str(folder / "units0.csv"), reason="a person asks", by="Ana")
    assert not person.is_sealed


def test_a_budget_counts_each_state_of_the_data_once(tmp_path: Path) -> None:
    folder = project(tmp_path, agents=1, units=400)
    desk = Desk(Root(folder), "Ana")
    for _ in range(2):
        failed, answer = desk.call("peek", {"key": KEY, "data": "units0.csv", "reason": REASON}, ("probe", "1"))
        assert not failed
    assert answer["looks"]["agents_may"] == 1
    failed, answer = desk.call("peek", {"key": KEY, "data": "units1.csv", "reason": REASON}, ("other", "1"))
    assert failed
    assert answer["error"]["code"] == "XPB-R40"


def test_two_at_once_can_not_both_have_the_last_look(tmp_path: Path) -> None:
    folder = project(tmp_path, agents=1, units=400)
    start = threading.Barrier(3)
    refused = []

    def look(i: int) -> None:
        experiment = xp.open_experiment(KEY, folder / "experiments", agent=f"probe {i}")
        start.wait()
        try:
            experiment.peek(str(folder / f"units{i}.csv"), reason=REASON, by="agent", further_health="off")
        except SealedError as error:
            refused.append(error.code)

    threads = [threading.Thread(target=look, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert refused == ["XPB-R40"] * 2
    assert looks(folder) == ["peeked"]


def test_memo_and_portfolio_count_them(tmp_path: Path) -> None:
    folder = project(tmp_path, agents=None, units=1200)
    desk = Desk(Root(folder), "Ana", allow_decide=True)
    failed, _ = desk.call("readout", {"key": KEY, "data": "units0.csv"}, ("probe", "1"))
    assert not failed
    failed, answer = desk.call(
        "decide",
        {"key": KEY, "data": "units0.csv", "outcome": "iterate", "because": "the interval is wide"},
        ("probe", "1"),
    )
    assert not failed, answer
    failed, answer = desk.call("memo", {"key": KEY}, ("probe", "1"))
    assert not failed, answer
    page = (folder / answer["memo"]).read_text(encoding="utf-8")
    assert "1 look by programs on behalf of people" in page
    assert "agent probe for Ana" in page
    failed, verified = desk.call("verify", {"memo": answer["memo"]}, ("probe", "1"))
    assert (failed, verified["status"], verified["exit_code"]) == (False, "verified", 0)
    found = portfolio(folder / "experiments")
    assert found.lines[0].agent_looks == 1
    assert "1 look by programs on behalf of people, in 1 experiment." in found.sentences


def test_an_event_that_nobody_did_yet_is_zero_where_the_assistant_says_so(tmp_path: Path) -> None:
    plan = make_plan([metric("done", "conversion", event="Done", window_days=2)], unit="distinct_id", key="t")
    xp.register(plan, tmp_path / "experiments", by="Ana", retrospective=True)
    rows = [("$experiment_started", f"u{i}", f"x{i}", "t", ["control", "beta"][i % 2]) for i in range(200)]
    log = pd.DataFrame([*rows, ("Other", "zz", "z", None, None)])
    log.columns = pd.Index(["event", "distinct_id", "$insert_id", "Experiment name", "Variant name"])
    log.assign(time=pd.Timestamp("2026-01-03") + pd.to_timedelta(log.index, unit="h")).to_parquet(tmp_path / "log.parquet")
    desk = Desk(Root(tmp_path), "Ana")
    for tool in ("readout", "health"):
        asked = {"key": "t", "data": "log.parquet"}
        failed, answer = desk.call(tool, asked, ("probe", "1"))
        assert (failed, answer["error"]["code"]) == (True, "XPB-D31")
        assert "absent_events" in answer["error"]["remedy"]
        failed, answer = desk.call(tool, {**asked, "absent_events": "zero"}, ("probe", "1"))
        assert (failed, answer["sealed"]) == (False, True)
        assert desk.call(tool, {**asked, "absent_events": "never"}, ("probe", "1"))[0]


def test_a_table_has_no_absent_events(tmp_path: Path) -> None:
    folder = project(tmp_path, agents=None, units=400)
    asked = {"key": KEY, "data": "units0.csv", "absent_events": "zero"}
    failed, answer = Desk(Root(folder), "Ana").call("readout", asked, ("probe", "1"))
    assert (failed, answer["error"]["code"]) == (True, "XPB-G02")
