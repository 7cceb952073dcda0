"""`/serve_decision_tree` and `/models/serve/{estimator}/{version}`: irises as bare numbers in, a sentence or a list of species out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from twotier.errors import Fault, InputRefused, UnknownVersion
from twotier.family import Family
from twotier.gateway.answers import NO_STORE, json_response
from twotier.gateway.bodies import read_body
from twotier.gateway.headers import deadline
from twotier.gateway.leaving import CallerWaits
from twotier.gateway.openapi import Routes, json_answer, parameter
from twotier.gateway.pointers import MAX_FAULTS
from twotier.gateway.predicting import Predicting, Wish
from twotier.gateway.routes.heritage.training import TREE
from twotier.gateway.rows import Path, Rows, Shape
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.turns import loads_in_turns

__all__ = ["add"]

_VERSION = "^(latest|(folder)?[1-9][0-9]{0,17})$"


def add(routes: Routes, iris: Family, predicting: Predicting, settings: GatewaySettings) -> None:
    """Add the routes."""
    spelled = {name: name for name in iris.estimators} | {name.replace("_", ""): name for name in iris.estimators}

    async def answer(request: Request, version: str) -> Response:
        until = deadline(request, settings.budget_ms)
        # Whatever its content type said, a body was read as JSON.
        body = await read_body(request, settings.max_body_bytes, until, taken=lambda kind: True)
        with CallerWaits(request) as timing:
            document = await loads_in_turns(body)
            rows, sent = _flowers(iris, document)
            answers = await predicting.answer(rows, Wish(version), until, timing)
        await predicting.forget(rows, document["data"])
        if len(answers) > 1:
            return json_response({"predictions": [one["output"] for one in answers]}, headers=NO_STORE)
        return PlainTextResponse(f"Prediction for [[{printed(sent)}]] is {answers[0]['output']}", headers=NO_STORE)

    async def serve_newest(request: Request) -> Response:
        try:
            return await answer(request, f"{TREE}_latest")
        except UnknownVersion:
            raise UnknownVersion(f"no {TREE} is trained yet: POST /train_{TREE} trains one") from None

    async def serve_pinned(request: Request) -> Response:
        estimator, version = spelled.get(request.path_params["estimator"]), request.path_params["version"]
        if estimator is None or not re.fullmatch(_VERSION, version):
            raise UnknownVersion(f"there is no such version: the estimators are {', '.join(spelled)}, and versions are latest, 1, 2, …")
        return await answer(request, f"{estimator}_{version.removeprefix('folder')}")

    common = _description(len(iris.features), settings)
    if TREE in iris.estimators:
        # A GET with a body was taken too.
        for add_route in (routes.post, routes.get):
            add_route(
                f"/serve_{TREE}",
                serve_newest,
                summary="Species by the newest decision tree",
                instead=f"Use [POST /iris/versions/{TREE}_latest/predict](#/iris).",
                **common,
            )
    routes.post(
        "/models/serve/{estimator}/{version}",
        serve_pinned,
        summary="Species by one version",
        instead="Use [POST /iris/versions/{version}/predict](#/iris).",
        parameters=[
            parameter("estimator", "path", {"type": "string", "enum": list(spelled)}, "An estimator.", required=True),
            parameter("version", "path", {"type": "string", "pattern": _VERSION}, "`1` or `folder1` is the first version.", required=True),
        ],
        **common,
    )


def _flowers(iris: Family, document: Any) -> tuple[Rows, Sequence[Any]]:
    """The rows, and the numbers of the first. Raises InputRefused."""
    data = document.get("data") if isinstance(document, dict) else None
    width = len(iris.features)
    if not isinstance(data, list):
        raise InputRefused("flowers are lists of numbers", [Fault("/data", "must be a list of numbers, or of lists of them")])
    nested = any(isinstance(row, list) for row in data)
    if nested:
        wrong = [at for at, row in enumerate(data) if not isinstance(row, list) or len(row) != width]
        faults = [Fault(f"/data/{at}", f"must be a list of {width} numbers") for at in wrong[:MAX_FAULTS]]
    else:
        wrong = [0] if len(data) % width else []
        faults = [Fault("/data", f"must be {width} numbers for each flower, and these are {len(data)}") for _ in wrong]
    if wrong:
        raise InputRefused(f"a flower is {width} numbers: {', '.join(iris.features)}", faults, len(wrong))
    count = len(data) if nested else len(data) // width

    def values(index: int) -> Sequence[Any]:
        return data[index] if nested else data[width * index:width * (index + 1)]

    def place(index: int, inner: Path) -> Path:
        cells = [iris.features.index(str(name)) for name in inner[:1]]
        return ("data", index, *cells) if nested else ("data", width * index + sum(cells))

    items = (dict(zip(iris.features, values(index), strict=True)) for index in range(count))
    return Rows(Shape.LIST, items, count, place=place), values(0) if count else ()


def printed(row: Sequence[float]) -> str:
    """Numbers as numpy prints them: the points below each other, no noughts at the end, and powers of ten where sizes differ a lot."""
    if all(isinstance(value, int) for value in row):
        texts = [str(value) for value in row]
        return " ".join(text.rjust(max(map(len, texts))) for text in texts)
    numbers = [float(value) for value in row]
    sizes = [abs(number) for number in numbers if number]
    powers = bool(sizes) and (max(sizes) >= 1e8 or min(sizes) < 1e-4 or max(sizes) / min(sizes) > 1000)
    parts = [_parts(number, "e" if powers else "f") for number in numbers]
    before, after, power = (max(map(len, column)) for column in zip(*parts, strict=True))
    if not powers:
        return " ".join(f"{left.rjust(before)}.{right.ljust(after)}" for left, right, _ in parts)
    # All have as many digits as the longest. Beside it, the smallest numbers of all show more of what they are than would tell them apart.
    longer = [f"{number:#.{after}e}".split("e") for number in numbers]
    return " ".join(f"{left.rjust(before + 1 + after)}e{ten.zfill(power)}" for left, ten in longer)


def _parts(number: float, kind: Literal["e", "f"]) -> tuple[str, str, str]:
    """What stands before its point, behind it, and as the power of ten: as little as tells it from all other numbers, or eight digits."""
    exact = (text for text in (f"{number:.{digits}{kind}}" for digits in range(9)) if float(text) == number)
    text, _, power = next(exact, f"{number:.8{kind}}").partition("e")
    left, _, right = text.partition(".")
    return left, right.rstrip("0"), power


def _description(width: int, settings: GatewaySettings) -> dict[str, Any]:
    number = {"type": "number", "exclusiveMinimum": 0, "maximum": 100}
    flower = {"type": "array", "items": number, "minItems": width, "maxItems": width}
    flowers = {"type": "array", "items": flower, "minItems": 1, "maxItems": settings.max_rows}
    predictions = {"type": "object", "properties": {"predictions": {"type": "array", "items": {"type": "string"}}}}
    both = json_answer("A sentence about one flower, or the species of many.", predictions)
    both["content"]["text/plain"] = {"schema": {"type": "string"}, "example": "Prediction for [[5.1 3.5 1.4 0.2]] is Iris-setosa"}
    return {
        "tag": "heritage",
        "body": {
            "schema": {"type": "object", "properties": {"data": {"anyOf": [flower, flowers]}}, "required": ["data"]},
            "examples": {
                "one": {"summary": "One flower", "value": {"data": [5.1, 3.5, 1.4, 0.2]}},
                "many": {"summary": "Many flowers", "value": {"data": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}},
            },
        },
        "responses": {200: both},
        "problems": (400, 404, 408, 413, 415, 422, 502, 503, 504),
    }
