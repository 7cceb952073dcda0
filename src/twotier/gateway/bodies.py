"""What a caller sent, as bytes that may be read, and as the value of a schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from twotier.errors import Fault, InputRefused, InputTooLarge
from twotier.gateway.headers import header
from twotier.gateway.pointers import MAX_FAULTS, pointer
from twotier.gateway.strict_json import loads

__all__ = ["has_body", "is_json", "read_body", "read_order"]

_MAX_ORDER = 64 * 1024
"""Most bytes of a body that is no rows."""

_Order = TypeVar("_Order", bound=BaseModel)


def has_body(request: Request) -> bool:
    """Whether the caller sent one, by the headers."""
    return request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers


async def read_body(request: Request, most: int, taken: Callable[[str], bool] | None = None) -> bytes:
    """The body, if its content type is `taken` (by default: is JSON), and no longer than allowed: nothing beyond that is read."""
    if not (taken or is_json)(header(request, b"content-type") or "") or header(request, b"content-encoding") not in (None, "identity"):
        raise HTTPException(415, headers={"Accept": "application/json"})
    too_long = InputTooLarge(f"the body has more than {most} bytes: send the rows in several calls")
    if int(header(request, b"content-length") or 0) > most:
        raise too_long
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message["body"])
        size += len(chunks[-1])
        if size > most:
            raise too_long
        more = message["more_body"]
    return b"".join(chunks)


async def read_order(request: Request, schema: type[_Order]) -> _Order:
    """A body that is one object of a schema. Raises InputRefused, with a pointer to each fault."""
    sent = loads(await read_body(request, _MAX_ORDER))
    try:
        return schema.model_validate(sent, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[:MAX_FAULTS]
        faults = [Fault(pointer(each["loc"]), each["msg"].replace("Input should", "should", 1)) for each in found]
        raise InputRefused("the body breaks its schema", faults, error.error_count()) from None


def is_json(content_type: str) -> bool:
    """Whether it is that of JSON in UTF-8."""
    if content_type == "application/json":
        return True
    media, *parameters = content_type.lower().split(";")
    charsets = [value.strip().strip('"') for name, _, value in (one.partition("=") for one in parameters) if name.strip() == "charset"]
    return media.strip() == "application/json" and charsets in ([], ["utf-8"])
