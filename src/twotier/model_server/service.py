"""The BentoML service: it turns calls into values and values into answers; the work is done by `shelf` and `scoring`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import anyio
import bentoml
import sklearn
import structlog
from bentoml import get_current_service
from pydantic import TypeAdapter
from starlette.responses import Response
from threadpoolctl import threadpool_limits

import twotier
from twotier.errors import UnknownVersion
from twotier.logs import configure_logs
from twotier.model_server.batcher import Batcher
from twotier.model_server.cpus import allowed_cpus
from twotier.model_server.door import ASGIApp, Door
from twotier.model_server.metrics import BLOCKS_REFUSED, ROWS
from twotier.model_server.scoring import refusal, score
from twotier.model_server.settings import ModelServerSettings
from twotier.model_server.shelf import Shelf
from twotier.model_server.watcher import Watcher
from twotier.reasons import REASONS
from twotier.registry import ANYWHERE, Registry, RegistrySettings
from twotier.settings import SharedSettings
from twotier.wire import Alias, AliasMove, Block, Card, Info, Move, Refused, Scored

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["ModelServer", "open_registry"]

MAX_BLOCKS = 64
"""How many blocks BentoML may merge into one batch. A gateway has few calls in flight, so this is a bound and not a target."""

QUICK_ROWS = 8
"""So many rows are scored where they are, if their models only calculate: a thread would take longer to be woken and heard than they do."""

MAX_MOVES = 100
"""How many moves of an alias are told."""

settings = ModelServerSettings.read()


@functools.cache
def open_registry() -> Registry:
    """The process's registry; opened once. Raises ConfigurationError."""
    return Registry.open(RegistrySettings.read(), SharedSettings.read())


class _Blocks(bentoml.IODescriptor):
    """The body of a call to score."""

    blocks: list[Block]

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """Read the blocks, and see to it that what they need is in memory before they queue: a load must not hold up other callers."""
        call: Self = cls.model_validate_json(await request.body())
        await get_current_service().bring(call.blocks)
        return call


def _written(kind: Any) -> type[bentoml.IODescriptor]:
    """An output that pydantic writes as JSON in one go. BentoML's own way validates it, dumps it twice and costs more than the scoring."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    class Written(bentoml.IODescriptor):
        root: kind

        @classmethod
        async def to_http_response(cls, obj: Any, serde: Any) -> Response:
            return Response(adapter.dump_json(obj), media_type="application/json")

    return Written


class _Service(bentoml.Service[Any]):
    """BentoML's service behind the door."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The whole app. Metrics are kept in this process's memory, unless a supervisor collects them from several."""
        from _bentoml_impl.server.app import ServiceAppFactory
        from bentoml._internal.configuration.containers import BentoMLContainer
        from bentoml._internal.context import server_context
        from bentoml._internal.server.metrics.prometheus import PrometheusClient

        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            BentoMLContainer.metrics_client.set(PrometheusClient(multiproc=False))
            # What a supervisor would have set: it labels BentoML's metrics.
            server_context.service_name = server_context.bento_name = self.name
        self.inject_config()
        factory = ServiceAppFactory(self, is_main=is_main)
        factory.dispatchers = {name: Batcher(theirs) for name, theirs in factory.dispatchers.items()}
        return Door(factory(), (api.route for api in self.apis.values()), settings.max_body_bytes)


@bentoml.service(
    name="model_server",
    service_class=_Service,
    workers=1,
    traffic={"timeout": settings.timeout_seconds},
    # Each costs every call: the access log a line, and tracing without an exporter a third of a millisecond for nothing.
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ["."]},
)
class ModelServer:
    """Scores rows with verified versions."""

    def __init__(self) -> None:
        if not structlog.is_configured():
            configure_logs("model_server")
        threadpool_limits(settings.threads or allowed_cpus())
        self._registry = open_registry()
        self._shelf = Shelf(self._registry, max_loaded=settings.max_loaded, retry_seconds=settings.retry_seconds)
        self._watcher = Watcher(self._shelf, settings.poll_seconds)
        # BentoML would have the rows scored in a thread as well, but passes each batch on in several turns of the event loop.
        self._scoring = ThreadPoolExecutor(1, "scoring")
        # Loading must not use up the threads that everything else runs in.
        self._loaders = anyio.CapacityLimiter(8)
        for name in ("score", "info", "card"):
            # At every call BentoML asks for the method twice, and each time it would make a new function with a signature of its own.
            vars(self)[name] = getattr(self, name)
        self._watcher.look()
        self._watcher.start()
        # What is loaded now stays: full collections need not look at it again, and they would hold up callers for long. Nor need they look
        # each second at what BentoML's timers hold, of which there is one for every call of the last seconds.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 50)

    @bentoml.api(
        batchable=True,
        max_batch_size=MAX_BLOCKS,
        input_spec=_Blocks,
        output_spec=_written(list[Scored | Refused]),
    )
    async def score(self, blocks: list[Block]) -> list[Scored | Refused]:
        """Answer each block, in order."""
        if sum(len(block.rows) for block in blocks) <= QUICK_ROWS and all(map(self._is_quick, blocks)):
            return self._score(blocks)
        return await asyncio.get_running_loop().run_in_executor(self._scoring, self._score, blocks)

    def _is_quick(self, block: Block) -> bool:
        scorer = self._shelf.loaded(block.family, block.version)
        return scorer is not None and scorer.quick and REASONS not in block.wanted

    def _score(self, blocks: list[Block]) -> list[Scored | Refused]:
        results = score(blocks, self._shelf.scorer, time.monotonic)
        for block, result in zip(blocks, results, strict=True):
            if isinstance(result, Refused):
                BLOCKS_REFUSED.labels(result.refused).inc()
            else:
                ROWS.labels(block.family, result.version, "answered").inc(len(result.answers) - len(result.faults))
                for fault in result.faults:
                    ROWS.labels(block.family, result.version, "late" if fault.late else "fault").inc()
        return results

    @bentoml.api(output_spec=_written(Info))
    async def info(self) -> Info:
        """Say what there is and what serves, as of the last look at the ledger."""
        server = {
            "twotier": twotier.__version__,
            "scikit-learn": sklearn.__version__,
            "bentoml": bentoml.__version__,
            "python": platform.python_version(),
            "keep_alive_seconds": str(settings.keep_alive_seconds),
        }
        if self._watcher.problem:
            server["problem"] = self._watcher.problem
        return Info(server=server, families=self._shelf.info())

    @bentoml.api(output_spec=_written(Card | Refused))
    async def card(self, family: str, version: str) -> Card | Refused:
        """Give the card of a version or an alias."""
        try:
            scorer = await anyio.to_thread.run_sync(self._shelf.scorer, family, version, limiter=self._loaders)
        except Exception as error:
            return refusal(error, family=family, version=version)
        return scorer.card

    @bentoml.api(output_spec=_written(Alias | Refused))
    async def alias(self, family: str, alias: str) -> Alias | Refused:
        """Tell where an alias points, and its history."""
        try:
            return await anyio.to_thread.run_sync(self._alias, family, alias, limiter=self._loaders)
        except Exception as error:
            return refusal(error, family=family, alias=alias)

    @bentoml.api(output_spec=_written(Alias | Refused))
    async def move(self, order: Move) -> Alias | Refused:
        """Point an alias at a version once that has been loaded and has answered its golden rows; it then serves at once."""
        try:
            return await anyio.to_thread.run_sync(self._move, order, limiter=self._loaders)
        except Exception as error:
            return refusal(error, family=order.family, alias=order.alias, version=order.version)

    def _move(self, order: Move) -> Alias:
        registry, expected = self._registry, ANYWHERE if order.expected is None else order.expected
        registry.promote(order.family, order.alias, order.version, who=order.who, why=order.why, expected=expected)
        self._watcher.look()
        return self._alias(order.family, order.alias)

    def _alias(self, family: str, alias: str) -> Alias:
        version = self._registry.aliases(family).get(alias)
        if version is None:
            raise UnknownVersion(f"{family} has no such alias")
        moves = self._registry.history(family, alias)[:MAX_MOVES]
        history = [
            AliasMove(from_version=move.from_version, to_version=move.to_version, who=move.who, why=move.why, at=move.at) for move in moves
        ]
        return Alias(version=version, serving=self._shelf.serving(family, alias), history=history)

    async def bring(self, blocks: list[Block]) -> None:
        """Load what these blocks need and is not in memory."""
        for family, version in {(block.family, block.version) for block in blocks}:
            if not self._shelf.has(family, version):
                with contextlib.suppress(Exception):
                    await anyio.to_thread.run_sync(self._shelf.scorer, family, version, limiter=self._loaders)

    async def __is_ready__(self) -> bool:
        """Whether anything can serve."""
        return self._shelf.ready

    async def __is_alive__(self) -> bool:
        """Whether the ledger is being followed: without that thread, this process would serve old versions for ever."""
        return self._watcher.is_alive()

    @bentoml.on_shutdown
    def close(self) -> None:
        """Stop following the ledger and close it."""
        self._watcher.stop()
        self._scoring.shutdown()
        self._registry.close()
        open_registry.cache_clear()
