"""The routes of the sandbox: ingestion, export, flags, experiments, annotations, with their documented limits and errors.

Where the public documentation leaves something open, the sandbox picks one behaviour and `docs/sandbox.md` names it.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
import time
import urllib.parse
import uuid
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import httpx
from mixpanel import __version__ as sdk_version
from mixpanel.flags.local_feature_flags import LocalFeatureFlagsProvider
from mixpanel.flags.types import LocalFlagsConfig, SelectedVariant
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from xpbench.expose.limits import BATCH_EVENTS, REQUEST_BYTES, TRACK_DAYS, event_problems, seconds_of
from xpbench.mixpanel.sandbox_faults import Faults
from xpbench.mixpanel.sandbox_store import SandboxStore

_INSERT_CUT = 255
_GZIP_FROM = 1_400
_NAME_MAX = 255
_DESCRIPTION_MAX = 400
_FREE_EXPERIMENTS = 3
_MAX_VARIANTS = 11
_VALUE_MAX = 32_768


@dataclass(slots=True)
class SandboxProject:
    """The one project behind the sandbox, and the credentials that open it.

    Attributes:
        token: Project token; identifies, is no secret.
        username: Service account.
        secret: Its secret.
        project_id: Project.
        workspace_id: Workspace of its experiments.
        role: Role of the service account: writes need analyst or higher, import needs admin or owner.
        expired: The service account's secret has expired.
        addon: The paid add-on; without it three experiments can be created.
    """

    token: str = "sandbox-token"  # noqa: S105 - not a secret: the sandbox's own
    username: str = "sandbox.user"
    secret: str = "sandbox-secret"  # noqa: S105 - same
    project_id: str = "1001"
    workspace_id: str = "2002"
    role: str = "admin"
    expired: bool = False
    addon: bool = True

    def __repr__(self) -> str:
        return f"SandboxProject(project_id={self.project_id!r}, workspace_id={self.workspace_id!r}, secret='***')"


@dataclass(slots=True)
class ExportLimits:
    """Rate limits of the raw export."""

    per_hour: int = 60
    per_second: int = 3
    concurrent: int = 100
    starts: deque[float] = field(default_factory=deque)
    running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, now: float) -> bool:
        """True if one more query may start now."""
        with self.lock:
            while self.starts and now - self.starts[0] > 3_600:
                self.starts.popleft()
            last_second = sum(1 for t in self.starts if now - t < 1.0)
            if len(self.starts) >= self.per_hour or last_second >= self.per_second or self.running >= self.concurrent:
                return False
            self.starts.append(now)
            self.running += 1
            return True

    def done(self) -> None:
        """One query has ended."""
        with self.lock:
            self.running -= 1


class _Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.response = JSONResponse({"code": status, "status": "error", "error": error, **more}, status_code=status)


class SandboxApp:
    """The application: `app.asgi` answers requests over a store.

    Args:
        store: What it remembers.
        project: Credentials it accepts.
        faults: Switched over `/_sandbox/faults`, too.
        clock: Seconds since the epoch.
        limits: Rate limits of the export.
        export: Replaces the export's bytes, for benchmarks: `(from_date, to_date) -> chunks`.
    """

    def __init__(
        self,
        store: SandboxStore,
        project: SandboxProject,
        faults: Faults,
        *,
        clock: Callable[[], float] = time.time,
        limits: ExportLimits | None = None,
        export: Callable[[str, str], Iterator[bytes]] | None = None,
    ) -> None:
        self.store = store
        self.project = project
        self.faults = faults
        self.clock = clock
        self.limits = limits or ExportLimits()
        self.export_bytes = export
        self.requests: deque[tuple[str, str, int]] = deque(maxlen=10_000)
        experiments = "/api/app/workspaces/{workspace}/experiments"
        flags = "/api/app/projects/{project}/workspaces/{workspace}/feature-flags"
        notes = "/api/app/projects/{project}/annotations"
        self.asgi = Starlette(
            routes=[
                Route("/track", self._track, methods=["POST"]),
                Route("/import", self._import, methods=["POST"]),
                Route("/engage", self._profiles, methods=["POST"]),
                Route("/groups", self._profiles, methods=["POST"]),
                Route("/api/2.0/export", self._export, methods=["GET"]),
                Route("/flags", self._flags, methods=["GET"]),
                Route("/flags/definitions", self._definitions, methods=["GET"]),
                Route(experiments, self._experiments, methods=["GET", "POST"]),
                Route(experiments + "/{id}", self._experiment, methods=["GET", "PATCH", "DELETE"]),
                Route(experiments + "/{id}/launch", self._launch, methods=["PUT"]),
                Route(experiments + "/{id}/force_conclude", self._conclude, methods=["PUT"]),
                Route(experiments + "/{id}/decide", self._decide, methods=["PATCH"]),
                Route(experiments + "/{id}/archive", self._archive, methods=["POST", "DELETE"]),
                Route(flags, self._managed_flags, methods=["GET", "POST"]),
                Route(flags + "/{id}", self._managed_flag, methods=["GET", "PUT", "DELETE"]),
                Route(notes, self._annotations, methods=["GET", "POST"]),
                Route(notes + "/tags", self._tags, methods=["GET", "POST"]),
                Route(notes + "/{id}", self._annotation, methods=["GET", "PATCH", "DELETE"]),
                Route("/_sandbox/faults", self._switch, methods=["GET", "POST"]),
                Route("/_sandbox/events", self._count, methods=["GET"]),
            ],
            exception_handlers={_Refused: _refusal, HTTPException: _http_refusal},
        )

    # -- who asks -----------------------------------------------------------------------------------------------------

    def _identity(self, request: Request) -> tuple[str, str] | None:
        header = request.headers.get("authorization", "")
        if not header.lower().startswith("basic "):
            return None
        try:
            user, _, password = base64.b64decode(header[6:], validate=True).decode().partition(":")
        except ValueError:
            return None
        return user, password

    def _service(self, request: Request) -> None:
        identity = self._identity(request)
        if identity is None:
            raise _Refused(401, "Authentication required: service account username and secret")
        user, password = identity
        if not (secrets.compare_digest(user, self.project.username) and secrets.compare_digest(password, self.project.secret)):
            raise _Refused(401, "Invalid service account credentials")
        if self.project.expired:
            raise _Refused(401, "Service account credentials have expired")

    def _writer(self, request: Request) -> None:
        self._service(request)
        if self.project.role == "consumer":
            raise _Refused(403, "Permission denied: requires analyst role or higher")

    def _token_or_service(self, request: Request) -> None:
        identity = self._identity(request)
        if identity is not None and identity == (self.project.token, ""):
            return
        self._service(request)
        given = request.query_params.get("project_id")
        if given != self.project.project_id:
            raise _Refused(400 if given is None else 403, f"project_id {given!r} is missing or not open to this account")

    def _workspace(self, request: Request) -> None:
        if request.path_params.get("project", self.project.project_id) != self.project.project_id:
            raise _Refused(403, "Permission denied: the account has no access to this project")
        if request.path_params.get("workspace", self.project.workspace_id) != self.project.workspace_id:
            raise _Refused(404, "Workspace not found")

    # -- ingestion ----------------------------------------------------------------------------------------------------

    async def _body(self, request: Request) -> tuple[Any, bool]:
        raw = await request.body()
        if request.headers.get("content-encoding", "") == "gzip":
            try:
                inflate = zlib.decompressobj(wbits=31)
                raw = inflate.decompress(raw, REQUEST_BYTES + 1)
            except zlib.error as error:
                raise _Refused(400, "the body is not gzip") from error
        kind = request.headers.get("content-type", "").split(";")[0]
        form = kind == "application/x-www-form-urlencoded"
        if form:
            pairs = urllib.parse.parse_qs(raw.decode(), max_num_fields=20)
            raw = pairs.get("data", [""])[0].encode()
        if len(raw) > REQUEST_BYTES:
            raise _Refused(413, f"request exceeds max limit of {REQUEST_BYTES} bytes")
        try:
            if kind == "application/x-ndjson":
                value: Any = [json.loads(line) for line in raw.splitlines() if line.strip()]
            else:
                value = json.loads(raw)
        except ValueError as error:
            raise _Refused(400, "the body is not JSON") from error
        events = value if isinstance(value, list) else [value]
        if len(events) > BATCH_EVENTS:
            raise _Refused(413, f"more than {BATCH_EVENTS} events in one request")
        return events, form

    async def _track(self, request: Request) -> Response:
        try:
            events, _ = await self._body(request)
        except _Refused as refused:
            if refused.response.status_code == 413:
                raise
            return _verbose(request, 0, str(refused))
        now = self.clock()
        good, error = [], ""
        for event in events:
            problem = next(iter(_track_problems(event, now)), None)
            if problem:
                error = error or problem
            else:
                good.append(event)
        by_token: dict[str, list[Mapping[str, Any]]] = {}
        for event in good:
            by_token.setdefault(str(event["properties"].get("token", "")), []).append(event)
        for token, rows in by_token.items():
            self.store.add_events(token, [_cut(r) for r in rows], now=now)
        self._note(request, 200)
        return _verbose(request, 0 if error else 1, error, form=(await request.body()))

    async def _import(self, request: Request) -> Response:
        identity = self._identity(request)
        if identity != (self.project.token, ""):
            self._token_or_service(request)
            if self.project.role not in ("admin", "owner"):
                raise _Refused(403, "Permission denied: import needs the admin or owner role")
        events, form = await self._body(request)
        now = self.clock()
        strict = request.query_params.get("strict", "0") == "1"
        good, failed = [], []
        for index, event in enumerate(events):
            problem = next(iter(event_problems(event, now=now)), None)
            if problem is None:
                good.append(_cut(event))
            else:
                insert_id = ""
                if isinstance(event, Mapping) and isinstance(event.get("properties"), Mapping):
                    insert_id = str(event["properties"].get("$insert_id", ""))
                failed.append({"index": index, "$insert_id": insert_id, "field": problem[0], "message": problem[1]})
        self.store.add_events(self.project.token, good, now=now)
        if strict:
            self._note(request, 400 if failed else 200)
            if failed:
                return JSONResponse(
                    {
                        "code": 400,
                        "error": "some data points in the request failed validation",
                        "status": "Bad Request",
                        "num_records_imported": len(good),
                        "failed_records": failed,
                    },
                    status_code=400,
                )
            return JSONResponse({"code": 200, "num_records_imported": len(good), "status": "OK"})
        self._note(request, 200)
        if form:  # what the SDK's consumers read
            return JSONResponse({"status": 1, "error": None})
        return JSONResponse({"code": 200, "num_records_imported": len(good), "status": "OK"})

    async def _profiles(self, request: Request) -> Response:
        await self._body(request)
        return _verbose(request, 1, "", form=(await request.body()))

    # -- export -------------------------------------------------------------------------------------------------------

    async def _export(self, request: Request) -> Response:
        identity = self._identity(request)
        if identity is None:
            raise _Refused(401, "Authentication required")
        self._service(request)
        q = request.query_params
        if q.get("project_id") != self.project.project_id:
            raise _Refused(400 if "project_id" not in q else 403, "project_id is missing or not open to this account")
        first, last = _day(q, "from_date"), _day(q, "to_date")
        if first > last:
            raise _Refused(400, "to_date must be on or after from_date")
        if first > datetime.fromtimestamp(self.clock(), UTC).date().isoformat():
            raise _Refused(400, "from_date is in the future")
        try:
            names = json.loads(q["event"]) if "event" in q else None
        except ValueError as error:
            raise _Refused(400, "event must be a JSON array of names") from error
        keeps = _where(q.get("where", ""))
        limit = int(q.get("limit", "0") or 0)
        if not 0 <= limit <= 100_000:
            raise _Refused(400, "limit must be at most 100000")
        if not self.limits.admit(time.monotonic()):
            self._note(request, 429)
            raise _Refused(429, "rate limit: 60 queries an hour, 3 a second, 100 at once")
        self._note(request, 200)
        if self.export_bytes is not None:
            chunks = self.export_bytes(first, last)
        else:
            chunks = self._lines(first, last, names, keeps, limit, q.get("time_in_ms") == "true")
        return self._stream(chunks, gzipped="gzip" in request.headers.get("accept-encoding", ""))

    def _lines(
        self,
        first: str,
        last: str,
        names: list[str] | None,
        keeps: Callable[[Mapping[str, Any]], bool],
        limit: int,
        in_ms: bool,
    ) -> Iterator[bytes]:
        sent = 0
        part: list[str] = []
        for event in self.store.events(self.project.token, first_day=first, last_day=last, in_ms=in_ms):
            if (names is None or event["event"] in names) and keeps(event):
                part.append(json.dumps(event, separators=(",", ":")))
                sent += 1
                if len(part) >= 500:
                    yield ("\n".join(part) + "\n").encode()
                    part = []
                if limit and sent >= limit:
                    break
        if part:
            yield ("\n".join(part) + "\n").encode()

    def _stream(self, chunks: Iterator[bytes], *, gzipped: bool) -> Response:
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) > _GZIP_FROM:
                break
        if len(head) <= _GZIP_FROM:
            self.limits.done()
            return PlainTextResponse(head)

        async def body() -> AsyncIterator[bytes]:
            pack = zlib.compressobj(1, wbits=31) if gzipped else None
            try:
                yield pack.compress(head) if pack else head
                async for chunk in iterate_in_threadpool(chunks):
                    data = pack.compress(chunk) if pack else chunk
                    if data:
                        yield data
                if pack:
                    yield pack.flush()
            finally:
                self.limits.done()

        headers = {"content-encoding": "gzip"} if gzipped else {}
        return StreamingResponse(body(), media_type="text/plain", headers=headers)

    # -- flags --------------------------------------------------------------------------------------------------------

    def _served(self) -> list[dict[str, Any]]:
        return [
            {
                k: flag.get(k)
                for k in (
                    "id", "name", "key", "status", "project_id", "ruleset", "context", "experiment_id",
                    "is_experiment_active", "hash_salt",
                )
            }
            for flag in self.store.all("flag")
            if flag["status"] == "enabled"
        ]  # fmt: skip

    async def _definitions(self, request: Request) -> Response:
        self._token_or_service(request)
        raw = self.store.get("raw-definitions", "raw")
        return JSONResponse(raw if raw is not None else {"flags": self._served()})

    async def _flags(self, request: Request) -> Response:
        self._token_or_service(request)
        try:
            context = json.loads(request.query_params.get("context", ""))
        except ValueError as error:
            raise _Refused(400, "context must be a JSON object") from error
        if not isinstance(context, dict) or not context.get("distinct_id"):
            raise _Refused(400, "context.distinct_id is required")
        context.setdefault("device_id", context["distinct_id"])
        wanted = request.query_params.get("flag_key")
        flags = [f for f in self._served() if wanted is None or f["key"] == wanted]
        return JSONResponse({"code": 200, "flags": evaluate(flags, context)})

    async def _managed_flags(self, request: Request) -> Response:
        self._workspace(request)
        if request.method == "GET":
            self._service(request)
            archived = request.query_params.get("include_archived") == "true"
            return _ok([f for f in self.store.all("flag") if archived or f["status"] != "archived"])
        self._writer(request)
        body = _flag_body(await _object(request))
        if any(f["key"] == body["key"] for f in self.store.all("flag")):
            raise _Refused(400, f"a flag with key {body['key']!r} exists")
        if body.pop("reset_hash_salt", False) or not body.get("hash_salt"):
            body["hash_salt"] = uuid.uuid4().hex
        flag = {
            "status": "disabled", "experiment_id": None, "is_experiment_active": None, **body,
            "id": str(uuid.uuid4()), "project_id": int(self.project.project_id),
            "created": self._now(), "modified": self._now(),
        }  # fmt: skip
        self.store.put("flag", flag["id"], flag)
        return _ok(flag, 201)

    async def _managed_flag(self, request: Request) -> Response:
        self._workspace(request)
        flag = self._found(request, "flag")
        if request.method == "GET":
            self._service(request)
            return _ok(flag)
        self._writer(request)
        if request.method == "DELETE":
            self.store.delete("flag", flag["id"])
            return _ok({})
        body = _flag_body(await _object(request))
        if flag["status"] == "enabled" and body["context"] != flag["context"]:
            raise _Refused(400, "the variant assignment key can't change once the flag is enabled")
        if body.pop("reset_hash_salt", False):
            body["hash_salt"] = uuid.uuid4().hex
        kept = {k: flag[k] for k in ("id", "project_id", "created", "hash_salt", "experiment_id", "is_experiment_active")}
        flag = {"status": "disabled", **kept, **body, "modified": self._now()}
        self.store.put("flag", flag["id"], flag)
        return _ok(flag)

    # -- experiments --------------------------------------------------------------------------------------------------

    async def _experiments(self, request: Request) -> Response:
        self._workspace(request)
        if request.method == "GET":
            self._service(request)
            return _ok([self._linked(e) for e in self.store.all("experiment")])
        self._writer(request)
        if not self.project.addon and len(self.store.all("experiment")) >= _FREE_EXPERIMENTS:
            raise _Refused(403, "Experiment limit reached: this project needs the experimentation add-on")
        body = await _object(request)
        _experiment_text(body, new=True)
        id_ = str(uuid.uuid4())
        experiment = {
            "description": "", "hypothesis": "", "settings": {}, "variants": [], "metrics": [], "tags": [],
            "exposures_cache": {}, "results_cache": {}, "start_date": None, "end_date": None, "feature_flag": None,
            **body, "id": id_, "status": "draft", "created": self._now(), "modified": self._now(), "deleted": None,
            "creator_name": self.project.username, "is_favorited": False, "pinned_date": None,
        }  # fmt: skip
        self.store.put("experiment", id_, experiment)
        return _ok(experiment, 201)

    async def _experiment(self, request: Request) -> Response:
        self._workspace(request)
        self._service(request)
        experiment = self._found(request, "experiment")
        if request.method == "GET":
            return _ok(self._linked(experiment))
        self._writer(request)
        if request.method == "DELETE":
            return self._saved({**experiment, "deleted": self._now()})
        body = await _object(request)
        _experiment_text(body, new=False)
        frozen = {"id", "created", "creator_name", "deleted", "feature_flag"}
        return self._saved({**experiment, **{k: v for k, v in body.items() if k not in frozen}})

    async def _launch(self, request: Request) -> Response:
        experiment = self._moved(request, "draft", "active")
        for flag in self.store.all("flag"):
            if flag["experiment_id"] == experiment["id"]:
                self.store.put("flag", flag["id"], {**flag, "status": "enabled", "is_experiment_active": True})
        return self._saved({**experiment, "start_date": experiment["start_date"] or self._now()})

    async def _conclude(self, request: Request) -> Response:
        raw = await request.body()
        if not raw:
            raise _Refused(400, "a body is required, {} is enough")
        body = await _object(request)
        experiment = self._moved(request, "active", "concluded")
        return self._saved({**experiment, "end_date": body.get("end_date") or self._now()})

    async def _decide(self, request: Request) -> Response:
        body = await _object(request)
        if not isinstance(body.get("success"), bool):
            raise _Refused(400, "success is required and must be a boolean")
        experiment = self._moved(request, "concluded", "success" if body["success"] else "fail")
        results = {**experiment["results_cache"], "decision": {k: body.get(k) for k in ("success", "variant", "message")}}
        return self._saved({**experiment, "results_cache": results})

    async def _archive(self, request: Request) -> Response:
        self._workspace(request)
        self._writer(request)
        experiment = self._found(request, "experiment")
        return self._saved({**experiment, "archived": request.method == "POST"})

    def _moved(self, request: Request, before: str, after: str) -> dict[str, Any]:
        self._workspace(request)
        self._writer(request)
        experiment = self._found(request, "experiment")
        if experiment["status"] != before:
            raise _Refused(400, f"the experiment is {experiment['status']}, this needs {before}")
        return {**experiment, "status": after}

    def _linked(self, experiment: dict[str, Any]) -> dict[str, Any]:
        for flag in self.store.all("flag"):
            if flag["experiment_id"] == experiment["id"]:
                return {**experiment, "feature_flag": {"id": flag["id"], "key": flag["key"]}}
        return experiment

    def _saved(self, experiment: dict[str, Any]) -> Response:
        saved = {**experiment, "modified": self._now()}
        self.store.put("experiment", saved["id"], saved)
        return _ok(self._linked(saved))

    # -- annotations --------------------------------------------------------------------------------------------------

    async def _annotations(self, request: Request) -> Response:
        self._workspace(request)
        self._service(request)
        if request.method == "GET":
            first = request.query_params.get("fromDate", "0000")
            last = request.query_params.get("toDate", "9999") + "~"
            return _ok([a for a in self.store.all("annotation") if first <= a["date"] <= last])
        self._writer(request)
        body = await _object(request)
        try:
            datetime.strptime(str(body.get("date")), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError as error:
            raise _Refused(400, "date must be YYYY-MM-DD HH:mm:ss") from error
        if not isinstance(body.get("description"), str):
            raise _Refused(400, "description is required")
        number = self.store.next_number("annotation")
        note = {
            "id": number, "date": body["date"], "description": body["description"],
            "user": {"id": 1, "first_name": "Sandbox", "last_name": "User"}, "tags": self._tag_objects(body.get("tags", [])),
        }  # fmt: skip
        self.store.put("annotation", str(number), note)
        return _ok(note, 201)

    async def _annotation(self, request: Request) -> Response:
        self._workspace(request)
        self._service(request)
        note = self._found(request, "annotation")
        if request.method == "GET":
            return _ok(note)
        self._writer(request)
        if request.method == "DELETE":
            self.store.delete("annotation", str(note["id"]))
            return _ok({"id": note["id"]})
        body = await _object(request)
        if "tags" in body:
            body["tags"] = self._tag_objects(body["tags"])
        note = {**note, **{k: v for k, v in body.items() if k in ("description", "tags")}}
        self.store.put("annotation", str(note["id"]), note)
        return _ok(note)

    async def _tags(self, request: Request) -> Response:
        self._workspace(request)
        self._service(request)
        if request.method == "GET":
            return _ok(self.store.all("tag"))
        self._writer(request)
        body = await _object(request)
        number = self.store.next_number("tag")
        tag = {"id": number, "name": str(body.get("name", ""))}
        self.store.put("tag", str(number), tag)
        return _ok(tag, 201)

    def _tag_objects(self, ids: list[int]) -> list[dict[str, Any]]:
        known = {tag["id"]: tag for tag in self.store.all("tag")}
        unknown = [i for i in ids if i not in known]
        if unknown:
            raise _Refused(400, f"unknown tag ids {unknown}")
        return [known[i] for i in ids]

    # -- the sandbox itself -------------------------------------------------------------------------------------------

    async def _switch(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self.faults.set(**await _object(request))
            except ValueError as error:
                raise _Refused(400, str(error)) from error
        return JSONResponse(self.faults.to_dict())

    async def _count(self, request: Request) -> Response:
        del request
        token = self.project.token
        return JSONResponse({"events": self.store.count(token), "deduplicated": len(self.store.deduplicated(token))})

    def _found(self, request: Request, kind: str) -> dict[str, Any]:
        found = self.store.get(kind, request.path_params["id"])
        if found is None:
            raise _Refused(404, f"{kind} not found")
        return found

    def _now(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def _note(self, request: Request, status: int) -> None:
        self.requests.append((request.method, request.url.path, status))


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


def _track_problems(event: Any, now: float) -> Iterator[str]:
    if not isinstance(event, Mapping) or not isinstance(event.get("properties"), Mapping):
        yield "event must be an object with properties"
        return
    properties = event["properties"]
    if not properties.get("token"):
        yield "token, missing or empty"
    seconds = seconds_of(properties.get("time", now))
    if seconds is not None and seconds < now - TRACK_DAYS * 86_400:
        yield f"properties.time is more than {TRACK_DAYS} days ago, use /import"
    filled = {"time": now, "distinct_id": "", "$insert_id": uuid.uuid4().hex, **properties}
    for _, message in event_problems({**event, "properties": filled}, now=now):
        yield message


def _cut(event: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = {
        k: v[:_INSERT_CUT] if isinstance(v, str) and k not in ("distinct_id", "token") else v
        for k, v in event["properties"].items()
    }
    return {"event": event["event"], "properties": properties}


def _verbose(request: Request, status: int, error: str, *, form: bytes = b"") -> Response:
    if request.query_params.get("verbose") == "1" or b"verbose=1" in form[-200:]:
        return JSONResponse({"status": status, "error": error or None})
    return PlainTextResponse(str(status))


def _day(query: Mapping[str, str], name: str) -> str:
    value = query.get(name, "")
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise _Refused(400, f"{name} must be yyyy-mm-dd") from error


_TERM = re.compile(
    r"""\s*(?:defined\(properties\["(?P<defined>[^"]*)"\]\)"""
    r"""|properties\["(?P<name>[^"]*)"\]\s*(?P<op>==|!=)\s*(?P<value>"[^"]*"|-?[\d.]+|true|false)"""
    r"""|event\["\$time"\]\s*(?P<when>>=|<)\s*datetime\("(?P<time>[^"]*)"\))\s*\Z"""
)


def _where(text: str) -> Callable[[Mapping[str, Any]], bool]:
    if not text:
        return lambda event: True
    tests: list[Callable[[Mapping[str, Any]], bool]] = []
    for term in text.split(" and "):
        match = _TERM.match(term)
        if match is None:
            raise _Refused(400, "where: the sandbox knows ==, != and defined() of properties, event[\"$time\"], and 'and'")
        tests.append(_term_test(match))
    return lambda event: all(test(event) for test in tests)


def _term_test(match: re.Match[str]) -> Callable[[Mapping[str, Any]], bool]:
    if match["defined"] is not None:
        name = match["defined"]
        return lambda event: name in event["properties"]
    if match["name"] is not None:
        name, value, equal = match["name"], json.loads(match["value"]), match["op"] == "=="
        return lambda event: (event["properties"].get(name) == value) is equal
    moment = datetime.fromisoformat(match["time"]).replace(tzinfo=UTC).timestamp()
    later = match["when"] == ">="
    return lambda event: ((seconds_of(event["properties"]["time"]) or 0.0) >= moment) is later


async def _object(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise _Refused(400, "the body is not JSON") from error
    if not isinstance(value, dict):
        raise _Refused(400, "the body must be an object")
    return value


def _experiment_text(body: Mapping[str, Any], *, new: bool) -> None:
    name = body.get("name")
    if (new or name is not None) and not (isinstance(name, str) and 1 <= len(name) <= _NAME_MAX):
        raise _Refused(400, f"name must have 1 to {_NAME_MAX} characters")
    if len(str(body.get("description") or "")) > _DESCRIPTION_MAX:
        raise _Refused(400, f"description must have at most {_DESCRIPTION_MAX} characters")


_FLAG_KEYS = {
    "name", "key", "tags", "context", "serving_method", "ruleset", "description", "experiment_id", "is_experiment_active",
    "status", "data_group_id", "workspace_id", "hash_salt", "reset_hash_salt",
}  # fmt: skip
_VARIANT_KEYS = {"key", "value", "is_control", "split", "description", "is_sticky"}
_ROLLOUT_KEYS = {
    "rollout_percentage", "variant_splits", "name", "cohort_definition", "cohort_hash", "runtime_evaluation_rule",
    "runtime_evaluation_definition", "runtime_event_rule", "variant_override",
}  # fmt: skip


def _flag_body(body: dict[str, Any]) -> dict[str, Any]:
    missing = [k for k in ("name", "key", "tags", "context", "serving_method", "ruleset") if k not in body]
    if missing:
        raise _Refused(400, f"missing: {', '.join(missing)}")
    _only(body, _FLAG_KEYS, "flag")
    if body["serving_method"] not in ("client", "server", "remote_or_local", "remote_only"):
        raise _Refused(400, "serving_method is unknown")
    if body.get("status", "disabled") not in ("enabled", "disabled", "archived"):
        raise _Refused(400, "status is unknown")
    salt = body.get("hash_salt")
    if salt is not None and len(str(salt)) != 32:
        raise _Refused(400, "hash_salt must have exactly 32 characters")
    ruleset = body["ruleset"]
    if not isinstance(ruleset, dict) or not ruleset.get("variants") or not isinstance(ruleset.get("rollout"), list):
        raise _Refused(400, "ruleset needs variants and rollout")
    _only(ruleset, {"variants", "rollout", "test"}, "ruleset")
    if len(ruleset["variants"]) > _MAX_VARIANTS:
        raise _Refused(400, f"at most {_MAX_VARIANTS} variants")
    for variant in ruleset["variants"]:
        _only(variant, _VARIANT_KEYS, "variant")
        if not {"key", "value", "is_control", "split"} <= set(variant):
            raise _Refused(400, "a variant needs key, value, is_control and split")
        if len(json.dumps(variant["value"])) > _VALUE_MAX:
            raise _Refused(400, f"a variant value has at most {_VALUE_MAX} characters")
    for rollout in ruleset["rollout"]:
        _only(rollout, _ROLLOUT_KEYS, "rollout group")
        if not 0 <= rollout.get("rollout_percentage", -1) <= 1:
            raise _Refused(400, "rollout_percentage is a share from 0 to 1")
    return body


def _only(body: Mapping[str, Any], known: set[str], what: str) -> None:
    extra = sorted(set(body) - known)
    if extra:
        raise _Refused(400, f"additional properties of a {what} are not allowed: {', '.join(extra)}")


def _ok(results: Any, status: int = 200) -> Response:
    return JSONResponse({"status": "ok", "results": results}, status_code=status)


async def _refusal(request: Request, error: Exception) -> Response:
    del request
    response: Response = error.response  # type: ignore[attr-defined]  # registered for _Refused alone
    return response


async def _http_refusal(request: Request, error: Exception) -> Response:
    del request
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"code": status, "status": "error", "error": str(getattr(error, "detail", error))}, status_code=status)
