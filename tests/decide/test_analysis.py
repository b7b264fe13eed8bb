"""Rows against formulas and implementations from elsewhere, for every design."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import xpbench as xp
from tests.builders import column, plan_document, split
from xpbench.data.summary import Cell, Summary
from xpbench.decide import designs
from xpbench.decide.analysis import analyse
from xpbench.decide.harm import harm_alarm
from xpbench.decide.seal import due
from xpbench.ledger import fixed_clock
from xpbench.plan.methods import FIRST, POWER, WHOLE
from xpbench.stats.spending import q_group
from xpbench.verifier import boundaries
from xpbench.verifier import designs as verified

NOW = fixed_clock("2026-11-22T12:00:00")()


def plan(**changes: Any) -> xp.Plan:
    base: dict[str, Any] = plan_document(
        [column("m")], key="t", title="t", owner="t", variants=split("a", "b"), horizon={"units": 10_000}
    )
    return xp.Plan(**{**base, **changes})


def cell(metric: str, variant: str, n: int, mean: float, var: float, **more: Any) -> Cell:
    return Cell(metric, variant, more.pop("form", "value"), ("value",), n, (mean,), ((var,),), **more)


def summary(*cells: Cell, **units: int) -> Summary:
    counts = units or {c.variant: c.n for c in cells}
    return Summary("test", "0" * 64, sum(counts.values()), counts, cells)


def test_sequential_interval_is_the_confidence_sequence_of_the_source() -> None:
    p = plan(model={"kind": "sequential", "n_opt": 8000, "min_units": 100})
    (row,) = analyse(p, summary(cell("m", "a", 3000, 10.0, 4.0), cell("m", "b", 3100, 10.2, 5.0)))
    n, alpha = 6100, 0.05
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / 8000  # arXiv 2103.06476
    q = math.sqrt((n * rho2 + 1) / (n * rho2) * (math.log(n * rho2 + 1) - 2 * math.log(alpha)))
    se = math.sqrt(4.0 / 3000 + 5.0 / 3100)
    assert (row.ci_low, row.ci_high) == pytest.approx((0.2 - q * se, 0.2 + q * se), rel=1e-9)
    z = 0.2 / se
    assert row.p_value == pytest.approx(min(1.0, math.sqrt(n * rho2 + 1) * math.exp(-(z**2) * n * rho2 / (2 * (n * rho2 + 1)))))


def test_tau_is_in_standard_deviations_of_the_metric() -> None:
    tuned = plan(model={"kind": "sequential", "tau": 0.1, "min_units": 100})
    cells = [cell("m", "a", 3000, 10.0, 4.0), cell("m", "b", 3000, 10.2, 4.0)]
    scaled = [cell("m", "a", 3000, 1000.0, 40_000.0), cell("m", "b", 3000, 1020.0, 40_000.0)]
    (one,), (other,) = (analyse(tuned, summary(*c)) for c in (cells, scaled))
    assert one.p_value == pytest.approx(other.p_value, rel=1e-9)
    se2 = 4.0 / 3000 * 2
    k = (0.1 * 2.0) ** 2 / se2  # Johari et al. 2017: tau² over the variance of the effect
    z2 = 0.2**2 / se2
    assert one.p_value == pytest.approx(min(1.0, math.sqrt(1 + k) * math.exp(-z2 * k / (2 * (1 + k)))), rel=1e-9)


def test_group_sequential_last_look_uses_the_published_boundary() -> None:
    p = plan(model={"kind": "group_sequential", "looks": [0.5, 1.0]}, horizon={"units": 10_000})
    cells = (cell("m", "a", 5000, 10.0, 4.0), cell("m", "b", 5000, 10.1, 4.0))
    (row,) = analyse(p, summary(*cells), earlier_units=[5000])
    assert row.ci_high is not None
    assert row.effect is not None
    assert row.se is not None
    # Lan–DeMets O'Brien–Fleming, 2 looks, two-sided 0.05: 2.963 and 1.969 (Jennison and Turnbull 2000)
    assert (row.ci_high - row.effect) / row.se == pytest.approx(1.969, abs=0.002)


def test_a_look_that_is_taken_again_at_once_is_one_look() -> None:
    p = plan(model={"kind": "group_sequential", "looks": [0.5, 1.0]}, horizon={"units": 10_000_000})
    units, earlier = 10_000_000, [5_000_000, 9_999_996]
    own = designs.design_of(p, p.variants[1], units=units, earlier_units=earlier)
    assert isinstance(own, designs.Grouped)
    assert (own.information, own.final) == ((0.5, 1.0), True)
    written = p.model_dump()
    looks = [{"units": n, "findings": {}} for n in (*earlier, units)]
    theirs = verified.design_of(written, written["variants"][1], units=units, looks=looks).boundary
    assert theirs is not None
    assert (theirs.information, theirs.final) == (own.information, own.final)


@pytest.mark.parametrize("information", [(0.5, 0.505, 1.0), (0.25, 0.5, 0.501), (0.6, 0.9, 0.92, 1.0)])
def test_the_verifier_finds_the_boundary_of_looks_close_together(information: tuple[float, ...]) -> None:
    """Two implementations of the recursive integration, on other grids; 1e-9."""
    own = boundaries.Boundary(information, "obrien_fleming", information[-1] == 1.0)
    assert own.is_light
    expected = q_group(0.05, information, "obrien_fleming", final=own.final)[-1]
    assert own.q(0.05) == pytest.approx(expected, rel=1e-9)


def test_bayesian_numbers_of_the_reference(shared_data: Path) -> None:
    source = xp.units(shared_data / "cookie_cats.csv.gz", unit="userid", variant="version")
    p = plan(
        unit="userid",
        model={"kind": "bayesian"},
        variants=[{"key": "gate_30", "split": 0.5, "control": True}, {"key": "gate_40", "split": 0.5}],
        hypothesis={"if": "a", "then": [{"metric": "retention_7", "direction": "increase"}], "because": "b"},
        metrics=[
            {"key": k, "kind": "column", "column": k, "role": "primary", "direction": "increase"}
            for k in ("retention_7", "retention_1")
        ],
    )
    seven, one = analyse(p, source.summarize(p))
    assert seven.chance == pytest.approx(0.00078, abs=1e-4)
    assert (seven.lift, seven.lift_low, seven.lift_high) == pytest.approx((-0.0431, -0.0690, -0.0168), abs=3e-4)
    assert one.chance == pytest.approx(0.0372, abs=1e-3)
    assert (seven.verdict, one.verdict, seven.p_value) == ("worse", "worse", None)


def test_holm_and_its_intervals_over_three_variants() -> None:
    variants = [{"key": "a", "split": 0.25, "control": True}, *({"key": k, "split": 0.25} for k in "bcd")]
    cells = [cell("m", v, 2000, mean, 1.0) for v, mean in zip("abcd", (0.0, 0.05, 0.09, 0.075), strict=True)]
    rows = analyse(plan(variants=variants), summary(*cells))
    raw = [2 * stats.t.sf(abs(r.effect / r.se), 3998) for r in rows]  # type: ignore[operator]
    order = np.argsort(raw)
    steps = np.maximum.accumulate([raw[i] * (3 - k) for k, i in enumerate(order)])
    expected = {int(i): min(1.0, s) for i, s in zip(order, steps, strict=True)}
    for i, row in enumerate(rows):
        assert row.p_value == pytest.approx(raw[i], rel=1e-9)
        assert row.p_adjusted == pytest.approx(expected[i], rel=1e-9)
        assert row.alpha == pytest.approx(0.05 / 3)


@pytest.mark.parametrize(
    ("mean", "var", "margin", "state"),
    [
        (10.0, 4.0, {"margin_rel": 0.02}, "ok"),
        (9.7, 4.0, {"margin_rel": 0.02}, "bad"),
        (9.95, 40.0, {"margin_rel": 0.02}, "unclear"),
    ],
)
def test_guardrail_passes_exactly_when_its_interval_excludes_the_margin(
    mean: float, var: float, margin: dict[str, float], state: str
) -> None:
    metrics = [
        {"key": "m", "kind": "column", "column": "m", "role": "primary", "direction": "increase"},
        {"key": "g", "kind": "column", "column": "g", "role": "guardrail", "direction": "increase", **margin},
    ]
    cells = [cell(k, v, 5000, 10.0 if v == "a" else mean, var) for k in "mg" for v in "ab"]
    row = analyse(plan(metrics=metrics), summary(*cells))[1]
    assert row.guardrail == state
    assert row.lift_low is not None
    assert (row.lift_low > -0.02) == (row.guardrail == "ok")


@given(
    st.floats(-5, 5), st.floats(0.01, 50), st.floats(0.01, 50), st.integers(50, 5000), st.integers(50, 5000), st.floats(-1, 1)
)
def test_interval_excludes_zero_exactly_when_the_test_rejects(
    mean: float, vc: float, vt: float, nc: int, nt: int, effect: float
) -> None:
    (row,) = analyse(plan(), summary(cell("m", "a", nc, mean, vc), cell("m", "b", nt, mean + effect, vt)))
    if row.status == "ok" and row.p_value is not None and abs(row.p_value - 0.05) > 1e-9:
        assert row.ci_low is not None
        assert row.ci_high is not None
        excluded = row.ci_low > 0 or row.ci_high < 0
        assert excluded == (row.p_value < 0.05) == (row.verdict != "unclear")
        assert row.lift_low is not None
        assert row.lift_high is not None
        assert excluded == (row.lift_low > 0 or row.lift_high < 0)


@pytest.mark.parametrize(
    ("model", "horizon", "units", "is_due", "adequate"),
    [
        ({"kind": "frequentist"}, {"units": 1000}, (499, 500), False, False),
        ({"kind": "frequentist"}, {"units": 1000}, (500, 500), True, True),
        ({"kind": "frequentist"}, {"days": 14}, (500, 500), False, False),
        ({"kind": "sequential", "n_opt": 1000, "min_units": 300}, {"units": 1000}, (300, 299), False, False),
        ({"kind": "sequential", "n_opt": 1000, "min_units": 300}, {"units": 1000}, (300, 300), True, False),
        ({"kind": "sequential", "n_opt": 1000, "min_units": 300}, {"units": 1000}, (600, 600), True, True),
        ({"kind": "group_sequential", "looks": [0.5, 1.0]}, {"units": 1000}, (249, 250), False, False),
        ({"kind": "group_sequential", "looks": [0.5, 1.0]}, {"units": 1000}, (250, 250), True, False),
        ({"kind": "bayesian"}, {"units": 1000}, (400, 400), False, False),
        ({"kind": "bayesian", "due": "min_units", "min_units": 100}, {"units": 1000}, (400, 400), True, False),
    ],
)
def test_effects_are_due_when_the_model_says_so(
    model: dict[str, Any], horizon: dict[str, int], units: tuple[int, int], is_due: bool, adequate: bool
) -> None:
    state = due(plan(model=model, horizon=horizon), summary(a=units[0], b=units[1]), now=NOW)
    assert (state.is_due, state.is_adequate) == (is_due, adequate)
    assert 0 <= state.progress <= 1


def test_days_are_counted_from_the_first_exposure() -> None:
    s = summary(a=500, b=500)
    s = replace(s, first_exposure="2026-11-01T00:00:00+00:00", last_exposure="2026-11-20T00:00:00+00:00")
    assert due(plan(horizon={"days": 19}), s, now=NOW).is_due
    assert not due(plan(horizon={"days": 20}), s, now=NOW).is_due


@pytest.mark.parametrize("margin", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("x_c", "x_t"), [(9, 5), (8, 8), (3, 9), (0, 6), (9, 0)])
@pytest.mark.parametrize("direction", ["increase", "decrease"])
@pytest.mark.parametrize(("edition", "level"), [(WHOLE, 0.025), (POWER, 0.05), (POWER, 0.01)])
def test_a_guardrail_of_a_rare_event_agrees_with_its_interval(
    margin: float, x_c: int, x_t: int, direction: str, edition: int, level: float
) -> None:
    """Few events are judged by the score statistic throughout: interval, p-value, margin, smallest lift that matters."""
    n = 400
    metrics = [
        {"key": "m", "kind": "column", "column": "m", "role": "primary", "direction": direction, "min_lift": margin},
        {"key": "g", "kind": "column", "column": "g", "role": "guardrail", "direction": direction, "margin_rel": margin},
    ]
    hypothesis = {"if": "a", "then": [{"metric": "m", "direction": direction}], "because": "b"}
    rates = {"a": x_c / n, "b": x_t / n}
    cells = [cell(k, v, n, p, p * (1 - p) * n / (n - 1)) for k in "mg" for v, p in rates.items()]
    decision = {"guardrail_alpha": level} if level == 0.01 else {}
    under = plan(metrics=metrics, hypothesis=hypothesis, decision=decision).under(edition)
    primary, row = analyse(under, summary(*cells))
    assert (primary.alpha, row.alpha) == (0.05, 2 * level)
    assert row.status in ("few_events", "unbounded_lift")
    low = row.lift_low if row.lift_low is not None else -math.inf
    high = row.lift_high if row.lift_high is not None else math.inf
    if row.lift_low is not None:
        within = low > -margin if direction == "increase" else high < margin
        assert (row.guardrail == "ok") == within
    assert row.margin_p_value is not None
    assert (row.guardrail == "ok") == (row.margin_p_value < level)
    if primary.lift_low is not None:
        low, high = primary.lift_low, primary.lift_high or math.inf
        assert primary.too_small == (high < margin if direction == "increase" else low > -margin)


def test_margin_p_of_a_group_sequential_guardrail_is_that_of_the_design() -> None:
    """At the first of two looks z = 2.2 passes a fixed test and not the boundary 2.963 (Jennison and Turnbull 2000)."""
    metrics = [
        {"key": "m", "kind": "column", "column": "m", "role": "primary", "direction": "increase"},
        {"key": "g", "kind": "column", "column": "g", "role": "guardrail", "direction": "increase", "margin": 1.0},
    ]
    model = {"kind": "group_sequential", "looks": [0.5, 1.0]}
    for z, state in ((2.2, "unclear"), (2.9, "unclear"), (3.0, "ok"), (-1.0, "unclear")):
        mean = 10.0 - 1.0 + z * math.sqrt(2 * 4.0 / 2500)
        cells = [cell(k, v, 2500, 10.0 if v == "a" else mean, 4.0) for k in "mg" for v in "ab"]
        decision = {"guardrail_alpha": 0.025}
        row = analyse(plan(metrics=metrics, model=model, horizon={"units": 10_000}, decision=decision), summary(*cells))[1]
        assert row.margin_p_value is not None
        assert (row.margin_p_value < 0.025) == (state == "ok")
        assert (row.guardrail == "ok") == (state == "ok")
    assert row.margin_p_value > 0.5


@pytest.mark.parametrize(
    "model", [{"kind": "sequential", "n_opt": 8000, "min_units": 100}, {"kind": "group_sequential", "looks": [0.5, 1.0]}]
)
def test_a_design_with_several_looks_waits_for_events(model: dict[str, Any]) -> None:
    """Below ten events of both variants no difference is called; from ten on the score does (docs/methods/proportion.md)."""
    for x_c, x_t, status in ((4, 5, "too_few_events"), (9, 30, "few_events"), (0, 30, "unbounded_lift"), (40, 90, "ok"),
                             (991, 900, "few_events"), (998, 995, "too_few_events")):  # fmt: skip
        rates = {"a": x_c / 1000, "b": x_t / 1000}
        cells = [cell("m", v, 1000, p, p * (1 - p) * 1000 / 999) for v, p in rates.items()]
        (row,) = analyse(plan(model=model), summary(*cells))
        assert row.status == status
        assert (row.p_value is None) == (status == "too_few_events")
        assert row.verdict != "unclear" or status not in ("unbounded_lift",)
        (before,) = analyse(plan(model=model).under(FIRST), summary(*cells))  # as registered and read then
        assert (before.status == "too_few_events") == (min(x_c, x_t, 1000 - x_c, 1000 - x_t) < 10)


def test_the_harm_alarm_keeps_its_level_for_rare_events_in_a_small_variant() -> None:
    """Simulated, 200 times: 0.5 % in both, one unit in ten treated, 15 looks at 1 %. Harm is heard without control events."""

    def cells(n: Any, x: Any) -> Summary:
        rows = zip("ab", n, x, strict=True)
        return summary(*[cell("g", v, int(k), k_x / k, k_x / k * (1 - k_x / k) * k / (k - 1)) for v, k, k_x in rows])

    def guarded(direction: str, treated: float) -> xp.Plan:
        return plan(
            variants=[{"key": "a", "split": 1 - treated, "control": True}, {"key": "b", "split": treated}],
            metrics=[
                {"key": "m", "kind": "column", "column": "m", "role": "primary", "direction": "increase"},
                {"key": "g", "kind": "column", "column": "g", "role": "guardrail", "direction": direction, "margin_rel": 0.01},
            ],
            horizon={"units": 50_000},
        )

    rng, small = np.random.default_rng(3), guarded("increase", 0.1)
    alarms = 0
    for _ in range(200):
        x, n = np.zeros(2), np.zeros(2, dtype=int)
        for total in np.unique(np.round(np.geomspace(2500, 50_000, 15)).astype(int)):
            now = np.array([total - total // 10, total // 10])
            x, n = x + rng.binomial(now - n, 0.005), now
            if harm_alarm(small, cells(n, x)).sounds:
                alarms += 1
                break
    assert alarms <= 200 * 0.01 + 3 * math.sqrt(200 * 0.01)
    assert harm_alarm(guarded("decrease", 0.5), cells((2000, 2000), (0, 60))).sounds
    assert not harm_alarm(guarded("decrease", 0.5), cells((2000, 2000), (0, 2))).sounds
    assert not harm_alarm(guarded("decrease", 0.5), cells((2000, 2000), (0, 0))).sounds
