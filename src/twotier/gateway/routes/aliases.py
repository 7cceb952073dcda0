"""`/models/{family}/aliases/{alias}`: where an alias points, who moved it there, and how it is promoted or rolled back."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from twotier.errors import UnknownVersion
from twotier.families import Families
from twotier.gateway.answers import json_response
from twotier.gateway.bodies import read_order
from twotier.gateway.openapi import Routes, json_answer, parameter
from twotier.gateway.upstream import Upstream
from twotier.gateway.versions import PATTERN, is_name
from twotier.wire import Alias, Move

__all__ = ["MoveWish", "add"]

_TEXT = r"^[^\x00-\x1f\x7f]*$"
"""One line: it is kept in the ledger for good, and shown to whoever asks who did what."""


class MoveWish(BaseModel):
    """Which version an alias is to point at, and for the record, who wants that and why."""

    model_config = ConfigDict(extra="forbid")

    version: str = Field(pattern=PATTERN, description="A version such as `log_reg_2`, or another alias.")
    who: str = Field(default="somebody over HTTP", min_length=1, max_length=100, pattern=_TEXT)
    why: str = Field(default="", max_length=500, pattern=_TEXT)
    expected: str | None = Field(
        default=None, pattern=PATTERN, description="The version that it points at now, if the move depends on that: else 409."
    )


def add(routes: Routes, families: Families, upstream: Upstream, budget_seconds: float) -> None:
    """Add the routes."""

    def named(request: Request) -> tuple[str, str]:
        family, alias = families[request.path_params["family"]].name, request.path_params["alias"]
        if not is_name(alias):
            raise UnknownVersion(f"{family} has no alias of that name: GET /models/{family} lists them")
        return family, alias

    async def show(request: Request) -> Response:
        return _answer(await upstream.alias(*named(request), time.monotonic() + budget_seconds))

    async def move(request: Request) -> Response:
        family, alias = named(request)
        wish = await read_order(request, MoveWish)
        order = Move(family=family, alias=alias, **wish.model_dump())
        return _answer(await upstream.move(order, time.monotonic() + budget_seconds))

    path = "/models/{family}/aliases/{alias}"
    common: dict[str, Any] = {
        "tag": "models",
        "parameters": [
            parameter("family", "path", {"type": "string", "enum": list(families)}, "A family.", required=True),
            parameter("alias", "path", {"type": "string", "pattern": PATTERN}, "`champion`, `challenger`, …", required=True),
        ],
        "responses": {200: json_answer("Where it points, and its history.", routes.reference(Alias))},
    }
    routes.get(path, show, summary="Where an alias points, and who moved it there", problems=(404, 502, 503, 504), **common)
    routes.put(
        path,
        move,
        summary="Promote a version, or roll back",
        body={
            "schema": routes.reference(MoveWish, "validation"),
            "examples": {"promote": {"value": {"version": "log_reg_2", "who": "Ada", "why": "better on small petals"}}},
        },
        problems=(400, 404, 408, 409, 413, 415, 422, 502, 503, 504),
        **common,
    )


def _answer(alias: Alias) -> Response:
    return json_response(alias.model_dump(mode="json"), headers={"Cache-Control": "no-store"})
