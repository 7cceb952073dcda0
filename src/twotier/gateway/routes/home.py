"""`/`: a word of welcome, as a page for browsers and as JSON for clients. `/problems/{slug}`: what a kind of problem means."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from twotier.gateway.answers import json_response
from twotier.gateway.openapi import Routes, json_answer
from twotier.gateway.problems import kinds

__all__ = ["add"]

_MESSAGE = "Welcome to twotier. The routes are described at /docs."

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>twotier</title>
<h1>Welcome to twotier</h1>
<p>Predictions by scikit-learn models. <a href="/docs">Try the routes</a>, see <a href="/models">what serves</a>
and whether <a href="/readyz">all is well</a>.</p>
</html>
"""


def add(routes: Routes) -> None:
    """Add the routes."""
    message = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    both = json_answer("A word of welcome.", message)
    both["content"]["text/html"] = {"schema": {"type": "string"}}
    routes.get("/", home, summary="Welcome", tag="gateway", responses={200: both})
    meaning = {"type": "object", "properties": {name: {} for name in ("type", "status", "title", "meaning")}}
    routes.get(
        "/problems/{slug}",
        describe_problem,
        summary="What a kind of problem means",
        tag="gateway",
        parameters=[{"name": "slug", "in": "path", "required": True, "schema": {"type": "string", "enum": sorted(kinds())}}],
        responses={200: json_answer("The kind of problem.", meaning)},
        problems=(404,),
    )


async def home(request: Request) -> Response:
    """Welcome whoever comes."""
    vary = {"Vary": "Accept"}
    if "text/html" in request.headers.get("Accept", ""):
        return HTMLResponse(_PAGE, headers=vary)
    return json_response({"message": _MESSAGE}, headers=vary)


async def describe_problem(request: Request) -> Response:
    """Say what a kind of problem means."""
    kind = kinds().get(request.path_params["slug"])
    if kind is None:
        raise HTTPException(404)
    return json_response({"type": kind.type, "status": kind.status, "title": kind.title, "meaning": kind.meaning})
