"""What `twotier doctor` looks at. Each check yields findings; one that cannot go on raises an error of ours, which becomes one."""

from __future__ import annotations

import json
import os
import platform
import stat
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from model_training.settings import TrainingSettings
from twotier.cli.addresses import url_of, why_not_free
from twotier.client import Client, Problem
from twotier.errors import NotServable, TwotierError
from twotier.gateway.settings import GatewaySettings
from twotier.model_server.cpus import allowed_cpus
from twotier.model_server.settings import ModelServerSettings
from twotier.registry import Registry, RegistrySettings
from twotier.settings import SharedSettings
from twotier.wire import Info, Refused

PROBE_SECONDS = 2.0

BALANCER_SECONDS = 60
"""How long common load balancers keep an idle connection; the gateway must keep it longer."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. If it is not good, `what` says what to change."""

    good: bool
    what: str


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that is set."""

    shared: SharedSettings
    registry: RegistrySettings
    training: TrainingSettings
    model_server: ModelServerSettings
    gateway: GatewaySettings


Check = Callable[[Setup], Iterator[Finding]]


def check_all() -> Iterator[Finding]:
    """Run every check. Where a setting cannot be read, that is the only finding, since all the others depend on the settings."""
    try:
        setup = Setup(
            SharedSettings.read(), RegistrySettings.read(), TrainingSettings.read(), ModelServerSettings.read(), GatewaySettings.read()
        )
    except TwotierError as error:
        yield Finding(False, str(error))
        return
    yield Finding(True, "every setting is known and makes sense")
    for check in CHECKS:
        try:
            yield from check(setup)
        except TwotierError as error:
            yield Finding(False, str(error))


def check_times(setup: Setup) -> Iterator[Finding]:
    """Whoever sends on a kept connection must give it up before the other side does; whoever waits must wait longer than the asked."""
    pool, kept = setup.gateway.pool_idle_seconds, setup.model_server.keep_alive_seconds
    told = f"the gateway keeps idle connections to the model server for {pool:g} s, and the model server for {kept} s"
    yield Finding(pool <= kept / 2, told if pool <= kept / 2 else f"{told}: set GATEWAY_POOL_IDLE_SECONDS to {kept / 2:g} or less")
    kept = setup.gateway.keep_alive_seconds
    told = f"the gateway keeps callers' idle connections for {kept} s"
    enough = kept > BALANCER_SECONDS
    yield Finding(enough, told if enough else f"{told}: set GATEWAY_KEEP_ALIVE_SECONDS above the {BALANCER_SECONDS} s of load balancers")
    budget, patience = setup.gateway.budget_ms / 1000, setup.model_server.timeout_seconds
    told = f"the gateway gives a call {budget:g} s, and the model server gives up after {patience:g} s"
    yield Finding(budget < patience, told if budget < patience else f"{told}: set MODEL_SERVER_TIMEOUT_SECONDS above {budget:g}")


def check_ports(setup: Setup) -> Iterator[Finding]:
    """Each port is free, or it is our own tier that listens there."""
    for name, settings, ours in (
        ("model server", setup.model_server, _is_model_server),
        ("training service", setup.training, _is_training_service),
        ("gateway", setup.gateway, _is_gateway),
    ):
        where = f"{settings.host} port {settings.port}"
        reason = why_not_free(settings.host, settings.port)
        if reason is None:
            yield Finding(True, f"{where} is free for the {name}")
        elif ours(url_of(settings.host, settings.port)):
            yield Finding(True, f"{where}: a {name} is running there")
        else:
            yield Finding(False, f"{where} is not free for the {name} ({reason}): set {settings.prefix()}PORT to another port")


def check_keys(setup: Setup) -> Iterator[Finding]:
    """Only we can sign, and only we say whose signatures count."""
    home = setup.shared.data / "keys"
    private = setup.registry.signing_key or home / "signing_key.pem"
    trusted = setup.registry.trusted_keys or home / "trusted"
    if not private.exists():
        yield Finding(True, f"there is no signing key {private} here: the next training makes one, and serving needs none")
    else:
        yield _mode(private, "the signing key", stat.S_IRWXG | stat.S_IRWXO, "others can read", "600")
    if not any(trusted.glob("*.pem")):
        yield Finding(False, f"there is no trusted key in {trusted}, so nothing can be served: train, or copy the public key there")
        return
    yield _mode(trusted, "the folder of trusted keys", stat.S_IWGRP | stat.S_IWOTH, "others can write", "700")
    for key in sorted(trusted.glob("*.pem")):
        yield _mode(key, "the trusted key", stat.S_IWGRP | stat.S_IWOTH, "others can write", "644")


def check_versions(setup: Setup) -> Iterator[Finding]:
    """Every family has a champion; it loads and verifies; it was made here and now, not elsewhere or in the future."""
    registry = Registry.open(setup.registry, setup.shared)
    try:
        for family in registry.families:
            champion = registry.aliases(family).get("champion")
            if champion is None:
                yield Finding(False, f"{family} has no champion: twotier train {family}")
            else:
                yield from _check_champion(registry, family, champion)
    finally:
        registry.close()


def check_threads(setup: Setup) -> Iterator[Finding]:
    """No more threads for linear algebra than there are CPUs for this process."""
    cpus = allowed_cpus()
    for variable in THREAD_VARIABLES:
        asked = os.environ.get(variable, "")
        if asked.isdigit() and int(asked) > cpus:
            yield Finding(False, f"{variable} is {asked}, and this process may use {cpus} CPUs: unset it, or set it to {cpus}")
            return
    yield Finding(True, f"linear algebra is given no more threads than the {cpus} CPUs that this process may use")


CHECKS: tuple[Check, ...] = (check_times, check_ports, check_keys, check_versions, check_threads)


def _is_gateway(url: str) -> bool:
    try:
        with Client(url, timeout=PROBE_SECONDS) as client:
            client.models()
    except Problem as problem:
        return problem.type.startswith("/problems/")
    except TwotierError:
        return False
    return True


def _is_model_server(url: str) -> bool:
    return _answers(f"{url}/info", {}, Info)


def _is_training_service(url: str) -> bool:
    return _answers(f"{url}/job", {"id": "none"}, Refused)


def _answers(url: str, question: Any, expected: type[BaseModel]) -> bool:
    request = urllib.request.Request(url, data=json.dumps(question).encode(), headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS) as response:
            expected.model_validate_json(response.read())
    except (OSError, ValueError):
        return False
    return True


def _mode(path: Path, name: str, forbidden: int, who: str, mode: str) -> Finding:
    if path.stat().st_mode & forbidden:
        return Finding(False, f"{who} {name} {path}: chmod {mode} {path}")
    return Finding(True, f"{name} {path} is safe from others")


def _check_champion(registry: Registry, family: str, champion: str) -> Iterator[Finding]:
    made_at = registry.version(family, champion).created_at
    if made_at > datetime.now(UTC):
        yield Finding(False, f"{family} {champion} was made at {made_at:%Y-%m-%d %H:%M:%S} UTC, which is yet to come: set the clock")
    try:
        card = registry.load(family, champion).card
    except NotServable as error:
        yield Finding(False, str(error))
        return
    yield Finding(True, f"{family}: the champion {champion} verifies, loads and answers its golden rows")
    yield _compare(f"{family} {champion}", card.libraries)


def _compare(subject: str, made_with: Mapping[str, str]) -> Finding:
    here = {name: platform.python_version() if name == "python" else installed(name) for name in made_with}
    others = [f"{name} {version} (here {here[name]})" for name, version in made_with.items() if here[name] != version]
    if others:
        return Finding(False, f"{subject} was made with {', '.join(others)}: train again, or install what made it")
    return Finding(True, f"{subject} was made with the libraries that are installed here")
