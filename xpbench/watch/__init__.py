"""After shipping: the contract of the plan, kept, breached, overdue or not answerable; and what the past adds up to.

The contract (weeks, guardrails, margins, estimator, check dates, owner) is fixed in the plan. Each check is an entry of the
experiment's ledger; a date that passes without one turns *overdue* by itself, since nothing but dates and entries decides.

==========  =====================================================
contract    its dates, and what stands against each
series      what the watch reads: a row per day, metric and group
estimators  what shipping changed, as a pair of means
record      one check, on record
power       how likely a regression is found
portfolio   what all experiments of a root add up to
commands    `xpbench watch` and `xpbench portfolio`
==========  =====================================================
"""

from xpbench.watch.contract import CheckDate, WatchState, WatchStatus, watch_status
from xpbench.watch.estimators import holdback, pre_post, staggered
from xpbench.watch.portfolio import Portfolio, portfolio
from xpbench.watch.power import watch_power
from xpbench.watch.record import record_check
from xpbench.watch.series import Day, Group, Series, read_series

__all__ = [
    "CheckDate",
    "Day",
    "Group",
    "Portfolio",
    "Series",
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
