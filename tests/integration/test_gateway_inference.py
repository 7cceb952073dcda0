"""The inference protocol and the heritage routes in front of model servers that answer what makes no tensor and no class id."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import zoo
from tests.asking import ask, post
from tests.integration.model_server_calls import eventually
from tests.processes import Tier, gateway

ROW = [5, 2, 3, 4]


@pytest.fixture(name="keeper", scope="module")
def _keeper() -> Iterator[zoo.Keeper]:
    with zoo.zoo() as keeper:
        yield keeper


@pytest.fixture(name="served", scope="module")
def _served(keeper: zoo.Keeper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    with gateway(keeper.url, tmp_path_factory.mktemp("gateway") / "log") as tier:
        tier.wait_ready()
        yield tier


@pytest.fixture(autouse=True)
def _well(keeper: zoo.Keeper) -> Iterator[None]:
    yield
    keeper.habit = zoo.well


def infer(tier: Tier, rows: int = 2) -> Any:
    """Two rows by tensors."""
    tensor = {"name": "x", "shape": [rows, 4], "datatype": "FP64", "data": [ROW] * rows}
    return post(tier.url + "/v2/models/iris/infer", {"inputs": [tensor]})


def answering(change: Callable[[list[dict[str, Any]]], Any]) -> zoo.Habit:
    """Answer well, but for one change of the answers."""

    async def habit(keeper: zoo.Keeper, asked: zoo.Asked, writer: Any) -> None:
        answers = [zoo.species(row) for row in asked.rows]
        change(answers)
        zoo.send(writer, json.dumps([{"version": "log_reg_1", "answers": answers, "faults": []}]))

    return habit


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda answers: answers[1].pop("probabilities"), "some answers have no probabilities, so they make no tensor"),
        (lambda answers: answers[1].update(probabilities={"x": 1.0}), "not all answers' probabilities are of the same names"),
    ],
)
def test_answers_that_make_no_tensor(served: Tier, keeper: zoo.Keeper, change: Callable[[Any], Any], words: str) -> None:
    """A table with a hole is a fault of the model server's, and is told in both forms; a whole one is answered."""
    keeper.habit = answering(change)
    answered = infer(served)

    assert (502, "/problems/model-server-invalid") == (answered.status, answered.json["type"])
    assert words in answered.json["error"]
    keeper.habit = zoo.well
    assert 200 == infer(served, rows=1).status


def test_a_row_that_cannot_be_scored(served: Tier, keeper: zoo.Keeper) -> None:
    """Its problem points at the row of the tensor."""
    keeper.habit = zoo.scoring_all_but_the_first
    answered = infer(served)

    assert (422, "/inputs/0/data/0/0") == (answered.status, answered.json["errors"][0]["pointer"])


def test_no_class_id(served: Tier, keeper: zoo.Keeper) -> None:
    """A species that the old service had no class id for is no answer of it; one that it had is."""
    flower = {"a": {"sepalLength": 5, "sepalWidth": 2, "petalLength": 3, "petalWidth": 4}}
    keeper.habit = answering(lambda answers: answers[0].update(output="Iris-rosa"))
    answered = post(served.url + "/", flower)

    assert (502, "/problems/model-server-invalid") == (answered.status, answered.json["type"])
    keeper.habit = zoo.well
    assert {"a": 2} == post(served.url + "/", flower).json


def test_metadata_of_a_family_that_is_not_listed(served: Tier, keeper: zoo.Keeper) -> None:
    """A model server that gives a card of what it does not list yet leaves the versions empty."""
    keeper.families = []
    try:
        assert eventually(lambda: [] == ask(served.url + "/v2/models/iris").json["versions"])
    finally:
        keeper.families = ["iris"]


def test_no_training_service(served: Tier) -> None:
    """Where nothing trains, the route that trained says so."""
    answered = ask(served.url + "/train_decision_tree", "POST")

    assert (501, "/problems/training-not-offered") == (answered.status, answered.json["type"])
