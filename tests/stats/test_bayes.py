"""Posteriors against closed forms, numerical integration and seeded draws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from xpbench.errors import StatsError
from xpbench.stats.bayes import (
    beta_marginals,
    beta_posterior,
    compare,
    narrowest,
    nig_marginal,
    nig_posterior,
    posterior_effect,
    posterior_lift,
)
from xpbench.stats.functionals import RatioOfMeans
from xpbench.stats.inference import p_fixed, relative
from xpbench.stats.marginals import Beta, Student
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import Pair, mean_pair
from xpbench.stats.proportion import EventCounts

GUIDE = EventCounts(2289, 35_350, 2480, 35_620)
"""The worked example of Mixpanel's guide: 6.48 % and 6.96 %, lift +7.52 %."""


def pair(mc=10.0, mt=11.0, vc=0.2, vt=0.3, cov=0.0) -> Pair:
    return Pair(mc, mt, vc, vt, cov, math.inf, 1000)


def exact_chance(a1: int, b1: int, a2: float, b2: float) -> float:
    """P(p2 > p1) for whole a2. Source: Evan Miller's closed form, sum of beta functions."""
    return sum(
        math.exp(
            scipy.special.betaln(a1 + i, b1 + b2)
            - math.log(b2 + i)
            - scipy.special.betaln(1 + i, b2)
            - scipy.special.betaln(a1, b1)
        )
        for i in range(int(a2))
    )


@pytest.mark.parametrize(("c", "t"), [((3, 8), (5, 7)), ((30, 80), (50, 70)), ((1, 1), (4, 2)), ((101, 900), (121, 880))])
def test_chance_is_the_closed_form(c, t):
    """Source: closed form for whole parameters; 1e-9."""
    found = compare(Beta(*c), Beta(*t), direction="increase", mass=0.95)
    assert found.chance == pytest.approx(exact_chance(c[0], c[1], t[0], t[1]), rel=1e-9)


@pytest.mark.parametrize("case", [GUIDE, EventCounts(3, 40, 9, 35), EventCounts(40, 100, 30, 90)])
@pytest.mark.parametrize("direction", ["increase", "decrease"])
def test_beta_posterior_is_that_of_a_million_draws(rng, case, direction):
    """Source: numpy draws from the same Betas; Monte-Carlo error."""
    control, treatment = beta_marginals(case)
    c, t = rng.beta(control.a, control.b, 1_000_000), rng.beta(treatment.a, treatment.b, 1_000_000)
    found = beta_posterior(case, direction=direction, mass=0.95)
    lift, sign = t / c - 1, 1 if direction == "increase" else -1
    spread = lift.std() if lift.std() < 5 else 5
    assert found.chance == pytest.approx((sign * (t - c) > 0).mean(), abs=0.002)
    assert found.lift == pytest.approx(np.median(lift), abs=0.005 * spread)
    assert found.effect == pytest.approx((t - c).mean(), abs=0.005 * (t - c).std())
    assert found.risk == pytest.approx(np.maximum(-sign * (t - c), 0).mean(), abs=0.004 * (t - c).std())
    assert found.risk_control == pytest.approx(np.maximum(sign * (t - c), 0).mean(), abs=0.005 * (t - c).std())
    inside = ((lift >= found.low) & (lift <= found.high)).mean()
    assert inside == pytest.approx(0.95, abs=0.002)
    ordered = np.sort(lift)
    width = (ordered[950_000:] - ordered[:50_000]).min()
    assert found.high - found.low == pytest.approx(width, rel=0.01)


def test_prior_is_one_pseudo_observation_at_the_pooled_rate():
    """Source: Mixpanel's guide as quoted in the reference: Beta(x + m, n − x + 1 − m); 1e-6."""
    control, treatment = beta_marginals(EventCounts(3, 10, 9, 30))
    assert (control.a, control.b) == pytest.approx((3.3, 7.7))
    assert (treatment.a, treatment.b) == pytest.approx((9.3, 21.7))


def test_normal_case_is_closed_form():
    """Source: a normal difference; ratio of normals by Fieller's equal-tailed bounds; 1e-9."""
    control, treatment = Student(10.0, 0.3, math.inf), Student(10.5, 0.4, math.inf)
    found = compare(control, treatment, direction="increase", mass=0.95)
    z = 0.5 / 0.5
    assert found.chance == pytest.approx(scipy.stats.norm.cdf(z), rel=1e-9)
    loss = 0.5 * (scipy.stats.norm.pdf(z) - z * scipy.stats.norm.sf(z))
    assert found.risk == pytest.approx(loss, rel=1e-8)
    assert found.risk_control == pytest.approx(loss + 0.5, rel=1e-8)


@pytest.mark.parametrize("df", [5.0, 60.0])
def test_student_marginals_are_scipys(df):
    """Source: scipy.stats.t and numerical integration; 1e-9."""
    m, x = Student(2.0, 0.7, df), np.array([-1.0, 1.9, 2.5, 4.0])
    t = scipy.stats.t(df, 2.0, 0.7)
    assert m.cdf(x) == pytest.approx(t.cdf(x), rel=1e-10)
    assert m.at_normal(np.array([-2.0, 0.0, 3.0])) == pytest.approx(t.ppf(scipy.stats.norm.cdf([-2.0, 0.0, 3.0])), rel=1e-9)
    for value, found in zip(x, m.shortfall(x), strict=True):
        assert found == pytest.approx(scipy.integrate.quad(t.cdf, -np.inf, value)[0], rel=1e-7)
    assert m.mean == 2.0


def test_beta_marginals_are_scipys():
    """Source: scipy.stats.beta and numerical integration; 1e-9."""
    m, x = Beta(3.3, 7.7), np.array([0.05, 0.3, 0.9])
    b = scipy.stats.beta(3.3, 7.7)
    assert m.mean == pytest.approx(b.mean())
    assert m.cdf(x) == pytest.approx(b.cdf(x), rel=1e-10)
    assert m.cdf(np.array([-1.0, 2.0])).tolist() == [0.0, 1.0]
    assert m.at_normal(np.array([-2.0, 0.0, 3.0])) == pytest.approx(b.ppf(scipy.stats.norm.cdf([-2.0, 0.0, 3.0])), rel=1e-9)
    for value, found in zip(x, m.shortfall(x), strict=True):
        assert found == pytest.approx(scipy.integrate.quad(b.cdf, 0, value)[0], rel=1e-9)
    assert m.shortfall(np.array([1.5]))[0] == pytest.approx(1.5 - m.mean, rel=1e-9)


def test_nig_update_is_the_conjugate_one():
    """Source: Murphy 2007, eq. 85–89 with κ0 = 1, α0 = 1/2, β0 = s²/2, worked by hand; 1e-12."""
    found = nig_marginal(n=4, mean=6.0, variance=2.0, prior_mean=5.0, prior_variance=3.0)
    # κ = 5, α = 2.5, μ = (5 + 24) / 5 = 5.8, β = 1.5 + 3 + 0.5 · 4 · 1 / 5 = 4.9
    assert (found.loc, found.df) == pytest.approx((5.8, 5.0), rel=1e-12)
    assert found.scale == pytest.approx(math.sqrt(4.9 / (2.5 * 5)), rel=1e-12)


@pytest.mark.parametrize("direction", ["increase", "decrease"])
def test_nig_posterior_is_that_of_draws(rng, direction):
    """Source: numpy draws of both variances and means; Monte-Carlo error."""
    c, t = (Moments.of_values(rng.gamma(2, s, n)) for s, n in ((2.0, 60), (2.5, 90)))
    found = nig_posterior(c, t, subject=0, direction=direction, mass=0.9)
    both = c + t
    drawn = []
    for m in (c, t):
        kappa, alpha = m.n + 1, 0.5 + m.n / 2
        centre = (both.mean[0] + m.n * m.mean[0]) / kappa
        beta = both.cov[0, 0] / 2 + (m.n - 1) * m.cov[0, 0] / 2 + m.n * (m.mean[0] - both.mean[0]) ** 2 / kappa / 2
        variance = beta / rng.gamma(alpha, 1, 500_000)
        drawn.append(centre + np.sqrt(variance / kappa) * rng.standard_normal(500_000))
    sign = 1 if direction == "increase" else -1
    gap, lift = drawn[1] - drawn[0], drawn[1] / drawn[0] - 1
    assert found.chance == pytest.approx((sign * gap > 0).mean(), abs=0.003)
    assert found.lift == pytest.approx(np.median(lift), abs=0.004)
    assert found.risk == pytest.approx(np.maximum(-sign * gap, 0).mean(), abs=0.004)
    assert ((lift > found.low) & (lift < found.high)).mean() == pytest.approx(0.9, abs=0.003)


def test_many_units_make_the_posterior_the_likelihood(rng):
    c, t = (Moments.of_values(rng.normal(m, 3, 20_000)) for m in (10.0, 10.1))
    p = mean_pair(c, t)
    found = nig_posterior(c, t, subject=0, direction="increase", mass=0.95)
    assert found.chance == pytest.approx(1 - p_fixed(p, alternative="greater"), abs=1e-3)
    lift, low, high, _ = relative(p, 1.96)
    assert (found.lift, found.low, found.high) == pytest.approx((lift, low, high), abs=2e-4)


def test_flat_prior_is_one_minus_the_one_sided_p():
    p = pair()
    found = posterior_effect(p, prior_mean=0.0, prior_sd=None, direction="increase", mass=0.95)
    assert found.chance == pytest.approx(1 - p_fixed(p, alternative="greater"), rel=1e-10)
    assert (found.low, found.high) == pytest.approx(scipy.stats.norm.interval(0.95, p.effect, p.se), rel=1e-9)


@pytest.mark.parametrize("direction", ["increase", "decrease"])
@pytest.mark.parametrize(("mean", "sd"), [(0.0, 0.5), (0.3, 2.0)])
def test_effect_prior_is_numerical_integration(direction, mean, sd):
    """Source: scipy.integrate.quad of prior × likelihood; 1e-7."""
    p = pair()
    found = posterior_effect(p, prior_mean=mean, prior_sd=sd, direction=direction, mass=0.9)

    def density(d: float) -> float:
        return scipy.stats.norm.pdf(d, mean, sd) * scipy.stats.norm.pdf(p.effect, d, p.se)

    total = scipy.integrate.quad(density, -10, 10, points=[0, 1])[0]
    up = scipy.integrate.quad(density, 0, 10, points=[1])[0] / total
    loss_up = scipy.integrate.quad(lambda d: max(-d, 0) * density(d), -10, 0)[0] / total
    loss_down = scipy.integrate.quad(lambda d: d * density(d), 0, 10, points=[1])[0] / total
    good = direction == "increase"
    assert found.chance == pytest.approx(up if good else 1 - up, rel=1e-7)
    assert (found.risk, found.risk_control) == pytest.approx((loss_up, loss_down) if good else (loss_down, loss_up), rel=1e-6)
    inside = scipy.integrate.quad(density, found.low, found.high)[0] / total
    assert inside == pytest.approx(0.9, rel=1e-7)
    assert math.isnan(found.lift)


@pytest.mark.parametrize("mc", [10.0, -10.0])
@pytest.mark.parametrize("cov", [0.0, 0.1])
def test_lift_prior_is_two_dimensional_integration(mc, cov):
    """Source: the posterior of (control mean, lift) on a fine grid, flat prior on the control; 1e-3."""
    p = pair(mc=mc, mt=mc * 1.1, cov=cov)
    found = posterior_lift(p, prior_mean=0.0, prior_sd=0.08, direction="increase", mass=0.9)
    m = np.linspace(mc - 4, mc + 4, 1201)
    r = np.linspace(-0.4, 0.5, 1801)
    sigma = np.linalg.inv([[p.vc, p.cov], [p.cov, p.vt]])
    dc = p.mc - m[:, None]
    dt = p.mt - (m[:, None] + r[None, :] * np.abs(m[:, None]))
    log = -0.5 * (sigma[0, 0] * dc**2 + 2 * sigma[0, 1] * dc * dt + sigma[1, 1] * dt**2)
    density = np.exp(log).sum(axis=0) * scipy.stats.norm.pdf(r, 0, 0.08)
    density /= density.sum()
    cumulative = density.cumsum()
    assert found.chance == pytest.approx(density[r > 0].sum() + density[r == 0].sum() / 2, abs=1e-3)
    assert found.lift == pytest.approx(np.interp(0.5, cumulative, r), abs=1e-3)
    assert density[(r >= found.low) & (r <= found.high)].sum() == pytest.approx(0.9, abs=3e-3)
    assert found.risk == pytest.approx((np.maximum(-r, 0) * density).sum() * 10, abs=2e-3)
    assert found.risk_control - found.risk == pytest.approx(found.effect, rel=1e-9)


def test_lift_prior_shrinks_and_a_wide_one_does_not():
    p = pair()
    tight = posterior_lift(p, prior_mean=0.0, prior_sd=0.01, direction="increase", mass=0.95)
    wide = posterior_lift(p, prior_mean=0.0, prior_sd=100.0, direction="decrease", mass=0.95)
    assert 0 < tight.lift < 0.01
    lift, low, high, _ = relative(p, 1.959964)
    assert (wide.lift, wide.low, wide.high) == pytest.approx((lift, low, high), abs=0.004)
    assert wide.chance < 0.1


@pytest.mark.parametrize("mass", [0.5, 0.95])
def test_narrowest_interval_of_a_skewed_distribution(mass):
    """Source: equal density at both ends (gamma), the mark of a highest-density interval; 1e-4."""
    g = scipy.stats.gamma(3)
    low, high = narrowest(g.ppf, mass=mass)
    assert g.cdf(high) - g.cdf(low) == pytest.approx(mass, rel=1e-9)
    assert g.pdf(low) == pytest.approx(g.pdf(high), rel=1e-3)


def test_a_control_near_zero_has_a_chance_but_no_lift():
    found = beta_posterior(EventCounts(0, 40, 3, 35), direction="increase", mass=0.95)
    assert found.status == "unbounded_lift"
    assert found.chance > 0.99
    assert math.isnan(found.lift)
    assert found.to_dict()["lift"] is None
    around = compare(Student(0.0, 1.0, 20.0), Student(1.0, 1.0, 20.0), direction="increase", mass=0.95)
    assert around.status == "unbounded_lift"


def test_lift_of_a_share_does_not_fall_below_minus_one():
    assert beta_posterior(EventCounts(5, 40, 0, 30), direction="increase", mass=0.95).low >= -1.0


def test_degenerate_input_is_a_status():
    broken = Pair(2.0, 3.0, math.nan, math.nan, math.nan, math.nan, 4, "separation")
    empty, flat = Moments.of(0, [0.0], [[0.0]]), Moments.of_values([1.0, 1.0, 1.0])
    finite = {"direction": "increase", "mass": 0.95}
    assert beta_posterior(EventCounts(0, 0, 1, 5), **finite).status == "not_enough_units"
    assert beta_posterior(EventCounts(0, 5, 0, 5), **finite).status == "zero_variance"
    assert beta_posterior(EventCounts(5, 5, 5, 5), **finite).status == "zero_variance"
    assert nig_posterior(empty, flat, subject=0, **finite).status == "not_enough_units"
    assert nig_posterior(flat, flat, subject=0, **finite).status == "zero_variance"
    assert (
        nig_posterior(Moments.of_values([9.0, 9.0] * 20), Moments.of_values([8.0, 11.0] * 20), subject=0, **finite).status
        == "ok"
    )
    assert posterior_effect(broken, prior_mean=0, prior_sd=1, **finite).status == "separation"
    assert posterior_lift(broken, prior_mean=0, prior_sd=1, **finite).status == "separation"
    assert posterior_lift(pair(mc=0.0), prior_mean=0, prior_sd=1, **finite).status == "control_near_zero"


@pytest.mark.parametrize(
    "call",
    [
        lambda: beta_marginals(EventCounts(0, 5, 0, 5)),
        lambda: compare(Beta(1, 1), Beta(1, 1), direction="up", mass=0.95),
        lambda: posterior_effect(pair(), prior_mean=0, prior_sd=0.0, direction="increase", mass=0.95),
        lambda: posterior_effect(pair(), prior_mean=0, prior_sd=1.0, direction="increase", mass=1.0),
        lambda: posterior_effect(pair(), prior_mean=0, prior_sd=1.0, direction="up", mass=0.9),
        lambda: posterior_lift(pair(), prior_mean=0, prior_sd=-1.0, direction="increase", mass=0.95),
        lambda: posterior_lift(pair(), prior_mean=0, prior_sd=1.0, direction="up", mass=0.95),
        lambda: narrowest(scipy.stats.norm.ppf, mass=0.0),
    ],
)
def test_arguments_out_of_range_are_refused(call):
    with pytest.raises(StatsError, match="XPB-S01"):
        call()


def integrated(p: Pair, *, sd: float, mean: float = 0.0) -> tuple[float, float]:
    """Chance of a positive lift and its mean, by adaptive quadrature over powers of ten."""

    def density(r: float) -> float:
        v = p.vt + (1 + r) ** 2 * p.vc - 2 * (1 + r) * p.cov
        return math.exp(-0.5 * (p.mt - (1 + r) * p.mc) ** 2 / v - 0.5 * ((r - mean) / sd) ** 2) / math.sqrt(v)

    lift = p.effect / p.mc
    far = max(12 * sd, 1.0)
    edges = sorted({0.0, lift, -far, far, *(s * 10.0**k for k in range(-3, 8) for s in (-1, 1) if 10.0**k < far)})
    edges = sorted({*edges, *np.linspace(min(0.0, lift), max(0.0, lift), 9).tolist()})
    parts = [
        [scipy.integrate.quad(lambda r, k=k: r**k * density(r), a, b, limit=200)[0] for k in (0, 1)]
        for a, b in itertools.pairwise(edges)
    ]
    total, first = (sum(part[k] for part in parts) for k in (0, 1))
    return sum(part[0] for a, part in zip(edges, parts, strict=False) if a >= 0) / total, first / total


@pytest.mark.parametrize("noise", [3.0, 5.0, 6.0, 8.0, 20.0])
@pytest.mark.parametrize("sd", [1.0, 100.0, 1e4])
def test_a_noisy_control_and_a_wide_prior_are_numerical_integration(noise, sd):
    """Source: scipy.integrate.quad; 1e-4. A mean `noise` standard errors from zero leaves mass all over a wide prior."""
    p = Pair(1.0, 1.3, 1 / noise**2, 1 / noise**2, 0.0, math.inf, 1000)
    found = posterior_lift(p, prior_mean=0.0, prior_sd=sd, direction="increase", mass=0.95)
    chance, mean = integrated(p, sd=sd)
    assert found.chance == pytest.approx(chance, abs=1e-4)
    assert found.effect == pytest.approx(mean, abs=2e-3 * max(1.0, abs(mean)))
    assert found.low < found.lift < found.high


@pytest.mark.parametrize("mt", [1.5, 0.5])
def test_data_far_from_a_narrow_prior_meet_it_half_way(mt):
    """Source: the precision-weighted mean (control nearly without noise) and scipy.integrate.quad; 1e-3."""
    p = Pair(1.0, mt, 1e-12, 1e-4, 0.0, math.inf, 1000)
    found = posterior_lift(p, prior_mean=0.0, prior_sd=0.01, direction="increase", mass=0.95)
    assert found.lift == pytest.approx((mt - 1) / 2, abs=1e-3)
    assert found.effect == pytest.approx((mt - 1) / 2, abs=1e-3)
    assert found.high - found.low == pytest.approx(2 * 1.959964 * math.sqrt(0.5e-4), rel=1e-3)


def lift_density(p: Pair, *, mean: float, sd: float):
    """The posterior density of the lift, its integral over an interval, and where it begins and ends."""
    sign, size = math.copysign(1.0, p.mc), abs(p.mc)

    def log(r: float) -> float:
        factor = 1 + sign * r
        v = p.vt + factor**2 * p.vc - 2 * factor * p.cov
        return -0.5 * (p.mt - p.mc - r * size) ** 2 / v - 0.5 * math.log(v) - 0.5 * ((r - mean) / sd) ** 2

    reach = 12 * sd + abs(p.effect / size)
    top = scipy.optimize.minimize_scalar(lambda r: -log(r), bounds=(mean - reach, mean + reach), options={"xatol": 1e-12}).x
    h = 1e-5
    width = h / math.sqrt(2 * log(top) - log(top + h) - log(top - h))
    edges = [*(top + width * np.arange(-14, 15))]

    def integral(weight, a: float, b: float) -> float:
        points = [a, *(e for e in edges if a < e < b), b]
        return sum(
            scipy.integrate.quad(lambda r: weight(r) * math.exp(log(r) - log(top)), x, y, epsabs=0, epsrel=1e-12)[0]
            for x, y in itertools.pairwise(points)
        )

    return lambda r: math.exp(log(r) - log(top)), integral, edges[0], edges[-1]


@pytest.mark.parametrize("direction", ["increase", "decrease"])
@pytest.mark.parametrize(
    ("given", "mean", "sd"),
    [
        ((10.0, 11.0, 0.2, 0.3, 0.0), 0.0, 0.08),
        ((10.0, 11.0, 0.2, 0.3, 0.1), 0.05, 0.08),
        ((-10.0, -11.5, 0.2, 0.3, 0.1), -0.03, 0.05),
        ((10.0, 10.7, 0.0004, 0.0009, -0.0003), 0.2, 0.3),
        ((4.0, 3.0, 0.05, 0.02, 0.01), -0.01, 0.02),
        ((2.0, 2.1, 1e-4, 1e-4, 5e-5), 0.0, 5.0),
        ((-0.5, -0.45, 1e-4, 4e-4, -1e-4), 0.0, 0.1),
    ],
)
def test_lift_prior_is_adaptive_quadrature(given, mean, sd, direction):
    """Source: scipy.integrate.quad of prior times likelihood; effect to 1e-9, the rest to 5e-5."""
    p = Pair(*given, math.inf, 1000)
    found = posterior_lift(p, prior_mean=mean, prior_sd=sd, direction=direction, mass=0.9)
    density, integral, low, high = lift_density(p, mean=mean, sd=sd)
    zero = min(max(0.0, low), high)
    total = integral(lambda _: 1.0, low, high)
    up = integral(lambda _: 1.0, zero, high) / total
    loss, gain = -integral(lambda r: r, low, zero) / total, integral(lambda r: r, zero, high) / total
    good = direction == "increase"
    assert found.chance == pytest.approx(up if good else 1 - up, rel=5e-5, abs=1e-7)
    assert found.effect == pytest.approx((gain - loss) * abs(p.mc), rel=1e-9)
    risks = (loss, gain) if good else (gain, loss)
    assert (found.risk, found.risk_control) == pytest.approx([x * abs(p.mc) for x in risks], abs=1e-6 * abs(p.mc))
    assert integral(lambda _: 1.0, low, found.lift) / total == pytest.approx(0.5, abs=1e-6)
    assert integral(lambda _: 1.0, found.low, found.high) / total == pytest.approx(0.9, abs=1e-5)
    assert density(found.low) == pytest.approx(density(found.high), rel=0.02)


@pytest.mark.parametrize("z", [-1.9, -2.05])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_control_counts_as_near_zero_from_half_of_the_mass_outside_on(z, sign):
    """Below a hundredth of its mean with 2.9 % probability, or with 2.0 %, where 2.5 % are the limit."""
    control = Student(sign, 0.99 / -z, math.inf)
    found = compare(control, Student(sign * 1.5, 0.1, math.inf), direction="increase", mass=0.95)
    assert found.status == ("unbounded_lift" if z > -1.96 else "ok")


def test_a_negative_control_is_the_mirror_image_of_a_positive_one():
    up = compare(Student(2.0, 0.1, 30.0), Student(2.3, 0.2, 40.0), direction="increase", mass=0.9)
    down = compare(Student(-2.0, 0.1, 30.0), Student(-2.3, 0.2, 40.0), direction="decrease", mass=0.9)
    assert down.chance == pytest.approx(up.chance, rel=1e-9)
    assert (down.lift, down.low, down.high) == pytest.approx((-up.lift, -up.high, -up.low), rel=1e-6)
    assert (down.risk, down.risk_control) == pytest.approx((up.risk, up.risk_control), rel=1e-9)


def test_one_unit_in_each_variant_has_a_posterior():
    found = beta_posterior(EventCounts(1, 1, 0, 1), direction="increase", mass=0.5)
    assert found.chance == pytest.approx(scipy.stats.beta(1.5, 0.5).expect(scipy.stats.beta(0.5, 1.5).sf), abs=1e-6)


def test_a_prior_that_does_not_exist_names_the_events():
    with pytest.raises(StatsError, match=r"5 of 5\b"):
        beta_marginals(EventCounts(2, 2, 3, 3))


def test_the_prior_pulls_with_the_square_of_the_distance():
    """Source: Murphy 2007, eq. 85 to 89, worked by hand: κ = 5, μ = 33 / 5, β = 1.5 + 3 + 0.5 · 4 · 2² / 5 = 6.1; 1e-12."""
    found = nig_marginal(n=4, mean=7.0, variance=2.0, prior_mean=5.0, prior_variance=3.0)
    assert found.loc == pytest.approx(33 / 5, rel=1e-12)
    assert found.scale == pytest.approx(math.sqrt(6.1 / (2.5 * 5)), rel=1e-12)


def test_a_ratio_without_a_value_for_all_units_together_is_not_finite():
    above, below = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.25, 0.75, 1.0])
    c, t = Moments.of_values(above, below), Moments.of_values(above, -below)  # denominators cancel out
    found = nig_posterior(c, t, subject=RatioOfMeans(0, 1), direction="increase", mass=0.95)
    assert found.status == "not_finite"


def test_an_effect_other_than_one_and_little_mass():
    """Source: the precision-weighted mean of likelihood and prior, in closed form; 1e-12."""
    p = pair(mt=12.5)  # effect 2.5, variance 0.5
    found = posterior_effect(p, prior_mean=0.5, prior_sd=2.0, direction="increase", mass=0.25)
    precision = 1 / 0.5 + 1 / 4
    mean, sd = (2.5 / 0.5 + 0.5 / 4) / precision, precision**-0.5
    assert found.effect == pytest.approx(mean, rel=1e-12)
    assert (found.low, found.high) == pytest.approx(scipy.stats.norm.interval(0.25, mean, sd), rel=1e-9)


def test_as_many_events_in_both_variants_have_a_posterior():
    found = beta_posterior(EventCounts(5, 40, 5, 40), direction="increase", mass=0.95)
    assert found.status == "ok"
    assert found.chance == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_a_metric_changes_no_lift(rng, scale):
    c, t = rng.gamma(2.0, 1.0, 80), rng.gamma(2.2, 1.0, 90)
    finite = {"subject": 0, "direction": "increase", "mass": 0.9}
    one = nig_posterior(Moments.of_values(c), Moments.of_values(t), **finite)
    other = nig_posterior(Moments.of_values(c * scale), Moments.of_values(t * scale), **finite)
    assert other.status == "ok"
    assert other.chance == pytest.approx(one.chance, rel=1e-9)
    assert (other.lift, other.low, other.high) == pytest.approx((one.lift, one.low, one.high), rel=1e-6)
    assert (other.effect, other.risk) == pytest.approx((one.effect * scale, one.risk * scale), rel=1e-9)
