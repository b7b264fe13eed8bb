"""One row of a readout: a metric for one treatment variant against control."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from xpbench.decide.chances import could_find

RowVerdict = Literal["better", "worse", "unclear"]
GuardrailState = Literal["ok", "unclear", "bad", ""]

FRAME_COLUMNS = (
    "metric",
    "role",
    "variant",
    "n_control",
    "n",
    "mean_control",
    "mean",
    "effect",
    "ci_low",
    "ci_high",
    "lift",
    "lift_low",
    "lift_high",
    "p_value",
    "status",
    "p_adjusted",
    "alpha",
    "verdict",
    "matters",
    "guardrail",
    "margin_p_value",
    "chance",
    "variance_reduction",
    "reason",
    "equivalent",
    "could_find",
)
"""Columns of `to_frame`; the first fifteen are fixed."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The same comparison computed another way, to show next to the row.

    Attributes:
        name: `raw` (not winsorized), `without CUPED`, `Mixpanel's documented test` …
        note: One sentence on what is different.
    """

    name: str
    effect: float | None
    ci_low: float | None
    ci_high: float | None
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    p_value: float | None
    status: str
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class SavedBy:
    """What one source of covariates takes out of a row's variance.

    Attributes:
        source: `own past`, `past of visits`, `platform`, or the name of a column.
        alone: Share with this source alone.
        more: Share that would be missing without it.
    """

    source: str
    alone: float
    more: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Row:
    """What was found for one metric and one treatment variant. Numbers that do not exist are None.

    Attributes:
        metric: Key of the metric.
        label: Its name for people.
        kind: Kind of the metric.
        role: primary, secondary or guardrail.
        direction: Which way is better.
        variant: Key of the treatment variant.
        n_control: Units of the control.
        n: Units of the treatment.
        mean_control: Metric in control, unadjusted.
        mean: Metric in the treatment, unadjusted.
        effect: Treatment minus control in metric units (after CUPED where the plan says so).
        ci_low: Lower end of its interval at level 1 - alpha.
        ci_high: Upper end.
        lift: effect / |control|, as a share.
        lift_low: Lower end of Fieller's interval at the same level; None where it is unbounded.
        lift_high: Upper end.
        p_value: Two-sided, of the plan's design; for the Bayesian model None.
        status: `ok`, or the name of why a number is missing.
        reason: The status as a sentence.
        p_adjusted: After the correction of the row's family.
        alpha: Two-sided level of the interval after the correction.
        verdict: `better` or `worse` by the plan's test, else `unclear`.
        matters: Whether the lift reaches min_lift as the plan asks; None where there is no min_lift.
        too_small: Whether the whole interval is below min_lift; None where there is none.
        guardrail: For guardrails `ok` (shown to be within the margin), `bad` or `unclear`; else "".
        margin: Worst change accepted, with its sign, on `margin_scale`.
        margin_scale: `effect` or `lift`.
        margin_p_value: One-sided p-value of being within the margin.
        chance: Bayesian: chance to beat control, in the metric's direction.
        risk: Bayesian: expected loss of shipping, in metric units (with a prior on the lift in units of the control).
        variance_reduction: Share of the variance that CUPED removed.
        is_proportion: Whether the metric is a share of units.
        se: Standard error of the effect.
        min_lift: From the plan.
        sensitivity: The same comparison computed in other ways.
        equivalent: Whether the whole interval of the lift lies within what the plan calls too small to matter; None where it
            names no such lift, for guardrails, and before the fourth edition of the methods.
        chance_left: Chance that a planned look ahead wins if the lift is as planned; None for plans without a futility row,
            for other roles, and where nothing is ahead.
        last_q: Multiplier of the plan's last look at this row's level, for a primary metric of a group-sequential plan before
            that look; else None.
        saved_by: What each source of covariates takes out of the variance, where there are two or more; else empty.
    """

    metric: str
    label: str
    kind: str
    role: str
    direction: str
    variant: str
    n_control: int
    n: int
    mean_control: float | None
    mean: float | None
    effect: float | None
    ci_low: float | None
    ci_high: float | None
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    p_value: float | None
    status: str
    reason: str
    p_adjusted: float | None
    alpha: float
    verdict: RowVerdict
    matters: bool | None
    too_small: bool | None
    guardrail: GuardrailState
    margin: float | None
    margin_scale: str
    margin_p_value: float | None
    chance: float | None
    risk: float | None
    variance_reduction: float | None
    is_proportion: bool
    se: float | None
    min_lift: float | None
    sensitivity: tuple[Sensitivity, ...] = field(default=())
    equivalent: bool | None = None
    chance_left: float | None = None
    last_q: float | None = None
    saved_by: tuple[SavedBy, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; the last four where they are asked for, so that older readouts keep their bytes."""
        out = {name: getattr(self, name) for name in self.__slots__}
        for name in ("equivalent", "chance_left", "last_q"):
            if out[name] is None:
                del out[name]
        out["sensitivity"] = [s.to_dict() for s in self.sensitivity]
        out["saved_by"] = [s.to_dict() for s in self.saved_by]
        if not self.saved_by:
            del out["saved_by"]
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Row:
        """The inverse of `to_dict`."""
        parts = {
            "sensitivity": tuple(Sensitivity(**s) for s in data["sensitivity"]),
            "saved_by": tuple(SavedBy(**s) for s in data.get("saved_by", ())),
        }
        return cls(**{**data, **parts})


def frame(rows: Iterable[Row], *, power: float = 0.8) -> Any:
    """The rows as a pandas DataFrame with `FRAME_COLUMNS`; numbers that do not exist are NaN.

    Args:
        rows: Of a readout.
        power: With which chance `could_find`, the smallest lift that this run could find, is found.
    """
    import pandas as pd

    def value(row: Row, column: str) -> Any:
        return could_find(row.to_dict(), power) if column == "could_find" else getattr(row, column)

    return pd.DataFrame([{c: value(r, c) for c in FRAME_COLUMNS} for r in rows], columns=list(FRAME_COLUMNS))


def number(value: float) -> float | None:
    """The value with 12 significant digits where it is finite, else None.

    The last digits of a float may differ between processors; the digits that are kept are the same everywhere.
    """
    return float(f"{value:.12g}") if math.isfinite(value) else None
