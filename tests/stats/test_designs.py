"""Boundaries of the designs against the formulas they are made from, and bounds that no plan can have."""

from __future__ import annotations

import math

import pytest
import scipy.integrate
import scipy.stats

from xpbench.errors import StatsError
from xpbench.stats.designs import Anytime, Bayes, check_looks, even_looks


def test_a_prior_on_the_effect_tunes_by_the_error_at_each_look():
    """Source: the mSPRT of Johari et al. 2017 inverted by hand, its error growing as 1 / sqrt(share); 1e-12."""
    tau, se, alpha = 0.07, 0.04, 0.02
    found = Anytime((0.25, 1.0), 5000.0, tau, 0.05).bounds(alpha=alpha / 2, n=800.0, se=se, df=math.inf)
    for share, q in zip((0.25, 1.0), found, strict=True):
        v = se**2 / share
        theirs = math.sqrt((v + tau**2) / tau**2 * (2 * math.log(1 / alpha) + math.log((v + tau**2) / v)))
        assert q == pytest.approx(theirs, rel=1e-12)


def test_a_bayesian_boundary_is_where_the_posterior_reaches_the_threshold():
    """Source: the posterior by numerical integration of prior times likelihood; 1e-7."""
    sd, se, threshold = 0.3, 0.2, 0.93
    (z,) = Bayes(threshold, sd).bounds(alpha=0.5, n=100.0, se=se, df=math.inf)
    prior, likelihood = scipy.stats.norm(0, sd).pdf, scipy.stats.norm(z * se, se).pdf
    above = scipy.integrate.quad(lambda d: prior(d) * likelihood(d), 0.0, 3.0)[0]
    whole = scipy.integrate.quad(lambda d: prior(d) * likelihood(d), -3.0, 3.0, points=[0.0])[0]
    assert above / whole == pytest.approx(threshold, abs=1e-7)


def test_looks_may_begin_at_the_end_and_not_before_the_start():
    assert even_looks(1, first=1.0) == (1.0,)
    assert even_looks(3, first=0.5) == (0.5, 0.75, 1.0)
    for first in (0.0, -0.1, 1.01, 1.4, math.nan):
        with pytest.raises(StatsError, match="first"):
            even_looks(2, first=first)
    check_looks([1.0])
    for looks in ([], [0.0, 1.0], [-0.5, 1.0], [0.5, 0.5, 1.0], [0.5], [0.5, 1.2]):
        with pytest.raises(StatsError, match="increase to 1"):
            check_looks(looks)
