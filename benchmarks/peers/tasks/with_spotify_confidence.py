"""What an analyst writes with spotify-confidence."""

import pandas as pd
import spotify_confidence as confidence

COLUMNS = {
    "numerator_column": "y",
    "numerator_sum_squares_column": "y2",
    "denominator_column": "n",
    "categorical_group_columns": "variant",
    "interval_size": 0.95,
}
FEATURES = {"feature_column": "x", "feature_sum_squares_column": "x2", "feature_cross_sum_column": "xy"}


def _sums(table):
    table = table.assign(y2=table.y**2, n=1)
    return table.groupby("variant")[["y", "y2", "n"]].sum().reset_index()


def _sums_with_feature(table):
    table = table.assign(y2=table.y**2, n=1, x2=table.x**2, xy=table.x * table.y)
    return table.groupby("variant")[["y", "y2", "n", "x", "x2", "xy"]].sum().reset_index()


def _row(test):
    found = test.difference(level_1="control", level_2="beta", absolute=False).iloc[0]
    return float(found["difference"]), float(found["ci_lower"]), float(found["ci_upper"])


def lift(table):
    return _row(confidence.ZTest(_sums(table), **COLUMNS))


def lift_cuped(table):
    return _row(confidence.ZTestLinreg(_sums_with_feature(table), **COLUMNS, **FEATURES))


def readout(path, metrics, covariates):
    table, rows = pd.read_parquet(path), []
    for y, x in zip(metrics, covariates, strict=True):
        sums = _sums_with_feature(table[["variant"]].assign(y=table[y], x=table[x]))
        test = confidence.ZTestLinreg(sums, **COLUMNS, **FEATURES)
        p_value = float(test.difference(level_1="control", level_2="beta")["p-value"].iloc[0])
        rows.append([y, *_row(test), p_value])
    return rows


def first_significant_day(table):
    days = range(1, table.day.max() + 1)
    looks = pd.concat([_sums(table[table.day <= day]).assign(day=day) for day in days]).assign(final=len(table))
    test = confidence.ZTest(looks, ordinal_group_column="day", **COLUMNS)
    found = test.difference("control", "beta", groupby="day", final_expected_sample_size_column="final")
    significant = found.loc[found["is_significant"].astype(bool), "day"]
    return int(significant.min()) if len(significant) else None


def guardrail_passes(table, margin):
    test = confidence.ZTest(_sums(table), **COLUMNS)
    found = test.difference("control", "beta", non_inferiority_margins=(margin, "decrease"))
    return bool(found["is_significant"].iloc[0])


def srm_alarm(control, beta, share):
    counts = pd.DataFrame({"variant": ["control", "beta"], "y": 1, "y2": 1, "n": [control, beta]})
    p_value, _ = confidence.ZTest(counts, **COLUMNS).sample_ratio_test({"control": 1 - share, "beta": share})
    return bool(p_value < 0.001)


def srm_day(table):
    for day, (control, beta) in enumerate(table[["control", "beta"]].cumsum().to_numpy(), start=1):
        if srm_alarm(control, beta, 0.5):
            return day
    return None


def sample_size(baseline, lift):
    total, _, _ = confidence.SampleSize.binomial(baseline * lift, baseline, alpha=0.05, power=0.8)
    return float(total)
