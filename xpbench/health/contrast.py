"""From two cells of the summary to a pair of estimates, for checks that compare variants before the exposure."""

from __future__ import annotations

import math

from scipy.special import ndtr, stdtr

from xpbench.data.summary import TOTAL, Cell
from xpbench.plan.metrics import Formula, MetricBase
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import Pair, cluster_pair, formula_pair, mean_pair, quantile_pair, ratio_pair


def pair_of_cells(metric: MetricBase, control: Cell, treatment: Cell) -> Pair:
    """The pair of a metric's own columns, without covariates.

    Source: `stats.pairs`; the columns' order is the cell's contract (value, or numerator and denominator, or the keys that
    a formula names).
    """
    c, t = (Moments.of(x.n, x.mean, x.cov) for x in (control, treatment))
    kind = getattr(metric, "kind", "")
    if control.columns[:1] == (TOTAL,):
        return cluster_pair(c, t)
    if control.columns[:2] == ("numerator", "denominator"):
        return ratio_pair(c, t, num=0, den=1)
    if isinstance(metric, Formula):
        names = [n for n in control.columns if n not in ("before", "seen")]
        return formula_pair(c.take(*range(len(names))), t.take(*range(len(names))), expression=metric.expression, names=names)
    return quantile_pair(c, t) if kind == "quantile" else mean_pair(c, t)


def two_sided_p(pair: Pair) -> float | None:
    """Two-sided p-value of "no difference" (Welch), or None where the pair has a status."""
    if pair.status != "ok" or not pair.se > 0:
        return None
    z = abs(pair.effect) / pair.se
    if math.isfinite(pair.df):
        return float(2.0 * stdtr(pair.df, -z))
    return float(2.0 * ndtr(-z))
