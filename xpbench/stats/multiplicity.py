"""Many comparisons: corrected p-values, the level of the intervals that go with them, and families by role.

Hypotheses without a p-value (NaN: the metric has a status) are not part of a family; they stay NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xpbench.stats.arguments import check_choice, check_share, refuse
from xpbench.stats.moments import Floats

Method = Literal["none", "bonferroni", "holm", "bh", "e-bh"]
METHODS: tuple[str, ...] = ("none", "bonferroni", "holm", "bh", "e-bh")


def _known(values: Sequence[float]) -> tuple[Floats, NDArray[np.intp]]:
    array = np.asarray(values, dtype=np.float64)
    return array, np.flatnonzero(~np.isnan(array))


def bonferroni(p_values: Sequence[float]) -> Floats:
    """p-values times the number of comparisons, at most 1: family-wise error under any dependence."""
    p, known = _known(p_values)
    out = p.copy()
    out[known] = np.minimum(p[known] * len(known), 1.0)
    return out


def holm(p_values: Sequence[float]) -> Floats:
    """Holm's step-down p-values: family-wise error under any dependence, never weaker than Bonferroni.

    Source: Holm 1979. Checked against statsmodels.stats.multitest.multipletests.
    """
    p, known = _known(p_values)
    out = p.copy()
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out


def bh(p_values: Sequence[float]) -> Floats:
    """Benjamini–Hochberg adjusted p-values: false discovery rate, for independent or positively dependent tests.

    Source: Benjamini and Hochberg 1995. Checked against scipy.stats.false_discovery_control and statsmodels.
    """
    p, known = _known(p_values)
    out = p.copy()
    order = known[np.argsort(p[known], kind="stable")]
    m = len(order)
    steps = p[order] * m / np.arange(1, m + 1)
    out[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return out


def ebh(e_values: Sequence[float], *, alpha: float) -> NDArray[np.bool_]:
    """Which hypotheses the e-BH procedure rejects: false discovery rate under any dependence and any stopping.

    Args:
        e_values: Mixture likelihood ratios at the stopping time (not 1 / running minimum of p); NaN = no value.
        alpha: False discovery rate.

    Source: Wang and Ramdas 2022, "False discovery rate control with e-values": reject the k largest for the greatest k with
        e_(k) >= m / (α k).
    """
    check_share("alpha", alpha)
    return ebh_adjusted(e_values) <= alpha


def ebh_adjusted(e_values: Sequence[float]) -> Floats:
    """The smallest level at which e-BH rejects each hypothesis: min over ranks from its own on of m / (k e_(k)), at most 1."""
    e, known = _known(e_values)
    if (e[known] < 0).any():
        raise refuse("e_values", e[known].min(), "an e-value is not negative")
    out = np.full(e.shape, np.nan)
    order = known[np.argsort(-e[known], kind="stable")]
    m = len(order)
    with np.errstate(divide="ignore", over="ignore"):
        steps = m / (np.arange(1, m + 1) * e[order])
    out[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return out


def adjust_p(p_values: Sequence[float], *, method: Method) -> Floats:
    """Corrected p-values by any method for p-values; compare them with the plan's alpha.

    Args:
        p_values: Two-sided p-values of one family; NaN stays NaN and is not counted.
        method: `none`, `bonferroni`, `holm` or `bh`. e-BH works on e-values, see `ebh_adjusted`.

    Raises:
        StatsError: `XPB-S01`.
    """
    check_choice("method", method, ("none", "bonferroni", "holm", "bh"))
    if method == "none":
        return np.array(p_values, dtype=np.float64)
    return {"bonferroni": bonferroni, "holm": holm, "bh": bh}[method](p_values)


def fcr_level(*, alpha: float, selected: int, of: int) -> float:
    """Level alpha of the intervals of selected hypotheses such that a share alpha of them at most miss: R α / m.

    With nothing selected the level is that of one selection.

    Source: Benjamini and Yekutieli 2005, false coverage-statement rate.
    """
    check_share("alpha", alpha)
    if not 0 <= selected <= of or of < 1:
        raise refuse("selected", f"{selected} of {of}", "selected counts hypotheses of a family of at least one")
    return alpha * max(selected, 1) / of


def interval_alpha(*, alpha: float, method: Method, rejected: int, of: int) -> float:
    """Alpha of the intervals that go with a correction.

    Bonferroni and Holm: α / m (simultaneous; under Holm an interval may include zero although the step-down test rejects,
    never the other way round). BH and e-BH: R α / m for R rejections (FCR), so that under BH an interval excludes zero
    exactly when its test rejects.

    Args:
        alpha: Two-sided level of the family.
        method: The correction.
        rejected: Hypotheses that it rejects.
        of: Hypotheses in the family.
    """
    check_choice("method", method, METHODS)
    check_share("alpha", alpha)
    if method == "none":
        return alpha
    if method in ("bonferroni", "holm"):
        return fcr_level(alpha=alpha, selected=min(1, of), of=of)
    return fcr_level(alpha=alpha, selected=rejected, of=of)


@dataclass(frozen=True, slots=True)
class Family:
    """One family of hypotheses that shares an alpha.

    Attributes:
        name: `primary`, `secondary` or `guardrail`.
        members: Positions of its hypotheses.
        method: How they are corrected.
    """

    name: str
    members: tuple[int, ...]
    method: Method


def families(
    roles: Sequence[str], *, primary: Method, secondary: Method, guardrails: Literal["outside", "inside"]
) -> tuple[Family, ...]:
    """Families by role: primaries × variants together, secondaries together, guardrails each on its own.

    A guardrail's test is "not worse than the margin": to ship, all must pass, so each keeps the full alpha
    (intersection–union, Berger 1982) and what many guardrails cost is power, see `beta_each`.

    Args:
        roles: Role of each hypothesis (metric × variant), in order.
        primary: Correction of the primaries.
        secondary: Correction of the secondaries.
        guardrails: `outside`: uncorrected, on their own; `inside`: with the primaries.

    Raises:
        StatsError: `XPB-S01`, an unknown role or method.
    """
    check_choice("guardrails", guardrails, ("outside", "inside"))
    for role in roles:
        check_choice("role", role, ("primary", "secondary", "guardrail"))
    for method in (primary, secondary):
        check_choice("method", method, METHODS)
    inside = {"primary", "guardrail"} if guardrails == "inside" else {"primary"}
    first = tuple(i for i, role in enumerate(roles) if role in inside)
    second = tuple(i for i, role in enumerate(roles) if role == "secondary")
    alone = tuple(i for i, role in enumerate(roles) if role == "guardrail" and role not in inside)
    found = (Family("primary", first, primary), Family("secondary", second, secondary), Family("guardrail", alone, "none"))
    return tuple(f for f in found if f.members)


def beta_each(*, beta: float, guardrails: int) -> float:
    """β for each test such that the whole decision misses with probability at most β: β / (guardrails + 1).

    All guardrails must pass together with at least one success metric, so misses add up.

    Source: Schultzberg, Ankargren, Frånberg 2024, "Risk-aware product decisions in A/B tests with multiple metrics", §4.
    """
    check_share("beta", beta)
    if guardrails < 0:
        raise refuse("guardrails", guardrails, "guardrails are counted")
    return beta / (guardrails + 1)
