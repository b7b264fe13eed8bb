"""Annotations of the app API, and their tags."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xpbench.mixpanel.sandbox.refusals import Refused, object_of, ok
from xpbench.mixpanel.sandbox.site import Site


class AnnotationRoutes:
    """Manages annotations and tags."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        notes = "/api/app/projects/{project}/annotations"
        return [
            Route(notes, self._annotations, methods=["GET", "POST"]),
            Route(notes + "/tags", self._tags, methods=["GET", "POST"]),
            Route(notes + "/{id}", self._annotation, methods=["GET", "PATCH", "DELETE"]),
        ]

    async def _annotations(self, request: Request) -> Response:
        self.site.workspace(request)
        self.site.service(request)
        if request.method == "GET":
            first = request.query_params.get("fromDate", "0000")
            last = request.query_params.get("toDate", "9999") + "~"
            return ok([a for a in self.site.store.all("annotation") if first <= a["date"] <= last])
        self.site.writer(request)
        body = await object_of(request)
        try:
            datetime.strptime(str(body.get("date")), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError as error:
            raise Refused(400, "date must be YYYY-MM-DD HH:mm:ss") from error
        if not isinstance(body.get("description"), str):
            raise Refused(400, "description is required")
        number = self.site.store.next_number("annotation")
        note = {
            "id": number, "date": body["date"], "description": body["description"],
            "user": {"id": 1, "first_name": "Sandbox", "last_name": "User"}, "tags": self._tag_objects(body.get("tags", [])),
        }  # fmt: skip
        self.site.store.put("annotation", str(number), note)
        return ok(note, 201)

    async def _annotation(self, request: Request) -> Response:
        self.site.workspace(request)
        self.site.service(request)
        note = self.site.found(request, "annotation")
        if request.method == "GET":
            return ok(note)
        self.site.writer(request)
        if request.method == "DELETE":
            self.site.store.delete("annotation", str(note["id"]))
            return ok({"id": note["id"]})
        body = await object_of(request)
        if "tags" in body:
            body["tags"] = self._tag_objects(body["tags"])
        note = {**note, **{k: v for k, v in body.items() if k in ("description", "tags")}}
        self.site.store.put("annotation", str(note["id"]), note)
        return ok(note)

    async def _tags(self, request: Request) -> Response:
        self.site.workspace(request)
        self.site.service(request)
        if request.method == "GET":
            return ok(self.site.store.all("tag"))
        self.site.writer(request)
        body = await object_of(request)
        number = self.site.store.next_number("tag")
        tag = {"id": number, "name": str(body.get("name", ""))}
        self.site.store.put("tag", str(number), tag)
        return ok(tag, 201)

    def _tag_objects(self, ids: list[int]) -> list[dict[str, Any]]:
        known = {tag["id"]: tag for tag in self.site.store.all("tag")}
        unknown = [i for i in ids if i not in known]
        if unknown:
            raise Refused(400, f"unknown tag ids {unknown}")
        return [known[i] for i in ids]
