"""How the sentiment champion behaves: what it must know, what must not sway it, and that no text takes it long or much."""

from __future__ import annotations

import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from model_training import train
from model_training.gate import predictor
from model_training.pipelines.read import read
from tests.examples import card
from tests.folders import DATA, registry_over, with_raw_data
from twotier.families.sentiment import FAMILY, MOST_CHARACTERS, NEGATIONS, PLAIN, PRAISE, decide, log_reg, negated, terms, tokens
from twotier.family import Predict
from twotier.scorer import matrix

quick = settings(max_examples=50)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which sentiment is trained."""
    folder = with_raw_data(tmp_path_factory.mktemp("sentiment") / "data")
    with registry_over(folder) as registry:
        train(registry, registry.families["sentiment"], data=folder)
    return folder


@pytest.fixture(scope="module")
def predict(data: Path) -> Iterator[Predict]:
    """Ask the champion."""
    with registry_over(data) as registry:
        yield predictor(registry.load("sentiment", "champion"))


def _scores(predict: Predict, *texts: str) -> list[float]:
    return [getattr(answer, "score") for answer in predict([{"text": text} for text in texts])]


def _labels(predict: Predict, *texts: str) -> list[str]:
    return [getattr(answer, "label") for answer in predict([{"text": text} for text in texts])]


# How good it is


def test_five_folds() -> None:
    """On texts that it has not learnt from, at least 87 of 100 labels are right, and the area under the ROC curve is at least 0.93."""
    raw = read(FAMILY, DATA)
    labels = np.asarray(raw.labels)
    folds = StratifiedKFold(5, shuffle=True, random_state=42)
    shares = cross_val_predict(log_reg(), matrix(FAMILY, raw.rows), labels, cv=folds, method="predict_proba")[:, 1]
    assert 4200 == len(shares)
    assert np.mean((shares >= 0.5) == (labels == "POSITIVE")) >= 0.87
    assert roc_auc_score(labels == "POSITIVE", shares) >= 0.93


# Minimum functionality: what anybody who reads would know


@pytest.mark.parametrize("praise", PRAISE)
def test_negation_turns_praise(predict: Predict, praise: str) -> None:
    """Praise is positive, each way of negating it is negative, and the two are far apart."""
    plain, *turned = _scores(predict, PLAIN.format(praise), *(way.format(praise) for way in NEGATIONS))
    assert plain > 0.5 > max(turned)
    assert plain - max(turned) > 0.4


def test_not_good_is_not_positive(predict: Predict) -> None:
    """The two words that the system before this one could not tell apart from "good", with either apostrophe and in any case."""
    texts = ("not good", "NOT GOOD", "wasn't good", "wasn\u2019t good", "wasnt good", "no good", "nothing good", "hardly good")
    assert ["POSITIVE"] + ["NEGATIVE"] * len(texts) == _labels(predict, "good", *texts)


def test_negation_ends_with_its_clause(predict: Predict) -> None:
    """What follows a full stop, a comma or a "but" is not negated, and neither is what is far away."""
    words = "not a bad day at all , not bad but good".split()
    assert ["a", "bad", "day", "bad"] == [word for word, mark in zip(words, negated(words), strict=True) if mark]
    after, before = _scores(predict, "not here. It is great", "it is not great. Here")
    assert after > before


# Invariance: what must not sway it


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I love R&B", "I love R&amp;B"),
        ("I love it <3", "I love it &lt;3"),
        ("I love it <3", "I love it &#60;3"),
        ("It isn't good", "It isn&#x27;t good"),
        ("I love it\nso much", "I love it\r\n\r\nso much\n"),
        ("@ann thank you http://t.co/abc", "@bob_2 thank you https://example.org/?a=1&b=2"),
        ("soooo gooood", "sooooooooo goooooooood"),
    ],
)
def test_spelling_does_not_matter(predict: Predict, one: str, other: str) -> None:
    """Entities, line breaks, names, addresses and how far a word is stretched leave the score as it is, to the digit."""
    assert len(set(_scores(predict, one, other))) == 1


def test_tokens() -> None:
    """Words, emoticons and signs are told apart; what is no entity stays; users and addresses lose their names."""
    assert ["@", "user", "so", "happy", ":)", "<3", "!!", "🙂", "http"] == tokens("@Ann So HAPPY :) &lt;3!!!! 🙂 www.example.org/a")
    assert ["&", "nope", "a", "&", "b", "&", "#", "11", ";"] == tokens("&nope a & b &#" + "1" * 5000 + ";")


@quick
@given(st.text(max_size=200))
def test_any_text_has_a_score(predict: Predict, text: str) -> None:
    """Whatever the text, the empty one included, its score is from 0 to 1, and its label goes with it."""
    ((label, score),) = [(getattr(answer, "label"), getattr(answer, "score")) for answer in predict([{"text": text}])]
    assert 0 <= score <= 1
    assert ("POSITIVE" if score >= 0.5 else "NEGATIVE") == label


# The neutral band


@pytest.mark.parametrize(("score", "label"), [(0, "NEGATIVE"), (0.4, "NEGATIVE"), (0.41, "NEUTRAL"), (0.69, "NEUTRAL"), (0.7, "POSITIVE")])
def test_band(score: float, label: str) -> None:
    """Between the two scores of the band, neither included, is NEUTRAL."""
    assert label == decide([1 - score, score], card(classes=["NEGATIVE", "POSITIVE"], options={"neutral": [0.4, 0.7]})).label


@pytest.mark.parametrize(("score", "label"), [(0.4999, "NEGATIVE"), (0.5, "POSITIVE"), (0.5001, "POSITIVE")])
def test_without_a_band_nothing_is_neutral(score: float, label: str) -> None:
    """By default the likelier label is answered, whatever order the classes are in."""
    assert label == decide([1 - score, score], card(classes=["NEGATIVE", "POSITIVE"])).label
    assert label == decide([score, 1 - score], card(classes=["POSITIVE", "NEGATIVE"])).label


# What it costs

HOSTILE: dict[str, str] = {
    "emoji": "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u202e\u0645\u0631\u062d\u0628\u0627",
    "combining marks": "a\u0301\u0323\u0316\u0308",
    "marks alone": "\u0316\u0301",
    "one word": "abc",
    "one letter": "a",
    "ampersands": "&",
    "half an entity": "&amp",
    "digits of an entity": "&#1",
    "users": "@",
    "addresses": "http://",
    "apostrophes": "a'",
    "negations": "n't",
    "negated words": "not a ",
    "eyes": ":-",
    "sigmas": "\u03a3'",
    "line breaks": "\r\n",
    "no characters at all": "\x00\u200b",
}


def _long(unit: str, length: int) -> str:
    return (unit * length)[:length]


@pytest.mark.parametrize("kind", HOSTILE)
def test_longest_text_is_answered(predict: Predict, kind: str) -> None:
    """A text of as many characters as may be sent is accepted and scored, whatever they are."""
    assert 10_000 == MOST_CHARACTERS == len(_long(HOSTILE[kind], MOST_CHARACTERS))
    assert 0 <= _scores(predict, _long(HOSTILE[kind], MOST_CHARACTERS))[0] <= 1


@pytest.mark.parametrize("kind", HOSTILE)
def test_terms_are_counted_by_length(kind: str) -> None:
    """Nothing is made more of than in proportion to its length: terms, and the characters in them."""
    found = terms([_long(HOSTILE[kind], MOST_CHARACTERS)])
    assert len(found) <= 5 * MOST_CHARACTERS + 100
    assert sum(map(len, found)) <= 40 * MOST_CHARACTERS + 1000


def _growth(work: Callable[[str], Any], unit: str) -> float:
    """How many times longer the work takes on a text 16 times as long; each the best of several, since others use the machine too."""

    def best(length: int) -> float:
        text, times = _long(unit, length), []
        for _ in range(7):
            begun = time.thread_time()
            work(text)
            times.append(time.thread_time() - begun)
        return min(times)

    return best(MOST_CHARACTERS) / best(MOST_CHARACTERS // 16)


@pytest.mark.parametrize("kind", HOSTILE)
def test_time_is_proportional_to_length(kind: str) -> None:
    """A text 16 times as long takes about 16 times as long to cut into terms; were the time to grow with the square, it took 256."""
    assert _growth(lambda text: terms([text]), HOSTILE[kind]) < 64


def test_a_quadratic_pattern_would_be_found() -> None:
    """The negative control: a pattern that starts over at each character takes far more than 16 times as long."""
    assert _growth(re.compile(r"a*b").findall, "a") > 64


def test_memory_does_not_grow_with_the_number_of_texts(data: Path) -> None:
    """What one text of as many different characters as possible takes is given back before the next: forty take little more than one."""
    with registry_over(data) as registry:
        scorer = registry.load("sentiment", "champion")
    rows = [["".join(map(chr, range(0x4E00 + number, 0x4E00 + number + MOST_CHARACTERS)))] for number in range(40)]

    def peak(some: list[list[str]]) -> int:
        tracemalloc.start()
        scorer.answers(some)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    scorer.answers(rows[:1])
    assert peak(rows) < 2 * peak(rows[:1]) < 20_000_000


def test_artefact_is_small(data: Path) -> None:
    """The pickled model has less than 3 MB, so that loading it, and keeping several, costs little."""
    assert (data / "models" / "sentiment" / "log_reg_1" / "model.pkl").stat().st_size < 3_000_000
