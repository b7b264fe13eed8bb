"""Roots and minima of functions of one variable; scipy's routines are loaded when first needed, most results need none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def brentq(f: Callable[[float], float], low: float, high: float, *, xtol: float = 2e-12, rtol: float = 8.9e-16) -> float:
    """The root of a function between two points where its signs differ, by Brent's method (`scipy.optimize.brentq`)."""
    from scipy import optimize

    return float(optimize.brentq(f, low, high, xtol=xtol, rtol=rtol))


def minimize_scalar(f: Callable[[float], float], **options: Any) -> Any:
    """The minimum of a function of one variable (`scipy.optimize.minimize_scalar`)."""
    from scipy import optimize

    return optimize.minimize_scalar(f, **options)
