"""Group-sequential designs, conditional power, futility and final estimates beside rpact, an R package for clinical trials."""

from pathlib import Path

import numpy as np
import pytest

from xpbench.stats.rest import _played, conditional_power
from xpbench.stats.spending import crossing, q_group
from xpbench.stats.stopped import exceeding, stopped

LINES = (Path(__file__).parent / "rpact.txt").read_text("utf-8").splitlines()
SPENDING = {"asOF": "obrien_fleming", "asP": "pocock"}


def cases(word):
    """Lines of one kind, each value as a list of numbers where it is one."""
    out = []
    for line in LINES:
        first, *rest = line.split()
        if first == word:
            out.append([x if x in SPENDING else [float(v) for v in x.split(",")] for x in rest])
    assert out
    return out


@pytest.mark.parametrize(("kind", "looks", "expected"), cases("BOUNDS"))
def test_boundaries(kind, looks, expected):
    """Two-sided boundaries agree to 3e-6, the digits to which rpact solves. Source: rpact 3.3.4, getDesignGroupSequential."""
    assert q_group(0.05, looks, SPENDING[kind]) == pytest.approx(expected, abs=3e-6)


@pytest.mark.parametrize(("kind", "looks", "drift", "power", "units"), cases("POWER"))
def test_power_and_mean_units(kind, looks, drift, power, units):
    """Power and expected sample size agree to 1e-7. Source: rpact 3.3.4, getPowerAndAverageSampleNumber."""
    bounds = q_group(0.05, looks, SPENDING[kind])
    low, high = crossing(bounds, looks, drift=drift[0])
    assert float(low.sum() + high.sum()) == pytest.approx(power[0], abs=1e-7)
    stops = low + high
    mean = float(stops[:-1] @ np.array(looks[:-1])) + 1.0 - float(stops[:-1].sum())
    assert mean == pytest.approx(units[0], abs=1e-7)


@pytest.mark.parametrize(("kind", "looks", "drift", "bounds", "stops", "power", "given_up", "units"), cases("FUTILITY"))
def test_futility_that_does_not_bind(kind, looks, drift, bounds, stops, power, given_up, units):
    """Power, stops and mean units with a futility bound agree to 1e-7. Source: rpact 3.3.4, futilityBounds, not binding."""
    found = _played(looks, bounds, stops, drift[0])
    assert found == pytest.approx((power[0], given_up[0], units[0]), abs=1e-7)


@pytest.mark.parametrize(("looks", "z", "drift", "bounds", "power"), cases("CONDITIONAL"))
def test_conditional_power(looks, z, drift, bounds, power):
    """Conditional power by each later look agrees to 1e-6. Source: rpact 3.3.4, getConditionalPower (one-sided)."""
    for k in range(1, len(looks)):
        ahead = conditional_power(z[0], t=looks[0], looks=looks[1 : k + 1], bounds=bounds[1 : k + 1], drift=drift[0])
        assert ahead.up == pytest.approx(power[k - 1], abs=1e-6)


@pytest.mark.parametrize(("looks", "z", "bounds", "p_value", "low", "high", "median"), cases("FINAL"))
def test_estimates_after_a_stop(looks, z, bounds, p_value, low, high, median):
    """Final p-value, interval and median-unbiased estimate agree to 1e-3: rpact's boundary is one-sided, the lower one of ours
    is next to never reached here. Source: rpact 3.3.4, getFinalConfidenceInterval, stage-wise ordering."""
    found = stopped(z[0], looks=looks[:2], bounds=bounds, alpha=0.05)
    assert (found.low, found.median, found.high) == pytest.approx((low[0], median[0], high[0]), abs=2e-3)
    assert exceeding(z[0], looks=looks[:2], bounds=bounds, drift=0.0) == pytest.approx(p_value[0], abs=2e-5)
