"""`POST /`: irises under keys in, class ids under the same keys out."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from twotier.errors import Fault, InputRefused, UpstreamInvalid
from twotier.family import Family
from twotier.gateway.answers import JSONInPieces
from twotier.gateway.bodies import read_body
from twotier.gateway.headers import deadline, sticky_key
from twotier.gateway.leaving import CallerWaits
from twotier.gateway.openapi import Routes, json_answer
from twotier.gateway.predicting import Predicting, Wish
from twotier.gateway.rows import keyed
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.turns import dumps_in_turns, loads_in_turns

__all__ = ["add"]

_CLASSES = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
"""A species' class id is its place here: that is the contract, whatever the order in which a model knows them."""


def add(routes: Routes, iris: Family, predicting: Predicting, settings: GatewaySettings) -> None:
    """Add the route."""

    async def predict(request: Request) -> Response:
        until = deadline(request, settings.budget_ms)
        body = await read_body(request, settings.max_body_bytes, until)
        with CallerWaits(request) as timing:
            document = await loads_in_turns(body)
            if not isinstance(document, dict):
                raise InputRefused("flowers are sent under keys", [Fault("", "must be an object of flowers")])
            rows = keyed(document)
            try:
                answers = await predicting.answer(rows, Wish(key=sticky_key(request)), until, timing)
                ids = (_class_id(answer["output"]) for answer in answers)
                written = await dumps_in_turns(zip(document, ids, strict=True), dict, 1)
            finally:
                await predicting.forget(rows, document)
        return JSONInPieces(written, 201)

    number = {"type": "number", "exclusiveMinimum": 0, "maximum": 100}
    flower = {
        "type": "object",
        "properties": {alias: number for alias in iris.aliases},
        "required": list(iris.aliases),
        "additionalProperties": False,
    }
    sizes = {"minProperties": 1, "maxProperties": settings.max_rows}
    routes.post(
        "/",
        predict,
        summary="Class ids of irises by key",
        tag="heritage",
        instead="Use [POST /iris/predict](#/iris): it takes rows by key too, and answers species by name.",
        body={
            "schema": {"type": "object", "additionalProperties": flower, **sizes},
            "example": {str(at): _as_sent(iris, example.row) for at, example in enumerate(iris.examples[1:])},
        },
        responses={
            201: json_answer(
                "By the same keys: 0 for setosa, 1 for versicolor, 2 for virginica.",
                {"type": "object", "additionalProperties": {"enum": [0, 1, 2]}, **sizes},
            ),
        },
        problems=(400, 408, 413, 415, 422, 502, 503, 504),
    )


def _class_id(species: str) -> int:
    if species not in _CLASSES:
        raise UpstreamInvalid("the model server's answer is no species that has a class id")
    return _CLASSES.index(species)


def _as_sent(iris: Family, row: Any) -> dict[str, Any]:
    return {alias: row[name] for alias, name in iris.aliases.items()}
