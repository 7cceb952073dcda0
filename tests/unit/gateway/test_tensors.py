"""Tensors: what goes out in bytes comes back in, and numbers print as they always did."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twotier.errors import InputRefused
from twotier.gateway.routes.heritage.trees import printed
from twotier.gateway.tensors import InferRequest, to_bytes, values

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "BOOL": st.booleans(),
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "FP32": st.floats(width=32, allow_nan=False),
    "FP64": st.floats(allow_nan=False),
    "BYTES": st.text(st.characters(exclude_categories=["Cs"])),
}


def request(datatype: str, shape: list[int], **more: Any) -> InferRequest:
    """A request of one tensor."""
    return InferRequest.model_validate({"inputs": [{"name": "x", "datatype": datatype, "shape": shape, **more}]})


@given(st.sampled_from(sorted(CELLS)).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(CELLS[kind], max_size=8))))
def test_bytes_are_what_they_were(sent: tuple[str, list[Any]]) -> None:
    """Every datatype survives the binary form; each value's place is where JSON would have it."""
    datatype, cells = sent
    data = to_bytes(datatype, cells)
    (read,) = values(request(datatype, [len(cells)], parameters={"binary_data_size": len(data)}), data)

    assert cells == list(read.values)
    assert ("inputs", 0, "data", 3) == read.place(3)


@given(
    st.sampled_from(sorted([*CELLS, "FP16"])),
    st.lists(st.integers(-3, 2**70), min_size=1, max_size=2),
    st.binary(max_size=40),
    st.integers(-3, 50),
)
def test_no_bytes_are_too_strange(datatype: str, shape: list[int], data: bytes, size: int) -> None:
    """Whatever is sent is read or refused, and never more than was sent."""
    try:
        (read,) = values(request(datatype, shape, parameters={"binary_data_size": size}), data)
    except InputRefused as refused:
        assert 1 == len(refused.faults)
    else:
        assert math.prod(shape) == len(read.values) <= 40


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=8)


@given(st.sampled_from(sorted(CELLS)), st.lists(st.integers(-3, 5), min_size=1, max_size=2), st.lists(json_values, max_size=8))
def test_no_json_is_too_strange(datatype: str, shape: list[int], data: list[Any]) -> None:
    """The same of values in JSON."""
    try:
        (read,) = values(request(datatype, shape, data=data), b"")
    except InputRefused as refused:
        assert 1 == len(refused.faults)
    else:
        assert math.prod(shape) == len(read.values)
        assert not any(isinstance(value, list) for value in read.values)


def test_values_keep_their_place() -> None:
    """Flat values are told by one index, nested ones by two, and so are those in bytes."""
    flat, nested = (values(request("FP64", [2, 2], data=data), b"")[0] for data in ([1, 2, 3, 4], [[1, 2], [3, 4]]))
    (binary,) = values(request("FP64", [2, 2], parameters={"binary_data_size": 32}), bytes(32))

    assert [(3,), (1, 1), (1, 1)] == [one.place(3)[3:] for one in (flat, nested, binary)]


@given(st.lists(st.integers(1, 1000), min_size=4, max_size=4), st.sampled_from([1, 10]))
def test_numbers_print_as_numpy_prints_them(numbers: list[int], tenths: int) -> None:
    """The sentence about a flower is the old one, which was made by numpy, to the character."""
    row: list[Any] = numbers if tenths == 1 else [number / tenths for number in numbers]

    assert str(np.array([row])) == f"[[{printed(row)}]]"


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4)
    | st.lists(st.floats(0, 100, exclude_min=True), min_size=4, max_size=4)
    | st.lists(st.floats(1e-4, 0.2), min_size=4, max_size=4)
    | st.lists(st.integers(1, 10**6).map(lambda number: number / 1000), min_size=4, max_size=4)
)
@example([1000.0, 1.0, 1.0, 1.0])
@example([1000.1, 1.0, 1.0, 1.0])
@example([0.0001, 0.05, 0.1, 0.1])
@example([0.00009, 0.01, 0.01, 0.01])
@example([5e-324, 100.0, 1e-10, 1.0])
@example([5e-324, 11.0, 1.0, -1.0])
@example([1e8, 1e8, 1e8, 1e8])
@example([99999999.1, 99999999.0, 1e5, 1e5])
@example([0.0, -0.0, 0.0, 0.0])
@example([1.000000001, 2.0, 3.123456789, 4.5])
@example([1.000000001e-5, 1.0, 1.0, 1.0])
def test_numbers_of_any_size_print_as_numpy_prints_them(numbers: list[float]) -> None:
    """Those that differ a thousandfold, the tiny and the huge go with powers of ten. All in one line: a flower's never need two."""
    assert np.array2string(np.array(numbers), max_line_width=1000) == f"[{printed(numbers)}]"


@pytest.mark.parametrize(("row", "text"), [([5, 2.5, 3, 4], "5.  2.5 3.  4. "), ([10, 2, 3, 4], "10  2  3  4")])
def test_numbers_of_both_kinds(row: list[float], text: str) -> None:
    """One fraction among whole numbers makes all of them fractions."""
    assert text == printed(row)
