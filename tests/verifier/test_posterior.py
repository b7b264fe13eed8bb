"""Posteriors by two implementations where they are hardest: few units, a control that may be zero, shares at an end."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate

from xpbench.stats.bayes import beta_posterior, nig_posterior, posterior_lift
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import Pair
from xpbench.stats.proportion import EventCounts
from xpbench.verifier import posterior as theirs
from xpbench.verifier.pairs import Pair as TheirPair

LIFTS = {
    "found at seed 20183: a constant treatment": (2.526989478517026, 0.0, 0.0490113889, 3.26742593e-05, 0.0, 0.0, 100.0),
    "prior and data far from each other": (0.8711918717, 2.6194925929, 0.0013620095, 0.000175921286, 0.0, 0.01, 0.05),
    "a control that may be zero": (0.00888230760772, -0.24586354142888, 0.1497776712, 0.3663750675, 0.0624507275, 0.0, 100.0),
    "few units": (1.8963217979945, 2.1004080412601, 0.04886675544, 0.50613838441, 0.0, 0.0, 100.0),
    "negative control": (-0.3982644391382921, -0.48366966424506, 0.0021997671, 0.00032253708, 4.63166954e-05, 0.0, 100.0),
    "noisy control, narrow prior": (0.5, 2.0, 0.3, 0.3, 0.0, 0.0, 0.1),
    "firm control": (10.0, 11.0, 0.1, 0.1, 0.0, 0.0, 0.05),
}


def agree(engine, other, mass, *, close=1e-8):
    """Chance, half of the mass below the lift, the mass inside, the narrowest interval."""
    assert engine.status == "ok"
    assert engine.chance == pytest.approx(other.chance, abs=close)
    assert engine.risk == pytest.approx(other.risk, abs=close + 1e-3 * other.risk)
    row = {"lift": engine.lift, "lift_low": engine.low, "lift_high": engine.high}
    assert theirs.misses(other, row, mass) == ""
    less, more = (other.below(engine.lift + side * 1e-9 * (1 + abs(engine.lift))) for side in (-1, 1))
    assert less - close <= 0.5 <= more + close


@pytest.mark.parametrize("direction", ["increase", "decrease"])
@pytest.mark.parametrize("mirror", [1.0, -1.0])
@pytest.mark.parametrize("name", LIFTS)
def test_a_prior_on_the_lift(name, mirror, direction):
    mc, mt, vc, vt, cov, mean, sd = LIFTS[name]
    values = (mirror * mc, mirror * mt, vc, vt, cov)
    engine = posterior_lift(Pair(*values, math.inf, 100), prior_mean=mean, prior_sd=sd, direction=direction, mass=0.9)
    other = theirs._lift_prior(TheirPair(*values, math.inf, 100), mean, sd, up=direction == "increase")
    agree(engine, other, 0.9)


def test_the_chance_where_the_control_may_be_zero_is_that_of_adaptive_quadrature():
    mc, mt, vc, vt, cov, _, sd = LIFTS["a control that may be zero"]

    def density(r):
        f = 1 + r
        variance = vt + f * f * vc - 2 * f * cov
        return math.exp(-0.5 * (mt - f * mc) ** 2 / variance - 0.5 * math.log(variance) - 0.5 * (r / sd) ** 2)

    ends = [0, 0.2, 0.5, 1, 1.5, 3, 10, 30, 100, 300, 1000]

    def part(a, b):
        return integrate.quad(density, a, b, epsabs=0, epsrel=1e-11, limit=500)[0]

    above = sum(part(a, b) for a, b in itertools.pairwise(ends))
    below = sum(part(-b, -a) for a, b in itertools.pairwise(ends))
    engine = posterior_lift(Pair(mc, mt, vc, vt, cov, math.inf, 10), prior_mean=0, prior_sd=sd, direction="increase", mass=0.95)
    assert engine.chance == pytest.approx(above / (above + below), abs=1e-10)


SHARES = {
    "found at seed 20258: next to 1": (2917, 3000, 297, 300),
    "all have it": (2999, 3000, 300, 300),
    "none of forty": (2, 3000, 0, 40),
    "none of one": (97008, 100_000, 0, 1),
    "one unit": (2023, 100_000, 0, 1),
    "ordinary": (2289, 35_350, 2480, 35_620),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SHARES)
def test_shares_at_an_end(name):
    x_c, n_c, x_t, n_t = SHARES[name]
    engine = beta_posterior(EventCounts(x_c, n_c, x_t, n_t), direction="increase", mass=0.95)
    pooled = (x_c + x_t) / (n_c + n_t)
    both = [theirs.beta(x + pooled, n - x + 1 - pooled) for x, n in ((x_c, n_c), (x_t, n_t))]
    other = theirs._compared(*both, up=True, mass=0.95, few=min(n_c, n_t) < theirs.FEW)
    if engine.status == "unbounded_lift":
        assert other.below is None
    else:
        agree(engine, other, 0.95, close=2e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_few_units_against_many(sign):
    c, t = Moments.of(5, [sign * -1.88], [[1.79]]), Moments.of(3000, [sign * -2.09], [[2.04]])
    engine = nig_posterior(c, t, subject=0, direction="increase", mass=0.9)
    cells = [{"n": m.n, "mean": m.mean.tolist(), "cov": m.cov.tolist(), "columns": ["value"]} for m in (c, t)]
    agree(engine, theirs._nig({"kind": "count"}, *cells, up=True, mass=0.9), 0.9)
    assert np.sign(engine.effect) == -sign
