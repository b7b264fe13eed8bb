"""The index of all messages by their code.

Letters: I input, P plan, L ledger, S statistics, A assignment, E exposure, M Mixpanel, D data, H health, R readout and
decision, W watch, O memo, J Jupyter server, G assistants and the guard.
"""

from __future__ import annotations

from collections.abc import Mapping

from xpbench.errors.message import Message
from xpbench.errors.messages import (
    agents,
    assign,
    data,
    decide,
    expose,
    health,
    lab,
    ledger,
    memo,
    mixpanel,
    plan,
    stats,
    watch,
)
from xpbench.errors.messages import arguments as given

CATALOGUE: Mapping[str, Message] = {
    **given.MESSAGES,
    **plan.MESSAGES,
    **ledger.MESSAGES,
    **stats.MESSAGES,
    **assign.MESSAGES,
    **expose.MESSAGES,
    **mixpanel.MESSAGES,
    **data.MESSAGES,
    **health.MESSAGES,
    **decide.MESSAGES,
    **watch.MESSAGES,
    **memo.MESSAGES,
    **lab.MESSAGES,
    **agents.MESSAGES,
}
"""Every message of the package by its code."""
