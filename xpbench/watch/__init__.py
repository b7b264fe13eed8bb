"""After shipping: the contract of the plan, kept, breached, overdue or not answerable; and what the past adds up to.

The contract (weeks, guardrails, margins, estimator, check dates, owner) is fixed in the plan. Each check is an entry of the
experiment's ledger; a date that passes without one turns *overdue* by itself, since nothing but dates and entries decides.

================  =====================================================
contract          its dates, and what stands against each
series            what the watch reads: a row per day, metric and group
estimators        what shipping changed, as a pair of means
record            one check, on record
power             how likely a regression is found
past_experiments  what all experiments of a root add up to
================  =====================================================

Names load on first use: the state of a contract needs no statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpbench.lazy import loads

if TYPE_CHECKING:
    from xpbench.watch.contract import CheckDate, WatchState, WatchStatus, watch_status
    from xpbench.watch.estimators import holdback, pre_post, staggered
    from xpbench.watch.past_experiments import Portfolio, portfolio
    from xpbench.watch.power import watch_power
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
    "Portfolio": "past_experiments",
    "portfolio": "past_experiments",
    "watch_power": "power",
    "record_check": "record",
    "Group": "series",
    "Series": "series",
    "WatchDay": "series",
    "read_series": "series",
}

__all__ = [
    "CheckDate",
    "Group",
    "Portfolio",
    "Series",
    "WatchDay",
    "WatchState",
    "WatchStatus",
    "holdback",
    "portfolio",
    "pre_post",
    "read_series",
    "record_check",
    "staggered",
    "watch_power",
    "watch_status",
]


__getattr__, __dir__ = loads(__name__, _HOMES, renamed={"Day": "WatchDay"})
