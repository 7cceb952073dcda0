"""`twotier up`: both tiers on this machine, trained, started and looked after."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import typer

from twotier.errors import ConfigurationError

if TYPE_CHECKING:
    from twotier.cli.supervisor import Service


def up() -> None:
    """Serve on this machine: train what has no champion, start the model server and the gateway, and keep them running.

    Ctrl-C (or SIGTERM) stops the gateway first, which answers what it has admitted, and then the model server.

    Examples:

    - `twotier up`
    - `GATEWAY_PORT=8001 MODEL_SERVER_PORT=3001 twotier up`
    """
    import asyncio

    from twotier.cli.supervisor import Supervisor
    from twotier.cli.terminal import own_foreground

    services = _services()
    _train_what_is_missing()
    with own_foreground():
        asyncio.run(Supervisor(services, _say).run(lambda: _welcome(services[-1])))


def _services() -> list[Service]:
    """Both tiers, in the order of their start. Raises ConfigurationError if a port cannot be opened."""
    from twotier.cli.addresses import url_of, why_not_free
    from twotier.cli.supervisor import Service
    from twotier.gateway.settings import GatewaySettings
    from twotier.model_server.settings import ModelServerSettings

    model_server, gateway = ModelServerSettings.read(), GatewaySettings.read()
    for name, settings in (("model server", model_server), ("gateway", gateway)):
        if reason := why_not_free(settings.host, settings.port):
            raise ConfigurationError(
                f"the {name} cannot listen on {settings.host} port {settings.port} ({reason}): "
                f"stop what listens there, or set {settings.prefix()}PORT to another port"
            )
    upstream = url_of(model_server.host, model_server.port)
    # The gateway that we start always asks the model server that we start.
    return [
        Service("model server", (sys.executable, "-m", "twotier.model_server"), {}, f"{upstream}/readyz"),
        Service(
            "gateway",
            (sys.executable, "-m", "twotier.gateway"),
            {"GATEWAY_MODEL_SERVERS": json.dumps([upstream])},
            f"{url_of(gateway.host, gateway.port)}/readyz",
        ),
    ]


def _train_what_is_missing() -> None:
    # In a process of its own, so that the memory that training needs is free again before anything is served.
    trained = subprocess.run([sys.executable, "-m", "twotier.cli", "train", "--missing"], check=False)
    if trained.returncode:
        raise typer.Exit(trained.returncode)


def _say(sentence: str) -> None:
    print(f"twotier: {sentence}", file=sys.stderr, flush=True)


def _welcome(gateway: Service) -> None:
    from twotier.families import offered
    from twotier.settings import SharedSettings

    url = gateway.ready_url.removesuffix("/readyz")
    family = next(iter(offered(SharedSettings.read()).values()))
    row = shlex.quote(json.dumps(dict(family.examples[0].row)))
    print(f"\ntwotier is ready: {url}/docs\n", flush=True)
    print(f"  curl {url}/{family.name}/predict -H 'Content-Type: application/json' -d {row}\n", flush=True)
    print("Ctrl-C stops it.", flush=True)
