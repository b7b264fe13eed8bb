"""Caps for extreme values: pooled over variants, on both tails, aware of metrics that are mostly zero.

The data engine computes and applies caps on its side; these functions define what they are and serve arrays. What is
estimated is the mean of capped values, so a readout shows the raw result beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from xpbench.stats.arguments import check_choice, refuse
from xpbench.stats.moments import Floats
from xpbench.stats.status import EstimateStatus


@dataclass(frozen=True, slots=True)
class Caps:
    """Thresholds of one column.

    Attributes:
        lower: Values below are raised to it; None = no lower cap.
        upper: Values above are cut to it; None = no upper cap.
        status: `ok`, or `cap_is_zero` where the caps would leave a metric of zeros.
        over: What the percentiles were taken over. With `nonzero` zeros are no extreme values and stay zero.
    """

    lower: float | None
    upper: float | None
    status: EstimateStatus
    over: Literal["all", "nonzero"]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"lower": self.lower, "upper": self.upper, "status": self.status, "over": self.over}


def cap_thresholds(values: ArrayLike, *, lower: float | None, upper: float | None, over: Literal["all", "nonzero"]) -> Caps:
    """Thresholds at pooled percentiles; call it with the values of all variants together.

    Percentiles interpolate linearly between values, the same as SQL's `quantile_cont`.

    Args:
        values: Values of all units of all variants; NaN are left out.
        lower: Share below the lower cap, or None.
        upper: Share below the upper cap, or None.
        over: Percentiles over all values, or over those that are not zero.

    Raises:
        StatsError: `XPB-S01`, shares out of order or range.

    Source: percentile definition 7 of Hyndman and Fan 1996.
    """
    check_choice("over", over, ("all", "nonzero"))
    for name, share in (("lower", lower), ("upper", upper)):
        if share is not None and not 0.0 <= share <= 1.0:
            raise refuse(name, share, f"{name} is a share from 0 to 1")
    if lower is not None and upper is not None and lower >= upper:
        raise refuse("lower", lower, f"lower lies below upper, which is {upper}")
    x = np.asarray(values, dtype=np.float64)
    x = x[~np.isnan(x)]
    from_ = x[x != 0.0] if over == "nonzero" else x
    if not from_.size:
        return Caps(None, None, "ok" if not x.size or lower is upper is None else "cap_is_zero", over)
    low, high = (None if share is None else _percentile(from_, share) for share in (lower, upper))
    flat = (high == 0.0 and (x > 0.0).any()) or (low == 0.0 and (x < 0.0).any())
    return Caps(low, high, "cap_is_zero" if flat else "ok", over)


def _percentile(values: Floats, share: float) -> float:
    with np.errstate(invalid="ignore"):
        found = float(np.quantile(values, share, method="linear"))
    # between infinite values there is nothing to interpolate
    return float(np.quantile(values, share, method="nearest")) if np.isnan(found) else found


def cap(values: ArrayLike, *, caps: Caps) -> Floats:
    """Values with those outside of the thresholds set to the threshold; none is dropped."""
    x = np.asarray(values, dtype=np.float64)
    if caps.lower is None and caps.upper is None:
        return x.copy()
    capped = np.clip(x, caps.lower, caps.upper)
    return np.asarray(np.where(x == 0.0, 0.0, capped) if caps.over == "nonzero" else capped, dtype=np.float64)
