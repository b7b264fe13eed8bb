"""What is beside each other agrees: intervals of segments with their verdicts, an early stop with an estimate of its own."""

import json

import numpy as np
import pytest

from tests.builders import make_plan, metric, split
from xpbench.data.summary import Cell, Summary
from xpbench.decide.analysis import AFTER_STOP, analyse
from xpbench.decide.segments import segment_results
from xpbench.plan.methods import POWER
from xpbench.verifier import Notes
from xpbench.verifier.numbers import compare_row
from xpbench.verifier.rows import rows_of

N = 4000


def plan_of(model, **more):
    return make_plan(
        [
            metric("m", "count", event="M", cuped=False),
            metric("g", "count", "guardrail", event="G", cuped=False, margin_rel=0.1),
        ],
        key="s",
        owner="o",
        change="i",
        variants=split("control", "t"),
        model=model,
        horizon={"units": 2 * N},
        **more,
    )


def cell(key, variant, n, mean, value=""):
    return Cell(key, variant, "value", ("value",), n, (mean,), ((1.0,),), "city" if value else "", value)


def summary_of(effects, n=400):
    """Slices of one dimension with these effects in standard errors."""
    se = (2 / n) ** 0.5
    cells, units = [], {}
    for value, z in effects.items():
        for key in ("m", "g"):
            cells += [cell(key, "control", n, 5.0, value), cell(key, "t", n, 5.0 + z * se, value)]
        units[value] = {"control": n, "t": n}
    total = n * len(effects)
    for key in ("m", "g"):
        cells += [cell(key, "control", total, 5.0), cell(key, "t", total, 5.0 + float(np.mean(list(effects.values()))) * se)]
    return Summary("events", "0" * 64, 2 * total, {"control": total, "t": total}, tuple(cells), segments={"city": units})


@pytest.mark.parametrize(
    "model", [{"kind": "frequentist"}, {"kind": "sequential", "n_opt": 800, "min_units": 10}], ids=lambda m: m["kind"]
)
@pytest.mark.parametrize(
    "effects", [(4.5, 3.9, 2.1, 0.3, -0.2), (0.1, 2.2, -1.0, 0.4, 0.9), (5, 4, 4.4, 3.9, 3.6), (0.2, -0.3)]
)
def test_an_interval_of_a_slice_excludes_zero_exactly_when_it_is_a_discovery(model, effects):
    plan = plan_of(model, segments=["city"])
    found = segment_results(plan, summary_of({f"c{i}": z for i, z in enumerate(effects)}))[0]
    for rows in found.slices.values():
        row = rows[0]
        assert (row.ci_low > 0 or row.ci_high < 0) == (row.verdict != "unclear") == (row.p_adjusted <= plan.alpha)
    levels = {rows[0].alpha for rows in found.slices.values()}
    assert len(levels) == 1
    assert levels.pop() <= plan.alpha
    assert {rows[1].alpha for rows in found.slices.values()} == {2 * plan.guardrail_alpha}


def test_segments_of_an_earlier_edition_keep_their_intervals():
    plan = plan_of({"kind": "frequentist"}, segments=["city"]).under(POWER)
    found = segment_results(plan, summary_of({"a": 2.2, "b": 0.1, "c": 0.0}))[0]
    assert {rows[0].alpha for rows in found.slices.values()} == {plan.alpha}


MODELS = [
    {"kind": "group_sequential", "looks": [0.25, 0.5, 0.75, 1.0], "spending": "pocock"},
    {"kind": "group_sequential", "looks": [0.25, 0.5, 0.75, 1.0], "spending": "obrien_fleming"},
    {"kind": "group_sequential", "looks": [0.25, 0.5, 0.75, 1.0], "spending": "reflection"},
]


def looked(units, z, share=False):
    """All units, with an effect of z standard errors."""
    n = units // 2
    se = (2 / n) ** 0.5
    cells = [cell(key, v, n, m) for key in ("m", "g") for v, m in (("control", 5.0), ("t", 5.0 + z * se))]
    return Summary("events", "0" * 64, units, {"control": n, "t": n}, tuple(cells))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m["spending"])
@pytest.mark.parametrize("z", [4.6, -4.6])
def test_an_early_stop_has_an_estimate_that_is_not_exaggerated(model, z):
    plan, summary, earlier = plan_of(model), looked(N, z), [N // 2]
    row = analyse(plan, summary, earlier_units=earlier)[0]
    assert row.verdict == ("better" if z > 0 else "worse")
    other = next(s for s in row.sensitivity if s.name == AFTER_STOP)
    assert abs(other.effect) <= abs(row.effect) * (1 + 1e-9)
    assert other.ci_low < other.effect < other.ci_high
    assert other.lift == pytest.approx(other.effect / 5.0)
    assert other.p_value < 0.03  # by the order of stages: what the first look could have called comes before
    document, moments = json.loads(json.dumps([plan.to_dict(), summary.to_dict()]))
    notes, looks = Notes(), [{"units": n, "findings": {}} for n in (*earlier, summary.n)]
    theirs = [r.to_dict() for r in analyse(plan, summary, earlier_units=earlier)]
    for ours, found in zip(rows_of(document, moments, looks=looks), theirs, strict=True):
        compare_row(notes, found["metric"], ours, found)
    assert not notes.differences
    theirs[0]["sensitivity"][0]["effect"] *= 1.0001  # the test can fail
    compare_row(notes, "m", rows_of(document, moments, looks=looks)[0], theirs[0])
    assert notes.differences


def test_without_a_stop_or_an_earlier_look_there_is_nothing_to_adjust():
    for model, units, earlier, z in (
        (MODELS[0], N, [N // 2], 1.0),
        (MODELS[0], N, [], 4.0),
        ({"kind": "frequentist"}, 2 * N, [], 4.0),
    ):
        rows = analyse(plan_of(model), looked(units, z), earlier_units=earlier)
        assert not any(s.name == AFTER_STOP for r in rows for s in r.sensitivity)
    rows = analyse(plan_of(MODELS[0]).under(POWER), looked(N, 4.6), earlier_units=[N // 2])
    assert not any(s.name == AFTER_STOP for r in rows for s in r.sensitivity)


def test_after_a_hair_over_the_boundary_much_is_taken_back():
    """Pocock's second look: just crossed, the raw estimate is too high in most such runs."""
    row = analyse(plan_of(MODELS[0]), looked(N, 2.45), earlier_units=[N // 2])[0]
    other = next(s for s in row.sensitivity if s.name == AFTER_STOP)
    assert 0.0 < other.effect < 0.97 * row.effect
