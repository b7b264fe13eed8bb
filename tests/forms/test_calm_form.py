"""The form as a newcomer meets it: calm at first, words beside the field, sizes at once, nothing that does not apply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, plan_document, split
from xpbench.forms.field import is_visible
from xpbench.forms.plan_form import STEPS, PlanForm

CODE = re.compile(r"XPB-[A-Z]\d+|(?<![\w.<&])/(?:metrics|hypothesis|horizon|planning|variants|model|exposure)\b")


def texts(widget: Any) -> Iterator[str]:
    """All text that a person sees below a widget."""
    if isinstance(widget, ipw.Box):
        for child in widget.children:
            yield from texts(child)
    for trait in ("value", "description"):
        shown = getattr(widget, trait, None)
        if isinstance(shown, str) and not isinstance(widget, (ipw.Text, ipw.Textarea, ipw.Combobox)):
            yield re.sub(r"<style>.*?</style>|<[^>]+>", " ", shown, flags=re.DOTALL)


def plan(**more: Any) -> dict[str, Any]:
    base = plan_document(
        [column("bought"), column("left", "guardrail", "decrease", margin_rel=0.1)],
        key="shop",
        owner="me",
        lift=0.1,
        variants=split("control", "new"),
        unit="id",
        horizon={"units": 30_000},
        planning={"baselines": {"bought": 0.1, "left": 0.3}},
    )
    return {**base, **more}


def note(form: PlanForm, pointer: str) -> str:
    leaf: Any = form.field(pointer)
    return re.sub(r"<[^>]+>", " ", leaf.note.value)


def test_it_opens_without_a_single_error(tmp_path: Path) -> None:
    form = PlanForm(root=tmp_path)
    assert form.problems
    for step in range(len(STEPS)):
        form.go(step)
        shown = " ".join(texts(form.widget))
        assert "▲" not in shown.replace("▲ increase", ""), STEPS[step]
        assert not CODE.search(shown)
    assert "Still to fill in" in form._todo.value


def test_an_error_comes_with_the_touch_and_all_of_them_with_registering(tmp_path: Path) -> None:
    form = PlanForm(root=tmp_path)
    form.field("/hypothesis/if").control.value = "x"
    form.field("/hypothesis/if").control.value = ""
    assert "is empty" in note(form, "/hypothesis/if")
    assert "is empty" not in note(form, "/hypothesis/because")
    form.register_button.click()
    assert "is empty" in note(form, "/hypothesis/because")
    assert form.status.mood == "bad"
    assert not CODE.search(form.status.text)


WRONG = [
    ("/title", " ", "Say in a few words what is tested"),
    ("/owner", " ", "Name a person or a team"),
    ("/key", "My Key!", "my-key"),
    ("/hypothesis/if", " ", "Say what the treated units see"),
    ("/hypothesis/because", " ", "Say why it should work"),
    ("/hypothesis/then/0/metric", "nope", "'nope'"),
    ("/hypothesis/then/0/lift", "a lot", "is not a number"),
    ("/hypothesis/then/0/lift", "5,5", "Write 5.5"),
    ("/variants/1/key", "", "is empty"),
    ("/horizon/units", "many", "is not a whole number"),
    ("/horizon/units", "-5", "must be above 0"),
    ("/horizon/units", "1.5", "is not a whole number"),
    ("/horizon/days", "9999", "at most 3650"),
    ("/planning/power", "120", "below 100 %"),
    ("/planning/daily_units", "lots", "is not a number"),
    ("/planning/baselines", "bought = lots", "is not a number"),
    ("/model/confidence", "30", "above 50 %"),
    ("/exposure/start", "yesterday", "Write it as 2026-12-24"),
    ("/exposure/end", "2026-02-30", "days of the calendar"),
    ("/data/missing_codes", "none", "is not a number"),
    ("/decision/harm_alpha", "2", "below 0.5"),
    ("/segments", "$day_x", "Day and age"),
]


@pytest.mark.parametrize(("pointer", "typed", "words"), WRONG)
def test_a_wrong_value_has_its_words_beside_the_field(tmp_path: Path, pointer: str, typed: str, words: str) -> None:
    form = PlanForm(plan(), root=tmp_path)
    leaf: Any = form.field(pointer)
    leaf.control.value = typed
    said = note(form, pointer).replace("&#x27;", "'")
    assert words in said
    assert not CODE.search(said)
    assert "xp-wrong" in leaf.widget._dom_classes


def test_a_wrong_value_in_a_metric_of_kind_column_is_told_there(tmp_path: Path) -> None:
    form = PlanForm(plan(), root=tmp_path)
    form.metrics.select(1)
    body: Any = form.metrics.editor.body
    body.fields["margin_rel"].control.value = "200"
    assert [p.pointer for p in form.problems] == ["/metrics/1/margin_rel"]
    assert "below 100 %" in body.fields["margin_rel"].note.value
    body.fields["margin_rel"].control.value = "3"
    body.fields["column"].control.value = ""
    assert [p.pointer for p in form.problems] == ["/metrics/1/column"]
    assert "Column is empty" in body.fields["column"].note.value


@pytest.mark.parametrize(("typed", "expected"), [("5", 0.05), ("5 %", 0.05), ("5%", 0.05), ("0.5", 0.005), ("-2", -0.02)])
def test_a_percent_field_means_per_cent_and_says_so(tmp_path: Path, typed: str, expected: float) -> None:
    form = PlanForm(plan(), root=tmp_path)
    lift: Any = form.field("/hypothesis/then/0/lift")
    assert lift.control.description == "Expected lift (%)"
    assert lift.control.value == "10 %"
    lift.control.value = typed
    assert form.value["hypothesis"]["then"][0]["lift"] == expected
    assert lift.control.value == f"{expected * 100:g} %"


def test_shares_of_which_nobody_means_less_than_one_per_cent(tmp_path: Path) -> None:
    form = PlanForm(plan(), root=tmp_path)
    for typed in ("90", "0.9", "90 %"):
        form.field("/planning/power").control.value = typed
        assert form.value["planning"]["power"] == 0.9


def test_a_lift_above_all_is_asked_back_and_a_share_above_one_too(tmp_path: Path) -> None:
    form = PlanForm(plan(), root=tmp_path)
    form.field("/hypothesis/then/0/lift").control.value = "500"
    assert "6 times as much" in note(form, "/hypothesis/then/0/lift")
    form.size.wait()
    assert "✓" not in form._todo.value
    assert "Is that meant" in form._todo.value
    form.register_button.click()
    assert "500 %" in form._confirm_text.value
    form.cancel_button.click()
    form.field("/hypothesis/then/0/lift").control.value = "5"
    assert form.doubts() == []


def test_the_key_follows_the_title_until_somebody_says_another(tmp_path: Path) -> None:
    form = PlanForm(root=tmp_path)
    form.field("/title").control.value = "One-page checkout!"
    assert form.value["key"] == "one-page-checkout"
    form.field("/key").control.value = "mine"
    form.field("/title").control.value = "Another"
    assert form.value["key"] == "mine"


def test_the_hypothesis_names_the_metric_that_decides(tmp_path: Path) -> None:
    form = PlanForm(root=tmp_path)
    form.metrics.add_button.click()
    form.metrics.editor.choice.control.value = "column"
    body: Any = form.metrics.editor.body
    body.fields["column"].control.value = "converted"
    assert form.value["metrics"][0]["key"] == "converted"
    assert form.value["hypothesis"]["then"] == [{"metric": "converted", "direction": "increase"}]
    form.field("/hypothesis/then/0/lift").control.value = "5"
    body.fields["key"].control.value = "sold"
    assert form.value["hypothesis"]["then"] == [{"metric": "sold", "direction": "increase", "lift": 0.05}]


def test_sizes_come_with_the_baseline_and_say_what_they_need(tmp_path: Path) -> None:
    form = PlanForm(root=tmp_path)
    form.metrics.add_button.click()
    form.metrics.editor.choice.control.value = "column"
    body: Any = form.metrics.editor.body
    body.fields["column"].control.value = "converted"
    assert "baseline for converted" in form.size._text.value
    form.field("/planning/baselines").control.value = "converted = 10 %"
    form.field("/hypothesis/then/0/lift").control.value = "10"
    form.field("/horizon/units").control.value = "30000"
    form.size.wait()
    assert any("To find a lift of +10.0\u202f%" in line for line in form.size.lines)  # no sd: 0 and 1 are a proportion
    assert form.problems  # though the texts are still missing


def test_fields_that_do_not_apply_do_not_show(tmp_path: Path) -> None:
    form = PlanForm(plan(), root=tmp_path)
    form.metrics.select(0)
    body: Any = form.metrics.editor.body
    shown = {n for n, f in body.fields.items() if is_visible(f.widget)}
    assert "min_lift" in shown
    assert not {"margin", "margin_rel"} & shown
    form.metrics.select(1)
    form.refresh()
    shown = {n for n, f in body.fields.items() if is_visible(f.widget)}
    assert {"margin", "margin_rel"} <= shown
    assert "min_lift" not in shown
    exposure: Any = form._fields.fields["exposure"]
    assert [n for n, f in exposure.fields.items() if is_visible(f.widget)] == ["start", "end"]
    events = PlanForm(template="beta-homepage", root=tmp_path)
    assert is_visible(events.field("/exposure/event").widget)


def test_low_power_is_amber_with_the_horizon_that_would_do(tmp_path: Path) -> None:
    form = PlanForm(plan(horizon={"units": 4000}), root=tmp_path)
    form.refresh()
    form.size.wait()
    assert form.size.report is not None
    assert form.size.report.is_low
    assert "✓" not in form._todo.value
    assert "likely inconclusive" in form._todo.value
    needed = form.size.report.horizon_needed
    assert needed is not None
    form.horizon_button.click()
    assert form.value["horizon"]["units"] == needed
    form.size.wait()
    assert "✓ Ready to register" in form._todo.value
    assert not is_visible(form.horizon_button)


def test_without_a_baseline_nobody_says_ready(tmp_path: Path) -> None:
    form = PlanForm(plan(planning={}), root=tmp_path)
    form.refresh()
    assert "✓" not in form._todo.value
    assert "baseline" in form._todo.value


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    n = 6300
    frame = {
        "customer_id": [f"c{i}" for i in range(n)],
        "group": np.where(rng.random(n) < 0.5, "A", "B"),
        "converted": (rng.random(n) < 0.1).astype(int),
        "revenue": np.where(rng.random(n) < 0.3, rng.lognormal(3, 1, n), 0.0).round(2),
        "date": (pd.Timestamp("2026-10-05") + pd.to_timedelta(np.arange(n) // 300, unit="D")).strftime("%Y-%m-%d"),
    }
    path = tmp_path / "checkout_test.csv"
    pd.DataFrame(frame).to_csv(path, index=False)
    return path


def test_a_file_of_the_folder_fills_the_form(table: Path) -> None:
    form = PlanForm(root="experiments")
    assert "checkout_test.csv" in form.data.path.control.options
    form.field("/hypothesis/because").control.value = "fewer pages"
    form.data.path.control.value = "checkout_test.csv"
    value = form.value  # waits
    assert value["hypothesis"]["because"] == "fewer pages"  # what was typed stays
    assert value["planning"]["daily_units"] == 300
    assert [p.pointer for p in form.problems] == ["/hypothesis/if"]
    assert "yes or no" in form.data.summary.value
    form.rehearse_button.click()
    assert "Rehearsed 100 times" in form.status.text, form.status.text
    assert "nothing happens" in form.rehearsal.value
    body: Any = form.metrics.editor.body
    assert set(body.fields["column"].control.options) >= {"converted", "revenue"}
    assert "In the data: yes or no" in body.fields["column"].note.value
    form.field("/hypothesis/if").control.value = "one page"
    form.register_button.click()
    assert "confirm" in form.status.text
    form.data.confirm.control.value = True
    assert "confirmed by a person" in form.value["notes"]
    form.register_button.click()
    form.confirm_button.click()
    assert form.experiment is not None
    assert list(form.next_steps.buttons) == ["Readout", "Monitor notebook"]
    form.next_steps.buttons["Monitor notebook"].click()
    assert (table.parent / "checkout_test-monitor.ipynb").is_file()
    form.next_steps.buttons["Readout"].click()
    assert form.status.mood != "bad"


def test_what_can_not_be_read_is_told_and_nothing_is_lost(table: Path) -> None:
    form = PlanForm(root="experiments")
    form.field("/title").control.value = "Mine"
    Path("broken.csv").write_text("a,b\n1,2\n")
    form.data.path.control.value = "broken.csv"
    form.wait()
    assert form.status.mood == "bad"
    assert form.value["title"] == "Mine"


def test_from_a_file_to_a_memo_in_the_workbench(table: Path) -> None:
    bench = xp.Workbench()
    bench.new_button.click()
    form = bench.panel
    form.data.path.control.value = "checkout_test.csv"
    form.wait()
    form.field("/hypothesis/if").control.value = "one page"
    form.field("/hypothesis/because").control.value = "fewer pages"
    form.field("/horizon/units").control.value = "6000"
    form.data.confirm.control.value = True
    form.register_button.click()
    form.confirm_button.click()
    form.next_steps.buttons["Readout"].click()
    panel = bench.panel
    assert bench.step == "Readout"
    assert panel.source.path.control.value == "checkout_test.csv"
    panel.read_button.click()
    assert panel.readout is not None, panel.status.text
    assert not panel.readout.is_sealed
    bench.steps["Decision"].click()
    decision = bench.panel
    assert "What was found" in decision.numbers.value
    assert not is_visible(decision.rule_place.widget)
    decision.ask_button.click()
    assert "needs a reason" in decision.because.note.value
    assert "needs a" not in decision.by.note.value  # the plan's owner answers
    decision.because.control.value = "as found"
    decision.outcome.control.value = "iterate"
    decision.ask_button.click()
    decision.decide_button.click()
    decision.memo_button.click()
    assert "<iframe" in decision.memo_page.value
    assert xp.verify(Path("experiments") / form.experiment.key / "memo.html").status == "verified"


def test_the_workbench_finds_nested_roots_and_says_where_it_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xpbench.experiment.roots import roots_below

    monkeypatch.chdir(tmp_path)
    assert xp.Workbench().root == Path("experiments")
    for root in ("team/growth/tests", "work"):
        xp.register(xp.Plan(**plan()), tmp_path / root)
    assert roots_below(tmp_path) == ["work", "team/growth/tests"]
    bench = xp.Workbench()
    assert bench.root == Path("work")
    assert str((tmp_path / "work").resolve()) in bench.where.value
    assert is_visible(bench.folder.widget)
    bench.folder.control.value = "team/growth/tests"
    assert bench.root == Path("team/growth/tests")
    assert "team/growth/tests" in bench.where.value
