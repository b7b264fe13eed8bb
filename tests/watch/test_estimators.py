"""Estimators of what shipping changed: against other implementations, with their false alarms and power."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats as oracle

from xpbench.stats.inference import absolute
from xpbench.stats.multipliers import q_fixed
from xpbench.watch.estimators import NotAnswerable, _autoregressive, design_matrix, holdback, pre_post, staggered
from xpbench.watch.power import play, watch_power, watch_power_pre_post
from xpbench.watch.series import Group, Series, WatchDay

START = date(2026, 1, 5)


def _days(values: np.ndarray, n: int = 100) -> tuple[WatchDay, ...]:
    return tuple(WatchDay(START + timedelta(days=i), n, float(v)) for i, v in enumerate(values))


def test_holdback_is_welch_over_all_days() -> None:
    """Merged days give scipy's test over all units."""
    rng = np.random.default_rng(1)
    samples = {"holdback": [rng.normal(5, 2, 40) for _ in range(5)], "shipped": [rng.normal(5.2, 3, 200) for _ in range(5)]}
    groups = {
        k: Group(k, tuple(WatchDay(START + timedelta(days=i), len(v), v.mean(), v.var(ddof=1)) for i, v in enumerate(days)))
        for k, days in samples.items()
    }
    pair = holdback(Series("m", groups))
    a, b = (np.concatenate(samples[k]) for k in ("holdback", "shipped"))
    expected = oracle.ttest_ind(b, a, equal_var=False)
    assert pair.effect / pair.se == pytest.approx(expected.statistic, rel=1e-9)
    assert pair.df == pytest.approx(expected.df, rel=1e-9)


def test_holdback_without_variance_has_no_answer() -> None:
    """The variance is needed, and said so."""
    groups = {k: Group(k, _days(np.ones(3))) for k in ("holdback", "shipped")}
    with pytest.raises(NotAnswerable, match="variance"):
        holdback(Series("m", groups))


def test_pre_post_matches_statsmodels_gls() -> None:
    """With the coefficient that was found, the estimate is statsmodels' GLS with AR(1) errors."""
    rng = np.random.default_rng(4)
    series, shipped = play(rng, effect=0.8, sd_day=1.0, autocorrelation=0.4, days_before=56, days_after=28)
    pair = pre_post(series, shipped=shipped, trend="linear")
    group = series.groups[""]
    x = design_matrix([d.day for d in group.days], shipped=shipped, trend="linear")
    y = np.array([d.mean for d in group.days])
    rho = _autoregressive(x, y, np.arange(84.0))[3]
    assert rho == pytest.approx(0.4, abs=0.3)
    fit = _gls(x, y, rho)
    assert fit.params[-1] == pytest.approx(pair.effect, rel=1e-9)
    assert fit.bse[-1] == pytest.approx(pair.se, rel=1e-9)
    assert fit.df_resid == pair.df


def _gls(x: np.ndarray, y: np.ndarray, rho: float) -> Any:
    lag = np.abs(np.subtract.outer(np.arange(len(y)), np.arange(len(y))))
    return sm.GLS(y, x, sigma=np.where(lag == 0, 1.0, rho ** lag.astype(float))).fit()


@pytest.mark.parametrize(("rho", "trend"), [(0.0, "none"), (0.4, "linear")])
def test_pre_post_false_alarms(rho: float, trend: str) -> None:
    """Without a change at most about 5 % alarms (band: 3 Monte-Carlo errors plus what a short series costs)."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(300):
        series, shipped = play(rng, effect=0.0, sd_day=1.0, autocorrelation=rho, days_before=56, days_after=28)
        pair = pre_post(series, shipped=shipped, trend=trend)  # type: ignore[arg-type]
        found = absolute(pair, q_fixed(0.05, pair.df))
        alarms += found.ci_low > 0 or found.ci_high < 0
    assert alarms / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5 + 0.02


def test_power_of_pre_post_is_kept() -> None:
    """A 2 % regression is found as often as stated, within 5 points, by an independent simulation with a week's pattern."""
    mean, effect, sd, rho = 100.0, 2.0, 1.4, 0.3
    stated = watch_power_pre_post(
        effect=effect,
        sd_day=sd,
        autocorrelation=rho,
        days_before=56,
        days_after=28,
        margin=0.5,
        alpha=0.05,
        checks=3,
        trend="linear",
        seed=1,
        draws=500,
    )
    rng = np.random.default_rng(99)
    found, runs = 0, 500
    for _ in range(runs):
        e = np.empty(84)
        e[0] = rng.normal(0, sd)
        for i in range(1, 84):
            e[i] = rho * e[i - 1] + rng.normal(0, sd * (1 - rho**2) ** 0.5)
        season = np.array([0, 1, 2, 1, 0, -6, -7])[np.arange(84) % 7]
        values = mean + season + e - effect * (np.arange(84) >= 56)
        series = Series("m", {"": Group("", _days(values))})
        pair = pre_post(series, shipped=START + timedelta(days=56), trend="linear")
        q = q_fixed(0.05 / 3, pair.df)
        found += absolute(pair, q).ci_high < 0 and pair.effect - q * pair.se < -0.5
    assert 0.3 < stated < 0.97
    assert abs(found / runs - stated) <= 0.05 + 2 * (0.25 * 2 / runs) ** 0.5 / 2


def test_power_of_holdback_is_kept() -> None:
    """Closed form against simulation, within 3 Monte-Carlo errors."""
    se = 3.0 * (1 / 2000 + 1 / 8000) ** 0.5
    stated = watch_power(effect=0.2, se=se, margin=0.05, alpha=0.05, checks=3)
    rng = np.random.default_rng(3)
    z = rng.normal(0.2 / se, 1, 20_000)
    q = oracle.norm.isf(0.05 / 6)
    found = ((z > q) & (z * se + q * se > 0.05)).mean()
    assert stated == pytest.approx(found, abs=3 * (0.25 / 20_000) ** 0.5)


def _markets(rng: np.random.Generator, *, groups: int, effect: float) -> Series:
    common = np.cumsum(rng.normal(0, 0.3, 84))
    out = {}
    for g in range(groups):
        adopted = None if g < groups // 3 else START + timedelta(days=28 + 14 * (g % 3))
        values = rng.normal(100, 5) + common + rng.normal(0, 1, 84)
        if adopted is not None:
            values[(adopted - START).days :] += effect
        out[str(g)] = Group(str(g), _days(values), adopted)
    return Series("m", out)


def test_staggered_finds_the_effect_and_no_other() -> None:
    """The mean over runs is the planted effect; a shared drift does not fool it."""
    rng = np.random.default_rng(5)
    effects = [staggered(_markets(rng, groups=9, effect=1.0)).effect for _ in range(25)]
    assert np.mean(effects) == pytest.approx(1.0, abs=4 * np.std(effects) / 5)


def test_staggered_is_two_by_two_by_hand() -> None:
    """With one adopting date the estimate is the difference of differences."""
    rng = np.random.default_rng(6)
    values = {g: rng.normal(10, 1, 56) for g in "abcd"}
    adopted = START + timedelta(days=28)
    groups = {g: Group(g, _days(v), adopted if g in "ab" else None) for g, v in values.items()}
    change = {g: v[28:].mean() - v[:28].mean() for g, v in values.items()}
    by_hand = (change["a"] + change["b"]) / 2 - (change["c"] + change["d"]) / 2
    assert staggered(Series("m", groups)).effect == pytest.approx(by_hand, rel=1e-9)


def test_too_few_groups_have_no_answer() -> None:
    """Three groups, or nobody left to compare with."""
    rng = np.random.default_rng(6)
    with pytest.raises(NotAnswerable, match="4 groups"):
        staggered(_markets(rng, groups=3, effect=0))
    same = {g: Group(g, _days(rng.normal(size=56)), START + timedelta(days=28)) for g in "abcd"}
    with pytest.raises(NotAnswerable, match="had not yet"):
        staggered(Series("m", same))


def test_constant_days_have_a_status() -> None:
    """No noise, no interval, no claim."""
    series = Series("m", {"": Group("", _days(np.ones(60)))})
    pair = pre_post(series, shipped=START + timedelta(days=40), trend="none")
    assert pair.status in ("ok", "zero_variance")
    assert not (pair.status == "ok" and abs(pair.effect) > 1e-9)
