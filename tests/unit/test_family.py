"""A family says what it is, and refuses to be made of parts that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.examples import CoinAnswer, CoinRow, family
from twotier.errors import ConfigurationError
from twotier.family import NAME, Answer, Example, Gate, Row, feature, on_request
from twotier.reasons import Explained


def test_features_are_the_fields_of_the_row() -> None:
    """Feature order is field order."""
    assert ("a", "b") == family().features


def test_aliases_lead_to_features() -> None:
    """An alias names its feature; a feature without aliases has none."""
    assert {"first": "a"} == family().aliases


def test_fields_on_request_are_found() -> None:
    """Only the answer's fields that say so are left out unless asked for."""
    assert {"share": "share"} == family().on_request
    assert CoinAnswer(label="low").share is None


def test_first_estimator_is_the_default() -> None:
    """The order in which a family names its estimators decides which one is trained when none is named."""
    assert "tree" == family(estimators={"tree": dict, "log_reg": dict}).default_estimator


def test_values_are_in_feature_order() -> None:
    """A row gives its values in feature order, however its keys were ordered, and numbers as the types of its fields."""
    values = family().values(CoinRow.model_validate({"b": 2, "a": 1}))
    assert [1.0, 2.0] == values
    assert [float, float] == [type(value) for value in values]


def test_plain_numbers_make_a_numeric_family() -> None:
    """A family is numeric if every field is a number, whether or not it may be missing."""

    class Worded(CoinRow):
        word: str = feature("A word", example="yes")

    class Gappy(CoinRow):
        gap: float | None = feature("May be absent", example=1.0, default=None)

    class Counted(CoinRow):
        count: int = feature("A count", example=3)

    assert [True, True, False, True] == [family(row=row).numeric for row in (CoinRow, Counted, Worded, Gappy)]


def test_a_field_may_have_a_name_that_python_cannot_have() -> None:
    """Callers, faults, schemas, dumps and features know it by that name alone, and its aliases stand for it."""

    class Spaced(Row):
        mean_radius: float = feature("Mean radius", name="mean radius", example=1.0, aliases=["radius"])
        b: float = feature("B", example=2.0)

    made = family(row=Spaced, examples=(Example(row={"mean radius": 1.0, "b": 2.0}, answer={}),) * 2)
    row = Spaced.model_validate({"b": 2.0, "mean radius": 1.0})

    assert (("mean radius", "b"), {"radius": "mean radius"}) == (made.features, made.aliases)
    assert [1.0, 2.0] == made.values(row)
    assert {"mean radius": 1.0, "b": 2.0} == row.model_dump(mode="json")
    assert ["mean radius", "b"] == list(Spaced.model_json_schema()["properties"])
    with pytest.raises(ValidationError) as caught:
        Spaced.model_validate({"mean_radius": 1.0, "b": 2.0})
    assert [("mean radius",), ("mean_radius",)] == [error["loc"] for error in caught.value.errors()]


def test_feature_tells_callers_what_it_is() -> None:
    """Description, unit, example, range and aliases reach the JSON Schema; what is not given is not there."""
    schema = CoinRow.model_json_schema()["properties"]
    assert {
        "title": "A",
        "type": "number",
        "description": "First number",
        "unit": "m",
        "aliases": ["first"],
        "examples": [1.0],
        "minimum": -100,
        "maximum": 100,
    } == schema["a"]
    assert {"title", "type", "description", "examples", "minimum", "maximum"} == schema["b"].keys()


def test_field_metadata_may_be_a_function() -> None:
    """A field described with pydantic's own tools has no alias and is not sent on request, rather than break its family."""
    from pydantic import Field

    class Plain(Answer):
        label: str = Field(json_schema_extra=lambda schema: None)

    assert {} == family(answer=Plain).on_request


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf")])
def test_row_is_strict(value: Any) -> None:
    """A row takes no text, truth value, gap or infinity for a number."""
    with pytest.raises(ValidationError) as caught:
        CoinRow.model_validate({"a": value, "b": 0.0})
    assert [("a",)] == [error["loc"] for error in caught.value.errors()]


def test_row_refuses_unknown_fields() -> None:
    """A field that the row does not have is refused by name."""
    with pytest.raises(ValidationError) as caught:
        CoinRow.model_validate({"a": 0.0, "b": 0.0, "c": 0.0})
    assert [("c",)] == [error["loc"] for error in caught.value.errors()]


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_answer_is_finite(value: float) -> None:
    """An answer that JSON cannot tell is never made."""
    with pytest.raises(ValidationError, match="finite"):
        CoinAnswer(label="low", share=value)


def test_row_and_answer_never_change() -> None:
    """A row and an answer stay what they were made."""
    for made, field in ((CoinRow(a=1.0, b=1.0), "a"), (CoinAnswer(label="low"), "label")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(made, field, 0)


class Same(Answer):
    """An answer with a field that the row has too."""

    first: str


@pytest.mark.parametrize("metric", ["brier", "log_loss"])
def test_gate_wants_more(metric: str) -> None:
    """A metric of which less is better is refused when the gate is made: it would let the worst pass."""
    with pytest.raises(ConfigurationError, match=f"more is better, and {metric} is none"):
        Gate(metric=metric, floor=0.1)


def test_flag_may_have_another_name() -> None:
    """A field on request is asked for by its own name or by that of its flag."""
    assert {"reasons": "explain"} == family(answer=Explained).on_request
    assert "explain" == Explained.model_json_schema()["properties"]["reasons"]["on_request"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Coin"}, "'Coin' must be lower-case letters, digits and _"),
        ({"name": "coin\n"}, "must be lower-case"),
        ({"estimators": {"log-reg": dict}}, "'log-reg' must be lower-case"),
        ({"estimators": {}}, "no estimator"),
        ({"examples": family().examples[:1]}, "at least two examples"),
        ({"echo": True, "answer": Same}, "answers repeat the row, so no field of both may have the same name"),
    ],
)
def test_family_refuses_parts_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    """What cannot become a route, a folder or a golden row is refused when the family is made, in words that say what to change."""
    with pytest.raises(ConfigurationError, match=message):
        family(**changes)


def test_two_features_cannot_share_a_name() -> None:
    """An alias is neither another feature's alias nor its name, or a caller's value could land in either."""

    class TwoAliases(Row):
        a: float = feature("A", example=1.0, aliases=["x"])
        b: float = feature("B", example=1.0, aliases=["x"])

    class AliasIsName(Row):
        a: float = feature("A", example=1.0, aliases=["b"])
        b: float = feature("B", example=1.0)

    for row in (TwoAliases, AliasIsName):
        with pytest.raises(ConfigurationError, match="share a name or an alias"):
            family(row=row)


@pytest.mark.parametrize(
    ("name", "fits"), [("iris", True), ("x" * 40, True), ("x" * 41, False), ("", False), ("1a", False), ("a/b", False)]
)
def test_names_fit_urls_and_folders(name: str, fits: bool) -> None:
    """A name is 1 to 40 lower-case letters, digits and underscores, and begins with a letter."""
    assert fits == bool(NAME.match(name))


def test_on_request_is_told_in_the_schema() -> None:
    """A client can see in the JSON Schema which fields come only on request."""
    assert on_request("x").json_schema_extra == {"on_request": True}
    assert CoinAnswer.model_json_schema()["properties"]["share"]["on_request"] is True
