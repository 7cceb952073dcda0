"""`twotier up`: both tiers and training on this machine, started and looked after."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from twotier.errors import ConfigurationError

if TYPE_CHECKING:
    from model_training.settings import TrainingSettings
    from twotier.cli.supervisor import Service
    from twotier.gateway.settings import GatewaySettings
    from twotier.model_server.settings import ModelServerSettings


def up(
    gateways: Annotated[int, typer.Option(min=1, max=64, help="How many gateways, all on GATEWAY_PORT.")] = 1,
    model_servers: Annotated[int, typer.Option(min=1, max=64, help="How many model servers, on MODEL_SERVER_PORT and those after it.")] = 1,
) -> None:
    """Serve on this machine: train what has no champion, start model server, training service and gateway, and keep them running.

    Ctrl-C (or SIGTERM) stops the gateway first, which answers what it has admitted, and then the others.

    Several of each are for machines with more than two cores: one of each keeps two cores busy. Of several gateways, each also has a port
    of its own, after GATEWAY_PORT, where its metrics are.

    Examples:

    - `twotier up`
    - `GATEWAY_PORT=8001 MODEL_SERVER_PORT=3001 twotier up`
    - `twotier up --gateways 3 --model-servers 2`
    """
    import asyncio

    from twotier.cli.supervisor import Supervisor
    from twotier.cli.terminal import own_foreground

    services, addresses = _services(gateways, model_servers)
    _train_what_is_missing()
    with own_foreground():
        asyncio.run(Supervisor(services, _say).run(lambda: _welcome(*addresses)))


def _services(gateways: int, model_servers: int) -> tuple[list[Service], list[str]]:
    """All there is to run, in the order of its start; and the gateways' addresses: that of callers and, if several, each gateway's own.

    Raises ConfigurationError if a port cannot be opened.
    """
    from model_training.settings import TrainingSettings
    from twotier.cli.addresses import url_of
    from twotier.cli.supervisor import Service
    from twotier.gateway.settings import GatewaySettings
    from twotier.model_server.cpus import allowed_cpus
    from twotier.model_server.settings import ModelServerSettings

    model_server, training, gateway = ModelServerSettings.read(), TrainingSettings.read(), GatewaySettings.read()
    ports = _free_ports("model server", model_server, model_servers)
    _free_ports("training service", training, 1)
    public, *own = _free_ports("gateway", gateway, 1 + gateways if gateways > 1 else 1)
    back = [url_of(model_server.host, port) for port in ports]
    front = [url_of(gateway.host, port) for port in (public, *own)]
    trainer = url_of(training.host, training.port)
    # The gateways that we start always ask what we start.
    asking = {"GATEWAY_MODEL_SERVERS": json.dumps(back), "GATEWAY_TRAINING_SERVER": trainer}
    sharing = {"MODEL_SERVER_THREADS": str(model_server.threads or max(1, allowed_cpus() // model_servers))}
    serve = (sys.executable, "-m", "twotier.model_server")
    services = [
        Service("model server", serve, {**sharing, "MODEL_SERVER_PORT": str(port)}, f"{url}/readyz", number)
        for port, url, number in zip(ports, back, _numbers(model_servers), strict=True)
    ]
    services.append(Service("training service", (sys.executable, "-m", "model_training"), {}, f"{trainer}/readyz"))
    for port, url, number in zip(own or [public], front[1:] or front, _numbers(gateways), strict=True):
        owning = {"GATEWAY_OWN_PORT": str(port)} if own else {}
        services.append(Service("gateway", (sys.executable, "-m", "twotier.gateway"), {**asking, **owning}, f"{url}/readyz", number))
    return services, front


def _numbers(count: int) -> Sequence[int | None]:
    return [None] if count == 1 else range(1, count + 1)


def _free_ports(tier: str, settings: GatewaySettings | ModelServerSettings | TrainingSettings, count: int) -> Sequence[int]:
    """That many ports, from the one that is set on. Raises ConfigurationError if one cannot be opened."""
    from twotier.cli.addresses import why_not_free

    ports = range(settings.port, settings.port + count)
    for port in ports:
        if reason := why_not_free(settings.host, port):
            raise ConfigurationError(
                f"the {tier} cannot listen on {settings.host} port {port} ({reason}): "
                f"stop what listens there, or set {settings.prefix()}PORT to another port"
            )
    return ports


def _train_what_is_missing() -> None:
    # In a process of its own, so that the memory that training needs is free again before anything is served.
    trained = subprocess.run([sys.executable, "-m", "twotier.cli", "train", "--missing"], check=False)
    if trained.returncode:
        raise typer.Exit(trained.returncode)


def _say(sentence: str) -> None:
    print(f"twotier: {sentence}", file=sys.stderr, flush=True)


def _welcome(url: str, *own: str) -> None:
    from twotier.families import offered
    from twotier.settings import SharedSettings

    # The shortest row of all is the one to try.
    rows = {name: json.dumps(dict(family.examples[0].row)) for name, family in offered(SharedSettings.read()).items()}
    name, row = min(rows.items(), key=lambda each: len(each[1]))
    print(f"\ntwotier is ready: {url}/docs\n", flush=True)
    print(f"  curl {url}/{name}/predict -H 'Content-Type: application/json' -d {shlex.quote(row)}\n", flush=True)
    if own:
        print(f"Each gateway has metrics of its own: {' '.join(f'{each}/metrics' for each in own)}\n", flush=True)
    print("Ctrl-C stops it.", flush=True)
