"""Aliases are moved through the gateway, against a real model server: what may be promoted is, and what may not is refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_training import train
from tests.asking import Answered, ask
from tests.e2e.tiers import problem
from tests.folders import registry_over
from tests.integration.model_server_calls import eventually
from tests.processes import Tier, gateway, model_server
from tests.versions import MODEL, artefact, flip_byte, with_versions
from twotier.registry import GateReport


@pytest.fixture(name="data", scope="module")
def _data(trained_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with iris log_reg_1, the champion, log_reg_2, which is good, and log_reg_3, which its gate refused."""
    data = with_versions(trained_data, tmp_path_factory.mktemp("aliases") / "data", 2)
    with registry_over(data) as registry:
        refused = train(registry, registry.families["iris"], data=data)
        registry.record_gate(refused, GateReport(passed=False, findings=("failed: secret words.",)))
    return data


@pytest.fixture(name="front", scope="module")
def _front(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    folder = tmp_path_factory.mktemp("tiers")
    with model_server(data, folder / "model_server.log") as back, gateway(back.url, folder / "gateway.log") as front:
        front.wait_ready()
        yield front


def put(front: Tier, alias: str, body: Any, family: str = "iris", **headers: str) -> Answered:
    """Move an alias."""
    sent = json.dumps(body).encode()
    return ask(f"{front.url}/models/{family}/aliases/{alias}", "PUT", sent, {"Content-Type": "application/json", **headers})


def test_promote_and_roll_back(front: Tier) -> None:
    """The answer is where it points and what answers now, and how it came there: who, why and when, newest first."""
    moved = put(front, "champion", {"version": "log_reg_2", "who": "Ada", "why": "better"})
    back = put(front, "champion", {"version": "log_reg_1", "who": "Bob", "expected": "log_reg_2"})
    read = ask(front.url + "/models/iris/aliases/champion")

    assert [(200, "log_reg_2", "log_reg_2"), (200, "log_reg_1", "log_reg_1")] == [
        (each.status, each.json["version"], each.json["serving"]) for each in (moved, back)
    ]
    assert (200, back.json) == (read.status, read.json)
    told = [(move["from_version"], move["to_version"], move["who"], move["why"]) for move in read.json["history"]]
    assert [
        ("log_reg_2", "log_reg_1", "Bob", ""),
        ("log_reg_1", "log_reg_2", "Ada", "better"),
        (None, "log_reg_1", "training", "the first version that passed its gate"),
    ] == told
    assert all(move["at"].endswith("Z") for move in read.json["history"])


def test_a_new_alias(front: Tier) -> None:
    """A name that is none yet becomes one, and can be pinned at once."""
    assert 404 == ask(front.url + "/models/iris/aliases/challenger").status
    assert "log_reg_2" == put(front, "challenger", {"version": "log_reg_latest"}).json["serving"]
    row = json.dumps({"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}).encode()
    answered = ask(front.url + "/iris/versions/challenger/predict", "POST", row, {"Content-Type": "application/json"})
    assert "log_reg_2" == answered.json["model_name"]


@pytest.mark.parametrize(
    ("alias", "body", "status", "slug"),
    [
        ("champion", {"version": "log_reg_9"}, 404, "unknown-version"),
        ("champion", {"version": "log_reg_3"}, 409, "gate-refused"),
        ("champion", {"version": "log_reg_2", "expected": "log_reg_2"}, 409, "alias-moved"),
        ("log_reg_7", {"version": "log_reg_2"}, 422, "invalid-input"),
        ("Champion", {"version": "log_reg_2"}, 404, "unknown-version"),
        ("champion", {}, 422, "invalid-input"),
        ("champion", {"version": "log_reg_2", "who": "a\nb"}, 422, "invalid-input"),
        ("champion", {"version": "log_reg_2", "why": "x" * 501}, 422, "invalid-input"),
        ("champion", {"version": 2}, 422, "invalid-input"),
        ("champion", [], 422, "invalid-input"),
        ("champion", {"version": "log_reg_2", "why": "x" * 100_000}, 413, "too-large"),
    ],
)
def test_what_is_refused(front: Tier, alias: str, body: Any, status: int, slug: str) -> None:
    """Each for its own reason, without the model server's own words, and the alias stays where it was."""
    made = problem(put(front, alias, body), status, slug)

    assert "secret" not in str(made)
    assert "log_reg_1" == ask(front.url + "/models/iris/aliases/champion").json["version"]


def test_other_things_that_are_refused(front: Tier) -> None:
    """A family that is none, a media type that is not JSON, and a method that is not one of the path's, which are named."""
    problem(put(front, "champion", {"version": "log_reg_2"}, "roses"), 404, "unknown-family")
    problem(put(front, "champion", {"version": "log_reg_2"}, **{"Content-Type": "text/plain"}), 415, "unsupported-media-type")
    deleted = ask(front.url + "/models/iris/aliases/champion", "DELETE")
    problem(deleted, 405, "method-not-allowed")
    assert "GET, PUT" == deleted.headers["Allow"]


def test_a_corrupt_candidate(front: Tier, data: Path) -> None:
    """It cannot be promoted, and the champion goes on; mended, it can."""
    model = artefact(data, "log_reg_2") / MODEL
    before = flip_byte(model)
    problem(put(front, "champion", {"version": "log_reg_2"}), 503, "not-servable")
    assert "log_reg_1" == ask(front.url + "/models/iris/aliases/champion").json["serving"]
    model.write_bytes(before)

    assert "log_reg_2" == put(front, "champion", {"version": "log_reg_2"}).json["serving"]
    assert "log_reg_1" == put(front, "champion", {"version": "log_reg_1"}).json["serving"]


def test_sealed_versions(data: Path, tmp_path: Path) -> None:
    """Where the ledger can only be read, as in an image, nothing is moved, and the problem says what to do."""
    with registry_over(data) as registry:
        registry.promote("iris", "other", "log_reg_2", who="test")
        registry.export(tmp_path / "promoted")
    sealed = {"REGISTRY_LEDGER_URL": f"sqlite:///file:{tmp_path}/promoted/database.sqlite?mode=ro&uri=true"}
    with (
        model_server(tmp_path / "promoted", tmp_path / "back.log", None, **sealed) as back,
        gateway(back.url, tmp_path / "front.log") as front,
    ):
        front.wait_ready()
        made = problem(put(front, "champion", {"version": "log_reg_2"}), 409, "versions-sealed")
        assert "make the image anew" in made["detail"]
        assert {"version": "log_reg_1", "serving": "log_reg_1", "history": []} == ask(front.url + "/models/iris/aliases/champion").json


def test_the_other_model_server_follows(data: Path, tmp_path: Path) -> None:
    """One model server moves the alias, and whoever else serves from that ledger follows by its watch."""
    with model_server(data, tmp_path / "one.log") as one, model_server(data, tmp_path / "two.log") as two:
        with gateway(one.url, tmp_path / "front.log", GATEWAY_MODEL_SERVERS=json.dumps([one.url, two.url])) as front:
            front.wait_ready()
            two.wait_ready()
            for version in ("log_reg_2", "log_reg_1"):
                assert version == put(front, "champion", {"version": version}).json["serving"]
                assert eventually(
                    lambda: [version] * 2 == [ask(front.url + "/models/iris/aliases/champion").json["serving"] for _ in range(2)]
                )
