"""Causes that were counted while reading: what was left out, put back in thought, makes the counts fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xpbench.health.causes.mismatch import Case, FaultStage, log_likelihood, missing_units, pooled_shares, price_saved


@dataclass(frozen=True, slots=True)
class _Kind:
    """A finding that can explain a mismatch."""

    findings: tuple[str, ...]
    name: str
    stage: FaultStage
    meaning: str
    next_step: str


_KINDS = (
    _Kind(
        ("bots", "power_users"),
        "bot_filter",
        "interference",
        "Automatic traffic is filtered more in one variant: the filter looks at what the variant changes, or bots meet "
        "only one.",
        "Filter by what is known before the exposure (user agent, address), never by behaviour after it.",
    ),
    _Kind(
        ("qa_tester",),
        "test_user_filter",
        "analysis",
        "Units labelled as test users are left out more in one variant, as with a rollout group that overrides the variant.",
        "Keep them (exposure.qa_testers: keep) if the label comes from an override.",
    ),
    _Kind(
        ("several_variants",),
        "contamination_excluded",
        "analysis",
        "Units that met several variants are left out more in one variant.",
        "Keep the first exposure (exposure.several_variants: first) and fix what makes units switch.",
    ),
    _Kind(
        ("outside_dates", "late_events"),
        "date_filter",
        "analysis",
        "Exposures outside the dates are left out more in one variant: it started earlier, ended later or reports late.",
        "Compare the variants' first and last days, and the time zone of each tracker.",
    ),
    _Kind(
        ("duplicate_units", "rejected_lines", "missing_unit"),
        "rows_left_out",
        "analysis",
        "Rows were left out while reading, more in one variant than in the other.",
        "Fix the table at its source; look at the rows that were refused.",
    ),
    _Kind(
        ("identity_changes",),
        "identity_churn",
        "logging",
        "Units change their id more in one variant and are counted again under the new one.",
        "Assign by an id that outlives log-in and consent; look at cookies the variant sets or clears.",
    ),
    _Kind(
        ("missing_variant",),
        "variant_not_logged",
        "logging",
        "Exposures without a variant make up for the units that are missing.",
        "Find the place that sends the exposure without its variant property.",
    ),
    _Kind(
        ("unknown_variant",),
        "variant_misspelt",
        "logging",
        "Exposures of a variant that the plan does not have make up for the units that are missing.",
        "Compare spellings; a renamed or capitalised key loses its units.",
    ),
    _Kind(
        ("duplicate_events",),
        "retries",
        "logging",
        "Events arrive twice more often in one variant: its tracker retries, and its first deliveries may be lost as well.",
        "Compare the delivery of both variants' trackers; send with a stable insert id.",
    ),
)


def add_counted(case: Case) -> None:
    """What was counted while reading, put back (or taken out) in thought: do the counts fit then?"""
    base = log_likelihood(case.total, pooled_shares(case.total))
    for kind in _KINDS:
        findings = case.inputs.findings(*kind.findings)
        if not findings:
            continue
        by = np.array([float(sum(int(f.by_variant.get(k, 0)) for f in findings)) for k in case.names])
        count = float(sum(f.count for f in findings))
        if by.sum() > 0:
            excluded = findings[0].action not in ("kept", "split")
            mended = case.total + by if excluded else np.maximum(case.total - by, 0.0)
            misfit = log_likelihood(mended, pooled_shares(mended)) - log_likelihood(mended, case.planned)
            moved = log_likelihood(case.total, case.planned)
            gain = base - moved  # what the mismatch is worth
            score = price_saved(case) + 2.0 - misfit if misfit < gain else -misfit
        else:
            shortage = missing_units(case)
            needed = float(shortage.sum())
            noise = math.sqrt(case.n)
            score = price_saved(case) + 1.0 - 0.5 * ((count - needed) / noise) ** 2 / 2.0
        case.add(
            kind.name,
            kind.stage,
            score,
            kind.meaning,
            kind.next_step,
            count=int(count),
            by_variant=dict(zip(case.names, by.tolist(), strict=True)),
        )
