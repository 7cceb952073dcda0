"""`POST /predict`: one object of x0..x99 or a list of them in, always a list out, in which each row has its inputs and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from twotier.family import Family
from twotier.gateway.answers import JSONInPieces
from twotier.gateway.bodies import read_body
from twotier.gateway.headers import deadline, sticky_key
from twotier.gateway.leaving import CallerWaits
from twotier.gateway.openapi import Routes, json_answer
from twotier.gateway.predicting import Predicting, Wish
from twotier.gateway.rows import Rows, Shape
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.turns import dumps_in_turns, loads_in_turns

__all__ = ["add"]


def add(routes: Routes, outcome: Family, predicting: Predicting, settings: GatewaySettings) -> None:
    """Add the route."""

    async def predict(request: Request) -> Response:
        until = deadline(request, settings.budget_ms)
        body = await read_body(request, settings.max_body_bytes, until)
        with CallerWaits(request) as timing:
            document = await loads_in_turns(body)
            many = isinstance(document, list)
            sent = document if many else [document]
            rows = Rows(Shape.LIST if many else Shape.ONE, sent, len(sent))
            try:
                answers = await predicting.answer(rows, Wish(key=sticky_key(request)), until, timing)
                wholes = (_whole(outcome, row, answer) for row, answer in zip(sent, answers, strict=True))
                written = await dumps_in_turns(wholes, list, len(outcome.features))
            finally:
                await predicting.forget(rows, sent)
        return JSONInPieces(written, 201)

    row = routes.reference(outcome.row, "validation")
    rows = [dict(example.row) for example in outcome.examples]
    names = [*outcome.features, *(name for name in outcome.answer.model_fields if name not in outcome.on_request)]
    routes.post(
        "/predict",
        predict,
        summary=f"{outcome.summary}, with all inputs",
        tag="heritage",
        instead="Use [POST /outcome/predict](#/outcome): one row is answered by one object, and `model_name` says what answered.",
        body={
            "schema": {"anyOf": [row, {"type": "array", "items": row, "minItems": 1, "maxItems": settings.max_rows}]},
            "examples": {"one": {"summary": "One row", "value": rows[0]}, "many": {"summary": "Many rows", "value": rows}},
        },
        responses={
            201: json_answer(
                "One object per row, of its inputs and its outcome, names in alphabetical order.",
                {"type": "array", "minItems": 1, "items": {"type": "object", "required": sorted(names)}},
            ),
        },
        problems=(400, 408, 413, 415, 422, 502, 503, 504),
    )


def _whole(outcome: Family, row: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as they were sent, null for those that were not, and the answer."""
    inputs = {name: row.get(name) for name in outcome.features}
    return dict(sorted((inputs | {name: value for name, value in answer.items() if name != "model_name"}).items()))
