"""The jobs of the training service: each runs in a process of its own, one for each estimator of a family at a time.

They are kept in memory: the last ones that ended, and the idempotency keys that stand for them. A restart forgets them; what they have
made is in the ledger. It knows no HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog

from model_training.settings import TrainingSettings
from model_training.stages import LAST, UNJUDGED
from twotier.wire import Job, JobStatus, TrainingOrder

__all__ = ["Jobs", "Refusing"]

_WRITING = (*UNJUDGED, "record")
"""The stages in which a training that is killed may leave something behind."""

_MAX_KEYS = 1000
_MAX_LINE = 1024 * 1024

_log = structlog.get_logger()


class Refusing(Exception):
    """An order or a question that is refused; the subclass says why, and `str` for whom it concerns."""


class UnknownJob(Refusing):
    """There is no such job any more."""


class KeyReused(Refusing):
    """The key stands for another order."""


class Busy(Refusing):
    """Too many wait."""


class _Run:
    """One job, and what it takes to end it."""

    def __init__(self, order: TrainingOrder) -> None:
        self.job = Job(id=uuid4().hex, family=order.family, estimator=order.estimator, created_at=datetime.now(UTC))
        self.ended = asyncio.Event()
        self.cancelled = False
        self.process: asyncio.subprocess.Process | None = None
        self.stopping: asyncio.Task[None] | None = None
        self.published: str | None = None
        """The SHA-256 of the manifest of the version that it has published, or was about to."""
        self.task: asyncio.Task[None]

    def change(self, **changes: Any) -> None:
        """Change the job, which must still be one."""
        self.job = Job.model_validate({**self.job.model_dump(), **changes})

    def end(self, status: JobStatus, **changes: Any) -> None:
        """Nothing of it changes after this."""
        self.change(status=status, ended_at=datetime.now(UTC), **changes)
        self.ended.set()
        _log.info("job", id=self.job.id, family=self.job.family, estimator=self.job.estimator, status=status, why=self.job.failure)


class Jobs:
    """Starts, follows and ends them. All of it belongs to one event loop."""

    def __init__(self, settings: TrainingSettings) -> None:
        self._settings = settings
        self._turn = asyncio.Semaphore(settings.at_once)
        self._runs: dict[str, _Run] = {}
        self._keys: dict[str, str] = {}
        self._stopping = asyncio.Event()

    async def start(self, order: TrainingOrder) -> Job:
        """Begin a training, or join the one of the same estimator that has not ended. Raises KeyReused and Busy."""
        known = self._runs.get(self._keys.get(order.key or "", ""))
        if known is not None:
            if (known.job.family, known.job.estimator) != (order.family, order.estimator):
                raise KeyReused("this key stands for another order")
            return known.job
        run = self._under_way(order) or self._begin(order)
        if order.key is not None:
            self._keys[order.key] = run.job.id
            if len(self._keys) > _MAX_KEYS:
                del self._keys[next(iter(self._keys))]
        return run.job

    async def job(self, identity: str, wait_seconds: float = 0) -> Job:
        """How far a job has come when it has ended, or the time is up, or the service is to stop. Raises UnknownJob."""
        run = self._run(identity)
        if wait_seconds and not run.job.ended:
            either = [asyncio.create_task(event.wait()) for event in (run.ended, self._stopping)]
            await asyncio.wait(either, timeout=wait_seconds, return_when=asyncio.FIRST_COMPLETED)
            for task in either:
                task.cancel()
        return run.job

    async def cancel(self, identity: str, wait_seconds: float = 0) -> Job:
        """Begin to end a job; see `job` for what is given."""
        run = self._run(identity)
        if run.job.status is JobStatus.QUEUED:
            run.task.cancel()
            run.end(JobStatus.CANCELLED)
            self._forget()
        run.cancelled = True
        if run.process is not None and run.stopping is None:
            run.stopping = asyncio.create_task(self._stop(run.process))
        return await self.job(identity, wait_seconds) if identity in self._runs else run.job

    def stop_waiting(self) -> None:
        """Answer all who wait for an end, since the service is to stop."""
        self._stopping.set()

    async def close(self) -> None:
        """End every job, and wait until they have ended."""
        runs = list(self._runs.values())
        for run in runs:
            await self.cancel(run.job.id)
        for run in runs:
            await run.ended.wait()

    def _run(self, identity: str) -> _Run:
        if identity not in self._runs:
            raise UnknownJob("there is no such job")
        return self._runs[identity]

    def _under_way(self, order: TrainingOrder) -> _Run | None:
        for run in self._runs.values():
            if not (run.job.ended or run.cancelled) and (run.job.family, run.job.estimator) == (order.family, order.estimator):
                return run
        return None

    def _begin(self, order: TrainingOrder) -> _Run:
        if sum(not run.job.ended for run in self._runs.values()) >= self._settings.at_once + self._settings.max_waiting:
            raise Busy("too many trainings wait already")
        run = _Run(order)
        self._runs[run.job.id] = run
        run.task = asyncio.create_task(self._follow(run))
        return run

    async def _follow(self, run: _Run) -> None:
        """See a job through, whatever happens to it."""
        try:
            async with self._turn:
                await self._train(run)
        except Exception as error:
            _log.exception("job failed", id=run.job.id)
            run.end(JobStatus.FAILED, failure=f"{type(error).__name__}: see the training service's log")
        self._forget()

    async def _train(self, run: _Run) -> None:
        subject = run.job.family, run.job.estimator
        run.change(status=JobStatus.RUNNING, started_at=datetime.now(UTC))
        # In a group of its own, it gets no Ctrl-C from the terminal, and whatever it starts can be ended with it. Niceness is a
        # thread's: the process has it from its start, because the threads that NumPy makes when it is imported would not follow later.
        run.process = process = await asyncio.create_subprocess_exec(
            *("nice", "-n", str(self._settings.niceness), sys.executable, "-m", "model_training.job", *subject),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE,
            process_group=0,
        )
        assert process.stdout is not None
        if run.cancelled:
            # That was asked while it was being started.
            await self._stop(process)
        try:
            async for line in process.stdout:
                told = json.loads(line)
                run.published = told.pop("published", run.published)
                run.change(**told)
        except Exception as error:
            # Its turn is another's when this has ended, so nothing of it may go on by then.
            _log.exception("job not understood", id=run.job.id)
            await self._stop(process)
            run.change(failure=f"{type(error).__name__}: see the training service's log")
        code = await process.wait()
        if run.job.trained is not None:
            return run.end(JobStatus.SUCCEEDED, progress=1.0)
        if run.job.stage in _WRITING:
            await self._tidy(*subject, *filter(None, [run.published]))
        if run.cancelled and run.job.stage not in LAST:
            return run.end(JobStatus.CANCELLED)
        run.end(JobStatus.FAILED, failure=run.job.failure or _how_it_ended(code, run.job.stage))

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), self._settings.stop_seconds)

    async def _tidy(self, *left: str) -> None:
        tidying = await asyncio.create_subprocess_exec(sys.executable, "-m", "model_training.tidy", *left)
        if code := await tidying.wait():
            _log.error("not tidied: something of a training may be left", family=left[0], estimator=left[1], code=code)

    def _forget(self) -> None:
        """Drop the jobs that ended first, if there are too many, and the keys that stand for them."""
        ended = [run.job.id for run in self._runs.values() if run.job.ended]
        for identity in ended[: max(0, len(ended) - self._settings.remembered)]:
            del self._runs[identity]
        self._keys = {key: identity for key, identity in self._keys.items() if identity in self._runs}


def _how_it_ended(code: int, stage: str | None) -> str:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    if stage in LAST:
        return f"the training {how} before it told what came of it; a version of it is there only if its verdict was written down by then"
    return f"the training {how}, and made no version that could serve"
