"""Estimates after an early stop: as often too high as too low, and with intervals that hold."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from xpbench.stats.spending import q_group
from xpbench.stats.stopped import exceeding, stopped

LOOKS = (0.25, 0.5, 0.75, 1.0)


def test_one_look_is_the_ordinary_interval():
    found = stopped(2.3, looks=(0.5,), bounds=(), alpha=0.05)
    assert found.median == pytest.approx(2.3 / math.sqrt(0.5), abs=1e-9)
    assert found.low == pytest.approx((2.3 - norm.isf(0.025)) / math.sqrt(0.5), abs=1e-9)
    assert found.high == pytest.approx((2.3 + norm.isf(0.025)) / math.sqrt(0.5), abs=1e-9)


def test_two_looks_are_a_bivariate_normal():
    from scipy.stats import multivariate_normal

    q, z, drift = 2.178, 1.4, 1.1
    s = q * math.sqrt(0.5)
    mean, cov = [drift * 0.5, drift], [[0.5, 0.5], [0.5, 1.0]]
    later = multivariate_normal.cdf([s, 40.0], mean, cov, lower_limit=[-s, z], abseps=1e-12, releps=1e-12)
    expected = norm.sf((s - mean[0]) / math.sqrt(0.5)) + later
    assert exceeding(z, looks=(0.5, 1.0), bounds=(q,), drift=drift) == pytest.approx(expected, abs=1e-8)


def played(spending, drift, runs, rng):
    """Simulated stops: looks so far, boundaries and z of each run."""
    looks = LOOKS if spending != "reflection" else tuple(np.linspace(0.25, 1.0, 6))
    bounds = q_group(0.05, looks, spending)
    steps = np.diff([0.0, *looks])
    z = (rng.normal(size=(runs, len(looks))) * np.sqrt(steps) + drift * steps).cumsum(axis=1) / np.sqrt(looks)
    crossed = np.abs(z) >= np.array(bounds)
    at = np.where(crossed.any(axis=1), crossed.argmax(axis=1), len(looks) - 1)
    return [(looks[: k + 1], bounds[:k], float(z[i, k])) for i, k in enumerate(at)]


def test_the_median_is_unbiased_and_the_interval_holds():
    # the chance of a result at least as high is uniform: so its half is the median, and its tails are the interval
    rng, above = np.random.default_rng(11), []
    for spending in ("obrien_fleming", "pocock", "reflection"):
        for drift in (0.0, 2.0, 4.0):
            above += [exceeding(z, looks=k, bounds=q, drift=drift) for k, q, z in played(spending, drift, 150, rng)]
    above = np.array(above)
    assert (above < 0.5).mean() == pytest.approx(0.5, abs=0.04)
    assert ((above > 0.025) & (above < 0.975)).mean() == pytest.approx(0.95, abs=0.018)


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock", "reflection"])
def test_the_ends_are_where_the_chance_says(spending):
    looks, bounds, z = max(played(spending, 3.0, 20, np.random.default_rng(2)), key=lambda x: len(x[0]))
    found = stopped(z, looks=looks, bounds=bounds, alpha=0.05)
    for share, drift in ((0.5, found.median), (0.025, found.low), (0.975, found.high)):
        assert exceeding(z, looks=looks, bounds=bounds, drift=drift) == pytest.approx(share, abs=1e-8)


def test_it_takes_back_what_stopping_early_adds():
    q = q_group(0.05, LOOKS, "pocock")
    found = stopped(2.5, looks=LOOKS[:3], bounds=q, alpha=0.05)
    assert found.median < 2.5 / math.sqrt(0.75)
    mirrored = stopped(-2.5, looks=LOOKS[:3], bounds=q, alpha=0.05)
    assert mirrored.median == pytest.approx(-found.median, abs=1e-8)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-8)
