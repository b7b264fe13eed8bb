"""Pages next to the sandbox, over plain HTTP: a browser opens them without a word about certificates.

They are served with a relay of their own where a plan is given: what a page exposes goes through the real relay, outbox and
sender to the sandbox.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import mixpanel
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from xpbench.errors import InputError, plain
from xpbench.expose.service import RelayService
from xpbench.expose.tracker import Tracker

if TYPE_CHECKING:
    from xpbench.mixpanel.sandbox.server import Sandbox
    from xpbench.plan import Plan


class Pages:
    """A folder at `/`, the relay at `/relay`, and at `/arrived` how many exposures the sandbox has, by variant.

    Args:
        folder: HTML pages.
        box: The sandbox, started.
        plan: Plan of the relay; without one there is no relay.
        outbox: File of the relay's outbox.
    """

    def __init__(self, folder: str | Path, box: Sandbox, plan: Plan | None, outbox: Path) -> None:
        self._box = box
        family = socket.AF_INET6 if ":" in box.host else socket.AF_INET
        self._bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._bound.bind((box.host, 0))
        port = self._bound.getsockname()[1]
        self.url = f"http://{box.address.rpartition(':')[0]}:{port}"
        self._tracker: Tracker | None = None
        routes: list[Mount | Route] = []
        if plan is not None:
            consumer = mixpanel.Consumer(api_host=box.address)
            self._tracker = Tracker(
                plan, mixpanel=mixpanel.Mixpanel(box.project.token, consumer=consumer), outbox=outbox, interval=0.2
            )
            origins = [self.url, f"http://localhost:{port}"]
            routes = [
                Mount("/relay", RelayService(self._tracker, origins=origins)),
                Route("/arrived", lambda request: JSONResponse(self._arrived(plan))),
            ]
        app = Starlette(routes=[*routes, Mount("/", StaticFiles(directory=str(folder), html=True))])
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._bound],), name="xpbench-pages", daemon=True)
        self._thread.start()
        end = time.monotonic() + 20
        while not self._server.started and time.monotonic() < end and self._thread.is_alive():
            time.sleep(0.005)
        if not self._server.started:
            raise InputError(
                "XPB-I04",
                name="Pages",
                value="not started",
                rule=plain("They are served within 20 s"),
                remedy=plain("Try again"),
            )

    def close(self) -> None:
        """Stop serving; what waits in the outbox is sent while the sandbox is there."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(timeout=10)
        self._bound.close()
        if self._tracker is not None:
            self._tracker.close(timeout=2.0)

    def _arrived(self, plan: Plan) -> dict[str, int]:
        exposure = plan.exposure
        found = Counter(
            str(e["properties"].get(exposure.variant_property))
            for e in self._box.deduplicated()
            if e["event"] == exposure.event and e["properties"].get(exposure.experiment_property) == plan.experiment_name
        )
        return dict(found)
