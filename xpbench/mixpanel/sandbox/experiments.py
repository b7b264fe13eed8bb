"""Experiments of the app API: made, changed, and moved from draft to active, concluded and decided."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xpbench.mixpanel.sandbox.refusals import Refused, object_of, ok
from xpbench.mixpanel.sandbox.site import Site

_NAME_MAX = 255
_DESCRIPTION_MAX = 400
_FREE_EXPERIMENTS = 3


class ExperimentRoutes:
    """Manages experiments."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        experiments = "/api/app/workspaces/{workspace}/experiments"
        return [
            Route(experiments, self._experiments, methods=["GET", "POST"]),
            Route(experiments + "/{id}", self._experiment, methods=["GET", "PATCH", "DELETE"]),
            Route(experiments + "/{id}/launch", self._launch, methods=["PUT"]),
            Route(experiments + "/{id}/force_conclude", self._conclude, methods=["PUT"]),
            Route(experiments + "/{id}/decide", self._decide, methods=["PATCH"]),
            Route(experiments + "/{id}/archive", self._archive, methods=["POST", "DELETE"]),
        ]

    async def _experiments(self, request: Request) -> Response:
        self.site.workspace(request)
        if request.method == "GET":
            self.site.service(request)
            return ok([self._linked(e) for e in self.site.store.all("experiment")])
        self.site.writer(request)
        if not self.site.project.addon and len(self.site.store.all("experiment")) >= _FREE_EXPERIMENTS:
            raise Refused(403, "Experiment limit reached: this project needs the experimentation add-on")
        body = await object_of(request)
        _experiment_text(body, new=True)
        id_ = str(uuid.uuid4())
        experiment = {
            "description": "", "hypothesis": "", "settings": {}, "variants": [], "metrics": [], "tags": [],
            "exposures_cache": {}, "results_cache": {}, "start_date": None, "end_date": None, "feature_flag": None,
            **body, "id": id_, "status": "draft", "created": self.site.now(), "modified": self.site.now(), "deleted": None,
            "creator_name": self.site.project.username, "is_favorited": False, "pinned_date": None,
        }  # fmt: skip
        self.site.store.put("experiment", id_, experiment)
        return ok(experiment, 201)

    async def _experiment(self, request: Request) -> Response:
        self.site.workspace(request)
        self.site.service(request)
        experiment = self.site.found(request, "experiment")
        if request.method == "GET":
            return ok(self._linked(experiment))
        self.site.writer(request)
        if request.method == "DELETE":
            return self._saved({**experiment, "deleted": self.site.now()})
        body = await object_of(request)
        _experiment_text(body, new=False)
        frozen = {"id", "created", "creator_name", "deleted", "feature_flag"}
        return self._saved({**experiment, **{k: v for k, v in body.items() if k not in frozen}})

    async def _launch(self, request: Request) -> Response:
        experiment = self._moved(request, "draft", "active")
        for flag in self.site.store.all("flag"):
            if flag["experiment_id"] == experiment["id"]:
                self.site.store.put("flag", flag["id"], {**flag, "status": "enabled", "is_experiment_active": True})
        return self._saved({**experiment, "start_date": experiment["start_date"] or self.site.now()})

    async def _conclude(self, request: Request) -> Response:
        raw = await request.body()
        if not raw:
            raise Refused(400, "a body is required, {} is enough")
        body = await object_of(request)
        experiment = self._moved(request, "active", "concluded")
        return self._saved({**experiment, "end_date": body.get("end_date") or self.site.now()})

    async def _decide(self, request: Request) -> Response:
        body = await object_of(request)
        if not isinstance(body.get("success"), bool):
            raise Refused(400, "success is required and must be a boolean")
        experiment = self._moved(request, "concluded", "success" if body["success"] else "fail")
        results = {**experiment["results_cache"], "decision": {k: body.get(k) for k in ("success", "variant", "message")}}
        return self._saved({**experiment, "results_cache": results})

    async def _archive(self, request: Request) -> Response:
        self.site.workspace(request)
        self.site.writer(request)
        experiment = self.site.found(request, "experiment")
        return self._saved({**experiment, "archived": request.method == "POST"})

    def _moved(self, request: Request, before: str, after: str) -> dict[str, Any]:
        self.site.workspace(request)
        self.site.writer(request)
        experiment = self.site.found(request, "experiment")
        if experiment["status"] != before:
            raise Refused(400, f"the experiment is {experiment['status']}, this needs {before}")
        return {**experiment, "status": after}

    def _linked(self, experiment: dict[str, Any]) -> dict[str, Any]:
        for flag in self.site.store.all("flag"):
            if flag["experiment_id"] == experiment["id"]:
                return {**experiment, "feature_flag": {"id": flag["id"], "key": flag["key"]}}
        return experiment

    def _saved(self, experiment: dict[str, Any]) -> Response:
        saved = {**experiment, "modified": self.site.now()}
        self.site.store.put("experiment", saved["id"], saved)
        return ok(self._linked(saved))


def _experiment_text(body: Mapping[str, Any], *, new: bool) -> None:
    name = body.get("name")
    if (new or name is not None) and not (isinstance(name, str) and 1 <= len(name) <= _NAME_MAX):
        raise Refused(400, f"name must have 1 to {_NAME_MAX} characters")
    if len(str(body.get("description") or "")) > _DESCRIPTION_MAX:
        raise Refused(400, f"description must have at most {_DESCRIPTION_MAX} characters")
