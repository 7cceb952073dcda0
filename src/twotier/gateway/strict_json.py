"""Bytes -> what JSON they are, with nothing let through that another reader might read otherwise; and back.

UTF-8 only and no byte order mark; no name given twice in one object; no NaN, Infinity or number beyond what a float holds; no half of a
surrogate pair; nothing after the value; nothing nested or long beyond what the interpreter takes. Refusals say where, and echo nothing.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from twotier.errors import Fault, InputUnreadable
from twotier.gateway.pointers import MAX_FAULTS, pointer

__all__ = ["dumps", "loads"]


class _Flawed(Exception):
    """Something was met that JSON readers disagree on; `_flaws` finds out where."""


class _Flaw:
    """Stands in the place of a value that must be refused."""

    def __init__(self, detail: str) -> None:
        self.detail = detail


_TWICE = _Flaw("a name is given twice in this object")
_NOT_FINITE = _Flaw("NaN and Infinity are not JSON")
_TOO_LARGE = _Flaw("this number is too large")
_HALF_PAIR = _Flaw("half of a surrogate pair stands here, which no encoding can carry")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Flawed
    return made


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Flawed
    return number


def _constant(_text: str) -> Any:
    raise _Flawed


_STRICT = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_float, parse_constant=_constant)

# Used only on bodies that are refused, to find where: the hooks of a decoder are not told.
_MARKING = json.JSONDecoder(
    object_pairs_hook=lambda pairs: made if len(made := dict(pairs)) == len(pairs) else _TWICE,
    parse_float=lambda text: number if math.isfinite(number := float(text)) else _TOO_LARGE,
    parse_constant=lambda _text: _NOT_FINITE,
)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

_MAX_VISITS = 200_000
"""How many values are looked at to say where a flaw is: a body of 32 MiB must not hold up the other callers for seconds."""


def loads(body: bytes) -> Any:
    """Read one JSON value. Raises InputUnreadable, with a pointer to the first flawed value if there is one to point at."""
    if body.startswith(codecs.BOM_UTF8):
        raise InputUnreadable("the body starts with a byte order mark: send UTF-8 without one")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputUnreadable(f"the body is not UTF-8 from byte {error.start} on") from None
    if not text or text.isspace():
        raise InputUnreadable("the body is empty: send JSON")
    try:
        try:
            value = _STRICT.decode(text)
            # Decoded UTF-8 holds no surrogates, so only an escape can have made one.
            if "\\ud" in text or "\\uD" in text:
                dumps(value)
        except (_Flawed, UnicodeEncodeError):
            # The strict decoder stopped at the flaw, so what comes behind it may be no JSON at all: that is told below, as of any body.
            raise _unreadable(_MARKING.decode(text)) from None
    except json.JSONDecodeError as error:
        raise InputUnreadable(f"the body is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise InputUnreadable("the body is nested too deeply") from None
    except ValueError:
        # The interpreter refuses to read thousands of digits as one integer.
        raise InputUnreadable("the body has an integer with too many digits") from None
    return value


def dumps(value: Any) -> bytes:
    """As compact UTF-8 JSON. Raises ValueError for what is not JSON: NaN, infinity, half of a surrogate pair."""
    return _ENCODER.encode(value).encode("utf-8")


def _unreadable(value: Any) -> InputUnreadable:
    faults = [Fault(pointer(path), inner.detail) for path, inner in islice(_walk(value), _MAX_VISITS) if isinstance(inner, _Flaw)]
    return InputUnreadable("the body is not JSON that every reader reads alike", faults[:MAX_FAULTS], len(faults))


def _walk(root: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value and its path. Iterative, since a body may be nested nearly as deep as the interpreter's stack."""
    todo: list[Iterator[tuple[tuple[str | int, ...], Any]]] = [iter([((), root)])]
    while todo:
        for path, value in todo[-1]:
            if isinstance(value, str) and _half_pair(value) or isinstance(value, dict) and any(map(_half_pair, value)):
                value = _HALF_PAIR
            yield path, value
            if isinstance(value, (dict, list)):
                todo.append(_inside(path, value))
                break
        else:
            todo.pop()


def _inside(path: tuple[str | int, ...], value: dict[str, Any] | list[Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    return (((*path, name), inner) for name, inner in (value.items() if isinstance(value, dict) else enumerate(value)))


def _half_pair(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
