"""Ingestion: `/track`, `/import`, and profiles, with the limits of one event and one request."""

from __future__ import annotations

import base64
import binascii
import json
import re
import urllib.parse
import uuid
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from xpbench.expose.limits import BATCH_EVENTS, REQUEST_BYTES, TRACK_DAYS, event_problems, seconds_of
from xpbench.mixpanel.sandbox.refusals import Refused
from xpbench.mixpanel.sandbox.site import Site

_INSERT_CUT = 255


class IngestionRoutes:
    """Takes events in."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        out = [Route("/settings", self._settings, methods=["GET"]), Route("/settings/", self._settings, methods=["GET"])]
        doors = {"/track": self._track, "/import": self._import, "/engage": self._profiles, "/groups": self._profiles}
        for path, door in doors.items():
            # SDKs for browsers and phones end the path with a slash, and Node sends single events by GET
            out += [Route(p, door, methods=["GET", "POST"]) for p in (path, path + "/")]
        return out

    async def _body(self, request: Request) -> tuple[Any, bool]:
        raw = await request.body()
        if request.headers.get("content-encoding", "") == "gzip":
            try:
                inflate = zlib.decompressobj(wbits=31)
                raw = inflate.decompress(raw, REQUEST_BYTES + 1)
            except zlib.error as error:
                raise Refused(400, "the body is not gzip") from error
        kind = request.headers.get("content-type", "").split(";")[0]
        form = kind == "application/x-www-form-urlencoded" or request.method == "GET" or raw.startswith(b"data=")
        if form:
            query = request.url.query.encode() if request.method == "GET" else raw
            try:
                pairs = urllib.parse.parse_qs(query.decode(), max_num_fields=20)
            except ValueError as error:
                raise Refused(400, "the form can't be read") from error
            raw = _plain(pairs.get("data", [""])[0])
        if len(raw) > REQUEST_BYTES:
            raise Refused(413, f"request exceeds max limit of {REQUEST_BYTES} bytes")
        try:
            if kind == "application/x-ndjson":
                value: Any = [json.loads(line) for line in raw.splitlines() if line.strip()]
            else:
                value = json.loads(raw)
        except ValueError as error:
            raise Refused(400, "the body is not JSON") from error
        events = value if isinstance(value, list) else [value]
        if len(events) > BATCH_EVENTS:
            raise Refused(413, f"more than {BATCH_EVENTS} events in one request")
        return events, form

    async def _track(self, request: Request) -> Response:
        try:
            events, _ = await self._body(request)
        except Refused as refused:
            if refused.response.status_code == 413:
                raise
            return _verbose(request, 0, str(refused))
        now = self.site.clock()
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
        looked_up = request.query_params.get("ip") == "1"
        for token, rows in by_token.items():
            self.site.store.add_events(token, [_placed(_cut(r), looked_up=looked_up) for r in rows], now=now)
        self.site.note(request, 200)
        return _verbose(request, 0 if error else 1, error, form=(await request.body()))

    async def _settings(self, request: Request) -> Response:
        """What the browser SDK asks when it starts: nothing is switched from here."""
        self.site.note(request, 200)
        return JSONResponse({})

    async def _import(self, request: Request) -> Response:
        identity = self.site.identity(request)
        if identity != (self.site.project.token, ""):
            self.site.token_or_service(request)
            if self.site.project.role not in ("admin", "owner"):
                raise Refused(403, "Permission denied: import needs the admin or owner role")
        events, form = await self._body(request)
        now = self.site.clock()
        strict = request.query_params.get("strict", "0") == "1"
        good, failed = [], []
        for index, event in enumerate(events):
            problem = next(iter(event_problems(event, now=now)), None)
            if problem is None:
                good.append(_placed(_cut(event), looked_up=True))
            else:
                insert_id = ""
                if isinstance(event, Mapping) and isinstance(event.get("properties"), Mapping):
                    insert_id = str(event["properties"].get("$insert_id", ""))
                failed.append({"index": index, "$insert_id": insert_id, "field": problem[0], "message": problem[1]})
        self.site.store.add_events(self.site.project.token, good, now=now)
        if strict:
            self.site.note(request, 400 if failed else 200)
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
        self.site.note(request, 200)
        if form:  # what the SDK's consumers read
            return JSONResponse({"status": 1, "error": None})
        return JSONResponse({"code": 200, "num_records_imported": len(good), "status": "OK"})

    async def _profiles(self, request: Request) -> Response:
        await self._body(request)
        return _verbose(request, 1, "", form=(await request.body()))


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


def _plain(data: str) -> bytes:
    """The JSON of a form's `data`, which most SDKs pack as base64."""
    text = data.strip()
    if text[:1] in ("{", "["):
        return text.encode()
    try:
        return base64.b64decode(text.replace(" ", "+") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return text.encode()


GEO = {"$city": "Sandbox", "$region": "Loopback", "mp_country_code": "XX"}
"""Where the sandbox finds every address."""


def _placed(event: Mapping[str, Any], *, looked_up: bool) -> Mapping[str, Any]:
    """The event with the place of its address: that of `ip`, else of the request where it is looked up; `ip: 0` skips that."""
    ip = event["properties"].get("ip")
    none = ip in (0, "0")
    if none or not (ip or looked_up):
        return event
    return {"event": event["event"], "properties": {**GEO, **event["properties"]}}


_PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)  # one transparent point


def _verbose(request: Request, status: int, error: str, *, form: bytes = b"") -> Response:
    """The answer as it was asked for: a picture for mails, a call for old pages, JSON, or a digit."""
    if request.query_params.get("img") == "1":
        return Response(_PIXEL, media_type="image/gif")
    callback = request.query_params.get("callback", "")
    if re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$.]{0,99}", callback):
        return Response(f"{callback}({status});", media_type="text/javascript")
    if request.query_params.get("verbose") == "1" or b"verbose=1" in form[-200:]:
        return JSONResponse({"status": status, "error": error or None})
    return PlainTextResponse(str(status))
