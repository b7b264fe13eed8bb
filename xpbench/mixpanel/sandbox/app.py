"""The application: all routes over one site, and the sandbox's own two, which switch faults and count events."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from xpbench.mixpanel.sandbox.annotations import AnnotationRoutes
from xpbench.mixpanel.sandbox.experiments import ExperimentRoutes
from xpbench.mixpanel.sandbox.export import ExportRoutes
from xpbench.mixpanel.sandbox.flags import FlagRoutes
from xpbench.mixpanel.sandbox.ingestion import IngestionRoutes
from xpbench.mixpanel.sandbox.refusals import Refused, http_refusal, object_of, refusal
from xpbench.mixpanel.sandbox.site import Site


def application(site: Site) -> Starlette:
    """What answers requests over a site."""
    groups = (IngestionRoutes, ExportRoutes, FlagRoutes, ExperimentRoutes, AnnotationRoutes, SandboxRoutes)
    return Starlette(
        routes=[route for group in groups for route in group(site).routes()],
        exception_handlers={Refused: refusal, HTTPException: http_refusal},
    )


class SandboxRoutes:
    """What Mixpanel does not have: faults, and how many events arrived."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        return [
            Route("/_sandbox/faults", self._switch, methods=["GET", "POST"]),
            Route("/_sandbox/events", self._count, methods=["GET"]),
        ]

    async def _switch(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self.site.faults.set(**await object_of(request))
            except ValueError as error:
                raise Refused(400, str(error)) from error
        return JSONResponse(self.site.faults.to_dict())

    async def _count(self, request: Request) -> Response:
        del request
        token = self.site.project.token
        return JSONResponse({"events": self.site.store.count(token), "deduplicated": len(self.site.store.deduplicated(token))})
