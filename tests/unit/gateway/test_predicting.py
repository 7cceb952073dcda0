"""The use-case: shapes are mirrored, every row gets its own answer, and bad rows are told as the caller wished."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.examples import family
from twotier.errors import InputRefused, UnknownVersion, UpstreamInvalid, UpstreamUnavailable
from twotier.families.iris import FAMILY, IrisAnswer
from twotier.family import Answer, on_request
from twotier.gateway.forwarding import Ask, Scores, Timing
from twotier.gateway.metrics import Metrics
from twotier.gateway.predicting import Predicting, Wish

DEADLINE = 0.0


def row(length: float) -> dict[str, float]:
    """A flower that the double answers with its petal's length."""
    return {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": length, "PetalWidthCm": 4}


class Echo:
    """Answers each row with its petal's length, so that a mixed-up row shows; 13 cannot be scored."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, float]] = []

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """See `Forward`."""
        self.calls.append((ask.version, len(rows), deadline))
        if ask.version == "unknown":
            raise UnknownVersion("no such version")
        answers: list[Answer | None] = [
            None if values[2] == 13 else IrisAnswer(output=str(values[2]), probabilities={"a": 1.0}) for values in rows
        ]
        return Scores("log_reg_1", answers)


async def predict(value: Any, wish: Wish = Wish(), echo: Echo | None = None) -> Any:
    """Ask, and read the answer."""
    predicting = Predicting(FAMILY, echo or Echo(), Metrics(), max_rows=10_000)
    return json.loads(b"".join(await predicting.predict(json.dumps(value).encode(), wish, DEADLINE, Timing())))


async def test_mirrors_one_row() -> None:
    """One row is answered by one answer."""
    assert {"output": "1.5", "model_name": "log_reg_1"} == await predict(row(1.5))


async def test_mirrors_a_list() -> None:
    """A list is answered by a list, in its order."""
    assert [{"output": f"{at}.0", "model_name": "log_reg_1"} for at in (3, 1, 2)] == await predict([row(3), row(1), row(2)])


async def test_mirrors_keys_in_their_order() -> None:
    """A keyed object is answered under the same keys, in the caller's order."""
    answer = await predict({"z": row(3), "": row(1), "a/b": row(2)})

    assert [("z", "3.0"), ("", "1.0"), ("a/b", "2.0")] == [(key, one["output"]) for key, one in answer.items()]


class Moved(Echo):
    """An alias that moves under a long call: its last row is answered by another version."""

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """See `Forward`."""
        scores = await super().score(ask, rows, deadline, timing)
        return replace(scores, others={len(rows) - 1: "log_reg_2"})


async def test_each_row_says_which_version_answered_it() -> None:
    """And each version's rows are counted."""
    metrics = Metrics()
    predicting = Predicting(FAMILY, Moved(), metrics, max_rows=10)
    answered = await predicting.predict(json.dumps([row(1)] * 3).encode(), Wish(), DEADLINE, Timing())
    assert ["log_reg_1", "log_reg_1", "log_reg_2"] == [one["model_name"] for one in json.loads(b"".join(answered))]
    counted = [line for line in metrics.text().decode().splitlines() if line.startswith("twotier_gateway_rows_total")]
    assert [f'twotier_gateway_rows_total{{family="iris",version="log_reg_{at}"}} {3.0 - at}' for at in (1, 2)] == counted


async def test_sends_fields_on_request_only_on_request() -> None:
    """Probabilities are sent to those who ask for them, and the version that answered comes last."""
    answer = await predict(row(1), Wish(shown=("probabilities",)))

    assert [("output", "1.0"), ("probabilities", {"a": 1.0}), ("model_name", "log_reg_1")] == list(answer.items())


async def test_asks_for_the_champion_or_the_pinned_version_by_the_deadline() -> None:
    """Who pins no version is answered by the champion; the deadline is handed on."""
    echo = Echo()
    await predict(row(1), echo=echo)
    await predict([row(1), row(2)], Wish(version="log_reg_2"), echo)

    assert [("champion", 1, DEADLINE), ("log_reg_2", 2, DEADLINE)] == echo.calls


async def test_a_missing_champion_is_no_mistake_of_the_callers() -> None:
    """A version that was pinned and is unknown is the caller's mistake; a family without a champion is not."""

    class Empty(Echo):
        async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
            raise UnknownVersion("no such version")

    with pytest.raises(UnknownVersion):
        await predict(row(1), Wish(version="unknown"))
    with pytest.raises(UpstreamUnavailable, match="no version of iris serves yet"):
        await predict(row(1), echo=Empty())


async def test_one_bad_row_refuses_the_call() -> None:
    """By default a call is answered whole or not at all, and nothing is sent for it."""
    echo = Echo()
    with pytest.raises(InputRefused) as refused:
        await predict([row(1), {}, row(-1)], echo=echo)

    pointers = ["/1/SepalLengthCm", "/1/SepalWidthCm", "/1/PetalLengthCm", "/1/PetalWidthCm", "/2/PetalLengthCm"]
    assert "2 of 3 rows cannot be answered" == str(refused.value)
    assert (pointers, 5) == ([fault.pointer for fault in refused.value.faults], refused.value.count)
    assert [] == echo.calls


@pytest.mark.parametrize(("keys", "pointer"), [(None, "/1"), (("a", "b", "c"), "/b")], ids=["list", "keyed"])
async def test_partial_answers_good_rows_beside_bad_ones(keys: tuple[str, ...] | None, pointer: str) -> None:
    """With partial=true each bad row has its own problem in its place, those that the model cannot score included."""
    rows = [row(1), {**row(2), "PetalWidthCm": "x"}, row(13), row(4)][: len(keys) if keys else 4]
    answer = await predict(dict(zip(keys, rows, strict=True)) if keys else rows, Wish(partial=True))
    answers = list(answer.values()) if keys else answer

    assert {"output": "1.0", "model_name": "log_reg_1"} == answers[0]
    assert 422 == answers[1]["status"]
    assert [{"pointer": f"{pointer}/PetalWidthCm", "detail": "should be a valid number"}] == answers[1]["errors"]
    assert "the model cannot score this row" == answers[2]["errors"][0]["detail"]
    assert keys or {"output": "4.0", "model_name": "log_reg_1"} == answers[3]


async def test_partial_asks_nothing_if_no_row_is_good() -> None:
    """Where every row is bad there is nothing to ask the model server."""
    echo = Echo()

    assert [422, 422] == [one["status"] for one in await predict([{}, {}], Wish(partial=True), echo)]
    assert [] == echo.calls


async def test_partial_changes_nothing_for_one_row() -> None:
    """A lone bad row has no others beside which it could be told."""
    with pytest.raises(InputRefused, match="the row cannot be answered"):
        await predict({"SepalLengthCm": 1}, Wish(partial=True))


async def test_a_row_that_cannot_be_scored_refuses_the_call() -> None:
    """A row that keeps its schema and that the model still cannot score is told like any other bad row."""
    with pytest.raises(InputRefused) as refused:
        await predict([row(1), row(13)])

    assert [("/1", "the model cannot score this row")] == [(fault.pointer, fault.detail) for fault in refused.value.faults]


async def test_ten_thousand_bad_rows_make_a_short_refusal() -> None:
    """At most twenty faults are named, and all are counted."""
    with pytest.raises(InputRefused) as refused:
        await predict([{}] * 10_000)

    assert (20, 40_000) == (len(refused.value.faults), refused.value.count)


@pytest.mark.parametrize("keyed", [False, True])
async def test_many_rows_of_all_kinds_keep_their_places(keyed: bool) -> None:
    """More than are done in one turn: answers, refusals, and rows that the model cannot score, each where its row was."""
    kinds = ["good", "refused", "unscored"]
    lengths = [14 + at / 100 for at in range(200)]
    rows = [[row(length), {**row(length), "PetalWidthCm": "x"}, row(13)][at % 3] for at, length in enumerate(lengths)]
    answer = await predict({f"k{at}": each for at, each in enumerate(rows)} if keyed else rows, Wish(partial=True))
    answers = list(answer.values()) if keyed else answer
    assert 200 == len(answers)
    for at, one in enumerate(answers):
        pointers = [fault["pointer"] for fault in one.get("errors", [])]
        place = f"/k{at}" if keyed else f"/{at}"
        wanted: dict[str, Any] = {
            "good": (str(lengths[at]), []), "refused": (None, [f"{place}/PetalWidthCm"]), "unscored": (None, [place])
        }
        assert wanted[kinds[at % 3]] == (one.get("output"), pointers)


async def test_large_calls_give_others_their_turn() -> None:
    """While many rows are validated, other tasks run."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await predict([row(1)] * 5_000)
    task.cancel()

    assert turns >= 9


async def test_a_loosely_typed_field_cannot_let_nan_out() -> None:
    """What is not JSON never leaves, even if a family's answer would allow it."""

    class Loose(Answer):
        """An answer with a field that may be anything."""

        output: Any

    class Nan(Echo):
        async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
            return Scores("log_reg_1", [Loose(output={"x": float("nan")})])

    predicting = Predicting(replace(FAMILY, answer=Loose), Nan(), Metrics(), max_rows=1)
    with pytest.raises(UpstreamInvalid, match="not finite"):
        await predicting.predict(json.dumps(row(1)).encode(), Wish(), time.monotonic(), Timing())


async def test_who_pins_no_version_is_steered_by_the_key() -> None:
    """What answers for them depends on the key; a pinned version is asked for as it is."""
    plain, other = Echo(), Echo()
    steered: list[tuple[str, str | None]] = []

    def steer(family: str, key: str | None) -> Echo:
        steered.append((family, key))
        return other

    predicting = Predicting(FAMILY, plain, Metrics(), 10, steer)
    for wish in (Wish(key="a"), Wish(), Wish(version="log_reg_1", key="a")):
        await predicting.predict(json.dumps(row(1)).encode(), wish, DEADLINE, Timing())

    assert [("iris", "a"), ("iris", None)] == steered
    assert (["log_reg_1"], ["champion", "champion"]) == ([call[0] for call in plain.calls], [call[0] for call in other.calls])


class Weighed(Answer):
    """An answer of a family that repeats its rows."""

    Output: str
    why: str | None = on_request("Why", flag="explain")


class Weighing:
    """Answers rows of the family below, and takes down what was wanted."""

    wanted: frozenset[str] = frozenset()

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """See `Forward`."""
        self.wanted = ask.wanted
        return Scores("log_reg_1", [Weighed(Output=str(values[0]), why="because") for values in rows])


async def test_repeats_the_row_as_it_was_sent() -> None:
    """A family with `echo` answers with the row as it was sent, names and order of digits included, all in alphabetical order."""
    coin = family(answer=Weighed, echo=True)
    forward = Weighing()
    predicting = Predicting(coin, forward, Metrics(), max_rows=10)
    body = b'[{"b": 2, "first": 1.50}, {"a": 1e0, "b": -3}, {"a": "x", "b": 1}]'
    answered = b"".join(await predicting.predict(body, Wish(partial=True), DEADLINE, Timing()))
    assert answered.startswith(
        b'[{"Output":"1.5","b":2,"first":1.5,"model_name":"log_reg_1"},{"Output":"1.0","a":1.0,"b":-3,"model_name":"log_reg_1"},'
    )
    # A row's own problem is a problem and nothing else.
    assert {"type", "title", "status", "detail", "errors", "error_count"} == json.loads(answered)[2].keys()
    assert frozenset() == forward.wanted
    told = json.loads(b"".join(await predicting.predict(body[1:24], Wish(shown=["why"]), DEADLINE, Timing())))
    assert ["Output", "b", "first", "model_name", "why"] == list(told)
    assert frozenset({"why"}) == forward.wanted
