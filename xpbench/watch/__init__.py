"""After shipping: the contract of the plan, kept, breached, overdue or not answerable; and what the past adds up to.

The contract (weeks, guardrails, margins, estimator, check dates, owner) is fixed in the plan. Each check is an entry of the
experiment's ledger; a date that passes without one turns *overdue* by itself, since nothing but dates and entries decides.

================  =====================================================
contract          its dates, and what stands against each
series            what the watch reads: a row per day, metric and group
from_events       the same, made from the export that the experiment was read from
estimators        what shipping changed, as a pair of means
forecast          what a lift that fades or grows is worth in the long run
fading            whether it fades or grows: novelty, on the ratio scale
ramp              go on, hold or roll back, by guardrails over all stages
record            one check, on record
power             how likely a regression is found
holdouts          what everything that shipped changed together
past_experiments  what all experiments of a root add up to
search            has this been tried?
notify            a message for mail, Slack or Teams
================  =====================================================

Names load on first use: the state of a contract needs no statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpbench.lazy import loads

if TYPE_CHECKING:
    from xpbench.watch.contract import CheckDate, WatchState, WatchStatus, watch_status
    from xpbench.watch.estimators import holdback, pre_post, staggered
    from xpbench.watch.fading import NoveltyVerdict, novelty_of
    from xpbench.watch.forecast import LiftForecast, forecast_of
    from xpbench.watch.from_events import WatchSeries, series_from_events
    from xpbench.watch.holdouts import CumulativeEffect, cumulative_effect, cumulative_effect_of_log, holdout_halves
    from xpbench.watch.past_experiments import Portfolio, portfolio
    from xpbench.watch.power import watch_power, watch_power_of, watch_power_pre_post
    from xpbench.watch.ramp import RampAnswer, RampPower, ramp_power
    from xpbench.watch.record import record_check
    from xpbench.watch.series import Group, Series, WatchDay, read_series

_HOMES = {
    "CheckDate": "contract",
    "WatchState": "contract",
    "WatchStatus": "contract",
    "watch_status": "contract",
    "holdback": "estimators",
    "pre_post": "estimators",
    "staggered": "estimators",
    "NoveltyVerdict": "fading",
    "novelty_of": "fading",
    "LiftForecast": "forecast",
    "forecast_of": "forecast",
    "WatchSeries": "from_events",
    "series_from_events": "from_events",
    "CumulativeEffect": "holdouts",
    "cumulative_effect": "holdouts",
    "cumulative_effect_of_log": "holdouts",
    "holdout_halves": "holdouts",
    "Portfolio": "past_experiments",
    "portfolio": "past_experiments",
    "watch_power": "power",
    "watch_power_of": "power",
    "watch_power_pre_post": "power",
    "RampAnswer": "ramp",
    "RampPower": "ramp",
    "ramp_power": "ramp",
    "record_check": "record",
    "Group": "series",
    "Series": "series",
    "WatchDay": "series",
    "read_series": "series",
}

__all__ = [
    "CheckDate",
    "CumulativeEffect",
    "Group",
    "LiftForecast",
    "NoveltyVerdict",
    "Portfolio",
    "RampAnswer",
    "RampPower",
    "Series",
    "WatchDay",
    "WatchSeries",
    "WatchState",
    "WatchStatus",
    "cumulative_effect",
    "cumulative_effect_of_log",
    "forecast_of",
    "holdback",
    "holdout_halves",
    "novelty_of",
    "portfolio",
    "pre_post",
    "ramp_power",
    "read_series",
    "record_check",
    "series_from_events",
    "staggered",
    "watch_power",
    "watch_power_of",
    "watch_power_pre_post",
    "watch_status",
]


__getattr__, __dir__ = loads(__name__, _HOMES, renamed={"Day": "WatchDay"})
