"""The heritage routes, and those of the inference protocol, read many rows and let go of them as the native ones do: in turns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from twotier.errors import TwotierError
from twotier.families import Families
from twotier.families.iris import FAMILY as IRIS
from twotier.families.outcome import FAMILY as OUTCOME
from twotier.families.sentiment import FAMILY as SENTIMENT
from twotier.family import Answer, Family
from twotier.gateway.answers import answer_error
from twotier.gateway.app import create_app
from twotier.gateway.forwarding import Ask, Scores, Timing
from twotier.gateway.metrics import Metrics
from twotier.gateway.openapi import Described, Routes
from twotier.gateway.predicting import Predicting, Wish
from twotier.gateway.routes import oip
from twotier.gateway.routes.heritage import flowers, outcomes
from twotier.gateway.rows import Rows
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.turns import loads_in_turns


class Always:
    """Answers each row as the family's first example is answered."""

    def __init__(self, family: Family) -> None:
        also = {"phat": 0.5} if family is OUTCOME else {}
        self._answer = family.answer.model_validate({**family.examples[0].answer, **also})

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """See `Forward`."""
        answers: list[Answer | None] = [self._answer for _ in rows]
        return Scores("log_reg_1", answers)


class Keeping(Predicting):
    """The real one, which keeps hold of what the rows came in, as a caller who has not yet got rid of them would."""

    kept: Iterable[Any]

    async def answer(self, rows: Rows, wish: Wish, deadline: float, timing: Timing) -> list[dict[str, Any]]:
        """Answer them."""
        self.kept = rows.items
        return await super().answer(rows, wish, deadline, timing)


def app_of(family: Family) -> tuple[FastAPI, Keeping]:
    """An application with the family's heritage route alone."""
    app = Described(exception_handlers={TwotierError: answer_error})
    keeping = Keeping(family, Always(family), Metrics(), max_rows=10_000)
    {"iris": flowers, "outcome": outcomes}[family.name].add(Routes(app), family, keeping, GatewaySettings())
    return app, keeping


async def sent(app: FastAPI, path: str, value: Any, status: int = 201) -> Any:
    """The answer to a body, which must be of that status."""
    answered: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(value).encode(), "more_body": False}

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
    headers = [(b"content-type", b"application/json")]
    state = {"timing": Timing(), "request_id": "some-id"}
    await app({**scope, "headers": headers, "client": None, "server": None, "state": state}, receive, send)
    assert status == answered[0]["status"]
    return json.loads(b"".join(message["body"] for message in answered[1:]))


@pytest.mark.parametrize("count", [1, 300])
async def test_many_outcomes_are_forgotten_in_turns(count: int) -> None:
    """By the time of the answer nothing is left to be let go of at once, and each row was answered with its inputs."""
    app, keeping = app_of(OUTCOME)
    rows = [dict(OUTCOME.examples[0].row) for _ in range(count)]
    answers = await sent(app, "/predict", rows)

    assert count == len(answers)
    assert rows[0].items() <= answers[-1].items()
    assert [] == list(keeping.kept)


async def test_one_outcome_goes_as_it_came() -> None:
    """The negative control: a lone row is not worth a turn."""
    app, keeping = app_of(OUTCOME)
    row = dict(OUTCOME.examples[0].row)

    assert 1 == len(await sent(app, "/predict", row))
    assert [row] == list(keeping.kept)


async def test_many_flowers_are_forgotten_in_turns() -> None:
    """The same of flowers under keys, which are answered under theirs."""
    app, keeping = app_of(IRIS)
    flower = {alias: IRIS.examples[0].row[name] for alias, name in IRIS.aliases.items()}
    answers = await sent(app, "/", {str(at): flower for at in range(300)})

    assert [str(at) for at in range(300)] == list(answers)
    assert [] == list(keeping.kept)


@pytest.mark.parametrize("count", [1, 300])
async def test_refused_outcomes_are_forgotten_too(count: int) -> None:
    """One bad row among them, the last, refuses them all."""
    app, keeping = app_of(OUTCOME)
    rows = [dict(OUTCOME.examples[0].row) for _ in range(count - 1)]
    made = await sent(app, "/predict", [*rows, {"unheard": 1}], 422)

    assert f"/{count - 1}/unheard" == made["errors"][0]["pointer"]
    assert [] == list(keeping.kept)


async def test_refused_flowers_are_forgotten_too() -> None:
    """The same under keys."""
    app, keeping = app_of(IRIS)
    await sent(app, "/", {str(at): {} for at in range(300)}, 422)

    assert [] == list(keeping.kept)


NUMBERS = [1.5] * 40_001
"""More than two hundred thousand bytes as JSON, and no whole flowers."""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/models/serve/log_reg/1", {"data": NUMBERS}),
        ("/serve_decision_tree", {"data": NUMBERS}),
        ("/v2/models/iris/infer", {"inputs": [{"name": "input", "shape": [10_000, 4], "datatype": "FP64", "data": NUMBERS}]}),
        ("/v1/predict", {"of no use": NUMBERS}),
    ],
)
async def test_others_get_their_turn_while_a_body_is_read(path: str, value: Any) -> None:
    """Whatever the route: this one is refused, so that nothing but reading it can have given them turns."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    app = create_app(GatewaySettings(), Families(iris=IRIS, sentiment=SENTIMENT))
    task = asyncio.create_task(other())
    await sent(app, path, value, 422)
    task.cancel()
    assert 50 <= turns


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([10_002, 4], "10002 rows are too many for one call: send at most 10000"),
        ([0, 4], "a list of rows with no row in it: send at least one row"),
        ([-1, 4], "must go with the number of values"),
        ([10_000, 4], "must go with the number of values"),
        ([40_004], "must be [rows, 4], for SepalLengthCm, SepalWidthCm, PetalLengthCm, PetalWidthCm"),
    ],
    ids=str,
)
async def test_too_many_rows_are_not_looked_at(shape: list[int], words: str) -> None:
    """Their number is told before what else is wrong with them, unless it is none."""
    app = create_app(GatewaySettings(), Families(iris=IRIS))
    tensor = {"name": "input", "shape": shape, "datatype": "FP64", "data": [1.5] * 40_004}
    made = await sent(app, "/v2/models/iris/infer", {"inputs": [tensor]}, 422)

    assert words == made["errors"][0]["detail"]


@pytest.mark.parametrize("nested", [False, True])
async def test_many_values_of_tensors_are_forgotten_in_turns(nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of the body is emptied by the time of the answer."""
    documents: list[Any] = []

    async def noting(body: bytes) -> Any:
        documents.append(await loads_in_turns(body))
        return documents[-1]

    monkeypatch.setattr(oip, "loads_in_turns", noting)
    app = Described()
    predicting = {"iris": Predicting(IRIS, Always(IRIS), Metrics(), max_rows=10_000)}
    # What is told of models is not asked for here.
    told: Any = None
    oip.add(Routes(app), Families(iris=IRIS), predicting, told, told, GatewaySettings())
    data: list[Any] = [[5.0, 2.0, 3.0, 4.0]] * 3000 if nested else [5.0, 2.0, 3.0, 4.0] * 3000
    tensor = {"name": "input", "shape": [3000, 4], "datatype": "FP64", "data": data}
    answer = await sent(app, "/v2/models/iris/infer", {"inputs": [tensor], "outputs": [{"name": "output"}]}, 200)

    assert [IRIS.examples[0].answer["output"]] * 3000 == answer["outputs"][0]["data"]
    assert [[]] == [tensor["data"] for document in documents for tensor in document["inputs"]]
