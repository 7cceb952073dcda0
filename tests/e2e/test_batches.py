"""Many rows in one call: the caller's order, the caller's keys, and for each row the very answer that the model gives to it."""

from __future__ import annotations

import json
import pickle
import random
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Any

import numpy as np
import pytest

from tests.asking import JSON, ask, post
from tests.e2e.tiers import ROW, Tiers, problem
from tests.versions import MODEL, artefact
from twotier.families.iris import FAMILY

ROWS = 10_000

KEYS = [
    "zebra", "apple", "10", "9", "1", "01", "-1", "1.0", "", " ", "  ", "true", "null", "a/b", "~", "~1", "a.b", "$", "__proto__",
    "constructor", '"', "\\", "'", "\n", "\t", "\u0000", "\u2028", "<b>", "%00", "é", "e\u0301", "ключ", "鍵", "مفتاح", "🌷", "👩‍🌾", "Ä",
    "x" * 1000,
]
"""Keys in no order, of every script, such as are apt to be sorted, normalised, escaped or taken for something else."""


def flowers(count: int, seed: int = 42) -> list[dict[str, float]]:
    """Flowers at random, within what grows; the same each time."""
    chance = random.Random(seed)
    limits = ((4.3, 7.9), (2.0, 4.4), (1.0, 6.9), (0.1, 2.5))
    return [dict(zip(FAMILY.features, (round(chance.uniform(*limit), 2) for limit in limits), strict=True)) for _ in range(count)]


def by_the_model(served: Tiers, rows: Sequence[dict[str, float]]) -> list[dict[str, Any]]:
    """What the pickled model itself says of each row, by no code of ours."""
    model = pickle.loads((artefact(served.data, "log_reg_1") / MODEL).read_bytes())
    scores = model.predict_proba(np.array([[row[name] for name in FAMILY.features] for row in rows]))
    classes = list(model.classes_)
    return [{"output": classes[score.argmax()], "probabilities": dict(zip(classes, score.tolist(), strict=True))} for score in scores]


def test_ten_thousand_rows(served: Tiers, measured: Callable[[str, float], None]) -> None:
    """Each of 10,000 rows in one call is answered as the pickled model answers it, in the order they were sent."""
    rows = flowers(ROWS)
    expected = [{"output": one["output"], "model_name": "log_reg_1"} for one in by_the_model(served, rows)]
    body = json.dumps(rows).encode()
    begun = time.perf_counter()
    answered = ask(served.predict, "POST", body, JSON)
    measured("10,000 rows in one call", time.perf_counter() - begun)

    assert 200 == answered.status
    assert expected == answered.json
    # Answers that are all alike, or that repeat with the rows, would hide a wrong order.
    outputs = [one["output"] for one in expected]
    assert 3 == len(set(outputs))
    assert outputs != outputs[::-1]


def test_probabilities_of_ten_thousand_rows(served: Tiers) -> None:
    """On request each row has its own probabilities, those of the pickled model."""
    rows = flowers(ROWS, seed=7)
    expected = by_the_model(served, rows)
    answered = post(served.predict + "?probabilities=true", rows).json

    assert [one["output"] for one in expected] == [one["output"] for one in answered]
    for one, other in zip(expected, answered, strict=True):
        assert pytest.approx(one["probabilities"], abs=1e-9) == other["probabilities"]


def test_one_row_too_many(served: Tiers) -> None:
    """The 10,001st row is refused, and so are all with it."""
    said = problem(post(served.predict, [ROW] * (ROWS + 1)), 422, "invalid-input")

    assert "10001 rows are too many for one call: send at most 10000" == said["detail"]


@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "in UTF-8"])
def test_keys(served: Tiers, escaped: bool) -> None:
    """Whatever the keys are, each comes back as it was, in its place, with its own row's answer."""
    sent = dict(zip(KEYS, flowers(len(KEYS), seed=1), strict=True))
    answered = ask(served.predict, "POST", json.dumps(sent, ensure_ascii=escaped).encode(), JSON)

    assert 200 == answered.status
    # A list of pairs, since dictionaries in another order are equal.
    received = json.loads(answered.body, object_pairs_hook=list)
    assert KEYS == [key for key, _ in received]
    outputs = [dict(one)["output"] for _, one in received]
    assert [one["output"] for one in by_the_model(served, list(sent.values()))] == outputs
    assert 3 == len(set(outputs))


def test_ten_thousand_keys(served: Tiers) -> None:
    """Number-like keys at random come back in the order in which they were sent, and each has its own row's answer."""
    numbers = random.Random(3).sample(range(100_000), ROWS)
    sent = dict(zip(map(str, numbers), flowers(ROWS, seed=3), strict=True))
    received = post(served.predict, sent).json

    assert list(sent) == list(received)
    assert sorted(sent) != list(received)
    assert [one["output"] for one in by_the_model(served, list(sent.values()))] == [one["output"] for one in received.values()]


def test_keys_are_pointed_at(served: Tiers) -> None:
    """A bad row among keyed ones is pointed at by its key; with `?partial=true` its problem stands in its place, beside the answers."""
    sent = {"b/~": ROW, "a": {**ROW, "PetalWidthCm": "5"}, "": ROW}
    refused = problem(post(served.predict, sent), 422, "invalid-input")
    partial = post(served.predict + "?partial=true", sent)

    assert [["/a/PetalWidthCm"], 1] == [[fault["pointer"] for fault in refused["errors"]], refused["error_count"]]
    assert (200, ["b/~", "a", ""]) == (partial.status, list(partial.json))
    assert ["Iris-virginica", None, "Iris-virginica"] == [one.get("output") for one in partial.json.values()]
    assert (422, "/a/PetalWidthCm") == (partial.json["a"]["status"], partial.json["a"]["errors"][0]["pointer"])


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 1000])
def test_order(served: Tiers, count: int) -> None:
    """Sent backwards, rows are answered backwards; a list of one is a list."""
    rows = list(islice(cycle(flowers(60)), count))
    forwards, backwards = post(served.predict, rows).json, post(served.predict, rows[::-1]).json

    assert [one["output"] for one in by_the_model(served, rows)] == [one["output"] for one in forwards]
    assert forwards == backwards[::-1]
