"""Posterior of one variant's mean in closed form: Beta for shares, Student's t for everything else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import betainc, betaincinv, betaln, gammaln, ndtr, stdtr, stdtrit, xlog1py, xlogy

from xpbench.stats.moments import Floats


class Marginal(Protocol):
    """Distribution of one variant's mean."""

    @property
    def mean(self) -> float:
        """Expectation."""
        ...

    def cdf(self, x: Floats) -> Floats:
        """P(mean <= x)."""
        ...

    def at_normal(self, z: Floats) -> Floats:
        """The value whose probability below is Φ(z)."""
        ...

    def shortfall(self, x: Floats) -> Floats:
        """E max(x − mean, 0)."""
        ...


@dataclass(frozen=True, slots=True)
class Beta:
    """Beta(a, b): a share seen in a 0/1 metric."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        """Expectation a / (a + b)."""
        return self.a / (self.a + self.b)

    def cdf(self, x: Floats) -> Floats:
        """P(mean <= x)."""
        return np.asarray(betainc(self.a, self.b, np.clip(x, 0.0, 1.0)), dtype=np.float64)

    def at_normal(self, z: Floats) -> Floats:
        """The value whose probability below is Φ(z); the upper half by symmetry, for its digits."""
        low = _share_below(self.a, self.b, ndtr(np.minimum(z, 0.0)))
        high = 1.0 - _share_below(self.b, self.a, ndtr(-np.maximum(z, 0.0)))
        return np.where(z < 0.0, low, high)

    def shortfall(self, x: Floats) -> Floats:
        """E max(x − mean, 0), by E[M; M <= x] = E[M] F(x; a + 1, b) and F(x; a + 1, b) = F(x; a, b) − x^a (1 − x)^b / (a B)."""
        at = np.clip(x, 0.0, 1.0)
        below = betainc(self.a, self.b, at)
        edge = np.exp(xlogy(self.a, at) + xlog1py(self.b, -at) - math.log(self.a) - float(betaln(self.a, self.b)))
        return np.asarray((x - self.mean) * below + self.mean * edge, dtype=np.float64)


def _share_below(a: float, b: float, p: Floats) -> Floats:
    """Quantile of Beta(a, b); by its first term, x^a = p a B(a, b), where the library finds none (p near 1e-17)."""
    found = np.asarray(betaincinv(a, b, p), dtype=np.float64)
    with np.errstate(under="ignore"):
        first = np.exp((np.log(p) + math.log(a) + float(betaln(a, b))) / a)
    return np.where(np.isnan(found), first, found)


@dataclass(frozen=True, slots=True)
class Student:
    """Student's t around `loc`; the normal for infinite df.

    Attributes:
        loc: Centre.
        scale: Scale, above 0.
        df: Degrees of freedom, above 1 for a finite shortfall.
    """

    loc: float
    scale: float
    df: float

    @property
    def mean(self) -> float:
        """The centre."""
        return self.loc

    def cdf(self, x: Floats) -> Floats:
        """P(mean <= x)."""
        d = (np.asarray(x) - self.loc) / self.scale
        return np.asarray(ndtr(d) if math.isinf(self.df) else stdtr(self.df, d), dtype=np.float64)

    def at_normal(self, z: Floats) -> Floats:
        """The value whose probability below is Φ(z); the upper half by symmetry, for its digits."""
        if math.isinf(self.df):
            return self.loc + self.scale * z
        return np.asarray(self.loc + self.scale * np.sign(z) * -stdtrit(self.df, ndtr(-np.abs(z))), dtype=np.float64)

    def shortfall(self, x: Floats) -> Floats:
        """E max(x − mean, 0) = scale (d F(d) + (ν + d²) / (ν − 1) f(d))."""
        d = (np.asarray(x) - self.loc) / self.scale
        if math.isinf(self.df):
            tail = np.exp(-0.5 * d * d) / math.sqrt(2.0 * math.pi)
            return np.asarray(self.scale * (d * ndtr(d) + tail), dtype=np.float64)
        nu = self.df
        log = float(gammaln((nu + 1) / 2) - gammaln(nu / 2)) - 0.5 * math.log(nu * math.pi)
        density = np.exp(log - (nu + 1) / 2 * np.log1p(d * d / nu))
        return np.asarray(self.scale * (d * stdtr(nu, d) + (nu + d * d) / (nu - 1.0) * density), dtype=np.float64)
