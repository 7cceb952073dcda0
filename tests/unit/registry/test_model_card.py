"""MODEL_CARD.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError
from typing_extensions import TypeAliasType

from tests.examples import card as example_card
from tests.unit.registry.kit import IRIS, draft, publish
from twotier.card import Card
from twotier.errors import DigestMismatch
from twotier.family import Cutoff, Row, feature
from twotier.registry import Registry
from twotier.registry.model_card import render


def card(registry: Registry, **changes: Any) -> Card:
    """A card as published."""
    return registry.load("iris", publish(registry, **changes).name).card


def test_says_what_there_is_to_know(registry: Registry, data: Path) -> None:
    """It names the data, the metrics of each split, the features with units and ranges, the parameters and the libraries."""
    made = card(registry, sources={"families/iris.py": "cd" * 32})
    text = (data / "models" / "iris" / "log_reg_1" / "MODEL_CARD.md").read_text()
    assert render(IRIS, made, draft(sources={"families/iris.py": "cd" * 32})) == text
    for line in (
        "# iris log_reg_1",
        "| metric | train | test |",
        "| accuracy | 0.97321 | 0.94737 |",
        "| log_loss | 0.25000 |  |",
        "| `SepalLengthCm` | Length of the sepal | cm | 0.1 to 7.9 | 3.5 |",
        "| `C` | `1.0` |",
        "| families/iris.py | " + "cd" * 32 + " |",
        f"| scikit-learn | {made.libraries['scikit-learn']} |",
    ):
        assert line in text.splitlines()
    assert "4 rows to train on and 2 held out, by a stratified split with seed 42" in text
    assert "The decision is" not in text and "![" not in text


Way = TypeAliasType("Way", Literal["air", "sea"])


class Parcel(Row):
    """Features of words, and one of any text."""

    way: Way = feature("How it goes", example="air")
    zone: Way | Literal[""] | None = feature("Where it goes through", example="sea", default=None)
    gift: Literal["yes"] = feature("Whether it is one", example="yes")
    note: str = feature("What is written on it", example="fragile")


def test_words_are_told() -> None:
    """A feature of words has them listed, with what happens to any other, which is true; any text has no list."""
    made = example_card(features=list(Parcel.model_fields), row_schema=Parcel.model_json_schema())
    lines = render(IRIS, made, draft()).splitlines()
    for line in (
        "| `way` | How it goes. One of `air`, `sea`; any other word is refused |  |  |  |",
        "| `zone` | Where it goes through. One of `air`, `sea`; any other word is refused |  |  |  |",
        "| `gift` | Whether it is one. One of `yes`; any other word is refused |  |  |  |",
        "| `note` | What is written on it |  |  |  |",
    ):
        assert line in lines
    sound = {"way": "air", "zone": None, "gift": "yes", "note": "any"}
    Parcel.model_validate(sound)
    for name in ("way", "zone", "gift"):
        with pytest.raises(ValidationError, match=name):
            Parcel.model_validate(sound | {name: "rail"})


def test_only_what_is_known(registry: Registry) -> None:
    """A cut-off is named if there is one; a feature without a range, and a version without sources, leave no hole."""
    decisive = replace(IRIS, cutoff=Cutoff(positive="Iris-setosa", quantile=0.75))
    text = render(decisive, card(registry, cutoff=0.625, ranges={}), draft())
    assert "The decision is `Iris-setosa` where its probability is at least 0.625: quantile 0.75 of what this version gives" in text
    assert "| `SepalLengthCm` | Length of the sepal | cm |  |  |" in text.splitlines()
    assert "SHA-256 |" not in text


def test_tables_hold(registry: Registry) -> None:
    """A bar or a line break in a value does not break its table."""
    text = render(IRIS, card(registry, parameters={"token": "a|b\nc"}), draft())
    assert "| `token` | `a\\|b c` |" in text.splitlines()


def test_figures_are_shown(registry: Registry, data: Path) -> None:
    """A figure is a file of the artefact, signed like any other, and the card shows it; what the gate judges by is said too."""
    version = publish(registry, figures={"confusion.png": ("Confusion matrix", b"a picture")})
    folder = data / "models" / "iris" / version.name
    text = (folder / "MODEL_CARD.md").read_text()
    assert "![Confusion matrix](confusion.png)" in text.splitlines()
    assert "The gate judges by `accuracy`, of which at least 0.9 is wanted on the held-out rows." in text
    assert "log_reg_1" == registry.load("iris", version.name).card.version
    (folder / "confusion.png").write_bytes(b"another one")
    with pytest.raises(DigestMismatch, match="confusion.png is not what was signed"):
        registry.load("iris", version.name)
