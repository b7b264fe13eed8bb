"""Score intervals for tiny proportions, where a normal interval around the estimate misleads.

**The rule.** For a 0/1 metric in the fixed design the score method replaces Welch's t when in any variant fewer than 10 units
have the event, or fewer than 10 lack it (`is_tiny`). Effect and lift are then read off one score statistic
(Miettinen–Nurminen), whose value for "no difference" is the same for both, so that effect, lift and p-value agree here, too.
It works with zero events in one variant. Anytime and group-sequential designs have no score form: they wait for events,
status `too_few_events`. (Without waiting, unequal splits of rare events raise false alarms beyond alpha.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from scipy.special import ndtr

from xpbench.lazy import earlier
from xpbench.stats.arguments import check_choice, check_share, refuse
from xpbench.stats.inference import Alternative, Direction, NonInferiority, PracticalLift, Scale
from xpbench.stats.moments import Moments
from xpbench.stats.roots import brentq

FEW = 10
"""Events (or units without) below which a variant's proportion is tiny."""


class EventCounts(NamedTuple):
    """Events and units of two variants."""

    x_c: int
    n_c: int
    x_t: int
    n_t: int


class Score(NamedTuple):
    """Score interval; `kind` is `bounded`, or `unbounded` where the upper end does not exist (lift without control events)."""

    estimate: float
    low: float
    high: float
    kind: Literal["bounded", "unbounded", "undefined"]


def is_binary(moments: Moments, *, col: int) -> bool:
    """Whether a column holds only 0 and 1, seen from its moments: the variance is m (1 − m) n / (n − 1)."""
    m, n = float(moments.mean[col]), moments.n
    if n < 2 or not 0.0 <= m <= 1.0 or abs(m * n - round(m * n)) > 1e-6 * max(1.0, m * n):
        return False
    return math.isclose(float(moments.cov[col, col]), m * (1.0 - m) * n / (n - 1), rel_tol=1e-9, abs_tol=1e-12)


def counts(c: Moments, t: Moments, *, col: int) -> EventCounts:
    """Events and units of both variants from the moments of a 0/1 column.

    Raises:
        StatsError: `XPB-S01`, the column is not 0/1.
    """
    for m in (c, t):
        if m.n < 1 or (m.n > 1 and not is_binary(m, col=col)):
            raise refuse("moments", m.to_dict(), "a proportion is the mean of a column of 0 and 1")
    return EventCounts(round(float(c.mean[col]) * c.n), c.n, round(float(t.mean[col]) * t.n), t.n)


def is_tiny(found: EventCounts) -> bool:
    """Whether the rule asks for the score method."""
    return min(found.x_c, found.n_c - found.x_c, found.x_t, found.n_t - found.x_t) < FEW


MANY = 200


def is_many(found: EventCounts) -> bool:
    """Whether the smaller variant may expect so many units with the event, and without it, that the score adds nothing.

    Asked of the pooled share and not of what each variant has, so that the choice does not depend on the difference. From here
    on the unpooled test, which published analyses of fixed samples use, keeps its level at every split.
    """
    events, units = found.x_c + found.x_t, found.n_c + found.n_t
    return min(found.n_c, found.n_t) * min(events, units - events) >= MANY * units


def is_rare(found: EventCounts) -> bool:
    """Whether fewer than ten units of both variants together have the event, or lack it.

    Then a design with several looks calls no difference: one event that falls into a small variant crosses any boundary.
    """
    events, units = found.x_c + found.x_t, found.n_c + found.n_t
    return min(events, units - events) < FEW


LEAST_EXPECTED = 2


def is_uneven(found: EventCounts) -> bool:
    """Whether the smaller variant expects fewer than two units with the event, or without it, by the pooled share.

    At 99:1 ten events are one tenth of an event in the treatment: there the first event of all crosses Pocock's boundary.
    """
    events, units = found.x_c + found.x_t, found.n_c + found.n_t
    return min(found.n_c, found.n_t) * min(events, units - events) < LEAST_EXPECTED * units


def _log_likelihood_root(a3: float, a2: float, a1: float, a0: float, *, low: float, high: float) -> float:
    """The root of the cubic likelihood equation inside (low, high), by Cardano's trigonometric form."""
    q = (a2 / (3.0 * a3)) ** 3 - a1 * a2 / (6.0 * a3**2) + a0 / (2.0 * a3)
    p = math.copysign(math.sqrt(max((a2 / (3.0 * a3)) ** 2 - a1 / (3.0 * a3), 0.0)), q)
    angle = (math.pi + math.acos(min(max(q / p**3 if p != 0.0 else 0.0, -1.0), 1.0))) / 3.0
    root = min(max(2.0 * p * math.cos(angle) - a2 / (3.0 * a3), low), high)
    for _ in range(3):  # Newton, for the digits that the cosine costs a rare event
        slope = (3.0 * a3 * root + 2.0 * a2) * root + a1
        if slope != 0.0:
            root = min(max(root - (((a3 * root + a2) * root + a1) * root + a0) / slope, low), high)
    return root


def z_difference(found: EventCounts, *, null: float) -> float:
    """Score statistic of p_t − p_c = null, positive when the treatment lies above.

    Source: Miettinen and Nurminen 1985, eq. 8–9 and appendix I (variance under the null times N / (N − 1)).
    """
    x_c, n_c, x_t, n_t = found
    n = n_c + n_t
    if x_c + x_t > n / 2:  # count the rarer outcome: its share keeps its digits
        return -z_difference(EventCounts(n_c - x_c, n_c, n_t - x_t, n_t), null=-null)
    a3, a2 = float(n), (n_t + 2 * n_c) * null - n - (x_c + x_t)
    a1, a0 = (n_c * null - n - 2 * x_c) * null + x_c + x_t, x_c * null * (1.0 - null)
    pc = _log_likelihood_root(a3, a2, a1, a0, low=max(0.0, -null), high=min(1.0, 1.0 - null))
    pt = min(max(pc + null, 0.0), 1.0)
    variance = (pt * (1.0 - pt) / n_t + pc * (1.0 - pc) / n_c) * n / (n - 1.0)
    return _standardised(x_t / n_t - x_c / n_c - null, variance)


def z_ratio(found: EventCounts, *, null: float) -> float:
    """Score statistic of p_t / p_c = null (> 0), positive when the treatment lies above.

    Raises:
        StatsError: `XPB-S01`, a ratio that is not above 0 (a lift of −100 % or less).

    Source: Miettinen and Nurminen 1985, eq. 10–11.
    """
    if not null > 0.0:
        raise refuse("null", null, "a ratio is above 0, a lift above −1")
    x_c, n_c, x_t, n_t = found
    n = n_c + n_t
    a = n * null
    b = -(n_t * null + x_t + n_c + x_c * null)
    c = x_c + x_t
    pc = 2.0 * c / (-b + math.sqrt(max(b * b - 4.0 * a * c, 0.0)))  # the smaller root, without cancellation
    pc = min(max(pc, 0.0), min(1.0, 1.0 / null))
    pt = min(pc * null, 1.0)
    qc, qt = 1.0 - pc, 1.0 - pt
    difference = x_t / n_t - null * x_c / n_c
    if c > n / 2:  # near 1 the rarer outcome keeps its digits: the quadratic in 1 − p
        over = null - 1.0
        y_c, y_t = n_c - x_c, n_t - x_t
        middle = y_c + y_t + over * (2 * n_c + n_t - x_c)
        root = math.sqrt(max(middle * middle - 4.0 * a * over * y_c, 0.0))
        qc = (middle + root) / (2.0 * a) if middle >= 0.0 else 2.0 * over * y_c / (middle - root)
        qc = min(max(qc, 0.0, 1.0 - 1.0 / null), 1.0)
        qt = max(null * qc - over, 0.0)
        pc, pt = 1.0 - qc, 1.0 - qt
        difference = y_c / n_c - y_t / n_t - over * x_c / n_c
    variance = (pt * qt / n_t + null**2 * pc * qc / n_c) * n / (n - 1.0)
    return _standardised(difference, variance)


def _standardised(difference: float, variance: float) -> float:
    if variance > 0.0:
        return difference / math.sqrt(variance)
    return 0.0 if difference == 0.0 else math.copysign(math.inf, difference)


def p_score(found: EventCounts, *, null: float, alternative: Alternative, scale: Literal["effect", "lift"]) -> float:
    """p-value of the score test; NaN where all units of both variants have, or all lack, the event.

    Args:
        found: Events and units.
        null: Difference or lift under the null.
        alternative: Which side counts as evidence.
        scale: What `null` is.
    """
    check_choice("alternative", alternative, ("two-sided", "greater", "less"))
    if _says_nothing(found):
        return math.nan
    check_choice("scale", scale, ("effect", "lift"))
    z = z_difference(found, null=null) if scale == "effect" else z_ratio(found, null=1.0 + null)
    if alternative == "greater":
        return float(ndtr(-z))
    return float(ndtr(z)) if alternative == "less" else min(2.0 * float(ndtr(-abs(z))), 1.0)


def _says_nothing(found: EventCounts) -> bool:
    return (found.x_c == found.x_t == 0) or (found.x_c == found.n_c and found.x_t == found.n_t)


def score_effect(found: EventCounts, *, q: float) -> Score:
    """Difference of proportions with the Miettinen–Nurminen interval.

    Args:
        found: Events and units.
        q: Normal multiplier of the design.

    Returns:
        The interval of all differences whose score statistic is at most q; it always exists, also without any event.

    Source: Miettinen and Nurminen 1985. Checked against statsmodels.confint_proportions_2indep and Newcombe 1998, table II.
    """
    estimate = found.x_t / found.n_t - found.x_c / found.n_c
    return Score(estimate, *_invert(lambda d: z_difference(found, null=d), q=q, at=estimate, ends=(-1.0, 1.0)), "bounded")


def score_lift(found: EventCounts, *, q: float) -> Score:
    """Lift of a proportion with the score interval of the ratio.

    Args:
        found: Events and units.
        q: Normal multiplier of the design.

    Returns:
        The lift; `unbounded` without events in the control (the lower end still exists), `undefined` without any event.

    Source: Koopman 1984; Miettinen and Nurminen 1985.
    """
    if found.x_c == 0 and found.x_t == 0:
        return Score(math.nan, math.nan, math.nan, "undefined")

    def at(log_ratio: float) -> float:
        return z_ratio(found, null=math.exp(log_ratio))

    far = 60.0
    if found.x_c == 0:
        low = brentq(lambda v: at(v) - q, -far, far) if at(-far) > q > at(far) else -math.inf
        return Score(math.nan, math.expm1(low), math.nan, "unbounded")
    estimate = found.x_t * found.n_c / (found.x_c * found.n_t)
    log_estimate = math.log(estimate) if estimate > 0.0 else -far
    low, high = _invert(at, q=q, at=log_estimate, ends=(-far, far))
    low = -1.0 if found.x_t == 0 or low <= -far else math.expm1(low)
    return Score(estimate - 1.0, low, math.expm1(high), "bounded")


def score_z(found: EventCounts, *, null: float, scale: Scale) -> float:
    """Score statistic at a null difference or lift; NaN where the counts say nothing about it.

    Where all units of both variants have, or all lack, the event, they say nothing about "no difference", but they do about any
    other: none of 1,500 in each is information about a margin of one point.
    """
    check_choice("scale", scale, ("effect", "lift"))
    if _says_nothing(found) and (null == 0.0 or scale == "lift"):
        return math.nan
    return z_difference(found, null=null) if scale == "effect" else z_ratio(found, null=1.0 + null)


def score_noninferior(found: EventCounts, *, direction: Direction, margin: float, scale: Scale, q: float) -> NonInferiority:
    """Test that the treatment's proportion is not worse than the control's by the margin or more, by the score statistic.

    It passes exactly when the score interval with multiplier q excludes the margin.

    Args:
        found: Events and units.
        direction: Which way is better.
        margin: Worst change accepted, above 0 and below 1: a difference of proportions or a share of the control's.
        scale: What the margin is.
        q: Normal multiplier of the interval that is shown; its one-sided level is that of the test.

    Source: Farrington and Manning 1990 for the test, Miettinen and Nurminen 1985 for the variance under the null.
    """
    good = 1.0 if check_choice("direction", direction, ("increase", "decrease")) == "increase" else -1.0
    signed = -good * check_share("margin", margin)
    z = good * score_z(found, null=signed, scale=scale)
    if math.isnan(z):
        return NonInferiority(None, math.nan, math.nan, math.nan, math.nan, signed, scale, "zero_variance")
    shown = score_effect(found, q=q) if scale == "effect" else score_lift(found, q=q)
    return NonInferiority(z > q, z, q, float(ndtr(-z)), shown.low if good > 0 else shown.high, signed, scale, "ok")


def score_practical(found: EventCounts, *, min_lift: float, direction: Direction, q: float) -> PracticalLift:
    """How the lift of a tiny proportion compares with the smallest lift that matters; as `inference.practical`, by the score.

    Args:
        found: Events and units.
        min_lift: Smallest lift that matters, as a share of the control's proportion, >= 0.
        direction: Which way is better.
        q: Normal multiplier of the interval that is shown.
    """
    if min_lift < 0.0:
        raise refuse("min_lift", min_lift, "min_lift is a share and not negative; direction gives the sign")
    if _says_nothing(found):
        return PracticalLift(None, None, None, "zero_variance")
    good = 1.0 if check_choice("direction", direction, ("increase", "decrease")) == "increase" else -1.0
    if good < 0.0 and min_lift >= 1.0:  # no proportion falls by more than all of itself
        return PracticalLift(found.x_t == 0 and min_lift == 1.0, False, True, "ok")
    z = good * score_z(found, null=good * min_lift, scale="lift")
    estimate = (
        found.x_t * found.n_c - (1.0 + good * min_lift) * found.x_c * found.n_t
    )  # no division: also without control events
    return PracticalLift(good * estimate >= 0.0, z > q, z < -q, "ok")


def _invert(z: Callable[[float], float], *, q: float, at: float, ends: tuple[float, float]) -> tuple[float, float]:
    """Ends of the set where |z| <= q; z falls from left to right and is 0 at `at`."""
    edge = 1e-12
    first, last = ends[0] * (1.0 - edge), ends[1] * (1.0 - edge)
    low = ends[0] if z(first) <= q else brentq(lambda d: z(d) - q, first, at, xtol=1e-14, rtol=1e-13)
    high = ends[1] if z(last) >= -q else brentq(lambda d: z(d) + q, at, last, xtol=1e-14, rtol=1e-13)
    return low, high


__getattr__ = earlier(__name__, {"Counts": "EventCounts"})
