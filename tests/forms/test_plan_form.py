"""The plan form: handlers are called as functions, what they do is read from the form and from disk."""

from __future__ import annotations

import json
import types
import typing
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.builders import column, plan_document
from xpbench.forms.field import is_visible, problem_lines
from xpbench.forms.plan_form import STEPS, PlanForm
from xpbench.plan import Plan, check, template, template_names
from xpbench.plan.metrics import KINDS


def models_below(model: type[BaseModel]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()

    def walk(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation not in found:
                found.add(annotation)
                for info in annotation.model_fields.values():
                    walk(info.annotation)
        elif typing.get_origin(annotation) is not None or isinstance(annotation, types.UnionType):
            for inner in typing.get_args(annotation):
                walk(inner)

    walk(model)
    return found


def full_plan() -> dict[str, Any]:
    """A plan that uses every part of the model at least once."""
    plan = template("beta-homepage").to_dict()
    plan["audience"] = "visitors in Germany"
    plan["links"] = [{"title": "Ticket", "url": "https://example.com/1"}]
    plan["variants"] = [
        {"key": "control", "split": 0.5, "control": True, "name": "Today"},
        {"key": "beta", "split": 0.3, "control": False, "name": "Beta"},
        {"key": "gamma", "split": 0.2, "control": False, "name": "Gamma"},
    ]
    plan["assignment"] = {
        "hash": "mixpanel", "salt": "salt-1", "hash_salt": "abcd", "sticky": "all",
        "rollout": [
            {"key": "staff", "share": 1.0, "cohort": "staff", "variant": "beta"},
            {"key": "canada", "share": 0.5, "where": {"==": [{"var": "country"}, "CA"]},
             "splits": {"control": 0.5, "beta": 0.3, "gamma": 0.2}},
        ],
        "layer": {"key": "home", "salt": "layer-salt", "start": 0.0, "end": 0.5},
        "holdout": {"key": "global", "salt": "holdout-salt", "share": 0.05},
        "overrides": {"qa-1": "beta"},
    }  # fmt: skip
    plan["exposure"] |= {"format": "dictionary", "start": "2026-11-01", "end": "2026-12-01", "qa_testers": "keep"}
    where = [{"property": "platform", "op": "in", "value": ["web", "ios"]}, {"property": "amount", "op": ">", "value": 5}]
    common = {"role": "secondary", "direction": "increase", "cuped": False}
    event = {**common, "delay_days": 1, "window_days": 7, "where": where}
    plan["metrics"] += [
        {"key": "m_mean", "name": "Mean", "kind": "mean", "event": "E", "property": "p", **event},
        {"key": "m_sessions", "kind": "sessions", "timeout_minutes": 20, **event},
        {"key": "m_retention", "kind": "retention", "event": "E", "day": 7, "length_days": 2, **event},
        {"key": "m_funnel", "kind": "funnel", "steps": [{"event": "A", "where": where}, {"event": "B", "where": []}],
         "within_days": 3, "per": "entrant", **event},
        {"key": "m_formula", "kind": "formula", "expression": "quotes + m_sessions", **common},
        {"key": "m_caps", "kind": "sum", "event": "E", "property": "p", **event,
         "winsorize": {"lower": 0.01, "upper": 0.99, "over": "nonzero"}},
    ]  # fmt: skip
    plan["model"] = {
        "kind": "bayesian",
        "confidence": 0.9,
        "prior": {"kind": "lift", "mean": 0.0, "sd": 0.1},
        "due": "min_units",
        "min_units": 600,
    }
    plan["planning"] = {"power": 0.9, "daily_units": 1500.0, "baselines": {"quotes": 0.2}, "sds": {"quotes": 0.7}}
    plan["horizon"] = {"units": 40000, "days": 28}
    plan["data"] |= {"missing_codes": [-999.0], "smallest_segment": 30}
    plan["sign_offs"] = [{"name": "A reviewer", "role": "statistics", "needed_for": "decide"}]
    plan["looks"] = {"agents": 2}
    plan["ramp"] = {
        "stages": [{"share": 0.5, "days": 3, "units": 100, "signs": "Eve"}, {"share": 1.0, "days": 7, "needs": "non_inferior"}]
    }
    plan["notes"] = 'Notes with "quotes",\nlines and </script>'
    return plan


@pytest.mark.parametrize("name", template_names())
def test_a_template_goes_through_the_form_unchanged(name: str, tmp_path: Path) -> None:
    form = PlanForm(template=name, root=tmp_path)
    assert form.value == template(name).to_dict()
    assert form.problems == []


def test_a_plan_with_every_part_goes_through_the_form_unchanged(tmp_path: Path) -> None:
    given = full_plan()
    form = PlanForm(given, root=tmp_path)
    assert Plan(**form.value).to_dict() == Plan(**given).to_dict()
    for index in range(len(given["metrics"])):
        form.metrics.select(index)
        form.metrics._edited()
    assert Plan(**form.value).to_dict() == Plan(**given).to_dict()


def test_every_field_of_the_model_has_a_control(tmp_path: Path) -> None:
    form = PlanForm(full_plan(), root=tmp_path)
    labels: set[tuple[str, str]] = set()
    from xpbench.forms import build

    original = build.field_of

    def watched(model: Any, key: str, info: Any, **kw: Any) -> Any:
        labels.add((model.__name__, key))
        return original(model, key, info, **kw)

    build.field_of = watched  # type: ignore[assignment]
    try:
        form = PlanForm(full_plan(), root=tmp_path)
        for kind in KINDS:
            form.metrics.editor.choice.set(kind)
            form.metrics.editor.set({"kind": kind, "winsorize": {}, "where": [{}], "steps": [{"where": [{}]}]})
        for kind in ("sequential", "frequentist", "group_sequential", "bayesian"):
            form.field("/model").set({"kind": kind})
    finally:
        build.field_of = original
    wanted = {(m.__name__, info.alias or name) for m in models_below(Plan) for name, info in m.model_fields.items()}
    shown = {
        (m.__name__, key)
        for m in models_below(Plan)
        for c in m.__mro__
        for n, key in labels
        if n == c.__name__ or n == m.__name__
    }
    tags = {(m.__name__, "kind") for m in models_below(Plan) if (m.__name__, "kind") in wanted}
    other = {("Variant", "split"), ("TemplateUse", "name"), ("TemplateUse", "version"), ("TemplateUse", "digest")}
    other |= {one for one in wanted if one[0] == "DroppedVariant"}  # by amendment alone
    assert wanted - shown - tags - other == set()


def test_all_steps_together_show_every_top_level_key(tmp_path: Path) -> None:
    keys = [k for _, _, ks in STEPS for k in ks]
    by_amendment = {"dropped"}  # a treatment is dropped while an experiment runs, never in a draft
    assert sorted(keys) == sorted({info.alias or name for name, info in Plan.model_fields.items()} - by_amendment)


def test_problems_stand_beside_their_field(tmp_path: Path) -> None:
    form = PlanForm(template="beta-homepage", root=tmp_path)
    form.field("/hypothesis/because").control.value = " "
    assert [p.pointer for p in form.problems] == ["/hypothesis/because"]
    assert "XPB-P06" in form.field("/hypothesis/because").note.value
    assert form._steps[2][0].description == "Hypothesis ▲1"
    form.field("/hypothesis/because").control.value = "it is clearer"
    assert form.problems == []
    assert "XPB-P06" not in form.field("/hypothesis/because").note.value


def test_a_number_that_is_none_is_told_beside_its_field(tmp_path: Path) -> None:
    form = PlanForm(template="beta-homepage", root=tmp_path)
    form.field("/horizon/units").control.value = "many"
    assert "many" in form.field("/horizon/units").note.value


def test_a_problem_in_a_metric_that_is_not_selected_marks_its_line(tmp_path: Path) -> None:
    plan = template("beta-homepage").to_dict()
    index = next(i for i, m in enumerate(plan["metrics"]) if m["role"] == "guardrail")
    plan["metrics"][index].pop("margin_rel", None)
    plan["metrics"][index].pop("margin", None)
    form = PlanForm(plan, root=tmp_path)
    assert form.metrics.rows[index].open.description.startswith("▲ ")
    assert "XPB-P14" in form.metrics.rows[index].note.value
    form.metrics.select(index)
    assert form.metrics.rows[index].note.value == ""
    assert "XPB-P14" in "".join(leaf.note.value for leaf in form.metrics.leaves()) + _notes(form.metrics.editor.body)


def _notes(field: Any) -> str:
    return str(field.note.value)


def test_the_sentence_forms_while_typing(tmp_path: Path) -> None:
    form = PlanForm(root=tmp_path)
    form.field("/hypothesis/if").control.value = "the button is <big>"
    assert form.sentence.startswith("If the button is <big>, then")
    assert "the button is &lt;big&gt;" in form._sentence.value
    assert form.field("/hypothesis/if").control.continuous_update is True


def test_every_change_is_saved_whole(tmp_path: Path) -> None:
    draft = tmp_path / "d.json"
    form = PlanForm(root=tmp_path, draft=draft)
    form.field("/title").control.value = "A title"
    assert json.loads(draft.read_text())["title"] == "A title"
    again = PlanForm(root=tmp_path, draft=draft)
    assert again.value == form.value
    assert "Draft read" in again.status.text


def test_the_draft_follows_the_key_and_takes_no_other(tmp_path: Path) -> None:
    (tmp_path / ".drafts").mkdir()
    (tmp_path / ".drafts" / "taken.plan.json").write_text("{}")
    form = PlanForm(root=tmp_path)
    form.field("/owner").control.value = "me"
    assert form.draft.path.name == "untitled.plan.json"
    form.field("/title").control.value = "Mine"
    assert form.draft.path.name == "mine.plan.json"
    assert not (tmp_path / ".drafts" / "untitled.plan.json").exists()
    form.field("/key").control.value = "taken"
    assert (tmp_path / ".drafts" / "taken.plan.json").read_text() == "{}"


def test_an_error_while_saving_is_shown(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    form = PlanForm(root=tmp_path, draft=blocked / "draft.json")
    form.field("/title").control.value = "T"
    assert form.status.mood == "bad"
    assert "XPB-I06" in form.status.text
    assert form.value["title"] == "T"


def test_an_error_of_ours_in_a_handler_is_shown_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = PlanForm(root=tmp_path)

    def broken(_: Any) -> Any:
        raise RuntimeError("<oops>")

    monkeypatch.setattr("xpbench.forms.plan_form.check", broken)
    form.field("/title").control.value = "T"
    assert form.status.mood == "bad"
    assert "RuntimeError: <oops>" in form.status.text
    assert "&lt;oops&gt;" in form.status.widget.value
    assert "Where it happened" in form.status.widget.value


def test_metrics_are_added_copied_moved_and_removed(tmp_path: Path) -> None:
    form = PlanForm(root=tmp_path)
    form.metrics.add_button.click()
    assert form.value["metrics"][0]["role"] == "primary"
    form.metrics.editor.body.fields["key"].control.value = "orders"  # type: ignore[union-attr,attr-defined]
    form.metrics.copy_button.click()
    assert [m["key"] for m in form.value["metrics"]] == ["orders", "orders_2"]
    form.metrics.rows[1].up.click()
    assert [m["key"] for m in form.value["metrics"]] == ["orders_2", "orders"]
    assert form.metrics.selected == 0
    form.metrics.rows[0].remove.click()
    assert [m["key"] for m in form.value["metrics"]] == ["orders"]
    form.metrics.rows[0].remove.click()
    assert form.value["metrics"] == []


def test_fields_follow_the_kind_and_what_is_shared_is_kept(tmp_path: Path) -> None:
    form = PlanForm(template="beta-homepage", root=tmp_path)
    form.metrics.select(0)
    form.metrics.editor.choice.control.value = "sum"
    first = form.value["metrics"][0]
    assert first["kind"] == "sum"
    assert first["key"] == template("beta-homepage").to_dict()["metrics"][0]["key"]
    assert any(p.pointer == "/metrics/0/property" for p in form.problems)


def test_claims_suggest_the_metrics_of_the_plan(tmp_path: Path) -> None:
    form = PlanForm(template="beta-homepage", root=tmp_path)
    claim: Any = form.field("/hypothesis/then/0/metric")
    assert list(claim.control.options) == [m["key"] for m in form.value["metrics"]]


def test_the_model_picker_says_when_to_use_which(tmp_path: Path) -> None:
    form = PlanForm(template="beta-homepage", root=tmp_path)
    picker: Any = form.field("/model")
    seen = set()
    for kind in ("sequential", "frequentist", "group_sequential", "bayesian"):
        picker.choice.control.value = kind
        seen.add(picker._guide.value)
        assert form.value["model"]["kind"] == kind
    assert len(seen) == 4
    assert all(seen)


def test_import_reads_a_file_and_tells_what_it_left_out(tmp_path: Path) -> None:
    plan = template("revenue").to_dict()
    path = tmp_path / "p.json"
    path.write_text(json.dumps(plan | {"titel": "typo"}))
    form = PlanForm(root=tmp_path)
    form.import_path.control.value = str(path)
    form.import_button.click()
    assert form.value == plan
    assert "no plan has it: titel" in form.status.text
    form.import_path.control.value = str(tmp_path / "none.json")
    form.import_button.click()
    assert "XPB-I01" in form.status.text
    assert form.value == plan


def test_an_uploaded_plan_is_read(tmp_path: Path) -> None:
    plan = template("revenue").to_dict()
    form = PlanForm(root=tmp_path)
    form.import_upload(({"name": "x.json", "content": memoryview(json.dumps(plan).encode())},))
    assert form.value == plan


def test_the_template_picker_replaces_the_form(tmp_path: Path) -> None:
    form = PlanForm(root=tmp_path)
    form.template_button.click()
    assert form.status.mood == "bad"
    form.template_choice.control.value = "engagement"
    form.template_button.click()
    assert form.value == template("engagement").to_dict()


def test_registering_with_problems_goes_to_the_first(tmp_path: Path) -> None:
    plan = template("beta-homepage").to_dict()
    plan["horizon"] = {}
    form = PlanForm(plan, root=tmp_path)
    form.go(len(STEPS) - 1)
    form.register_button.click()
    assert STEPS[form.step][0] == "Analysis"
    assert "Nobody knows yet when results are due" in form.status.text
    assert not is_visible(form._confirm)


def test_registering_asks_first_and_says_what_is_frozen(tmp_path: Path) -> None:
    form = PlanForm(template="beta-homepage", root=tmp_path)
    form.register_button.click()
    assert is_visible(form._confirm)
    assert is_visible(form.widget)
    assert form.plan.digest[:16] in form._confirm_text.value
    form.cancel_button.click()
    assert not is_visible(form._confirm)
    assert not (tmp_path / "beta-homepage").exists()


def test_registering_writes_plan_and_ledger_and_takes_the_draft_away(tmp_path: Path) -> None:
    form = PlanForm(template="beta-homepage", root=tmp_path)
    form.field("/title").control.value = "Another title"
    form.register_button.click()
    form.registered_by.control.value = "the analyst"
    form.confirm_button.click()
    assert form.status.mood == "good"
    saved = json.loads((tmp_path / "beta-homepage" / "plan.json").read_text())
    assert saved == form.value
    entry = json.loads((tmp_path / "beta-homepage" / "ledger.jsonl").read_text().splitlines()[0])
    assert "the analyst" in json.dumps(entry)
    assert not list((tmp_path / ".drafts").iterdir())
    form.confirm_button.click()
    assert "XPB-L03" in form.status.text


def test_the_twin_is_static_and_escaped(tmp_path: Path) -> None:
    plan = template("beta-homepage").to_dict()
    hostile = '</script><img src=x onerror="alert(1)">'
    plan["title"] = hostile
    plan["metrics"][0]["name"] = hostile
    plan["hypothesis"]["if"] = hostile
    bundle = PlanForm(plan, root=tmp_path)._repr_mimebundle_()
    assert "<img" not in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert "If " in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_shown_in_a_notebook_there_are_two_outputs_and_the_second_follows(tmp_path: Path) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    form = PlanForm(root=tmp_path)
    with capture_output() as captured:
        form._ipython_display_()
        form.field("/title").control.value = "A new title"
    data = [o.data for o in captured.outputs]
    assert "application/vnd.jupyter.widget-view+json" in data[0]
    assert "application/vnd.jupyter.widget-view+json" not in data[1]
    assert "A new title" in data[-1]["text/html"]


def test_hostile_text_everywhere_never_reaches_html(tmp_path: Path) -> None:
    bad = '"><script>alert(1)</script>\u202e'
    plan = full_plan()
    plan["variants"][0]["key"] = bad
    plan["metrics"][0]["key"] = bad
    plan["owner"] = bad
    form = PlanForm(plan, root=tmp_path)
    form.go(len(STEPS) - 1)
    leaves = [leaf.note.value for leaf in form._fields.leaves()]
    shown = [
        form._sentence.value,
        form._summary.value,
        problem_lines(form.problems),
        *leaves,
        *(r.line.value for r in form.metrics.rows),
    ]
    assert not any("<script>" in text for text in shown)


def test_sample_size_and_power_curve_follow_the_plan(tmp_path: Path) -> None:
    plan = template("beta-homepage").to_dict()
    plan["model"] = {"kind": "frequentist", "confidence": 0.95}
    plan["planning"] = {"power": 0.8, "baselines": {plan["metrics"][0]["key"]: 0.12}, "daily_units": 1500}
    form = PlanForm(plan, root=tmp_path)
    form.go([name for name, _, _ in STEPS].index("Analysis"))
    form.size.wait()
    first = form.size.lines
    assert any("To find a lift of" in line for line in first)
    assert "vnd.vegalite.v5" in json.dumps([o["data"] for o in form.size.place.widget.outputs])
    form.field("/planning/power").control.value = "0.9"
    form.size.wait()
    assert form.size.lines != first
    assert form.status.mood != "bad"


def test_sample_size_agrees_with_statsmodels(tmp_path: Path) -> None:
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    from xpbench.forecast.power import power_points

    plan = template("beta-homepage").to_dict()
    plan["model"] = {"kind": "frequentist", "confidence": 0.95}
    plan["hypothesis"]["then"][0]["lift"] = 0.05
    plan["planning"] = {"power": 0.8, "baselines": {plan["metrics"][0]["key"]: 0.12}}
    found = power_points(Plan(**plan), sizes=[40_000], factors=(1.0,))[0]["power"]
    expected = NormalIndPower().power(proportion_effectsize(0.126, 0.12), 20_000, 0.05)
    assert found == pytest.approx(expected, abs=0.003)


def test_hiding_one_widget_hides_no_other(tmp_path: Path) -> None:
    form = PlanForm(template="beta-homepage", root=tmp_path)
    form.go(len(STEPS) - 1)
    assert not is_visible(form.next_button)
    assert all(is_visible(w) for w in (form.widget, form.main, form.register_button, form.back_button))


def test_check_and_form_say_the_same(tmp_path: Path) -> None:
    form = PlanForm(root=tmp_path)
    assert form.problems == check(form.value)
    assert form.problems


def test_baselines_come_from_history(tmp_path: Path) -> None:
    import numpy as np
    import pandas as pd

    n = 2000
    past = pd.DataFrame({"bought": np.arange(n) % 5 == 0, "day": pd.Timestamp("2026-08-01")})
    past.to_csv(tmp_path / "past.csv", index=False)
    plan = plan_document(
        [column("bought")],
        key="banner",
        owner="shop",
        lift=0.1,
        unit="id",
        horizon={"units": 4000},
        planning={"baselines": {"other": 3.0}},
    )
    form = PlanForm(plan, root=tmp_path)
    form.history.button.click()
    assert "path of the history" in form.status.text
    form.history.kind.control.value = "units"
    assert form.history.day.widget.layout.display != "none"
    form.history.path.control.value = str(tmp_path / "missing.csv")
    form.history.button.click()
    assert "XPB-D02" in form.status.text
    form.history.path.control.value = str(tmp_path / "past.csv")
    form.history.day.control.value = "day"
    form.history.button.click()
    assert form.status.text == "Baselines of 1 metric from 2,000 units on 1 day.", form.status.text
    assert form.value["planning"]["baselines"] == {"other": 3.0, "bought": 0.2}
    assert form.value["planning"]["daily_units"] == 2000
    assert json.loads(form.draft.path.read_text())["planning"]["daily_units"] == 2000
