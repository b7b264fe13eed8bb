"""Health while results are sealed: every verdict, and no number of a variant that could come from its outcomes.

A check under the seal is computed from everything, and its status is shown. What a reader could turn into an outcome stays
sealed: counts by variant of anything but exposures, p-values of a difference between variants, leverages, details as text.
Values missing where nobody bought anything would tell the buyers of each variant; so would refunds, rejected rows or a
segment that the treatment moves. A check that is not listed here is sealed as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from xpbench.health.check import Check

EXPOSURES = frozenset(
    {
        *("aa_calibration", "assignment_audit", "clock", "contamination", "day_of_week", "dilution", "exposure_dates"),
        *("exposures_missing", "flag_split", "missing_variant", "no_units", "plan_first", "qa_testers", "sample_size"),
        *("shrunk_data", "srm", "srm_anytime", "srm_by_day", "time_zone_shift", "unknown_variant"),
    }
)
"""Checks whose evidence comes from assignments, exposures and their days alone, or from values without their variants."""

POOLED = frozenset(
    {
        *("count", "share", "largest_share", "action", "metric", "metrics", "declared", "status", "role", "covariate"),
        *("constant", "limit", "capped", "policy", "slices_tested", "of", "name", "findings", "not_tested"),
        *("warn_above", "fail_above", "warn_below", "fail_below", "days"),
    }
)
"""Keys of evidence that stay under the seal: over all variants together, or from the plan."""

NOTE = "Numbers by variant are sealed until results are due."

_P_VALUE = re.compile(r" ?\((?:smallest )?(?:corrected )?p [=<>≈][^)]*\)")
_STILL = re.compile(r"\bp\s*[=<>≈]|standard error|e-\d")
_WORDS = {
    "pass": "Nothing was found that would bar a readout.",
    "warn": "Something was found that a reader must know of once results are due.",
    "fail": "The check fails.",
    "not answerable": "The source does not say enough to answer.",
}
_SAID = {
    ("outlier_leverage", "warn"): "One unit moves an effect by more than the limit allows.",
    ("outlier_leverage", "pass"): "No single unit moves an effect by more than the limit allows.",
    ("srm_by_segment", "fail"): "In at least one slice of a declared segment the shares are off.",
    ("srm_by_segment", "warn"): "In at least one slice of a declared segment the shares may be off.",
    ("srm_by_segment", "pass"): "No slice of a declared segment is off.",
    ("pre_experiment_bias", "warn"): "The variants differ before the exposure in at least one metric.",
    ("pre_experiment_bias", "pass"): "The variants do not differ before the exposure.",
}
"""Sentences of checks whose own ones name what a number by variant would."""


def under_seal(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks as they may be shown while results are sealed.

    Args:
        checks: As they were computed, in their order.
    """
    return tuple(c if c.name in EXPOSURES else replace(c, evidence=_pooled(c.evidence), meaning=_meaning(c)) for c in checks)


def _meaning(check: Check) -> str:
    text = _SAID.get((check.name, check.status)) or _P_VALUE.sub("", check.meaning)
    if _STILL.search(text):
        text = _WORDS[check.status]
    return text if check.status in ("pass", "not answerable") else f"{text} {NOTE}"


def _pooled(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {**_kept(evidence), "sealed": True}


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _kept(v) for k, v in value.items() if k in POOLED}
    return [_kept(v) for v in value] if isinstance(value, (list, tuple)) else value
