"""Fieller's interval where its equation has a double root, and where there is no noise at all."""

from __future__ import annotations

import numpy as np
import pytest

from xpbench.stats.fieller import lift_bounds, z_effect, z_lift


def bounds(mc, mt, *, vc=0.0, vt=0.0, cov=0.0, q=1.96):
    found = lift_bounds(mc=mc, mt=mt, vc=vc, vt=vt, cov=cov, q=q)
    return float(found.low), float(found.high), bool(found.bounded)


@pytest.mark.parametrize(("mc", "mt", "lift"), [(4.0, 4.0, 0.0), (-4.0, -4.0, 0.0), (4.0, 5.0, 0.25), (-4.0, -5.0, -0.25)])
def test_without_noise_the_interval_is_the_lift(mc, mt, lift):
    assert bounds(mc, mt) == pytest.approx((lift, lift, True), abs=1e-15)


@pytest.mark.parametrize("mc", [3.0, -3.0])
@pytest.mark.parametrize("mt", [3.0, 2.4, 9.0, -1.0])
@pytest.mark.parametrize("cov", [0.0, 0.05, -0.05])
def test_ends_are_where_the_standardised_contrast_is_the_multiplier(mc, mt, cov):
    """Source: the definition, put back into `z_lift`; 1e-9."""
    low, high, bounded = bounds(mc, mt, vc=0.1, vt=0.3, cov=cov)
    assert bounded
    assert low < high
    for end in (low, high):
        z = float(z_lift(mc=mc, mt=mt, vc=0.1, vt=0.3, cov=cov, null=end))
        assert abs(z) == pytest.approx(1.96, rel=1e-9)


def test_a_control_that_may_be_zero_has_no_bounds():
    """g = q² vc / mc² reaches 1 at vc = mc² / q²; at it and beyond there is no bounded interval."""
    for vc, bounded in ((0.999 / 1.96**2, True), (1.0 / 2.0**2, False), (2.0, False)):
        found = bounds(1.0, 1.5, vc=vc, vt=0.1, q=2.0 if vc == 0.25 else 1.96)
        assert found[2] is bounded
        assert np.isnan(found[0]) is not bounded
    assert bounds(0.0, 1.0, vc=0.1, vt=0.1)[2] is False


def test_contrasts_take_a_null_on_either_scale():
    """Source: by hand; 1e-12. A lift is a change in units of the control's size, whatever its sign."""
    options = {"vc": 0.04, "vt": 0.09, "cov": 0.01}
    assert float(z_effect(mc=2.0, mt=2.5, null=0.1, **options)) == pytest.approx(0.4 / np.sqrt(0.11), rel=1e-12)
    for mc, factor in ((2.0, 1.1), (-2.0, 0.9)):
        hand = (2.5 - factor * mc) / np.sqrt(0.09 + factor**2 * 0.04 - 2 * factor * 0.01)
        assert float(z_lift(mc=mc, mt=2.5, null=0.1, **options)) == pytest.approx(hand, rel=1e-12)
