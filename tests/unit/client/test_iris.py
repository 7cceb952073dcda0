"""`get_prediction`: irises in, class ids out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.client.peer import peer, reply
from twotier.client import get_prediction
from twotier.client.iris import FEATURES, ROWS_PER_CALL
from twotier.families.iris import FAMILY

GOOD = [4.8, 3.0, 1.4, 0.1]


def _answers(*species: str) -> bytes:
    return reply([{"output": f"Iris-{name}", "model_name": "log_reg_1"} for name in species])


def test_the_features_are_the_family_s() -> None:
    """The four numbers are the family's features, in its order."""
    assert FAMILY.features == FEATURES


def test_labels_become_ids() -> None:
    """Setosa is 0, versicolor 1, virginica 2, and one list of rows is one call."""
    with peer(_answers("setosa", "versicolor", "virginica")) as gateway:
        assert [0, 1, 2] == get_prediction([GOOD, (6.4, 2.9, 4.3, 1.3), [6.3, 3.3, 6, 2.5]], url=gateway.url)

    (heard,) = gateway.heard
    assert "POST /iris/predict HTTP/1.1" == heard.line
    assert dict(zip(FEATURES, GOOD, strict=True)) == json.loads(heard.body)[0]


def test_more_rows_than_a_call_may_hold() -> None:
    """Any number of rows is answered, in order: they are cut into calls."""
    with peer(_answers(*["setosa"] * ROWS_PER_CALL), _answers("virginica")) as gateway:
        assert [0] * ROWS_PER_CALL + [2] == get_prediction([GOOD] * (ROWS_PER_CALL + 1), url=gateway.url)

    assert [ROWS_PER_CALL, 1] == [len(json.loads(heard.body)) for heard in gateway.heard]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there is no row"),
        ([GOOD, GOOD, [1.0, 2.0, 3.0]], "row 2 has 3 values"),
        ([GOOD, [*GOOD, 5.0]], "row 1 has 5 values"),
        ([[]], "row 0 has 0 values"),
        ([GOOD, [1.0, 2.0, 3.0, "x"]], "row 1 is not a list of numbers"),
        ([1.0, 2.0, 3.0, 4.0], "row 0 is not a list of numbers"),
        ([GOOD, [1.0, 2.0, 3.0, float("inf")]], "row 1 holds a value that is not finite"),
    ],
    ids=["none", "short", "long", "empty", "text", "not nested", "infinite"],
)
def test_wrong_rows_are_refused_before_anything_is_sent(rows: Any, message: str) -> None:
    """No row, or any row that is not four finite numbers, is a ValueError that names the row."""
    with peer() as gateway:
        with pytest.raises(ValueError, match=message):
            get_prediction(rows, url=gateway.url)

    assert [] == gateway.heard
