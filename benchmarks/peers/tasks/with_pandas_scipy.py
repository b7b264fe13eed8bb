"""What an analyst writes with pandas, scipy and statsmodels."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize


def _delta_lift(c, t):
    """Lift with the interval of the delta method."""
    lift = t.mean() / c.mean() - 1
    variance = t.var() / len(t) / c.mean() ** 2 + c.var() / len(c) * t.mean() ** 2 / c.mean() ** 4
    width = stats.norm.ppf(0.975) * np.sqrt(variance)
    return lift, lift - width, lift + width


def lift(table):
    return _delta_lift(table.y[table.variant == "control"], table.y[table.variant == "beta"])


def lift_cuped(table):
    theta = table.x.cov(table.y) / table.x.var()
    adjusted = table.y - theta * (table.x - table.x.mean())
    return lift(table.assign(y=adjusted))


def readout(path, metrics, covariates):
    table = pd.read_parquet(path)
    beta = table.variant == "beta"
    rows = []
    for y, x in zip(metrics, covariates, strict=True):
        adjusted = table[y] - table[x].cov(table[y]) / table[x].var() * (table[x] - table[x].mean())
        p_value = stats.ttest_ind(adjusted[beta], adjusted[~beta], equal_var=False).pvalue
        rows.append([y, *_delta_lift(adjusted[~beta], adjusted[beta]), p_value])
    return rows


def first_significant_day(table):
    for day in range(1, table.day.max() + 1):
        seen = table[table.day <= day]
        beta = seen.variant == "beta"
        if stats.ttest_ind(seen.y[beta], seen.y[~beta], equal_var=False).pvalue < 0.05:
            return day
    return None


def guardrail_passes(table, margin):
    beta = table.variant == "beta"
    worse = stats.ttest_ind(table.y[beta], table.y[~beta], equal_var=False, alternative="greater").pvalue
    return bool(worse >= 0.025)


def srm_alarm(control, beta, share):
    n = control + beta
    return bool(stats.chisquare([control, beta], [n * (1 - share), n * share]).pvalue < 0.001)


def srm_day(table):
    for day, (control, beta) in enumerate(table[["control", "beta"]].cumsum().to_numpy(), start=1):
        if srm_alarm(control, beta, 0.5):
            return day
    return None


def sample_size(baseline, lift):
    effect = proportion_effectsize(baseline * (1 + lift), baseline)
    return 2 * float(NormalIndPower().solve_power(effect, alpha=0.05, power=0.8))
