"""The tasks of with_xpbench.py from moments instead of tables: the same analysis and checks; no DuckDB, no ledger.

Thousands of tiny tables would measure little but the start of an engine. `judge` compares both ways on the first runs.
"""

from datetime import date, timedelta

import numpy as np
import with_xpbench as public

import xpbench as xp
from xpbench.data.summary import Cell, Summary
from xpbench.decide.analysis import analyse
from xpbench.health import HealthInputs, run_checks

CLAIM = public.PLAN
START = date(2026, 9, 7)


def _cell(key, variant, rows):
    cov = np.atleast_2d(np.cov(rows, rowvar=False, ddof=1))
    names = ("value", *(f"x{i}" for i in range(1, rows.shape[1])))
    return Cell(key, variant, "value", names, len(rows), tuple(rows.mean(axis=0).tolist()), tuple(map(tuple, cov.tolist())))


def _summary(table, columns, keys=("y",)):
    cells, units = [], {}
    for variant in ("control", "beta"):
        rows = table.loc[table.variant == variant, columns].to_numpy()
        units[variant] = len(rows)
        cells += [_cell(key, variant, rows) for key in keys] if len(rows) > 1 else []
    return Summary("units", "0" * 64, len(table), units, tuple(cells))


def _lift(plan, summary):
    row = analyse(plan, summary)[0]
    return row.lift, row.lift_low, row.lift_high


FIXED = xp.Plan(**CLAIM)
CUPED = FIXED.changed(metrics=[{**CLAIM["metrics"][0], "cuped": True, "covariates": ["x"]}])
DAILY = FIXED.changed(model={"kind": "sequential", "n_opt": 2_800, "min_units": 100}, horizon={"units": 2_800})
GUARDRAIL = FIXED.changed(
    metrics=[
        {**CLAIM["metrics"][0], "key": "first"},
        {**CLAIM["metrics"][0], "role": "guardrail", "direction": "decrease", "margin_rel": 0.05},
    ],
    hypothesis={**CLAIM["hypothesis"], "then": [{"metric": "first", "direction": "increase"}]},
)


def lift(table):
    return _lift(FIXED, _summary(table, ["y"]))


def lift_cuped(table):
    return _lift(CUPED, _summary(table, ["y", "x"]))


def first_significant_day(table):
    earlier = []
    for day in range(1, table.day.max() + 1):
        summary = _summary(table[table.day <= day], ["y"])
        if min(summary.units.values()) < DAILY.model.min_units:
            continue
        row = analyse(DAILY, summary, earlier_units=earlier)[0]
        if row.p_value is not None and row.p_value <= 0.05:
            return day
        earlier.append(summary.n)
    return None


def guardrail_passes(table, margin):
    assert margin == 0.05
    rows = analyse(GUARDRAIL, _summary(table, ["y"], keys=("first", "y")))
    return next(r for r in rows if r.metric == "y").guardrail == "ok"


def srm_day(table):
    """The first day on which a gate of sample ratio stops the daily readout, as it would a reader's."""
    for day in range(1, len(table) + 1):
        seen = table.iloc[:day]
        by_day = {
            (START + timedelta(days=int(d) - 1)).isoformat(): {"control": int(c), "beta": int(b)}
            for d, c, b in seen[["day", "control", "beta"]].itertuples(index=False)
        }
        units = {"control": int(seen.control.sum()), "beta": int(seen.beta.sum())}
        summary = Summary("units", "0" * 64, sum(units.values()), units, (), exposures_by_day=by_day)
        found = run_checks(HealthInputs(DAILY, summary), only=("srm", "srm_anytime"))
        if any(c.status == "fail" for c in found):
            return day
    return None
