"""An experiment from registration to decision: sealed until due, on record before shown, refused where it would mislead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, plan_document, split
from xpbench.decide.readout import Readout, SealedReadout
from xpbench.errors import BrokenLedger, ChangedPlan, DecisionError, InvalidPlan, LedgerError, SealedError, XpbenchError
from xpbench.experiment import revealing, statuses
from xpbench.ledger import fixed_clock

CLOCK = fixed_clock("2026-11-03T09:00:00", step_seconds=60)


def plan(**changes: Any) -> xp.Plan:
    base: dict[str, Any] = plan_document(
        [column("done", min_lift=0.01), column("errors", "guardrail", "decrease", margin=0.2)],
        key="form",
        title="One-page form",
        lift=0.1,
        change="one page",
        because="less work",
        variants=split("a", "b"),
        unit="user",
        horizon={"units": 4000},
    )
    return xp.Plan(**{**base, **changes})


def table(n: int = 4000, *, lift: float = 0.3, seed: int = 1, errors: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    variant = np.where(np.arange(n) % 2 == 0, "a", "b")
    chance = np.where(variant == "b", 0.2 * (1 + lift), 0.2)
    return pd.DataFrame(
        {
            "user": [f"u{i}" for i in range(n)],
            "variant": variant,
            "done": rng.random(n) < chance,
            "errors": rng.poisson(np.where(variant == "b", errors, 1.0)),
            "country": rng.choice(["se", "no", "is"], n, p=[0.6, 0.39, 0.01]),
        }
    )


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {k for v in value.values() for k in keys_of(v)}
    return {k for v in value for k in keys_of(v)} if isinstance(value, list) else set()


def units(frame: pd.DataFrame) -> Any:
    return xp.units(frame, unit="user", variant="variant")


@pytest.fixture
def experiment(tmp_path: Path) -> xp.Experiment:
    return xp.register(plan(), tmp_path, by="ana", clock=CLOCK)


def test_effects_are_sealed_before_the_horizon_and_nothing_leads_to_them(experiment: xp.Experiment) -> None:
    sealed = experiment.readout(units(table(2000)))
    assert isinstance(sealed, SealedReadout)
    assert sealed.is_sealed
    assert not sealed.due.is_due
    assert sealed.units == {"a": 1000, "b": 1000}
    document = sealed.to_dict()
    health = document.pop("health")
    assert not {"effect", "lift", "mean", "mean_control", "rows", "ci_low", "p_value", "cells", "summary"} & keys_of(document)
    assert not {"effect", "lift", "mean", "mean_control", "rows", "ci_low", "cells"} & keys_of(health)
    readout = experiment.peek(units(table(2000)), reason="to know what must not show")
    secrets = [f"{v:.4g}" for r in readout.rows for v in (r.effect, r.lift, r.mean, r.mean_control) if v]
    text = json.dumps(sealed.to_dict()) + repr(sealed) + sealed._repr_html_()
    assert not [secret for secret in secrets if secret in text]
    assert not hasattr(sealed, "rows")
    assert not hasattr(sealed, "summary")
    assert [e.kind for e in experiment.ledger.entries()] == ["registered", "looked", "peeked"]
    with pytest.raises(SealedError, match="XPB-R01"):
        experiment.decide(sealed, "ship", variant="b", because="x", by="ana")


def test_peek_is_on_record_with_its_reason_before_it_reveals(experiment: xp.Experiment) -> None:
    with pytest.raises(DecisionError, match="XPB-R02"):
        experiment.peek(units(table(2000)), reason="  ")
    assert len(experiment.ledger.entries()) == 1
    readout = experiment.peek(units(table(2000)), reason="a bug was reported", by="ana")
    assert experiment.ledger.entries()[-1].kind == "peeked"
    assert readout.stamps == ("PEEK",)
    assert readout.looks[-1].reason == "a bug was reported"
    assert readout.cost.peeks == 1
    later = experiment.readout(units(table(4000)))
    assert isinstance(later, Readout)
    assert later.cost.looks == 2
    assert later.cost.false_positive_rate == pytest.approx(0.083, abs=0.001)  # Armitage, McPherson, Rowe 1969: 2 looks, 0.083


def test_a_look_that_fails_is_on_record_before_its_error_leaves(
    experiment: xp.Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the effect is 0.0612")

    monkeypatch.setattr(revealing, "analyse", broken)
    with pytest.raises(RuntimeError):
        experiment.peek(units(table(2000)), reason="a bug was reported")
    assert [e.kind for e in experiment.ledger.entries()] == ["registered", "peeked"]


def test_a_write_that_fails_reveals_nothing(experiment: xp.Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerError, match="XPB-L05"):
        experiment.peek(units(table(2000)), reason="curious")


def test_decision_follows_the_rule_and_survives_reopening(experiment: xp.Experiment) -> None:
    readout = experiment.readout(units(table()))
    assert isinstance(readout, Readout)
    assert readout.recommendation.outcome == "ship"
    assert readout.recommendation.variant == "b"
    assert readout.recommendation.rows == ("R7",)
    entry = experiment.decide(readout, "ship", variant="b", because="as planned", by="ana")
    assert entry.body["follows_rule"] is True
    again = xp.open_experiment("form", experiment.root)
    assert again.status().state == "decided"
    assert again.decided_readout().to_dict() == readout.to_dict()


def test_override_and_defer_are_allowed_and_marked(experiment: xp.Experiment) -> None:
    readout = experiment.readout(units(table()))
    assert experiment.decide(readout, "ship none", because="legal stop", by="ana").body["follows_rule"] is False
    with pytest.raises(DecisionError, match="XPB-R17"):
        experiment.decide(readout, "defer", because="waiting for legal", by="ana")
    assert experiment.status().sentence == "Decided: ship none, against the rule of the plan."
    first = experiment.decision
    second = experiment.decide(readout, "defer", because="waiting for legal", by="ana", supersedes=first)
    assert second.kind == "deferred"
    assert second.body["supersedes"] == second.seq - 1
    assert experiment.status().state == "ready"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"outcome": "shipp", "because": "x", "by": "a"}, "XPB-R03"),
        ({"outcome": "ship", "because": "x", "by": "a"}, "XPB-R04"),
        ({"outcome": "ship", "variant": "a", "because": "x", "by": "a"}, "XPB-R04"),
        ({"outcome": "iterate", "because": " ", "by": "a"}, "XPB-R02"),
        ({"outcome": "iterate", "because": "x", "by": " "}, "XPB-R09"),
    ],
)
def test_bad_decisions_are_refused_and_nothing_is_written(experiment: xp.Experiment, words: dict[str, str], code: str) -> None:
    readout = experiment.readout(units(table()))
    before = len(experiment.ledger.entries())
    with pytest.raises(DecisionError) as caught:
        experiment.decide(readout, **words)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert len(experiment.ledger.entries()) == before


def test_readout_of_another_plan_decides_nothing(experiment: xp.Experiment, tmp_path: Path) -> None:
    other = xp.register(plan(key="other"), tmp_path)
    with pytest.raises(DecisionError, match="XPB-R05"):
        experiment.decide(other.readout(units(table())), "ship", variant="b", because="x", by="ana")


def test_plan_with_problems_is_not_registered(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match="XPB-P19"):
        xp.register(plan(horizon={}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_key_is_registered_once(experiment: xp.Experiment) -> None:
    with pytest.raises(LedgerError, match="XPB-L03"):
        xp.register(plan(), experiment.root)


def test_unknown_key_names_the_nearest(experiment: xp.Experiment) -> None:
    with pytest.raises(LedgerError, match="'form'"):
        xp.open_experiment("forn", experiment.root)


def test_edited_plan_is_refused_and_names_the_field(experiment: xp.Experiment) -> None:
    path = experiment.folder / "plan.json"
    path.write_text(path.read_text().replace('"min_lift": 0.01', '"min_lift": 0.0001'))
    with pytest.raises(ChangedPlan, match=r"metrics\[done\]\.min_lift.*0\.01.*0\.0001"):
        xp.open_experiment("form", experiment.root)
    assert statuses(experiment.root)[0]["state"] == "broken"


def test_broken_chain_says_where(experiment: xp.Experiment) -> None:
    experiment.launch()
    experiment.sign("Ana")
    path = experiment.folder / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"launched", b"deferred")
    path.write_bytes(b"".join(lines))
    with pytest.raises(BrokenLedger, match=r"(?i)entry 2|line 2"):
        xp.open_experiment("form", experiment.root)


def test_amendment_is_linked_and_says_what_was_known(experiment: xp.Experiment) -> None:
    changed = plan(horizon={"units": 5000})
    amended = experiment.amend(changed, reason="traffic fell", by="ana")
    assert amended.ledger.entries()[-1].body["knowledge"] == "nothing assigned"
    assert xp.open_experiment("form", experiment.root).plan.horizon.units == 5000
    readout = amended.peek(units(table()), reason="check")
    assert [d["class"] for d in readout.deviations] == ["amendment before data"]
    late = amended.amend(plan(horizon={"units": 3000}), reason="impatient")
    assert late.ledger.entries()[-1].body["knowledge"] == "effects seen"
    opened = late.readout(units(table()))
    assert isinstance(opened, Readout)
    assert [d["class"] for d in opened.deviations] == ["amendment before data", "amendment after effects"]
    assert opened.stamps == ("AMENDED AFTER EFFECTS",)
    assert "no level of false positives is promised" in opened.cost.sentence


def test_leaving_out_first_days_by_an_amendment_does_not_invalidate_later_looks(tmp_path: Path) -> None:
    """What is gone follows from the recorded amendment; units that go afterwards still fail."""
    done = {"key": "done", "kind": "conversion", "event": "Done", "role": "primary", "direction": "increase", "window_days": 3}
    events = plan(metrics=[done], unit="distinct_id", exposure={"experiment": "form"})
    rows: list[Any] = []
    for i in range(2000):
        shown = {"Experiment name": "form", "Variant name": "ab"[i % 2]}
        rows.append(("$experiment_started", f"2026-11-{5 + i // 200:02d}T12:00:00", f"u{i}", f"x{i}", json.dumps(shown)))
        if i % 7 == 0:
            rows.append(("Done", f"2026-11-{5 + i // 200:02d}T15:00:00", f"u{i}", f"d{i}", "{}"))
    rows.append(("Ping", "2026-12-01T12:00:00", "zz", "p", "{}"))
    log = pd.DataFrame(rows, columns=["event", "time", "distinct_id", "$insert_id", "properties"])
    log["time"] = pd.to_datetime(log["time"])
    experiment = xp.register(events, tmp_path, by="ana", clock=fixed_clock("2026-12-03T09:00:00", step_seconds=60))

    def status(of: xp.Experiment, frame: pd.DataFrame) -> str:
        health = of.readout(xp.events(frame), further_health="off").health
        return next(c.status for c in health if c.name == "shrunk_data")

    assert status(experiment, log) == "not answerable"
    cut = experiment.amend(events.changed(exposure={"experiment": "form", "start": "2026-11-08"}), reason="tracking was broken")
    assert status(cut, log) == "not answerable"
    assert status(cut, log) == "pass"
    assert status(cut, log.head(2000)) == "fail"


def test_amendment_never_reassigns(experiment: xp.Experiment) -> None:
    variants = [{"key": "a", "split": 0.4, "control": True}, {"key": "b", "split": 0.6}]
    with pytest.raises(DecisionError, match="XPB-R07"):
        experiment.amend(plan(variants=variants), reason="more treatment")
    with pytest.raises(DecisionError, match="XPB-R10"):
        experiment.amend(plan(), reason="nothing")


def test_a_ramp_may_grow_and_never_shrinks_and_moves_nobody(tmp_path: Path) -> None:
    def ramped(share: float) -> xp.Plan:
        groups = [{"key": "staff", "share": 0.5, "cohort": "staff"}, {"key": "all", "share": share}]
        return plan(assignment={"hash": "sha256", "salt": "form", "rollout": groups})

    experiment = xp.register(ramped(0.1), tmp_path)
    amended = experiment.amend(ramped(0.4), reason="ramp")
    ids = [f"u{i}" for i in range(20_000)]
    before, after = (xp.assign(p, ids, cohorts={"staff": ids[:500]}) for p in (ramped(0.1), amended.plan))
    assert all(b in (None, a) for b, a in zip(before, after, strict=True))
    assert sum(a is not None for a in after) > 3 * sum(b is not None for b in before)
    with pytest.raises(DecisionError, match="XPB-R07"):
        amended.amend(ramped(0.2), reason="less")
    other = amended.plan.to_dict()
    other["assignment"]["salt"] = "other"
    with pytest.raises(DecisionError, match="XPB-R07"):
        amended.amend(xp.Plan(**other), reason="new salt")


def test_signatures_are_over_the_plan_in_force(tmp_path: Path) -> None:
    experiment = xp.register(plan(sign_offs=[{"name": "Ana"}, {"name": "Bo"}]), tmp_path)
    experiment.sign("Ana")
    assert experiment.signatures_missing() == ("Bo",)


# degenerate data


def test_one_variant_only_is_invalid_and_has_no_number(experiment: xp.Experiment) -> None:
    frame = table()
    readout = experiment.peek(units(frame[frame.variant == "a"]), reason="check")
    assert readout.summary.units["b"] == 0
    assert readout.row("done").status == "not_enough_units"
    assert readout.row("done").p_value is None
    assert readout.recommendation.outcome == "invalid"


def test_constant_metric_has_a_status_and_no_p_value(experiment: xp.Experiment) -> None:
    readout = experiment.readout(units(table().assign(done=1, errors=0)))
    assert isinstance(readout, Readout)
    for metric in ("done", "errors"):
        row = readout.row(metric)
        assert row.status == "zero_variance"
        assert (row.p_value, row.lift_low) == (None, None)
    assert readout.row("done").ci_low is None
    rail = readout.row("errors")  # no event at all: how many there may be is still known, and is held against the margin
    assert rail.ci_low is not None
    assert rail.ci_high is not None
    assert rail.ci_low < 0 < rail.ci_high
    assert readout.recommendation.outcome in ("iterate", "ship none", "invalid")


def test_control_near_zero_makes_the_lift_unbounded(tmp_path: Path) -> None:
    metrics = [{"key": "x", "kind": "column", "column": "x", "role": "primary", "direction": "increase"}]
    hypothesis = {"if": "a", "then": [{"metric": "x", "direction": "increase"}], "because": "b"}
    experiment = xp.register(plan(metrics=metrics, hypothesis=hypothesis), tmp_path)
    rng = np.random.default_rng(3)
    frame = table()
    frame["x"] = rng.normal(0.001, 1.0, len(frame))
    readout = experiment.readout(units(frame))
    assert isinstance(readout, Readout)
    row = readout.row("x")
    assert row.status == "unbounded_lift"
    assert (row.lift_low, row.lift_high) == (None, None)
    assert row.ci_low is not None
    assert "unbounded" in repr(readout)


def test_empty_table_is_told(experiment: xp.Experiment) -> None:
    with pytest.raises(XpbenchError):
        experiment.readout(units(table().head(0)))


def test_harm_alarm_sounds_while_sealed_and_gives_no_size(experiment: xp.Experiment) -> None:
    sealed = experiment.readout(units(table(3000, errors=2.5)))
    assert isinstance(sealed, SealedReadout)
    assert sealed.harm.sounds
    assert sealed.harm.metrics == ("errors",)
    calm = experiment.readout(units(table(3000)))
    assert isinstance(calm, SealedReadout)
    assert not calm.harm.sounds


def test_small_segments_are_hidden_and_interaction_is_tested(tmp_path: Path) -> None:
    experiment = xp.register(plan(segments=["country"]), tmp_path)
    readout = experiment.readout(units(table()))
    assert isinstance(readout, Readout)
    (segment,) = readout.segments
    assert list(segment.slices) == ["se", "no"]
    assert segment.hidden == 1
    assert 0 <= (segment.interaction["done:b"] or 0) <= 1


HOSTILE = [
    "</script><script>alert(1)</script>",
    "\"'&<>",
    "\u202egnp.exe",
    "x" * 3000,
    "=cmd|' /C calc'!A0",
    "a\nb\u2028c",
    "{{7*7}}",
    "`|*_[x](y)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_name_is_shown_escaped(tmp_path: Path, text: str) -> None:
    hostile = plan(
        title=text,
        owner=text,
        hypothesis={"if": text, "then": [{"metric": "done", "direction": "increase"}], "because": text},
        variants=[{"key": text[:60], "split": 0.5, "control": True, "name": text}, {"key": "b", "split": 0.5, "name": text}],
        metrics=[
            {"key": "done", "kind": "column", "column": text[:60], "role": "primary", "direction": "increase", "name": text}
        ],
        segments=["country"],
    )
    experiment = xp.register(hostile, tmp_path)
    frame = table().rename(columns={"done": text[:60]})
    frame["variant"] = np.where(frame.variant == "a", text[:60], "b")
    frame["country"] = np.where(frame.index % 3 == 0, text[:200], "se")
    readout = experiment.readout(units(frame))
    experiment.decide(readout, "defer", because=text, by=text)
    path = experiment.memo().save(tmp_path / "memo.html")
    for html in (readout._repr_html_(), path.read_text("utf-8")):
        assert "<script>alert" not in html
        assert "</script><script>" not in html


def test_evidence_reaches_the_checks(tmp_path: Path) -> None:
    """Flag, assigned units and audit are handed to health; an unknown kind is named; a look at older data is seen."""
    made = xp.register(plan(), tmp_path, clock=CLOCK)
    evidence = {"flag": {"a": 0.9, "b": 0.1}, "assigned": {"a": 2000, "b": 2000}, "audit": {"rows": 4000, "disagreeing": 0}}
    found = made.readout(units(table()), evidence=evidence)
    statuses_by_name = {c.name: c.status for c in found.health}
    assert statuses_by_name["flag_split"] == "fail"
    assert statuses_by_name["exposures_missing"] == "pass"
    assert statuses_by_name["assignment_audit"] == "pass"
    with pytest.raises(XpbenchError, match="'assigned'"):
        made.readout(units(table()), evidence={"asigned": {}})
    smaller = made.peek(units(table(2000)), reason="an older export")
    assert {c.name: c.status for c in smaller.health}["shrunk_data"] == "fail"
    assert "INVALID" in smaller.stamps
