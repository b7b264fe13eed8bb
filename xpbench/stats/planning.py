"""Sample size, smallest detectable effect and power: three solves of one equation, for every design.

At true value θ and null θ0 the pivot has mean (θ − θ0) / se(n). With m the control's mean and r0 a null lift,
se² = reduction · (sd_t² / n_t + (1 + r0)² sd_c² / n_c), so the control's noise is part of every relative plan. A design
contributes the multipliers at its looks; how often they are crossed follows from recursive integration, so the power and
the expected stopping time of sequential designs are computed and not simulated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import nctdtr, ndtr, ndtri

from xpbench.stats.arguments import check_choice, check_positive, check_share, refuse
from xpbench.stats.designs import Design, Fixed, check_looks
from xpbench.stats.inference import Scale
from xpbench.stats.pairs import welch_df
from xpbench.stats.roots import brentq
from xpbench.stats.spending import crossing

LARGEST = 1e15
"""Units beyond which a search gives up: the answer would be of no use."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a plan knows before launch.

    Attributes:
        mean: Mean of the control.
        sd: Standard deviation per unit in the control; for a proportion give `proportion=True` and any number here.
        proportion: The metric is 0/1: standard deviations follow from the means, also that of the treatment.
        scale: Whether effects and nulls are absolute (`effect`) or relative to |mean| (`lift`).
        null: Value under the null: 0 for superiority, −margin for non-inferiority of an increase, `min_lift` for practical
            significance.
        alpha: Level before correction.
        sides: 2 for superiority, 1 for non-inferiority.
        split: Shares of all units that go to control and to the treatment; with more treatments they sum to less than 1.
        reduction: Share of the variance that CUPED removes, in [0, 1).
        comparisons: Tests that share alpha; Holm and Bonferroni are both planned with alpha / comparisons.
        design: How it is read.
    """

    mean: float
    sd: float
    proportion: bool
    scale: Scale
    null: float
    alpha: float
    sides: Literal[1, 2]
    split: tuple[float, float]
    reduction: float
    comparisons: int
    design: Design

    def __post_init__(self) -> None:
        check_share("alpha", self.alpha)
        check_choice("scale", self.scale, ("effect", "lift"))
        check_looks(self.design.information())
        if self.sides not in (1, 2):
            raise refuse("sides", self.sides, "a test has 1 or 2 sides")
        if self.comparisons < 1:
            raise refuse("comparisons", self.comparisons, "at least one comparison is made")
        if not 0.0 <= self.reduction < 1.0:
            raise refuse("reduction", self.reduction, "reduction is a share of variance in [0, 1)")
        if min(self.split) <= 0.0 or sum(self.split) > 1.0 + 1e-9:
            raise refuse("split", self.split, "split has the shares of control and treatment, above 0, at most 1 together")
        if self.proportion:
            check_share("mean", self.mean)
        else:
            check_positive("sd", self.sd)
        if self.scale == "lift" and self.mean == 0.0:
            raise refuse("mean", self.mean, "a lift needs a control whose mean is not zero")

    def sds(self, value: float) -> tuple[float, float]:
        """Standard deviations per unit of control and treatment at a true value, after CUPED."""
        left = math.sqrt(1.0 - self.reduction)
        if not self.proportion:
            return self.sd * left, self.sd * left
        rate = self.mean + (value * self.mean if self.scale == "lift" else value)
        if not 0.0 <= rate <= 1.0:
            raise refuse("treatment", rate, "the treatment's proportion lies between 0 and 1")
        return math.sqrt(self.mean * (1.0 - self.mean)) * left, math.sqrt(rate * (1.0 - rate)) * left


@dataclass(frozen=True, slots=True)
class Power:
    """What a number of units can show.

    Attributes:
        power: Probability to reject at some look.
        by_look: The same, by look, cumulative.
        expected_units: Mean number of units (all variants) at the first rejection or at the end.
        drift: Mean of the pivot at the end.
    """

    power: float
    by_look: tuple[float, ...]
    expected_units: float
    drift: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "power": self.power,
            "by_look": list(self.by_look),
            "expected_units": self.expected_units,
            "drift": self.drift,
        }


def power(scenario: Scenario, *, value: float, n: float) -> Power:
    """Probability that the null is rejected when the true effect (or lift) is `value` and n units come in.

    Zero where the control or the treatment has fewer than 2 units.

    A one-sided test looks to the side of the null on which `value` lies. Rejections on the wrong side count for two-sided
    tests, as in textbooks; they are next to none.

    Args:
        scenario: The plan.
        value: True effect or lift, on the scenario's scale.
        n: Units of all variants at the horizon.

    Source: noncentral t for the fixed design (equal to statsmodels' TTestIndPower at equal n and sd); recursive integration
        for looks, Jennison and Turnbull 2000, ch. 19.
    """
    check_positive("n", n)
    if not math.isfinite(value):
        raise refuse("value", value, "value is a finite effect or lift")
    looks = scenario.design.information()
    if n * min(scenario.split) < 2.0:  # one unit has no noise to estimate, so nothing is ever rejected
        return Power(0.0, (0.0,) * len(looks), n, 0.0)
    se, df = noise(scenario, value=value, n=n)
    relative = abs(scenario.mean) if scenario.scale == "lift" else 1.0
    drift = (value - scenario.null) * relative / se
    compared = n * sum(scenario.split)
    alpha = scenario.alpha / scenario.comparisons / scenario.sides
    bounds = scenario.design.bounds(alpha=alpha, n=compared, se=se, df=df)
    if scenario.design.uses_t:
        reach = 1.0 - _noncentral(bounds[0], df=df, shift=abs(drift))
        wrong = _noncentral(-bounds[0], df=df, shift=abs(drift)) if scenario.sides == 2 else 0.0
        found = np.array([reach + wrong])
    elif len(looks) == 1:
        wrong = float(ndtr(-abs(drift) - bounds[0])) if scenario.sides == 2 else 0.0
        found = np.array([float(ndtr(abs(drift) - bounds[0])) + wrong])
    else:
        low, high = crossing(bounds, looks, drift=abs(drift))
        found = np.cumsum(high + low if scenario.sides == 2 else high)
    found = np.minimum(found, 1.0)
    stops = np.diff(np.concatenate([[0.0], found]))
    expected = n * (float(stops @ np.array(looks)) + 1.0 - float(found[-1]))
    return Power(float(found[-1]), tuple(found.tolist()), expected, drift)


def _noncentral(x: float, *, df: float, shift: float) -> float:
    """Noncentral t below x; scipy gives NaN where a tail is next to nothing, there it is 0 or 1."""
    below = float(nctdtr(df, shift, x))
    return below if not math.isnan(below) else float(x > shift)


def noise(scenario: Scenario, *, value: float, n: float) -> tuple[float, float]:
    """Standard error of the contrast at n units, and its degrees of freedom."""
    sd_c, sd_t = scenario.sds(value)
    n_c, n_t = n * scenario.split[0], n * scenario.split[1]
    factor = 1.0 + scenario.null * math.copysign(1.0, scenario.mean) if scenario.scale == "lift" else 1.0
    vc, vt = factor**2 * sd_c**2 / n_c, sd_t**2 / n_t
    if vc + vt <= 0.0:
        raise refuse("sd", scenario.sd, "some variant varies")
    df = welch_df(vc, vt, df_c=n_c - 1.0, df_t=n_t - 1.0)
    return math.sqrt(vc + vt), df


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Units that a scenario needs.

    Attributes:
        n: Units of all variants; each variant's count is rounded up.
        n_control: Units of the control.
        n_treatment: Units of the treatment.
        power: Reached with these.
        expected_units: Mean number of units at which it ends.
        inflation: n over what the fixed design needs with the same alpha (1 for the fixed design).
    """

    n: int
    n_control: int
    n_treatment: int
    power: float
    expected_units: float
    inflation: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def sample_size(scenario: Scenario, *, value: float, target: float) -> SampleSize:
    """Units needed to reject with probability `target` when the true effect (or lift) is `value`.

    Args:
        scenario: The plan.
        value: True effect or lift, on the scenario's scale; for non-inferiority mostly 0.
        target: Power in (0, 1), above the level.

    Raises:
        StatsError: `XPB-S01`, the value is the null, or no number below 1e15 suffices.

    Source: checked against statsmodels' TTestIndPower and NormalIndPower, and published tables.
    """
    check_share("target", target)
    if value == scenario.null:
        raise refuse("value", value, "value differs from the null; a test has no power to find what is not there")
    _check_target(scenario, target=target)
    units = _solve_n(scenario, value=value, target=target)
    n_c, n_t = (math.ceil(units * share - 1e-9) for share in scenario.split)
    n = math.ceil(max(n_c / scenario.split[0], n_t / scenario.split[1], units) - 1e-9)
    reached = power(scenario, value=value, n=n)
    fixed = Scenario(**{**_fields(scenario), "design": Fixed()})
    base = _solve_n(fixed, value=value, target=target)
    return SampleSize(n, n_c, n_t, reached.power, reached.expected_units, units / base)


def _fields(scenario: Scenario) -> dict[str, Any]:
    return {name: getattr(scenario, name) for name in Scenario.__slots__}


def _check_target(scenario: Scenario, *, target: float) -> None:
    """Refuse a power that any test has without an effect."""
    if _possible(scenario, scenario.null):
        level = power(scenario, value=scenario.null, n=1000.0 / min(scenario.split)).power
        if target <= level:
            raise refuse("target", target, f"target is above the level of the test, {level:.4g}")


def _solve_n(scenario: Scenario, *, value: float, target: float) -> float:
    def gap(log_n: float) -> float:
        return power(scenario, value=value, n=math.exp(log_n)).power - target

    low, high = math.log(2.0 / min(scenario.split) * (1.0 + 1e-12)), math.log(100.0 / min(scenario.split))
    if gap(low) >= 0.0:
        return math.exp(low)
    while gap(high) < 0.0:
        low, high = high, high + math.log(100.0)
        if high > math.log(LARGEST):
            raise refuse("value", value, f"some number of units below {LARGEST:.0e} reaches the power asked for")
    return math.exp(brentq(gap, low, high, xtol=1e-10))


def mde(scenario: Scenario, *, n: float, target: float, direction: Literal["increase", "decrease"]) -> float:
    """Smallest true effect (or lift) that n units find with probability `target`, on the scenario's scale and signed.

    Args:
        scenario: The plan.
        n: Units of all variants at the horizon.
        target: Power in (0, 1), above the level.
        direction: On which side of the null.

    Raises:
        StatsError: `XPB-S01`, no value (for a proportion: no proportion) reaches it.
    """
    check_share("target", target)
    check_positive("n", n)
    if n * min(scenario.split) < 2.0:
        raise refuse("n", n, "control and treatment have at least 2 units each")
    _check_target(scenario, target=target)
    sign = 1.0 if check_choice("direction", direction, ("increase", "decrease")) == "increase" else -1.0
    unit = noise(scenario, value=scenario.null if _possible(scenario, scenario.null) else 0.0, n=n)[0]
    unit /= abs(scenario.mean) if scenario.scale == "lift" else 1.0

    def gap(size: float) -> float:
        return power(scenario, value=scenario.null + sign * size, n=n).power - target

    low, high = 1e-9 * unit, unit
    while _possible(scenario, scenario.null + sign * high) and gap(high) < 0.0:
        low, high = high, 2.0 * high
        if high > 1e6 * unit:
            raise refuse("n", n, "some effect is found with these units; more are needed")
    if not _possible(scenario, scenario.null + sign * high):
        rate_end = 1.0 if sign > 0 else 0.0
        end = (rate_end - scenario.mean) / (scenario.mean if scenario.scale == "lift" else 1.0)
        high = sign * (end - scenario.null) * (1.0 - 1e-9)
        if high <= low or gap(high) < 0.0:
            raise refuse("n", n, "some proportion between 0 and 1 is found with these units; more are needed")
    return scenario.null + sign * brentq(gap, low, high, xtol=1e-12 * unit, rtol=1e-12)


def _possible(scenario: Scenario, value: float) -> bool:
    if not scenario.proportion:
        return True
    rate = scenario.mean + (value * scenario.mean if scenario.scale == "lift" else value)
    return 0.0 <= rate <= 1.0


def lift_mde_delta(*, cv: float, n_c: float, n_t: float, alpha: float, target: float) -> float:
    """Smallest lift whose own interval, with the noise of the control in it, excludes zero with probability `target`.

    Solves m = (z_{α/2} + z_β) SE(m), SE² = cv² (1 / n_t + (1 + m)² / n_c): the plan for tools that test the lift by its own
    standard error (linear delta method). Our test of a zero lift is Fieller's, the same as that of the effect, and needs no
    more units than that: `mde` with scale `lift`.

    Args:
        cv: Standard deviation over mean, the same in both variants.
        n_c: Units of the control.
        n_t: Units of the treatment.
        alpha: Two-sided level.
        target: Power.

    Raises:
        StatsError: `XPB-S01`, the control is too noisy for any lift.

    Source: the quadratic m² (1 − k / n_c) − 2 m k / n_c − k (1 / n_c + 1 / n_t) = 0 with k = (z cv)².
    """
    z = -float(ndtri(check_share("alpha", alpha) / 2.0)) + float(ndtri(check_share("target", target)))
    k = (z * check_positive("cv", cv)) ** 2
    a = 1.0 - k / n_c
    if a <= 0.0:
        raise refuse("n_c", n_c, "the control has more than ((z_alpha + z_beta) cv)² units, or no lift can be found")
    b = k / n_c
    return (b + math.sqrt(b * b + a * k * (1.0 / n_c + 1.0 / n_t))) / a
