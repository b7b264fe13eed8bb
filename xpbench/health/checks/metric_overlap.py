"""Events of metrics that belong to nobody in the experiment."""

from __future__ import annotations

import numpy as np

from xpbench.errors import number_of, shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

FEW = 20
"""With fewer events nothing but zero can be expected yet."""

FAR_BELOW = 0.1
"""Of the share that the other metrics have."""


@check(
    "metric_overlap",
    title="Metric overlap",
    question="Do the events of every metric belong to units of the experiment?",
)
def metric_overlap(inputs: HealthInputs) -> Verdict:
    """Fails where a metric's event occurs and none belongs to an exposed unit; warns where far fewer do than of others."""
    if not inputs.is_event_log:
        return Verdict("not answerable", "A table with one row per unit has no events.", "Nothing to do.")
    every = [f for f in inputs.summary.findings if f.name == "metric_overlap"]  # with a count of zero, too
    found = [f for f in every if f.of]
    if not every:
        return Verdict(
            "not answerable", "The source did not compare the ids of metrics with the exposed units.", "Nothing to do."
        )
    shares = {f.metric: f.count / f.of for f in found}
    evidence = {
        "events": {f.metric: {"of_exposed_units": f.count, "all": f.of, "by_variant": dict(f.by_variant)} for f in found},
        "shares": shares,
    }
    none = [f for f in found if not f.count]
    step = (
        "Compare the ids of these events with those of the exposures: an event that is sent under another id "
        "(a user after the log-in, a server, a hashed id) is lost to the experiment. Stable identity says more."
    )
    if none:
        worst = max(none, key=lambda f: f.of)
        meaning = (
            f"None of the {number_of(worst.of, 'event')} of metric {shown(worst.metric)} since the first exposure belongs to "
            "an exposed unit, so the metric is zero for everyone."
        )
        return Verdict("fail" if worst.of >= FEW else "warn", meaning, step, evidence)
    if every and len(found) < len(every):
        silent = next(f for f in every if not f.of)
        return Verdict(
            "warn",
            f"No event of metric {shown(silent.metric)} happened since the first exposure, so nothing says whose they are.",
            "Wait for the first ones, or compare the event's name in the plan with what is sent now.",
            {"metrics": [f.metric for f in every if not f.of]},
        )
    middle = float(np.median(list(shares.values())))
    low = [f for f in found if len(found) > 2 and f.of >= FEW and shares[f.metric] < FAR_BELOW * middle]
    if low:
        worst = min(low, key=lambda f: shares[f.metric])
        meaning = (
            f"Only {shares[worst.metric]:.2%} of the events of metric {shown(worst.metric)} belong to exposed units; "
            f"of the other metrics it is {middle:.0%}."
        )
        return Verdict("warn", meaning, step, evidence)
    meaning = f"Of every metric's events, {min(shares.values()):.1%} or more belong to exposed units."
    return Verdict("pass", meaning, "Nothing to do.", evidence)
