"""The OpenAPI document is true of both tiers: schemathesis finds nothing in any phase, by any check.

The phase that tries each bound of each column is slow: a hundred columns have many.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.asking import ask
from tests.processes import gateway, model_server, training

pytestmark = pytest.mark.unmeasured

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("phases", ["examples,fuzzing,stateful", pytest.param("coverage", marks=pytest.mark.slow)])
def test_schemathesis_finds_nothing(all_trained: Path, tmp_path: Path, phases: str) -> None:
    """Every operation keeps its document: each status is described, good input is taken, and bad input is refused."""
    data = shutil.copytree(all_trained, tmp_path / "data")
    with (
        model_server(data, tmp_path / "model_server.log") as back,
        training(data, tmp_path / "training.log") as trainer,
        gateway(back.url, tmp_path / "gateway.log", GATEWAY_TRAINING_SERVER=trainer.url, GATEWAY_BUDGET_MS="60000") as tier,
    ):
        tier.wait_ready()
        # Each call of the first waits for a training: it is made once. The second is like other families', and has the rows of another.
        left_out = ("/train_decision_tree", "/outcome/versions/{version}/predict")
        assert 200 == ask(tier.url + left_out[0], "POST", seconds=300).status
        paths = ask(tier.url + "/openapi.json").json["paths"]
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run", tier.url + "/openapi.json"]
        # The one DELETE there is cancels a job, which is told about afterwards as before.
        command += ["--phases", phases, "--exclude-checks", "use_after_free", "--checks", "all", "--max-examples", "25", "--seed", "1"]
        command += [word for path in left_out for word in ("--exclude-path", path)]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.integration.gateway_schema_hooks", "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert 0 == ended.returncode, ended.stdout[-5000:] + ended.stderr[-2000:]
    count = sum(map(len, paths.values()))
    tested = count - sum(len(paths[path]) for path in left_out)
    assert f"API Operations:\n  Selected: {tested}/{count}\n  Tested: {tested}" in ended.stdout
