"""What an analyst writes with xpbench."""

import tempfile

import pandas as pd

import xpbench as xp

PLAN = {
    "key": "peers",
    "title": "Peers",
    "owner": "benchmarks",
    "unit": "unit",
    "hypothesis": {"if": "a", "then": [{"metric": "y", "direction": "increase"}], "because": "b"},
    "variants": [{"key": "control", "split": 0.5, "control": True}, {"key": "beta", "split": 0.5}],
    "metrics": [{"key": "y", "kind": "column", "column": "y", "role": "primary", "direction": "increase"}],
    "model": {"kind": "frequentist"},
    "horizon": {"units": 2},
}


def _read(plan, table):
    if not isinstance(table, str):
        table = table.assign(unit=range(len(table)))
    with tempfile.TemporaryDirectory() as root:
        return xp.register(plan, root).readout(xp.units(table, unit="unit", variant="variant")).to_frame()


def lift(table):
    row = xp.explore(table, ["y"]).rows[0]
    return row.lift, row.lift_low, row.lift_high


def lift_cuped(table):
    row = xp.explore(table, ["y"], covariates={"y": "x"}).rows[0]
    return row.lift, row.lift_low, row.lift_high


def readout(path, metrics, covariates):
    found = xp.explore(path, metrics, unit="unit", covariates=dict(zip(metrics, covariates, strict=True)), correction="none")
    return [[r.metric, r.lift, r.lift_low, r.lift_high, r.p_value] for r in found.rows]


def first_significant_day(table):
    model = {"kind": "sequential", "n_opt": 2_800, "min_units": 100}
    plan = xp.Plan(**PLAN).changed(model=model, horizon={"units": 2_800})
    table = table.assign(unit=range(len(table)))
    with tempfile.TemporaryDirectory() as root:
        experiment = xp.register(plan, root)
        for day in range(1, table.day.max() + 1):
            seen = experiment.readout(xp.units(table[table.day <= day], unit="unit", variant="variant"))
            if not seen.is_sealed and seen.rows[0].p_value <= 0.05:
                return day
    return None


def guardrail_passes(table, margin):
    guardrail = {**PLAN["metrics"][0], "role": "guardrail", "direction": "decrease", "margin_rel": margin}
    first = {**PLAN["metrics"][0], "key": "first"}
    claim = {**PLAN["hypothesis"], "then": [{"metric": "first", "direction": "increase"}]}
    found = _read(xp.Plan(**{**PLAN, "metrics": [first, guardrail], "hypothesis": claim}), table)
    return bool(found.set_index("metric").guardrail["y"] == "ok")


def srm_alarm(control, beta, share):
    variants = [{"key": "control", "split": 1 - share, "control": True}, {"key": "beta", "split": share}]
    table = pd.DataFrame({"unit": range(control + beta), "y": 1.0, "variant": ["control"] * control + ["beta"] * beta})
    with tempfile.TemporaryDirectory() as root:
        experiment = xp.register(xp.Plan(**PLAN).changed(variants=variants), root)
        health = experiment.readout(xp.units(table, unit="unit", variant="variant")).health
    return any(c.name in ("srm", "srm_anytime") and c.status == "fail" for c in health)


def sample_size(baseline, lift):
    return xp.sample_size(baseline=baseline, lift=lift).units


def assign(definition, ids):
    return xp.assign(xp.load_flags({"flags": [definition]})["checkout"], ids)
