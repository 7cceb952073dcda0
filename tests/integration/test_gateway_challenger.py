"""A gateway process with a challenger that behaves badly: as a canary and as a shadow it neither fails nor holds up a single caller."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import zoo
from tests.asking import Answered, ask, post
from tests.integration.model_server_calls import eventually, metric
from tests.processes import Tier, gateway
from twotier.wire import AliasInfo

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}
CHAMPION = {"output": "Iris-virginica", "model_name": "log_reg_1"}
CHALLENGER = CHAMPION | {"model_name": "log_reg_2"}
PINNED = "/iris/versions/log_reg_2/predict"

NEVER = str(600_000)
"""Milliseconds, for what must not be waited for."""


@pytest.fixture(name="keeper")
def _keeper() -> Iterator[zoo.Keeper]:
    with zoo.zoo() as keeper:
        keeper.challenger = AliasInfo(version="log_reg_2", serving="log_reg_2")
        yield keeper


@contextlib.contextmanager
def served(keeper: zoo.Keeper, folder: Path, **environment: str) -> Iterator[Tier]:
    """A gateway in front of it that knows of the challenger."""
    settings = {"GATEWAY_POLL_SECONDS": "0.1", "GATEWAY_DRAIN_SECONDS": "0", **environment}
    with gateway(keeper.url, folder / "log", None, **settings) as tier:
        tier.wait_ready()
        yield tier


def predict(tier: Tier, path: str = "/iris/predict", **headers: str) -> Answered:
    """One row."""
    return post(tier.url + path, ROW, **headers)


def asked_for(keeper: zoo.Keeper, version: str) -> int:
    """How many calls to score with that version there were."""
    return sum(asked.message["blocks"][0]["version"] == version for asked in keeper.scored())


def comparison(tier: Tier) -> Any:
    """What is told of champion and challenger."""
    return ask(tier.url + "/models/iris").json["comparison"]


BAD = {"hangs": zoo.hang, "resets": zoo.reset, "503": zoo.UNAVAILABLE["status 503"], "nonsense": zoo.INVALID["garbage"]}


@pytest.mark.parametrize("habit", BAD)
def test_a_bad_canary_fails_nobody(keeper: zoo.Keeper, tmp_path: Path, habit: str) -> None:
    """Whatever it does, its callers are answered by the champion, and it is asked once, not again and again."""
    keeper.habit = zoo.only("log_reg_2", BAD[habit])
    with served(keeper, tmp_path, GATEWAY_CANARY='{"iris": 1}', GATEWAY_CANARY_PATIENCE_MS="200") as tier:
        answers = [predict(tier) for _ in range(20)]
        assert [(200, CHAMPION)] * 20 == [(answer.status, answer.json) for answer in answers]
        failed, resting = (metric(tier.url, f"twotier_gateway_canary_calls_total.*{outcome}") for outcome in ("failed", "resting"))
        # On a very slow machine it is tried again meanwhile; and a call on a connection that breaks is sent once more.
        assert 20 == failed + resting and 1 <= failed < 5
        assert failed <= asked_for(keeper, "log_reg_2") <= 2 * failed
        assert 200 == ask(tier.url + "/readyz").status

        # The negative control: who asks for it by its name hears how it is, and once it is well it answers.
        assert predict(tier, PINNED, X_Request_Deadline_Ms="300").status in (502, 503, 504)
        keeper.habit = zoo.well
        assert eventually(lambda: predict(tier).json == CHALLENGER)


def test_a_caller_in_a_hurry_is_answered_in_time(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """Half of a short deadline is left for the champion, however patient the gateway is."""
    keeper.habit = zoo.only("log_reg_2", zoo.hang)
    with served(keeper, tmp_path, GATEWAY_CANARY='{"iris": 1}', GATEWAY_CANARY_PATIENCE_MS=NEVER, GATEWAY_BUDGET_MS=NEVER) as tier:
        answer = predict(tier, X_Request_Deadline_Ms="4000")
        assert (200, CHAMPION) == (answer.status, answer.json)
        assert 504 == predict(tier, PINNED, X_Request_Deadline_Ms="300").status


async def _hang_over_many(keeper: zoo.Keeper, asked: zoo.Asked, writer: asyncio.StreamWriter) -> None:
    """Be well for a row or two, and too slow for more."""
    await (zoo.hang if len(asked.rows) > 2 else zoo.well)(keeper, asked, writer)


def test_a_long_call_does_not_switch_a_canary_off(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """What needs more than the patience is answered by the champion, and single rows go on to be the challenger's."""
    keeper.habit = zoo.only("log_reg_2", _hang_over_many)
    with served(keeper, tmp_path, GATEWAY_CANARY='{"iris": 1}', GATEWAY_CANARY_PATIENCE_MS="2000") as tier:
        for _ in range(2):
            assert [CHAMPION] * 500 == post(tier.url + "/iris/predict", [ROW] * 500).json
            assert CHALLENGER == predict(tier).json
        outcomes = {each: metric(tier.url, f"twotier_gateway_canary_calls_total.*{each}") for each in ("failed", "answered")}
        # On a very slow machine the challenger is tried with many rows again meanwhile.
        assert 2 == outcomes["answered"] and 1 <= outcomes["failed"] <= 2


def test_no_challenger_no_canary(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """While the alias is missing, or nothing serves for it, the champion answers all, and nobody else is even asked."""
    keeper.challenger = None
    with served(keeper, tmp_path, GATEWAY_CANARY='{"iris": 1}') as tier:
        assert CHAMPION == predict(tier).json
        keeper.challenger = AliasInfo(version="log_reg_2", serving=None, problem="model.pkl is not what was signed")
        assert eventually(lambda: ask(tier.url + "/readyz").json["families"]["iris"]["problems"] != [])
        assert CHAMPION == predict(tier).json
        assert (0, 2) == (asked_for(keeper, "log_reg_2"), metric(tier.url, r"twotier_gateway_canary_calls_total.*absent"))

        # The problem is named, and no reason to take the gateway out of service.
        ready = ask(tier.url + "/readyz")
        assert (200, "serving") == (ready.status, ready.json["families"]["iris"]["status"])
        assert [
            "challenger points at log_reg_2, but nothing answers: model.pkl is not what was signed"
        ] == ready.json["families"]["iris"]["problems"]

        keeper.challenger = AliasInfo(version="log_reg_2", serving="log_reg_2")
        assert eventually(lambda: predict(tier).json == CHALLENGER)


def test_a_hanging_shadow_holds_up_nobody(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """Callers are answered while one call to it hangs for as long as the test; what is too much is dropped; the end is at once."""
    keeper.habit = zoo.only("log_reg_2", zoo.hang)
    with served(keeper, tmp_path, GATEWAY_SHADOW='{"iris": 1}', GATEWAY_BUDGET_MS=NEVER) as tier:
        assert CHAMPION == predict(tier).json
        assert eventually(lambda: asked_for(keeper, "log_reg_2") == 1)
        for _ in range(25):
            assert [CHAMPION] * 60 == post(tier.url + "/iris/predict", [ROW] * 60).json
        assert (26, 1) == (asked_for(keeper, "champion"), asked_for(keeper, "log_reg_2"))
        assert 500 == metric(tier.url, r"twotier_gateway_shadow_rows_total.*dropped") == comparison(tier)["dropped"]

        # The negative control: who asks for it by its name does wait.
        assert 504 == predict(tier, PINNED, X_Request_Deadline_Ms="300").status
        assert 0 == tier.stop()


def test_a_failing_shadow_fails_nobody(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """Its errors are counted by their kind, and told with the versions they are of."""
    keeper.habit = zoo.only("log_reg_2", zoo.UNAVAILABLE["status 503"])
    with served(keeper, tmp_path, GATEWAY_SHADOW='{"iris": 1}') as tier:
        assert [(200, CHAMPION)] * 3 == [(answer.status, answer.json) for answer in (predict(tier) for _ in range(3))]
        assert eventually(lambda: metric(tier.url, r"twotier_gateway_shadow_rows_total.*failed") == 3)
        told = comparison(tier)
        assert ("log_reg_1", "log_reg_2", 0, {"UpstreamUnavailable": 3}) == (
            told["champion"],
            told["challenger"],
            told["rows"],
            told["failed"],
        )
        assert 503 == predict(tier, PINNED).status

        # The negative control: once it is well, it is compared.
        keeper.habit = zoo.well
        predict(tier)
        assert eventually(lambda: comparison(tier)["agreed"] == 1)


def test_without_a_share_nothing_is_sent(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """By default there is neither canary nor shadow, whatever the aliases are."""
    with served(keeper, tmp_path) as tier:
        assert [CHAMPION] * 5 == [predict(tier).json for _ in range(5)]
        assert (None, 0) == (comparison(tier), asked_for(keeper, "log_reg_2"))
