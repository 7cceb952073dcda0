"""Rows are told apart by shape, and each is read or refused cell by cell."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import model_validator

from twotier.errors import Fault, InputRefused
from twotier.families.iris import FAMILY, IrisRow
from twotier.gateway.pointers import pointer
from twotier.gateway.rows import Refusal, RowReader, Rows, Shape, Where

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2.0, "PetalLengthCm": 3, "PetalWidthCm": 4}

reader = RowReader(FAMILY, max_rows=3)


def under(*path: str | int) -> Where:
    """Points into a row that stands there."""
    return lambda *inner: pointer((*path, *inner))


@pytest.mark.parametrize(
    ("document", "shape", "count"),
    [
        (ROW, Shape.ONE, 1),
        ({"sepalLength": {}}, Shape.ONE, 1),
        ({"unknown": 1}, Shape.ONE, 1),
        ({"PetalWidthCm": 1, "x": {}}, Shape.ONE, 1),
        ([ROW], Shape.LIST, 1),
        ([1, 2, 3], Shape.LIST, 3),
        ({"0": ROW, "1": ROW}, Shape.KEYED, 2),
        ({"a": 1, "b": {}}, Shape.KEYED, 2),
    ],
)
def test_tells_the_shape(document: Any, shape: Shape, count: int) -> None:
    """A list is a list; an object with a feature's name is a row; one with objects in it is keyed; any other is a row."""
    rows = reader.rows(document)

    assert (shape, count) == (rows.shape, rows.count)


@pytest.mark.parametrize("document", [[], {}, None, 1, "text", True], ids=repr)
def test_refuses_what_holds_no_row(document: Any) -> None:
    """What has no row in it is refused."""
    with pytest.raises(InputRefused, match="row"):
        reader.check_count(reader.rows(document))


@pytest.mark.parametrize("document", [[ROW] * 4, {str(key): ROW for key in range(4)}], ids=["list", "keyed"])
def test_refuses_too_many_rows(document: Any) -> None:
    """One row more than allowed is too many."""
    with pytest.raises(InputRefused, match="4 rows are too many for one call: send at most 3"):
        reader.check_count(reader.rows(document))


def test_points_into_a_form_of_its_own() -> None:
    """Rows that were sent in another form than objects say themselves where their cells stand."""
    rows = Rows(Shape.LIST, [ROW], 1, place=lambda at, inner: ("data", *(FAMILY.features.index(str(name)) + 4 * at for name in inner)))

    assert ("/data", "/data/6") == (rows.pointer(1), rows.pointer(1, "PetalLengthCm"))


def test_points_at_the_row_if_no_cell_is_to_blame() -> None:
    """What a family's validator says of the whole row is said of the row."""

    class Together(IrisRow):
        """Flowers whose lengths must fit each other."""

        @model_validator(mode="after")
        def fits(self) -> Together:
            """Petals are never longer than sepals."""
            raise ValueError("the petal is longer than the sepal")

    refusal = RowReader(replace(FAMILY, row=Together), max_rows=3).read({**ROW, "PetalLengthCm": 6}, under(7))

    assert Refusal([Fault("/7", "Value error, the petal is longer than the sepal")], 1) == refusal


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        dict(reversed(ROW.items())),
        {"sepalLength": 5, "sepalWidth": 2, "petalLength": 3, "petalWidth": 4},
        {"sepalLength": 5, "SepalWidthCm": 2, "petalLength": 3, "PetalWidthCm": 4},
    ],
)
def test_reads_a_row_under_names_and_aliases_in_any_order(row: dict[str, Any]) -> None:
    """The values come in feature order, whatever the order and the spelling of the names."""
    assert [5.0, 2.0, 3.0, 4.0] == reader.read(row, under())


@pytest.mark.parametrize(
    ("row", "faults"),
    [
        ({**ROW, "PetalWidthCm": "5"}, [Fault("/7/PetalWidthCm", "should be a valid number")]),
        ({**ROW, "PetalWidthCm": True}, [Fault("/7/PetalWidthCm", "should be a valid number")]),
        ({**ROW, "PetalWidthCm": None}, [Fault("/7/PetalWidthCm", "should be a valid number")]),
        ({**ROW, "PetalWidthCm": [4]}, [Fault("/7/PetalWidthCm", "should be a valid number")]),
        ({**ROW, "PetalWidthCm": 10**400}, [Fault("/7/PetalWidthCm", "should be a valid number")]),
        ({**ROW, "PetalWidthCm": float("inf")}, [Fault("/7/PetalWidthCm", "should be a finite number")]),
        ({**ROW, "PetalWidthCm": 0}, [Fault("/7/PetalWidthCm", "should be greater than 0")]),
        ({**ROW, "PetalWidthCm": 100.5}, [Fault("/7/PetalWidthCm", "should be less than or equal to 100")]),
        ({"petalWidth": 0, **{name: ROW[name] for name in list(ROW)[:3]}}, [Fault("/7/petalWidth", "should be greater than 0")]),
        ({name: ROW[name] for name in list(ROW)[:3]}, [Fault("/7/PetalWidthCm", "Field required")]),
        ({**ROW, "PetalWidth": 4}, [Fault("/7/PetalWidth", "is no feature; did you mean PetalWidthCm?")]),
        ({**ROW, "zzz/~": 4}, [Fault("/7/zzz~1~0", "is no feature")]),
        ({**ROW, "petalWidth": 4}, [Fault("/7/petalWidth", "is given twice, also as PetalWidthCm")]),
        ([5, 2, 3, 4], [Fault("/7", "must be an object: one row, with its features by name")]),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_points_at_the_cell(row: Any, faults: list[Fault]) -> None:
    """Each fault names its cell as the caller spelled it, and says what would be right."""
    assert Refusal(faults, len(faults)) == reader.read(row, under(7))


def test_counts_what_it_does_not_name() -> None:
    """A row of a thousand unknown names makes a short refusal."""
    refusal = reader.read({f"name{at}": 1 for at in range(1000)}, under("key"))

    assert isinstance(refusal, Refusal)
    assert (20, 1004) == (len(refusal.faults), refusal.count)
    assert Fault("/key/name0", "is no feature") == refusal.faults[0]


def test_tells_unknown_and_missing_names_together() -> None:
    """A misspelt name is told with what it leaves missing."""
    refusal = reader.read({"SepalLengthCM": 5, **{name: ROW[name] for name in list(ROW)[1:]}}, under())

    expected = [Fault("/SepalLengthCM", "is no feature; did you mean SepalLengthCm?"), Fault("/SepalLengthCm", "Field required")]
    assert Refusal(expected, 2) == refusal


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*FAMILY.features, *FAMILY.aliases]), inner),
    max_leaves=8,
)


@given(json_values)
def test_never_fails_on_any_value(document: Any) -> None:
    """Whatever JSON can say is read or refused."""
    try:
        rows = reader.rows(document)
    except InputRefused:
        return
    for at, row in enumerate(rows.items):
        read = reader.read(row, partial(rows.pointer, at))
        assert 0 < len(read.faults) <= min(read.count, 20) if isinstance(read, Refusal) else len(read) == 4
