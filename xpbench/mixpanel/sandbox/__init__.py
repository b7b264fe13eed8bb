"""A local stand-in for the Mixpanel APIs, for demos and tests: documented limits and errors, over TLS, on loopback only.

Where the public documentation leaves something open, the sandbox picks one behaviour and `docs/sandbox.md` names it.

============  =======================================================================
server        `Sandbox`: the running server, its certificate, its address
app           all routes over one site
pages         pages for a browser over plain HTTP, with a relay of their own
site          one project, what it remembers, who may ask
ingestion     `/track`, `/import`, profiles, for servers, pages and phones
export        the raw export
flags         flags for SDKs, and the app API that manages them
experiments   experiments of the app API
annotations   annotations and tags of the app API
limits        rate limits of the export
refusals      answers, and why a request is refused
faults        outages, delays and lost answers, switched on request
store         events and objects in SQLite
============  =======================================================================
"""

from xpbench.mixpanel.sandbox.server import Sandbox

__all__ = ["Sandbox"]
