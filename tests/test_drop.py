"""A treatment is dropped while the experiment runs: not analysed, still assigned, still in the family, and said on page one."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, plan_document
from xpbench.cli import main
from xpbench.errors import DecisionError, PlanError
from xpbench.ledger import fixed_clock
from xpbench.plan.amendable import pointers_of_drop
from xpbench.stats.multiplicity import holm
from xpbench.verifier.chain import pointers_of_drop as by_verifier

N = 3_000
MODELS: dict[str, dict[str, Any]] = {
    "fixed": {"kind": "frequentist"},
    "group": {"kind": "group_sequential", "looks": [0.5, 1.0]},
    "sequential": {"kind": "sequential", "n_opt": N, "min_units": 100},
}
ROOT = Path(__file__).resolve().parents[1]


def plan(model: str = "group", **more: Any) -> xp.Plan:
    base = plan_document(
        [column("y"), column("z", "secondary")],
        key="t",
        owner="ana",
        change="i",
        variants=[{"key": k, "split": 1 / 3, "control": k == "control"} for k in ("control", "gamma", "beta")],
        unit="user",
        assignment={"hash": "sha256", "salt": "s"},
        model=MODELS[model],
        horizon={"units": N},
    )
    return xp.Plan(**{**base, **more})


def table(lift: float = 0.1) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    ids = [f"u{i}" for i in range(N + 600)]
    variant = np.array(xp.assign(plan(), ids))
    return pd.DataFrame(
        {
            "user": ids,
            "variant": variant,
            "y": (rng.random(len(ids)) < 0.2 + lift * (variant == "beta")).astype(float),
            "z": rng.normal(10, 1, len(ids)),
            "day": [f"2027-02-{1 + i * 20 // len(ids):02d}" for i in range(len(ids))],
        }
    )


def registered(root: Path, **changes: Any) -> xp.Experiment:
    xp.register(plan(**changes), root, clock=fixed_clock("2027-01-01T00:00:00", step_seconds=1))
    return xp.open_experiment("t", root, clock=fixed_clock("2027-03-01T00:00:00", step_seconds=1))


def read(frame: pd.DataFrame) -> Any:
    return xp.units(frame, day="day")


@pytest.mark.parametrize("model", MODELS)
def test_dropped_after_effects_with_the_planned_correction_and_a_plain_headline(tmp_path: Path, model: str) -> None:
    experiment, frame = registered(tmp_path, model=model), table()
    if model != "fixed":
        experiment.readout(read(frame[: N // 2 + 20]))
    before = experiment.plan
    experiment = experiment.drop("gamma", reason="It crashed.", by="ana")
    assert (experiment.plan.horizon.units, len(experiment.plan.treatments), experiment.plan.planned_treatments) == (2_000, 1, 2)
    ids = frame.user.to_list()
    assert xp.assign(experiment.plan, ids) == xp.assign(before, ids)
    readout = experiment.readout(read(frame))
    assert readout.stamps == ()
    assert readout.summary.units == frame.variant.value_counts()[["control", "beta"]].to_dict()
    assert [(f.name, f.count) for f in readout.summary.findings] == [("dropped_variant", int((frame.variant == "gamma").sum()))]
    checks = {c.name: c for c in readout.health}
    assert checks["srm"].status == "pass"
    assert checks["assignment_audit"].status == "pass"
    (row,) = [r for r in readout.rows if r.metric == "y"]
    assert row.p_adjusted == pytest.approx(holm([row.p_value or 0.0, 1.0])[0])
    assert row.alpha == pytest.approx(0.025)
    assert (readout.recommendation.outcome, readout.recommendation.variant) == ("ship", "beta")
    experiment.decide(readout, "ship", variant="beta", because="As planned.", by="ana")
    path = experiment.memo().save(tmp_path / "memo.html")
    report = xp.verify(path, full=True, ledger=experiment.ledger.path)
    assert report.status == "verified", report
    assert any("dropped while it ran" in said and "gamma" in said for said in report.checked)
    alone = subprocess.run([sys.executable, str(ROOT / "docs" / "verify.py"), str(path)], capture_output=True, text=True)
    assert alone.returncode in (0, 4), alone.stdout
    page = path.read_text(encoding="utf-8").partition('<script type="application/json"')[0]
    assert "TREATMENT DROPPED" in page
    assert "gamma was dropped on 2027-03-01" in page
    assert "every correction counts it as planned: It crashed." in page
    assert "Ship beta, " not in page


def test_dropped_once_a_gate_failed_stamps_the_memo(tmp_path: Path) -> None:
    """What dropped out of gamma is what failed the sample ratio: dropping it makes the failure go away."""
    experiment, frame = registered(tmp_path, model="sequential"), table()
    broken = frame[(frame.variant != "gamma") | (frame.index % 3 > 0)]
    assert "INVALID" in experiment.readout(read(broken)).stamps
    experiment = experiment.drop("gamma", reason="It loses units.", by="ana")
    readout = experiment.readout(read(broken))
    assert "AMENDED AFTER EFFECTS" in readout.stamps
    experiment.decide(readout, "ship", variant="beta", because="b", by="ana")
    memo = experiment.memo()
    assert "Ship beta, by a plan changed after effects were seen" in memo.html
    assert xp.verify(memo.save(tmp_path / "memo.html")).exit_code == 0


def test_dropping_is_no_other_change(tmp_path: Path) -> None:
    experiment = registered(tmp_path, model="sequential")
    experiment.readout(read(table()))
    good = experiment.plan.without("gamma").to_dict()
    only_gone = {k: v for k, v in good.items() if k != "dropped"}
    only_gone["variants"] = [{**v, "split": 0.5} for v in good["variants"]]
    moved = {**good, "dropped": [{**good["dropped"][0], "place": 2}]}
    grown = copy.deepcopy(good)
    grown["variants"][1]["split"], grown["dropped"][0]["split"] = 0.4, 1.0 - 1 / 3 - 0.4
    for document in (only_gone, moved, grown):
        with pytest.raises(DecisionError, match="XPB-R07"):
            experiment.amend(xp.Plan(**document), reason="r", by="ana")
    shorter = experiment.amend(xp.Plan(**{**good, "horizon": {"units": 1_500}}), reason="r", by="ana")
    assert "AMENDED AFTER EFFECTS" in shorter.readout(read(table())).stamps
    with pytest.raises(DecisionError, match="XPB-R07"):
        shorter.amend(xp.Plan(**plan("sequential").to_dict()), reason="back", by="ana")


def test_what_cannot_be_dropped(tmp_path: Path) -> None:
    experiment = registered(tmp_path)
    for variant in ("control", "delta"):
        with pytest.raises(PlanError, match="XPB-P32"):
            experiment.drop(variant, reason="r")
    with pytest.raises(PlanError, match="XPB-P32"):
        experiment.plan.without("gamma").without("beta")
    experiment.readout(read(table()))
    with pytest.raises(DecisionError, match="XPB-R34"):
        experiment.drop("gamma", reason="r")


def test_a_decision_ends_the_choice(tmp_path: Path) -> None:
    experiment = registered(tmp_path, model="sequential")
    experiment.decide(experiment.readout(read(table())), "iterate", because="b", by="ana")
    with pytest.raises(DecisionError, match="XPB-R34"):
        xp.open_experiment("t", tmp_path).drop("gamma", reason="r")


def test_two_treatments_dropped_one_after_the_other(tmp_path: Path) -> None:
    variants = [{"key": k, "split": 0.25, "control": k == "c"} for k in ("b1", "c", "b2", "b3")]
    experiment = registered(tmp_path, model="sequential", variants=variants)
    ids = [f"u{i}" for i in range(500)]
    before = xp.assign(experiment.plan, ids)
    experiment = experiment.drop("b2", reason="r").drop("b1", reason="s")
    assert [d.key for d in experiment.plan.dropped or ()] == ["b1", "b2"]
    assert [v.key for v in experiment.plan.as_assigned().variants] == ["b1", "c", "b2", "b3"]
    assert xp.assign(experiment.plan, ids) == before
    assert (experiment.plan.horizon.units, experiment.plan.planned_treatments) == (1_500, 3)
    assert xp.restart("t", tmp_path, reason="again").plan.planned_treatments == 3


def test_who_met_a_dropped_treatment_and_another_variant_has_met_several() -> None:
    at = pd.Timestamp("2027-02-01T10:00:00")
    rows = [(f"u{i}", ("control", "gamma", "beta")[i % 3], at + pd.Timedelta(minutes=i)) for i in range(300)]
    rows += [(f"u{i}", "control", at + pd.Timedelta(days=1)) for i in range(1, 60, 3)]  # gamma was off when they came back
    frame = pd.DataFrame(rows, columns=["distinct_id", "Variant name", "time"])
    frame = frame.assign(**{"event": "$experiment_started", "Experiment name": "t"})
    end = pd.DataFrame({"event": ["Done"], "distinct_id": ["u0"], "time": [at + pd.Timedelta(days=9)]})
    metrics = [
        {"key": "y", "kind": "conversion", "event": "Done", "role": "primary", "direction": "increase", "window_days": 2}
    ]
    gone = plan(unit="distinct_id", metrics=metrics).without("gamma")
    for policy, left in (("exclude", 80), ("first", 100)):
        read_by = gone.changed(exposure={"several_variants": policy})
        found = xp.events(pd.concat([frame, end], ignore_index=True)).summarize(read_by)
        assert found.units == {"control": 100, "beta": 100}
        counts = {f.name: f.count for f in found.findings}
        assert (counts["dropped_variant"], counts["several_variants"]) == (left, 20)


def test_the_command_drops_and_says_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xp.register(plan(), tmp_path)
    assert main(["amend", "t", "--drop", "gamma", "--reason", "It crashed.", "--root", str(tmp_path), "--by", "ana"]) == 0
    assert "Amended t" in capsys.readouterr().out
    assert [d.key for d in xp.open_experiment("t", tmp_path).plan.dropped or ()] == ["gamma"]
    assert main(["amend", "t", "--drop", "beta", "--reason", "r", "--root", str(tmp_path)]) == 2
    assert "XPB-P32" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(40))
def test_the_verifier_reads_a_drop_as_the_package_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 6))
    before = plan(variants=[{"key": f"v{i}", "split": 1 / count, "control": i == 1} for i in range(count)])
    after = before.without(f"v{rng.choice([i for i in range(count) if i != 1])}")
    if rng.random() < 0.3 and count > 3:
        before, after = after, after.without(after.treatments[-1].key)
    a, b = before.to_dict(), after.to_dict()
    change = int(rng.integers(0, 5))
    if change == 1:
        b["horizon"]["units"] += 1
    elif change == 2:
        b["dropped"][0]["place"] += 1
    elif change == 3:
        b["variants"][0]["split"] += 0.01
    elif change == 4:
        b["variants"] = b["variants"][::-1]
    assert by_verifier(json.loads(json.dumps(a)), json.loads(json.dumps(b))) == pointers_of_drop(a, b)
    if change in (0, 1, 3):
        assert bool(pointers_of_drop(a, b)) is (change != 3)
