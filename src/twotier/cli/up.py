"""`twotier up`: both tiers and training on this machine, started and looked after."""

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
    """Serve on this machine: train what has no champion, start model server, training service and gateway, and keep them running.

    Ctrl-C (or SIGTERM) stops the gateway first, which answers what it has admitted, and then the others.

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
    """All there is to run, in the order of its start. Raises ConfigurationError if a port cannot be opened."""
    from model_training.settings import TrainingSettings
    from twotier.cli.addresses import url_of, why_not_free
    from twotier.cli.supervisor import Service
    from twotier.gateway.settings import GatewaySettings
    from twotier.model_server.settings import ModelServerSettings

    model_server, training, gateway = ModelServerSettings.read(), TrainingSettings.read(), GatewaySettings.read()
    for name, settings in (("model server", model_server), ("training service", training), ("gateway", gateway)):
        if reason := why_not_free(settings.host, settings.port):
            raise ConfigurationError(
                f"the {name} cannot listen on {settings.host} port {settings.port} ({reason}): "
                f"stop what listens there, or set {settings.prefix()}PORT to another port"
            )
    upstream, trainer = url_of(model_server.host, model_server.port), url_of(training.host, training.port)
    # The gateway that we start always asks what we start.
    return [
        Service("model server", (sys.executable, "-m", "twotier.model_server"), {}, f"{upstream}/readyz"),
        Service("training service", (sys.executable, "-m", "model_training"), {}, f"{trainer}/readyz"),
        Service(
            "gateway",
            (sys.executable, "-m", "twotier.gateway"),
            {"GATEWAY_MODEL_SERVERS": json.dumps([upstream]), "GATEWAY_TRAINING_SERVER": trainer},
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
    from twotier.families import discover
    from twotier.settings import SharedSettings

    url = gateway.ready_url.removesuffix("/readyz")
    # The shortest row of all is the one to try.
    rows = {name: json.dumps(dict(family.examples[0].row)) for name, family in discover(SharedSettings.read().families).items()}
    name, row = min(rows.items(), key=lambda each: len(each[1]))
    print(f"\ntwotier is ready: {url}/docs\n", flush=True)
    print(f"  curl {url}/{name}/predict -H 'Content-Type: application/json' -d {shlex.quote(row)}\n", flush=True)
    print("Ctrl-C stops it.", flush=True)
