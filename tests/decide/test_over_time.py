"""A readout tells what changes over time and beside other experiments, after the seal only; undeclared segments are no wins."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.data.logs import plan_of
from tests.decide import sealed
from xpbench.data.summary import NOT_MET, Cell, Summary
from xpbench.decide.readout import Readout, SealedReadout
from xpbench.errors import DecisionError
from xpbench.experiment import Experiment, register
from xpbench.views.segments import segment_heatmap

START = 1_790_000_000
DAY = 86_400
HOSTILE = "</script><script>alert(1)</script>"


def log(rng: np.random.Generator, *, other: bool = True, joint: float = 0.0, n: int = 3000) -> pd.DataFrame:
    """Conversions of units that are in this experiment and, three of four, in another one."""
    mine = rng.integers(0, 2, n)
    its = rng.integers(0, 2, n)
    meets = rng.random(n) < 0.75
    chance = 0.3 + 0.05 * mine + np.where(meets & other, 0.05 * its - joint * mine * its, 0.0)
    days = rng.integers(0, 8, n)
    rows: list[dict[str, Any]] = []
    for i in range(n):
        unit, at = f"u{i}", START + int(days[i]) * DAY
        country = "AT" if i % 3 else HOSTILE
        common = {"distinct_id": unit, "country": country}
        shown = {"event": "$experiment_started", "time": at, "Experiment name": "t", "Variant name": "ab"[mine[i]]}
        rows.append(common | shown)
        if other and meets[i]:
            rows.append(
                common | shown | {"time": at + 5, "Experiment name": "checkout", "Variant name": ["old", "new"][its[i]]}
            )
        if rng.random() < chance[i]:
            rows.append(common | {"event": "Done", "time": at + 60})
    rows.append({"event": "Other", "distinct_id": "zz", "time": START + 12 * DAY})
    return pd.DataFrame(rows)


def plan(**more: Any) -> xp.Plan:
    metrics = [{"key": "done", "kind": "conversion", "event": "Done", "role": "primary", "window_days": 2}]
    base = {"model": {"kind": "frequentist"}, "horizon": {"units": 2000}}
    return plan_of(
        metrics, **(base | more), hypothesis={"if": "a", "then": [{"metric": "done", "direction": "increase"}], "because": "c"}
    )


def opened(experiment: Experiment, source: Any, **more: Any) -> Readout:
    found = experiment.readout(source, **more)
    assert isinstance(found, Readout)
    return found


def test_concurrent_experiment_is_found_in_the_log(tmp_path: Path) -> None:
    """Nobody names it: units of both, by the other's variant, without those that did not meet it."""
    frame = log(np.random.default_rng(1), joint=0.25)
    readout = opened(register(plan(), tmp_path), xp.events(frame))
    (found,) = readout.interactions
    assert (found.metric, found.other, found.variant, found.state) == ("done", "checkout", "b", "interaction")
    # by hand: the effect within each variant of the other experiment
    shown = frame[frame.event == "$experiment_started"].pivot(
        index="distinct_id", columns="Experiment name", values="Variant name"
    )
    done = shown.index.isin(frame[frame.event == "Done"].distinct_id)
    rates = pd.Series(done, index=shown.index).groupby([shown["t"], shown["checkout"]]).mean()
    assert found.effects["new"] == pytest.approx(rates["b", "new"] - rates["a", "new"])
    assert found.effects["old"] == pytest.approx(rates["b", "old"] - rates["a", "old"])
    assert NOT_MET in readout.summary.slices("$experiment:checkout")
    assert any("checkout" in s for s in readout.over_time)
    assert "checkout" in readout._repr_html_()
    assert "checkout" in repr(readout)
    assert Readout.from_dict(json.loads(json.dumps(readout.to_dict()))).to_dict() == readout.to_dict()


def test_no_interaction_and_no_other_experiment(tmp_path: Path) -> None:
    """Additive experiments are told as such; a log of one experiment has nothing to tell."""
    both = opened(register(plan(key="both", exposure={"experiment": "t"}), tmp_path), xp.events(log(np.random.default_rng(2))))
    assert [i.state for i in both.interactions] == ["no interaction shown"]
    alone = log(np.random.default_rng(2), other=False)
    one = opened(register(plan(key="one", exposure={"experiment": "t"}), tmp_path / "other"), xp.events(alone))
    assert one.interactions == ()


def test_nothing_over_time_while_sealed(tmp_path: Path) -> None:
    """Trends and interactions are effects: a sealed readout has neither, whatever is asked."""
    experiment = register(plan(horizon={"units": 50_000}), tmp_path)
    found = experiment.readout(xp.events(log(np.random.default_rng(1), joint=0.25)), segments=["country"])
    assert isinstance(found, SealedReadout)
    text = json.dumps(found.to_dict())
    for word in ("novelty", "interactions", "slope", "effects"):
        assert word not in text
        assert not hasattr(found, word)


def fading(n: int = 2000) -> Summary:
    """An effect that fades over forty days since exposure."""
    base = sealed.summary(4000, effect=0.2)
    cells = []
    for age in range(40):
        for variant in ("a", "b"):
            shift = 0.3 * float(np.exp(-age / 5)) if variant == "b" else 0.0
            cells.append(Cell("done", variant, "value", ("value",), n, (1.0 + shift,), ((1.0,),), "$age", str(age)))
    return replace(base, cells=(*base.cells, *cells))


def test_fading_effect_stands_in_readout_and_memo(tmp_path: Path) -> None:
    """Word, sentence and table; the memo carries them, verifies in full, and a changed word is seen."""
    experiment = register(sealed.plan(), tmp_path)
    readout = opened(experiment, fading())
    (trend,) = [t for t in readout.novelty if t.axis == "age"]
    assert trend.word == "fading"
    assert trend.slope is not None
    assert trend.slope < 0
    assert readout.over_time == (trend.sentence,)
    experiment.decide(readout, "iterate", because="novelty", by="ana")
    path = tmp_path / "memo.html"
    experiment.memo().save(path)
    page = path.read_text()
    assert "Over time, and next to other experiments" in page
    assert "novelty" in page
    report = xp.verify(path, full=True)
    assert report.status == "verified", report
    assert experiment.memo().html == page


def test_undeclared_segments_are_exploratory(tmp_path: Path) -> None:
    """Corrected, with an interaction test, stamped, on record, and shown without verdict or colour; without them no stamp."""
    experiment = register(plan(), tmp_path)
    source = xp.events(log(np.random.default_rng(3), n=6000))
    readout = opened(experiment, source, segments=["country"])
    assert "EXPLORATORY" in readout.stamps
    assert [(d["pointer"], d["class"], d["after"]) for d in readout.deviations] == [("/segments/0", "undeclared", "country")]
    (segment,) = readout.segments
    assert not segment.is_declared
    assert set(segment.slices) == {"AT", HOSTILE}
    rows = [r for rows in segment.slices.values() for r in rows]
    assert all(r.p_adjusted is not None and r.p_value is not None and r.p_adjusted >= r.p_value for r in rows)
    assert set(segment.interaction) == {"done:b"}
    assert any(r.verdict == "better" for r in rows), "the planted effect should be visible to the correction"
    view = segment_heatmap(segment)
    text = json.dumps(view.chart.to_dict()) if view.chart is not None else ""
    assert "EXPLORATORY" in view.subtitle
    assert '"tone": "better"' not in text
    assert "▲" not in text + view.subtitle + view.table.caption
    assert {r["mark"] for r in view.table.rows} == {"exploratory"}
    declared = segment_heatmap(replace(segment, is_declared=True))
    assert "▲" in {r["mark"] for r in declared.table.rows}
    assert HOSTILE not in view._repr_html_() if hasattr(view, "_repr_html_") else True
    # the plan's own reading of the same data has no stamp, and is no further look
    assert opened(experiment, source).stamps == ("PLANNED AFTER THE DATA",)
    assert experiment.status().looks == 1


def test_a_summary_has_the_segments_it_was_read_with(tmp_path: Path) -> None:
    """Further segments can't be made from moments; those that a summary brings along are undeclared all the same."""
    experiment = register(plan(), tmp_path)
    source = xp.events(log(np.random.default_rng(4)))
    with pytest.raises(DecisionError, match="XPB-R12"):
        experiment.readout(experiment.summarize(source), segments=["country"])
    brought = source.summarize(plan(segments=["country"]))
    assert opened(experiment, brought).stamps == ("PLANNED AFTER THE DATA", "EXPLORATORY")


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("novelty", "word", "steady"),
        ("novelty", "p_adjusted", 0.9),
        ("novelty", "slope", 1.0),
        ("interactions", "p_value", 0.5),
        ("interactions", "effects", {"new": 0.0, "old": 0.0}),
    ],
)
def test_the_verifier_computes_them_itself(part: str, name: str, value: Any, tmp_path: Path) -> None:
    """Standard library only: a sound readout agrees in every number, and each changed one is named."""
    from xpbench.verifier.over_time import check_over_time
    from xpbench.verifier.report import Notes

    if part == "novelty":
        readout = opened(register(sealed.plan(), tmp_path), fading())
    else:
        readout = opened(register(plan(), tmp_path), xp.events(log(np.random.default_rng(1), joint=0.25)))
    document = json.loads(json.dumps(readout.to_dict()))
    notes = Notes()
    check_over_time(notes, document)
    assert notes.differences == []
    assert notes.checked
    document[part][0][name] = value
    check_over_time(notes, document)
    assert any(name in d.part for d in notes.differences)
