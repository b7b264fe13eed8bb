"""The health checks, one a file. Importing this package registers all of them, in the order in which they are reported."""

from __future__ import annotations

import importlib

MODULES = (
    "no_units",
    "plan_first",
    "srm",
    "srm_anytime",
    "srm_by_day",
    "srm_by_segment",
    "contamination",
    "assignment_audit",
    "flag_split",
    "unknown_variant",
    "missing_variant",
    "exposure_dates",
    "exposures_missing",
    "dilution",
    "pre_experiment_bias",
    "aa_calibration",
    "missing_values",
    "missing_codes",
    "not_a_number",
    "negative_values",
    "absent_events",
    "constant_metric",
    "outlier_leverage",
    "duplicate_units",
    "mixed_ids",
    "duplicate_events",
    "rejected_lines",
    "reading_rules",
    "late_data",
    "immature_data",
    "bots",
    "qa_testers",
    "identity_changes",
    "metric_overlap",
    "time_zone_shift",
    "clock",
    "shrunk_data",
    "restated_outcomes",
    "day_of_week",
    "sample_size",
)

for _name in MODULES:
    importlib.import_module(f"{__name__}.{_name}")


def rank(name: str) -> tuple[int, str]:
    """Place of a check in the order; checks registered from outside come last, by name."""
    return (MODULES.index(name), "") if name in MODULES else (len(MODULES), name)
