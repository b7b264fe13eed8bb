"""The application: all routes over one site, and the sandbox's own two, which switch faults and count events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from xpbench.errors import InputError, plain
from xpbench.mixpanel.sandbox.annotations import AnnotationRoutes
from xpbench.mixpanel.sandbox.experiments import ExperimentRoutes
from xpbench.mixpanel.sandbox.export import ExportRoutes
from xpbench.mixpanel.sandbox.flags import FlagRoutes
from xpbench.mixpanel.sandbox.ingestion import IngestionRoutes
from xpbench.mixpanel.sandbox.refusals import Refused, http_refusal, object_of, refusal
from xpbench.mixpanel.sandbox.site import Site


def application(site: Site, *, pages: str | Path | None = None) -> Starlette:
    """What answers requests over a site, with a folder of pages next to it where one is given."""
    groups = (IngestionRoutes, ExportRoutes, FlagRoutes, ExperimentRoutes, AnnotationRoutes, SandboxRoutes)
    return Starlette(
        routes=[*(route for group in groups for route in group(site).routes()), *_pages(pages)],
        exception_handlers={Refused: refusal, HTTPException: http_refusal},
        middleware=[Middleware(ForPages)],
    )


def _pages(folder: str | Path | None) -> list[Mount]:
    if folder is None:
        return []
    if not Path(folder).is_dir():
        raise InputError(
            "XPB-I04",
            name="Pages",
            value=str(folder),
            rule=plain("It is a folder of HTML pages"),
            remedy=plain("Make one with xpbench tag --out"),
        )
    return [Mount("/_sandbox/pages", StaticFiles(directory=str(folder), html=True))]


class ForPages:
    """Cross-origin answers for what SDKs in a page ask; the app APIs stay closed to pages.

    Args:
        app: What answers.
    """

    _OPEN = ("/track", "/engage", "/groups", "/flags", "/import", "/record", "/settings")

    def __init__(self, app: Any) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origin_regex=".*",  # the page's own origin is named: with credentials a browser takes no *
            allow_credentials=True,
            allow_methods=["GET", "POST", "OPTIONS"],
            allow_headers=["*"],
            max_age=0,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        served = self._open if any(path == p or path.startswith(p + "/") for p in self._OPEN) else self._app
        await served(scope, receive, send)


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
