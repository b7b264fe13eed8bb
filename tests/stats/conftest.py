"""Moments of known values, for the tests of the statistics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xpbench.stats.moments import Moments


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_240_229)


@pytest.fixture
def draw(rng: np.random.Generator) -> Callable[..., tuple[Moments, Moments, np.ndarray, np.ndarray]]:
    """Two variants with a metric and a covariate that foretells it, as moments and as rows (columns × units)."""

    def make(n_c: int = 400, n_t: int = 600, effect: float = 0.3, slope_t: float = 1.0) -> tuple:
        x_c, x_t = rng.normal(5, 2, n_c), rng.normal(5, 2, n_t)
        y_c = 10 + x_c + rng.gamma(2.0, 1.0, n_c)
        y_t = 10 + effect + slope_t * x_t + rng.gamma(2.0, 1.5, n_t)
        c, t = np.array([y_c, x_c]), np.array([y_t, x_t])
        return Moments.of_values(*c), Moments.of_values(*t), c, t

    return make
