"""Mixpanel's documented test, which is next to a row for comparison: unpooled z, its own variances."""

from __future__ import annotations

import math

from xpbench.verifier.estimates import functional_of
from xpbench.verifier.pairs import NAN, quadratic_form
from xpbench.verifier.quantiles import normal_isf, normal_tail
from xpbench.verifier.report import J

DOCUMENTED = "Mixpanel's documented test"
_RATES = ("conversion", "retention", "funnel")
_FORMULAS = ("mean", "ratio", "formula")


def documented_test(metric: J, c: J, t: J, *, share: bool, alpha: float) -> tuple[dict[str, J], float]:
    """Effect, interval and lift of the documented test, and its two-sided p-value.

    A rate has the variance p (1 − p), sessions that of Poisson counts, and the parts of a formula count as uncorrelated.
    """
    subject, _ = functional_of(metric, c["columns"])

    def rate_and_variance(cell: J) -> tuple[float, float]:
        value, gradient = subject(cell["mean"])
        if metric["kind"] in _RATES or (metric["kind"] not in (*_FORMULAS, "count", "sessions", "sum") and share):
            return value, value * (1 - value)
        if metric["kind"] == "sessions":
            return value, value
        if metric["kind"] in _FORMULAS:
            return value, math.fsum(g * g * cell["cov"][i][i] for i, g in enumerate(gradient))
        return value, quadratic_form(gradient, cell["cov"], gradient)

    (rc, vc), (rt, vt) = rate_and_variance(c), rate_and_variance(t)
    se = math.sqrt(vc / c["n"] + vt / t["n"]) if vc + vt >= 0 else NAN
    effect, reach = rt - rc, normal_isf(alpha / 2) * se
    row: dict[str, J] = {
        "effect": effect,
        "ci_low": effect - reach,
        "ci_high": effect + reach,
        "lift": effect / rc if rc else None,
        "lift_low": None,
        "lift_high": None,
        "status": "ok",
    }
    return row, 2 * normal_tail(abs(effect / se)) if se > 0 else NAN
