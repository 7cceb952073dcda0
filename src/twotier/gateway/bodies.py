"""What a caller sent, as bytes that may be read, and as the value of a schema."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from twotier.errors import BodyTooSlow, Fault, InputRefused, InputTooLarge
from twotier.gateway.headers import header
from twotier.gateway.pointers import MAX_FAULTS, pointer
from twotier.gateway.strict_json import loads

__all__ = ["has_body", "is_json", "read_body", "read_order"]

_MAX_ORDER = 64 * 1024
"""Most bytes of a body that is no rows."""

_ORDER_SECONDS = 5.0
"""How long such a body may take to come. It has no deadline of its own, since what it orders may take longer than any prediction."""

_Order = TypeVar("_Order", bound=BaseModel)


def has_body(request: Request) -> bool:
    """Whether the caller sent one, by the headers."""
    return request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers


async def read_body(request: Request, most: int, until: float, taken: Callable[[str], bool] | None = None) -> bytes:
    """The body, if its content type is `taken` (by default: is JSON), and no longer than allowed: nothing beyond that is read.

    Raises BodyTooSlow if it has not all come at that time, which is `time.monotonic()`'s.
    """
    if not (taken or is_json)(header(request, b"content-type") or "") or header(request, b"content-encoding") not in (None, "identity"):
        raise HTTPException(415, headers={"Accept": "application/json"})
    too_long = InputTooLarge(f"the body has more than {most} bytes: send the rows in several calls")
    if int(header(request, b"content-length") or 0) > most:
        raise too_long
    chunks: list[bytes] = []
    cycle = getattr(request.receive, "__self__", None)
    if isinstance(cycle, RequestResponseCycle) and not cycle.more_body:
        # It came together with its head, as most do. To set a timer and take it back would cost three microseconds.
        await _receive(request, chunks, too_long, most)
        return b"".join(chunks)
    try:
        async with asyncio.timeout(until - time.monotonic()):
            await _receive(request, chunks, too_long, most)
    except TimeoutError:
        come = sum(map(len, chunks))
        raise BodyTooSlow(f"the body had not all come when the call's time was over: {come} bytes of it had") from None
    return b"".join(chunks)


async def _receive(request: Request, chunks: list[bytes], too_long: InputTooLarge, most: int) -> None:
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


async def read_order(request: Request, schema: type[_Order]) -> _Order:
    """A body that is one object of a schema. Raises InputRefused, with a pointer to each fault."""
    sent = loads(await read_body(request, _MAX_ORDER, time.monotonic() + _ORDER_SECONDS))
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
