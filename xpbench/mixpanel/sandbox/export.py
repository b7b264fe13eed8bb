"""Raw export: one line an event, filtered, streamed, packed from a size on, within the rate limits."""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from xpbench.expose.limits import seconds_of
from xpbench.mixpanel.sandbox.refusals import Refused
from xpbench.mixpanel.sandbox.site import Site

_GZIP_FROM = 1_400


class ExportRoutes:
    """Gives events out again."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        return [Route("/api/2.0/export", self._export, methods=["GET"])]

    async def _export(self, request: Request) -> Response:
        identity = self.site.identity(request)
        if identity is None:
            raise Refused(401, "Authentication required")
        self.site.service(request)
        q = request.query_params
        if q.get("project_id") != self.site.project.project_id:
            raise Refused(400 if "project_id" not in q else 403, "project_id is missing or not open to this account")
        first, last = _day(q, "from_date"), _day(q, "to_date")
        if first > last:
            raise Refused(400, "to_date must be on or after from_date")
        if first > datetime.fromtimestamp(self.site.clock(), UTC).date().isoformat():
            raise Refused(400, "from_date is in the future")
        try:
            names = json.loads(q["event"]) if "event" in q else None
        except ValueError as error:
            raise Refused(400, "event must be a JSON array of names") from error
        keeps = _where(q.get("where", ""))
        limit = int(q.get("limit", "0") or 0)
        if not 0 <= limit <= 100_000:
            raise Refused(400, "limit must be at most 100000")
        if not self.site.limits.admit(time.monotonic()):
            self.site.note(request, 429)
            raise Refused(429, "rate limit: 60 queries an hour, 3 a second, 100 at once")
        self.site.note(request, 200)
        if self.site.export_bytes is not None:
            chunks = self.site.export_bytes(first, last)
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
        for event in self.site.store.events(
            self.site.project.token, first_day=first, last_day=last, in_ms=in_ms, canonical=True
        ):
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
            self.site.limits.done()
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
                self.site.limits.done()

        headers = {"content-encoding": "gzip"} if gzipped else {}
        return StreamingResponse(body(), media_type="text/plain", headers=headers)


def _day(query: Mapping[str, str], name: str) -> str:
    value = query.get(name, "")
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise Refused(400, f"{name} must be yyyy-mm-dd") from error


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
            raise Refused(400, "where: the sandbox knows ==, != and defined() of properties, event[\"$time\"], and 'and'")
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
