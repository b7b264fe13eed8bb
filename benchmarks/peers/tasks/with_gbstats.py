"""What an analyst writes with gbstats, GrowthBook's statistics engine."""

import pandas as pd
from gbstats.frequentist.tests import (
    FrequentistConfig,
    OneSidedTreatmentGreaterTTest,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import RegressionAdjustedStatistic, SampleMeanStatistic
from gbstats.utils import check_srm


def _statistic(y):
    return SampleMeanStatistic(n=len(y), sum=float(y.sum()), sum_squares=float((y**2).sum()))


def _adjusted(table):
    return RegressionAdjustedStatistic(
        n=len(table),
        post_statistic=_statistic(table.y),
        pre_statistic=_statistic(table.x),
        post_pre_sum_of_products=float((table.x * table.y).sum()),
        theta=0,
    )


def _both(table, statistic):
    return (statistic(table[table.variant == variant]) for variant in ("control", "beta"))


def lift(table):
    result = TwoSidedTTest(*_both(table, lambda t: _statistic(t.y))).compute_result()
    return result.expected, *result.ci


def lift_cuped(table):
    result = TwoSidedTTest(*_both(table, _adjusted)).compute_result()
    return result.expected, *result.ci


def readout(path, metrics, covariates):
    table, rows = pd.read_parquet(path), []
    for y, x in zip(metrics, covariates, strict=True):
        both = _both(table[["variant"]].assign(y=table[y], x=table[x]), _adjusted)
        result = TwoSidedTTest(*both).compute_result()
        rows.append([y, result.expected, *result.ci, result.p_value])
    return rows


def first_significant_day(table):
    for day in range(1, table.day.max() + 1):
        both = _both(table[table.day <= day], lambda t: _statistic(t.y))
        if SequentialTwoSidedTTest(*both, SequentialConfig()).compute_result().p_value < 0.05:
            return day
    return None


def guardrail_passes(table, margin):
    both = _both(table, lambda t: _statistic(t.y))
    return bool(OneSidedTreatmentGreaterTTest(*both, FrequentistConfig(alpha=0.025)).compute_result().p_value >= 0.025)


def srm_alarm(control, beta, share):
    return bool(check_srm([int(control), int(beta)], [1 - share, share]) < 0.001)


def srm_day(table):
    for day, (control, beta) in enumerate(table[["control", "beta"]].cumsum().to_numpy(), start=1):
        if srm_alarm(control, beta, 0.5):
            return day
    return None
