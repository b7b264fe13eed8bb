"""Bots and power users: units that do what no person does."""

from __future__ import annotations

from typing import Any

from xpbench.errors import number_of, shown
from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

WARN_ABOVE = 0.001
A_DAY = 1000
"""Events a day and unit above which no person is behind them."""
DEFAULT_DAYS = 90


@check("bots", title="Bots and power users", question="Are there units that do more than a person can?")
def bots(inputs: HealthInputs) -> Verdict:
    """Warns where the reader flagged more than 0.1 % of units, or one unit did over 1,000 events (48 sessions) a day."""
    if not inputs.is_event_log:
        return Verdict(
            "not answerable", "A table with one row per unit does not say what units did when.", "See the leverage check."
        )
    found = counted(inputs, "bots", "bot", "power_users", "power_user")
    kinds = {m.key: m for m in inputs.plan.metrics}
    beyond: list[dict[str, Any]] = []
    for extreme in inputs.summary.extremes:
        metric = kinds.get(extreme.metric)
        kind = getattr(metric, "kind", "")
        if kind not in ("count", "sessions"):
            continue
        days = float(getattr(metric, "window_days", None) or DEFAULT_DAYS)
        most = days * (48 if kind == "sessions" else A_DAY)
        if extreme.value > most:
            beyond.append({"metric": extreme.metric, "value": extreme.value, "person_at_most": most})
    watched = [e for e in inputs.summary.extremes if getattr(kinds.get(e.metric), "kind", "") in ("count", "sessions")]
    if not watched and found.count == 0:
        return Verdict(
            "not answerable",
            "The plan counts nothing per unit, so nothing shows who is not a person.",
            "Add a count metric, or filter automatic traffic at the source.",
        )
    evidence = found.evidence | {"beyond_human": beyond, "warn_above": WARN_ABOVE}
    if found.share <= WARN_ABOVE and not beyond:
        return Verdict("pass", "No unit does more than a person can.", "Nothing to do.", evidence)
    parts = []
    if found.share > WARN_ABOVE:
        parts.append(
            f"{number_of(found.count, 'unit')} ({found.share:.2%}) "
            f"{'looks like a bot or power user and was' if found.count == 1 else 'look like bots or power users and were'} "
            f"{found.action}."
        )
    if beyond:
        parts.append(f"One unit has {beyond[0]['value']:,.0f} of {shown(beyond[0]['metric'])}, more than a person can do.")
    return Verdict(
        "warn",
        " ".join(parts),
        "Filter automatic traffic before the exposure, by a rule that does not look at the variant; cap the metric.",
        evidence,
    )
