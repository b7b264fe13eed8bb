"""What shipping changed, as a pair of means: with a holdback, before and after with seasonality, or staggered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpbench.stats.moments import Moments, merge
from xpbench.stats.pairs import Pair, mean_pair
from xpbench.watch.series import Group, Series, WatchDay

Floats = NDArray[np.floating[Any]]
Trend = Literal["none", "linear"]

LEAST_BEFORE = 14
LEAST_AFTER = 7
HOLDBACK, SHIPPED = "holdback", "shipped"
LEAST_GROUPS = 4


class NotAnswerable(Exception):
    """Why an estimator has no answer, in a sentence."""


def holdback(series: Series) -> Pair:
    """Shipped units against the holdback, Welch's degrees of freedom.

    Args:
        series: With the groups `holdback` and `shipped`, each day with n, mean and variance. Units are counted on one day
            only (their first), so that days merge without counting a unit twice.

    Raises:
        NotAnswerable: a group or a variance is missing.

    Source: `stats.pairs.mean_pair` over merged moments (Chan, Golub, LeVeque 1983).
    """
    parts = []
    for name in (HOLDBACK, SHIPPED):
        group = series.groups.get(name)
        if group is None or not group.days:
            raise NotAnswerable(f"There is no data of the group {name!r}.")
        if any(d.variance is None for d in group.days):
            raise NotAnswerable(f"The variance is missing on a day of the group {name!r}.")
        parts.append(merge(*(Moments.of(d.n, [d.mean], [[float(d.variance or 0.0)]]) for d in group.days)))
    return mean_pair(*parts)


def pre_post(series: Series, *, shipped: date, trend: Trend) -> Pair:
    """Mean after shipping against what the days before say it would have been.

    Regression of the daily means on day of the week, a linear trend (if asked for) and a step at shipping, by generalised
    least squares with first-order autocorrelated errors (Prais and Winsten 1954), its coefficient corrected for its bias in
    short series (Kendall 1954); Student's t with the residual degrees of freedom.

    Args:
        series: One group.
        shipped: First day with the shipped variant for everyone.
        trend: `linear` protects from a drift that was there before, at the price of a wider interval.

    Raises:
        NotAnswerable: fewer than 14 days before or 7 days from shipping on.

    Assumptions: nothing else changed on that day; without a control group that can't be told apart.
    """
    group = _only(series)
    before = sum(d.day < shipped for d in group.days)
    after = len(group.days) - before
    if before < LEAST_BEFORE or after < LEAST_AFTER:
        raise NotAnswerable(
            f"It needs {LEAST_BEFORE} days before shipping and {LEAST_AFTER} after; there are {before} and {after}."
        )
    start = group.days[0].day
    y = np.array([d.mean for d in group.days])
    time = np.array([(d.day - start).days for d in group.days], dtype=np.float64)
    x = design_matrix([d.day for d in group.days], shipped=shipped, trend=trend)
    beta, covariance, df, _ = _autoregressive(x, y, time)
    post = np.array([d.day >= shipped for d in group.days])
    counterfactual = x[post].mean(axis=0)
    counterfactual[-1] = 0.0
    step = np.zeros(x.shape[1])
    step[-1] = 1.0
    mc, effect = float(counterfactual @ beta), float(beta[-1])
    vc, ve = float(counterfactual @ covariance @ counterfactual), float(covariance[-1, -1])
    c = float(counterfactual @ covariance @ step)
    n = sum(d.n for d in group.days)
    if not ve > 0:
        return Pair(mc, mc + effect, math.nan, math.nan, math.nan, math.nan, n, "zero_variance", "The days do not vary.")
    return Pair(mc, mc + effect, vc, vc + ve + 2 * c, vc + c, df, n)


def design_matrix(days: list[date], *, shipped: date, trend: Trend) -> Floats:
    """Columns: the days of the week that occur, a centred trend (if asked for), and last the step at shipping."""
    weekdays = sorted({d.weekday() for d in days})
    columns = [[1.0 if d.weekday() == w else 0.0 for d in days] for w in weekdays]
    if trend == "linear":
        index = [float((d - days[0]).days) for d in days]
        centre = sum(index) / len(index)
        columns.append([(i - centre) / max(index[-1], 1.0) for i in index])
    columns.append([1.0 if d >= shipped else 0.0 for d in days])
    return np.array(columns).T


def noise_of(days: Sequence[WatchDay], *, trend: Trend) -> tuple[float, float]:
    """Standard deviation of daily means around weekdays and trend, and the autocorrelation of neighbouring days.

    Args:
        days: Before shipping, in order.
        trend: As for `pre_post`.
    """
    y = np.array([d.mean for d in days])
    time = np.array([(d.day - days[0].day).days for d in days], dtype=np.float64)
    x = design_matrix([d.day for d in days], shipped=date.max, trend=trend)[:, :-1]
    beta, _, df, rho = _autoregressive(x, y, time)
    return math.sqrt(float(((y - x @ beta) ** 2).sum()) / max(df, 1.0)), rho


def _autoregressive(x: Floats, y: Floats, time: Floats) -> tuple[Floats, Floats, float, float]:
    """Coefficients, covariance, degrees of freedom and autocorrelation; gaps in time weaken the link between days."""
    beta: Floats = np.linalg.lstsq(x, y, rcond=None)[0]
    t, k = x.shape
    rho = 0.0
    for _ in range(20):
        residual = y - x @ beta
        near = np.diff(time) == 1
        scale = float((residual**2).mean())
        raw = float((residual[1:][near] * residual[:-1][near]).mean()) / scale if scale > 0 and near.any() else 0.0
        # fitting k columns pulls the coefficient down by about (1 + k (1 + rho)) / t (Kendall 1954, for fitted means)
        new = min(0.95, max(-0.5, raw + (1.0 + k * (1.0 + raw)) / t / 2.0))
        a, b = _whiten(x, y, time, new)
        beta = np.linalg.lstsq(a, b, rcond=None)[0]
        if abs(new - rho) < 1e-6:
            break
        rho = new
    df = float(t - k)
    noise = float(((b - a @ beta) ** 2).sum()) / df
    covariance: Floats = np.linalg.pinv(a.T @ a) * noise
    return beta, covariance, df, new


def _whiten(x: Floats, y: Floats, time: Floats, rho: float) -> tuple[Floats, Floats]:
    """Rows divided by the AR(1) link to the row before; the first is scaled."""
    a, b = np.empty_like(x), np.empty_like(y)
    first = math.sqrt(1.0 - rho * rho)
    a[0], b[0] = x[0] * first, y[0] * first
    for i in range(1, len(y)):
        gap = time[i] - time[i - 1]
        link = math.copysign(abs(rho) ** gap, rho if gap % 2 else 1.0)
        scale = math.sqrt((1.0 - rho * rho) / (1.0 - link * link)) if link * link < 1 else 1.0
        a[i], b[i] = (x[i] - link * x[i - 1]) * scale, (y[i] - link * y[i - 1]) * scale
    return a, b


def staggered(series: Series, *, window_days: int = 28) -> Pair:
    """Groups that adopted against groups that had not yet, each compared with its own days before.

    For every group that adopted, its mean after adoption minus before, minus the same difference of the groups that had not
    adopted by then, over the same days; averaged with the group's units as weights. Never a comparison with groups that
    adopted earlier, whose effects may still grow (the trap of two-way fixed effects). Variances by leaving out one group at
    a time.

    Args:
        series: At least 4 groups, some of them with `adopted`.
        window_days: Days before and after adoption that count.

    Raises:
        NotAnswerable: too few groups, or nobody left who had not adopted.

    Source: Callaway and Sant'Anna 2021, not-yet-treated comparison; jackknife of clusters, Efron and Stein 1981.
    """
    groups = [g for g in series.groups.values() if g.days]
    if len(groups) < LEAST_GROUPS:
        raise NotAnswerable(f"It needs {LEAST_GROUPS} groups; there are {len(groups)}.")
    whole = _did(groups, window_days)
    if whole is None:
        raise NotAnswerable("No group adopted while another had not yet, with days before and after.")
    # A group may be the only one of its kind; leaving it out then gives nothing, and the others carry the variance.
    left = [e for i in range(len(groups)) if (e := _did(groups[:i] + groups[i + 1 :], window_days)) is not None]
    if len(left) < LEAST_GROUPS - 1:
        raise NotAnswerable("Too few groups to judge the noise by leaving one out.")
    values = np.array(left)
    k = len(left)
    spread = (values - values.mean(axis=0)).T @ (values - values.mean(axis=0)) * (k - 1) / k
    effect, after = whole
    ve, vt, cet = float(spread[0, 0]), float(spread[1, 1]), float(spread[0, 1])
    n = sum(d.n for g in groups for d in g.days)
    mc = after - effect
    if not ve > 0:
        return Pair(mc, after, math.nan, math.nan, math.nan, math.nan, n, "zero_variance", "The groups do not vary.")
    return Pair(mc, after, vt + ve - 2 * cet, vt, vt - cet, float(k - 1), n)


def _did(groups: list[Group], window: int) -> tuple[float, float] | None:
    """Effect and mean after adoption over all groups that adopted; None where there is no comparison."""
    effects, means, weights = [], [], []
    tables = {g.name: {d.day: d for d in g.days} for g in groups}
    for group in groups:
        if group.adopted is None:
            continue
        own = tables[group.name]
        before = [d for d in own if 0 < (group.adopted - d).days <= window]
        after = [d for d in own if 0 <= (d - group.adopted).days < window]
        others = [
            h
            for h in groups
            if h.name != group.name and (h.adopted is None or h.adopted > group.adopted) and set(before) <= set(tables[h.name])
        ]
        after = [d for d in after if any(_free(h, d) and d in tables[h.name] for h in others)]
        if not before or not after:
            continue
        moved, weight = 0.0, 0.0
        own_before = _mean(own, before)
        for h in others:
            days = [d for d in after if _free(h, d) and d in tables[h.name]]
            if not days:
                continue
            change = (_mean(own, days) - own_before) - (_mean(tables[h.name], days) - _mean(tables[h.name], before))
            size = float(len(days))
            moved += change * size
            weight += size
        units = float(sum(own[d].n for d in after))
        effects.append(moved / weight)
        means.append(_mean(own, after))
        weights.append(units)
    if not weights:
        return None
    total = sum(weights)
    return (
        sum(e * w for e, w in zip(effects, weights, strict=True)) / total,
        sum(m * w for m, w in zip(means, weights, strict=True)) / total,
    )


def _free(group: Group, day: date) -> bool:
    return group.adopted is None or day < group.adopted


def _mean(table: dict[date, WatchDay], days: list[date]) -> float:
    return sum(table[d].mean for d in days) / len(days)


def _only(series: Series) -> Group:
    if len(series.groups) != 1:
        raise NotAnswerable(f"Before and after compares one group with itself; there are {len(series.groups)}.")
    return next(iter(series.groups.values()))
