"""`/docs`: the routes, to be read and tried in a browser. All that the page needs comes from here, so it works without the internet."""

from __future__ import annotations

from importlib.resources import files

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from twotier.gateway.openapi import Routes

__all__ = ["add"]

_SCRIPT, _STYLE, _ICON = _ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
_PACKAGE = "fastapi_offline"
"""Only the files of Swagger UI that it carries are used."""


def add(routes: Routes) -> None:
    """Add the page and its assets."""
    routes.hidden("/docs", page, "GET")
    routes.hidden("/docs/{asset}", asset, "GET")


async def page(request: Request) -> Response:
    """Describe every route."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="twotier",
        swagger_js_url=f"/docs/{_SCRIPT}",
        swagger_css_url=f"/docs/{_STYLE}",
        swagger_favicon_url=f"/docs/{_ICON}",
    )


async def asset(request: Request) -> Response:
    """Give a file that the page names."""
    name = request.path_params["asset"]
    if name not in _ASSETS:
        raise HTTPException(404)
    return FileResponse(str(files(_PACKAGE) / "static" / name), headers={"Cache-Control": "max-age=3600"})
