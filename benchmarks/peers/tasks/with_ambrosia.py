"""What an analyst writes with Ambrosia."""

import pandas as pd
from ambrosia.designer import design_binary
from ambrosia.preprocessing import Cuped
from ambrosia.tester import Tester
from ambrosia.tools.srm import check_srm_from_counts


def _test(table, metrics="y", **options):
    tester = Tester(dataframe=table, column_groups="variant", group_labels=("control", "beta"), metrics=metrics)
    return tester.run(method="theory", first_type_errors=0.05, correction_method=None, **options)


def _row(found):
    low, high = found["confidence_interval"]
    return float(found["effect"]), float(low), float(high)


def lift(table):
    return _row(_test(table, effect_type="relative").iloc[0])


def lift_cuped(table):
    return lift(Cuped(verbose=False).fit_transform(table, "y", "x", "y"))


def readout(path, metrics, covariates):
    table = pd.read_parquet(path)
    for y, x in zip(metrics, covariates, strict=True):
        table = Cuped(verbose=False).fit_transform(table, y, x, y)
    found = _test(table, metrics, effect_type="relative")
    return [[row["metric name"], *_row(row), float(row["pvalue"])] for _, row in found.iterrows()]


def first_significant_day(table):
    for day in range(1, table.day.max() + 1):
        if _test(table[table.day <= day])["pvalue"].iloc[0] < 0.05:
            return day
    return None


def guardrail_passes(table, margin):
    return bool(_test(table, alternative="greater")["pvalue"].iloc[0] >= 0.025)


def srm_alarm(control, beta, share):
    counts, shares = {"control": int(control), "beta": int(beta)}, {"control": 1 - share, "beta": share}
    return bool(check_srm_from_counts(counts, expected_ratios=shares)["srm_detected"])


def srm_day(table):
    for day, (control, beta) in enumerate(table[["control", "beta"]].cumsum().to_numpy(), start=1):
        if srm_alarm(control, beta, 0.5):
            return day
    return None


def sample_size(baseline, lift):
    found = design_binary("size", prob_a=baseline, effects=[1 + lift], first_type_errors=[0.05], second_type_errors=[0.2])
    return 2 * float(found.iloc[0, 0])
