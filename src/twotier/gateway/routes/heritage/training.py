"""`/train_decision_tree`: trains a decision tree on irises, waits for the end, and says so; from then on it is what serves.

That a GET changes something is the old contract, and a fault: caches, crawlers and pages of other sites may send one. It is kept for
scripts. What a browser sends for a page of another site, or in advance, is refused, and while one training runs, others join it.
"""

from __future__ import annotations

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from twotier.errors import GateRefused, TrainingFailed, UpstreamUnavailable
from twotier.family import Family
from twotier.gateway.answers import NO_STORE
from twotier.gateway.catalogue import Catalogue
from twotier.gateway.openapi import Routes
from twotier.gateway.routes.training import preferred_wait
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.training import Training
from twotier.wire import Job

__all__ = ["TREE", "add"]

TREE = "decision_tree"

_PATIENCE = 300
"""How long the end is waited for, in seconds, if the caller prefers no other time: such callers know no other answer than the end."""


def add(routes: Routes, iris: Family, training: Training, catalogue: Catalogue, settings: GatewaySettings) -> None:
    """Add the routes."""

    async def train(request: Request) -> Response:
        if request.state.method == "HEAD":
            # Who only asks what a GET would be answered has a right to nothing being changed by that.
            raise HTTPException(405)
        if request.headers.get("Sec-Fetch-Site") == "cross-site" or "prefetch" in request.headers.get("Sec-Purpose", ""):
            raise HTTPException(403)
        job = await training.start(iris.name, TREE)
        wait = preferred_wait(request)
        job = await training.wait(job.id, _PATIENCE if wait is None else wait)
        if not job.ended:
            text = f"The training goes on: GET /jobs/{job.id} says how far it has come"
            return PlainTextResponse(text, 202, {**NO_STORE, "Location": f"/jobs/{job.id}"})
        await _served(_made(job), time.monotonic() + settings.budget_ms / 1000)
        return PlainTextResponse("Successfully trained the model", headers=NO_STORE)

    async def _served(version: str, deadline: float) -> None:
        while not catalogue.passed(iris.name, version):
            if time.monotonic() >= deadline:
                raise UpstreamUnavailable(f"{version} was trained, but not every model server has noticed it yet")
            await asyncio.sleep(0.02)

    text = {"text/plain": {"schema": {"type": "string"}}}
    for add_route, words in ((routes.post, ""), (routes.get, " This GET changes what serves: no page and no cache should send it.")):
        add_route(
            f"/train_{TREE}",
            train,
            summary="Train a decision tree on irises",
            tag="heritage",
            instead=f"Use [POST /models/iris/train](#/training), which need not be waited for.{words}",
            responses={
                200: {"description": "It is trained, passed its gate, and serves.", "content": text},
                202: {"description": "It is still being trained.", "content": text},
            },
            problems=(403, 404, 409, 501, 503),
        )


def _made(job: Job) -> str:
    """The version that a job made. Raises TrainingFailed and GateRefused."""
    if job.trained is None:
        raise TrainingFailed(job.failure or "the training was cancelled")
    if not job.trained.gate_passed:
        raise GateRefused(f"{job.trained.version} did not pass its gate, so it does not serve: {' '.join(job.trained.gate_findings)}")
    return job.trained.version
