"""`python -m twotier.gateway`: run the gateway until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import time
from types import FrameType

import uvicorn

from twotier.errors import ConfigurationError
from twotier.families import offered
from twotier.gateway.accepting import Acceptor
from twotier.gateway.app import create_app
from twotier.gateway.readiness import Lifecycle
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.shedding import shedding
from twotier.logs import configure_logs
from twotier.settings import SharedSettings


class _Server(uvicorn.Server):
    """Uvicorn, which on a signal first says on /readyz that it is going, and ends with 0 when it has gone."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_seconds: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, and take up connections in our own way."""
        await super().startup(sockets=[])
        protocol = self.config.http_protocol_class

        def made() -> asyncio.Protocol:
            return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]

        # Uvicorn closes its servers and waits for that, and asks them for nothing else.
        self.servers.extend(Acceptor(each, made) for each in sockets or [])  # type: ignore[misc]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal ends the wait. Uvicorn's own would raise the signal anew in the end, and exit by it."""
        self._lifecycle.draining = True
        again = self._stop_at is not None
        self._stop_at = time.monotonic() + (0 if again else self._drain_seconds)

    async def on_tick(self, counter: int) -> bool:
        """Stop once load balancers have had time to notice."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)


def _listen(settings: GatewaySettings) -> list[socket.socket]:
    """Open the port; and, if this gateway shares it with others, the one of its own."""
    own = settings.own_port
    shared = _open(settings.host, settings.port, "GATEWAY_PORT", reuse_port=own is not None)
    return [shared] if own is None else [shared, _open(settings.host, own, "GATEWAY_OWN_PORT")]


def _open(host: str, port: int, name: str, reuse_port: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024, reuse_port=reuse_port)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port} (GATEWAY_HOST, {name}): {error.strerror}") from None


def main() -> int:
    """Run the gateway. Returns the exit code: 2 if it is not configured well, which one line on stderr says."""
    try:
        settings = GatewaySettings.read()
        app = create_app(settings, offered(SharedSettings.read()))
        listeners = _listen(settings)
    except ConfigurationError as error:
        print(f"twotier gateway: {error}", file=sys.stderr)
        return 2
    configure_logs("gateway")
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=shedding(settings.max_requests, app.state.metrics.observe_refused),
        ws="none",
        lifespan="on",
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.grace_seconds,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
    )
    # What is made by now stays: the collector need not look at it again and again while callers wait. Nor at what a thousand calls under
    # way hold, after every seven hundred objects: most of a call's time would go there.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    _Server(config, app.state.lifecycle, settings.drain_seconds).run(listeners)
    return 0


if __name__ == "__main__":
    sys.exit(main())
