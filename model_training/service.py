"""The training service: training over HTTP, for the gateway. It trains nothing itself: each job is a process of its own.

It loads no model library, so it is small, and a training that takes too much memory does not take it along. `wire.py` says what it is
asked, and what it answers.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import TypeVar

import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_training.jobs import Busy, Jobs, KeyReused, Refusing, UnknownJob
from model_training.settings import TrainingSettings
from twotier.errors import ConfigurationError
from twotier.families import Families, offered
from twotier.logs import configure_logs
from twotier.settings import SharedSettings
from twotier.wire import Job, JobQuery, Refusal, Refused, TrainingOrder

__all__ = ["create_app", "main"]

_MAX_BODY = 64 * 1024

_REFUSALS = {UnknownJob: Refusal.UNKNOWN_JOB, KeyReused: Refusal.KEY_REUSED, Busy: Refusal.BUSY}

_Message = TypeVar("_Message", bound=BaseModel)


def create_app(jobs: Jobs, families: Families) -> Starlette:
    """The ASGI app. Its jobs end when it does."""

    async def train(request: Request) -> Response:
        order = await _read(request, TrainingOrder)
        if order.family not in families or order.estimator not in families[order.family].estimators:
            return _written(Refused(refused=Refusal.UNKNOWN_FAMILY, detail="the training service knows no such family, or estimator of it"))
        return await _answered(jobs.start(order))

    async def show(request: Request) -> Response:
        query = await _read(request, JobQuery)
        return await _answered(jobs.job(query.id, query.wait_seconds))

    async def cancel(request: Request) -> Response:
        query = await _read(request, JobQuery)
        return await _answered(jobs.cancel(query.id, query.wait_seconds))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await jobs.close()

    calls: dict[str, Callable[[Request], Awaitable[Response]]] = {"/train": train, "/job": show, "/cancel": cancel}
    return Starlette(
        routes=[
            *(Route(path, call, methods=["POST"]) for path, call in calls.items()),
            *(Route(path, _alive, methods=["GET"]) for path in ("/livez", "/healthz", "/readyz")),
        ],
        lifespan=lifespan,
        max_body_size=_MAX_BODY,
    )


async def _read(request: Request, schema: type[_Message]) -> _Message:
    # No page in a browser can send this media type to here unasked.
    if request.headers.get("Content-Type") != "application/json":
        raise HTTPException(415)
    try:
        return schema.model_validate_json(await request.body())
    except ValidationError:
        raise HTTPException(400) from None


async def _answered(asked: Awaitable[Job]) -> Response:
    try:
        return _written(await asked)
    except Refusing as error:
        return _written(Refused(refused=_REFUSALS[type(error)], detail=str(error)))


def _written(message: BaseModel) -> Response:
    return Response(message.model_dump_json(), media_type="application/json")


async def _alive(request: Request) -> Response:
    return JSONResponse({"message": "OK"})


class _Server(uvicorn.Server):
    """Asked to end, it lets nobody wait for a training, and ends with 0 when all of them have ended."""

    def __init__(self, config: uvicorn.Config, jobs: Jobs) -> None:
        super().__init__(config)
        self._jobs = jobs

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end. Uvicorn's own would raise the signal anew in the end, and exit by it."""
        self.should_exit = True
        self._jobs.stop_waiting()


def main() -> int:
    """Serve until asked to end. Returns the exit code: 2 if it is not configured well, which one line on stderr says."""
    try:
        settings = TrainingSettings.read()
        families = offered(SharedSettings.read())
        listener = _listen(settings.host, settings.port)
    except ConfigurationError as error:
        print(f"twotier training: {error}", file=sys.stderr)
        return 2
    configure_logs("training")
    jobs = Jobs(settings)
    config = uvicorn.Config(
        create_app(jobs, families),
        loop="asyncio",
        ws="none",
        lifespan="on",
        # Longer than the gateway keeps an idle connection in its pool.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
    )
    _Server(config, jobs).run([listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port} (TRAINING_HOST, TRAINING_PORT): {error.strerror}") from None
