"""Preflight, readout, decision and workbench: handlers called as functions, effects read from the ledger on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, plan_document, split
from xpbench.forms.field import is_visible
from xpbench.views.view import VEGALITE

PLAN: dict[str, Any] = plan_document(
    [column("bought", min_lift=0.01), column("left", "guardrail", "decrease", margin_rel=0.2)],
    key="shop-banner",
    title="A banner on the shop page",
    owner="shop-team",
    change="a banner is shown",
    because="it is seen",
    variants=split("control", "banner"),
    unit="id",
    assignment={"hash": "sha256"},
    horizon={"units": 4000},
    sign_offs=[{"name": "a statistician", "needed_for": "decide"}],
)


def table(n: int, *, lift: float = 0.25, seed: int = 3) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    variant = np.where(np.arange(n) % 2 == 0, "control", "banner")
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "variant": variant,
            "bought": (generator.random(n) < np.where(variant == "control", 0.3, 0.3 * (1 + lift))).astype(int),
            "left": (generator.random(n) < 0.3).astype(int),
        }
    )


def source(n: int, **more: Any) -> Any:
    return xp.units(table(n, **more), unit="id", variant="variant")


@pytest.fixture
def experiment(tmp_path: Path) -> Any:
    return xp.register(xp.Plan(**PLAN), tmp_path)


def kinds(experiment: Any) -> list[str]:
    return [json.loads(line)["kind"] for line in (experiment.folder / "ledger.jsonl").read_text().splitlines()]


def shown(panel: Any) -> str:
    return json.dumps([o["data"] for o in panel.place.widget.outputs])


def test_sealed_shows_health_and_progress_and_no_effect(experiment: Any) -> None:
    panel = xp.ReadoutPanel(experiment, source(1000))
    panel.read_button.click()
    assert panel.readout.is_sealed
    assert panel.status.mood == "good"
    assert "3,000 more units" in panel.verdict.value
    assert 'aria-valuenow="25"' in panel.progress.value
    assert is_visible(panel.peek_button)
    text = shown(panel) + panel.twin().to_html()
    assert "lift" not in text.lower()
    assert "Forest" not in text
    assert kinds(experiment)[-1] == "looked"


def test_a_peek_needs_a_reason_and_is_on_record_first(experiment: Any) -> None:
    panel = xp.ReadoutPanel(experiment, source(1000))
    panel.read_button.click()
    panel.peek_button.click()
    assert panel.confirm.is_open
    assert "a true null would look significant" in panel.confirm.text.value
    panel.reveal_button.click()
    assert panel.status.mood == "bad"
    assert "opened" not in kinds(experiment)
    assert "peeked" not in kinds(experiment)
    panel.reason.control.value = "the launch may be stopped"
    panel.reveal_button.click()
    assert kinds(experiment)[-1] == "peeked"
    assert not panel.readout.is_sealed
    assert not panel.confirm.is_open
    assert "PEEK" in panel.verdict.value


def test_when_due_results_come_with_all_tabs(experiment: Any) -> None:
    panel = xp.ReadoutPanel(experiment, source(4000))
    heard: list[Any] = []
    panel.on_readout(heard.append)
    panel.read_button.click()
    assert heard == [panel.readout]
    assert panel.tab == "Results"
    assert VEGALITE in shown(panel)
    for tab in ("Health", "Segments", "Time", "Sensitivity", "Rule"):
        panel.tabs[tab].click()
        assert panel.tab == tab
        assert panel.status.mood == "good"
    assert "Row R" in shown(panel)


def test_a_failed_gate_shows_health_first(experiment: Any) -> None:
    frame = table(6000)
    frame = frame[(frame.variant == "control") | (frame.id % 3 == 0)]
    panel = xp.ReadoutPanel(experiment, xp.units(frame.head(4400), unit="id", variant="variant"))
    panel.read_button.click()
    assert panel.tab == "Health"
    assert "Do not read the effects" in panel.verdict.value


def test_without_a_source_the_panel_asks_for_a_path_and_reads_it(experiment: Any, tmp_path: Path) -> None:
    panel = xp.ReadoutPanel("shop-banner", root=tmp_path)
    panel.read_button.click()
    assert "path" in panel.status.text
    panel.source.path.control.value = str(tmp_path / "none.csv")
    panel.read_button.click()
    assert panel.status.mood == "bad"
    assert "XPB-D" in panel.status.text
    table(4000).to_csv(tmp_path / "t.csv", index=False)
    panel.source.path.control.value = str(tmp_path / "t.csv")
    panel.read_button.click()
    assert panel.readout is not None


def test_the_decision_form_follows_the_rule_and_writes_the_memo(experiment: Any, tmp_path: Path) -> None:
    readout = experiment.readout(source(4000))
    form = xp.DecisionForm(experiment, readout)
    assert f"Row {readout.recommendation.rows[0]}" in form.advice.value
    assert form.outcome.get() == readout.recommendation.outcome == "ship"
    form.ask_button.click()
    assert "a reason" in form.status.text
    assert "needs a reason" in form.because.note.value
    form.by.control.value = ""
    form.ask_button.click()
    assert "a reason, a name" in form.status.text
    form.because.control.value = "it sells more"
    form.by.control.value = "the owner"
    assert "Follows the rule" in form.differs.value
    form.ask_button.click()
    assert form.confirm.is_open
    form.decide_button.click()
    assert experiment.decision.body["outcome"] == "ship"
    assert experiment.decision.body["follows_rule"] is True
    form.signer.control.value = "a statistician"
    form.sign_button.click()
    assert "All have signed" in form.signatures.value
    memo = tmp_path / "memo.html"
    form.memo_path.control.value = str(memo)
    form.memo_button.click()
    assert form.status.mood == "good", form.status.text
    assert memo.stat().st_size > 1000
    assert "decided to ship banner (follows the rule)" in form.twin().headline


def test_an_override_says_so_before_and_after(experiment: Any) -> None:
    form = xp.DecisionForm(experiment, experiment.readout(source(4000)))
    form.outcome.control.value = "ship none"
    assert "Differs from the rule" in form.differs.value
    form.because.control.value = "brand reasons"
    form.by.control.value = "the owner"
    form.decide_button.click()
    assert experiment.decision.body["follows_rule"] is False
    assert "differs from the rule" in form.twin().headline


def test_a_sealed_readout_can_not_be_decided_on(experiment: Any) -> None:
    form = xp.DecisionForm(experiment, experiment.readout(source(500)))
    assert form.ask_button.disabled
    form.outcome.control.value = "ship"
    form.variant.control.value = "banner"
    form.because.control.value = "x"
    form.by.control.value = "y"
    form.decide_button.click()
    assert "XPB-R01" in form.status.text
    assert "decided" not in kinds(experiment)


def test_preflight_runs_the_real_hash_and_records_the_launch(experiment: Any) -> None:
    panel = xp.PreflightPanel(experiment, np.arange(20_000))
    assert panel.launch_button.disabled
    panel.run_button.click()
    assert panel.status.mood == "good", panel.status.text
    assert len(panel.views(panel.ids)) >= 3
    assert VEGALITE in shown(panel)
    panel.launch_button.click()
    assert kinds(experiment)[-1] == "launched"


def test_preflight_reads_a_file(experiment: Any, tmp_path: Path) -> None:
    table(2000).to_csv(tmp_path / "ids.csv", index=False)
    panel = xp.PreflightPanel(experiment)
    panel.run_button.click()
    assert panel.status.mood == "bad"
    panel.path.control.value = str(tmp_path / "ids.csv")
    panel.column.control.value = "uid"
    panel.run_button.click()
    assert "XPB-I04" in panel.status.text
    panel.column.control.value = "id"
    panel.run_button.click()
    assert panel.report.units == 2000


def test_the_workbench_goes_through_the_whole_flow(tmp_path: Path) -> None:
    bench = xp.Workbench(tmp_path / "exp", sources={"shop-banner": source(4000)}, unit_ids={"shop-banner": np.arange(3000)})
    assert "No experiment yet" in bench.registry.value
    bench.new_button.click()
    bench.panel.load(xp.Plan(**PLAN).to_dict())
    bench.panel.register_button.click()
    bench.panel.confirm_button.click()
    assert bench.key == "shop-banner"
    assert "A banner on the shop page" in bench.registry.value
    bench.steps["Preflight"].click()
    bench.panel.run_button.click()
    assert bench.panel.report.ok
    bench.steps["Readout"].click()
    bench.panel.read_button.click()
    bench.steps["Decision"].click()
    bench.panel.because.control.value = "it sells"
    bench.panel.by.control.value = "the owner"
    bench.panel.decide_button.click()
    bench.refresh()
    assert "decided" in bench.registry.value
    bench.steps["Plan"].click()
    assert bench.panel.field("/title").control.disabled
    assert bench.panel.register_button.disabled


def test_a_broken_experiment_is_listed_with_its_reason(tmp_path: Path) -> None:
    experiment = xp.register(xp.Plan(**PLAN), tmp_path)
    ledger = experiment.folder / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace("shop-team", "shop-tean"))
    assert "broken" in xp.Workbench(tmp_path).registry.value


def test_a_step_without_an_experiment_says_so(tmp_path: Path) -> None:
    bench = xp.Workbench(tmp_path)
    bench.go("Readout")
    assert bench.status.mood == "bad"


@pytest.mark.parametrize("name", ["ReadoutPanel", "DecisionForm", "PreflightPanel"])
def test_panels_show_themselves_without_widgets(experiment: Any, name: str) -> None:
    panel = getattr(xp, name)(experiment)
    bundle = panel._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert "shop-banner" in bundle["text/plain"]
    assert repr(panel).startswith(name)


def test_time_follows_the_estimate_and_values_are_counted_on_demand(tmp_path: Path) -> None:
    metrics = [{**PLAN["metrics"][0], "winsorize": {"upper": 0.99}}, PLAN["metrics"][1]]
    experiment = xp.register(xp.Plan(**{**PLAN, "metrics": metrics}), tmp_path)
    frame = table(4000).assign(day=pd.Timestamp("2026-09-07") + pd.to_timedelta(np.arange(4000) // 400, unit="D"))
    panel = xp.ReadoutPanel(experiment, xp.units(frame, unit="id", day="day"))
    panel.read()
    assert [v.name for v in panel.views("Time")] == ["timeline", "path", "novelty", "novelty"]
    assert not is_visible(panel.values_button)
    panel.show("Sensitivity")
    assert is_visible(panel.values_button)
    panel.values_button.click()
    assert "before and after winsorization" in shown(panel)
    assert panel.status.mood == "good", panel.status.text
    assert '"id"' not in shown(panel)


def test_a_sealed_panel_offers_no_values(experiment: Any) -> None:
    panel = xp.ReadoutPanel(experiment, source(1000))
    panel.read()
    panel.show("Sensitivity")
    assert not is_visible(panel.values_button)


@pytest.mark.parametrize("assignment", [{"hash": "mixpanel"}, {"hash": "mixpanel", "hash_salt": "0123456789abcdef" * 2}])
def test_the_bucket_map_of_mixpanels_hash_is_its_own(tmp_path: Path, assignment: dict[str, Any]) -> None:
    from xpbench.randomiser.hashing import buckets

    plan = xp.Plan(**{**PLAN, "assignment": assignment})
    ids = [f"u{i}" for i in range(4000)]
    panel = xp.PreflightPanel(plan, ids)
    panel.run()
    (view,) = [v for v in panel.views(ids) if v.name == "buckets"]
    drawn = buckets(ids, salt="shop-banner" + assignment.get("hash_salt", "") + "variant")
    assert [r["units"] for r in view.table.rows] == np.bincount(drawn, minlength=100).tolist()
    owners = {r["variant"] for r in view.table.rows}
    assert owners == {"control", "banner"}
    mixed = [
        b for b in range(100) if len({v for v, d in zip(xp.assign(plan, ids), drawn, strict=True) if d == b}) > 1
    ]  # fmt: skip
    assert mixed == [], "a bucket of the SDK belongs to one variant"


def test_the_source_box_offers_zone_and_columns_of_a_log(tmp_path: Path) -> None:
    from xpbench.forms.panel import SourceBox

    (tmp_path / "log.jsonl").write_text('{"event": "a", "properties": {}}\n')
    box = SourceBox()
    box.kind.set("events")
    box.path.set(str(tmp_path / "log.jsonl"))
    box.zone.set(" Europe/London ")
    box.schema.set({"time": "ts", "insert_id": "id"})
    source = box.get()
    assert (source.time_zone, source.schema.time, source.schema.insert_id) == ("Europe/London", "ts", "id")
