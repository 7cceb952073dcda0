"""BentoML's own commands work on the service: serve, and build from the repository's root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.model_server_calls import ROW, block, info, metric, post, score, version_of
from tests.processes import free_port, running
from twotier.model_server.lock import LOCK, locked

ROOT = Path(__file__).parents[2]


def environment(data: Path, home: Path) -> dict[str, str]:
    """BentoML keeps its things in `home`, and tells nobody."""
    return {"TWOTIER_DATA": str(data), "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}


def served(target: str, data: Path, tmp_path: Path, *arguments: str) -> None:
    """`bentoml serve` answers, refuses and counts as the one process does."""
    port = free_port()
    command = ("serve", target, "--host", "127.0.0.1", "--port", str(port), *arguments)
    with running("bentoml", f"http://127.0.0.1:{port}", tmp_path / "log", environment(data, tmp_path / "home"), *command) as tier:
        tier.wait_ready()
        assert "log_reg_1" == version_of(tier.url)
        assert "unknown_family" == score(tier.url, block(ROW, family="roses"))[0]["refused"]
        assert 415 == post(tier.url, "/score", {"blocks": []}, "text/plain")[0]
        assert "log_reg_1" == info(tier.url)["families"]["iris"]["aliases"]["champion"]["serving"]
        assert 1 == metric(tier.url, 'model_server_rows_total{family="iris",outcome="answered",version="log_reg_1".*')
        assert 2 == metric(tier.url, "bentoml_service_adaptive_batch_size_sum{.*")
        assert 404 == post(tier.url, "/random", {})[0]
        assert 0 == metric(tier.url, ".*random.*")


def test_bentoml_serve(trained_data: Path, tmp_path: Path) -> None:
    """The service is served by name, in BentoML's own processes."""
    served("twotier.model_server.service:ModelServer", trained_data, tmp_path)


@pytest.mark.slow
def test_bentoml_build(trained_data: Path, tmp_path: Path) -> None:
    """A Bento is built from a checkout; it holds this tier's source, the packages of the lock and nothing else, and it serves."""
    command = [sys.executable, "-m", "bentoml", "build", "-o", "tag"]
    home = tmp_path / "home"
    built = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment(tmp_path, home)}, capture_output=True, text=True)
    assert 0 == built.returncode, built.stderr
    tag, name, version = built.stdout.strip().split(":")
    assert ("__tag__", "model_server") == (tag, name)
    bento = home / "bentos" / name / version
    # What was promoted on this machine is in it too, if images were made here.
    assert {"bentofile.yaml", "twotier"} == {path.name for path in (bento / "src").iterdir()} - {"build"}
    parts = {path.name for path in (bento / "src" / "twotier").iterdir()}
    assert {"registry", "model_server", "families", "scorer.py"} <= parts
    assert set() == parts & {"gateway", "cli", "client"}
    requirements = (bento / "env" / "python" / "requirements.txt").read_text()
    assert f"scikit-learn=={locked_version('scikit-learn')} \\\n    --hash=sha256:" in requirements
    assert "fastapi==" not in requirements
    assert f"FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim" in (bento / "env" / "docker" / "Dockerfile").read_text()
    served(f"{name}:{version}", trained_data, tmp_path, "--working-dir", str(bento / "src"))


def locked_version(name: str) -> str:
    """The version of a package that the lock names."""
    (line,) = [line for line in locked(ROOT / LOCK, "model-server") if line.startswith(f"{name}==")]
    return line.split()[0].partition("==")[2]


def test_serving_needs_no_lock(tmp_path: Path) -> None:
    """In a finished Bento there is none: the service can be imported from anywhere."""
    code = "from twotier.model_server.bento import ModelServer; print(repr(ModelServer.image.python_requirements))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "''" == ran.stdout.strip()
