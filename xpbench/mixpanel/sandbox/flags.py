"""Feature flags: definitions and evaluation for SDKs, and the app API that manages them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from mixpanel import __version__ as sdk_version
from mixpanel.flags.local_feature_flags import LocalFeatureFlagsProvider
from mixpanel.flags.types import LocalFlagsConfig, SelectedVariant
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from xpbench.mixpanel.sandbox.refusals import Refused, object_of, ok
from xpbench.mixpanel.sandbox.site import Site

_MAX_VARIANTS = 11
_NAME_MAX = 255
_VALUE_MAX = 32_768
_FLAG_KEYS = {
    "name", "key", "tags", "context", "serving_method", "ruleset", "description", "experiment_id", "is_experiment_active",
    "status", "data_group_id", "workspace_id", "hash_salt", "reset_hash_salt",
}  # fmt: skip
_VARIANT_KEYS = {"key", "value", "is_control", "split", "description", "is_sticky"}
_ROLLOUT_KEYS = {
    "rollout_percentage", "variant_splits", "name", "cohort_definition", "cohort_hash", "runtime_evaluation_rule",
    "runtime_evaluation_definition", "runtime_event_rule", "variant_override",
}  # fmt: skip


class FlagRoutes:
    """Serves and manages flags."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        managed = "/api/app/projects/{project}/workspaces/{workspace}/feature-flags"
        return [
            *(Route(p, self._flags, methods=["GET"]) for p in ("/flags", "/flags/")),
            *(Route(p, self._definitions, methods=["GET"]) for p in ("/flags/definitions", "/flags/definitions/")),
            Route(managed, self._managed_flags, methods=["GET", "POST"]),
            Route(managed + "/{id}", self._managed_flag, methods=["GET", "PUT", "DELETE"]),
        ]

    def _served(self) -> list[dict[str, Any]]:
        return [
            {
                k: flag.get(k)
                for k in (
                    "id", "name", "key", "status", "project_id", "ruleset", "context", "experiment_id",
                    "is_experiment_active", "hash_salt", "workspace_id",
                )
            }
            for flag in self.site.store.all("flag")
            if flag["status"] == "enabled"
        ]  # fmt: skip

    async def _definitions(self, request: Request) -> Response:
        self.site.token_or_service(request)
        raw = self.site.store.get("raw-definitions", "raw")
        return JSONResponse(raw if raw is not None else {"flags": self._served()})

    async def _flags(self, request: Request) -> Response:
        self.site.token_or_service(request)
        try:
            context = json.loads(request.query_params.get("context", ""))
        except ValueError as error:
            raise Refused(400, "context must be a JSON object") from error
        if not isinstance(context, dict) or not context.get("distinct_id"):
            raise Refused(400, "context.distinct_id is required")
        context.setdefault("device_id", context["distinct_id"])
        wanted = request.query_params.get("flag_key")
        flags = [f for f in self._served() if wanted is None or f["key"] == wanted]
        return JSONResponse({"code": 200, "flags": evaluate(flags, context)})

    async def _managed_flags(self, request: Request) -> Response:
        self.site.workspace(request)
        if request.method == "GET":
            self.site.service(request)
            archived = request.query_params.get("include_archived") == "true"
            return ok([f for f in self.site.store.all("flag") if archived or f["status"] != "archived"])
        self.site.writer(request)
        body = _flag_body(await object_of(request))
        if any(f["key"] == body["key"] for f in self.site.store.all("flag")):
            raise Refused(400, f"a flag with key {body['key']!r} exists")
        if body.pop("reset_hash_salt", False) or not body.get("hash_salt"):
            body["hash_salt"] = uuid.uuid4().hex
        flag = {
            "status": "disabled", "experiment_id": None, "is_experiment_active": None, **body,
            "id": str(uuid.uuid4()), "project_id": int(self.site.project.project_id),
            "workspace_id": int(self.site.project.workspace_id), "content_type": "feature-flag", "creator_id": 1,
            "creator_name": self.site.project.username, "creator_email": "sandbox@localhost",
            "created": self.site.now(), "modified": self.site.now(),
        }  # fmt: skip
        self.site.store.put("flag", flag["id"], flag)
        return ok(flag)

    async def _managed_flag(self, request: Request) -> Response:
        self.site.workspace(request)
        flag = self.site.found(request, "flag")
        if request.method == "GET":
            self.site.service(request)
            return ok(flag)
        self.site.writer(request)
        if request.method == "DELETE":
            self.site.store.delete("flag", flag["id"])
            return ok({})
        body = _flag_body(await object_of(request))
        if flag["status"] == "enabled" and body["context"] != flag["context"]:
            raise Refused(400, "the variant assignment key can't change once the flag is enabled")
        if body.pop("reset_hash_salt", False):
            body["hash_salt"] = uuid.uuid4().hex
        fixed = ("id", "project_id", "created", "hash_salt", "experiment_id", "is_experiment_active", "workspace_id")
        made = ("content_type", "creator_id", "creator_name", "creator_email")
        kept = {k: flag.get(k) for k in (*fixed, *made)}
        flag = {"status": "disabled", **kept, **body, "modified": self.site.now()}
        self.site.store.put("flag", flag["id"], flag)
        return ok(flag)


def evaluate(flags: list[dict[str, Any]], context: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Variants of one context by flag key, as `/flags` answers: only flags that the context is enrolled in.

    The SDK's own local evaluation decides, so that both ways agree; sticky variants and cohorts are not evaluated.
    """
    provider = LocalFeatureFlagsProvider("", LocalFlagsConfig(enable_polling=False), sdk_version, lambda *_: None)
    request = httpx.Request("GET", "https://sandbox.invalid")
    now = datetime.now(UTC)
    provider._handle_response(httpx.Response(200, json={"flags": flags}, request=request), now, now)
    provider._sync_client.close()
    out = {}
    for flag in flags:
        picked = provider.get_variant(flag["key"], SelectedVariant(None), dict(context), report_exposure=False)
        if picked.variant_key is not None:
            out[flag["key"]] = {
                "variant_key": picked.variant_key,
                "variant_value": picked.variant_value,
                "experiment_id": picked.experiment_id,
                "is_experiment_active": picked.is_experiment_active,
                "is_qa_tester": picked.is_qa_tester,
            }
    return out


def _flag_body(body: dict[str, Any]) -> dict[str, Any]:
    missing = [k for k in ("name", "key", "tags", "context", "serving_method", "ruleset") if k not in body]
    if missing:
        raise Refused(400, f"missing: {', '.join(missing)}")
    _only(body, _FLAG_KEYS, "flag")
    if body["serving_method"] not in ("client", "server", "remote_or_local", "remote_only"):
        raise Refused(400, "serving_method is unknown")
    if body.get("status", "disabled") not in ("enabled", "disabled", "archived"):
        raise Refused(400, "status is unknown")
    for name in ("name", "key"):
        if not (isinstance(body[name], str) and 1 <= len(body[name]) <= _NAME_MAX):
            raise Refused(400, f"{name} must have 1 to {_NAME_MAX} characters")
    salt = body.get("hash_salt")
    if salt is not None and len(str(salt)) != 32:
        raise Refused(400, "hash_salt must have exactly 32 characters")
    ruleset = body["ruleset"]
    if not isinstance(ruleset, dict) or not ruleset.get("variants") or not isinstance(ruleset.get("rollout"), list):
        raise Refused(400, "ruleset needs variants and rollout")
    _only(ruleset, {"variants", "rollout", "test"}, "ruleset")
    if len(ruleset["variants"]) > _MAX_VARIANTS:
        raise Refused(400, f"at most {_MAX_VARIANTS} variants")
    for variant in ruleset["variants"]:
        _only(variant, _VARIANT_KEYS, "variant")
        if not {"key", "value", "is_control", "split"} <= set(variant):
            raise Refused(400, "a variant needs key, value, is_control and split")
        if len(json.dumps(variant["value"])) > _VALUE_MAX:
            raise Refused(400, f"a variant value has at most {_VALUE_MAX} characters")
    for rollout in ruleset["rollout"]:
        _only(rollout, _ROLLOUT_KEYS, "rollout group")
        if not 0 <= rollout.get("rollout_percentage", -1) <= 1:
            raise Refused(400, "rollout_percentage is a share from 0 to 1")
        if not isinstance(rollout.get("variant_splits"), dict):
            raise Refused(400, "a rollout group needs variant_splits, an object")
    return body


def _only(body: Mapping[str, Any], known: set[str], what: str) -> None:
    extra = sorted(set(body) - known)
    if extra:
        raise Refused(400, f"additional properties of a {what} are not allowed: {', '.join(extra)}")
