"""`python -m twotier.model_server`: the model server in one process, without BentoML's supervisor."""

from __future__ import annotations

import signal
import socket
import sys
import time
from types import FrameType
from typing import Any, NoReturn, cast

import structlog
import uvicorn

from twotier.errors import ConfigurationError
from twotier.logs import configure_logs
from twotier.model_server.door import Door
from twotier.model_server.settings import ModelServerSettings

_log = structlog.get_logger()


class _Server(uvicorn.Server):
    """Asked to end, it says for a while that it is not ready, then takes no more connections, and finishes the calls it has."""

    def __init__(self, config: uvicorn.Config, door: Door, drain_seconds: float) -> None:
        super().__init__(config)
        self._door = door
        self._drain_seconds = drain_seconds
        self._leave_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain; asked twice, stop at once. uvicorn's own way would end with the signal, which supervisors take for a failure."""
        self.force_exit = self._door.draining and sig == signal.SIGINT
        self._leave_at = time.monotonic() + (0 if self._door.draining else self._drain_seconds)
        self._door.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Say whether it is time to leave."""
        return await super().on_tick(counter) or time.monotonic() >= self._leave_at


def main() -> NoReturn:
    """Serve until asked to end. Exit code 2: it cannot be configured so."""
    configure_logs("model_server")
    try:
        server, listener = _prepare()
    except ConfigurationError as error:
        _log.error("configuration", detail=str(error))
        sys.exit(2)
    server.run(sockets=[listener])
    _log.info("ended")
    sys.exit(0)


def _prepare() -> tuple[_Server, socket.socket]:
    settings = ModelServerSettings.read()
    listener = _bind(settings.host, settings.port)
    # Importing the service takes seconds: whoever has to change a setting hears of it before.
    from twotier.model_server.service import ModelServer, open_registry

    open_registry()
    door: Door = cast(Any, ModelServer).to_asgi()
    config = uvicorn.Config(
        door,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=settings.keep_alive_seconds,
        # No call outlives BentoML's time-out.
        timeout_graceful_shutdown=int(settings.timeout_seconds) + 1,
    )
    _log.info("listening", url=f"http://{settings.host}:{settings.port}")
    return _Server(config, door, settings.drain_seconds), listener


def _bind(host: str, port: int) -> socket.socket:
    """Take the address before anything is loaded. Nobody can connect until uvicorn listens on it."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}): set MODEL_SERVER_HOST and MODEL_SERVER_PORT to an address that is free"
        ) from None
    return listener


if __name__ == "__main__":
    main()
