"""Texts through both tiers, and the neutral band from the setting to the answer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.asking import JSON, ask, post
from tests.e2e.tiers import Tiers, problem, tiers
from tests.folders import with_raw_data
from tests.integration.model_server_calls import eventually
from tests.shell import in_shell

BAND = [0.2, 0.7]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """Both tiers, without any option set, over log_reg_1, trained so too, and log_reg_2, trained where the setting asks for a band."""
    folder = tmp_path_factory.mktemp("sentiment")
    data = with_raw_data(folder / "data")
    for options in ({}, {"sentiment": {"neutral": BAND}}):
        in_shell("twotier train sentiment", {**os.environ, "TWOTIER_DATA": str(data), "TWOTIER_OPTIONS": json.dumps(options)})
    with tiers(data, folder) as started:
        yield started


def _ask(running: Tiers, version: str, text: str) -> Any:
    answered = post(f"{running.front.url}/sentiment/versions/{version}/predict", {"text": text})
    assert 200 == answered.status, answered
    return answered.json


def test_band_is_the_versions(running: Tiers) -> None:
    """A text whose score is in the band is NEUTRAL for the version with a band, and NEGATIVE, with the same score, for the one without."""
    without, within = (_ask(running, version, "It is a table.") for version in ("log_reg_1", "log_reg_2"))
    assert ("NEGATIVE", "NEUTRAL") == (without["label"], within["label"])
    assert BAND[0] < without["score"] == within["score"] < 0.5
    for version in ("log_reg_1", "log_reg_2"):
        assert ["POSITIVE", "NEGATIVE"] == [_ask(running, version, text)["label"] for text in ("I love it!", "I hate it.")]


def test_band_is_told(running: Tiers) -> None:
    """The card of each version, as the gateway tells it, says which band it has."""
    cards = [ask(f"{running.front.url}/models/sentiment/versions/{version}").json for version in ("log_reg_1", "log_reg_2")]
    assert [{"neutral": [0.5, 0.5]}, {"neutral": BAND}] == [card["options"] for card in cards]


@pytest.mark.parametrize("unit", ["\U0001f600", "\u0645\u0631 ", "a\u0301\u0323", "\n", "\x00"])
def test_ten_thousand_characters(running: Tiers, unit: str) -> None:
    """The longest text is answered, whatever its characters are; one character more is a problem that points at it."""
    longest = (unit * 10_000)[:10_000]
    assert 0 <= _ask(running, "champion", longest)["score"] <= 1
    refused = problem(post(running.front.url + "/sentiment/predict", {"text": longest + "x"}), 422, "invalid-input")
    assert [{"pointer": "/text", "detail": "String should have at most 10000 characters"}] == refused["errors"]


def test_what_is_no_text(running: Tiers) -> None:
    """Half a surrogate pair is refused, and so is a number."""
    url = running.front.url + "/sentiment/predict"
    problem(ask(url, "POST", b'{"text": "\\ud83d"}', JSON), 400, "unreadable-body")
    assert ["/text"] == [fault["pointer"] for fault in problem(post(url, {"text": 1}), 422, "invalid-input")["errors"]]


def test_band_comes_with_a_promotion(running: Tiers) -> None:
    """The champion has no band until the version with one is promoted; nothing is restarted."""

    def champion() -> tuple[str, str]:
        answered = _ask(running, "champion", "It is a table.")
        return answered["label"], answered["model_name"]

    assert ("NEGATIVE", "log_reg_1") == champion()
    running.runs("twotier promote sentiment log_reg_2 --why 'a band is wanted'")
    assert eventually(lambda: champion() == ("NEUTRAL", "log_reg_2"))
