"""Mixpanel's documented numbers, reproduced *next to* ours, each with the reason why they differ.

Nothing here is recommended. It answers "why does Mixpanel say something else?": unpooled z instead of Welch's t, sessions as
Poisson counts, formulas and ratios whose parts count as uncorrelated, a two-sided p compared with (1 − confidence) / 2, and a
posterior by 50,000 draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import ndtr, ndtri

from xpbench.stats.arguments import check_choice, check_share, refuse
from xpbench.stats.bayes import beta_marginals, nig_marginal
from xpbench.stats.exact import dot, quadratic
from xpbench.stats.functionals import Functional, functional
from xpbench.stats.inference import Direction
from xpbench.stats.marginals import Beta, Student
from xpbench.stats.moments import Floats, Moments
from xpbench.stats.multiplicity import bh
from xpbench.stats.pairs import Pair
from xpbench.stats.proportion import EventCounts

Kind = Literal["rate", "total", "sessions", "value", "formula"]
KINDS: tuple[str, ...] = ("rate", "total", "sessions", "value", "formula")

WHY: dict[str, str] = {
    "t": "Ours uses Welch's t distribution, Mixpanel the normal; they agree from a few hundred units on.",
    "ddof": "Mixpanel's variance of a rate is p (1 − p); ours divides by n − 1.",
    "poisson": "Mixpanel takes sessions as Poisson counts (variance = mean). Real counts vary more between units, so its "
    "interval is too narrow; ours uses the variance that was observed.",
    "uncorrelated": "Mixpanel takes the parts of a formula as uncorrelated. They come from the same units, so ours uses their "
    "covariance; the sign of the difference is that of the correlation.",
    "rule": "Mixpanel compares a two-sided p with (1 − confidence) / 2, at 95 % with 0.025, which is a test at 97.5 %; ours "
    "compares it with 1 − confidence.",
}
"""Reasons in words, by name."""


@dataclass(frozen=True, slots=True)
class MixpanelResult:
    """Mixpanel's numbers for one comparison.

    Attributes:
        rate_c: Group rate of the control.
        rate_t: Group rate of the treatment.
        lift: (rate_t − rate_c) / rate_c.
        variance_c: Variance per unit as documented for the kind.
        variance_t: Likewise.
        se: sqrt(variance_c / n_c + variance_t / n_t).
        z: Difference over se.
        p_value: Two-sided, from the normal.
        significant_documented: p <= (1 − confidence) / 2, as the documentation says.
        significant_two_sided: p <= 1 − confidence, as its examples of corrections imply.
        why: Names in `WHY` of what makes these numbers differ from ours.
    """

    rate_c: float
    rate_t: float
    lift: float
    variance_c: float
    variance_t: float
    se: float
    z: float
    p_value: float
    significant_documented: bool
    significant_two_sided: bool
    why: tuple[str, ...]

    def reasons(self) -> list[str]:
        """The reasons in words."""
        return [WHY[name] for name in self.why]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None; reasons in words."""
        out: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__ if name != "why"}
        out = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in out.items()}
        return out | {"why": self.reasons()}


def _variance(m: Moments, *, kind: Kind, subject: Functional) -> tuple[float, float]:
    """Rate and variance per unit, as documented."""
    rate, gradient = subject.at(m.mean)
    value = float(rate)
    if kind == "rate":
        return value, value * (1.0 - value)
    if kind == "sessions":
        return value, value
    if kind == "formula":
        return value, dot(gradient**2, np.diag(m.cov))
    return value, quadratic(gradient, m.cov, gradient)


def mixpanel_test(c: Moments, t: Moments, *, kind: Kind, subject: int | Functional, confidence: float) -> MixpanelResult:
    """Mixpanel's frequentist result for one metric, as documented.

    Args:
        c: Moments of the control.
        t: Moments of the treatment.
        kind: `rate` (conversion, retention, uniques), `total` (events), `sessions`, `value` (sum of a property) or `formula`
            (also ratios).
        subject: Column, ratio or formula.
        confidence: For example 0.95.

    Source: Mixpanel's documentation of experiment statistics; its example 5/10 against 6/10 gives z 0.4518, p 0.65.
    """
    check_choice("kind", kind, KINDS)
    check_share("confidence", confidence)
    what = functional(subject)
    (rc, vc), (rt, vt) = _variance(c, kind=kind, subject=what), _variance(t, kind=kind, subject=what)
    variance = vc / c.n + vt / t.n if c.n and t.n else math.nan
    se = math.sqrt(variance) if variance >= 0.0 else math.nan  # a "rate" above 1 or a negative count has no such variance
    z = (rt - rc) / se if se > 0.0 else math.nan
    p = 2.0 * float(ndtr(-abs(z)))
    why = ["t", {"rate": "ddof", "sessions": "poisson", "formula": "uncorrelated"}.get(kind, ""), "rule"]
    return MixpanelResult(
        rate_c=rc,
        rate_t=rt,
        lift=(rt - rc) / rc if rc != 0.0 else math.nan,
        variance_c=vc,
        variance_t=vt,
        se=se,
        z=z,
        p_value=p,
        significant_documented=p <= (1.0 - confidence) / 2.0,
        significant_two_sided=p <= 1.0 - confidence,
        why=tuple(w for w in why if w),
    )


def mixpanel_bonferroni(*, confidence: float, metrics: int, treatments: int) -> float:
    """Confidence per comparison after Mixpanel's Bonferroni: 1 − (1 − confidence) / (metrics × treatments)."""
    if min(metrics, treatments) < 1:
        raise refuse("metrics", f"{metrics} × {treatments}", "at least one metric and one treatment are compared")
    return 1.0 - (1.0 - check_share("confidence", confidence)) / (metrics * treatments)


def mixpanel_bh(p_values: Sequence[float], *, confidence: float) -> list[bool]:
    """Which p-values Mixpanel's Benjamini–Hochberg keeps, at alpha = 1 − confidence."""
    return [bool(p <= 1.0 - check_share("confidence", confidence) + 1e-12) for p in bh(p_values)]


def mixpanel_tau(pair: Pair, *, alpha: float) -> float:
    """τ of the moving mixture that one public implementation uses: τ² = V z², recomputed from the current variance.

    It shrinks as data come in, so it is no fixed prior and the result is not anytime-valid; shown for comparison only. Mixpanel
    itself publishes no τ.
    """
    return -float(ndtri(check_share("alpha", alpha))) * math.sqrt(pair.variance)


def johari_tau(*, sigma: float, alpha: float, n: float) -> float:
    """τ of the effect for truncation at n, as Johari et al. suggest it.

    With b = 2 ln(1/α) / sqrt(n σ²): τ² = σ² Φ(−b) / (φ(b) / b − Φ(−b)).

    Args:
        sigma: Standard deviation per unit.
        alpha: Level.
        n: Units at which the test is truncated.

    Source: Johari, Koomen, Pekelis, Walsh 2017, §5.3.
    """
    b = 2.0 * math.log(1.0 / check_share("alpha", alpha)) / math.sqrt(n * sigma**2)
    below = float(ndtr(-b))
    density = math.exp(-0.5 * b * b) / math.sqrt(2.0 * math.pi)
    return math.sqrt(sigma**2 * below / (density / b - below))


@dataclass(frozen=True, slots=True)
class MixpanelPosterior:
    """Mixpanel's Bayesian numbers: shares and quantiles of draws.

    Attributes:
        chance: Share of draws in which the treatment is better; exactly 0 or 1 is possible.
        lift: Median of the drawn lifts.
        low: Lower end of the narrowest 95 % of drawn lifts.
        high: Upper end.
        draws: Number of draws.
        seed: Seed of the draws.
    """

    chance: float
    lift: float
    low: float
    high: float
    draws: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        out: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in out.items()}


def mixpanel_posterior(
    c: Moments,
    t: Moments,
    *,
    kind: Kind,
    subject: int | Functional,
    direction: Direction,
    mass: float,
    draws: int,
    seed: int,
) -> MixpanelPosterior:
    """Mixpanel's posterior by seeded draws; `bayes` has the same without draws.

    Mixpanel documents 50,000 draws and a fixed seed but not the generator, so the last digits are ours.

    Args:
        c: Moments of the control.
        t: Moments of the treatment.
        kind: `rate` takes the Beta model, all others the Normal–Inverse-Gamma model; `formula` without covariances.
        subject: Column, ratio or formula.
        direction: Which way is better.
        mass: Probability inside the interval.
        draws: Number of draws per variant.
        seed: Seed of numpy's default generator.
    """
    what = functional(subject)
    rng = np.random.default_rng(seed)
    if kind == "rate":
        (rc, _), (rt, _) = (_variance(m, kind=kind, subject=what) for m in (c, t))
        marginals: tuple[Beta, Beta] | tuple[Student, Student] = beta_marginals(
            EventCounts(round(rc * c.n), c.n, round(rt * t.n), t.n)
        )
    else:
        parts = [_variance(m, kind="formula" if kind == "formula" else "total", subject=what) for m in (c, t)]
        n = c.n + t.n
        centre = (c.n * parts[0][0] + t.n * parts[1][0]) / n
        spread = (c.n * parts[0][1] + t.n * parts[1][1]) / n
        marginals = tuple(  # type: ignore[assignment]
            nig_marginal(n=m.n, mean=mean, variance=variance, prior_mean=centre, prior_variance=spread)
            for m, (mean, variance) in zip((c, t), parts, strict=True)
        )
    drawn_c, drawn_t = (_draw(m, size=draws, rng=rng) for m in marginals)
    better = drawn_t > drawn_c if direction == "increase" else drawn_t < drawn_c
    lifts = np.sort((drawn_t - drawn_c) / np.abs(drawn_c))
    inside = min(math.ceil(mass * draws), draws - 1)
    start = int(np.argmin(lifts[inside:] - lifts[: draws - inside]))
    return MixpanelPosterior(
        float(better.mean()), float(np.median(lifts)), float(lifts[start]), float(lifts[start + inside]), draws, seed
    )


def _draw(marginal: Beta | Student, *, size: int, rng: np.random.Generator) -> Floats:
    if isinstance(marginal, Beta):
        return rng.beta(marginal.a, marginal.b, size)
    return marginal.loc + marginal.scale * rng.standard_t(marginal.df, size)
