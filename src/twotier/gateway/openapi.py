"""Routes that describe themselves exactly. Endpoints take a request and give a response, so FastAPI is told what they read and answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import request_response
from starlette.types import ASGIApp

from twotier.errors import ConfigurationError
from twotier.gateway.problems import Problem, media_type
from twotier.gateway.versions import PATTERN

__all__ = ["VERSION_PARAMETER", "Described", "Routes", "json_answer", "parameter"]

_REFERENCE = "#/components/schemas/{model}"

_PROBLEMS: Mapping[int, str] = {
    400: "The body is not acceptable JSON.",
    403: "A page of another site may not have this done.",
    404: "There is nothing of that name.",
    408: "The body had not all come when the call's time was over.",
    409: "It cannot be done as things stand.",
    413: "The body has too many bytes.",
    415: "The media type is not application/json in UTF-8.",
    421: "Several gateways share this port, and each has metrics of its own.",
    422: "The input breaks its schema; `errors` points at the cells.",
    501: "It is not offered here.",
    502: "The model server's answer is not valid.",
    503: "The server behind the gateway is not available, or the version may not serve.",
    504: "No answer within the budget.",
}


class _Direct(APIRoute):
    """A route whose endpoint is called with the request and nothing else: there are no dependencies to solve or to end."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **description: Any) -> None:
        super().__init__(path, endpoint, **description)
        self.app = request_response(endpoint)


class Described(FastAPI):
    """An application whose OpenAPI document has the schemas that its routes refer to."""

    schemas: Callable[[], dict[str, Any]] = dict

    def build_middleware_stack(self) -> ASGIApp:
        """Starlette's. What FastAPI adds serves dependencies, its own telemetry and its own limit of bodies, of which there is none."""
        return Starlette.build_middleware_stack(self)

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        made = super().openapi()
        made.setdefault("components", {}).setdefault("schemas", self.schemas())
        return made


class Routes:
    """Adds routes to an application, and keeps the models that their descriptions refer to."""

    def __init__(self, app: Described) -> None:
        self._app = app
        self._models: dict[str, tuple[type[BaseModel], JsonSchemaMode]] = {}
        app.router.route_class = _Direct
        app.schemas = self._schemas
        self.reference(Problem)

    def reference(self, model: type[BaseModel], mode: JsonSchemaMode = "serialization") -> dict[str, Any]:
        """A schema that refers to a model. Raises ConfigurationError if another model has its name."""
        if self._models.setdefault(model.__name__, (model, mode)) != (model, mode):
            raise ConfigurationError(f"two families have a class called {model.__name__}: rename one of them")
        return {"$ref": _REFERENCE.format(model=model.__name__)}

    def get(self, path: str, endpoint: Callable[[Request], Awaitable[Response]], **description: Any) -> None:
        """Add a route to read from; see `_operation` for its description."""
        self._add(path, endpoint, "GET", **description)

    def post(self, path: str, endpoint: Callable[[Request], Awaitable[Response]], **description: Any) -> None:
        """Add a route to send to; see `_operation` for its description."""
        self._add(path, endpoint, "POST", **description)

    def put(self, path: str, endpoint: Callable[[Request], Awaitable[Response]], **description: Any) -> None:
        """Add a route to put to; see `_operation` for its description."""
        self._add(path, endpoint, "PUT", **description)

    def delete(self, path: str, endpoint: Callable[[Request], Awaitable[Response]], **description: Any) -> None:
        """Add a route to delete by; see `_operation` for its description."""
        self._add(path, endpoint, "DELETE", **description)

    def hidden(self, path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str = "POST") -> None:
        """Add a route that is not described."""
        self._app.add_api_route(path, endpoint, methods=[method], include_in_schema=False, response_class=Response)

    def _add(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        method: str,
        *,
        summary: str,
        tag: str,
        instead: str | None = None,
        **description: Any,
    ) -> None:
        """`instead` says what to use rather than a route that is deprecated."""
        operation = _operation(media_type(path), **description) | ({"description": instead, "deprecated": True} if instead else {})
        self._app.add_api_route(
            path, endpoint, methods=[method], summary=summary, tags=[tag], response_class=Response, openapi_extra=operation
        )

    def _schemas(self) -> dict[str, Any]:
        _, made = models_json_schema(list(self._models.values()), ref_template=_REFERENCE)
        schemas: dict[str, Any] = made["$defs"]
        return schemas


def _operation(
    failing: str,
    *,
    responses: Mapping[int, dict[str, Any]],
    problems: Sequence[int] = (),
    parameters: Sequence[dict[str, Any]] = (),
    body: dict[str, Any] | None = None,
    body_required: bool = True,
    not_modified: bool = False,
) -> dict[str, Any]:
    """What an operation reads and answers, and the media type by which it fails. Any may also end in 500, the gateway's own fault."""
    answers = {str(status): answer for status, answer in responses.items()}
    if not_modified:
        answers["304"] = {"description": "It is the same still."}
    answers |= {str(status): _problem(failing, _PROBLEMS[status]) for status in problems}
    answers["500"] = _problem(failing, "The gateway failed.")
    if "503" in answers:
        answers["503"]["headers"] = {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}}}
    made: dict[str, Any] = {"parameters": list(parameters), "responses": answers}
    if body is not None:
        made["requestBody"] = {"required": body_required, "content": {"application/json": body}}
    return made


def _problem(media_type: str, description: str) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": {"$ref": _REFERENCE.format(model=Problem.__name__)}}}}


def json_answer(description: str, schema: dict[str, Any], examples: dict[str, Any] | None = None) -> dict[str, Any]:
    """A response of JSON."""
    content = {"schema": schema} | ({"examples": examples} if examples else {})
    return {"description": description, "content": {"application/json": content}}


def parameter(name: str, place: str, schema: dict[str, Any], description: str, required: bool = False) -> dict[str, Any]:
    """A parameter in the `path`, the `query` or a `header`."""
    return {"name": name, "in": place, "required": required, "description": description, "schema": schema}


VERSION_PARAMETER = parameter(
    "version",
    "path",
    {"type": "string", "pattern": PATTERN},
    "A version such as `log_reg_1`, or an alias such as `champion`.",
    required=True,
)
