"""Does every method keep its promise? Seeded simulations S01–S28 with target bands and Monte-Carlo error.

    python -m benchmarks.calibration --replications 4000 --jobs 2

writes benchmarks/results/calibration.json and the table of docs/proof/calibration.md. S08 is a control that must *fail*: it
shows that the simulation can see a fault. A target band is widened by three Monte-Carlo standard errors.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.stats

from benchmarks.report import header
from xpbench.decide.whatnow import _promising
from xpbench.stats.batch import pairs_of, results
from xpbench.stats.batch_cuped import adjusted_pairs
from xpbench.stats.bayes import beta_posterior, posterior_lift
from xpbench.stats.cuped import adjust
from xpbench.stats.designs import Anytime, Fixed, GroupSequentialTest, even_looks
from xpbench.stats.fieller import z_effect, z_lift
from xpbench.stats.functionals import RatioOfMeans
from xpbench.stats.inference import p_fixed
from xpbench.stats.moments import Moments, MomentsBatch
from xpbench.stats.multiplicity import bh, bonferroni, ebh, holm
from xpbench.stats.multipliers import Mixture, q_mixture
from xpbench.stats.pairs import Pair, cluster_pair
from xpbench.stats.planning import Scenario, sample_size
from xpbench.stats.proportion import EventCounts, is_tiny, p_score, score_effect
from xpbench.stats.rest import extension, fixed_evidence, futility, smallest_found
from xpbench.stats.shrinking import portfolio_prior, shrunk
from xpbench.stats.simulate import simulate
from xpbench.stats.spending import q_group
from xpbench.stats.srm import srm, srm_anytime
from xpbench.stats.stopped import exceeding

HOME = Path(__file__).resolve().parents[1]
SEED = 20_261_122
LAST = 40
"""Most replications whose rows are held at once, in millions of values."""


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    sim: str
    what: str
    value: float
    low: float
    high: float
    error: float
    replications: int
    must_fail: bool = False

    @property
    def inside(self) -> bool:
        """Whether the value lies in the band, widened by three Monte-Carlo standard errors."""
        return bool(self.low - 3 * self.error <= self.value <= self.high + 3 * self.error)

    @property
    def passed(self) -> bool:
        """Whether the line is as it should be; the control must lie outside."""
        return bool(self.inside != self.must_fail)


def share(sim: str, what: str, hits: np.ndarray, low: float, high: float, *, must_fail: bool = False) -> Line:
    """A line for a share of replications; the error is that of a share at the nearer end of the band."""
    n = len(hits)
    value = float(np.mean(hits))
    at = min(max(value, low), high)
    error = math.sqrt(max(at * (1 - at), 1e-9) / n)
    return Line(sim, what, value, low, high, float(error), n, must_fail)


Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def moments_of(rows: np.ndarray) -> MomentsBatch:
    """Moments of rows of shape (replications, units, columns)."""
    mean = rows.mean(axis=1)
    centred = rows - mean[:, None, :]
    return MomentsBatch(
        np.full(rows.shape[0], rows.shape[1]), mean, np.einsum("rui,ruj->rij", centred, centred) / (rows.shape[1] - 1)
    )


def sampled(rng: np.random.Generator, reps: int, n: int, draw: Draw, columns: int = 1) -> MomentsBatch:
    """Moments of `reps` samples of n units, drawn in chunks."""
    chunk = max(1, min(reps, int(LAST * 1e6 / 8 / n / columns)))
    parts = []
    for start in range(0, reps, chunk):
        size = min(chunk, reps - start)
        rows = draw(rng, (size, n))
        parts.append(moments_of(rows if rows.ndim == 3 else rows[..., None]))
    return MomentsBatch(
        np.concatenate([p.n for p in parts]), np.concatenate([p.mean for p in parts]), np.concatenate([p.cov for p in parts])
    )


def normal(mean: float, sd: float) -> Draw:
    return lambda rng, shape: rng.normal(mean, sd, shape)


def s01(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Type I error of Welch's test."""
    cases: list[tuple[str, int, int, Draw, Draw]] = [
        ("normal, n = 20 each", 20, 20, normal(5, 1), normal(5, 1)),
        ("90/10, four times the sd in the small variant", 900, 100, normal(5, 1), normal(5, 4)),
        ("lognormal, n = 500 each", 500, 500, *[lambda r, s: r.lognormal(0, 1, s)] * 2),
        ("binary at 1 %, n = 2,000 each", 2000, 2000, *[lambda r, s: (r.random(s) < 0.01).astype(float)] * 2),
    ]
    for what, n_c, n_t, draw_c, draw_t in cases:
        pairs = pairs_of(sampled(rng, reps, n_c, draw_c), sampled(rng, reps, n_t, draw_t), subject=0)
        yield share("S01", f"Welch, type I: {what}", results(pairs, alpha=0.05, mixture=None).p_value < 0.05, 0.045, 0.055)


def s01_score(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Type I error and coverage of the score method where the rule asks for it."""
    n, rate = 400, 0.008
    x = rng.binomial(n, rate, (reps, 2))
    found = [EventCounts(int(a), n, int(b), n) for a, b in x]
    p = np.array([p_score(f, null=0.0, alternative="two-sided", scale="effect") for f in found if is_tiny(f) and sum(f[::2])])
    yield share("S01", f"score test, type I: binary at 0.8 %, n = {n} each (discrete, so at most)", p < 0.05, 0.0, 0.055)
    q = float(scipy.stats.norm.isf(0.025))
    y = rng.binomial(n, 0.02, reps)
    inside = [
        (s := score_effect(EventCounts(int(a), n, int(b), n), q=q)).low <= 0.012 <= s.high
        for (a, _), b in zip(x, y, strict=True)
    ]
    yield share("S01", "score interval of a difference, coverage: 0.8 % against 2 %, n = 400 each", np.array(inside), 0.94, 1.0)


def s02_s03(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Coverage of the lift's interval, and whether it can disagree with the test."""
    lift = 0.1
    cases = [
        ("easy: mean 10, sd 3, n = 400", 10.0, 3.0, 400, 400, 0.944),
        ("noisy control: mean 1, sd 20, n = 400", 1.0, 20.0, 400, 400, 0.94),
        ("control near zero: mean 0.3, sd 2, n = 200", 0.3, 2.0, 200, 200, 0.94),
        ("90/10: mean 5, sd 10, n = 900 and 100", 5.0, 10.0, 900, 100, 0.94),
        ("negative control: mean −8, sd 6, n = 300", -8.0, 6.0, 300, 300, 0.94),
    ]
    apart = []
    for what, mean, sd, n_c, n_t, floor in cases:
        treated = mean + lift * abs(mean)
        pairs = pairs_of(sampled(rng, reps, n_c, normal(mean, sd)), sampled(rng, reps, n_t, normal(treated, sd)), subject=0)
        found = results(pairs, alpha=0.05, mixture=None)
        covered = ~found.bounded | ((found.lift_low <= lift) & (lift <= found.lift_high))
        yield share("S02", f"lift interval, coverage: {what} ({1 - found.bounded.mean():.0%} unbounded)", covered, floor, 1.0)
        excludes = (found.lift_low > 0) | (found.lift_high < 0)
        apart.append((excludes != (found.p_value < 0.05))[found.bounded])
    yield share("S03", "bounded lift interval and test of the effect disagree", np.concatenate(apart), 0.0, 0.01)


def s04_s05(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Type I error of ratios and of clustered units."""

    def ratio(r: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        den = r.poisson(4, shape) + 1.0
        num = r.gamma(2.0, 1.0, shape) * den + r.normal(0, 1, shape)
        return np.stack([num, den], axis=-1)

    pairs = pairs_of(sampled(rng, reps, 400, ratio, 2), sampled(rng, reps, 600, ratio, 2), subject=RatioOfMeans(0, 1))
    yield share("S04", "ratio, type I: n = 400 and 600", results(pairs, alpha=0.05, mixture=None).p_value < 0.05, 0.045, 0.055)

    def clusters(r: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        size = r.poisson(8, shape) + 2.0
        level = r.normal(10, 1, shape)  # shared by a cluster
        return np.stack([level * size + r.normal(0, 1, shape) * np.sqrt(size) * 2, size], axis=-1)

    pairs = pairs_of(sampled(rng, reps, 60, clusters, 2), sampled(rng, reps, 60, clusters, 2), subject=RatioOfMeans(0, 1))
    yield share(
        "S05", "clustered units, type I: 60 clusters each", results(pairs, alpha=0.05, mixture=None).p_value < 0.05, 0.04, 0.06
    )


def s06(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """CUPED: coverage, variance removed, honesty of its standard error, bias in small samples."""
    effect = 0.2
    for rho in (0.0, 0.5, 0.8):

        def rows(r: np.random.Generator, shape: tuple[int, ...], rho: float = rho, shift: float = 0.0) -> np.ndarray:
            x = r.normal(0, 1, shape)
            return np.stack([3 + shift + rho * x + math.sqrt(1 - rho**2) * r.normal(0, 1, shape), x], axis=-1)

        def treated(r: np.random.Generator, shape: tuple[int, ...], rho: float = rho) -> np.ndarray:
            return rows(r, shape, rho, effect)

        c, t = sampled(rng, reps, 300, rows, 2), sampled(rng, reps, 700, treated, 2)
        pairs = adjusted_pairs(c, t, y=0, xs=[1])
        found = results(pairs, alpha=0.05, mixture=None)
        plain = results(pairs_of(c, t, subject=0), alpha=0.05, mixture=None)
        yield share(
            "S06",
            f"CUPED, coverage: ρ = {rho}, n = 300 and 700",
            (found.ci_low <= effect) & (effect <= found.ci_high),
            0.945,
            0.955,
        )
        ratio = found.effect.var() / plain.effect.var() / (1 - rho**2)
        yield Line("S06", f"CUPED, variance left / (1 − ρ²): ρ = {rho}", ratio, 0.88, 1.12, ratio * math.sqrt(2 / reps), reps)
        honest = float((found.se**2).mean() / found.effect.var())
        yield Line("S06", f"CUPED, mean se² / variance: ρ = {rho}", honest, 0.88, 1.12, honest * math.sqrt(2 / reps), reps)
        c, t = sampled(rng, reps, 30, rows, 2), sampled(rng, reps, 30, treated, 2)
        small = adjusted_pairs(c, t, y=0, xs=[1])
        bias = float((small.mt - small.mc).mean()) - effect
        yield Line("S06", f"CUPED, bias in sd: ρ = {rho}, n = 30 each", bias, -0.03, 0.03, math.sqrt(2 / 30 / reps), reps)


def increments(rng: np.random.Generator, reps: int, looks: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative sums and sums of squares at the looks; shape (reps, looks)."""
    new = np.diff(np.concatenate([[0], looks])).astype(int)
    first, second = np.empty((reps, len(looks))), np.empty((reps, len(looks)))
    for i, m in enumerate(new):
        if kind == "binary":
            first[:, i] = second[:, i] = rng.binomial(m, 0.1, reps)
        elif kind == "normal":
            z = rng.standard_normal(reps)
            rest = rng.chisquare(m - 1, reps) if m > 1 else 0.0
            first[:, i], second[:, i] = math.sqrt(m) * z, z**2 + rest
        else:
            values = rng.exponential(1.0, (reps, m)) - 1.0
            first[:, i], second[:, i] = values.sum(axis=1), (values**2).sum(axis=1)
    return first.cumsum(axis=1), second.cumsum(axis=1)


def along(n: np.ndarray, first: np.ndarray, second: np.ndarray) -> MomentsBatch:
    """Moments at every look from cumulative sums."""
    mean = first / n
    variance = (second - n * mean**2) / (n - 1)
    return MomentsBatch(np.broadcast_to(n, first.shape), mean[..., None], variance[..., None, None])


def s07(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Anytime-valid: false positives over all looks, with a good and a wrong n_opt; and the fixed test peeked at, S08."""
    looks = np.unique(np.geomspace(200, 20_000, 120).astype(int))
    apart = []
    for kind in ("normal", "exponential", "binary"):
        c, t = (along(looks, *increments(rng, reps, looks, kind)) for _ in range(2))
        pairs = pairs_of(c, t, subject=0)
        for name, n_opt in (
            ("n_opt 20,000", 20_000),
            ("n_opt ten times too large", 400_000),
            ("n_opt ten times too small", 4_000),
        ):
            found = results(pairs, alpha=0.05, mixture=Mixture.optimal(alpha=0.05, n_opt=n_opt))
            what = f"anytime, any of {len(looks)} looks from 200 to 20,000 each: {kind}, {name}"
            yield share("S07", what, (found.p_value < 0.05).any(axis=1), 0.0, 0.05)
            apart.append(((found.p_value < 0.05) != ((found.ci_low > 0) | (found.ci_high < 0))).ravel())
    yield share("S07", "anytime: interval and p disagree", np.concatenate(apart)[::100], 0.0, 0.0)


def s08(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """The control: a fixed test read at five looks has to be caught."""
    looks = np.array([1000, 2000, 3000, 4000, 5000])
    c, t = (along(looks, *increments(rng, reps, looks, "normal")) for _ in range(2))
    found = results(pairs_of(c, t, subject=0), alpha=0.05, mixture=None)
    peeked = (found.p_value < 0.05).any(axis=1)
    yield share("S08", "control, must fail: fixed test peeked at 5 times, type I", peeked, 0.045, 0.055, must_fail=True)
    yield share("S08", "the same against theory (0.142)", peeked, 0.132, 0.152)


def s09(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Group-sequential type I error, even and uneven looks, and looks that move."""
    for spending in ("obrien_fleming", "pocock"):
        for name, information in (("even", (0.2, 0.4, 0.6, 0.8, 1.0)), ("uneven", (0.3, 0.35, 0.8, 1.0))):
            looks = (np.array(information) * 2000).astype(int)
            c, t = (along(looks, *increments(rng, reps, looks, "normal")) for _ in range(2))
            pairs = pairs_of(c, t, subject=0)
            z = np.abs((pairs.mt - pairs.mc) / np.sqrt(pairs.vc + pairs.vt))
            bounds = np.array(q_group(0.05, information, spending))
            yield share("S09", f"group-sequential, type I: {spending}, {name} looks", (z > bounds).any(axis=1), 0.045, 0.055)
    information = (0.2, 0.5)
    moved = q_group(0.05, (*information, 0.9, 1.1), "pocock", q_group(0.05, information, "pocock"), final=True)
    looks = (np.array([*information, 0.9, 1.1]) * 2000).astype(int)
    c, t = (along(looks, *increments(rng, reps, looks, "normal")) for _ in range(2))
    pairs = pairs_of(c, t, subject=0)
    z = np.abs((pairs.mt - pairs.mc) / np.sqrt(pairs.vc + pairs.vt))
    yield share(
        "S09", "group-sequential, type I: pocock, looks moved after the second", (z > np.array(moved)).any(axis=1), 0.045, 0.055
    )


def s10_s11(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """SRM, once and watched."""
    weights = np.array([0.5, 0.3, 0.2])
    p = np.array([srm(row, weights).p_value for row in rng.multinomial(10_000, weights, reps)])
    yield share("S10", "SRM χ², type I at .05: 50/30/20", p < 0.05, 0.045, 0.055)
    yield share("S10", "SRM χ², type I at .001: 50/30/20", p < 0.001, 0.0, 0.001)
    daily = rng.multinomial(500, [0.5, 0.5], (reps, 60)).cumsum(axis=1)
    p = np.array([srm_anytime(row, [0.5, 0.5], k=100.0)[-1] for row in daily])
    yield share("S11", "SRM anytime, 60 looks, type I at .05", p < 0.05, 0.0, 0.05)
    daily = rng.multinomial(500, [0.48, 0.52], (reps, 60)).cumsum(axis=1)
    p = np.array([srm_anytime(row, [0.5, 0.5], k=100.0)[-1] for row in daily])
    yield share("S11", "SRM anytime, power for 48/52 in 30,000 units", p < 0.05, 0.95, 1.0)


def s12(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Bayesian intervals under a prior that says nothing, and the chance under the null."""
    n, some = 500, reps
    x = rng.binomial(n, 0.2, (reps, 2))
    found = [beta_posterior(EventCounts(int(a), n, int(b), n), direction="increase", mass=0.95) for a, b in x[:some]]
    covered = np.array([f.low <= 0.0 <= f.high for f in found])
    yield share("S12", "Beta posterior, coverage of the lift's interval: 20 %, n = 500 each", covered, 0.94, 0.96)
    chance = np.array([f.chance for f in found])
    yield share("S12", "chance to beat control below .05 or above .95 under the null", np.abs(chance - 0.5) > 0.45, 0.09, 0.11)
    c, t = sampled(rng, reps, 300, normal(10, 3)), sampled(rng, reps, 300, normal(11, 3))
    pairs = pairs_of(c, t, subject=0)
    flat = []
    for i in range(some):
        pair = Pair(*(float(v[i]) for v in (pairs.mc, pairs.mt, pairs.vc, pairs.vt, pairs.cov, pairs.df)), 600)
        found_lift = posterior_lift(pair, prior_mean=0.0, prior_sd=10.0, direction="increase", mass=0.95)
        flat.append(found_lift.low <= 0.1 <= found_lift.high)
    yield share("S12", "posterior of the lift under a wide prior, coverage", np.array(flat), 0.94, 0.96)


def s13(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Family-wise error and false discovery rate with correlated tests."""
    m, shared = 10, rng.normal(0, 1, (reps, 1))
    z = math.sqrt(0.5) * shared + math.sqrt(0.5) * rng.normal(0, 1, (reps, m))
    p = 2 * scipy.stats.norm.sf(np.abs(z))
    for name, method in (("Holm", holm), ("Bonferroni", bonferroni)):
        yield share(
            "S13",
            f"{name}, family-wise error, 10 correlated nulls",
            np.array([method(row).min() < 0.05 for row in p]),
            0.0,
            0.05,
        )
    z[:, :3] += 3.0
    p = 2 * scipy.stats.norm.sf(np.abs(z))
    wrong = []
    for row in p:
        hits = bh(row) < 0.05
        wrong.append(hits[3:].sum() / max(hits.sum(), 1))
    values = np.array(wrong)
    yield Line(
        "S13",
        "BH, false discovery rate, 7 of 10 null",
        float(values.mean()),
        0.0,
        0.05,
        float(values.std() / math.sqrt(reps)),
        reps,
    )
    looks = np.arange(500, 5001, 250)
    e = np.empty((reps, len(looks), m))
    for j in range(m):
        c, t = (along(looks, *increments(rng, reps, looks, "normal")) for _ in range(2))
        d = t.mean[..., 0] - c.mean[..., 0] + (0.08 if j < 3 else 0.0)
        v = c.cov[..., 0, 0] / looks + t.cov[..., 0, 0] / looks
        k = 2 * looks * (Mixture.optimal(alpha=0.05, n_opt=10_000).rho2 or 0.0)
        e[..., j] = np.exp(0.5 * (d * d / v * k / (1 + k) - np.log1p(k)))
    values = []
    for one in e:
        hits = np.array([ebh(row, alpha=0.05) for row in one])
        stop = int(np.argmax(hits.any(axis=1))) if hits.any() else len(looks) - 1  # stops at the first discovery
        values.append(hits[stop, 3:].sum() / max(hits[stop].sum(), 1))
    values = np.array(values)
    yield Line(
        "S13",
        "e-BH at the first discovery over 19 looks, false discovery rate",
        float(values.mean()),
        0.0,
        0.05,
        float(values.std() / math.sqrt(reps)),
        reps,
    )


def s14(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Non-inferiority exactly at the margin."""
    c = sampled(rng, reps, 400, normal(5, 4))
    for what, mean, margin, z_of in (
        ("relative margin 5 %, noisy control", 4.75, -0.05, z_lift), ("absolute margin 0.3", 4.7, -0.3, z_effect)
    ):  # fmt: skip
        pairs = pairs_of(c, sampled(rng, reps, 600, normal(mean, 4)), subject=0)
        z = z_of(mc=pairs.mc, mt=pairs.mt, vc=pairs.vc, vt=pairs.vt, cov=pairs.cov, null=margin)
        yield share("S14", f"non-inferiority at the margin: {what}", scipy.stats.t.sf(z, pairs.df) < 0.05, 0.045, 0.055)


def s15(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Planned power is reached."""
    base: dict[str, Any] = {
        "mean": 10.0, "sd": 8.0, "proportion": False, "scale": "effect", "null": 0.0, "alpha": 0.05, "sides": 2,
        "split": (0.5, 0.5), "reduction": 0.0, "comparisons": 1, "design": Fixed(),
    }  # fmt: skip

    def tested(scenario: Scenario, value: float, draw: Callable[[float], Draw]) -> np.ndarray:
        size = sample_size(scenario, value=value, target=0.8)
        treated = scenario.mean * (1 + value) if scenario.scale == "lift" else scenario.mean + value
        pairs = pairs_of(
            sampled(rng, reps, size.n_control, draw(scenario.mean)),
            sampled(rng, reps, size.n_treatment, draw(treated)),
            subject=0,
        )
        if scenario.null:
            z = z_lift(mc=pairs.mc, mt=pairs.mt, vc=pairs.vc, vt=pairs.vt, cov=pairs.cov, null=scenario.null)
            return np.asarray(scipy.stats.t.sf(z, pairs.df) < scenario.alpha)
        return (
            results(pairs, alpha=scenario.alpha / scenario.comparisons, mixture=None).p_value
            < scenario.alpha / scenario.comparisons
        )

    gauss = lambda mean: normal(mean, 8.0)  # noqa: E731
    yield share("S15", "planned power .80: effect, fixed", tested(Scenario(**base), 1.5, gauss), 0.79, 0.815)
    uneven = {**base, "split": (0.8, 0.2), "comparisons": 3}
    yield share("S15", "planned power .80: 80/20, alpha / 3", tested(Scenario(**uneven), 2.0, gauss), 0.79, 0.815)
    rate = {**base, "mean": 0.1, "proportion": True, "scale": "lift"}
    coin = lambda mean: lambda r, s: (r.random(s) < mean).astype(float)  # noqa: E731
    yield share("S15", "planned power .80: lift 30 % of a rate of 10 %", tested(Scenario(**rate), 0.3, coin), 0.79, 0.815)
    margin = {**base, "scale": "lift", "null": -0.1, "sides": 1}
    yield share(
        "S15", "planned power .80: non-inferiority, relative margin 10 %", tested(Scenario(**margin), 0.0, gauss), 0.79, 0.815
    )
    from xpbench.stats.moments import Moments

    control = Moments.of(1000, [10.0], [[64.0]])
    for name, design in (
        ("group-sequential O'Brien–Fleming, 4 looks", GroupSequentialTest((0.25, 0.5, 0.75, 1.0), "obrien_fleming")),
        ("group-sequential Pocock, 4 looks", GroupSequentialTest((0.25, 0.5, 0.75, 1.0), "pocock")),
        ("anytime, 20 looks", Anytime(even_looks(20, first=0.05), None, None, 0.05)),
    ):
        size = sample_size(Scenario(**{**base, "design": design}), value=0.5, target=0.8)
        found = simulate(
            control, subject=0, effect=0.5, n=size.n, split=(0.5, 0.5), alpha=0.05, design=design, replications=reps, rng=rng
        )
        hits = np.arange(reps) < round(found.rejected * reps)
        yield share("S15", f"planned power .80: {name}", hits, 0.79, 0.815)
        off = found.expected_units / size.expected_units
        yield Line("S15", f"units at the end / planned expectation: {name}", off, 0.98, 1.02, 0.5 / math.sqrt(reps), reps)


def s16(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Anytime-valid with a covariate whose slope is estimated anew at every look."""
    looks = np.unique(np.geomspace(200, 5_000, 40).astype(int))
    hits = np.zeros(reps, dtype=bool)
    mixture = Mixture.optimal(alpha=0.05, n_opt=10_000)
    chunk = 200
    for start in range(0, reps, chunk):
        size = min(chunk, reps - start)
        batches = []
        for _ in range(2):
            x = rng.gamma(2.0, 1.0, (size, looks[-1]))
            y = 0.8 * x + rng.normal(0, 1, x.shape)
            sums = [np.cumsum(v, axis=1)[:, looks - 1] for v in (y, x, y * y, x * x, x * y)]
            n = looks.astype(float)
            mean = np.stack(sums[:2], axis=-1) / n[:, None]
            vyy, vxx, vxy = (
                (s - n * mean[..., i] * mean[..., j]) / (n - 1) for s, i, j in zip(sums[2:], (0, 1, 0), (0, 1, 1), strict=True)
            )
            cov = np.stack([np.stack([vyy, vxy], -1), np.stack([vxy, vxx], -1)], -2)
            batches.append(MomentsBatch(np.broadcast_to(n, vyy.shape), mean, cov))
        found = results(adjusted_pairs(batches[0], batches[1], y=0, xs=[1]), alpha=0.05, mixture=mixture)
        hits[start : start + size] = (found.p_value < 0.05).any(axis=1)
    yield share("S16", f"anytime with CUPED, any of {len(looks)} looks", hits, 0.0, 0.05)


def s17(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Re-randomise one skewed data set: p-values are uniform."""
    values = np.where(rng.random(4000) < 0.2, rng.lognormal(2, 1, 4000), 0.0)

    def split(r: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        order = r.permuted(np.broadcast_to(np.arange(4000), (shape[0], 4000)), axis=1)
        return values[order]

    ps = []
    for start in range(0, reps, 500):
        rows = split(rng, (min(500, reps - start),))[..., None]
        pairs = pairs_of(moments_of(rows[:, :2000]), moments_of(rows[:, 2000:]), subject=0)
        ps.append(results(pairs, alpha=0.05, mixture=None).p_value)
    p = np.concatenate(ps)
    distance = float(scipy.stats.kstest(p, "uniform").statistic) * math.sqrt(len(p))
    yield Line("S17", "A/A by re-randomising skewed values: Kolmogorov–Smirnov · √n", distance, 0.0, 1.63, 0.0, reps)
    yield share("S17", "A/A by re-randomising, type I", p < 0.05, 0.045, 0.055)


def s18(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """99:1, a rate of 2 %, 28 daily looks: shares by the score statistic in designs with several looks."""
    n_c, n_t, rate, days = 3_500, 35, 0.02, np.arange(1, 29)
    x_c, x_t = (rng.binomial(n, rate, (reps, 28)).cumsum(axis=1) for n in (n_c, n_t))
    p, n = (x_c + x_t) / ((n_c + n_t) * days), (n_c + n_t) * days
    variance = p * (1 - p) * (1 / (n_c * days) + 1 / (n_t * days)) * n / (n - 1)
    z = np.abs(x_t / (n_t * days) - x_c / (n_c * days)) / np.sqrt(np.maximum(variance, 1e-300))
    for spending in ("obrien_fleming", "pocock", "reflection"):
        enough = (x_c + x_t >= 10) & (p * n_t * days >= 2)
        hits = (z >= np.array(q_group(0.05, days / 28, spending))) & enough
        yield share("S18", f"99:1, 28 looks, type I by the score: {spending}", hits.any(axis=1), 0.0, 0.055)


def s19(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """A guardrail with a margin of 5 % at one-sided alpha: once, and at 28 looks."""
    for what, n, change, low, high in (
        ("exactly at the margin, 1,000 each", 1000, 0.05, 0.0, 0.055),
        ("harmless, 8,000 each", 8000, 0.0, 0.92, 1.0),
    ):
        c = sampled(rng, reps, n, lambda r, s: r.standard_exponential(s))
        t = sampled(rng, reps, n, lambda r, s, change=change: r.standard_exponential(s) * (1 + change))
        pairs = pairs_of(c, t, subject=0)
        z = -z_lift(mc=pairs.mc, mt=pairs.mt, vc=pairs.vc, vt=pairs.vt, cov=pairs.cov, null=0.05)
        yield share("S19", f"guardrail passes at one-sided .05: {what}", scipy.stats.t.sf(z, pairs.df) <= 0.05, low, high)
    steps = rng.normal(size=(reps, 28)) / math.sqrt(28)
    z = steps.cumsum(axis=1) / np.sqrt(np.arange(1, 29) / 28)
    hits = (z >= np.array(q_group(0.1, np.arange(1, 29) / 28, "reflection"))).any(axis=1)
    yield share("S19", "guardrail passes at one-sided .05: exactly at the margin, 28 looks, reflection", hits, 0.0, 0.05)


def s20(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Estimates after an early stop: median-unbiased, with an exact interval."""
    looks = [0.25, 0.5, 0.75, 1.0]
    for spending, drift in (("pocock", 2.5), ("reflection", 3.0)):
        bounds = q_group(0.05, looks, spending)
        z = (rng.normal(size=(reps, 4)) * 0.5 + drift * 0.25).cumsum(axis=1) / np.sqrt(looks)
        crossed = np.abs(z) >= np.array(bounds)
        at = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 3)
        above = np.array([exceeding(z[i, k], looks=looks[: k + 1], bounds=bounds[:k], drift=drift) for i, k in enumerate(at)])
        yield share("S20", f"after a stop, estimate above the truth: {spending}", above < 0.5, 0.49, 0.51)
        yield share("S20", f"after a stop, coverage: {spending}", np.abs(above - 0.5) < 0.475, 0.945, 0.955)


def s21(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """An end that is moved after a look at half: where it is promising, or wherever weak with the wider multiplier."""
    q = float(scipy.stats.norm.isf(0.025))
    first, rest, more = (rng.normal(size=reps) for _ in range(3))
    z = first  # at t = 0.5
    half = first * math.sqrt(0.5) + rest * math.sqrt(0.5)
    double = (half + more) / math.sqrt(2.0)
    grid = np.linspace(-4, 4, 401)
    found = [extension(2.0, z=float(x), t=0.5, alpha=0.05, reading="last") for x in grid]
    keeps = np.array([f.keeps for f in found])[np.clip(((z + 4) / 0.02).astype(int), 0, 400)]
    wide = np.interp(z, grid, [min(f.q, 9.0) for f in found])
    yield share("S21", "extended where promising, type I", np.abs(np.where(keeps, double, half)) >= q, 0.0, 0.05)
    weak = np.abs(z) < 1.9
    hits = np.where(weak, np.abs(double) >= wide, np.abs(half) >= q)
    yield share("S21", "extended wherever weak, with the wider multiplier, type I", hits, 0.045, 0.055)


def s22(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Shrunk lifts of winners of a portfolio: their mean is that of the truth."""
    true = np.where(rng.random(reps) < 0.7, 0.0, rng.normal(0.05, 0.02, reps))
    noise = rng.uniform(0.01, 0.03, reps)
    lifts = true + rng.normal(size=reps) * noise
    prior = portfolio_prior(lifts, noise)
    won = np.flatnonzero(lifts > 2 * noise)
    worth = np.array([shrunk(float(lifts[i]), float(noise[i]), prior=prior, mass=0.9).lift for i in won])
    off = worth - true[won]
    error = float(off.std() / math.sqrt(len(won)) / true[won].mean())
    ratio = float(worth.mean() / true[won].mean())
    yield Line("S22", "shrunk lifts of winners / their true lifts", ratio, 0.95, 1.05, error, len(won))


def s23(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Users inside companies that were assigned whole: type I with few companies of unlike sizes."""
    sizes: dict[str, Callable[[tuple[int, ...]], np.ndarray]] = {
        "of 20 users": lambda shape: np.full(shape, 20.0),
        "of 5 to 50 users": lambda shape: rng.integers(5, 51, shape).astype(float),
        "of log-normal size, sd .8": lambda shape: 1.0 + np.floor(20 * np.exp(0.8 * rng.normal(size=shape))),
    }
    for groups in (15, 30):
        for what, draw in sizes.items():
            p = []
            for _ in range(reps):
                arms = []
                for _ in range(2):
                    size = draw((groups,))
                    rates = 1.0 / (1.0 + np.exp(1.2 - 1.5 * np.sqrt(0.3) * rng.normal(size=groups)))
                    arms.append(Moments.of_values(rng.binomial(size.astype(int), rates).astype(float), size))
                p.append(p_fixed(cluster_pair(*arms)))
            yield share("S23", f"clusters, type I: {groups} in each variant {what}", np.array(p) < 0.05, 0.044, 0.056)


def s24(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """The default with a horizon, read daily, and a tenth of the level for a fortnight after it."""
    days = np.arange(1, 43) / 28
    path = (rng.normal(size=(reps, 42)) / np.sqrt(28)).cumsum(axis=1) / np.sqrt(days)
    whole = np.array(q_group(0.05, days[:28], "obrien_fleming"))
    yield share("S24", "28 daily looks, O'Brien–Fleming, type I", (np.abs(path[:, :28]) >= whole).any(axis=1), 0.045, 0.055)
    rho2 = float(Mixture.optimal(alpha=0.005, n_opt=2800).rho2 or 0.0)
    mixed = np.array([q_mixture(0.005, 2800 * float(t) * rho2) for t in days])
    own = np.concatenate([q_group(0.045, days[:28], "obrien_fleming"), np.full(14, np.inf)])
    yield share(
        "S24", "with a share beyond, 42 daily looks, type I", (np.abs(path) >= np.minimum(own, mixed)).any(axis=1), 0.0, 0.05
    )


def s25(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Evidence of a fixed test before its end, read daily: it never alarms more often, and ends as the test does."""
    days = np.arange(1, 29) / 28
    path = (rng.normal(size=(reps, 28)) / np.sqrt(28)).cumsum(axis=1) / np.sqrt(days)
    seen = np.array(
        [[fixed_evidence(float(z), t=float(t), alpha=0.05) for z, t in zip(row, days, strict=True)] for row in path]
    )
    yield share("S25", "evidence of a fixed test, any of 28 looks at 20 or above", (seen >= 20.0).any(axis=1), 0.045, 0.055)
    yield share("S25", "the same at 10 or above", (seen >= 10.0).any(axis=1), 0.0, 0.1)
    apart = (seen[:, -1] >= 20.0) != (np.abs(path[:, -1]) >= scipy.stats.norm.isf(0.025))
    yield share("S25", "its last reading and the fixed test disagree", apart, 0.0, 0.0)


def s26(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Strata as covariates: type I, and the noise against post-stratification by hand."""
    shares, levels = np.array([0.5, 0.3, 0.2]), np.array([0.3, 1.2, 2.5])
    p, ours, textbook = [], [], []
    for _ in range(reps):
        arms, means, sizes = [], [], []
        for _ in range(2):
            of = rng.choice(3, 200, p=shares)
            y = rng.poisson(levels[of] * rng.gamma(2.0, 0.5, 200)).astype(float)
            arms.append(Moments.of_values(y, (of == 1).astype(float), (of == 2).astype(float)))
            means.append([y[of == k].mean() for k in range(3)])
            sizes.append(np.bincount(of, minlength=3))
        pair = adjust(*arms, y=0, xs=[1, 2])
        p.append(p_fixed(pair))
        ours.append(pair.effect)
        weights = (sizes[0] + sizes[1]) / 400.0
        textbook.append(float(weights @ (np.array(means[1]) - np.array(means[0]))))
    yield share("S26", "strata as covariates, type I: 200 in each variant", np.array(p) < 0.05, 0.045, 0.055)
    ratio = float(np.var(ours) / np.var(textbook))
    yield Line("S26", "variance of the adjusted effect / post-stratified by hand", ratio, 0.97, 1.03, 0.005, reps)


def s27(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """Giving up below a floor of 10 %: the level whoever follows it, and the power and units that the plan names."""
    looks = (0.25, 0.5, 0.75, 1.0)
    for spending in ("obrien_fleming", "pocock"):
        bounds = np.array(q_group(0.05, looks, spending))
        drift = smallest_found(0.8, looks=looks, bounds=bounds.tolist())
        rule = futility(0.1, looks=looks, bounds=bounds.tolist(), drift=drift)
        stops = np.array([*rule.stops, -np.inf])
        for what, mean in (("no effect", 0.0), ("the planned effect", drift)):
            z = (rng.normal(size=(reps, 4)) * 0.5 + mean * 0.25).cumsum(axis=1) / np.sqrt(looks)
            ends = (np.abs(z) >= bounds) | (z <= stops)
            at = np.where(ends.any(axis=1), ends.argmax(axis=1), 3)
            last = z[np.arange(reps), at]
            if mean == 0.0:
                ignored = (np.abs(z) >= bounds).any(axis=1)
                yield share("S27", f"{spending}, type I of who goes on all the same", ignored, 0.045, 0.055)
                yield share("S27", f"{spending}, type I of who gives up", np.abs(last) >= bounds[at], 0.0, 0.05)
                used = np.array(looks)[at]
                yield Line(
                    "S27", f"{spending}, units where nothing changes / as the plan says", float(used.mean()) / rule.units_null,
                    0.99, 1.01, float(used.std() / math.sqrt(reps) / rule.units_null), reps,
                )  # fmt: skip
            else:
                won = last >= bounds[at]
                yield share("S27", f"{spending}, power at {what}, {rule.power:.4f} by the plan", won, rule.power, rule.power)


def s28(rng: np.random.Generator, reps: int) -> Iterator[Line]:
    """A later end where what now offers one, at two moments of a fixed plan: the level, and that power is not lost."""
    q = float(scipy.stats.norm.isf(0.025))
    for t in (0.3, 0.6):
        for what, mean, low, high in (("type I", 0.0, 0.045, 0.055), ("power at 80 %", q + 0.8416212, 0.8, 0.86)):
            first = rng.normal(size=reps) * math.sqrt(t) + mean * t
            whole = first + rng.normal(size=reps) * math.sqrt(1 - t) + mean * (1 - t)
            seen = first / math.sqrt(t)
            until = np.array([later_end(float(z), t, q) for z in seen])
            more = whole + rng.normal(size=reps) * np.sqrt(until - 1) + mean * (until - 1)
            found = more / np.sqrt(until)
            hits = np.abs(found) >= q if mean == 0.0 else found >= q
            yield share("S28", f"later end where promising, read at {t:.0%}: {what}", hits, low, high)


def later_end(z: float, t: float, q: float) -> float:
    """The end that what now offers, as a share of the horizon; 1 where it offers none."""
    plan = {"model": {"kind": "frequentist"}, "planning": {"power": 0.8}, "variants": [{"key": "b", "split": 1.0}]}
    row = {"n_control": 0, "n": 10**6, "variant": "b", "alpha": 2 * float(scipy.stats.norm.sf(q))}
    text = _promising(plan, row, z, 1.0, 1.0 / t, round(1e6 * t))
    return int(text.split("One last look at ")[1].split(" unit")[0].replace(",", "")) / 1e6 if text else 1.0


SIMULATIONS: dict[str, Callable[[np.random.Generator, int], Iterator[Line]]] = {
    "s01": s01, "s01_score": s01_score, "s02_s03": s02_s03, "s04_s05": s04_s05, "s06": s06, "s07": s07, "s08": s08, "s09": s09,
    "s10_s11": s10_s11, "s12": s12, "s13": s13, "s14": s14, "s15": s15, "s16": s16, "s17": s17,
    "s18": s18, "s19": s19, "s20": s20, "s21": s21, "s22": s22, "s23": s23, "s24": s24, "s25": s25, "s26": s26,
    "s27": s27, "s28": s28,
}  # fmt: skip


def run(name: str, replications: int, seed: int) -> list[Line]:
    """The lines of one simulation; the seed of each follows from its name, so that order and jobs don't matter."""
    place = list(SIMULATIONS).index(name)
    rng = np.random.default_rng(np.random.SeedSequence([seed, place]))
    return list(SIMULATIONS[name](rng, replications))


def table(lines: list[Line]) -> str:
    """Markdown table."""
    rows = ["| | what | found | target | ± 3 se | |", "|---|---|---|---|---|---|"]
    for line in lines:
        target = (
            f"≤ {line.high:g}"
            if line.low == 0 and line.high < 1
            else f"≥ {line.low:g}"
            if line.high == 1
            else f"{line.low:g} – {line.high:g}"
        )
        verdict = "pass" if line.passed and not line.must_fail else "fails, as it must" if line.passed else "**FAIL**"
        rows.append(f"| {line.sim} | {line.what} | {line.value:.4f} | {target} | {3 * line.error:.4f} | {verdict} |")
    return "\n".join(rows)


def main() -> int:
    """Run all, print the table, write results and page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=4000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", nargs="*", choices=list(SIMULATIONS), default=None)
    parser.add_argument("--write", action="store_true", help="write results and docs/proof/calibration.md")
    options = parser.parse_args()
    names = options.only or list(SIMULATIONS)
    start = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        futures = {name: pool.submit(run, name, options.replications, options.seed) for name in names}
        lines = [line for name in names for line in futures[name].result()]
    seconds = time.perf_counter() - start
    text = table(lines)
    print(text)
    failed = [line for line in lines if not line.passed]
    print(f"\n{len(lines) - len(failed)} of {len(lines)} as they should be, {seconds:.0f} s")
    if options.write:
        machine = (
            f"{os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}"
        )
        some = f" --only {' '.join(options.only)}" if options.only else ""
        command = f"python -m benchmarks.calibration --replications {options.replications} --seed {options.seed}{some} --write"
        file = HOME / "benchmarks/results/calibration.json"
        part = {**header(command), "seconds": round(seconds)}
        values = [{**asdict(x), "value": float(x.value), "passed": x.passed} for x in lines]
        if options.only:  # lines of other simulations stay, with what made them
            before = json.loads(file.read_text())
            known = {line["sim"] for line in values}
            kept = [line for line in before.pop("lines") if line["sim"] not in known]
            earlier = [x for x in before.pop("parts", []) if x["command"] != command]
            held = {**before, "parts": [*earlier, part], "lines": sorted([*kept, *values], key=lambda x: x["sim"])}
        else:
            held = {**part, "lines": values}
        file.write_text(json.dumps(held, indent=1) + "\n")
        page = HOME / "docs/proof/calibration.md"
        head, _, _ = page.read_text().partition("<!-- table -->") if page.exists() else ("", "", "")
        made = "; ".join(
            f"`{x['command']}` ({machine}, {x['seconds']:.0f} s, commit {x['commit']})" for x in (held, *held.get("parts", ()))
        )
        fields = Line.__dataclass_fields__
        text = table([Line(**{k: v for k, v in line.items() if k in fields}) for line in held["lines"]])
        page.write_text(f"{head}<!-- table -->\n\n{made}\n\n{text}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
