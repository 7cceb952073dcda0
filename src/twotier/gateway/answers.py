"""JSON and problems as responses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from twotier.errors import UpstreamUnavailable
from twotier.gateway import problems
from twotier.gateway.strict_json import dumps

__all__ = ["NO_STORE", "JSONInPieces", "answer_error", "answer_http_exception", "json_response", "problem_response", "tagged_response"]

NO_STORE = {"Cache-Control": "no-store"}
"""Of answers that are not to be kept by anybody on the way."""


class JSONInPieces(Response):
    """JSON that was written already, sent piece by piece. Its length is known, and it is not to be kept."""

    def __init__(self, pieces: Sequence[bytes], status: int = 200) -> None:
        # Written out, where the framework would put a mapping of headers in order at every call.
        self.status_code, self.background = status, None
        length = str(sum(map(len, pieces))).encode()
        self.raw_headers = [(b"content-length", length), (b"cache-control", b"no-store"), (b"content-type", b"application/json")]
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        last = len(self._pieces) - 1
        for at, piece in enumerate(self._pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": at < last})
            if at < last:
                await asyncio.sleep(0)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as a response."""
    return Response(dumps(value), status, headers, "application/json")


def tagged_response(request: Request, body: bytes, headers: Mapping[str, str]) -> Response:
    """JSON with an ETag; 304 if the caller has it already."""
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {**headers, "ETag": tag, "Cache-Control": "no-cache"}
    held = [held.strip().removeprefix("W/") for held in request.headers.get("If-None-Match", "").split(",")]
    if tag in held or "*" in held:
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


def problem_response(error: Exception, request_id: str, headers: Mapping[str, str] | None = None, path: str = "") -> Response:
    """The problem that answers an error on that path."""
    made = problems.problem(error, request_id)
    if isinstance(error, UpstreamUnavailable):
        headers = {**(headers or {}), "Retry-After": str(error.retry_after)}
    return _sent(made, headers, path)


async def answer_error(request: Request, error: Exception) -> Response:
    """Handle one of our errors."""
    return problem_response(error, request.state.request_id, path=request.scope["path"])


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Handle a bare status of the web framework, such as 404 or 405."""
    assert isinstance(error, HTTPException)
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return _sent(problems.of_status(error.status_code, request.state.request_id), headers, request.scope["path"])


def _sent(made: dict[str, Any], headers: Mapping[str, str] | None, path: str) -> Response:
    return Response(dumps(problems.on_path(made, path)), made["status"], headers, problems.media_type(path))


def _allowed(request: Request) -> str:
    """Every method of this path; the framework names those of its first route alone."""
    here = [route for route in request.app.routes if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in here for method in route.methods or ()}))
