"""Two versions' answers to the same rows, counted: what agrees, what flips, how far the probabilities are apart."""

from __future__ import annotations

from typing import Any

from tests import examples
from twotier.families.iris import FAMILY, IrisAnswer
from twotier.family import Answer, Example, on_request
from twotier.gateway.catalogue import Pair
from twotier.gateway.comparison import Comparison, Flip, Seconds, Sides, Tally

PAIR = Pair("log_reg_1", "log_reg_2")


def irises(*species: str | None) -> list[Answer | None]:
    """Answers without their probabilities; None was not scored."""
    return [None if one is None else IrisAnswer(output=one) for one in species]


def compared(champion: list[Answer | None], challenger: list[Answer | None]) -> Comparison:
    """What is told of them."""
    tally = Tally(PAIR)
    tally.compare(FAMILY, champion, challenger)
    return tally.shown()


def test_begins_at_nought() -> None:
    """Of nothing, nothing is said."""
    told = Tally(PAIR).shown().model_dump(exclude={"since"})

    assert {"champion": "log_reg_1", "challenger": "log_reg_2", "rows": 0, "agreed": 0, "flips": [], "other_flips": 0} == {
        name: value for name, value in told.items() if name in ("champion", "challenger", "rows", "agreed", "flips", "other_flips")
    }
    assert {None} == {told[name] for name in ("agreement", "score_difference", "model_ms", "upstream_ms")}
    assert ({}, 0) == (told["failed"], told["dropped"])


def test_counts_agreement_flips_and_failures() -> None:
    """Flips are told by what both said, the most frequent first; a row that the champion could not score does not count."""
    tally = Tally(PAIR)
    outcomes = tally.compare(FAMILY, irises("a", "a", "b", "a", "b", "a", None), irises("a", "b", "b", "b", "a", None, "a"))
    told = tally.shown()

    assert {"agree": 2, "differ": 3, "failed": 1} == outcomes
    assert (5, 2, 0.4) == (told.rows, told.agreed, told.agreement)
    assert [Flip(champion="a", challenger="b", rows=2), Flip(champion="b", challenger="a", rows=1)] == told.flips
    assert {"the row was not scored": 1} == told.failed


def test_flips_are_bounded() -> None:
    """However many labels there are and however long they are, little is kept: 50 kinds of flip, shortened, and a count of the rest."""
    told = compared(irises(*(f"{at:02}" * 1000 for at in range(100)), "0" * 1000), irises(*["x"] * 101))

    assert (50, 50, 101) == (len(told.flips), told.other_flips, sum(flip.rows for flip in told.flips) + told.other_flips)
    assert 2 == told.flips[0].rows
    assert all(len(flip.champion) <= 64 for flip in told.flips)


class RichAnswer(Answer):
    """An answer that has everything: two decisions, a probability, words on request, and a number of the row's."""

    a: float
    label: str
    band: int
    weights: dict[str, Any]
    share: float | None = on_request("Its probability.")
    reasons: str | None = on_request("In words.")


def rich(label: str, band: int, share: float | None, a: float = 0.0, reasons: str = "") -> list[Answer | None]:
    """One of them."""
    return [RichAnswer(a=a, label=label, band=band, weights={"x": band}, share=share, reasons=reasons)]


def test_what_is_a_decision_and_what_is_a_score() -> None:
    """Numbers with a point are scores; what repeats the row, and words on request, are neither; all else is the decision."""
    family = examples.family(answer=RichAnswer)
    tally = Tally(PAIR)

    assert {"agree": 1} == tally.compare(family, rich("high", 1, 0.75, 1.0, "so"), rich("high", 1, 0.5, 2.0, "thus"))
    assert {"differ": 1} == tally.compare(family, rich("high", 1, 0.5), rich("high", 2, 0.5))
    told = tally.shown()
    assert [Flip(champion="high, 1, {'x': 1}", challenger="high, 2, {'x': 2}", rows=1)] == told.flips
    assert 0.125 == told.score_difference


class FloatAnswer(Answer):
    """A label that is a number with a point, as adopted models may have them, beside a number that is none."""

    output: float
    share: float
    probabilities: dict[str, float] | None = on_request("Of each label.")


def floats(*labels: float, share: float = 0.5) -> list[Answer | None]:
    """Some of them."""
    return [FloatAnswer(output=label, share=share, probabilities={"0.0": share}) for label in labels]


def test_labels_that_are_numbers_with_a_point_are_decisions() -> None:
    """They are what the family's examples name; what those do not name are scores as ever."""
    named = (Example(row={"a": 1.0, "b": 1.0}, answer={"output": 1.0}), Example(row={"a": -1.0, "b": -1.0}, answer={"output": 0.0}))
    family = examples.family(answer=FloatAnswer, examples=named)
    tally = Tally(PAIR)

    assert {"agree": 1, "differ": 2} == tally.compare(family, floats(0.0, 0.0, 0.0), floats(0.0, 1.0, 1.0, share=0.25))
    told = tally.shown()
    assert [Flip(champion="0.0", challenger="1.0", rows=2)] == told.flips
    assert 0.25 == told.score_difference


def test_scores_that_examples_name_are_no_decisions() -> None:
    """Beside a decision of any other type, a number with a point is a score, whatever the examples name."""
    named = tuple(Example(row={"a": sign, "b": sign}, answer={"label": "high", "share": 0.75}) for sign in (1.0, -1.0))
    tally = Tally(PAIR)

    assert {"agree": 1} == tally.compare(examples.family(answer=RichAnswer, examples=named), rich("high", 1, 0.75), rich("high", 1, 0.5))
    assert 0.25 == tally.shown().score_difference


def test_scores_are_compared_where_both_have_them() -> None:
    """Probabilities by class are averaged over the classes; without any, no difference is claimed."""
    ours, theirs = (IrisAnswer(output="a", probabilities={"a": each, "b": 1 - each}) for each in (0.75, 0.5))

    assert 0.25 == compared([ours], [theirs]).score_difference
    assert None is compared(irises("a"), [theirs]).score_difference


def test_times_are_means() -> None:
    """In milliseconds, per call."""
    tally = Tally(PAIR)
    tally.time(Seconds(0.001, 0.002), Seconds(0.01, 0.02))
    tally.time(Seconds(0.003, 0.004), Seconds(0.01, 0.02))
    told = tally.shown()

    assert (Sides(champion=2, challenger=10), Sides(champion=3, challenger=20)) == (told.model_ms, told.upstream_ms)
