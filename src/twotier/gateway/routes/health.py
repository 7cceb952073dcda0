"""Is the process alive (`/healthz`, `/livez`), and can it answer predictions (`/readyz`)?"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from twotier.gateway import problems
from twotier.gateway.answers import json_response
from twotier.gateway.catalogue import Catalogue
from twotier.gateway.openapi import Routes, json_answer
from twotier.gateway.readiness import Lifecycle, Readiness, assess
from twotier.gateway.strict_json import dumps

__all__ = ["add"]


def add(routes: Routes, catalogue: Catalogue, families: list[str], lifecycle: Lifecycle) -> None:
    """Add the routes."""

    async def ready(request: Request) -> Response:
        verdict = assess(catalogue.sightings, families, lifecycle.draining)
        body = verdict.model_dump(mode="json")
        if verdict.ready:
            return json_response(body, headers={"Cache-Control": "no-store"})
        body = problems.of_kind(problems.NOT_READY, verdict.detail, request.state.request_id) | body
        return Response(dumps(body), 503, {"Retry-After": "1", "Cache-Control": "no-store"}, problems.MEDIA_TYPE)

    alive = json_answer("The process is alive.", {"type": "object", "properties": {"message": {"const": "OK"}}, "required": ["message"]})
    routes.get("/healthz", alive_message, summary="Whether the gateway is alive", tag="gateway", responses={200: alive})
    routes.get("/livez", alive_message, summary="Whether the gateway is alive", tag="gateway", responses={200: alive})
    routes.get(
        "/readyz",
        ready,
        summary="Whether predictions can be answered, and if not, why",
        tag="gateway",
        responses={200: json_answer("They can.", routes.reference(Readiness))},
        problems=(503,),
    )


async def alive_message(request: Request) -> Response:
    """Say so: whoever answers is alive."""
    return json_response({"message": "OK"})
