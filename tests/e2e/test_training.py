"""Training and promoting over HTTP while callers call: three processes, one gateway to ask."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest

from tests.asking import Answered, ask, post
from tests.e2e.callers import Callers
from tests.e2e.tiers import ROW, Tiers, answer, problem, tiers
from tests.held import one_training, trainings
from tests.integration.model_server_calls import at_once, eventually
from tests.processes import Tier, training
from tests.versions import MODEL, artefact, flip_byte


@dataclass(frozen=True)
class Running:
    """Both tiers and the training service."""

    tiers: Tiers
    trainer: Tier

    def train(self, **headers: str) -> Answered:
        """Order a training of iris."""
        return ask(self.tiers.front.url + "/models/iris/train", "POST", b"", headers)

    def job(self, identity: str) -> Any:
        """How far a job has come."""
        return ask(f"{self.tiers.front.url}/jobs/{identity}").json

    def trained(self) -> str:
        """Train, and give the version."""
        job = self.train().json
        assert eventually(lambda: self.job(job["id"])["ended_at"] is not None)
        return str(self.job(job["id"])["trained"]["version"])

    def promote(self, version: str) -> Answered:
        """Make a version champion."""
        body = json.dumps({"version": version, "who": "Ada", "why": "trying"}).encode()
        return ask(self.tiers.front.url + "/models/iris/aliases/champion", "PUT", body, {"Content-Type": "application/json"})

    def versions(self) -> list[str]:
        """All there are, as the gateway knows them, newest first."""
        return [version["version"] for version in ask(self.tiers.front.url + "/models/iris").json["versions"]]

    def files(self) -> list[str]:
        """The folders of versions, temporary ones included."""
        return sorted(path.name for path in (self.tiers.data / "models" / "iris").iterdir())


@pytest.fixture
def running(trained_data: Path, tmp_path: Path) -> Iterator[Running]:
    """All of them over data of their own, in which log_reg_1 is champion and alone."""
    data = Path(shutil.copytree(trained_data, tmp_path / "data"))
    with training(data, tmp_path / "training.log") as trainer:
        with tiers(data, tmp_path, GATEWAY_TRAINING_SERVER=trainer.url) as both:
            yield Running(both, trainer)


def test_ten_at_once_are_one_job(running: Running) -> None:
    """Ten requests that come together are answered with one job, which makes one version."""
    answers = at_once([running.train] * 10)
    (identity,) = {each.json["id"] for each in answers}
    assert {(202, f"/jobs/{identity}")} == {(each.status, each.headers["Location"]) for each in answers}
    assert eventually(lambda: running.job(identity)["status"] == "succeeded")

    assert "log_reg_2" == running.job(identity)["trained"]["version"]
    assert eventually(lambda: running.versions() == ["log_reg_2", "log_reg_1"])


def test_train_promote_roll_back(running: Running, measured: Callable[[str, float], None]) -> None:
    """A second version is made and promoted while the first answers at its own address; one call rolls back; no request fails."""
    front = running.tiers.front.url
    with Callers(running.tiers.predict, ROW) as callers:
        assert "log_reg_2" == running.trained()
        callers.wait_for(10, body=answer("log_reg_1"))
        moved_at = {}
        for version in ("log_reg_2", "log_reg_1"):
            moved_at[version] = time.monotonic()
            assert (200, version) == ((moved := running.promote(version)).status, moved.json["serving"])
            callers.wait_for(30, body=answer(version))
            pinned = post(front + "/iris/versions/log_reg_1/predict", ROW)
            assert (200, answer("log_reg_1")) == (pinned.status, pinned.body)

    assert {200} == callers.statuses()
    assert {answer("log_reg_1"), answer("log_reg_2")} == {call.body for call in callers.calls}
    for version, what in (("log_reg_2", "promotion"), ("log_reg_1", "roll-back")):
        first = min(call.done_at for call in callers.calls if call.body == answer(version) and call.done_at > moved_at[version])
        measured(f"from the call for a {what} to its first answer", first - moved_at[version])
    history = ask(front + "/models/iris/aliases/champion").json["history"]
    assert [("log_reg_1", "Ada", "trying"), ("log_reg_2", "Ada", "trying"), ("log_reg_1", "training")] == [
        (history[0]["to_version"], history[0]["who"], history[0]["why"]),
        (history[1]["to_version"], history[1]["who"], history[1]["why"]),
        (history[2]["to_version"], history[2]["who"]),
    ]


def test_a_corrupt_candidate_cannot_be_promoted(running: Running) -> None:
    """One flipped byte, and the version stays a candidate while the champion answers everybody; mended, it is promoted."""
    version = running.trained()
    before = flip_byte(artefact(running.tiers.data, version) / MODEL)
    with Callers(running.tiers.predict, ROW, count=2) as callers:
        problem(running.promote(version), 503, "not-servable")
        callers.wait_for(20)
    assert ({200}, {answer("log_reg_1")}) == (callers.statuses(), {call.body for call in callers.calls})

    (artefact(running.tiers.data, version) / MODEL).write_bytes(before)
    assert version == running.promote(version).json["serving"]


def test_a_killed_job_leaves_nothing(running: Running) -> None:
    """It is reported failed, and there is no version and no file of it; one that is not killed makes the same version."""
    identity = running.train().json["id"]
    one_training(running.trainer).kill()
    assert eventually(lambda: running.job(identity)["ended_at"] is not None)
    killed = running.job(identity)

    assert ("failed", "/problems/training-failed") == (killed["status"], killed["problem"]["type"])
    assert killed["problem"]["detail"].startswith("the training was ended by SIGKILL")
    assert ([], ["log_reg_1"], ["log_reg_1"]) == (trainings(running.trainer), running.versions(), running.files())
    assert "log_reg_2" == running.trained()
    assert ["log_reg_1", "log_reg_2"] == running.files()


def test_a_lone_caller_beside_a_training(running: Running, measured: Callable[[str, float], None]) -> None:
    """Nobody is failed by a training; how much longer a lone caller waits meanwhile is measured, and nothing is claimed."""

    def seconds(more: Callable[[int], bool]) -> list[float]:
        took: list[float] = []
        while more(len(took)):
            begun = time.perf_counter()
            assert 200 == post(running.tiers.predict, ROW).status
            took.append(time.perf_counter() - begun)
        return took

    seconds(lambda count: count < 50)
    alone = seconds(lambda count: count < 500)
    identity = running.train().json["id"]
    beside = seconds(lambda count: count < 20 or count % 10 > 0 or running.job(identity)["ended_at"] is None)
    for name, took in (("alone", alone), ("beside a training", beside)):
        measured(f"p50 of a lone caller {name}", median(took))
        measured(f"p99 of a lone caller {name}", quantiles(took, n=100)[98])
    assert "succeeded" == running.job(identity)["status"]
