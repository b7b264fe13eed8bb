"""What an analyst writes with tea-tasting."""

import polars as pl
import tea_tasting as tt
from tea_tasting.aggr import Aggregates


def _row(metric):
    return metric.rel_effect_size, metric.rel_effect_size_ci_lower, metric.rel_effect_size_ci_upper


def lift(table):
    result = tt.Experiment(y=tt.Mean("y"), variant="variant").analyze(table, control="control")
    return _row(result["y"])


def lift_cuped(table):
    result = tt.Experiment(y=tt.Mean("y", "x"), variant="variant").analyze(table, control="control")
    return _row(result["y"])


def readout(path, metrics, covariates):
    experiment = tt.Experiment({y: tt.Mean(y, x) for y, x in zip(metrics, covariates, strict=True)}, variant="variant")
    result = experiment.analyze(pl.scan_parquet(path), control="control")
    return [[y, *_row(result[y]), result[y].pvalue] for y in metrics]


def first_significant_day(table):
    experiment = tt.Experiment(y=tt.Mean("y"), variant="variant")
    for day in range(1, table.day.max() + 1):
        if experiment.analyze(table[table.day <= day], control="control")["y"].pvalue < 0.05:
            return day
    return None


def guardrail_passes(table, margin):
    worse = tt.Mean("y", alternative="greater", confidence_level=0.975)
    result = tt.Experiment(y=worse, variant="variant").analyze(table, control="control")["y"]
    return bool(result.pvalue >= 0.025)


def srm_alarm(control, beta, share):
    counts = {"control": Aggregates(count_=int(control)), "beta": Aggregates(count_=int(beta))}
    return bool(tt.SampleRatio(share / (1 - share)).analyze(counts, "control", "beta", "variant").pvalue < 0.001)


def srm_day(table):
    for day, (control, beta) in enumerate(table[["control", "beta"]].cumsum().to_numpy(), start=1):
        if srm_alarm(control, beta, 0.5):
            return day
    return None


def sample_size(baseline, lift):
    variance = baseline * (1 - baseline)
    past = Aggregates(count_=1000, mean_={"y": baseline}, var_={"y": variance})
    return float(tt.Mean("y", rel_effect_size=lift, alpha=0.05, power=0.8, use_t=False).solve_power(past, "n_obs")[0].n_obs)
