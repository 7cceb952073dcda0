"""`POST /{family}/predict` and the same pinned to a version: one typed pair of routes per family."""

from __future__ import annotations

from typing import Any

from pydantic import Field, create_model
from starlette.requests import Request
from starlette.responses import Response

from twotier.errors import InputRefused, UnknownFamily
from twotier.families import Families
from twotier.family import Family
from twotier.gateway.answers import JSONInPieces
from twotier.gateway.bodies import read_body
from twotier.gateway.headers import DEADLINE_HEADER, STICKY_HEADER, deadline, sticky_key
from twotier.gateway.leaving import CallerWaits
from twotier.gateway.openapi import VERSION_PARAMETER, Routes, json_answer, parameter
from twotier.gateway.pointers import clean
from twotier.gateway.predicting import Predicting, Wish, present
from twotier.gateway.problems import Problem
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.versions import checked

__all__ = ["add", "add_unknown"]

_PROBLEMS = (400, 408, 413, 415, 422, 502, 503, 504)


def add(routes: Routes, family: Family, predicting: Predicting, settings: GatewaySettings) -> None:
    """Add one family's routes."""
    shows = {flag: name for name, flag in family.on_request.items()}
    flags = ("partial", *shows)

    async def predict(request: Request) -> Response:
        until = deadline(request, settings.budget_ms)
        version = checked(family.name, request.path_params["version"]) if "version" in request.path_params else None
        wanted = _flags(request, flags)
        key = sticky_key(request) if family.name in settings.canary else None
        wish = Wish(version, [shows[flag] for flag in wanted & shows.keys()], "partial" in wanted, key)
        body = await read_body(request, settings.max_body_bytes, until)
        with CallerWaits(request) as timing:
            answer = await predicting.predict(body, wish, until, timing)
        return JSONInPieces(answer)

    description = _description(routes, family, settings)
    parameters = description.pop("parameters")
    common: dict[str, Any] = {"tag": family.name, **description}
    sticky = parameter(
        STICKY_HEADER,
        "header",
        {"type": "string"},
        "Callers with the same key are answered by the same version while a share of them goes to the challenger. By default, the address.",
    )
    routes.post(
        f"/{family.name}/predict", predict, summary=family.summary, parameters=[*parameters, sticky], problems=_PROBLEMS, **common
    )
    routes.post(
        f"/{family.name}/versions/{{version}}/predict",
        predict,
        summary=f"{family.summary}, by one version",
        parameters=[VERSION_PARAMETER, *parameters],
        problems=(*_PROBLEMS, 404),
        **common,
    )


def add_unknown(routes: Routes, families: Families) -> None:
    """Answer for families that do not exist, and say which do."""

    async def predict_unknown(request: Request) -> Response:
        raise UnknownFamily(f"there is no family of that name; there are: {', '.join(families)}")

    routes.hidden("/{family}/predict", predict_unknown)
    routes.hidden("/{family}/versions/{version}/predict", predict_unknown)


def _flags(request: Request, known: tuple[str, ...]) -> frozenset[str]:
    """The names of the query parameters that are true."""
    if not request.scope["query_string"]:
        return frozenset()
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise InputRefused(f"there is no query parameter {clean(name)}; there are: {', '.join(known)}")
        if name in given:
            raise InputRefused(f"the query parameter {name} is given twice")
        if value not in ("true", "false"):
            raise InputRefused(f"the query parameter {name} must be true or false")
        given[name] = value
    return frozenset(name for name, value in given.items() if value == "true")


def _description(routes: Routes, family: Family, settings: GatewaySettings) -> dict[str, Any]:
    echoed: Any = {name: (Any, Field(default=None, description="As it was sent.")) for name in family.features} if family.echo else {}
    prediction = create_model(
        f"{family.name.title().replace('_', '')}Prediction",
        __base__=family.answer,
        __doc__=family.answer.__doc__,
        model_name=(str, Field(description="The version that answered.")),
        **echoed,
    )
    row, answer = routes.reference(family.row, "validation"), routes.reference(prediction)
    either = {"anyOf": [answer, routes.reference(Problem)]}
    sizes = {"min": 1, "max": settings.max_rows}
    # An object that has the name of a feature is one row, whatever its other names.
    keys = {"not": {"enum": [*family.features, *family.aliases]}}
    rows = [dict(example.row) for example in family.examples]
    answers = [
        present(family, row, {**example.answer, "model_name": f"{family.default_estimator}_1"})
        for row, example in zip(rows, family.examples, strict=True)
    ]
    flags = {
        "partial": "Answer good rows of a list or keyed object, and give each bad row its own problem in its place.",
        **{flag: f"Send `{name}`: {family.answer.model_fields[name].description}" for name, flag in family.on_request.items()},
    }
    return {
        "parameters": [
            *(parameter(name, "query", {"type": "boolean", "default": False}, words) for name, words in flags.items()),
            parameter(
                DEADLINE_HEADER,
                "header",
                {"type": "integer", "minimum": 1, "maximum": 999999999},
                f"How long the answer is wanted, in milliseconds; by default, and at most, {settings.budget_ms}.",
            ),
        ],
        "body": {
            "schema": {"anyOf": [row | {"minProperties": 1}, _list(row, sizes), _keyed(row, sizes) | {"propertyNames": keys}]},
            "examples": {
                **{f"row {number}": {"summary": "One row", "value": row} for number, row in enumerate(rows, 1)},
                "list": {"summary": "A list of rows", "value": rows},
                "keyed": {"summary": "A keyed object of rows", "value": _by_key(rows)},
            },
        },
        "responses": {
            200: json_answer(
                "The answers, in the shape that the rows came in.",
                {"anyOf": [answer, _list(either, sizes), _keyed(either, sizes)]},
                {
                    "row": {"summary": "One row", "value": answers[0]},
                    "list": {"summary": "A list of rows", "value": answers},
                    "keyed": {"summary": "A keyed object of rows", "value": _by_key(answers)},
                },
            ),
        },
    }


def _by_key(values: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"key {number}": value for number, value in enumerate(values, 1)}


def _list(item: dict[str, Any], sizes: dict[str, int]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": sizes["min"], "maxItems": sizes["max"]}


def _keyed(item: dict[str, Any], sizes: dict[str, int]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": item, "minProperties": sizes["min"], "maxProperties": sizes["max"]}
