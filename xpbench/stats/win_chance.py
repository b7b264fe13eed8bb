"""Chance that a test rejects and the change is large enough to matter: what a rule with a smallest lift asks for.

A significant change is a win only where its estimate, or its whole interval, reaches `min_lift`. Both statements are about the
same two means, so their joint chance is no product: it is the chance to reject less that of rejecting with too small a change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr

from xpbench.stats.planning import LARGEST, Scenario, noise, power

PATHS = 8_192
"""Simulated courses of the two means where there are several looks."""
SEED = 20_261_130
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)

PracticalLoss = Literal["estimate", "interval", "none"]


@dataclass(frozen=True, slots=True)
class Matters:
    """What must reach the smallest lift that matters.

    Attributes:
        min_lift: As a share of |control|, >= 0; None where the plan has none.
        practical: The estimate, the whole interval, or nothing.
    """

    min_lift: float | None
    practical: PracticalLoss

    @property
    def asks(self) -> bool:
        """Whether anything is asked beyond the test."""
        return bool(self.min_lift) and self.practical != "none"


def win_power(scenario: Scenario, matters: Matters, *, value: float, n: float) -> float:
    """Chance that the test rejects on the side of `value` and the change matters, by the end of all looks.

    Args:
        scenario: For superiority (`null` 0), on the scale of the lift.
        matters: The rule beyond the test.
        value: True lift, signed; not 0.
        n: Units of all variants at the horizon.

    Source: for one look exact under normal means, by quadrature over the control's mean; for several looks the exact chance to
        reject less a simulated share (8,192 courses, the same on every run).
    """
    reached = power(scenario, value=value, n=n).power
    if not matters.asks or n * min(scenario.split) < 2.0:
        return reached
    return max(0.0, reached - _rejected_too_small(scenario, matters, value=value, n=n))


def _rejected_too_small(scenario: Scenario, matters: Matters, *, value: float, n: float) -> float:
    """Chance that the test rejects and, to the end, the change does not matter."""
    se, df = noise(scenario, value=value, n=n)
    sd_c, sd_t = scenario.sds(value)
    vc, vt = sd_c**2 / (n * scenario.split[0]), sd_t**2 / (n * scenario.split[1])
    good, sign, least = math.copysign(1.0, value), math.copysign(1.0, scenario.mean), matters.min_lift or 0.0
    mean_c, mean_t = scenario.mean, scenario.mean + value * abs(scenario.mean)
    looks = scenario.design.information()
    alpha = scenario.alpha / scenario.comparisons / scenario.sides
    bounds = scenario.design.bounds(alpha=alpha, n=n * sum(scenario.split), se=se, df=df)
    wide = math.sqrt(vt + (1.0 + good * sign * least) ** 2 * vc)  # of the change less the smallest one that matters
    reach = [q if matters.practical == "interval" else 0.0 for q in bounds]
    if len(looks) == 1:
        control = mean_c + math.sqrt(vc) * NODES
        centre, spread = good * (mean_t - control), math.sqrt(vt)
        needed = np.maximum(least * sign * control + reach[0] * wide, bounds[0] * se)
        between = ndtr((needed - centre) / spread) - ndtr((bounds[0] * se - centre) / spread)
        return float(between @ WEIGHTS) / math.sqrt(2.0 * math.pi)
    rng = np.random.default_rng(SEED)
    half = rng.standard_normal((2, PATHS // 2, len(looks)))
    steps = np.sqrt(np.diff([0.0, *looks])) * np.concatenate([half, -half], axis=1)
    times = np.array(looks)
    control, treated = (
        m + math.sqrt(v) * s.cumsum(axis=1) / times for m, v, s in zip((mean_c, mean_t), (vc, vt), steps, strict=True)
    )
    change = good * (treated - control)
    rejected = np.logical_or.accumulate(change > np.array(bounds) * se / np.sqrt(times), axis=1)
    large = change - least * sign * control >= np.array(reach) * wide / np.sqrt(times)
    return float(np.mean(rejected[:, -1] & ~(rejected & large).any(axis=1)))


def win_size(scenario: Scenario, matters: Matters, *, value: float, target: float, least: int) -> int | None:
    """Units that reach the chance asked for; None where no number does, because the true lift itself is too small.

    Args:
        scenario: As for `win_power`.
        matters: The rule beyond the test.
        value: True lift, signed.
        target: Chance asked for.
        least: Units at which the test alone reaches it: fewer can't do.
    """
    if win_power(scenario, matters, value=value, n=least) >= target:
        return least
    if abs(value) <= (matters.min_lift or 0.0):
        return None
    low = high = float(least)
    while win_power(scenario, matters, value=value, n=high) < target:
        low, high = high, high * 2.0
        if high > LARGEST:
            return None
    while high - low > max(1.0, low * 1e-4):
        middle = (low + high) / 2.0
        if win_power(scenario, matters, value=value, n=middle) < target:
            low = middle
        else:
            high = middle
    shares = [math.ceil(high * share - 1e-9) / share for share in scenario.split]
    return math.ceil(max(*shares, high) - 1e-9)


def win_mde(scenario: Scenario, matters: Matters, *, n: float, target: float, least: float) -> float | None:
    """Smallest true lift that wins with the chance asked for, signed; None where none does up to ten times the least.

    Args:
        scenario: As for `win_power`.
        matters: The rule beyond the test.
        n: Units of all variants at the horizon.
        target: Chance asked for.
        least: Lift that the test alone finds with it, signed: a smaller one can't do.
    """
    low = high = max(abs(least), matters.min_lift or 0.0) if matters.asks else abs(least)
    sign = math.copysign(1.0, least)

    def reaches(size: float) -> bool:
        if scenario.proportion and not 0.0 <= scenario.mean * (1.0 + sign * size) <= 1.0:
            return False
        return win_power(scenario, matters, value=sign * size, n=n) >= target

    if reaches(high):
        return sign * high if high > abs(least) else least
    for _ in range(14):
        low, high = high, high * 1.2
        if reaches(high):
            break
    else:
        return None
    while high - low > 1e-5 * high:
        middle = (low + high) / 2.0
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return sign * high
