"""`POST /v1/predict` and `GET /v1/healthcheck`: the sentiment of a text, and whether it can be told now."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from twotier.errors import Fault, InputRefused, UpstreamUnavailable
from twotier.family import Family
from twotier.gateway.answers import NO_STORE, json_response
from twotier.gateway.bodies import read_body
from twotier.gateway.catalogue import Catalogue
from twotier.gateway.headers import deadline, sticky_key
from twotier.gateway.leaving import CallerWaits
from twotier.gateway.openapi import Routes, json_answer
from twotier.gateway.predicting import Predicting, Wish
from twotier.gateway.readiness import Lifecycle, assess
from twotier.gateway.rows import Rows, Shape
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.turns import loads_in_turns

__all__ = ["add"]


def add(
    routes: Routes, sentiment: Family, predicting: Predicting, catalogue: Catalogue, lifecycle: Lifecycle, settings: GatewaySettings
) -> None:
    """Add the routes."""

    async def predict(request: Request) -> Response:
        until = deadline(request, settings.budget_ms)
        body = await read_body(request, settings.max_body_bytes, until)
        with CallerWaits(request) as timing:
            document = await loads_in_turns(body)
            if not isinstance(document, dict):
                raise InputRefused("a text is sent in an object", [Fault("", "must be an object with a text")])
            # Whatever else callers sent along was passed over.
            row = {"text": document["text"]} if "text" in document else {}
            (answer,) = await predicting.answer(Rows(Shape.ONE, [row], 1), Wish(key=sticky_key(request)), until, timing)
        return json_response({"prediction": {"score": answer["score"], "label": answer["label"]}}, headers=NO_STORE)

    async def check(request: Request) -> Response:
        verdict = assess(catalogue.sightings, [sentiment.name], lifecycle.draining)
        if not verdict.ready:
            raise UpstreamUnavailable(verdict.detail)
        return json_response({"status": "running"}, headers=NO_STORE)

    text = {"type": "object", "properties": {"text": sentiment.row.model_json_schema()["properties"]["text"]}, "required": ["text"]}
    prediction = {
        "type": "object",
        "properties": {"score": {"type": "number"}, "label": {"type": "string"}},
        "required": ["score", "label"],
    }
    routes.post(
        "/v1/predict",
        predict,
        summary=sentiment.summary,
        tag="heritage",
        instead="Use [POST /sentiment/predict](#/sentiment).",
        body={"schema": text, "example": dict(sentiment.examples[0].row)},
        responses={
            200: json_answer("The prediction.", {"type": "object", "properties": {"prediction": prediction}, "required": ["prediction"]}),
        },
        problems=(400, 408, 413, 415, 422, 502, 503, 504),
    )
    routes.get(
        "/v1/healthcheck",
        check,
        summary="Whether texts can be answered",
        tag="heritage",
        instead="Use [GET /readyz](#/gateway), which also says why not.",
        responses={
            200: json_answer("They can.", {"type": "object", "properties": {"status": {"const": "running"}}, "required": ["status"]})
        },
        problems=(503,),
    )
