"""One virtual environment per peer, of exact versions, made on first use and again whenever its requirements change."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"

ENVIRONMENTS = Path(__file__).parents[2] / ".tools" / "compare"
"""Git-ignored."""

OWN = "twotier"
"""The environment in which twotier is compared: what serves of it, and nothing that its tests alone need."""

ROOT = Path(__file__).parents[2]

INSTALL_SECONDS = 900


class CannotInstall(Exception):
    """The environment could not be made; the message ends with what pip said."""


def programs(name: str | None) -> Path:
    """The folder of programs of an environment, which is made if need be; None is this one. Raises CannotInstall."""
    if name is None:
        return Path(sys.executable).parent
    return made(name, _own() if name == OWN else REQUIREMENTS / f"{name}.txt")


def made(name: str, requirements: Path) -> Path:
    """The folder of programs of the environment of that name, with what is required. Raises CannotInstall."""
    folder = ENVIRONMENTS / name
    mark = folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not mark.is_file() or mark.read_text() != digest:
        print(f"  making the environment of {name} (once)", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if done.returncode:
            raise CannotInstall(done.stderr.strip()[-2000:])
        mark.write_text(digest)
    return folder / "bin"


def _own() -> Path:
    """The requirements of that one, in the versions of this one."""
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    pins, requirements = ENVIRONMENTS / f"{OWN}-versions.txt", ENVIRONMENTS / f"{OWN}.txt"
    text = "".join(f"{package}=={version}\n" for package, version in versions(None).items() if package != OWN)
    pins.write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    requirements.write_text(f"# {digest}\n--constraint {pins}\n--editable {ROOT}[gateway,model-server]\n")
    return requirements


def versions(name: str | None) -> dict[str, str]:
    """What is installed in an environment that exists: package -> version."""
    script = "import importlib.metadata as m, json; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
    done = subprocess.run([programs(name) / "python", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return dict(sorted(found.items()))
