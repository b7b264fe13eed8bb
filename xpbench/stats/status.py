"""Why a number is missing: a name for programs and a sentence for people, never p = 1 or an empty interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from xpbench.lazy import earlier

EstimateStatus = Literal[
    "ok",
    "not_enough_units",
    "before_first_look",
    "not_finite",
    "zero_variance",
    "separation",
    "zero_denominator",
    "control_near_zero",
    "unbounded_lift",
    "few_events",
    "too_few_events",
    "cap_is_zero",
]

REASONS: Mapping[str, str] = {
    "ok": "",
    "not_enough_units": "A variant has fewer than 2 units, so its noise can't be estimated.",
    "before_first_look": "A variant has fewer units than the plan asks for before the first look.",
    "not_finite": "A mean or variance is missing or infinite, so nothing can be computed from it.",
    "zero_variance": "All units of both variants have the same value, so there is no noise to judge a difference by.",
    "separation": "All units of a variant have the same value, so its own noise is unknown and not zero: it is taken to be as "
    "large as the other variant's, or, where neither varies, as that of all units together.",
    "zero_denominator": "The denominator has mean zero in a variant, so the ratio does not exist.",
    "control_near_zero": "The mean of the control is zero, so a relative change does not exist; read the effect instead.",
    "unbounded_lift": "The mean of the control can't be distinguished from zero at this level, so the lift has no finite "
    "interval; read the effect instead.",
    "few_events": "Fewer than 10 units of a variant have the event (or lack it), so the score interval is shown instead of the "
    "normal one.",
    "too_few_events": "Fewer than 10 units of both variants together have the event (or lack it), or the smaller variant can "
    "expect fewer than 2. The anytime and group-sequential tests keep their promise only with more.",
    "cap_is_zero": "So many values are zero that the winsorization cap is zero and removes the metric. Set winsorize.over to "
    "nonzero, so that the percentile is taken over the values that are not zero, or leave the cap out.",
}
"""A sentence for every status."""


def reason(status: str) -> str:
    """Why there is no number, in a sentence for a person; empty for `ok`."""
    return REASONS[status]


__getattr__ = earlier(__name__, {"Status": "EstimateStatus"})
