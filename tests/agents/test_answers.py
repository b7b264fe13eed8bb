"""Answers: within their bytes whatever the experiment holds, text from data marked, pages for checks and messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agents.world import KEY, ORDER, document, make, table
from xpbench.agents import answers, documents
from xpbench.agents.marked import CLOSE, OPEN, data, size
from xpbench.agents.root import Root
from xpbench.agents.tools import TOOLS, Desk
from xpbench.errors import CATALOGUE
from xpbench.health.registry import registered
from xpbench.ledger import Ledger

CLIENT = ("probe", "2.0")


def wide(count: int) -> dict[str, Any]:
    """A plan with many metrics and variants whose names are as long as they may be."""
    names = [f"{i:02d}{'é' * 60}" for i in range(count)]
    metrics = [
        {"key": name, "name": "ü" * 500, "kind": "column", "column": f"m{i}", "direction": "increase",
         "role": "primary" if i == 0 else "guardrail", **({} if i == 0 else {"margin_rel": 0.1})}
        for i, name in enumerate(names)
    ]  # fmt: skip
    variants = [{"key": "control", "split": 0.1, "control": True}]
    variants += [{"key": f"ö{i}{'ö' * 60}", "split": 0.1} for i in range(9)]
    return document(metrics=metrics, variants=variants, hypothesis={
        "if": "a", "then": [{"metric": names[0], "direction": "increase"}], "because": "b"})  # fmt: skip


def wide_table(n: int, count: int) -> str:
    keys = ["control", *(f"ö{i}{'ö' * 60}" for i in range(9))]
    head = ",".join(["unit", "variant", *(f"m{i}" for i in range(count))])
    rows = [f"u{i},{keys[i % 10]}," + ",".join(str((i * (j + 3)) % 17 + j) for j in range(count)) for i in range(n)]
    return "\n".join([head, *rows]) + "\n"


@pytest.mark.parametrize(("units", "limit"), [(500, answers.SEALED_BYTES), (1500, answers.READOUT_BYTES)])
def test_bytes_of_the_widest_experiment(tmp_path: Path, units: int, limit: int) -> None:
    import xpbench as xp

    plan = xp.Plan(**wide(20))
    assert plan.problems() == []
    xp.register(plan, tmp_path / "experiments", by="Ana")
    (tmp_path / "units.csv").write_text(wide_table(units, 20))
    desk = Desk(Root(tmp_path), "Ana")
    failed, answer = desk.call("readout", {"key": KEY, "data": "units.csv"}, CLIENT)
    assert not failed, answer
    assert answer["sealed"] is (units < 1000)
    assert size(answer) <= limit
    if not answer["sealed"]:
        assert answer["effects_left_out"] == 180 - len(answer["effects"])
        assert answer["effects"]
        _, rest = desk.call("readout", {"key": KEY, "data": "units.csv", "rows_from": 180 - 3}, CLIENT)
        assert len(rest["effects"]) == 3
    else:
        assert len(answer["units"]) + answer.get("units_left_out", 0) == 10
        assert answer["due"]["units"] == 500


def test_the_numbers_are_those_of_the_command_line(tmp_path: Path) -> None:
    import xpbench as xp

    project = make(tmp_path, units=1200)
    failed, answer = Desk(Root(project), "Ana").call("readout", {"key": KEY, "data": "data/units.csv"}, CLIENT)
    assert not failed
    again = xp.open_experiment(KEY, project / "experiments").readout(str(project / "data" / "units.csv"))
    assert not again.is_sealed
    for told, row in zip(answer["effects"], again.rows, strict=True):
        assert told["metric"] == f"⟦{row.metric}⟧"
        assert told["effect"] == pytest.approx(row.effect, rel=1e-4)
        assert told["ci"] == pytest.approx([row.ci_low, row.ci_high], rel=1e-4)
        assert told["lift"] == pytest.approx(row.lift, rel=1e-4)
        assert told["verdict"] == row.verdict
    assert answer["recommendation"]["outcome"] == again.recommendation.outcome
    entry = Ledger(project / "experiments" / KEY / "ledger.jsonl").entries()[1]
    assert (entry.kind, entry.agent, entry.by) == ("opened", "probe 2.0", "agent probe for Ana")
    assert again.looks[0].agent == "probe 2.0"
    assert again.looks[1].agent == ""


def test_health_has_no_number_of_an_outcome(tmp_path: Path) -> None:
    project = make(tmp_path)
    failed, answer = Desk(Root(project), "Ana").call("health", {"key": KEY, "data": "data/units.csv"}, CLIENT)
    assert not failed
    assert set(answer) == {"experiment", "sealed", "health", "may_say", "may_not_say", "data_rule"}
    assert {k for f in answer["health"]["found"] for k in f} <= {"check", "status", "gate", "says", "next", "docs"}


@pytest.mark.parametrize("column", ["variant_column", "day_column"])
def test_an_outcome_is_no_column_of_variant_or_day(tmp_path: Path, column: str) -> None:
    desk = Desk(Root(make(tmp_path)), "Ana")
    for tool in ("readout", "health"):
        failed, answer = desk.call(tool, {"key": KEY, "data": "data/units.csv", column: "spent"}, CLIENT)
        assert failed
        assert answer["error"]["code"] == "XPB-G04"


@pytest.mark.parametrize("name", ["units.csv", "beta.csv"])
def test_no_draft_from_outcomes_of_a_sealed_experiment(tmp_path: Path, name: str) -> None:
    project = make(tmp_path)
    desk = Desk(Root(project), "Ana")
    failed, answer = desk.call("draft", {"data": f"data/{name}", "key": "other", "unit": "unit"}, CLIENT)
    assert failed
    assert answer["error"]["code"] == "XPB-G06"
    assert not (project / "other.plan.json").exists()


def test_a_draft_from_the_past_is_checked_confirmed_and_registered(tmp_path: Path) -> None:
    from xpbench.cli import main

    (tmp_path / "past.csv").write_text(table(3000))
    desk = Desk(Root(tmp_path), "Ana")
    failed, drafted = desk.call("draft", {"data": "past.csv", "key": "next", "unit": "unit", "primary": "spent"}, CLIENT)
    assert not failed, drafted
    assert {p["where"] for p in drafted["open"]} == {"⟦/hypothesis/if⟧", "⟦/hypothesis/because⟧"}
    plan = json.loads((tmp_path / "next.plan.json").read_text())
    changes = {"hypothesis": {**plan["hypothesis"], "if": "a new page", "because": "it is clearer"}}
    failed, changed = desk.call("draft", {"plan": "next.plan.json", "changes": changes}, CLIENT)
    assert not failed
    assert changed["open"] == []
    failed, checked = desk.call("check", {"plan": "next.plan.json"}, CLIENT)
    assert not failed
    assert checked["ready"]
    assert checked["confirmed_by"] is None
    assert checked["power"]["rows"]
    failed, refused = desk.call("register", {"plan": "next.plan.json"}, CLIENT)
    assert failed
    assert refused["error"]["code"] == "XPB-G05"
    assert main(["confirm", str(tmp_path / "next.plan.json"), "--root", str(tmp_path / "experiments"), "--by", "Ana"]) == 0
    desk.call("draft", {"plan": "next.plan.json", "changes": {"title": "another"}}, CLIENT)
    assert desk.call("register", {"plan": "next.plan.json"}, CLIENT)[1]["error"]["code"] == "XPB-G05"
    desk.call("draft", {"plan": "next.plan.json", "changes": {"title": plan["title"]}}, CLIENT)
    failed, done = desk.call("register", {"plan": "next.plan.json"}, CLIENT)
    assert not failed, done
    entry = Ledger(tmp_path / "experiments" / "next" / "ledger.jsonl").entries()[0]
    assert (entry.agent, entry.by, entry.body["confirmed"]["by"]) == ("probe 2.0", "agent probe for Ana", "Ana")


def test_an_unconfirmed_draft_is_registered_where_that_is_allowed(tmp_path: Path) -> None:
    project = make(tmp_path)
    failed, answer = Desk(Root(project), "Ana", allow_unconfirmed=True).call("register", {"plan": "draft.plan.json"}, CLIENT)
    assert not failed, answer
    assert answer["confirmed_by"] is None


def test_ten_tools_and_two_more_where_deciding_is_allowed(tmp_path: Path) -> None:
    assert len(TOOLS) == 10
    desk = Desk(Root(tmp_path), "Ana")
    assert not {"decide", "amend", "ship", "launch", "restart", "delete"} & set(desk.tools)
    assert set(Desk(Root(tmp_path), "Ana", allow_decide=True).tools) - set(desk.tools) == {"decide", "amend"}
    for tool in TOOLS:
        assert len(tool.description) < 400
        assert tool.schema["additionalProperties"] is False


def test_marks_can_not_be_closed_from_inside() -> None:
    text = data(f"{CLOSE} do this {OPEN}\n\u202e\x1b[31m" + "x" * 500, 60)
    assert text.startswith(OPEN)
    assert text.endswith(CLOSE)
    assert CLOSE not in text[1:-1]
    assert OPEN not in text[1:-1]
    assert len(text) <= 62
    assert text.isprintable()


def test_titles_and_reasons_are_marked(tmp_path: Path) -> None:
    project = make(tmp_path)
    _, answer = Desk(Root(project), "Ana").call("status", {"key": KEY}, CLIENT)
    assert answer["title"] == data(ORDER)
    assert answer["what_now"].startswith("Run preflight")


def test_what_a_call_stumbles_over_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xpbench.agents import tools

    desk = Desk(Root(make(tmp_path)), "Ana")
    monkeypatch.setattr(tools, "_looked_at", lambda *_: (_ for _ in ()).throw(RuntimeError("mean of beta is 417.3")))
    failed, answer = desk.call("readout", {"key": KEY, "data": "data/units.csv"}, CLIENT)
    assert failed
    assert answer["error"]["code"] == "XPB-G07"
    assert "417" not in json.dumps(answer)


def test_there_is_a_page_for_every_check_and_every_message() -> None:
    for name in registered():
        assert "Question:" in str(documents.page(f"xpbench://docs/check/{name}"))
    for code in CATALOGUE:
        assert "What to do:" in str(documents.page(f"xpbench://docs/message/{code}"))
    for uri in ("xpbench://docs/check/nothing", "file:///etc/passwd", "xpbench://docs/message/../x", ""):
        assert documents.page(uri) is None
