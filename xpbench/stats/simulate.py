"""A/A tests and power by simulation on given moments: the whole design, look by look, with Monte-Carlo error.

Sums over many units are near normal whatever the units do, so a look is drawn from the moments: an increment of the mean and of
the variance for the units that came in since the last look. No rows are needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from xpbench.stats.arguments import check_share, refuse
from xpbench.stats.designs import Design
from xpbench.stats.functionals import Functional, functional
from xpbench.stats.moments import Moments


@dataclass(frozen=True, slots=True)
class Simulated:
    """What happened in the replications.

    Attributes:
        rejected: Share that rejected at some look.
        error: Monte-Carlo standard error of that share.
        wrong_side: Share that rejected against the sign of the effect (A/A: downwards).
        expected_units: Mean number of units at the end.
        effect_when_rejected: Mean of the estimated effect among rejections; NaN without any. Early stopping exaggerates.
        replications: How many were drawn.
    """

    rejected: float
    error: float
    wrong_side: float
    expected_units: float
    effect_when_rejected: float
    replications: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        out: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in out.items()}


def simulate(
    control: Moments,
    *,
    subject: int | Functional,
    effect: float,
    n: int,
    split: tuple[float, float],
    alpha: float,
    design: Design,
    replications: int,
    rng: np.random.Generator,
) -> Simulated:
    """Draw experiments that look like the control's moments and read each as the design says.

    Args:
        control: Moments of past units; the treatment differs by `effect` in its mean and not in its variance.
        subject: Column, ratio or formula.
        effect: True effect in metric units; 0 for an A/A test.
        n: Units of both variants at the horizon.
        split: Shares of control and treatment, together 1.
        alpha: Two-sided level.
        design: How it is read.
        replications: Number of experiments.
        rng: Seeded generator.
    """
    check_share("alpha", alpha)
    if replications < 1 or n < 4 or not math.isclose(sum(split), 1.0, abs_tol=1e-9) or min(split) <= 0:
        raise refuse("n", (n, split, replications), "n >= 4 units, a split that sums to 1, at least one replication")
    _, gradient = functional(subject).at(control.mean)
    sd = math.sqrt(float(gradient @ control.cov @ gradient))
    looks = np.array(design.information())
    sums, squares = [], []
    for share, shift in zip(split, (0.0, effect), strict=True):
        units = np.maximum(np.floor(looks * n * share), 2.0)
        new = np.diff(np.concatenate([[0.0], units]))
        # sums of the new units, and their squared deviations from the true mean: normal and χ², independent by Cochran
        z = rng.standard_normal((replications, len(looks)))
        rest = np.where(new > 1, rng.chisquare(np.maximum(new - 1.0, 1.0), (replications, len(looks))), 0.0)
        total = np.cumsum(sd * np.sqrt(new) * z, axis=1)
        square = np.cumsum(sd**2 * (z**2 + rest), axis=1)
        mean = total / units
        sums.append(mean + shift)
        squares.append((square - units * mean**2) / (units - 1.0) / units)
    difference = sums[1] - sums[0]
    variance = squares[0] + squares[1]
    counted = [np.maximum(np.floor(looks * n * share), 2.0) for share in split]
    if design.uses_t:
        df = variance**2 / (squares[0] ** 2 / (counted[0] - 1.0) + squares[1] ** 2 / (counted[1] - 1.0))
        bounds = -stdtrit(df, alpha / 2.0)
    else:
        se = sd * math.sqrt(1.0 / (n * split[0]) + 1.0 / (n * split[1]))
        bounds = np.array(design.bounds(alpha=alpha / 2.0, n=n, se=se, df=math.inf))[None, :]
    crossed = np.abs(difference) > bounds * np.sqrt(variance)
    any_ = crossed.any(axis=1)
    first = np.where(any_, crossed.argmax(axis=1), len(looks) - 1)
    at_stop = difference[np.arange(replications), first]
    rejected = float(any_.mean())
    wrong = any_ & (np.sign(at_stop) != (math.copysign(1.0, effect)))
    return Simulated(
        rejected=rejected,
        error=math.sqrt(rejected * (1.0 - rejected) / replications),
        wrong_side=float(wrong.mean()),
        expected_units=float((n * looks[first]).mean()),
        effect_when_rejected=float(at_stop[any_].mean()) if any_.any() else math.nan,
        replications=replications,
    )
