"""A card is frozen, closed, finite, and the same after a round trip through JSON."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from tests.examples import card
from twotier.card import Card, Spread


def test_card_survives_json() -> None:
    """A card written as JSON and read back is the same card, to the last digit."""
    made = card(ranges={"a": Spread(minimum=0.1, maximum=1 / 3, mean=math.pi)}, cutoff=0.1 + 0.2)
    assert made == Card.model_validate_json(made.model_dump_json())


def test_card_never_changes() -> None:
    """No fact of a card can be set anew."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(card(), "version", "log_reg_2")


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"unheard_of": 1}, "extra_forbidden"),
        ({"cutoff": math.nan}, "finite_number"),
        ({"metrics": {"test": {"accuracy": math.inf}}}, "finite_number"),
        ({"created_at": "yesterday"}, "datetime_from_date_parsing"),
        ({"features": None}, "list_type"),
    ],
)
def test_card_refuses(facts: dict[str, Any], kind: str) -> None:
    """A card holds no unknown key, no number that JSON cannot tell, and no value of another type."""
    with pytest.raises(ValidationError) as caught:
        card(**facts)
    assert [kind] == [error["type"] for error in caught.value.errors()]


def test_cutoff_may_be_absent() -> None:
    """A family that decides by the likeliest label has no cut-off."""
    assert card().cutoff is None


def test_decision_is_positive_from_the_cut_off_on() -> None:
    """The cut-off itself is positive; a version that learnt none decides nothing by it."""
    made = card(cutoff=0.5)
    assert [False, True, True] == [made.positive(score) for score in (0.49999, 0.5, 1.0)]
    with pytest.raises(ValueError, match="coin log_reg_1 has no cut-off: train it again"):
        card().positive(1.0)
