"""`/metrics`, for Prometheus."""

from __future__ import annotations

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from twotier.gateway import problems
from twotier.gateway.metrics import Metrics
from twotier.gateway.openapi import Routes
from twotier.gateway.strict_json import dumps

__all__ = ["add"]


def add(routes: Routes, metrics: Metrics, own_port: int | None) -> None:
    """Add the route. With a port of its own, the gateway shares the other one, and answers here on its own alone."""

    async def show(request: Request) -> Response:
        if own_port not in (None, request.scope["server"][1]):
            detail = f"several gateways share this port: one of them has its metrics at port {own_port}, and the others at theirs"
            body = problems.of_kind(problems.METRICS_ELSEWHERE, detail, request.state.request_id)
            return Response(dumps(body), 421, {"Cache-Control": "no-store"}, problems.MEDIA_TYPE)
        metrics.tasks.set(len(asyncio.all_tasks()))
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    text = {"description": "In Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    routes.get("/metrics", show, summary="Metrics", tag="gateway", responses={200: text}, problems=(421,))
