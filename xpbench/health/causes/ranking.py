"""The causes of a sample ratio mismatch, ranked by how likely each makes the counts that were seen."""

from __future__ import annotations

import math

import numpy as np

from xpbench.health.causes.constant import add_assignment, add_constant
from xpbench.health.causes.counted import add_counted
from xpbench.health.causes.days import add_days
from xpbench.health.causes.mismatch import Case, FaultCause, table_of
from xpbench.health.causes.segments import add_segments
from xpbench.health.inputs import HealthInputs
from xpbench.health.sample_ratio import observed
from xpbench.health.shares import planned_shares


def srm_causes(inputs: HealthInputs, *, always: bool = False) -> tuple[FaultCause, ...]:
    """The possible causes of a mismatch, most likely first; empty where the counts fit the plan everywhere.

    Args:
        inputs: As for the checks; the more of flag, assigned, audit and dates is there, the better it can tell.
        always: Rank even where no test sees a mismatch.

    Assumptions: one cause at work; with several, each tends to rank high in turn as the others are mended.
    Source: taxonomy of Fabijan et al. 2019, "Diagnosing sample ratio mismatch in online controlled experiments"; comparison by
        Schwarz 1978. Rates of right answers: benchmarks/health.py.
    """
    shares = planned_shares(inputs)
    names = [k for k, s in shares.items() if s > 0]
    counts = observed(inputs)
    case = Case(inputs, names, np.array([shares[k] for k in names]), np.array([counts[k] for k in names], dtype=np.float64))
    if len(names) < 2 or case.n == 0 or not (always or _mismatch(case)):
        return ()
    add_constant(case)
    add_assignment(case)
    add_counted(case)
    add_days(case)
    add_segments(case)
    ranked = sorted(case.found, key=lambda c: -c.score)
    best = ranked[0].score
    weights = [math.exp(max(c.score - best, -50.0)) for c in ranked]
    return tuple(
        FaultCause(c.name, c.stage, w / sum(weights), c.score, c.meaning, c.next_step, c.evidence)
        for c, w in zip(ranked, weights, strict=True)
    )


def _mismatch(case: Case) -> bool:
    """Whether total, a day or a segment is off."""
    alpha = case.inputs.plan.health.srm_warn_alpha
    if case.fits(case.total, case.planned) < alpha:
        return True
    tables = [table_of(case, case.inputs.summary.exposures_by_day)[1]]
    tables += [table_of(case, slices)[1] for slices in case.inputs.summary.segments.values()]
    for table in tables:
        rows = [row for row in table if row.sum() * case.planned.min() >= 5]
        if any(case.fits(row, case.planned) * len(rows) < alpha for row in rows):
            return True
    return False
