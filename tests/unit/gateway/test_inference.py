"""Which tensors a family takes and answers, by the schemas of its fields."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BeforeValidator, create_model
from typing_extensions import TypeAliasType

from twotier.families.iris import FAMILY
from twotier.family import Answer, Example, Family, Row
from twotier.gateway.inference import inputs, outputs
from twotier.gateway.routes.oip import example_request


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
    rows = {"size": 1.0, "note": "a", "weight": "2.5", "stamps": None}
    row = create_model(
        "MadeRow", __base__=Row, size=(float, ...), note=(str, ...), weight=(float | str | None, None), stamps=(int | None, None)
    )
    made = replace(FAMILY, row=row, examples=(Example(row=rows, answer={}),) * 2)

    assert [{"name": "input", "datatype": "FP64", "shape": [1, 4], "data": [[5, 2, 3, 4]]}] == example_request(FAMILY)["inputs"]
    assert [("size", "FP64", [1], [1.0]), ("note", "BYTES", [1], ["a"]), ("weight", "BYTES", [1], ["2.5"])] == [
        tuple(tensor[key] for key in ("name", "datatype", "shape", "data")) for tensor in example_request(made)["inputs"]
    ]
