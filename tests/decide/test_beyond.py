"""A share of the error level for looks after the horizon: what it costs, what it finds, and that the verifier agrees."""

import json
import math

import numpy as np
import pytest

from tests.decide.test_matched import N, looked, plan_of
from xpbench.decide.analysis import AFTER_STOP, analyse
from xpbench.decide.looks import FoundLook, Look
from xpbench.forecast.power import _design
from xpbench.plan import Plan
from xpbench.plan.design import DEFAULT_LOOKS, GroupSequential
from xpbench.stats.designs import GroupSequentialTest
from xpbench.stats.rest import smallest_found
from xpbench.stats.spending import crossing, q_group
from xpbench.verifier import Notes
from xpbench.verifier.numbers import compare_row
from xpbench.verifier.rows import rows_of

MODEL = {"kind": "group_sequential", "looks": [0.25, 0.5, 0.75, 1.0], "beyond": 0.1}


def look(units, found=None, counts=True):
    return Look(1, "2026-10-01T00:00:00+00:00", "o", units, True, "", findings=found or {}, counts=counts)


def agree(plan, summary, looks):
    rows = analyse(plan, summary, looks=looks)
    document, moments = json.loads(json.dumps([plan.to_dict(), summary.to_dict()]))
    told = [{**k.to_dict(), "findings": k.to_dict().get("findings", {})} for k in [*looks, look(summary.n)]]
    notes = Notes()
    for ours, row in zip(rows_of(document, moments, looks=told), rows, strict=True):
        compare_row(notes, row.metric, ours, row.to_dict())
    assert not notes.differences
    return rows


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock", "reflection"])
@pytest.mark.parametrize("z", [0.4, 2.2, -3.1, 4.6])
@pytest.mark.parametrize("units", [N, 2 * N, 3 * N])
def test_engine_and_verifier_agree_before_and_after_the_horizon(spending, z, units):
    plan = plan_of({**MODEL, "spending": spending})
    looks = [look(n) for n in (N // 2, N, 2 * N) if n < units]
    row = agree(plan, looked(units, z), looks)[0]
    assert (row.ci_low > 0 or row.ci_high < 0) == (row.p_value <= plan.alpha)


def test_after_the_horizon_only_the_share_decides():
    plan, closed = plan_of(MODEL), plan_of({**MODEL, "beyond": None})
    looks = [look(N), look(2 * N, {"m": {"t": FoundLook(0.4, 1, "", None)}})]
    late = looked(3 * N, 4.5)
    assert agree(closed, late, looks)[0].verdict == "unclear"  # data after the last planned look decide nothing
    row = agree(plan, late, looks)[0]
    assert row.verdict == "better"
    mixture = plan_of({"kind": "sequential", "n_opt": 2 * N, "confidence": 0.995})
    assert row.p_value == pytest.approx(min(1.0, 10 * analyse(mixture, late)[0].p_value))
    assert agree(plan, looked(3 * N, 2.6), looks)[0].verdict == "unclear"  # the boundary's level is spent


def test_a_crossing_stays_after_the_horizon():
    looks = [look(N, {"m": {"t": FoundLook(0.001, 1, "", None)}}), look(2 * N)]
    row = agree(plan_of(MODEL), looked(3 * N, 0.1), looks)[0]
    assert row.verdict == "better"
    assert row.p_value == 0.001


def test_an_early_stop_is_adjusted_over_both_boundaries():
    row = agree(plan_of(MODEL), looked(N, 4.6), [look(N // 2)])[0]
    found = next(s for s in row.sensitivity if s.name == AFTER_STOP)
    assert abs(found.effect) <= abs(row.effect) * (1 + 1e-9)


def daily(design, alpha=0.05, days=28):
    looks = tuple(i / days for i in range(1, days + 1))
    bounds = type(design)(looks, design.spending, design.beyond, alpha).bounds(alpha=alpha / 2, n=2800.0, se=1.0, df=math.inf)
    false = sum(float(x.sum()) for x in crossing(bounds, looks, drift=0.0))
    pooled = 0.2 * 1.075
    drift = 0.03 / math.sqrt(2 * pooled * (1 - pooled) / 1400)
    needed = smallest_found(0.8, looks=looks, bounds=bounds)
    stops = sum(crossing(bounds, looks, drift=needed))
    fixed = smallest_found(0.8, looks=(1.0,), bounds=(1.959964,)) ** 2
    mean = (float(stops @ np.array(looks)) + 1 - float(stops.sum())) * needed**2 / fixed
    return false, float(crossing(bounds, looks, drift=drift)[1].sum()), mean


def test_the_default_reaches_its_targets_by_exact_recursion():
    plan = Plan(**{k: v for k, v in plan_of(MODEL).to_dict().items() if k != "model"})
    assert plan.model == GroupSequential(spending="obrien_fleming", looks=DEFAULT_LOOKS)
    false, power, mean = daily(_design(plan, plan.treatments[0]))
    assert false <= 0.05 + 1e-9
    assert power >= 0.45
    assert mean <= 0.80
    needed = smallest_found(0.8, looks=DEFAULT_LOOKS, bounds=q_group(0.05, DEFAULT_LOOKS, "obrien_fleming"))
    stops = sum(crossing(q_group(0.05, DEFAULT_LOOKS, "obrien_fleming"), DEFAULT_LOOKS, drift=needed))
    fixed = smallest_found(0.8, looks=(1.0,), bounds=(1.959964,)) ** 2
    assert (float(stops @ np.array(DEFAULT_LOOKS)) + 1 - float(stops.sum())) * needed**2 / fixed <= 0.80


@pytest.mark.parametrize(
    ("spending", "beyond", "least"), [("obrien_fleming", 0.1, 0.45), ("reflection", None, 0.42), ("reflection", 0.1, 0.405)]
)
def test_the_other_designs_reach_theirs(spending, beyond, least):
    false, power, _ = daily(GroupSequentialTest((1.0,), spending, beyond, 0.05))
    assert false <= 0.05 + 1e-9
    assert power >= least
