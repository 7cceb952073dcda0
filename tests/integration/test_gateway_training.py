"""Training over HTTP at the gateway, against a real training service."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import zoo
from tests.asking import Answered, ask
from tests.e2e.tiers import problem
from tests.held import let_go, trainings, with_held_family
from tests.integration.model_server_calls import eventually
from tests.processes import Tier, free_port, gateway, training
from twotier.gateway.metrics import Metrics
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.training import Training
from twotier.wire import FamilyInfo, Info, Job, JobStatus, Trained, VersionInfo


@pytest.fixture(name="data")
def _data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    return data


@pytest.fixture(name="front")
def _front(data: Path, tmp_path: Path) -> Iterator[Tier]:
    """A gateway before a training service that lets none wait; there is no model server."""
    settings = {**with_held_family(data), "TRAINING_MAX_WAITING": "0"}
    with training(data, tmp_path / "training.log", **settings) as service:
        nowhere = f"http://127.0.0.1:{free_port()}"
        with gateway(nowhere, tmp_path / "gateway.log", None, GATEWAY_TRAINING_SERVER=service.url, **settings) as front:
            front.wait_ready("/livez")
            yield front


def train(front: Tier, body: Any = None, path: str = "/models/held/train", **headers: str) -> Answered:
    """Order a training, with or without a body."""
    sent = b"" if body is None else json.dumps(body).encode()
    kind = {} if body is None else {"Content-Type": "application/json"}
    return ask(front.url + path, "POST", sent, kind | {name.replace("_", "-"): value for name, value in headers.items()})


def ended(front: Tier, body: Any = None) -> Answered:
    """The answer to whoever prefers to wait, when the wait was long enough; the key makes it one training."""
    answers: list[Answered] = []

    def answered() -> bool:
        answers.append(train(front, body, Idempotency_Key="k", Prefer="wait=99"))
        return answers[-1].status == 200

    assert eventually(answered)
    return answers[-1]


def test_from_order_to_version(front: Tier, data: Path) -> None:
    """Taken at once, followed at its address, and answered with what came of it; whoever prefers to waits, but not for ever."""
    taken = train(front, Idempotency_Key="k")
    where = front.url + taken.headers["Location"]
    assert (202, "queued", "first", "no-store") == (
        taken.status, taken.json["status"], taken.json["estimator"], taken.headers["Cache-Control"]
    )
    assert taken.json["id"] == train(front, {"estimator": "first"}).json["id"]
    waited = train(front, Prefer="respond-async, wait=1")
    assert (202, "wait=1", "running") == (waited.status, waited.headers["Preference-Applied"], waited.json["status"])
    assert (200, taken.json["id"]) == ((seen := ask(where)).status, seen.json["id"])
    let_go(data)
    last = ended(front)

    assert ("wait=20", "succeeded") == (last.headers["Preference-Applied"], last.json["status"])
    assert ("first_1", True, None) == (last.json["trained"]["version"], last.json["trained"]["champion"], last.json["problem"])
    assert last.json == ask(where).json


def test_keys(front: Tier, data: Path) -> None:
    """The same key is answered by the same job when it has ended, and refused for another estimator."""
    let_go(data)
    first = ended(front, {"estimator": "second"})
    again = train(front, {"estimator": "second"}, Idempotency_Key="k")

    assert (200, first.json) == (again.status, again.json)
    problem(train(front, Idempotency_Key="k"), 409, "idempotency-key-reused")
    problem(train(front, Idempotency_Key="a b"), 422, "invalid-input")


def test_what_is_refused(front: Tier) -> None:
    """Families, estimators and jobs that there are not, and bodies that are no order."""
    problem(train(front, path="/models/roses/train"), 404, "unknown-family")
    assert "it has: first, second, third" in problem(train(front, {"estimator": "x"}), 404, "unknown-estimator")["detail"]
    problem(train(front, {"estimators": "first"}), 422, "invalid-input")
    problem(train(front, {}, Content_Type="text/plain"), 415, "unsupported-media-type")
    problem(ask(f"{front.url}/jobs/{'0' * 32}"), 404, "unknown-job")
    problem(ask(f"{front.url}/jobs/none", "DELETE"), 404, "unknown-job")


def test_too_many(front: Tier) -> None:
    """Beyond what may wait, a training is refused for now; cancelled, the first makes room."""
    first = train(front, {"estimator": "first"})
    refused = train(front, {"estimator": "second"})
    assert "too many trainings" in problem(refused, 503, "training-unavailable")["detail"]
    assert "1" == refused.headers["Retry-After"]
    cancelled = ask(front.url + first.headers["Location"], "DELETE")

    assert (200, "cancelled") == (cancelled.status, cancelled.json["status"])
    assert cancelled.json == ask(front.url + first.headers["Location"], "DELETE").json
    assert 202 == train(front, {"estimator": "second"}).status


def test_a_training_that_fails(front: Tier, data: Path) -> None:
    """The job carries a problem of its own, which the gateway explains."""
    let_go(data, "raise")
    failed = train(front, Prefer="wait=20")
    assert eventually(lambda: ask(front.url + failed.headers["Location"]).json["status"] == "failed")
    made = ask(front.url + failed.headers["Location"]).json["problem"]

    assert ("/problems/training-failed", 500) == (made["type"], made["status"])
    assert "ArithmeticError: see the training service's log" == made["detail"]
    assert 200 == ask(front.url + made["type"]).status


def test_without_a_training_service(tmp_path: Path) -> None:
    """Where none is set, the problem names the setting; where it is gone, it may be tried again."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with gateway(nowhere, tmp_path / "log") as front:
        front.wait_ready("/livez")
        assert "GATEWAY_TRAINING_SERVER" in problem(train(front, path="/models/iris/train"), 501, "training-not-offered")["detail"]
    with gateway(nowhere, tmp_path / "log", GATEWAY_TRAINING_SERVER=nowhere) as front:
        front.wait_ready("/livez")
        problem(train(front, path="/models/iris/train"), 503, "training-unavailable")


async def test_a_long_wait_is_many_short_ones() -> None:
    """Whoever waits asks again and again, each time for a few seconds, until the job has ended."""
    answers = iter([None, None, "2026-11-21T00:00:00Z"])
    with zoo.zoo() as keeper:

        async def tell(_: zoo.Keeper, asked: zoo.Asked, writer: Any) -> None:
            when = {"created_at": "2026-11-21T00:00:00Z", "ended_at": next(answers)}
            zoo.send(writer, json.dumps({"id": "0" * 32, "family": "iris", "estimator": "log_reg", **when}))

        keeper.habit, keeper.sick = tell, True
        async with Training(GatewaySettings(training_server=keeper.url), Metrics()) as asking:
            job = await asking.wait("0" * 32, 60)

    assert job.ended
    assert [5.0] * 3 == [asked.message["wait_seconds"] for asked in keeper.asked]


def test_the_old_route_answers_when_the_tree_serves(tmp_path: Path) -> None:
    """A model server knows of a version before it is judged, and it does not serve before it has heard that it passed."""
    heard = threading.Event()
    when = datetime(2026, 11, 21, tzinfo=UTC)

    async def tell_versions(_: zoo.Keeper, asked: zoo.Asked, writer: Any) -> None:
        tree = VersionInfo(
            version="decision_tree_1",
            estimator="decision_tree",
            created_at=when,
            metrics={},
            gate_passed=heard.is_set(),
            gate_findings=[],
            loaded=False,
        )
        zoo.send(writer, Info(server={}, families={"iris": FamilyInfo(aliases={}, versions=[tree])}).model_dump_json())

    async def tell_end(_: zoo.Keeper, asked: zoo.Asked, writer: Any) -> None:
        trained = Trained(version="decision_tree_1", metrics={}, gate_passed=True, gate_findings=[], champion=False)
        job = Job(id="0" * 32, family="iris", estimator="decision_tree", created_at=when, ended_at=when, trained=trained)
        zoo.send(writer, job.model_copy(update={"status": JobStatus.SUCCEEDED}).model_dump_json())

    with zoo.zoo() as models, zoo.zoo() as trainer:
        models.habit, models.sick = tell_versions, True
        trainer.habit, trainer.sick = tell_end, True
        with gateway(models.url, tmp_path / "log", GATEWAY_TRAINING_SERVER=trainer.url) as front, ThreadPoolExecutor(1) as pool:
            front.wait_ready("/livez")
            answer = pool.submit(ask, front.url + "/train_decision_tree", "POST")
            assert eventually(lambda: len(trainer.asked) > 1)
            so_far = len(models.asked)
            assert eventually(lambda: len(models.asked) > so_far + 2)
            early = answer.done()
            heard.set()

            assert (200, b"Successfully trained the model") == (answer.result().status, answer.result().body)
            assert not early


def test_head_trains_nothing(tmp_path: Path) -> None:
    """The one GET that changes something may not be asked for by HEAD: it would have to do it, or to say what is not so."""
    (data := tmp_path / "data").mkdir()
    with training(data, tmp_path / "training.log") as service:
        nowhere = f"http://127.0.0.1:{free_port()}"
        with gateway(nowhere, tmp_path / "gateway.log", GATEWAY_TRAINING_SERVER=service.url) as front:
            front.wait_ready("/livez")
            refused = ask(front.url + "/train_decision_tree", "HEAD", headers={"Prefer": "wait=0"})

            assert (405, "GET, POST", b"") == (refused.status, refused.headers["Allow"], refused.body)
            assert [] == trainings(service)
            # It is no matter of how it is asked: a GET is taken, and HEAD of what changes nothing is answered.
            assert 200 == ask(front.url + "/livez", "HEAD").status
