"""Event logs: the engine agrees with the slow reading on every metric kind; real log; policies; bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xpbench as xp
from tests.data.logs import DAY, METRICS, SECOND, START, event, frame_of, plan_of, random_log
from tests.data.slow import unit_rows, without_repeats
from xpbench.data import EventSchema, Summary
from xpbench.errors import DataError

FULL = plan_of(METRICS, segments=["platform"])


def expected_cells(rows: dict[Any, dict[str, Any]], plan: xp.Plan, variant: str) -> dict[tuple[str, str], tuple[int, Any, Any]]:
    """n, means and covariances of every metric by plain numpy."""
    mine = [r for (_, v), r in sorted(rows.items(), key=str) if v == variant]
    out = {}
    for form, prefix in (("value", ""), ("before", "before:")):
        for m in plan.metrics:
            if m.kind == "ratio":
                pairs = [(r[prefix + m.numerator], r[prefix + m.denominator]) for r in mine]
                values = [p for p in pairs if None not in p]
            else:
                values = [v if isinstance(v, tuple) else (v,) for r in mine if (v := r[prefix + m.key]) is not None]
                if form == "value" and m.cuped:
                    values = [
                        (v, r["before:" + m.key], r["seen"]) for r in mine if (v := r[m.key]) is not None
                    ]
            if values:
                table = np.array([[float(0 if x is None else x) for x in row] for row in values])
                cov = np.atleast_2d(np.cov(table.T)) if len(table) > 1 else np.zeros((table.shape[1],) * 2)
                out[m.key, form] = (len(table), table.mean(axis=0), cov)
    return out


def check(summary: Summary, rows: dict[Any, dict[str, Any]], plan: xp.Plan) -> None:
    for variant in ("a", "b"):
        expected = expected_cells(rows, plan, variant)
        found = {(c.metric, c.form): c for c in summary.cells if c.variant == variant and not c.dimension and c.form != "raw"}
        # a before-value that is null (all amounts missing) is left out of the block, or set to the mean as a covariate
        for key, (n, mean, cov) in expected.items():
            cell = found[key]
            assert cell.n == n, key
            assert cell.mean == pytest.approx(mean, rel=1e-12, abs=1e-12), key
            assert np.array(cell.cov) == pytest.approx(cov, rel=1e-9, abs=1e-12), key
        assert set(found) == set(expected)
        assert summary.units[variant] == sum(v == variant for _, v in rows)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(["exclude", "first", "split"]), window=st.sampled_from(["first_exposure", "latest_exposure"]))
def test_every_kind_agrees_with_the_slow_reading(seed: int, policy: str, window: Any) -> None:
    log = random_log(np.random.default_rng(seed))
    plan = FULL.changed(exposure={"several_variants": policy}, data={"missing": "zero", "missing_codes": [], "smallest_segment": 1})
    rows = unit_rows(without_repeats(log), plan, max(e["t"] for e in log), window)
    if not rows:
        return
    summary = xp.events(frame_of(log), window_from=window, absent_events="zero").summarize(plan)
    check(summary, rows, plan)


def test_homepage_actions_reference_numbers(shared_data: Path) -> None:
    plan = plan_of(
        [{"key": "click", "kind": "conversion", "event": "click"}],
        variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "experiment", "split": 0.5}],
        exposure={"event": "view", "format": "dictionary", "experiment": "group"},
    )
    schema = EventSchema(event="action", time="timestamp", unit="id", insert_id=None)
    s = xp.events(shared_data / "homepage_actions.csv.gz", schema=schema).summarize(plan)
    assert s.rows == 8_188
    assert s.units == {"control": 3_332, "experiment": 2_996}
    assert (s.cell("click", "control").mean[0], s.cell("click", "experiment").mean[0]) == (932 / 3_332, 928 / 2_996)
    assert s.first_exposure.startswith("2016-09-24")
    assert s.data_until.startswith("2017-01-18")
    assert Summary.from_dict(json.loads(json.dumps(s.to_dict()))) == s
