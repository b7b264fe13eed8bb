"""The critical multiplier of a design: how many standard errors an interval reaches to each side.

Fixed: Student's t. Anytime: the normal mixture, for which mSPRT and the asymptotic confidence sequence are one function.
Group-sequential boundaries stand in `spending`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from xpbench.stats.arguments import check_positive, check_share, refuse
from xpbench.stats.pairs import Pair
from xpbench.stats.spending import q_group

__all__ = ["Mixture", "q_anytime", "q_fixed", "q_group", "q_mixture", "q_one_sided", "q_tau"]


def q_fixed(alpha: float, df: float) -> float:
    """Two-sided critical value of Student's t; of the normal for infinite df; NaN for df that is NaN.

    Args:
        alpha: Two-sided level in (0, 1).
        df: Degrees of freedom.
    """
    return q_one_sided(check_share("alpha", alpha) / 2.0, df)


def q_one_sided(alpha: float, df: float) -> float:
    """One-sided critical value of Student's t; of the normal for infinite df.

    Args:
        alpha: One-sided level in (0, 1).
        df: Degrees of freedom.
    """
    check_share("alpha", alpha)
    return float(-ndtri(alpha)) if math.isinf(df) else float(-stdtrit(df, alpha))


@dataclass(frozen=True, slots=True)
class Mixture:
    """The normal mixture of an anytime-valid design, fixed in the plan and kept for the life of the experiment.

    Exactly one is set. Make it with `Mixture.optimal` or `Mixture.prior`.

    Attributes:
        rho2: Variance of the mixing distribution in units of one unit's noise: prior sd of the effect = ρ σ.
        tau: Prior sd of the effect in metric units.
    """

    rho2: float | None = None
    tau: float | None = None

    def __post_init__(self) -> None:
        if (self.rho2 is None) == (self.tau is None):
            raise refuse("Mixture", f"rho2={self.rho2}, tau={self.tau}", "exactly one of rho2 and tau tunes the interval")
        check_positive("rho2" if self.tau is None else "tau", self.rho2 if self.tau is None else self.tau)  # type: ignore[arg-type]

    @classmethod
    def optimal(cls, *, alpha: float, n_opt: float) -> Mixture:
        """The mixture whose interval at level alpha is narrowest at n_opt units of both variants together.

        Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2021 (arXiv 2103.06476), ρ² = (−2 ln α + ln(1 − 2 ln α)) / n_opt.
        """
        check_share("alpha", alpha)
        check_positive("n_opt", n_opt)
        return cls(rho2=(-2.0 * math.log(alpha) + math.log1p(-2.0 * math.log(alpha))) / n_opt)

    @classmethod
    def prior(cls, *, tau: float) -> Mixture:
        """The mixture N(0, τ²) over the true effect, in metric units.

        Source: Johari, Koomen, Pekelis, Walsh 2017, mSPRT with a normal mixture.
        """
        return cls(tau=tau)

    def ratio(self, pair: Pair) -> float:
        """Variance of the mixture over the variance of the effect: n ρ² or τ² / se²."""
        if self.rho2 is not None:
            return pair.n * self.rho2
        return float(self.tau) ** 2 / pair.variance if self.tau is not None and pair.variance > 0 else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"rho2": self.rho2, "tau": self.tau}


def q_mixture(alpha: Any, ratio: Any) -> Any:
    """Multiplier of the normal mixture: sqrt((1 + k) / k · (ln(1 + k) − 2 ln α)); numbers or arrays.

    Args:
        alpha: Two-sided level in (0, 1).
        ratio: k, variance of the mixture over variance of the effect at this look (`Mixture.ratio`).

    Source: Waudby-Smith et al. 2021, eq. 9; equal to the inverted mSPRT of Johari et al. 2017.
    """
    if isinstance(ratio, float) and isinstance(alpha, float) and ratio > 0.0 and alpha > 0.0:
        # the C library's logarithm: numpy's vectorised ones differ in the last bit from processor to processor
        return math.sqrt((1.0 + ratio) / ratio * (math.log1p(ratio) - 2.0 * math.log(alpha)))
    k = np.asarray(ratio, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.sqrt((1.0 + k) / k * (np.log1p(k) - 2.0 * np.log(alpha)))
    return float(q) if q.ndim == 0 else q


def q_anytime(alpha: float, n: float, n_opt: float) -> float:
    """Multiplier of the anytime-valid interval at n units, tuned at the same alpha.

    Where a correction lowers alpha, keep the plan's mixture: `q_mixture(level, mixture.ratio(pair))`.

    Args:
        alpha: Two-sided level in (0, 1).
        n: Units of both variants together at this look.
        n_opt: Units at which the interval is narrowest; fixed before launch, from the planned n.
    """
    return float(q_mixture(alpha, check_positive("n", n) * _rho2(alpha, n_opt)))


def _rho2(alpha: float, n_opt: float) -> float:
    rho2 = Mixture.optimal(alpha=alpha, n_opt=n_opt).rho2
    assert rho2 is not None  # noqa: S101
    return rho2


def q_tau(alpha: float, se: float, tau: float) -> float:
    """Multiplier of the anytime-valid interval for a prior sd τ of the effect.

    Args:
        alpha: Two-sided level in (0, 1).
        se: Standard error of the effect at this look.
        tau: Prior sd of the effect in metric units, fixed before launch.
    """
    check_share("alpha", alpha)
    return float(q_mixture(alpha, (check_positive("tau", tau) / check_positive("se", se)) ** 2))
