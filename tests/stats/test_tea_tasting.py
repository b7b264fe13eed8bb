"""Side by side with tea-tasting on the same rows: means, ratios, equal variances apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tea_tasting

from xpbench.stats.inference import absolute, p_fixed
from xpbench.stats.moments import Moments
from xpbench.stats.multipliers import q_fixed
from xpbench.stats.pairs import mean_pair, ratio_pair


def frame(seed: int, n_c: int, n_t: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    variant = np.repeat([0, 1], [n_c, n_t])
    orders = rng.poisson(3 + 0.2 * variant) * (rng.random(variant.size) < 0.7)
    sessions = orders + rng.poisson(2, variant.size) + 1
    return pd.DataFrame({"v": variant, "orders": orders, "sessions": sessions, "paid": orders * rng.gamma(2, 10, variant.size)})


def moments(data: pd.DataFrame, *columns: str) -> tuple[Moments, Moments]:
    c, t = (Moments.of_values(*data.loc[data["v"] == v, list(columns)].to_numpy(dtype=float).T) for v in (0, 1))
    return c, t


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("n_c", "n_t"), [(100, 100), (1000, 120), (300, 5000)])
@pytest.mark.parametrize("metric", ["orders", "paid", "orders / sessions", "paid / orders"])
def test_effect_interval_and_p(seed, n_c, n_t, metric):
    """Source: tea-tasting Mean and RatioOfMeans, Welch; 1e-9 relative."""
    data = frame(seed, n_c, n_t)
    num, _, den = metric.partition(" / ")
    spec = tea_tasting.RatioOfMeans(num, den) if den else tea_tasting.Mean(num)
    theirs = tea_tasting.Experiment({"m": spec}, variant="v").analyze(data)["m"]
    pair = ratio_pair(*moments(data, num, den), num=0, den=1) if den else mean_pair(*moments(data, num))
    found = absolute(pair, q_fixed(0.05, pair.df))
    assert pair.mc == pytest.approx(theirs.control, rel=1e-9)
    assert pair.mt == pytest.approx(theirs.treatment, rel=1e-9)
    assert found.ci_low == pytest.approx(theirs.effect_size_ci_lower, rel=1e-7)
    assert found.ci_high == pytest.approx(theirs.effect_size_ci_upper, rel=1e-7)
    assert p_fixed(pair) == pytest.approx(theirs.pvalue, rel=1e-9)


@pytest.mark.parametrize("counts", [(500, 520), (5000, 5400)])
def test_sample_ratio(counts):
    """Source: tea-tasting SampleRatio (normal approximation without correction is χ²); 1e-9."""
    from xpbench.stats.srm import srm

    data = frame(1, *counts)
    theirs = tea_tasting.Experiment({"m": tea_tasting.SampleRatio(method="norm", correction=False)}, variant="v").analyze(data)[
        "m"
    ]
    assert srm(counts, [0.5, 0.5]).p_value == pytest.approx(theirs.pvalue, rel=1e-9)
