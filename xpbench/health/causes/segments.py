"""Causes that act in one segment only."""

from __future__ import annotations

import math

import numpy as np

from xpbench.errors import shown
from xpbench.health.causes.mismatch import Case, furthest_off, log_likelihood, pooled_shares, table_of


def add_segments(case: Case) -> None:
    """As planned everywhere but in one segment."""
    tables = {s: table_of(case, v) for s, v in sorted(case.inputs.summary.segments.items()) if len(v) > 1}
    choices = sum(len(keys) for keys, _ in tables.values())
    for segment, (keys, table) in tables.items():
        base = log_likelihood(table, pooled_shares(table))
        by_plan = np.array([log_likelihood(row, case.planned) for row in table])
        own = np.array([log_likelihood(row, pooled_shares(row)) for row in table])
        gains = own - by_plan
        i = int(np.argmax(gains))
        score = float(by_plan.sum() + gains[i]) - base - math.log(max(choices, 1))
        variant, off = furthest_off(case, table[i])
        case.add(
            "segment_fault",
            "execution",
            score + 0.5,
            f"{shown(variant)} is off by {off:+.2%} in {shown(segment)} = {shown(keys[i])} only: a variant does not work "
            "there, is "
            "not logged there, or gets units there that are not new.",
            f"Try every variant in {shown(segment)} = {shown(keys[i])}; look at errors, consent, caches and old versions "
            "there.",
            segment=segment,
            value=keys[i],
            variant=variant,
            off=off,
        )
