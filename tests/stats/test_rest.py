"""The rest of a horizon against closed forms, published plans and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import norm

from xpbench.errors import StatsError
from xpbench.stats.rest import (
    chance_by,
    conditional_power,
    conditional_power_any_time,
    drift_of,
    extension,
    futility,
    horizon_needed,
    predictive_power,
    reaching,
    smallest_found,
)
from xpbench.stats.spending import q_group

LOOKS = (0.25, 0.5, 0.75, 1.0)
BOUNDS = tuple(q_group(0.05, LOOKS, "obrien_fleming"))


@pytest.mark.parametrize("z", [-1.0, 0.0, 1.5, 2.5])
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("drift", [0.0, 2.8, -1.0])
def test_one_look_ahead_is_the_closed_form(z, t, drift):
    found = conditional_power(z, t=t, looks=(1.0,), bounds=(1.96,), drift=drift)
    centre, sd = z * math.sqrt(t) + drift * (1 - t), math.sqrt(1 - t)
    assert found.up == pytest.approx(norm.sf((1.96 - centre) / sd), abs=1e-12)
    assert found.down == pytest.approx(norm.cdf((-1.96 - centre) / sd), abs=1e-12)


def test_before_the_first_unit_it_is_the_power_of_the_design():
    # Jennison and Turnbull 2000, table 2.3 gives the inflation of O'Brien–Fleming tests; spending differs in the third digit
    assert sum(vars_of(conditional_power(0.0, t=0.0, looks=LOOKS, bounds=BOUNDS, drift=0.0))) == pytest.approx(0.05, abs=1e-9)
    drift = smallest_found(0.8, looks=LOOKS, bounds=BOUNDS)
    assert conditional_power(0.0, t=0.0, looks=LOOKS, bounds=BOUNDS, drift=drift).up == pytest.approx(0.8, abs=1e-9)
    assert 1.0 < (drift / 2.8015852) ** 2 < 1.03
    assert smallest_found(0.8, looks=(1.0,), bounds=(1.959963984540054,)) == pytest.approx(1.959964 + 0.841621, abs=1e-6)


def vars_of(ahead):
    return ahead.up, ahead.down


def test_two_looks_ahead_are_a_bivariate_normal():
    from scipy.stats import multivariate_normal

    z, t, drift = 1.2, 0.4, 2.0
    found = conditional_power(z, t=t, looks=(0.7, 1.0), bounds=(2.2, 2.0), drift=drift)
    s, a, b = z * math.sqrt(t), 2.2 * math.sqrt(0.7), 2.0
    cov = [[0.3, 0.3], [0.3, 0.6]]
    mean = [s + drift * 0.3, s + drift * 0.6]
    inside = multivariate_normal.cdf([a, 40.0], mean, cov, lower_limit=[-a, b], abseps=1e-12, releps=1e-12)
    assert found.up == pytest.approx(norm.sf((a - mean[0]) / math.sqrt(0.3)) + inside, abs=1e-8)


def test_predictive_power_under_a_flat_prior_is_the_closed_form():
    z, t = 1.5, 0.5
    found = predictive_power(z, t=t, looks=(1.0,), bounds=(1.96,))
    assert found.up == pytest.approx(norm.cdf((z / math.sqrt(t) - 1.96) / math.sqrt((1 - t) / t)), abs=1e-9)
    sure = predictive_power(z, t=t, looks=(1.0,), bounds=(1.96,), prior_mean=2.0, prior_sd=1e-6)
    assert sure.up == pytest.approx(conditional_power(z, t=t, looks=(1.0,), bounds=(1.96,), drift=2.0).up, abs=1e-6)


def test_reaching_a_level_is_the_reflection_principle():
    assert reaching(1.5, over=0.7, drift=0.0) == pytest.approx(2 * norm.sf(1.5 / math.sqrt(0.7)), abs=1e-14)
    assert reaching(-0.1, over=0.7, drift=-3.0) == 1.0
    assert reaching(0.5, over=0.0, drift=3.0) == 0.0
    assert 0.0 <= reaching(30.0, over=0.5, drift=-40.0) < 1e-200
    assert reaching(5.0, over=1.0, drift=100.0) == pytest.approx(1.0)


def test_the_reflection_boundary_is_the_limit_of_many_looks():
    from xpbench.stats.spending import q_reflection

    z, t, drift = 1.0, 0.5, 2.5
    exact = conditional_power_any_time(z, t=t, alpha=0.05, drift=drift).up
    last = 0.0
    for count in (10, 50, 250):
        looks = [t + (1 - t) * i / count for i in range(1, count + 1)]
        some = conditional_power(z, t=t, looks=looks, bounds=[q_reflection(0.05, x) for x in looks], drift=drift).up
        assert last < some < exact
        last = some
    assert exact - last < 0.02


def test_units_still_needed_give_the_chance_that_was_asked_for():
    for reading, z in itertools.product(("last", "any"), (0.8, 1.3, 1.9)):
        end = horizon_needed(0.8, z=z, t=0.5, alpha=0.05, drift=z / math.sqrt(0.5), reading=reading)
        assert end is not None
        drift = z / math.sqrt(0.5)
        found = chance_by(end, z=z, t=0.5, alpha=0.05, drift=drift, reading=reading)
        if reading == "last" and end == 1.0:  # a fixed reading never ends before its horizon
            assert found >= 0.8
        else:
            assert found == pytest.approx(0.8, abs=1e-6)
    assert horizon_needed(0.8, z=1.0, t=0.5, alpha=0.05, drift=-1.0, reading="last") is None
    assert horizon_needed(0.8, z=0.01, t=0.5, alpha=0.05, drift=0.01, reading="last", most=5.0) is None
    mirrored = horizon_needed(0.8, z=-1.3, t=0.5, alpha=0.05, drift=-1.3 / math.sqrt(0.5), reading="any", side=-1)
    assert mirrored == pytest.approx(horizon_needed(0.8, z=1.3, t=0.5, alpha=0.05, drift=1.3 / math.sqrt(0.5), reading="any"))


def test_a_fixed_reading_never_ends_before_its_horizon():
    assert horizon_needed(0.5, z=2.5, t=0.5, alpha=0.05, drift=4.0, reading="last") == 1.0


def total_error(choose, q_of, t=0.5, alpha=0.05):
    """Type I error of a strategy that picks the end after z at t, by integration over z."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    z = 8.0 * nodes
    density = 8.0 * weights * norm.pdf(z)
    out = 0.0
    for x, w in zip(z, density, strict=True):
        end = choose(float(x))
        found = conditional_power(float(x), t=t, looks=(end,), bounds=(q_of(float(x), end),), drift=0.0)
        out += w * (found.up + found.down)
    return out


def test_extending_only_where_it_is_promising_keeps_the_level():
    q = norm.isf(0.025)

    def promising(z):
        return 2.0 if extension(2.0, z=z, t=0.5, alpha=0.05, reading="last").keeps else 1.0

    assert any(promising(z) == 2.0 for z in (1.5, 2.0))
    assert promising(0.5) == 1.0
    assert total_error(promising, lambda z, end: q) <= 0.05 + 1e-6
    greedy = total_error(lambda z: 2.0 if abs(z) < 1.9 else 1.0, lambda z, end: q)
    assert greedy > 0.055  # the control: extending whenever it is not enough does not keep it


def test_with_the_wider_multiplier_any_extension_keeps_the_level():
    def wide(z, end):
        return norm.isf(0.025) if end == 1.0 else extension(end, z=z, t=0.5, alpha=0.05, reading="last").q

    assert total_error(lambda z: 2.0 if abs(z) < 1.9 else 1.0, wide) == pytest.approx(0.05, abs=1e-5)


def test_extending_a_reflection_plan_in_its_promising_zone():
    edge = norm.isf(0.05 / 4)
    for t in (0.3, 0.6, 0.9):
        inside = extension(1.4, z=edge * math.sqrt(t) + 0.4, t=t, alpha=0.05, reading="any")
        outside = extension(1.4, z=edge * math.sqrt(t) - 0.4, t=t, alpha=0.05, reading="any")
        assert inside.keeps
        assert not outside.keeps
        assert outside.after > outside.before
        assert 0 < outside.q < 6


def test_futility_names_its_price():
    drift = smallest_found(0.8, looks=LOOKS, bounds=BOUNDS)
    found = futility(0.1, looks=LOOKS, bounds=BOUNDS, drift=drift)
    assert found.power_without == pytest.approx(0.8, abs=1e-9)
    assert 0.0 < found.price < 0.01
    assert found.power == pytest.approx(found.power_without - found.price)
    assert found.stopped_null > 0.7
    assert 0.5 < found.units_null < 0.8
    assert list(found.stops) == sorted(found.stops)
    harsh = futility(0.4, looks=LOOKS, bounds=BOUNDS, drift=drift)
    assert harsh.price > found.price
    # Lan, Simon, Halperin 1982: the type-II error grows by at most the factor 1 / (1 - floor)
    assert 1 - harsh.power <= (1 - harsh.power_without) / (1 - 0.4)


def test_the_price_of_futility_by_simulation():
    rng = np.random.default_rng(3)
    drift = 2.83
    found = futility(0.2, looks=LOOKS, bounds=BOUNDS, drift=drift)
    steps = rng.normal(size=(200_000, 4)) * 0.5 + drift * 0.25
    z = steps.cumsum(axis=1) / np.sqrt(LOOKS)
    running, won = np.ones(len(z), bool), np.zeros(len(z), bool)
    for i in range(4):
        won |= running & (z[:, i] >= BOUNDS[i])
        running &= np.abs(z[:, i]) < BOUNDS[i]
        if i < 3:
            running &= z[:, i] > found.stops[i]
    assert won.mean() == pytest.approx(found.power, abs=0.003)


def test_drift_of_an_effect():
    assert drift_of(0.02, se=0.01, t=0.25) == pytest.approx(4.0)
    with pytest.raises(StatsError):
        drift_of(0.02, se=0.0, t=0.25)
    with pytest.raises(StatsError):
        conditional_power(1.0, t=0.5, looks=(0.4, 1.0), bounds=(2.0, 2.0), drift=1.0)
    with pytest.raises(StatsError):
        extension(0.9, z=1.0, t=0.5, alpha=0.05, reading="last")
