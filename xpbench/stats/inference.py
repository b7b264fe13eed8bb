"""Results and decisions of one metric, all read off one pivot and one multiplier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from scipy.special import ndtr, stdtr

from xpbench.lazy import earlier
from xpbench.stats.arguments import check_choice, check_positive, check_share, refuse
from xpbench.stats.fieller import lift_bounds, z_effect, z_lift
from xpbench.stats.multipliers import Mixture, q_mixture, q_one_sided
from xpbench.stats.pairs import CONSTANT, Pair
from xpbench.stats.status import EstimateStatus

Alternative = Literal["two-sided", "greater", "less"]
Scale = Literal["effect", "lift"]
Direction = Literal["increase", "decrease"]


class Absolute(NamedTuple):
    """Effect in metric units with its interval; NaN where the pair has a status."""

    effect: float
    se: float
    ci_low: float
    ci_high: float


class Relative(NamedTuple):
    """Lift as a share of |control| with its interval.

    `kind` is `bounded`, `unbounded` (the control can't be told from zero: no interval) or `undefined` (the pair has a
    status, or the control is zero: no lift).
    """

    lift: float
    lift_low: float
    lift_high: float
    kind: Literal["bounded", "unbounded", "undefined"]

    @property
    def status(self) -> EstimateStatus:
        """`ok`, `unbounded_lift` or `control_near_zero`."""
        return {"bounded": "ok", "unbounded": "unbounded_lift", "undefined": "control_near_zero"}[self.kind]  # type: ignore[return-value]


def absolute(pair: Pair, q: float) -> Absolute:
    """Effect, standard error and interval effect ∓ q se, in metric units.

    Args:
        pair: From any kind of metric.
        q: Multiplier of the design.

    Returns:
        The effect; se and interval are NaN where the pair has a status.
    """
    se = pair.se
    return Absolute(pair.effect, se, pair.effect - q * se, pair.effect + q * se)


def relative(pair: Pair, q: float) -> Relative:
    """Lift with Fieller's interval: it excludes zero exactly when the effect's interval does.

    Args:
        pair: From any kind of metric.
        q: Multiplier of the design.

    Returns:
        The lift (mt − mc) / |mc|. Where the control can't be told from zero at q, kind `unbounded` and no interval.

    Source: Fieller 1954, eq. 4. Checked against the inverted test and published examples.
    """
    if math.isnan(pair.effect) or abs(pair.mc) <= CONSTANT * abs(pair.mt) or pair.mc == 0.0:
        return Relative(math.nan, math.nan, math.nan, "undefined")
    lift = pair.effect / abs(pair.mc)
    if pair.status != "ok":
        return Relative(lift, math.nan, math.nan, "undefined")
    low, high, bounded = lift_bounds(mc=pair.mc, mt=pair.mt, vc=pair.vc, vt=pair.vt, cov=pair.cov, q=q)
    return Relative(lift, float(low), float(high), "bounded" if bool(bounded) else "unbounded")


def pivot(pair: Pair, *, null: float = 0.0, scale: Scale = "effect") -> float:
    """Standardised distance of the pair from a null; NaN where the pair has a status.

    Args:
        pair: From any kind of metric.
        null: The effect in metric units, or the lift as a share of |control|.
        scale: What `null` is.
    """
    if pair.status != "ok":
        return math.nan
    z = z_lift if check_choice("scale", scale, ("effect", "lift")) == "lift" else z_effect
    return float(z(mc=pair.mc, mt=pair.mt, vc=pair.vc, vt=pair.vt, cov=pair.cov, null=null))


def _tail(z: float, df: float) -> float:
    """P(T > z)."""
    return float(ndtr(-z)) if math.isinf(df) else float(stdtr(df, -z))


def p_fixed(pair: Pair, *, null: float = 0.0, alternative: Alternative = "two-sided", scale: Scale = "effect") -> float:
    """p-value of the fixed-horizon test (Welch's t); NaN where the pair has a status.

    Args:
        pair: From any kind of metric.
        null: Effect in metric units, or lift, under the null.
        alternative: Which side counts as evidence.
        scale: Whether `null` is an effect or a lift.

    Source: Welch 1947; for a null lift the contrast mt − (1 + r) mc of Fieller 1954.
    """
    check_choice("alternative", alternative, ("two-sided", "greater", "less"))
    z = pivot(pair, null=null, scale=scale)
    if alternative == "greater":
        return _tail(z, pair.df)
    if alternative == "less":
        return _tail(-z, pair.df)
    return min(2.0 * _tail(abs(z), pair.df), 1.0)


def log_e_value(pair: Pair, *, mixture: Mixture, null: float = 0.0, scale: Scale = "effect") -> float:
    """Natural logarithm of the e-value; NaN where the pair has a status."""
    z = pivot(pair, null=null, scale=scale)
    if math.isnan(z):
        return math.nan
    k = mixture.ratio(pair)
    return 0.5 * (z * z * k / (1.0 + k) - math.log1p(k))


def e_value(pair: Pair, *, mixture: Mixture, null: float = 0.0, scale: Scale = "effect") -> float:
    """Mixture likelihood ratio against the null at this look: evidence that stays valid under optional stopping.

    Its expectation under the null is at most 1 at any stopping time; it is not 1 / (running minimum of p). Infinite where
    it exceeds the largest number.

    Args:
        pair: From any kind of metric.
        mixture: Fixed in the plan.
        null: Effect or lift under the null.
        scale: Whether `null` is an effect or a lift.

    Source: Johari et al. 2017, mSPRT: Λ = (1 + k)^(−1/2) exp(z² k / (2 (1 + k))), k = τ² / se².
    """
    log = log_e_value(pair, mixture=mixture, null=null, scale=scale)
    return math.inf if log > 709.0 else math.exp(log)


def p_anytime(pair: Pair, *, mixture: Mixture, null: float = 0.0, scale: Scale = "effect") -> float:
    """Two-sided p-value of this look, min(1, 1 / e-value); it is below alpha exactly when the interval excludes the null.

    Over several looks the always-valid p-value is the smallest so far; the caller keeps it.

    Args:
        pair: From any kind of metric.
        mixture: Fixed in the plan.
        null: Effect or lift under the null.
        scale: Whether `null` is an effect or a lift.

    Source: Waudby-Smith et al. 2021, eq. 161; Johari et al. 2017, eq. 5.
    """
    log = log_e_value(pair, mixture=mixture, null=null, scale=scale)
    return math.nan if math.isnan(log) else math.exp(-max(log, 0.0))


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Whether a metric is shown not to be worse than its margin allows.

    Attributes:
        passed: True only when harm beyond the margin is rejected; None where the pair has a status.
        z: Standardised distance from the margin, positive on the good side.
        q: What z had to exceed.
        p_value: One-sided; NaN when only a multiplier was given.
        bound: The worst change that is not rejected, on the margin's scale and with the sign of the metric; NaN where the
            lift is unbounded.
        margin: The worst change accepted, with the sign of the metric: −margin for an increase, +margin for a decrease.
        scale: `effect` or `lift`.
        status: That of the pair.
    """

    passed: bool | None
    z: float
    q: float
    p_value: float
    bound: float
    margin: float
    scale: Scale
    status: EstimateStatus

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        out: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in out.items()}


def noninferior(
    pair: Pair,
    *,
    direction: Direction,
    margin_rel: float | None = None,
    margin_abs: float | None = None,
    alpha: float | None = None,
    q: float | None = None,
    mixture: Mixture | None = None,
) -> NonInferiority:
    """Test that the treatment is not worse than the control by the margin or more (one-sided).

    "Not significant" is not "safe": only a rejection of harm passes.

    Args:
        pair: From any kind of metric.
        direction: Which way is better.
        margin_rel: Worst relative change accepted, as a share of |control|. The control's noise is part of the test.
        margin_abs: Worst absolute change accepted, in metric units. Exactly one of the two.
        alpha: One-sided level. With `mixture` the anytime-valid test, without it the fixed one.
        q: Instead of alpha: the multiplier of the design, for example of the interval shown. The margin then passes exactly
            when that interval excludes it.
        mixture: Of the anytime-valid design.

    Raises:
        StatsError: `XPB-S01`, not exactly one margin, not exactly one of alpha and q, or a value out of range.

    Source: contrast mt − (1 − M) mc, variance vt + (1 − M)² vc: the lower Fieller bound above −M. The anytime test at one-sided
        alpha is the two-sided one at 2 alpha, by the symmetry of the mixture, but for paths that cross both limits: its error
        is at most alpha / Φ(sqrt(−2 ln 2 alpha)), 1.016 alpha at 0.05.
    """
    if (margin_rel is None) == (margin_abs is None):
        raise refuse("margin", f"margin_rel={margin_rel}, margin_abs={margin_abs}", "exactly one margin is tested")
    if (alpha is None) == (q is None):
        raise refuse("alpha", f"alpha={alpha}, q={q}", "exactly one of alpha and q is given")
    check_choice("direction", direction, ("increase", "decrease"))
    scale: Scale = "effect" if margin_rel is None else "lift"
    size = check_positive("margin", margin_rel if margin_rel is not None else margin_abs or 0.0)
    good = 1.0 if direction == "increase" else -1.0
    margin = -good * size
    if pair.status != "ok":
        return NonInferiority(None, math.nan, math.nan, math.nan, math.nan, margin, scale, pair.status)
    z = good * pivot(pair, null=margin, scale=scale)
    limit, p_value = _one_sided(pair, z=z, alpha=alpha, q=q, mixture=mixture)
    low, high = relative(pair, limit)[1:3] if scale == "lift" else absolute(pair, limit)[2:4]
    return NonInferiority(z > limit, z, limit, p_value, low if good > 0 else high, margin, scale, "ok")


def _one_sided(pair: Pair, *, z: float, alpha: float | None, q: float | None, mixture: Mixture | None) -> tuple[float, float]:
    """Limit for z and p-value of a one-sided test."""
    if mixture is None:
        if alpha is None:
            return float(q or 0.0), math.nan
        return q_one_sided(alpha, pair.df), _tail(z, pair.df)
    k = mixture.ratio(pair)
    p_value = min(1.0, 0.5 * math.exp(0.5 * (math.log1p(k) - z * z * k / (1.0 + k)))) if z > 0 else 1.0
    return float(q or 0.0) if alpha is None else float(q_mixture(check_share("2 alpha", 2.0 * alpha), k)), p_value


@dataclass(frozen=True, slots=True)
class PracticalLift:
    """How the lift compares with the smallest lift that matters; None where the pair has a status.

    Attributes:
        estimate_reaches: The estimate is at least `min_lift` in the good direction.
        interval_reaches: The whole interval is.
        ruled_out: The whole interval is below: such a lift is excluded.
        status: `ok`, that of the pair, or that of the lift.
    """

    estimate_reaches: bool | None
    interval_reaches: bool | None
    ruled_out: bool | None
    status: EstimateStatus

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def practical(pair: Pair, *, min_lift: float, direction: Direction, q: float) -> PracticalLift:
    """Whether the lift reaches the smallest one that matters, by estimate and by interval.

    Interval claims are tests of the pivot at min_lift, so they hold where the interval itself is unbounded, too.

    Args:
        pair: From any kind of metric.
        min_lift: Smallest lift that matters, as a share of |control|, >= 0.
        direction: Which way is better.
        q: Multiplier of the design.
    """
    check_choice("direction", direction, ("increase", "decrease"))
    if min_lift < 0.0:
        raise refuse("min_lift", min_lift, "min_lift is a share and not negative; direction gives the sign")
    good = 1.0 if direction == "increase" else -1.0
    found = relative(pair, q)
    if found.kind == "undefined":
        return PracticalLift(None, None, None, pair.status if pair.status != "ok" else "control_near_zero")
    z = good * pivot(pair, null=good * min_lift, scale="lift")
    return PracticalLift(good * found.lift >= min_lift, z > q, z < -q, "ok")


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether the change is shown to lie within ± margin.

    Attributes:
        passed: Both one-sided tests reject; None where the pair has a status.
        p_value: The larger of the two; NaN when only a multiplier was given.
        low: Test against −margin.
        high: Test against +margin.
    """

    passed: bool | None
    p_value: float
    low: NonInferiority
    high: NonInferiority

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        return {
            "passed": self.passed,
            "p_value": self.p_value if math.isfinite(self.p_value) else None,
            "low": self.low.to_dict(),
            "high": self.high.to_dict(),
        }


def equivalence(
    pair: Pair,
    *,
    margin_rel: float | None = None,
    margin_abs: float | None = None,
    alpha: float | None = None,
    q: float | None = None,
    mixture: Mixture | None = None,
) -> Equivalence:
    """Two one-sided tests (TOST) that the change lies within ± margin; arguments as for `noninferior`.

    Source: Schuirmann 1987. Checked against statsmodels.stats.weightstats.ttost_ind.
    """
    low, high = (
        noninferior(pair, direction=way, margin_rel=margin_rel, margin_abs=margin_abs, alpha=alpha, q=q, mixture=mixture)
        for way in ("increase", "decrease")
    )
    passed = None if low.passed is None or high.passed is None else low.passed and high.passed
    return Equivalence(passed, max(low.p_value, high.p_value), low, high)


__getattr__ = earlier(__name__, {"Practical": "PracticalLift"})
