"""How likely the watch finds a regression: stated before shipping, so that silence means something."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
from scipy import stats as distributions

from xpbench.stats.inference import absolute
from xpbench.stats.multipliers import q_fixed
from xpbench.watch.estimators import LEAST_BEFORE, NotAnswerable, Trend, noise_of, pre_post
from xpbench.watch.series import Group, Series, WatchDay


def watch_power(*, effect: float, se: float, margin: float, alpha: float, checks: int, df: float = math.inf) -> float:
    """Chance that the last check calls a regression breached, for an estimate with a known standard error (holdback).

    Breached means: worse at level alpha / checks (two-sided, as the dates share the level), and not shown to be within the
    margin.

    Args:
        effect: True change, positive = worse, in the units of `se`.
        se: Standard error at the last check.
        margin: Worst change accepted, positive.
        alpha: Two-sided level of the plan.
        checks: Number of check dates.
        df: Degrees of freedom of the standard error.

    Source: noncentral t (Cohen 1988); for finite df the second condition uses the expected standard error.
    """
    q = q_fixed(alpha / checks, df)
    limit = _limit(q * se, margin)
    if math.isinf(df):
        return float(distributions.norm.sf((limit - effect) / se))
    return float(distributions.nct.sf(limit / se, df, effect / se))


def _limit(reach: float, margin: float) -> float:
    """Estimate from which a change is worse (beyond `reach`) and not within the margin."""
    return max(reach, margin - reach)


def watch_power_pre_post(
    *,
    effect: float,
    sd_day: float,
    autocorrelation: float,
    days_before: int,
    days_after: int,
    margin: float,
    alpha: float,
    checks: int,
    trend: Trend,
    seed: int,
    draws: int = 1000,
) -> float:
    """Chance that the last check of `pre_post` calls a regression breached, by playing the estimator itself.

    A formula with the autocorrelation taken as known promises up to 16 points too much, since a short series must estimate
    it; playing costs a second and promises what is kept.

    Args:
        effect: True change, positive = worse, in metric units.
        sd_day: Standard deviation of the daily means around their season, in metric units.
        autocorrelation: Of neighbouring days.
        days_before: Days of history.
        days_after: Days since shipping at the last check.
        margin: Worst change accepted, positive.
        alpha: Two-sided level of the plan.
        checks: Number of check dates.
        trend: As for `pre_post`.
        seed: Seed of the generator.
        draws: Series played; the Monte-Carlo error is at most 0.5 / sqrt(draws).
    """
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(draws):
        series, shipped = play(
            rng, effect=effect, sd_day=sd_day, autocorrelation=autocorrelation, days_before=days_before, days_after=days_after
        )
        pair = pre_post(series, shipped=shipped, trend=trend)
        q = q_fixed(alpha / checks, pair.df)
        found += absolute(pair, q).effect > _limit(q * pair.se, margin)
    return found / draws


def watch_power_of(
    series: Series,
    *,
    effect: float,
    margin: float,
    days_after: int,
    alpha: float,
    checks: int,
    trend: Trend,
    seed: int,
    draws: int = 400,
) -> float:
    """The same for a series of the past: its own noise and autocorrelation around weekdays and trend are played.

    Args:
        series: One group, days before shipping alone.
        effect: True change, positive = worse, in metric units.
        margin: Worst change accepted, positive, in metric units.
        days_after: Days since shipping at the last check.
        alpha: Two-sided level of the plan.
        checks: Number of check dates.
        trend: As for `pre_post`.
        seed: Seed of the generator.
        draws: Series played.

    Raises:
        NotAnswerable: fewer than 14 days.
    """
    (group,) = series.groups.values()
    if len(group.days) < LEAST_BEFORE:
        raise NotAnswerable(f"It needs {LEAST_BEFORE} days before shipping; there are {len(group.days)}.")
    sd, rho = noise_of(group.days, trend=trend)
    return watch_power_pre_post(
        effect=effect,
        sd_day=sd,
        autocorrelation=rho,
        days_before=len(group.days),
        days_after=days_after,
        margin=margin,
        alpha=alpha,
        checks=checks,
        trend=trend,
        seed=seed,
        draws=draws,
    )


def play(
    rng: np.random.Generator, *, effect: float, sd_day: float, autocorrelation: float, days_before: int, days_after: int
) -> tuple[Series, date]:
    """A series of daily means with first-order autocorrelated noise and a step, and the day of the step."""
    total = days_before + days_after
    noise = rng.normal(size=total) * sd_day
    for i in range(1, total):
        noise[i] = autocorrelation * noise[i - 1] + math.sqrt(1.0 - autocorrelation**2) * noise[i]
    start = date(2026, 1, 5)
    days = tuple(
        WatchDay(start + timedelta(days=i), 1, float(noise[i] + (effect if i >= days_before else 0.0))) for i in range(total)
    )
    return Series("played", {"": Group("", days)}), start + timedelta(days=days_before)
