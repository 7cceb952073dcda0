"""The OpenAPI document is true of both tiers: schemathesis finds nothing in any phase, by any check."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import gateway, model_server, training

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(trained_data: Path, tmp_path: Path) -> None:
    """Every operation keeps its document: each status is described, good input is taken, and bad input is refused."""
    data = shutil.copytree(trained_data, tmp_path / "data")
    with (
        model_server(data, tmp_path / "model_server.log") as back,
        training(data, tmp_path / "training.log") as trainer,
        gateway(back.url, tmp_path / "gateway.log", GATEWAY_TRAINING_SERVER=trainer.url) as tier,
    ):
        tier.wait_ready()
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", tier.url + "/openapi.json"]
        options = ["--phases", "examples,coverage,fuzzing,stateful", "--checks", "all", "--max-examples", "25", "--seed", "1"]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.integration.gateway_schema_hooks", "PYTHONPATH": str(ROOT)}
        ended = subprocess.run([*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert 0 == ended.returncode, ended.stdout[-5000:] + ended.stderr[-2000:]
    assert "API Operations:\n  Selected: 16/16\n  Tested: 16" in ended.stdout
