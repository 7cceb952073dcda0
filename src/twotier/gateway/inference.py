"""What the tensors of the Open Inference Protocol mean for a family: rows in, fields of answers out. Pure.

A family whose features are all numbers takes one matrix of them; any other takes one tensor per feature, by its name. Each field of an
answer that is a value, or numbers by name, is a tensor by its name. Bytes hold no null, so NaN says that a number is missing where it may
be; elsewhere it is as bad a number as on any other route.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import chain
from types import NoneType
from typing import Any, Literal, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from twotier.errors import UpstreamInvalid
from twotier.family import Family
from twotier.gateway.pointers import clean
from twotier.gateway.rows import Path, Rows, Shape
from twotier.gateway.strict_json import dumps
from twotier.gateway.tensors import InferRequest, Tensor, Values, refused, to_bytes, values
from twotier.gateway.turns import dumps_in_turns

__all__ = ["Spec", "inputs", "outputs", "respond", "rows", "wanted"]

_DATATYPES: Mapping[str, tuple[str, ...]] = {
    "number": ("FP64", "FP32", "INT64", "INT32"),
    "integer": ("INT64", "INT32"),
    "boolean": ("BOOL",),
    "string": ("BYTES",),
}
"""Type in JSON Schema -> the datatypes that such values may come in; they go in the first."""


@dataclass(frozen=True, slots=True)
class Spec:
    """How a tensor looks. In its shape, -1 stands for what is known only with its values."""

    name: str
    datatypes: tuple[str, ...]
    shape: tuple[int, ...] = (-1,)
    gaps: frozenset[str] = frozenset()
    """The features in it of which NaN says that they are missing."""

    def describe(self) -> dict[str, Any]:
        """As metadata."""
        return {"name": self.name, "datatype": self.datatypes[0], "shape": list(self.shape)}


def inputs(family: Family) -> dict[str, Spec]:
    """The tensors that a family takes, by name."""
    if family.numeric:
        gaps = frozenset(name for name, info in _fields(family).items() if NoneType in get_args(info.annotation))
        return {"input": Spec("input", _DATATYPES["number"], (-1, len(family.features)), gaps)}
    schema = _schema(family.row, "validation")
    made = {}
    for name, each in schema["properties"].items():
        kinds = {one.get("type") for one in _alternatives(schema, each)}
        # What JSON Schema does not tell can only be told by texts.
        made[name] = Spec(name, _datatypes(kinds) or _DATATYPES["string"], gaps=frozenset([name] if {"number", "null"} <= kinds else []))
    return made


def outputs(family: Family) -> dict[str, Spec]:
    """The tensors that a family answers, by name."""
    schema = _schema(family.answer, "serialization")
    made = {}
    for name, each in schema["properties"].items():
        alternatives = list(_alternatives(schema, each))
        if any(one.get("additionalProperties") == {"type": "number"} for one in alternatives):
            made[name] = Spec(name, _DATATYPES["number"], (-1, -1))
        elif datatypes := _datatypes({one.get("type") for one in alternatives}):
            made[name] = Spec(name, datatypes)
    return made


@cache
def _schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Mapping[str, Any]:
    # Of a hundred columns it takes longer to make than all the rest of a call.
    return model.model_json_schema(mode=mode)


def _fields(family: Family) -> Mapping[str, FieldInfo]:
    """The fields of a row by what callers call them."""
    return dict(zip(family.features, family.row.model_fields.values(), strict=True))


def _datatypes(kinds: Set[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(datatypes for kind, datatypes in _DATATYPES.items() if kind in kinds)))


def _alternatives(schema: Mapping[str, Any], field: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas of what a field may be; those of types with a name of their own are among the definitions."""
    if "$ref" in field:
        yield from _alternatives(schema, schema["$defs"][field["$ref"].rpartition("/")[2]])
    elif "anyOf" in field:
        for one in field["anyOf"]:
            yield from _alternatives(schema, one)
    else:
        yield field


def rows(family: Family, request: InferRequest, binary: bytes) -> Rows:
    """The rows that the tensors hold. Raises InputRefused."""
    made = values(request, binary)
    return _of_matrix(family, request.inputs, made) if family.numeric else _of_columns(family, request.inputs, made)


def _of_matrix(family: Family, tensors: list[Tensor], made: list[Values]) -> Rows:
    if len(tensors) != 1:
        raise refused("must be one tensor, a matrix with a row for each row", "inputs")
    # Clients call it all sorts of names, and there is no other.
    (tensor,), (matrix,), (spec,), width = tensors, made, inputs(family).values(), len(family.features)
    _check_datatype(0, tensor, spec)
    if len(tensor.shape) != 2 or tensor.shape[1] != width:
        raise refused(f"must be [rows, {width}], for {', '.join(family.features)}", "inputs", 0, "shape")
    integers = [name for name, info in _fields(family).items() if info.annotation in (int, int | None)]

    def row(values: Sequence[Any]) -> dict[str, Any]:
        named = dict(zip(family.features, values, strict=True))
        named |= {name: None for name in spec.gaps if named[name] != named[name]}
        # All of a matrix is of one datatype, so whole numbers may come as floats.
        return named | {name: int(named[name]) for name in integers if isinstance(named[name], float) and named[name].is_integer()}

    def place(index: int, inner: Path) -> Path:
        return matrix.place(index * width + sum(family.features.index(str(name)) for name in inner[:1]))

    items = (row(matrix.values[at:at + width]) for at in range(0, len(matrix.values), width))
    return Rows(Shape.LIST, items, tensor.shape[0], place=place)


def _of_columns(family: Family, tensors: list[Tensor], made: list[Values]) -> Rows:
    specs = inputs(family)
    columns: dict[str, Values] = {}
    count = tensors[0].shape[0]
    for at, (tensor, column) in enumerate(zip(tensors, made, strict=True)):
        if tensor.name not in specs:
            near = difflib.get_close_matches(clean(tensor.name), specs, n=1)
            raise refused(f"is no feature; did you mean {near[0]}?" if near else "is no feature", "inputs", at, "name")
        if tensor.name in columns:
            raise refused("is given twice", "inputs", at, "name")
        _check_datatype(at, tensor, specs[tensor.name])
        if tensor.shape not in ([count], [count, 1]):
            raise refused(f"must be [{count}] or [{count}, 1], with as many rows as the first tensor", "inputs", at, "shape")
        columns[tensor.name] = column
    missing = [name for name, info in _fields(family).items() if info.is_required() and name not in columns]
    if missing:
        raise refused(f"must have a tensor for each feature, and has none for {', '.join(missing[:10])}", "inputs")
    first = made[0]
    gaps = [name for name in columns if specs[name].gaps]

    def row(values: Sequence[Any]) -> dict[str, Any]:
        named = dict(zip(columns, values, strict=True))
        return named | {name: None for name in gaps if named[name] != named[name]}

    # Made while they are read, which is done in turns.
    items = map(row, zip(*(column.values for column in columns.values()), strict=True))
    return Rows(Shape.LIST, items, count, place=lambda index, inner: (columns[str(inner[0])] if inner else first).place(index))


def _check_datatype(at: int, tensor: Tensor, spec: Spec) -> None:
    if tensor.datatype not in spec.datatypes:
        raise refused(f"must be {' or '.join(spec.datatypes)}", "inputs", at, "datatype")


def wanted(family: Family, request: InferRequest) -> dict[str, bool]:
    """The names of the outputs that are asked for, by default all, and whether each is to go in bytes. Raises InputRefused."""
    specs = outputs(family)
    binary = (request.parameters or {}).get("binary_data_output") is True
    if not request.outputs:
        return dict.fromkeys(specs, binary)
    made = {}
    for at, output in enumerate(request.outputs):
        parameters = output.parameters or {}
        if output.name not in specs:
            raise refused(f"is no output; there are: {', '.join(specs)}", "outputs", at, "name")
        if unknown := {"classification", "shared_memory_region"} & parameters.keys():
            raise refused("is not offered here", "outputs", at, "parameters", *unknown)
        made[output.name] = parameters.get("binary_data", binary) is True
    return made


async def respond(
    family: Family, identity: str | None, wanted: Mapping[str, bool], answers: list[dict[str, Any]]
) -> tuple[bytes, bytes]:
    """The response to a request of that id, as JSON and the bytes behind it, written in turns. Raises UpstreamInvalid."""
    specs = outputs(family)
    behind = b""
    tensors: list[bytes] = []
    for name, binary in wanted.items():
        tensor, flat = _tensor(specs[name], [answer[name] for answer in answers])
        if binary:
            data = to_bytes(tensor["datatype"], flat)
            tensor["parameters"] = {**tensor.get("parameters", {}), "binary_data_size": len(data)}
            behind += data
            tensors.append(dumps(tensor))
        else:
            tensors.append(b"".join([dumps(tensor)[:-1], b',"data":', *await _written(flat), b"}"]))
    named = {} if identity is None else {"id": identity}
    head = dumps({"model_name": family.name, "model_version": answers[0]["model_name"], **named})
    return b'%s,"outputs":[%s]}' % (head[:-1], b",".join(tensors)), behind


async def _written(flat: list[Any]) -> list[bytes]:
    try:
        return await dumps_in_turns(flat, list, 1)
    except ValueError:
        # A field that its family types loosely may have let a NaN of the model server's through.
        raise UpstreamInvalid("the model server's answer is not finite") from None


def _tensor(spec: Spec, fields: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    """A tensor without its values, and they in row-major order."""
    made: dict[str, Any] = {"name": spec.name, "datatype": spec.datatypes[0], "shape": [len(fields)]}
    if None in fields:
        raise UpstreamInvalid(f"some answers have no {spec.name}, so they make no tensor")
    if len(spec.shape) == 1:
        return made, fields
    names = list(fields[0])
    if any(list(field) != names for field in fields):
        raise UpstreamInvalid(f"not all answers' {spec.name} are of the same names, so they make no tensor")
    # The protocol's parameters are single values, so a list goes as a text of JSON.
    made |= {"shape": [len(fields), len(names)], "parameters": {"names": dumps(names).decode()}}
    return made, [value for field in fields for value in field.values()]
