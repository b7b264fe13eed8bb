"""A later end where the result is promising: which results are, by how much, and that the error level holds."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from benchmarks.blockers import World, read
from benchmarks.blockers import plan_of as planted
from tests.builders import make_plan, metric
from xpbench.decide.chances import chance_from_here
from xpbench.decide.whatnow import _promising, what_now
from xpbench.stats.rest import conditional_power, extension
from xpbench.stats.spending import q_group

Q = float(norm.isf(0.025))


@pytest.mark.parametrize(("t", "printed"), [(0.25, 0.42), (0.5, 0.41), (0.75, 0.38)])
def test_the_zone_is_the_published_one(t, printed):
    """Source: Mehta and Pocock 2011, table I, ends of at most 1.5 horizons, one-sided .025; as printed. Ours begins at 0.5."""

    def gains(z: float) -> float:
        return at_zero(z, t, 1.5) - at_zero(z, t, 1.0)

    edge = brentq(gains, 0.05, 3.0)
    assert round(at_trend(edge, t), 2) == printed < 0.5
    assert gains(edge + 0.05) < 0.0 < gains(edge - 0.05)


def at_zero(z, t, until):
    """Chance of a false alarm above from now on."""
    return conditional_power(z, t=t, looks=(until,), bounds=(Q,), drift=0.0).up


def at_trend(z, t):
    """Conditional power where the trend goes on. Source: Lan and Wittes 1988, the B-value."""
    return conditional_power(z, t=t, looks=(1.0,), bounds=(Q,), drift=z / math.sqrt(t)).up


@pytest.mark.parametrize("t", [0.1, 0.2, 0.35, 0.5, 0.65, 0.8])
def test_what_is_offered_never_raises_the_conditional_error(t):
    """Both sides together, by `rest.extension`; Müller and Schäfer 2001: then no reason to extend raises the error level."""
    offered = 0
    for z in np.linspace(0.1, 3.0, 117):
        text = said(z, t)
        if text:
            offered += 1
            until = units_of(text) / 20_000
            found = extension(until, z=z, t=t, alpha=0.05, reading="last", q=Q)
            assert found.after <= found.before * (1 + 1e-6), z
            assert at_trend(z, t) >= 0.5
    assert offered > 0 or t < 0.3


def units_of(text):
    return int(text.split("One last look at ")[1].split(" unit")[0].replace(",", ""))


def said(z, t=0.5, model=None, horizon=20_000, last_q=None):
    plan = make_plan(
        [metric("m", "conversion", event="M")], lift=0.2, model=model or {"kind": "frequentist"}, horizon={"units": horizon}
    )
    row = {"n_control": int(t * horizon / 2), "n": int(t * horizon / 2), "variant": "beta", "alpha": 0.05, "last_q": last_q}
    return _promising(plan.to_dict(), row, z * 0.01, 0.01, 1.0 / t, int(t * horizon))


def test_only_between_one_half_and_the_target():
    """At half of the horizon the trend of z finds with Φ((z √2 − q) √2); by hand the zone is 1.386 to 1.807."""
    low, high = Q / math.sqrt(2), (Q + norm.ppf(0.8) * math.sqrt(0.5)) / math.sqrt(2)
    assert (low, high) == pytest.approx((1.386, 1.807), abs=1e-3)
    assert [bool(said(z)) for z in (low - 0.01, low + 0.01, high - 0.01, high + 0.01, -1.6)] == [
        False,
        True,
        True,
        False,
        False,
    ]
    text = said(1.6)
    times = units_of(text) / 10_000
    assert chance_from_here(0.016, 0.016, 0.01, times, Q * 0.01 / math.sqrt(times)) == pytest.approx(0.8, abs=0.003)
    assert "(1.96)" in text
    assert "goes on record" in text


def test_an_end_beyond_two_horizons_is_not_offered():
    assert units_of(said(1.39)) <= 40_000
    assert not said(1.6, model={"kind": "sequential", "n_opt": 20_000})
    assert not said(1.6, model={"kind": "group_sequential", "looks": [0.5, 1.0], "beyond": 0.1})
    planned = {"kind": "group_sequential", "looks": [0.5, 1.0]}
    assert "(1.97)" in said(1.6, model=planned, last_q=1.9686)
    assert not said(1.6, model=planned)  # of a readout from before this number


def plan_share(readout, plan):
    return sum(readout["summary"]["units"].values()) / plan.horizon.units


def test_what_now_says_it_at_an_interim_look():
    model = {"kind": "group_sequential", "looks": [0.5, 1.0]}
    seen = 0
    for seed in range(30):
        plan, world = planted().changed(model=model), World(np.random.default_rng(seed), lift=0.07)
        world.draw(plan.horizon.units // 2)
        readout = read(plan, world.summary())
        assert readout["rows"][0]["last_q"] == pytest.approx(
            q_group(0.05, [plan_share(readout, plan), 1.0], "obrien_fleming")[-1]
        )
        now = what_now(plan.to_dict(), readout)
        seen += "promising" in " ".join(now.takes)
    assert 0 < seen < 30
