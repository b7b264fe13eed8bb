"""Which sample-ratio test stops a readout: the fixed one at a single look, the one that may be watched at several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.health.worlds import _srm, _srm_anytime, event_plan, healthy
from xpbench.health import failed_gates, run_checks
from xpbench.plan.methods import WHOLE

MANY: tuple[dict[str, Any], ...] = (
    {"kind": "sequential", "n_opt": 20_000, "min_units": 500},
    {"kind": "group_sequential", "looks": [0.5, 1.0]},
)


@pytest.mark.parametrize("model", MANY, ids=lambda m: str(m["kind"]))
def test_fixed_test_warns_where_the_plan_reads_more_than_once(model: dict[str, Any]) -> None:
    """p = 1.8e-4 at one of many looks is no proof; the daily test decides: quiet under the second edition, and not today."""
    today = {c.name: c for c in run_checks(replace(_srm(), plan=event_plan(model=model)))}
    assert (today["srm"].status, today["srm_anytime"].status) == ("warn", "fail")
    inputs = replace(_srm(), plan=event_plan(model=model).under(WHOLE))
    found = {c.name: c for c in run_checks(inputs)}
    assert found["srm"].status == "warn"
    assert found["srm"].evidence["gate_is"] == "srm_anytime"
    assert found["srm_anytime"].status == "pass"
    assert not failed_gates(found.values())


@pytest.mark.parametrize("model", MANY, ids=lambda m: str(m["kind"]))
def test_anytime_test_is_the_gate_at_many_looks(model: dict[str, Any]) -> None:
    """A mismatch that the anytime test sees blocks under every design."""
    found = failed_gates(run_checks(replace(_srm_anytime(), plan=event_plan(model=model))))
    assert [c.name for c in found] == ["srm_anytime"]


@pytest.mark.parametrize("model", MANY, ids=lambda m: str(m["kind"]))
def test_without_dates_the_fixed_test_stays_the_gate(model: dict[str, Any]) -> None:
    """A source without days had one look, so the fixed test is the one that holds."""
    base = _srm()
    inputs = replace(base, plan=event_plan(model=model), summary=replace(base.summary, exposures_by_day={}))
    assert "srm" in [c.name for c in failed_gates(run_checks(inputs))]


def test_units_in_a_variant_without_share_fail_at_any_number_of_looks() -> None:
    """A variant that must get nobody and got somebody is a fault, not chance."""
    base = healthy(plan=event_plan(model=MANY[0]), flag={"control": 0.5, "beta": 0.5, "old": 0.0})
    variants = [{"key": k, "split": 1 / 3, "control": k == "control"} for k in ("control", "beta", "old")]
    units = {**base.summary.units, "old": 3}
    inputs = replace(base, plan=event_plan(model=MANY[0], variants=variants), summary=replace(base.summary, units=units))
    assert "srm" in [c.name for c in failed_gates(run_checks(inputs))]


def test_flag_that_serves_one_variant_is_said() -> None:
    """No share can be expected then; the split check fails, and nothing breaks."""
    found = {c.name: c for c in run_checks(healthy(flag={"control": 1.0, "beta": 0.0}))}
    assert found["srm"].status == "not answerable"
    assert found["flag_split"].blocks
