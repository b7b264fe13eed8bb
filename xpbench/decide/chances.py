"""Chances of a run that has been read: what it could have found, and what more units would give. The standard library alone.

Everything follows from the frozen numbers of a row (estimate, interval, standard error, units), so that a memo can say it and
whoever checks the memo can compute it again without this package's statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any


class Normal:
    """The standard normal, without the module `statistics`: a script of that name may be next to the caller's."""

    @staticmethod
    def cdf(x: float) -> float:
        """Probability below x."""
        return 0.5 * math.erfc(-x / math.sqrt(2.0))

    @staticmethod
    def pdf(x: float) -> float:
        """Density at x."""
        return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)

    @staticmethod
    def inv_cdf(p: float) -> float:
        """The place with probability p below it, by Newton's steps on the logarithm of the smaller tail."""
        tail = min(p, 1.0 - p)
        z = math.sqrt(max(-2.0 * math.log(2.0 * tail), 0.0))
        for _ in range(60):
            above = 0.5 * math.erfc(z / math.sqrt(2.0))
            step = above * math.log(above / tail) * math.sqrt(2.0 * math.pi) * math.exp(0.5 * z * z)
            z += step
            if abs(step) <= 1e-15 * max(z, 1.0):
                break
        return z if p > 0.5 else -z


NORMAL = Normal()
MOST = 400.0
"""Extensions beyond so many times the units are not a plan."""
_POCOCK = {2: 1.111, 3: 1.168, 4: 1.205, 5: 1.231}
"""Pocock's constants over the normal's at 5 %, by number of looks (Jennison and Turnbull 2000, table 2.1)."""


def relative_error(row: Mapping[str, Any]) -> float | None:
    """Standard error of the lift as a share of the control's mean, its noise left out; None where there is none."""
    if not row["se"] or not row["mean_control"]:
        return None
    return float(row["se"]) / abs(float(row["mean_control"]))


def multiplier(row: Mapping[str, Any]) -> float:
    """How many standard errors the row's interval reaches to each side; the normal's where it has none."""
    if row["se"] and row["ci_low"] is not None and row["ci_high"] is not None:
        return (float(row["ci_high"]) - float(row["ci_low"])) / (2.0 * float(row["se"]))
    return NORMAL.inv_cdf(1.0 - float(row["alpha"]) / 2.0)


def could_find(row: Mapping[str, Any], power: float) -> float | None:
    """Smallest lift, either way, that this run would have called significant with that chance.

    (q + z_power) · se / |mean of the control|, with the multiplier q of the interval that is shown.

    Args:
        row: Of a readout.
        power: Chance, from the plan.
    """
    error = relative_error(row)
    return None if error is None else (multiplier(row) + NORMAL.inv_cdf(power)) * error


def threshold(error: float, q: float, policy: str, least: float | None) -> float:
    """Lift from which on an estimate wins by the plan's rule.

    Args:
        error: Standard error of the lift.
        q: Multiplier of the interval.
        policy: `decision.practical`.
        least: `min_lift`.
    """
    if policy == "none" or not least:
        return q * error
    return max(q * error, least) if policy == "estimate" else q * error + least


def chance(lift: float, error: float, bar: float) -> float:
    """Chance that an estimate of that standard error exceeds the bar where that is the true lift."""
    return NORMAL.cdf((lift - bar) / error)


def chance_from_here(lift: float, seen: float, error: float, times: float, bar: float) -> float:
    """The same at `times` the units, given what has been seen by now: conditional power.

    The estimate then is f · seen + (1 − f) · new with f = 1 / times, and new has the variance error² / (times − 1).

    Args:
        lift: True lift.
        seen: Estimate by now.
        error: Its standard error.
        times: Units then over units now, above 1.
        bar: Lift from which on the estimate wins then.

    Source: Lan and Wittes 1988, the B-value.
    """
    f = 1.0 / times
    return NORMAL.cdf((f * seen + (1.0 - f) * lift - bar) / (error * math.sqrt(f * (1.0 - f))))


def split_in_all(plan: Mapping[str, Any]) -> float:
    """Sum of the variants' splits: 1, or less where a treatment was dropped."""
    return sum(float(v["split"]) for v in plan["variants"]) or 1.0


def multiplier_at(plan: Mapping[str, Any], alpha: float, units: float, share: float) -> float:
    """Multiplier of the plan's design for a comparison that is read at that many units, its last look where looks are planned.

    Args:
        plan: As a dictionary.
        alpha: Two-sided level of the comparison.
        units: Of control and treatment together.
        share: Of the two of all units.
    """
    model = plan["model"]
    fixed = NORMAL.inv_cdf(1.0 - alpha / 2.0)
    if model["kind"] == "sequential":
        level = round(1.0 - model["confidence"], 12)
        if model.get("n_opt"):
            registered = share * split_in_all(plan)  # of the units that the plan was registered for
            k = units * (-2.0 * math.log(level) + math.log1p(-2.0 * math.log(level))) / (model["n_opt"] * registered)
        else:
            parts = [v["split"] / split_in_all(plan) for v in plan["variants"]]
            own = max(parts) / share if share else 0.5
            k = units * (model.get("tau") or 0.0) ** 2 * own * (1.0 - own)
        return math.sqrt((k + 1.0) / k * (math.log(k + 1.0) - 2.0 * math.log(alpha))) if k > 0 else math.inf
    if model["kind"] == "group_sequential":
        looks = len(model.get("looks", (0.5, 1.0)))
        beyond = model.get("beyond")
        if beyond:
            level = beyond * round(1.0 - model["confidence"], 12)
            horizon = share * (plan.get("horizon", {}).get("units") or units / share)
            k = units * (-2.0 * math.log(level) + math.log1p(-2.0 * math.log(level))) / horizon
            mixed = math.sqrt((k + 1.0) / k * (math.log(k + 1.0) - 2.0 * math.log(alpha * beyond)))
            if units > horizon * (1.0 + 1e-9):
                return mixed
            own = {**plan, "model": {**model, "beyond": None}}
            return min(mixed, multiplier_at(own, alpha * (1.0 - beyond), units, share))
        if model.get("spending") == "reflection":
            return NORMAL.inv_cdf(1.0 - alpha / 4.0)
        if model.get("spending") == "pocock":
            return fixed * _POCOCK.get(looks, 1.231 if looks > 5 else 1.0)
        if looks <= 5:
            return fixed * (1.0 + 0.0085 * (looks - 1))
        return fixed + (NORMAL.inv_cdf(1.0 - alpha / 4.0) - fixed) * (1.0 - 1.8 / math.sqrt(looks))
    return fixed


def times_needed(reaches: Callable[[float], float], target: float, *, least: float = 1.0) -> float | None:
    """Smallest multiple of the units, above `least`, at which a chance reaches the target; None where no plan gets there.

    Args:
        reaches: The chance as a function of the multiple.
        target: Wanted chance.
        least: Below 1 for a run that begins with no unit.
    """
    low, high = least, least * 1.0625
    while reaches(high) < target:
        low, high = high, high * 1.5
        if high > MOST:
            return None
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if reaches(middle) >= target else (middle, high)
    return high


def twice_tested(alpha: float, times: float) -> float:
    """Chance that a true null is significant at one of two looks, each judged at the level of a single one.

    P(|Z1| > c or |Z2| > c) with correlation 1 / √times, by Simpson's rule over Z1.

    Args:
        alpha: Two-sided level of one look.
        times: Units at the second over units at the first.

    Source: Armitage, McPherson and Rowe 1969.
    """
    c, r = NORMAL.inv_cdf(1.0 - alpha / 2.0), math.sqrt(1.0 / times)
    rest = math.sqrt(max(1.0 - r * r, 1e-12))
    steps = 200
    total = 0.0
    for i in range(steps + 1):
        z = -c + 2.0 * c * i / steps
        inside = NORMAL.cdf((c - r * z) / rest) - NORMAL.cdf((-c - r * z) / rest)
        total += NORMAL.pdf(z) * inside * (1 if i in (0, steps) else 4 if i % 2 else 2)
    return 1.0 - total * 2.0 * c / steps / 3.0
