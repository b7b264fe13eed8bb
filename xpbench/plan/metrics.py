"""Metrics of a plan: one class per kind, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from xpbench.plan.base import Key, Many, Number, Part, Share, Text
from xpbench.plan.hypothesis import Direction

Role = Literal["primary", "secondary", "guardrail"]


class Winsorize(Part):
    """Pooled percentiles outside of which values are capped (never dropped)."""

    lower: Share | None = Field(default=None, description="Share of values below the lower cap, 0.01 = 1 %")
    upper: Share | None = Field(default=None, description="Share of values below the upper cap, 0.99 = 99 %")
    over: Literal["all", "nonzero"] = Field(
        default="all", description="Take the percentiles over all units or over units with a non-zero value"
    )


class Filter(Part):
    """A condition on a property of an event; the filters of a metric are joined by *and*."""

    property: Key = Field(description="Name of the property")
    op: Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "is set", "is not set"] = "=="
    value: str | Number | bool | Many[str | Number | bool] | None = Field(default=None, description="What to compare with")


class MetricBase(Part):
    """Fields of every metric."""

    key: Key = Field(description="Short name, unique in the plan")
    name: Text | None = Field(default=None, description="Label in charts and memo; the key where it is missing")
    role: Role = Field(description="primary decides, secondary explains, guardrail must not get worse")
    direction: Direction = Field(description="Which way is better")
    min_lift: Number | None = Field(default=None, ge=0, description="Smallest lift that matters, as a share")
    equivalence: Number | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Largest lift, either way, that counts as no effect that matters; min_lift where it is missing",
    )
    margin: Number | None = Field(default=None, gt=0, description="Guardrails: worst absolute change accepted")
    margin_rel: Number | None = Field(default=None, gt=0, lt=1, description="Guardrails: worst relative change accepted")
    winsorize: Winsorize | None = Field(default=None, description="Cap extreme values at pooled percentiles")
    currency: Key | None = Field(default=None, description="Currency of its values, or of what one of it is worth: EUR")
    worth: Number | None = Field(
        default=None, gt=0, description="Money that one more of it is worth, for the memo's first page"
    )
    cuped: bool = Field(default=False, description="Use pre-experiment values to narrow the interval")

    @property
    def no_effect_within(self) -> float | None:
        """Lift, either way, inside of which an effect does not matter; None where the plan names none."""
        return self.equivalence or self.min_lift or None

    @property
    def label(self) -> str:
        """Name for people."""
        return self.name or self.key


class EventMetric(MetricBase):
    """Fields of every metric that is counted from events after a unit's exposure."""

    window_days: Number | None = Field(
        default=None, gt=0, le=90, description="Days after a unit's first exposure that count; at most 90"
    )
    delay_days: Number = Field(default=0, ge=0, lt=90, description="Days after the exposure before anything counts")
    where: Many[Filter] = Field(default=(), description="Only events whose properties fit all of these")
    past_of: Many[Key] | None = Field(
        default=None,
        description="With cuped: other metrics of the plan whose values before the exposure narrow this one's interval, too",
        examples=[["visits"]],
    )
    strata: Many[Key] | None = Field(
        default=None,
        description="With cuped: declared segments whose values narrow the interval (post-stratification), such as platform",
        examples=[["platform"]],
    )


class Conversion(EventMetric):
    """1 where the unit did the event at least once, else 0."""

    kind: Literal["conversion"] = "conversion"
    event: Key


class Count(EventMetric):
    """How often the unit did the event."""

    kind: Literal["count"] = "count"
    event: Key


class Sum(EventMetric):
    """Sum of a numeric property over the unit's events."""

    kind: Literal["sum"] = "sum"
    event: Key
    property: Key


class Mean(EventMetric):
    """Mean of a numeric property over events: a ratio of per-unit sums and per-unit counts."""

    kind: Literal["mean"] = "mean"
    event: Key
    property: Key


class Sessions(EventMetric):
    """Number of sessions: runs of events with no pause longer than the timeout."""

    kind: Literal["sessions"] = "sessions"
    timeout_minutes: Number = Field(default=30, gt=0, le=1440)


class Retention(EventMetric):
    """1 where the unit did the event in [day, day + length_days) after its exposure, else 0."""

    kind: Literal["retention"] = "retention"
    event: Key
    day: int = Field(ge=0, le=89)
    length_days: int = Field(default=1, ge=1, le=90)


class Step(Part):
    """One step of a funnel."""

    event: Key
    where: Many[Filter] = ()


class Funnel(EventMetric):
    """1 where the unit did the steps in order within the window, per exposed unit or per entrant of the first step."""

    kind: Literal["funnel"] = "funnel"
    steps: Many[Step]
    within_days: Number | None = Field(default=None, gt=0, le=90, description="Time from first to last step")
    per: Literal["exposure", "entrant"] = "exposure"


class Quantile(EventMetric):
    """Quantile of a numeric property over events (clustered by unit)."""

    kind: Literal["quantile"] = "quantile"
    event: Key
    property: Key
    q: Number = Field(gt=0, lt=1)


class Ratio(MetricBase):
    """Sum of one metric over sum of another, with their covariance."""

    kind: Literal["ratio"] = "ratio"
    numerator: Key
    denominator: Key


class Formula(MetricBase):
    """Arithmetic over means of other metrics, with their covariances: + - * / and parentheses."""

    kind: Literal["formula"] = "formula"
    expression: Text


class Column(MetricBase):
    """A numeric or true/false column of a table with one row per unit."""

    kind: Literal["column"] = "column"
    column: Key
    covariates: Many[Key] = Field(default=(), description="Columns measured before the exposure, for CUPED")


Metric = Annotated[
    Conversion | Count | Sum | Mean | Sessions | Retention | Funnel | Quantile | Ratio | Formula | Column,
    Field(discriminator="kind"),
]

KINDS: dict[str, type[MetricBase]] = {
    str(c.model_fields["kind"].default): c
    for c in (Conversion, Count, Sum, Mean, Sessions, Retention, Funnel, Quantile, Ratio, Formula, Column)
}


def label_of(metric: Any) -> str:
    """Name for people of a metric or of its plan entry."""
    return str(metric.get("name") or metric["key"]) if isinstance(metric, dict) else metric.label
