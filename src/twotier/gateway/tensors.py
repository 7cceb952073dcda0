"""The tensors of the Open Inference Protocol, as JSON or, by its binary extension, as bytes behind it. What they mean is not known here.

A value keeps its place: whatever is found wrong with it is told by a pointer into the tensor as it was sent. The place of a value that was
sent in bytes is where it would stand in JSON.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import NoneType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from twotier.errors import Fault, InputRefused
from twotier.gateway.pointers import pointer
from twotier.gateway.rows import Path

__all__ = ["InferRequest", "Tensor", "Values", "refused", "to_bytes", "values"]

_TYPES: Mapping[str, set[type]] = {
    "BOOL": {bool},
    "INT32": {int},
    "INT64": {int},
    "FP32": {int, float},
    "FP64": {int, float},
    "BYTES": {str},
}
"""What JSON holds for a datatype, beside null: whether that is right, the row's schema says."""

_FORMATS: Mapping[str, str] = {"BOOL": "?", "INT32": "i", "INT64": "q", "FP32": "f", "FP64": "d"}
"""How `struct` reads one value."""

_UNFIT = "the tensors are not what the model takes"


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Tensor(_Message):
    """An input."""

    name: str
    shape: list[int] = Field(min_length=1, max_length=2)
    datatype: str
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = Field(
        default=None,
        description="A value that is missing, where it may be, is null; in bytes of FP64 or FP32, which hold no null, it is NaN.",
    )


class Wanted(_Message):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(_Message):
    """What is to be inferred."""

    id: str | None = Field(default=None, max_length=1000)
    model_name: str | None = Field(default=None, description="Passed over: the path has it. Some clients send it along.")
    parameters: dict[str, Any] | None = None
    inputs: list[Tensor] = Field(min_length=1)
    outputs: list[Wanted] | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """A tensor's values in row-major order."""

    path: Path
    """Where the tensor stands."""

    values: Sequence[Any]

    width: int | None
    """How many values each list within its list has, if it has such."""

    def place(self, at: int) -> Path:
        """Where a value stands."""
        return (*self.path, "data", *((at,) if self.width is None else divmod(at, self.width)))


def refused(detail: str, *path: str | int) -> InputRefused:
    """What is wrong with a request, and where."""
    return InputRefused(_UNFIT, [Fault(pointer(path), detail)])


def values(request: InferRequest, binary: bytes) -> list[Values]:
    """The values of each input; `binary` is what came behind the JSON. Raises InputRefused."""
    made = []
    begin = 0
    for at, tensor in enumerate(request.inputs):
        if tensor.datatype not in _TYPES:
            raise refused(f"must be one of {', '.join(_TYPES)}", "inputs", at, "datatype")
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is None:
            made.append(_from_json(tensor, ("inputs", at)))
            continue
        if type(size) is not int or not 0 <= size <= len(binary) - begin or tensor.data is not None:
            raise refused("must be how many of the bytes behind the JSON are this tensor's", "inputs", at, "parameters", "binary_data_size")
        width = tensor.shape[1] if len(tensor.shape) == 2 and tensor.shape[1] > 0 else None
        made.append(Values(("inputs", at), _from_bytes(tensor, binary[begin:begin + size], ("inputs", at)), width))
        begin += size
    if begin != len(binary):
        raise refused("there are more bytes behind the JSON than its tensors have")
    return made


def _from_json(tensor: Tensor, path: Path) -> Values:
    if tensor.data is None:
        raise refused("must be there, or the parameter binary_data_size instead of it", *path, "data")
    flat, width = tensor.data, None
    if any(isinstance(inner, list) for inner in flat):
        width = tensor.shape[1] if len(tensor.shape) == 2 else 0
        odd = next((at for at, inner in enumerate(flat) if not isinstance(inner, list) or len(inner) != width), None)
        if odd is not None or len(flat) != tensor.shape[0]:
            raise refused("must be of the tensor's shape", *path, "data", *([] if odd is None else [odd]))
        flat = list(chain.from_iterable(flat))
    made = Values(path, flat, width)
    if min(tensor.shape) < 0 or len(flat) != math.prod(tensor.shape):
        raise refused("must go with the number of values", *path, "shape")
    types = _TYPES[tensor.datatype] | {NoneType}
    if not set(map(type, flat)) <= types:
        odd = next(at for at, value in enumerate(flat) if type(value) not in types)
        raise refused(f"must be of the tensor's datatype, {tensor.datatype}", *made.place(odd))
    return made


def _from_bytes(tensor: Tensor, data: bytes, path: Path) -> Sequence[Any]:
    """Values out of bytes: little-endian, texts after their length. Raises InputRefused."""
    count = math.prod(tensor.shape)
    if tensor.datatype == "BYTES":
        texts = _texts(data)
        if texts is None:
            raise refused("must be texts in UTF-8, each behind its length in four bytes", *path)
        if min(tensor.shape) >= 0 and count == len(texts):
            return texts
    elif min(tensor.shape) >= 0 and len(data) == struct.calcsize("<" + _FORMATS[tensor.datatype]) * count:
        return struct.unpack(f"<{count}{_FORMATS[tensor.datatype]}", data)
    raise refused("must go with the number of bytes", *path, "shape")


def _texts(data: bytes) -> list[str] | None:
    texts = []
    begin = 0
    while begin < len(data):
        end = begin + 4 + int.from_bytes(data[begin:begin + 4], "little")
        if end > len(data) or begin + 4 > len(data):
            return None
        try:
            texts.append(data[begin + 4:end].decode())
        except UnicodeDecodeError:
            return None
        begin = end
    return texts


def to_bytes(datatype: str, flat: Sequence[Any]) -> bytes:
    """Bytes out of values."""
    if datatype != "BYTES":
        return struct.pack(f"<{len(flat)}{_FORMATS[datatype]}", *flat)
    texts = [text.encode() for text in flat]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
