"""The use-case: have something trained, and see how far it has come. It knows no web framework, and of training only its HTTP."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from twotier.errors import TrainingNotOffered, TrainingUnavailable, UpstreamError
from twotier.gateway.exchange import Message
from twotier.gateway.metrics import Metrics
from twotier.gateway.replies import read_job
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.upstream import Upstream
from twotier.wire import Job, JobQuery, TrainingOrder

__all__ = ["Training"]

_MAX_JOB = 1024 * 1024

_SLICE = 5.0
"""Longest single wait, in seconds, so that a wait for hours would not need a call that hangs for hours."""


class Training:
    """Asks the training service, if one is set. Open it with `async with`, inside the event loop."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics) -> None:
        self._budget_seconds = settings.budget_ms / 1000
        self._upstream: Upstream | None = None
        if settings.training_server is not None:
            self._upstream = Upstream(settings.model_copy(update={"model_servers": [settings.training_server]}), metrics)

    async def __aenter__(self) -> Self:
        if self._upstream is not None:
            await self._upstream.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._upstream is not None:
            await self._upstream.__aexit__(kind, error, trace)

    async def start(self, family: str, estimator: str, key: str | None = None) -> Job:
        """Have an estimator of a family trained; a job for it that has not ended is given instead of a new one.

        The same `key` gets the same job, even after it has ended. Raises KeyReused, TrainingNotOffered and TrainingUnavailable.
        """
        order = TrainingOrder(family=family, estimator=estimator, key=key)
        return await self._ask("/train", order.model_dump(), family=family, pure=False)

    async def job(self, identity: str) -> Job:
        """How far a job has come. Raises UnknownJob, TrainingNotOffered and TrainingUnavailable."""
        return await self.wait(identity, 0)

    async def wait(self, identity: str, seconds: float) -> Job:
        """How far a job has come when it has ended or that many seconds have passed. Raises as `job` does."""
        until = time.monotonic() + seconds
        while True:
            left = min(max(0.0, until - time.monotonic()), _SLICE)
            job = await self._ask("/job", JobQuery(id=identity, wait_seconds=left).model_dump(), more_seconds=left)
            if job.ended or time.monotonic() >= until:
                return job

    async def cancel(self, identity: str) -> Job:
        """Begin to end a job that has not ended; `wait` for what becomes of it. Raises as `job` does."""
        return await self._ask("/cancel", JobQuery(id=identity).model_dump())

    async def _ask(self, path: str, message: dict[str, Any], *, family: str = "", pure: bool = True, more_seconds: float = 0) -> Job:
        if self._upstream is None:
            raise TrainingNotOffered("this gateway knows of no training service: set GATEWAY_TRAINING_SERVER to its base URL")
        deadline = time.monotonic() + self._budget_seconds + more_seconds
        order = Message(path, message, deadline, _MAX_JOB)
        try:
            return await self._upstream.call(lambda: (order, read_job), family, pure=pure)
        except UpstreamError as error:
            if isinstance(error, TrainingUnavailable):
                raise
            raise TrainingUnavailable("the training service could not be reached, or did not answer as it should: see its log") from error
