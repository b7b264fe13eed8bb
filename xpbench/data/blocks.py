"""Which columns of the unit table each metric needs together: the bridge from a plan to moments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xpbench import formula
from xpbench.data.summary import SourceForm
from xpbench.errors import DataError
from xpbench.plan import Plan
from xpbench.plan.metrics import Formula, MetricBase, Quantile, Ratio, Winsorize
from xpbench.plan.rules import has_one_value

PAST, STRATUM = "past.", "is."
"""How labels of covariates begin: another metric's values before the exposure, and whether a segment has a value."""


@dataclass(frozen=True, slots=True)
class BlockColumn:
    """One column of a block.

    Attributes:
        label: Its name in `Cell.columns`.
        measure: The column of the unit table.
        winsorize: Percentiles to cap it at, or None.
        owner: Key of the metric under which its cap is reported.
        cap_name: Name of the column under which its cap is reported.
    """

    label: str
    measure: str
    winsorize: Winsorize | None = None
    owner: str = ""
    cap_name: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Columns whose means and covariances belong together, for one metric and form.

    A unit counts where all of `own` are present. A covariate that is missing is set to a constant near its pooled mean,
    which keeps the unit and adds nothing to the covariance.
    """

    metric: str
    form: SourceForm
    own: tuple[BlockColumn, ...]
    covariates: tuple[BlockColumn, ...] = ()

    @property
    def columns(self) -> tuple[BlockColumn, ...]:
        """Own columns, then covariates."""
        return self.own + self.covariates


@dataclass(frozen=True, slots=True)
class Parts:
    """What one metric looks like in the unit table.

    Attributes:
        own: Measures by label: `value`, or `numerator` and `denominator`.
        covariates: Measures from before the exposure, by label.
        before: Measures of the bias check, by label.
    """

    own: tuple[tuple[str, str], ...]
    covariates: tuple[tuple[str, str], ...] = ()
    before: tuple[tuple[str, str], ...] = ()


def leaves(plan: Plan, metric: MetricBase) -> list[tuple[str, MetricBase]]:
    """The metrics that a ratio or formula is made of, by label; any other metric is made of itself.

    Raises:
        DataError: `XPB-D10`, it is built on something that has no single value for each unit.
    """
    if isinstance(metric, Ratio):
        found = [("numerator", plan.metric(metric.numerator)), ("denominator", plan.metric(metric.denominator))]
    elif isinstance(metric, Formula):
        found = [(name, plan.metric(name)) for name in formula.parse(metric.expression).names()]
    else:
        return [("value", metric)]
    for _, part in found:
        if not has_one_value(part):
            raise DataError("XPB-D10", key=metric.key, part=part.key, part_kind=getattr(part, "kind", "?"))
    return found


def blocks_of(plan: Plan, parts_of: Callable[[MetricBase], Parts]) -> list[Block]:
    """The blocks of every metric of a plan but quantiles: value, raw where something is capped, and before.

    Args:
        plan: The plan.
        parts_of: Says for a metric that is no ratio and no formula how it stands in the unit table.
    """
    out: list[Block] = []
    for metric in plan.metrics:
        if isinstance(metric, Quantile):
            continue
        parts = [(label, leaf, parts_of(leaf)) for label, leaf in leaves(plan, metric)]
        compound = isinstance(metric, (Ratio, Formula))
        own: list[BlockColumn] = []
        covariates: list[BlockColumn] = []
        before: list[BlockColumn] = []
        for label, leaf, part in parts:
            winsorize = metric.winsorize or leaf.winsorize
            owner = metric.key if metric.winsorize else leaf.key
            ours = compound and metric.winsorize is not None
            own += [
                BlockColumn(label if compound else name, measure, winsorize, owner, label if ours else name)
                for name, measure in part.own
            ]
            for name, measure in part.covariates if metric.cuped else ():
                shown = f"{name}.{label}" if compound and name == "before" else name
                if measure not in {c.measure for c in covariates}:
                    cap_name = shown if ours else name
                    free = name == "seen" or name.startswith((PAST, STRATUM))
                    covariates.append(BlockColumn(shown, measure, None if free else winsorize, owner, cap_name))
            for name, measure in part.before:  # same cap as the covariate, where both are there
                cap_name = next((n for n, c in part.covariates if c == measure), f"before.{name}")
                cap_name = f"before.{label}" if ours else cap_name
                before.append(BlockColumn(label if compound else name, measure, winsorize, owner, cap_name))
        out.append(Block(metric.key, "value", tuple(own), tuple(covariates)))
        if any(c.winsorize for c in own):
            out.append(Block(metric.key, "raw", tuple(map(_uncapped, own)), tuple(map(_uncapped, covariates))))
        if before and (not compound or [c.label for c in before] == [c.label for c in own]):
            out.append(Block(metric.key, "before", tuple(before)))
    return out


def _uncapped(column: BlockColumn) -> BlockColumn:
    return BlockColumn(column.label, column.measure)
