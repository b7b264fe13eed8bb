"""Answers of the sandbox: what was found, or why a request is refused."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.response = JSONResponse({"code": status, "status": "error", "error": error, **more}, status_code=status)


async def object_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request's body; empty where there is none."""
    try:
        value = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise Refused(400, "the body is not JSON") from error
    if not isinstance(value, dict):
        raise Refused(400, "the body must be an object")
    return value


def ok(results: Any, status: int = 200) -> Response:
    """Results as the app APIs wrap them."""
    return JSONResponse({"status": "ok", "results": results}, status_code=status)


async def refusal(request: Request, error: Exception) -> Response:
    """The answer of a refused request."""
    del request
    response: Response = error.response  # type: ignore[attr-defined]  # registered for Refused alone
    return response


async def http_refusal(request: Request, error: Exception) -> Response:
    """Errors of routing, in the shape of the APIs."""
    del request
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"code": status, "status": "error", "error": str(getattr(error, "detail", error))}, status_code=status)
