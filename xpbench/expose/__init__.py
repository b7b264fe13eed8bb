"""Exposure, exactly once: the tracker that product code calls, and the durable outbox behind it.

`Tracker.expose` is called where a unit meets the change. It writes one row to an outbox on local disk and returns; a
background sender hands rows to the official Mixpanel SDK in batches, in order, until Mixpanel has taken them. Nothing here
raises into calling code unless it is asked to.
"""

from xpbench.expose.flags import Flags, mixpanel_flags
from xpbench.expose.outbox import Outbox
from xpbench.expose.tracker import Exposed, Tracker

__all__ = ["Exposed", "Flags", "Outbox", "Tracker", "mixpanel_flags"]
