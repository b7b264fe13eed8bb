"""Exposure, exactly once: the tracker that product code calls, and the durable outbox behind it.

`Tracker.expose` is called where a unit meets the change. It writes one row to an outbox on local disk and returns; a
background sender hands rows to the official Mixpanel SDK in batches, in order, until Mixpanel has taken them. Nothing here
raises into calling code unless it is asked to.

===========  ===================================================
tracker      what product code calls
arguments    what a call gives, checked
values       from what programs hold to what JSON has
results      what it gets back
event        the exposure event and its ids
outbox       exposures on local disk until they are taken
forks        what a fork must not break
place        where it lies, readable by its owner alone
filesystem   whether a folder lies on a local disk; locks
sender       takes the head of the outbox, in a thread
relay        the same in a process of its own
service      exposures over HTTP, from any language and machine
counts       its counts, as Prometheus reads them
postgres     an outbox that several relays share
openfeature  a provider for plans, and a hook that exposes
deadline     a bound on a whole request
delivery     one request, and what its answer means for each row
limits       what Mixpanel takes
regions      where a project lives
warnings     lines in the log, each once a minute
masks        no token or secret in what people read
flags        Mixpanel's flags behind a safe wrapper
===========  ===================================================
"""

from xpbench.expose.flags import TrackedFlags, mixpanel_flags
from xpbench.expose.outbox import Outbox
from xpbench.expose.results import Exposed
from xpbench.expose.tracker import Tracker

__all__ = ["Exposed", "Outbox", "TrackedFlags", "Tracker", "mixpanel_flags"]


def __getattr__(name: str) -> type:
    if name == "Flags":
        import warnings

        warnings.warn("xpbench.expose.Flags is now xpbench.expose.TrackedFlags.", DeprecationWarning, stacklevel=2)
        return TrackedFlags
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
