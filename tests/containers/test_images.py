"""What is in the two images, and what is not."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.containers.engine import GATEWAY_IMAGE, MODEL_SERVER_IMAGE, ROOT, in_image, inspect, run

MODULES = ("sklearn", "numpy", "scipy", "bentoml", "locust", "poetry", "pytest", "fastapi", "uvicorn", "twotier")
PROGRAMS = ("cc", "gcc", "g++", "make", "git", "poetry", "locust", "bentoml")

_PRESENT = f"""
import importlib.util, json, shutil
modules = [name for name in {MODULES} if importlib.util.find_spec(name)]
print(json.dumps([modules, [name for name in {PROGRAMS} if shutil.which(name)]]))
"""

_INSTALLED = """
import importlib.metadata, json, site
print(json.dumps({each.name: each.version for each in importlib.metadata.distributions(path=site.getsitepackages()[:1])}))
"""


def locked() -> set[tuple[str, str]]:
    """Every package in poetry.lock, by its normal name, and its version; some have one for each of several Pythons."""
    packages = tomllib.loads((ROOT / "poetry.lock").read_text())["package"]
    return {(normal(package["name"]), package["version"]) for package in packages}


def normal(name: str) -> str:
    """Name a package as indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("image", "modules", "programs"),
    [
        (GATEWAY_IMAGE, ["fastapi", "uvicorn", "twotier"], []),
        (MODEL_SERVER_IMAGE, ["sklearn", "numpy", "scipy", "bentoml", "uvicorn", "twotier"], ["bentoml"]),
    ],
)
def test_each_image_holds_its_own_tier_only(image: str, modules: list[str], programs: list[str]) -> None:
    """The gateway's image has no scikit-learn, NumPy or BentoML, the model server's no FastAPI, and neither a compiler, Git or Poetry."""
    assert [modules, programs] == in_image(image, _PRESENT)


@pytest.mark.parametrize("image", [GATEWAY_IMAGE, MODEL_SERVER_IMAGE])
def test_images_hold_what_is_locked(image: str) -> None:
    """Every package in an image has the version that poetry.lock says."""
    installed = {normal(name): version for name, version in in_image(image, _INSTALLED).items()}
    installed.pop("twotier", None)
    assert len(installed) > 20
    assert set() == installed.items() - locked()


@pytest.mark.parametrize(("image", "most_megabytes"), [(GATEWAY_IMAGE, 230), (MODEL_SERVER_IMAGE, 650)])
def test_sizes(image: str, most_megabytes: int) -> None:
    """The images are as small as they are said to be."""
    assert inspect(image)["Size"] / 1e6 < most_megabytes


@pytest.mark.parametrize(
    ("image", "port", "command"),
    [(GATEWAY_IMAGE, "5000/tcp", "twotier.gateway"), (MODEL_SERVER_IMAGE, "3000/tcp", "twotier.model_server")],
)
def test_how_images_run(image: str, port: str, command: str) -> None:
    """An image says which user it runs as, by number, on which port, with which command and health check, and what it is."""
    image_itself = inspect(image)
    config = image_itself["Config"]
    assert "10001:10001" == config["User"]
    assert port in config["ExposedPorts"]
    assert ["python", "-m", command] == config["Cmd"]
    # Podman shows it beside `Config`, Docker within.
    assert ["CMD", "python"] == (config | image_itself)["Healthcheck"]["Test"][:2]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert {"title", "description", "licenses", "source", "version", "revision"} <= labels.keys()
    assert "0.0.0" != labels["version"]


@pytest.mark.parametrize("path", ["Dockerfile.fastapi", "deploy/containers/Dockerfile.model_server"])
def test_dockerfiles_are_clean(path: str) -> None:
    """hadolint has nothing to say about a Dockerfile."""
    assert "" == run([".tools/containers/bin/hadolint", "--no-color", path], check=False).stdout


def test_hadolint_speaks() -> None:
    """Negative control: hadolint finds fault with a Dockerfile that has one."""
    assert "DL3007" in run([".tools/containers/bin/hadolint", "-"], check=False, text="FROM python:latest\n").stdout


def test_compose_file_is_valid() -> None:
    """compose.yaml describes both tiers, and by profile the database, the limit store, Prometheus and Grafana."""
    script = str(ROOT / "deploy/containers/compose.sh")
    profiles = ("", "postgres", "redis", "watch")
    services = {profile: set(run([script, "--profile", profile, "config", "--services"]).stdout.split()) for profile in profiles}
    tiers = services.pop("")
    assert {"gateway", "model-server"} == tiers
    assert {"postgres": {"postgres"}, "redis": {"redis"}, "watch": {"prometheus", "grafana"}} == {
        profile: found - tiers for profile, found in services.items()
    }
