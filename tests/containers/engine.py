"""Docker or podman, whichever deploy/containers chooses, and the two tiers that compose runs on it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.processes import free_port

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "deploy" / "containers"

TAG = "test"
DATA = ROOT / "build" / "containers" / "data"
"""The data folder that the images were built from."""

GATEWAY_IMAGE = f"twotier-gateway:{TAG}"
MODEL_SERVER_IMAGE = f"twotier-model-server:{TAG}"

COMMAND_SECONDS = 240
"""How long one command of the engine may take before the test gives up: not a claim about how long it takes."""

_ENGINE = '. deploy/containers/engine.sh && exec "$ENGINE" "$@"'


def run(
    command: Sequence[str], environment: Mapping[str, str] = MappingProxyType({}), *, check: bool = True, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository's root, with `environment` added to ours."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "IMAGE_TAG": TAG, **environment},
        input=text,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert not check or done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def engine(*arguments: str, check: bool = True, text: str | None = None) -> str:
    """Run a command of the engine, such as `engine("ps")`, and give what it prints."""
    return run(["bash", "-c", _ENGINE, "engine", *arguments], check=check, text=text).stdout.strip()


def inspect(name: str) -> dict[str, Any]:
    """What the engine knows of a container or an image."""
    found: list[dict[str, Any]] = json.loads(engine("inspect", name))
    return found[0]


def in_image(image: str, code: str, *options: str) -> Any:
    """Run Python code in a fresh container of an image, without its entry point, and give the JSON that it prints."""
    return json.loads(engine("run", "--rm", "--entrypoint", "python", *options, image, "-c", code))


@dataclass
class Stack:
    """Both tiers, as compose.yaml and files that override it describe them, in a project of their own."""

    files: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    project: str = field(default_factory=lambda: f"twotier-{uuid.uuid4().hex[:8]}")
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Where the gateway is published."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What compose.yaml reads from the environment."""
        return {"GATEWAY_PORT": str(self.port), "COMPOSE_PROJECT_NAME": self.project, **self.environment}

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run a command of compose."""
        files = [f"--file={path}" for path in (ROOT / "compose.yaml", *self.files)]
        return run([str(SCRIPTS / "compose.sh"), *files, *arguments], self.settings, check=check).stdout

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{self.project}-{service}-1"

    def execute(self, service: str, *command: str, check: bool = True) -> str:
        """Run a command in a service's container, as the user of the container."""
        return engine("exec", self.container(service), *command, check=check)

    def address(self, service: str, network: str) -> str:
        """A container's address on one of the project's networks."""
        networks = inspect(self.container(service))["NetworkSettings"]["Networks"]
        return str(networks[f"{self.project}_{network}"]["IPAddress"])

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until the gateway says that it is ready."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, urllib.error.HTTPError):
                if urllib.request.urlopen(self.url + "/readyz", timeout=5).status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"not ready after {seconds} s:\n{self.logs()}")

    def logs(self) -> str:
        """What both tiers logged."""
        return self.compose("logs", check=False)

    def down(self) -> None:
        """Remove its containers, networks and volumes."""
        self.compose("down", "--volumes", "--timeout", "5")


@contextlib.contextmanager
def stack(*files: Path, **environment: str) -> Iterator[Stack]:
    """Both tiers, ready; removed when the block is left."""
    started = Stack(files, environment)
    try:
        started.compose("up", "--detach", "--wait", "--wait-timeout", "120")
        started.wait_ready()
        yield started
    finally:
        started.down()
