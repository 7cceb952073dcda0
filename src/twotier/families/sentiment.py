"""Does a text speak well or ill of something? 4,200 short texts rated by people; a text in, its sentiment out."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from twotier.card import Card
from twotier.datasets import csv_dataset
from twotier.family import Answer, Example, Family, Gate, Options, Predict, Row, feature

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MOST_CHARACTERS = 10_000
"""About four pages. Scoring takes a time that grows with the text, and a longer one rarely has one sentiment."""


class SentimentRow(Row):
    """One text."""

    text: str = feature("What somebody wrote, in English", example="Not bad at all, I love it!", max_length=MOST_CHARACTERS)


class SentimentAnswer(Answer):
    """Its sentiment."""

    label: Literal["POSITIVE", "NEUTRAL", "NEGATIVE"] = Field(description="NEUTRAL only where the option `neutral` makes room for it.")
    score: float = Field(ge=0, le=1, description="Probability that it is positive, if as many texts were positive as negative.")


class SentimentOptions(Options):
    """Where POSITIVE ends and NEGATIVE begins."""

    neutral: tuple[float, float] = (0.5, 0.5)
    """A score between the two, neither included, is NEUTRAL. By default there is nothing between them."""

    @model_validator(mode="after")
    def _in_order(self) -> SentimentOptions:
        if not 0 <= self.neutral[0] <= self.neutral[1] <= 1:
            raise ValueError("neutral is two scores from 0 to 1, the lower one first, such as [0.4, 0.7]")
        return self


def decide(probabilities: Sequence[float], card: Card) -> SentimentAnswer:
    """Answer by the score, and by the band that the version was trained with."""
    score = probabilities[card.classes.index("POSITIVE")]
    low, high = SentimentOptions(**card.options).neutral
    return SentimentAnswer(label="POSITIVE" if score >= high else "NEUTRAL" if score > low else "NEGATIVE", score=score)


# Text -> terms. The pipeline's pickle names `terms`, so that training and serving cut texts in the same way. No pattern repeats inside a
# repetition, so the time is proportional to the length. Unicode is not normalised: doing so takes a time that grows with the square of a
# run of combining marks.

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});", re.IGNORECASE)
"""Bounded, since html.unescape raises for a number of many digits."""

_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_USER = re.compile(r"@\w+")
_STRETCHED = re.compile(r"(.)\1{2,}", re.DOTALL)
_TOKEN = re.compile(r"[:;=8][-o*']?[)\](\[dp/\\|](?!\w)|<3|\w+(?:'\w+)*|[!?.]+|[^\w\s]")
"""An emoticon, a word, a run of full stops, or any other sign."""

_CLAUSE_ENDS = re.compile(r"[!?.]+|[,;:]|but")
_NEGATION = re.compile(
    r".+n't|no|not|never|none|nobody|nothing|nowhere|neither|nor|cannot|without|hardly|barely|lacks?"
    r"|(?:ai|are|ca|could|did|do|does|had|has|have|is|should|was|were|wo|would)nt"
)
NEGATED_WORDS = 3
"""How many words a negation reaches, if its clause is that long."""

PIECES = range(3, 6)
"""How many characters the pieces of a word have, its edges included."""


def tokens(text: str) -> list[str]:
    """Words, emoticons and signs in lower case, with users and addresses alike whoever they are, and no character more than twice."""
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    text = _USER.sub("@user", _URL.sub("http", text)).replace("\u2019", "'").casefold()
    return _TOKEN.findall(_STRETCHED.sub(r"\1\1", text))


def negated(words: Sequence[str]) -> list[bool]:
    """Whether each word stands shortly after a negation, in the same clause."""
    reach, found = 0, []
    for word in words:
        if _CLAUSE_ENDS.fullmatch(word):
            reach = 0
        found.append(reach > 0)
        reach = NEGATED_WORDS if _NEGATION.fullmatch(word) else max(0, reach - 1)
    return found


def terms(row: Sequence[str]) -> list[str]:
    """What the model counts in a row, which is a text: its words, pairs of neighbours, and pieces of words.

    A word that is negated is another word, and so are its pieces: "good" says nothing of "not good".
    """
    words = tokens(row[0])
    marks = ["not " if mark else "" for mark in negated(words)]
    marked = [mark + word for mark, word in zip(marks, words, strict=True)]
    found = [*marked, *(f"{one} {two}" for one, two in pairwise(marked))]
    for mark, word in zip(marks, words, strict=True):
        edged = f"<{word}>"
        for size in PIECES:
            found += [f"{mark}#{edged[start:start + size]}" for start in range(len(edged) - size + 1)]
    return found


def log_reg() -> Pipeline:
    """Logistic regression over tf-idf of terms, with both labels given the same weight, although positive texts are more common."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    weights = TfidfVectorizer(analyzer=terms, min_df=2, sublinear_tf=True)
    return Pipeline([("terms", weights), ("model", LogisticRegression(C=50, class_weight="balanced", max_iter=1000))])


def _text(text: str) -> Mapping[str, str]:
    return {"text": text}


def _scores(predict: Predict, *texts: str) -> list[float]:
    return [getattr(answer, "score") for answer in predict([_text(text) for text in texts])]


PRAISE = ("good", "great", "nice", "happy", "fun", "a good idea")
PLAIN = "it is {}."
NEGATIONS = ("it is not {}.", "it isn't {}.", "it was not {}.", "it wasn't {}.", "this is not {} at all.", "it is never {}.")


def praise_is_positive(predict: Predict) -> bool:
    """Words of praise are likelier positive than not."""
    return min(_scores(predict, *(PLAIN.format(praise) for praise in PRAISE))) > 0.5


def negated_praise_is_not_positive(predict: Predict) -> bool:
    """No way of negating praise leaves it positive."""
    return max(_scores(predict, "not good", *(way.format(praise) for way in NEGATIONS for praise in PRAISE))) < 0.5


def encoding_does_not_matter(predict: Predict) -> bool:
    """Entities, line breaks, capital letters, and who or what is linked to change nothing."""
    ways = ("@ann I love R&B <3 http://a.b", "@bob I LOVE R&amp;B\r\n&lt;3\nhttps://c.d/e?f")
    return len(set(_scores(predict, *ways))) == 1


FAMILY = Family(
    name="sentiment",
    summary="Whether a text speaks well or ill of what it is about",
    row=SentimentRow,
    answer=SentimentAnswer,
    options=SentimentOptions(),
    estimators={"log_reg": log_reg},
    dataset=csv_dataset(
        "raw/tweets.tsv",
        target="rating",
        columns={"text": str, "rating": lambda rating: "POSITIVE" if float(rating) > 0 else "NEGATIVE"},
        header=("id", "rating", "text"),
        delimiter="\t",
        quotes=False,
        missing=(),
    ),
    decide=decide,
    gate=Gate(
        metric="auc",
        floor=0.92,
        checks={check.__name__: check for check in (praise_is_positive, negated_praise_is_not_positive, encoding_does_not_matter)},
    ),
    examples=(
        Example(row=_text("I love it, thank you so much!"), answer={"label": "POSITIVE"}),
        Example(row=_text("What a terrible day. I hate this."), answer={"label": "NEGATIVE"}),
        Example(row=_text("This is not good at all."), answer={"label": "NEGATIVE"}),
        Example(row=_text("So happy today :)\nBest &amp; brightest"), answer={"label": "POSITIVE"}),
    ),
)
