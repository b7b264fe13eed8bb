"""Whether every day of the week is in the data."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs, day_of
from xpbench.health.registry import check

NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@check("day_of_week", title="Whole weeks", question="Are all days of the week in the data, about evenly?")
def day_of_week(inputs: HealthInputs) -> Verdict:
    """Warns where a day of the week is missing."""
    by_day = inputs.summary.exposures_by_day
    days = [(d, sum(int(n) for n in by_day[t].values())) for t in sorted(by_day) if (d := day_of(t)) is not None]
    if not days:
        return Verdict("not answerable", "The source has no dates of exposure.", "Give the source a date column.")
    units = dict.fromkeys(NAMES, 0)
    seen = dict.fromkeys(NAMES, 0)
    for day, n in days:
        units[NAMES[day.weekday()]] += n
        seen[NAMES[day.weekday()]] += 1 if n else 0
    absent = [name for name in NAMES if seen[name] == 0]
    span = (days[-1][0] - days[0][0]).days + 1
    evidence = {
        "days": span,
        "weeks": span / 7,
        "absent": absent,
        "chart": {
            "mark": "bar",
            "x": list(NAMES),
            "y": [units[n] for n in NAMES],
            "x_title": "day of the week",
            "y_title": "units",
        },
    }
    if absent:
        return Verdict(
            "warn",
            f"There are no exposures on {', '.join(absent)}: units of these days may behave otherwise.",
            "Run whole weeks.",
            evidence,
        )
    return Verdict("pass", f"All days of the week are covered ({span} days).", "Nothing to do.", evidence)
