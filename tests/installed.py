"""twotier as its users have it: a wheel, installed, in a folder of their own outside the repository. Offline."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import START_SECONDS, free_port
from tests.shell import in_shell


def install(source: Path, target: Path) -> Path:
    """Build a wheel of the package at `source` and install it into the folder `target`, without what it depends on."""
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)], check=True)
    return target


@dataclass
class Home:
    """A folder outside the repository, and what is installed for those who work in it."""

    folder: Path
    paths: list[Path]
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings |= {"GATEWAY_PORT": str(free_port()), "MODEL_SERVER_PORT": str(free_port()), "BENTOML_DO_NOT_TRACK": "True"}

    @property
    def url(self) -> str:
        """Where the gateway listens, if it is up."""
        return f"http://127.0.0.1:{self.settings['GATEWAY_PORT']}"

    @property
    def environment(self) -> dict[str, str]:
        """Of every command here: no setting comes from elsewhere, nor does `make` know of the `make` that runs the tests."""
        others = ("TWOTIER_", "REGISTRY_", "MAKE", "MFLAGS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        return {**kept, "PYTHONPATH": os.pathsep.join(map(str, self.paths)), **self.settings}

    def runs(self, command: str) -> str:
        """Run a line of shell in the folder; it must end well. What it printed is returned."""
        return in_shell(command, self.environment, self.folder).stdout

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """Run `twotier up` in the folder until the block is left; it must end well."""
        log = self.folder.parent / f"{self.folder.name}.log"
        with log.open("wb") as output:
            command = [sys.executable, "-m", "twotier.cli", "up"]
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 2 * START_SECONDS
            while "Ctrl-C stops it" not in log.read_text():
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield
        finally:
            # Killed, it would leave the tiers behind.
            process.terminate()
            code = process.wait(START_SECONDS)
        assert 0 == code, log.read_text()
