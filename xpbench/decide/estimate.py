"""From the moments of one metric to a pair of estimates: the only place where the kind of a metric matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from xpbench.data.summary import TOTAL, Cap, Cell
from xpbench.plan.metrics import Formula, MetricBase, Quantile
from xpbench.stats.cuped import adjustment
from xpbench.stats.functionals import ClusterMean, FormulaOfMeans, Functional, RatioOfMeans
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import Pair, borrowed, pair_of, quantile_pair, without_noise
from xpbench.stats.proportion import EventCounts, counts, is_binary, is_rare, is_tiny
from xpbench.stats.status import reason


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known of one metric for one treatment against control.

    Attributes:
        pair: The estimates that the plan asks for (with CUPED where it says so).
        unadjusted: The same without covariates.
        n_control: Units of the control.
        n: Units of the treatment.
        mean_control: Estimate of the control without adjustment, in metric units; NaN where there is none.
        mean: Estimate of the treatment without adjustment.
        reduction: Share of the variance that CUPED removed; None where the plan does not ask for it.
        is_proportion: Whether the metric is the share of units with a 1.
        tiny: Events and units where a proportion is so small (or large) that, without covariates, the score method takes the
            place of the normal one in the fixed design, and other designs wait; None otherwise.
        moments: Of control and treatment, None for quantiles and where there is no unit.
        subject: What is estimated from the columns.
        is_quantile: Whether the moments carry a quantile and the noise of its bounds.
        counts: Events and units of a proportion.
        borrows: Whether a constant variant's noise is the other's (`with_noise`).
    """

    pair: Pair
    unadjusted: Pair
    n_control: int
    n: int
    mean_control: float
    mean: float
    reduction: float | None
    is_proportion: bool
    tiny: EventCounts | None = None
    moments: tuple[Moments, Moments] | None = None
    subject: int | Functional = 0
    borrows: bool = False
    is_quantile: bool = False
    counts: EventCounts | None = None

    @property
    def is_rare(self) -> bool:
        """Whether fewer than ten units of both variants together have the event, or lack it."""
        return self.tiny is not None and is_rare(self.tiny)


def with_noise(found: Estimate) -> Estimate:
    """The estimate in which a variant whose units all have the same value takes its noise from the other one.

    A treatment that loses everything must be called worse: "no noise" is no open question. A quantile whose bounds are tied in
    both variants keeps its status, for ties say nothing about its noise; so do shares, which the score method judges.
    """
    if found.pair.status != "separation" or found.is_proportion:
        return found
    if found.moments is None:
        return found
    pair = borrowed(*found.moments, subject=found.subject)
    if found.is_quantile:
        if all(found.moments[i].cov[0, 0] == 0.0 for i in (0, 1)):
            return found
        pair = replace(pair, df=math.inf)
    return replace(found, pair=pair, unadjusted=pair, reduction=None, borrows=True)


def estimate(metric: MetricBase, control: Cell | None, treatment: Cell | None) -> Estimate:
    """The pair of a metric from two cells, with a status where there is nothing to test.

    A column of zeros and ones is a proportion: its variance p (1 - p) is known given its mean, so the unpooled z-test takes the
    place of Welch's (variance p (1 - p) / n, infinite degrees of freedom).

    Args:
        metric: Of the plan.
        control: Moments of the control, None where it has no unit.
        treatment: Moments of the treatment, None where it has no unit.
    """
    c, t = _moments(control), _moments(treatment)
    if c is None or t is None or control is None or treatment is None:
        empty = Pair(
            *(math.nan,) * 6,
            n=(c.n if c else 0) + (t.n if t else 0),
            status="not_enough_units",
            reason=reason("not_enough_units"),
        )
        means = [float(m.mean[0]) if m is not None and m.n and len(m.mean) == 1 else math.nan for m in (c, t)]
        return Estimate(empty, empty, c.n if c else 0, t.n if t else 0, means[0], means[1], None, False)
    subject, covariates = subject_of(metric, control.columns)
    if isinstance(metric, Quantile):
        pair = quantile_pair(c, t)
        return Estimate(pair, pair, c.n, t.n, pair.mc, pair.mt, None, False, moments=(c, t), is_quantile=True)
    proportion = subject == 0 and is_binary(c, col=0) and is_binary(t, col=0)
    found = counts(c, t, col=0) if proportion else None
    tiny = found if found is not None and is_tiny(found) else None
    plain = pair_of(c, t, subject=subject)
    if proportion and plain.status == "ok":
        plain = replace(plain, vc=plain.vc * (c.n - 1) / c.n, vt=plain.vt * (t.n - 1) / t.n, df=math.inf)
    if not (metric.cuped and covariates):
        return Estimate(plain, plain, c.n, t.n, plain.mc, plain.mt, None, proportion, tiny, (c, t), subject, counts=found)
    adjusted = adjustment(c, t, y=subject, xs=covariates)
    return Estimate(
        adjusted.pair,
        plain,
        c.n,
        t.n,
        plain.mc,
        plain.mt,
        _finite(adjusted.reduction),
        proportion,
        tiny,
        (c, t),
        subject,
        counts=found,
    )


def capped_away(found: Estimate, caps: Sequence[Cap]) -> Estimate:
    """The estimate that names a winsorization cap of zero as the reason why nothing is left, where it is one.

    Args:
        found: Estimate.
        caps: Of its metric.
    """
    zero = any((c.upper == 0.0 and c.n_upper) or (c.lower == 0.0 and c.n_lower) for c in caps)
    if not zero or found.pair.status != "zero_variance":
        return found
    pair = without_noise(found.pair, "cap_is_zero")
    return replace(found, pair=pair, unadjusted=pair, reduction=None, is_proportion=False, tiny=None, counts=None)


def waiting(found: Estimate) -> Estimate:
    """The estimate in a design with several looks under the first edition of the methods: a tiny share has no interval yet."""
    if found.tiny is None:
        return found
    pair, plain = (
        without_noise(p, "too_few_events") if p.status in ("ok", "separation") else p for p in (found.pair, found.unadjusted)
    )
    return replace(found, pair=pair, unadjusted=plain)


def subject_of(metric: MetricBase, columns: tuple[str, ...]) -> tuple[int | Functional, list[int | Functional]]:
    """What is estimated from the columns of a cell, and which of them are covariates."""
    if isinstance(metric, Formula):
        from xpbench import formula

        names = formula.parse(metric.expression).names()
        return FormulaOfMeans.of(metric.expression, names=columns[: len(names)]), list(range(len(names), len(columns)))
    if columns[:1] == (TOTAL,):
        return ClusterMean(0, 1), [RatioOfMeans(i, 1) for i in range(2, len(columns))]
    if columns[:2] == ("numerator", "denominator"):
        return RatioOfMeans(0, 1), list(range(2, len(columns)))
    return 0, list(range(1, len(columns)))


def _moments(cell: Cell | None) -> Moments | None:
    return None if cell is None or cell.n < 1 else Moments.of(cell.n, cell.mean, cell.cov)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
