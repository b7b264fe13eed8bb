"""Miettinen and Nurminen's score statistics for shares with few events."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Score:
    """Miettinen and Nurminen's score statistics of two proportions, for tiny counts."""

    x_c: int
    n_c: int
    x_t: int
    n_t: int
    wary: bool = False
    """Whether fewer than two expected in the smaller variant are waited for, too."""

    @property
    def tiny(self) -> bool:
        """Fewer than 10 units of a variant have the event, or lack it."""
        return min(self.x_c, self.n_c - self.x_c, self.x_t, self.n_t - self.x_t) < 10

    @property
    def many(self) -> bool:
        """The smaller variant may expect at least 200 units with the event, and without it, by the pooled share."""
        events, units = self.x_c + self.x_t, self.n_c + self.n_t
        return min(self.n_c, self.n_t) * min(events, units - events) >= 200 * units

    @property
    def rare(self) -> bool:
        """Fewer than 10 units of both variants together have the event, or lack it; or hardly any can in the smaller one."""
        events, units = self.x_c + self.x_t, self.n_c + self.n_t
        fewer = min(events, units - events)
        return fewer < 10 or (self.wary and self.tiny and min(self.n_c, self.n_t) * fewer < 2 * units)

    @property
    def silent(self) -> bool:
        """All units of both variants have, or all lack, the event."""
        return self.x_c == self.x_t == 0 or (self.x_c == self.n_c and self.x_t == self.n_t)

    def _likeliest(self, treated: Callable[[float], float], slope: float, low: float, high: float) -> float:
        """Control's share that is likeliest under a null, by bisection of the likelihood's derivative."""

        def rise(pc: float) -> float:
            pt = treated(pc)
            out = 0.0
            for x, n, p, s in ((self.x_c, self.n_c, pc, 1.0), (self.x_t, self.n_t, pt, slope)):
                out += (x and s * (x / p if p > 0 else math.inf)) - (n - x and s * ((n - x) / (1 - p) if p < 1 else math.inf))
            return out

        for _ in range(200):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            low, high = (middle, high) if rise(middle) > 0 else (low, middle)
        return (low + high) / 2

    def z_effect(self, null: float) -> float:
        """Statistic of a difference."""
        pc = self._likeliest(lambda p: min(max(p + null, 0.0), 1.0), 1.0, max(0.0, -null), min(1.0, 1 - null))
        return self._z(pc, min(max(pc + null, 0.0), 1.0), 1.0, null)

    def z_ratio(self, null: float) -> float:
        """Statistic of a ratio."""
        pc = self._likeliest(lambda p: min(p * null, 1.0), null, 0.0, min(1.0, 1 / null))
        return self._z(pc, min(pc * null, 1.0), null, 0.0)

    def matters(self, least: float, sign: int, q: float, *, whole: bool) -> tuple[bool, bool]:
        """Whether the lift reaches the smallest that matters, by estimate or whole interval, and whether that is ruled out."""
        if sign < 0 and least >= 1:
            return (False if whole else self.x_t == 0 and least == 1), True
        z = sign * self.z_ratio(1 + sign * least)
        reaches = sign * (self.x_t * self.n_c - (1 + sign * least) * self.x_c * self.n_t) >= 0
        return (z > q if whole else reaches), z < -q

    def _z(self, pc: float, pt: float, factor: float, shift: float) -> float:
        n = self.n_c + self.n_t
        variance = (pt * (1 - pt) / self.n_t + factor**2 * pc * (1 - pc) / self.n_c) * n / (n - 1)
        distance = self.x_t / self.n_t - factor * self.x_c / self.n_c - shift
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance) if distance else 0.0

    def effect(self, q: float) -> tuple[float, float, float]:
        """Difference and its interval."""
        return _effect_of(self, q)

    def lift(self, q: float) -> tuple[float | None, float | None, float | None, str]:
        """Lift, its interval, and the status where there is none."""
        return _lift_of(self, q)


@lru_cache(maxsize=256)  # a look alone and with those before it has the same intervals
def _effect_of(score: Score, q: float) -> tuple[float, float, float]:
    at = score.x_t / score.n_t - score.x_c / score.n_c
    return at, falling_root(lambda d: score.z_effect(d) - q, -1.0, at), falling_root(lambda d: score.z_effect(d) + q, at, 1.0)


@lru_cache(maxsize=256)
def _lift_of(score: Score, q: float) -> tuple[float | None, float | None, float | None, str]:
    if score.x_c == 0:
        return None, None, None, "control_near_zero" if score.x_t == 0 else "unbounded_lift"
    ratio = score.x_t * score.n_c / (score.x_c * score.n_t)
    at = math.log(ratio) if ratio > 0 else -60.0
    low = -1.0 if score.x_t == 0 else math.expm1(falling_root(lambda v: score.z_ratio(math.exp(v)) - q, -60.0, at))
    return ratio - 1, low, math.expm1(falling_root(lambda v: score.z_ratio(math.exp(v)) + q, at, 60.0)), ""


def falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function is zero; the end it stays beyond where it is nowhere."""
    inside = low * (1 - 1e-12), high * (1 - 1e-12)
    if function(inside[0]) <= 0:
        return low
    if function(inside[1]) >= 0:
        return high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2
