"""Which tensors a family takes and answers, by the schemas of its fields."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import replace
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BeforeValidator, create_model
from typing_extensions import TypeAliasType

from twotier.errors import InputRefused, UpstreamInvalid
from twotier.families.iris import FAMILY
from twotier.family import Answer, Example, Family, Row, feature
from twotier.gateway.inference import inputs, outputs, respond, rows
from twotier.gateway.routes.oip import example_request
from twotier.gateway.tensors import InferRequest


class Way(Enum):
    """How it goes."""

    AIR = "air"
    SEA = "sea"


Named = TypeAliasType("Named", int | Way)
"""A type with a name of its own."""

Written = Annotated[float | None, BeforeValidator(float, json_schema_input_type=float | str | None)]
"""A number that may be written as a text."""


def of_row(kind: Any) -> Family:
    """A family whose rows are a text and a field of that type."""
    return replace(FAMILY, row=create_model("MadeRow", __base__=Row, text=(str, ...), field=(kind, None)))


@pytest.mark.parametrize(
    ("kind", "datatypes"),
    [
        (float, ("FP64", "FP32", "INT64", "INT32")),
        (int, ("INT64", "INT32")),
        (bool, ("BOOL",)),
        (str | None, ("BYTES",)),
        (float | None, ("FP64", "FP32", "INT64", "INT32")),
        (float | str | None, ("FP64", "FP32", "INT64", "INT32", "BYTES")),
        (Written, ("FP64", "FP32", "INT64", "INT32", "BYTES")),
        (Literal["air", "sea"], ("BYTES",)),
        (Literal[0, 1], ("INT64", "INT32")),
        (Way, ("BYTES",)),
        (Way | None, ("BYTES",)),
        (Named | None, ("INT64", "INT32", "BYTES")),
        (Literal["air", 1], ("BYTES",)),
        (Any, ("BYTES",)),
        (list[str], ("BYTES",)),
    ],
    ids=str,
)
def test_inputs(kind: Any, datatypes: tuple[str, ...]) -> None:
    """Whatever a field may be sent as has a datatype, and one that nobody foresaw is told by texts."""
    assert datatypes == inputs(of_row(kind))["field"].datatypes


@pytest.mark.parametrize(
    ("kind", "gap"),
    [(float, False), (float | None, True), (float | str | None, True), (Written, True), (int | None, False), (str | None, False)],
    ids=str,
)
def test_gaps(kind: Any, gap: bool) -> None:
    """NaN can be sent only as a floating-point number, and means something only where nothing may be there."""
    assert ({"field"} if gap else set()) == inputs(of_row(kind))["field"].gaps


def test_gaps_of_a_matrix() -> None:
    """All of it is floating-point numbers, so that a whole number may be missing as well; each goes by the name that callers know."""
    row = create_model(
        "MadeRow",
        __base__=Row,
        size=(float, ...),
        weight=(float | None, feature("Its weight", example=1.0, name="net weight", default=None)),
        stamps=(int | None, feature("Its stamps", example=1, name="all stamps", default=None)),
        fee=(int, feature("Its fee", example=1, name="the fee")),
    )
    made = replace(FAMILY, row=row, examples=(Example(row={}, answer={}),) * 2)
    values = struct.pack("<8d", 1, math.nan, math.nan, 3, 2, 5, 6, 4)
    header = {"name": "x", "shape": [2, 4], "datatype": "FP64", "parameters": {"binary_data_size": len(values)}}

    assert {"net weight", "all stamps"} == inputs(made)["input"].gaps
    assert [[1, None, None, 3], [2, 5, 6, 4]] == [
        list(row.values()) for row in rows(made, InferRequest.model_validate({"inputs": [header]}), values).items
    ]


def test_a_tensor_for_each_feature_by_the_name_that_callers_know() -> None:
    """A feature whose name is none of Python's is required under the name that it is sent by, and no other."""
    row = create_model("MadeRow", __base__=Row, text=(str, ...), weight=(float, feature("Its weight", example=1.0, name="net weight")))
    made = replace(FAMILY, row=row, examples=(Example(row={}, answer={}),) * 2)
    text = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    weight = {"name": "net weight", "shape": [1], "datatype": "FP64", "data": [2.0]}

    asked = InferRequest.model_validate({"inputs": [text, weight]})
    assert [{"text": "a", "net weight": 2.0}] == list(rows(made, asked, b"").items)
    with pytest.raises(InputRefused) as refused:
        rows(made, InferRequest.model_validate({"inputs": [text]}), b"")
    assert "must have a tensor for each feature, and has none for net weight" == refused.value.faults[0].detail


def test_gaps_of_a_column() -> None:
    """NaN says so in the columns in which something may be missing, and is passed on in the others."""
    row = create_model("MadeRow", __base__=Row, size=(float, ...), weight=(float | None, None), note=(str | None, None))
    made = replace(FAMILY, row=row, examples=(Example(row={}, answer={}),) * 2)
    values = struct.pack("<2d", math.nan, 2)
    column = {"shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}}
    note = {"name": "note", "shape": [2], "datatype": "BYTES", "data": ["a", None]}
    asked = InferRequest.model_validate({"inputs": [{"name": "size", **column}, {"name": "weight", **column}, note]})

    first, second = rows(made, asked, values + values).items
    assert math.isnan(first.pop("size"))
    assert ({"weight": None, "note": "a"}, {"size": 2, "weight": 2, "note": None}) == (first, second)


@pytest.mark.parametrize("count", [1, 5000])
async def test_a_response(count: int) -> None:
    """Tensors in JSON and in bytes, or none at all, with the request's id if it had one."""
    answers = [{"output": "Iris-é", "probabilities": {"a": at / 8}, "model_name": "log_reg_1"} for at in range(count)]
    head = {"model_name": "iris", "model_version": "log_reg_1"}
    output = {"name": "output", "datatype": "BYTES", "shape": [count]}
    probabilities = {"name": "probabilities", "datatype": "FP64", "shape": [count, 1], "parameters": {"names": '["a"]'}}

    message, behind = await respond(FAMILY, "1", {"output": False, "probabilities": False}, answers)
    tensors = [output | {"data": ["Iris-é"] * count}, probabilities | {"data": [at / 8 for at in range(count)]}]
    assert (head | {"id": "1", "outputs": tensors}, b"") == (json.loads(message), behind)
    message, behind = await respond(FAMILY, None, {"output": True}, answers)
    texts = output | {"parameters": {"binary_data_size": 11 * count}}
    assert (head | {"outputs": [texts]}, 11 * count) == (json.loads(message), len(behind))
    assert (head | {"outputs": []}, b"") == (json.loads((await respond(FAMILY, None, {}, answers))[0]), b"")


async def test_a_response_that_is_not_finite() -> None:
    """What the model server says and JSON cannot carry is its fault, as on the other routes."""
    answer = {"probabilities": {"a": math.nan}, "model_name": "log_reg_1"}
    with pytest.raises(UpstreamInvalid, match="the model server's answer is not finite"):
        await respond(FAMILY, None, {"probabilities": False}, [answer])


@pytest.mark.parametrize(
    ("kind", "datatype", "shape"),
    [
        (float, "FP64", (-1,)),
        (Literal[0, 1], "INT64", (-1,)),
        (Way, "BYTES", (-1,)),
        (dict[str, float], "FP64", (-1, -1)),
        (dict[str, float] | None, "FP64", (-1, -1)),
        (list[float], None, ()),
        (dict[str, str], None, ()),
        (Any, None, ()),
    ],
    ids=str,
)
def test_outputs(kind: Any, datatype: str | None, shape: tuple[int, ...]) -> None:
    """A field that is neither a value nor numbers by name is no tensor."""
    specs = outputs(replace(FAMILY, answer=create_model("MadeAnswer", __base__=Answer, field=(kind, ...))))

    assert ([] if datatype is None else [(datatype, shape)]) == [(spec.datatypes[0], spec.shape) for spec in specs.values()]


def test_the_example_in_the_document() -> None:
    """The first example as tensors: a text where a number is sent as one, and nothing for what is missing."""
    cells = {"size": 1.0, "note": "a", "weight": "2.5", "stamps": None}
    row = create_model(
        "MadeRow", __base__=Row, size=(float, ...), note=(str, ...), weight=(float | str | None, None), stamps=(int | None, None)
    )
    made = replace(FAMILY, row=row, examples=(Example(row=cells, answer={}),) * 2)

    assert [{"name": "input", "datatype": "FP64", "shape": [1, 4], "data": [[5, 2, 3, 4]]}] == example_request(FAMILY)["inputs"]
    assert [("size", "FP64", [1], [1.0]), ("note", "BYTES", [1], ["a"]), ("weight", "BYTES", [1], ["2.5"])] == [
        tuple(tensor[key] for key in ("name", "datatype", "shape", "data")) for tensor in example_request(made)["inputs"]
    ]
