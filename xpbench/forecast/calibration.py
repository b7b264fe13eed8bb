"""A/A calibration of a plan on its own traffic: are the p-values uniform when nothing happened?"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from xpbench.data.unit_values import UnitValues
from xpbench.decide.estimate import subject_of
from xpbench.health.grouped import retro_aa_grouped
from xpbench.health.retro import retro_aa_all
from xpbench.plan import Plan
from xpbench.stats.functionals import functional
from xpbench.stats.winsorize import cap, cap_thresholds

if TYPE_CHECKING:
    from xpbench.forecast.history import History


def calibrate(plan: Plan, history: History, *, draws: int = 1000) -> dict[str, Any]:
    """Uniformity of the p-values of every metric over re-randomisations, for `readout(evidence={"retro": …})`.

    Values are winsorized as the plan says; a ratio is linearised at its pooled value, (numerator − r · denominator) / mean
    denominator, which is what its variance rests on. Formulas and omitted metrics are left out.

    Args:
        plan: The plan.
        history: A value per unit, of the past or of the experiment itself: re-randomising forgets who had which variant.
        draws: Re-randomisations.

    Source: Deng, Knoblich, Lu 2018 for the linearisation; `health.retro` for the test.
    """
    from xpbench.forecast.history import blocks_of  # brings the engine, which the values of a readout don't need

    kept = [m for m in plan.metrics if m.key not in history.omitted]
    used = plan.changed(metrics=[m.model_dump(mode="json", exclude_none=True) for m in kept])
    values = {}
    for key, (names, table) in blocks_of(used, history).items():
        own = [i for i, name in enumerate(names) if name in ("value", "numerator", "denominator")]
        if not own:
            continue
        columns = table[:, own][np.isfinite(table[:, own]).all(axis=1)]
        w = used.metric(key).winsorize
        if w is not None:
            for i in range(columns.shape[1]):
                caps = cap_thresholds(columns[:, i], lower=w.lower, upper=w.upper, over=w.over)
                columns[:, i] = cap(columns[:, i], caps=caps) if caps.status == "ok" else columns[:, i]
        if columns.shape[1] == 2:
            base = columns[:, 1].mean()
            if base == 0:
                continue
            values[key] = (columns[:, 0] - columns[:, 0].mean() / base * columns[:, 1]) / base
        else:
            values[key] = columns[:, 0]
    shares = [plan.control.split, plan.treatments[0].split]
    return retro_aa_all(values, variant_shares=shares, seed=int(plan.digest[:15], 16), draws=draws, alpha=plan.alpha)


def calibrate_values(plan: Plan, values: UnitValues, *, draws: int = 1000) -> dict[str, Any]:
    """`calibrate` on the values of the experiment's own units, which a source hands over while it is summarized.

    Ratios and formulas are linearised at their pooled value: the values' part along the gradient. A metric without variation or
    with too few events is told as such and not tested.

    Args:
        plan: The plan.
        values: Of `summarize(take=...)`, winsorized.
        draws: Re-randomisations.
    """
    shares = [plan.control.split, *(v.split for v in plan.treatments)]
    seed = int(plan.digest[:15], 16)

    def report(i: int) -> dict[str, Any] | None:
        metric = plan.metrics[i]
        names, table = values.get(metric.key, ((), np.empty((0, 0))))
        if len(table) < LEAST_UNITS:
            return None
        subject = subject_of(metric, names)[0]
        _, gradient = functional(subject).at(table.mean(axis=0))
        line = table @ gradient
        if not np.isfinite(line).all():
            return None
        return retro_aa_grouped(
            line, variant_shares=shares, seed=seed + i, draws=draws, alpha=plan.alpha, metric=metric.key
        ).to_dict()

    threads = min(os.cpu_count() or 1, len(plan.metrics)) or 1
    if threads == 1:
        found = [report(i) for i in range(len(plan.metrics))]
    else:  # each metric has a seed of its own, and the generator draws outside the interpreter's lock
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(report, range(len(plan.metrics))))
    return {"metrics": [row for row in found if row is not None]}


LEAST_UNITS = 100
