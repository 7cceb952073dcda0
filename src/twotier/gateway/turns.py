"""The work on many rows, done in turns: whoever has one row waits for a moment's work on them, and not for all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from itertools import islice
from secrets import token_hex
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

_OF_NUMBERS = b"0123456789+-.eE, \t\r\n[]" + b"nulltruefalse"
"""What a list of numbers, of gaps, of yes and no, or of lists of them, consists of."""

_NESTED = re.compile(rb"\[\s*\[")

_LISTS = 1000
"""How many lists are looked at for being such, and long: a tensor has two, and a family that takes columns has one tensor for each."""

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
    """Read JSON as `strict_json.loads` does; what is long and well-formed is read piece by piece. Raises InputUnreadable.

    Read so are a list or object of objects, and long lists of numbers or of lists of them, wherever they stand.
    """
    if len(body) > _BYTES:
        try:
            text = body.strip(b" \t\r\n")
            # To look for lists in a row of a hundred tensors would take half as long as reading it.
            return await (_loads_lists(text) if len(text) > 8 * _BYTES else _loads_pieces(text))
        except InputUnreadable:
            # Some piece cannot be read, be it that it was cut at the wrong place. Read as a whole, it is said where.
            pass
    return loads(body)


async def _loads_lists(text: bytes) -> Any:
    """Take out the long lists of numbers, read each by itself, and put it in the place that was marked for it.

    What looks like such a list may be a part of a string. There the mark, which is a string, makes the string end too early, which is no
    JSON, or is no value of its own, which is seen when the lists are put in.
    """
    mark = token_hex(8)
    lists: dict[str, list[Any]] = {}
    kept: list[bytes] = []
    done = end = taken = 0
    for _ in range(_LISTS):
        begin = text.find(b"[", end)
        if begin < 0:
            break
        if text[begin:begin + _BYTES // 32].translate(None, _OF_NUMBERS):
            # Most lists are short or of something else, and a glance tells.
            end = begin + 1
            continue
        end = await _end_of_numbers(text, begin)
        if end - begin > _BYTES:
            stop = text.rfind(b"]", begin, end) + 1
            nested = _NESTED.match(text, begin) is not None
            name = f"{mark}{len(lists)}"
            lists[name] = await _loads_pieces(text[begin:stop], b"]," if nested else b",")
            kept += [text[done:begin], dumps(name)]
            taken += stop - begin
            done = stop
    if 2 * taken < len(text):
        # What is left is most of it, and would be read at once.
        return await _loads_pieces(text)
    holder = [loads(b"".join([*kept, text[done:]]))]
    await _put_in(holder, lists)
    return holder[0]


async def _end_of_numbers(text: bytes, begin: int) -> int:
    """Where what may be a list of numbers meets what cannot be in one."""
    while window := text[begin:begin + _BYTES]:
        if other := window.translate(None, _OF_NUMBERS):
            return begin + window.index(other[:1])
        begin += len(window)
        await asyncio.sleep(0)
    return begin


async def _put_in(holder: list[Any], lists: dict[str, list[Any]]) -> None:
    """Put each list where its name stands as a value. Raises InputUnreadable if one stands nowhere."""
    todo: list[list[Any] | dict[str, Any]] = [holder]
    while todo and lists:
        inside: Any = todo.pop()
        for at, value in inside.items() if isinstance(inside, dict) else enumerate(inside):
            if isinstance(value, str) and value in lists:
                inside[at] = lists.pop(value)
            elif isinstance(value, (list, dict)):
                todo.append(value)
        if len(inside) > _CELLS:
            await asyncio.sleep(0)
    if lists:
        raise InputUnreadable("what looked like a list is none")


async def _loads_pieces(text: bytes, behind: bytes = b"},") -> Any:
    """Cut a list or object of objects behind some of them, and read each piece as a list or object of its own.

    A cut at a wrong place, inside a string or a nested value, leaves the piece before it without its end, so it cannot be read as anything.
    A list of others is cut `behind` what ends each of them.
    """
    opening, closing = text[:1], _CLOSING.get(text[:1], b"")
    if not closing or not text.endswith(closing):
        raise InputUnreadable("it is neither a list nor an object")
    read: list[Any] = []
    start, end = 1, len(text) - 1
    while start <= end:
        cut = text.find(behind, start + _BYTES, end)
        stop = end if cut < 0 else cut + len(behind) - 1
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
        if items:
            await asyncio.sleep(0)


def _many(width: int, cells: int = _CELLS) -> int:
    """How many items of so many cells are done in one turn."""
    return max(1, cells // width)
