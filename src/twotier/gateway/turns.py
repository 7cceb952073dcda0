"""The work on many rows, done in turns: whoever has one row waits for a moment's work on them, and not for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from twotier.errors import InputUnreadable
from twotier.gateway.strict_json import dumps, loads

__all__ = ["dumps_in_turns", "forget_in_turns", "loads_in_turns", "map_in_turns"]

_CELLS = 100
_BYTES = 2 * 1024
"""What is done before other callers get their turn: a fraction of a millisecond's work."""

_CELLS_FORGOTTEN = 10 * _CELLS
"""To let go of a value costs a tenth of reading or writing it."""

_PIECE = 256 * 1024
"""Bytes of an answer that are sent together: to put a long one together and send it as one takes longer than any other turn."""

_CLOSING = {b"[": b"]", b"{": b"}"}

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


async def map_in_turns(function: Callable[[_Item], _Made], items: Iterable[_Item], width: int) -> list[_Made]:
    """What a function makes of items of so many cells each, with a turn for others now and then."""
    left, many = iter(items), _many(width)
    made = [function(item) for item in islice(left, many)]
    while batch := list(islice(left, many)):
        await asyncio.sleep(0)
        made.extend(map(function, batch))
    return made


async def loads_in_turns(body: bytes) -> Any:
    """Read JSON as `strict_json.loads` does; what is long and well-formed is read piece by piece. Raises InputUnreadable."""
    if len(body) > _BYTES:
        try:
            return await _loads_pieces(body.strip(b" \t\r\n"))
        except InputUnreadable:
            # Some piece cannot be read, be it that it was cut at the wrong place. Read as a whole, it is said where.
            pass
    return loads(body)


async def _loads_pieces(text: bytes) -> Any:
    """Cut a list or object of objects behind some of them, and read each piece as a list or object of its own.

    A cut at a wrong place, inside a string or a nested value, leaves the piece before it without its end, so it cannot be read as anything.
    """
    opening, closing = text[:1], _CLOSING.get(text[:1], b"")
    if not closing or not text.endswith(closing):
        raise InputUnreadable("it is neither a list nor an object")
    read: list[Any] = []
    start, end = 1, len(text) - 1
    while start <= end:
        cut = text.find(b"},", start + _BYTES, end)
        stop = end if cut < 0 else cut + 1
        piece = loads(opening + text[start:stop] + closing)
        if not piece:
            raise InputUnreadable("there is a comma with nothing behind it")
        read.extend(piece.items() if isinstance(piece, dict) else piece)
        start = stop + 1
        await asyncio.sleep(0)
    if opening == b"[":
        return read
    made = dict(read)
    if len(made) < len(read):
        raise InputUnreadable("a name is given twice")
    return made


async def dumps_in_turns(items: Iterable[Any], kind: type[list[Any]] | type[dict[str, Any]], width: int) -> list[bytes]:
    """Write a list of items, or an object of pairs, of so many cells each, as `strict_json.dumps` does, but in pieces.

    Raises ValueError for what is not JSON.
    """
    whole, left = dumps(kind()), iter(items)
    pieces: list[bytes] = []
    piece = bytearray(whole[:1])
    first = True
    while batch := list(islice(left, _many(width))):
        if not first:
            await asyncio.sleep(0)
            piece += b","
        first = False
        piece += dumps(kind(batch))[1:-1]
        if len(piece) > _PIECE:
            pieces.append(bytes(piece))
            piece.clear()
    piece += whole[1:]
    return [*pieces, bytes(piece)]


async def forget_in_turns(items: list[Any] | dict[str, Any], width: int) -> None:
    """Empty what nobody needs any more: a million values that are let go of together hold up everybody for as long as a hundred calls."""
    many = _many(width, _CELLS_FORGOTTEN)
    while items:
        if isinstance(items, list):
            del items[-many:]
        else:
            for _ in range(min(many, len(items))):
                items.popitem()
        await asyncio.sleep(0)


def _many(width: int, cells: int = _CELLS) -> int:
    """How many items of so many cells are done in one turn."""
    return max(1, cells // width)
