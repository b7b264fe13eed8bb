"""Events of metrics that belong to nobody in the experiment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from xpbench.data.summary import Finding
from xpbench.errors import number_of, shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs, day_of
from xpbench.health.registry import check

FEW = 20
"""With fewer events nothing but zero can be expected yet."""

FAR_BELOW = 0.1
"""Of the share that the other metrics have, that the events had before the experiment, or of the plan's baseline."""


@check(
    "metric_overlap",
    title="Metric overlap",
    question="Do the events of every metric belong to units of the experiment?",
)
def metric_overlap(inputs: HealthInputs) -> Verdict:
    """Fails where a metric's event occurs and none belongs to an exposed unit.

    Warns where far fewer do than of the other metrics, or than before the first exposure, in any variant, too. A unit counts
    from its own exposure on, so the share before is taken by the share of the time since the first exposure in which units
    were in the experiment. Where the log does not reach back, the plan's baseline is what is expected.
    """
    if not inputs.is_event_log:
        return Verdict("not answerable", "A table with one row per unit has no events.", "Nothing to do.")
    every = [f for f in inputs.summary.findings if f.name == "metric_overlap"]  # with a count of zero, too
    found = [f for f in every if f.of]
    if not every:
        return Verdict(
            "not answerable", "The source did not compare the ids of metrics with the exposed units.", "Nothing to do."
        )
    shares = {f.metric: f.count / f.of for f in found}
    before = {f.metric: f for f in inputs.summary.findings if f.name == "metric_overlap_before"}
    evidence = {"events": {f.metric: _shares(f, before.get(f.metric)) for f in found}, "shares": shares}
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
    lost = _fewer_than_before(inputs, found, before)
    if lost:
        meaning = (
            f"In at least one variant, fewer than a tenth as many events of metric {shown(lost)} belong to exposed units "
            "as the time before the experiment lets one expect."
        )
        return Verdict("warn", meaning, step, evidence)
    compared = {name for name, f in before.items() if f.count >= FEW}
    small = _below_baseline(inputs, [f.metric for f in found if f.metric not in compared])
    if small:
        meaning = f"Metric {shown(small)} is less than a tenth of what the plan expects of it, in all variants together."
        return Verdict("warn", meaning, step, evidence)
    meaning = f"Of every metric's events, {min(shares.values()):.1%} or more belong to exposed units."
    return Verdict("pass", meaning, "Nothing to do.", evidence)


def _shares(now: Finding, before: Finding | None) -> dict[str, Any]:
    """What is known of a metric's events: counts, and the share of each variant, since the first exposure and before."""
    parts = {"of_exposed_units": now.count, "all": now.of, "by_variant": dict(now.by_variant)}
    out: dict[str, Any] = {**parts, "shares_by_variant": {k: n / now.of for k, n in now.by_variant.items()}}
    if before is not None and before.of:
        out["before"] = {
            "of_exposed_units": before.count,
            "all": before.of,
            "shares_by_variant": {k: n / before.of for k, n in before.by_variant.items()},
        }
    return out


def _fewer_than_before(inputs: HealthInputs, found: Sequence[Finding], before: dict[str, Finding]) -> str:
    """The first metric of which a variant has far fewer events than its units had before; empty where none has.

    Where nothing is known of the time before, a variant without any event is one, if the others make one expect several.
    """
    units = inputs.summary.units
    n = sum(units.values())
    inside = _time_inside(inputs)
    for now in found:
        past = before.get(now.metric)
        for variant in units:
            if past is not None:
                wanted = past.by_variant.get(variant, 0) / past.of * now.of * inside if past.of else 0.0
            else:
                wanted = now.count * units[variant] / n
                wanted = wanted if not now.by_variant.get(variant, 0) and now.by_variant else 0.0
            if wanted >= FEW and now.by_variant.get(variant, 0) < FAR_BELOW * wanted:
                return now.metric
    return ""


def _time_inside(inputs: HealthInputs) -> float:
    """Of the time from the first exposure to the end of the log, the share in which the units' events count, on average."""
    days = {day: sum(n.values()) for text, n in inputs.summary.exposures_by_day.items() if (day := day_of(text))}
    end = day_of(inputs.summary.data_until)
    if not days or end is None or end <= min(days):
        return 1.0
    whole = (end - min(days)).days + 1
    windows = [getattr(m, "window_days", None) or whole for m in inputs.plan.metrics]
    window = min([float(w) for w in windows], default=whole)

    def counted(day: date) -> float:
        return max(min((end - day).days + 1, window), 0.0)

    return sum(n * counted(day) for day, n in days.items()) / (sum(days.values()) * whole)


def _below_baseline(inputs: HealthInputs, metrics: Sequence[str]) -> str:
    """The first metric whose mean over all variants is far below the plan's baseline; empty where none is."""
    planned = inputs.plan.planning
    for key in metrics:
        expected = float((planned.baselines if planned else {}).get(key, 0.0))
        found = [inputs.summary.cell(key, variant) for variant in inputs.summary.units]
        cells = [c for c in found if c is not None and c.columns[:1] == ("value",)]
        n = sum(c.n for c in cells)
        if not n or expected <= 0:
            continue
        mean = sum(c.n * c.mean[0] for c in cells) / n
        if expected * n >= FEW and mean < FAR_BELOW * expected:
            return key
    return ""
