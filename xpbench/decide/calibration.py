"""A/A calibration of a plan on its own traffic: are the p-values uniform when nothing happened?"""

from __future__ import annotations

from typing import Any

import numpy as np

from xpbench.decide.history import History, blocks_of
from xpbench.health.retro import retro_aa_all
from xpbench.plan import Plan
from xpbench.stats.winsorize import cap, cap_thresholds


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
