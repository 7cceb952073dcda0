"""`/v2`: the Open Inference Protocol over REST, for its clients: Triton's, KServe's, MLServer's. A model is a family."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from twotier import __version__
from twotier.errors import InputRefused, UnknownVersion, UpstreamUnavailable
from twotier.families import Families
from twotier.family import Family
from twotier.gateway import inference
from twotier.gateway.answers import NO_STORE, json_response
from twotier.gateway.bodies import is_json, read_body
from twotier.gateway.catalogue import Catalogue
from twotier.gateway.forwarding import DEFAULT_ALIAS
from twotier.gateway.headers import deadline, sticky_key
from twotier.gateway.leaving import CallerWaits
from twotier.gateway.openapi import VERSION_PARAMETER, Routes, json_answer, parameter
from twotier.gateway.pointers import pointer
from twotier.gateway.predicting import Predicting, Wish
from twotier.gateway.readiness import Lifecycle, assess
from twotier.gateway.rows import refusal
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.strict_json import dumps
from twotier.gateway.tensors import InferRequest, Tensor
from twotier.gateway.turns import forget_in_turns, loads_in_turns
from twotier.gateway.versions import checked

__all__ = ["add", "example_request"]

_LENGTH = "Inference-Header-Content-Length"
_RESPONSE = ("model_name", "model_version", "outputs")
_PROBLEMS = (400, 404, 408, 413, 415, 422, 502, 503, 504)


def add(
    routes: Routes,
    families: Families,
    predicting: Mapping[str, Predicting],
    catalogue: Catalogue,
    lifecycle: Lifecycle,
    settings: GatewaySettings,
) -> None:
    """Add the routes."""

    async def server(request: Request) -> Response:
        return json_response({"name": "twotier", "version": __version__, "extensions": ["binary_tensor_data"]})

    async def live(request: Request) -> Response:
        return json_response({"live": True}, headers=NO_STORE)

    async def ready(request: Request) -> Response:
        verdict = assess(catalogue.sightings, families, lifecycle.draining)
        if not verdict.ready:
            raise UpstreamUnavailable(verdict.detail)
        return json_response({"ready": True}, headers=NO_STORE)

    async def model(request: Request) -> Response:
        family, version = _asked(request, families)
        info, _ = catalogue.latest()
        try:
            card = await catalogue.card(family.name, version or DEFAULT_ALIAS, deadline(request, settings.budget_ms))
        except UnknownVersion:
            if version is not None:
                raise
            raise UpstreamUnavailable(f"no version of {family.name} serves yet") from None
        known = info.families.get(family.name)
        specs = inference.inputs(family).values()
        gaps = [name for name in family.features if any(name in spec.gaps for spec in specs)]
        return json_response(
            {
                "name": family.name,
                "versions": [one.version for one in known.versions] if known else [],
                "platform": "scikit-learn",
                "inputs": [spec.describe() for spec in specs],
                "outputs": [spec.describe() for spec in inference.outputs(family).values()],
                # The protocol's parameters are single values, so lists go as texts of JSON.
                "parameters": {"classes": dumps(card.classes).decode(), "nan_is_missing": dumps(gaps).decode()},
            }
        )

    async def model_ready(request: Request) -> Response:
        family, version = _asked(request, families)
        verdict = assess(catalogue.sightings, [family.name], lifecycle.draining)
        if version is None and not verdict.ready or not any(one.status == "up" for one in verdict.dependencies):
            raise UpstreamUnavailable(verdict.detail)
        if version is not None:
            await catalogue.card(family.name, version, deadline(request, settings.budget_ms))
        return json_response({"name": family.name, "ready": True}, headers=NO_STORE)

    async def infer(request: Request) -> Response:
        until = deadline(request, settings.budget_ms)
        family, version = _asked(request, families)
        message, binary = _parts(request, await read_body(request, settings.max_body_bytes, until, taken=_is_taken))
        with CallerWaits(request) as timing:
            document = await loads_in_turns(message)
            asked = _read(document)
            predicting[family.name].check_count(_said(family, asked.inputs[0]))
            wanted = inference.wanted(family, asked)
            rows = inference.rows(family, asked, binary)
            answers = await predicting[family.name].answer(rows, Wish(version, wanted, key=sticky_key(request)), until, timing)
        message, binary = await inference.respond(family, asked.id, wanted, answers)
        await _forget(document, asked)
        if True not in wanted.values():
            return Response(message, 200, NO_STORE, "application/json")
        return Response(message + binary, 200, {**NO_STORE, _LENGTH: str(len(message))}, "application/octet-stream")

    model_parameter = parameter("model", "path", {"type": "string", "enum": list(families)}, "A family.", required=True)
    common: dict[str, Any] = {"tag": "inference protocol"}
    routes.get("/v2", server, summary="The server", responses={200: _object("It.", "name", "version", "extensions")}, **common)
    routes.get("/v2/health/live", live, summary="Whether it is alive", responses={200: _object("It is.", "live")}, **common)
    routes.get(
        "/v2/health/ready", ready, summary="Whether it can infer", responses={200: _object("It can.", "ready")}, problems=(503,), **common
    )
    described = _object("The model.", "name", "versions", "platform", "inputs", "outputs", "parameters")
    for path, parameters in (("/v2/models/{model}", []), ("/v2/models/{model}/versions/{version}", [VERSION_PARAMETER])):
        parameters = [model_parameter, *parameters]
        asking = common | {"parameters": parameters, "problems": (404, 422, 502, 503, 504)}
        routes.get(path, model, summary="A model's tensors", responses={200: described}, **asking)
        ready_answer = _object("It can.", "name", "ready")
        routes.get(f"{path}/ready", model_ready, summary="Whether a model can infer", responses={200: ready_answer}, **asking)
        tensors = _object("The tensors: all in JSON, or, where bytes were asked for, with their bytes behind it.", *_RESPONSE)
        tensors["content"]["application/octet-stream"] = {}
        routes.post(
            f"{path}/infer",
            infer,
            summary="Infer",
            parameters=parameters,
            body={
                "schema": routes.reference(InferRequest, "validation"),
                "examples": {family.name: {"summary": family.summary, "value": example_request(family)} for family in families.values()},
            },
            responses={200: tensors},
            problems=_PROBLEMS,
            **common,
        )


def _asked(request: Request, families: Families) -> tuple[Family, str | None]:
    family = families[request.path_params["model"]]
    return family, checked(family.name, request.path_params["version"]) if "version" in request.path_params else None


def _is_taken(kind: str) -> bool:
    # Triton's client names no type, or that of bytes.
    return kind in ("", "application/octet-stream") or is_json(kind)


def _parts(request: Request, body: bytes) -> tuple[bytes, bytes]:
    """The JSON, and the bytes behind it."""
    given = request.headers.get(_LENGTH)
    if given is None:
        return body, b""
    if not re.fullmatch("[0-9]{1,9}", given) or int(given) > len(body):
        raise InputRefused(f"{_LENGTH} must be how many bytes of the body are its JSON")
    return body[: int(given)], body[int(given):]


def _read(document: Any) -> InferRequest:
    try:
        return InferRequest.model_validate(document)
    except ValidationError as error:
        found = refusal(error, lambda *path: pointer(path), {})
        raise InputRefused("the request is not one of the inference protocol", found.faults, found.count) from None


def _said(family: Family, tensor: Tensor) -> int:
    """How many rows there are by the first tensor in JSON. What does not go together has a fault of its own, and is told that."""
    if not tensor.data or family.numeric and len(tensor.shape) != 2:
        return 1
    return min(tensor.shape[0], len(tensor.data))


async def _forget(document: dict[str, Any], asked: InferRequest) -> None:
    """Let go of the values, when all is written that is to be said of them. Both have a list of them, and the second one frees them."""
    for held in (*(tensor.get("data") for tensor in document["inputs"]), *(tensor.data for tensor in asked.inputs)):
        await forget_in_turns(held or [], 1)


def _object(description: str, *names: str) -> dict[str, Any]:
    return json_answer(description, {"type": "object", "required": list(names)})


def example_request(family: Family) -> dict[str, Any]:
    """A request for the family's first example."""
    row = {family.aliases.get(name, name): value for name, value in family.examples[0].row.items()}
    specs = inference.inputs(family)
    if family.numeric:
        return {"id": "1", "inputs": [specs["input"].describe() | _values([[row.get(name) for name in family.features]])]}
    cells = [(specs[name], value) for name, value in row.items() if value is not None]
    # A number may be told as text too, where the family takes that.
    texts = {"datatype": "BYTES"}
    return {"id": "1", "inputs": [spec.describe() | (texts if isinstance(cell, str) else {}) | _values([cell]) for spec, cell in cells]}


def _values(data: list[Any]) -> dict[str, Any]:
    return {"shape": [1, *(len(row) for row in data if isinstance(row, list))], "data": data}
