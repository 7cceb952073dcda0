"""`/models`: the families, what serves of each, and the versions' cards. All with an ETag."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from twotier.families import Families
from twotier.family import Family
from twotier.gateway.answers import tagged_response
from twotier.gateway.catalogue import Catalogue
from twotier.gateway.comparison import Comparison
from twotier.gateway.openapi import VERSION_PARAMETER, Routes, json_answer, parameter
from twotier.gateway.strict_json import dumps
from twotier.gateway.versions import checked
from twotier.wire import AliasInfo, Card, Info, VersionInfo

__all__ = ["FamilyPage", "ModelsPage", "add"]


class FamilyPage(BaseModel):
    """One family: what it is, and what there is of it."""

    name: str
    summary: str
    features: list[str] = Field(description="In feature order.")
    aliases: dict[str, AliasInfo]
    versions: list[VersionInfo] = Field(description="Newest first.")
    comparison: Comparison | None = Field(description="Of the champion and the challenger, if GATEWAY_SHADOW has them compared.")


class ModelsPage(BaseModel):
    """Every family, without what the gates found."""

    families: dict[str, FamilyPage]


_UNLISTED: Any = {"families": {"__all__": {"versions": {"__all__": {"gate_findings"}}}}}
"""What the page of one family has and that of all does not: of many versions it would be most of it."""


def add(
    routes: Routes, families: Families, catalogue: Catalogue, budget_seconds: float, comparison: Callable[[str], Comparison | None]
) -> None:
    """Add the routes. `comparison` tells what came of a family's."""

    def page(family: Family, info: Info) -> FamilyPage:
        known = info.families.get(family.name)
        return FamilyPage(
            name=family.name,
            summary=family.summary,
            features=list(family.features),
            aliases=known.aliases if known else {},
            versions=known.versions if known else [],
            comparison=comparison(family.name),
        )

    def answer(request: Request, value: BaseModel, age: float, unlisted: Any = None) -> Response:
        return tagged_response(request, dumps(value.model_dump(mode="json", exclude=unlisted)), {"Age": str(int(age))})

    async def list_all(request: Request) -> Response:
        info, age = catalogue.latest()
        return answer(request, ModelsPage(families={name: page(family, info) for name, family in families.items()}), age, _UNLISTED)

    async def show_family(request: Request) -> Response:
        family = families[request.path_params["family"]]
        info, age = catalogue.latest()
        return answer(request, page(family, info), age)

    async def show_version(request: Request) -> Response:
        family = families[request.path_params["family"]]
        version = checked(family.name, request.path_params["version"])
        card = await catalogue.card(family.name, version, time.monotonic() + budget_seconds)
        return tagged_response(request, dumps(card.model_dump(mode="json")), {})

    named: dict[str, Any] = parameter("family", "path", {"type": "string", "enum": list(families)}, "A family.", required=True)
    tagged = parameter("If-None-Match", "header", {"type": "string"}, "The ETag that you have: 304 if it is the same still.")
    common: dict[str, Any] = {"tag": "models", "not_modified": True}
    routes.get(
        "/models",
        list_all,
        summary="What serves",
        parameters=[tagged],
        responses={200: json_answer("Every family.", routes.reference(ModelsPage))},
        problems=(503,),
        **common,
    )
    routes.get(
        "/models/{family}",
        show_family,
        summary="What serves of one family",
        parameters=[named, tagged],
        responses={200: json_answer("The family.", routes.reference(FamilyPage))},
        problems=(404, 503),
        **common,
    )
    routes.get(
        "/models/{family}/versions/{version}",
        show_version,
        summary="A version's card",
        parameters=[named, VERSION_PARAMETER, tagged],
        responses={200: json_answer("The card.", routes.reference(Card))},
        problems=(404, 502, 503, 504),
        **common,
    )
