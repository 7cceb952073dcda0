"""`/metrics`, for Prometheus."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from twotier.gateway.metrics import Metrics
from twotier.gateway.openapi import Routes

__all__ = ["add"]


def add(routes: Routes, metrics: Metrics) -> None:
    """Add the route."""

    async def show(request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    text = {"description": "In Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    routes.get("/metrics", show, summary="Metrics", tag="gateway", responses={200: text})
