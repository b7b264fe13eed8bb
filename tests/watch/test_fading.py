"""Novelty after shipping: fading, growing or steady on the ratio scale, held against curve_fit; silent where data can't say."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit

from xpbench.watch.fading import novelty_of
from xpbench.watch.forecast import blocks_of
from xpbench.watch.series import Group, Series, WatchDay

FIRST = date(2026, 12, 20)  # the series crosses the year


def series(lifts: list[float], *, seed: int = 1, base: float = 0.2, n: int = 20_000, season: float = 0.3) -> Series:
    """A holdback and shipped units by day, whose level has a season."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[WatchDay]] = {"holdback": [], "shipped": []}
    for i, lift in enumerate(lifts):
        level = base * (1 + season * math.sin(2 * math.pi * i / 28))
        for name, mean in (("holdback", level), ("shipped", level * (1 + lift))):
            share = rng.binomial(n, mean) / n
            groups[name].append(WatchDay(FIRST + timedelta(days=i), n, share, share * (1 - share) * n / (n - 1)))
    return Series("out", {k: Group(k, tuple(v)) for k, v in groups.items()})


FADES = [0.3 * math.exp(-i / 8) for i in range(28)]


@pytest.mark.parametrize(
    ("lifts", "word"),
    [
        (FADES, "fading"),
        ([-x for x in FADES], "fading"),
        ([0.3 - x for x in FADES], "growing"),
        ([0.2] * 28, "steady"),
        ([0.0] * 28, "steady"),
    ],
)
def test_the_verdict_is_what_was_planted(lifts: list[float], word: str) -> None:
    found = novelty_of(series(lifts), alpha=0.01)
    assert found is not None
    assert found.word == word
    assert found.low < found.per_week < found.high


@pytest.mark.parametrize("lifts", [FADES, [0.1] * 28])
def test_slope_interval_and_p_are_those_of_curve_fit(lifts: list[float]) -> None:
    own = series(lifts)
    time, y, noise = blocks_of(own) or pytest.fail("blocks")
    found = novelty_of(own, alpha=0.05)
    assert found is not None
    (_, slope), cov = curve_fit(lambda x, a, b: a + b * x, time, y, sigma=np.sqrt(noise), absolute_sigma=True)
    line = np.polyfit(time, y, 1, w=1 / np.sqrt(noise))
    df = len(y) - 2
    residual = float(((y - np.polyval(line, time)) ** 2 / noise).sum()) / df
    law = stats.t(df) if residual > 1 else stats.norm()
    se = math.sqrt(cov[1, 1] * max(residual, 1.0))
    assert math.log1p(found.per_week) / 7 == pytest.approx(slope, rel=1e-6)
    assert math.log1p(found.high) / 7 == pytest.approx(slope + law.isf(0.025) * se, rel=1e-5)
    assert found.p_value == pytest.approx(2 * law.sf(abs(slope) / se), rel=1e-4)


def test_where_the_data_cant_say_there_is_no_verdict() -> None:
    assert novelty_of(series(FADES[:14]), alpha=0.05) is None
    assert novelty_of(series([-1.0] * 28), alpha=0.05) is None
    assert novelty_of(Series("out", {"": series(FADES).groups["shipped"]}), alpha=0.05) is None


def test_a_constant_lift_is_called_moving_as_often_as_the_level_says() -> None:
    wrong = sum(novelty_of(series([0.15] * 28, seed=s, n=2000), alpha=0.05).word != "steady" for s in range(400))  # type: ignore[union-attr]
    assert wrong <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)
    assert wrong >= 2, "a test that never rejects holds no level"
