"""Tails and quantiles of the normal, Student's t and chi-squared."""

from __future__ import annotations

import math
import statistics


def normal_tail(z: float) -> float:
    """P(Z > z)."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_isf(p: float) -> float:
    """Z with P(Z > z) = p."""
    return -statistics.NormalDist().inv_cdf(p)


def t_tail(t: float, df: float) -> float:
    """P(T > t) of Student's t."""
    if math.isinf(df):
        return normal_tail(t)
    if t < 0:
        return 1 - t_tail(-t, df)
    if df > 1e6:  # Wallace 1959; off by less than 1 / df² here
        return normal_tail((8 * df + 1) / (8 * df + 3) * math.sqrt(df * math.log1p(t * t / df)))
    y = t * t / (df + t * t)
    return 0.5 * (1 - _beta(y, 0.5, df / 2)) if y < 1.5 / (df / 2 + 2.5) else 0.5 * _beta(df / (df + t * t), df / 2, 0.5)


def t_isf(p: float, df: float) -> float:
    """T with P(T > t) = p, for p below one half."""
    z = normal_isf(p)
    if math.isinf(df):
        return z
    g = z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
    if df > 1e6:
        return g
    low, high = 0.0, max(g, 1.0)
    while t_tail(high, df) > p:
        low, high = high, high * 2
    t = min(max(g, low), high)
    for _ in range(200):
        tail = t_tail(t, df)
        low, high = (t, high) if tail > p else (low, t)
        density = math.exp(-_log_beta_half(df / 2) - 0.5 * math.log(df) - (df + 1) / 2 * math.log1p(t * t / df))
        step = t + (tail - p) / density if density > 0 else math.inf
        new = step if low < step < high else (low + high) / 2
        if abs(new - t) <= 4e-16 * t:
            return new
        t = new
    return t


def _log_beta_half(a: float) -> float:
    """Ln B(a, 1/2) without the cancellation of large log-gammas."""
    if a < 50:
        return math.lgamma(a) + math.lgamma(0.5) - math.lgamma(a + 0.5)
    ratio = 0.5 * math.log(a) - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5)  # ln Γ(a + 1/2) − ln Γ(a)
    return math.lgamma(0.5) - ratio


def _beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b) where a or b is 1/2, by its continued fraction."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    half = a if b == 0.5 else b
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta_half(half)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    h = d
    for m in range(1, 20_000):
        for top in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + top * d) or tiny)
            c = (1 + top / c) or tiny
            h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * h


def chi2_tail(x: float, df: int) -> float:
    """P(χ² > x) for whole df, by the finite sums for even and odd degrees of freedom."""
    if x <= 0:
        return 1.0
    half = x / 2
    if df % 2 == 0:
        term = total = math.exp(-half)
        for i in range(1, df // 2):
            term *= half / i
            total += term
        return total
    total = math.erfc(math.sqrt(half))
    term = math.exp(-half) * math.sqrt(half) / math.gamma(1.5)
    for i in range(1, df // 2 + 1):
        total += term
        term *= half / (i + 0.5)
    return total
