"""Every error has its problem, and no problem says more than it should."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from twotier import errors
from twotier.errors import Fault, InputRefused, TwotierError
from twotier.gateway.problems import BY_ERROR, INTERNAL, Problem, kind_of, kinds, of_status, problem


def _tree(root: type[TwotierError]) -> Iterator[type[TwotierError]]:
    yield root
    for below in root.__subclasses__():
        yield from _tree(below)


EXPECTED = {
    "TwotierError": 500,
    "ConfigurationError": 500,
    "LedgerSealed": 409,
    "InputRefused": 422,
    "InputUnreadable": 400,
    "InputTooLarge": 413,
    "BodyTooSlow": 408,
    "UnknownFamily": 404,
    "UnknownEstimator": 404,
    "UnknownVersion": 404,
    "NotServable": 503,
    "SignatureInvalid": 503,
    "DigestMismatch": 503,
    "VersionSkew": 503,
    "SchemaMismatch": 503,
    "GoldenMismatch": 503,
    "NotExplainable": 422,
    "GateRefused": 409,
    "AliasMoved": 409,
    "UnknownJob": 404,
    "KeyReused": 409,
    "TrainingNotOffered": 501,
    "TrainingFailed": 500,
    "UpstreamError": 502,
    "UpstreamUnavailable": 503,
    "Overloaded": 503,
    "CircuitOpen": 503,
    "TrainingUnavailable": 503,
    "UpstreamTimeout": 504,
    "UpstreamInvalid": 502,
}


@pytest.mark.parametrize("cls", [cls for cls in _tree(TwotierError) if cls.__module__ == errors.__name__], ids=lambda cls: cls.__name__)
def test_the_table_is_total(cls: type[TwotierError]) -> None:
    """Every class of the exception tree is answered by the status that was agreed for it."""
    assert EXPECTED[cls.__name__] == kind_of(cls("words")).status


def test_the_tree_is_the_one_that_was_agreed() -> None:
    """No class is without an expectation here, and none is left over."""
    assert EXPECTED.keys() == {cls.__name__ for cls in _tree(TwotierError) if cls.__module__ == errors.__name__}


def test_our_errors_are_told_in_their_own_words() -> None:
    """An error of ours says what it says, with the request's id."""
    made = problem(errors.UnknownVersion("iris has no such version"), "id-1")

    assert {
        "type": "/problems/unknown-version",
        "title": "There is no such version",
        "status": 404,
        "detail": "iris has no such version",
        "instance": "id-1",
    } == made


@pytest.mark.parametrize("error", [KeyError("secret"), errors.ConfigurationError("secret"), TwotierError("secret")], ids=repr)
def test_other_errors_are_told_nothing_about(error: Exception) -> None:
    """An error that is the gateway's own fault leaks nothing."""
    assert {"type": "/problems/internal-error", "title": INTERNAL.title, "status": 500, "detail": INTERNAL.meaning} == problem(error)


def test_faults_are_listed_and_counted() -> None:
    """The faults of the input are in the problem, and their number."""
    made = problem(InputRefused("words", [Fault("/0/a", "is wrong")], 30))

    assert ([{"pointer": "/0/a", "detail": "is wrong"}], 30) == (made["errors"], made["error_count"])


@pytest.mark.parametrize(
    ("status", "type_"),
    [(404, "/problems/not-found"), (405, "/problems/method-not-allowed"), (415, "/problems/unsupported-media-type"), (418, "about:blank")],
)
def test_statuses_of_the_framework_are_problems_too(status: int, type_: str) -> None:
    """A bare status becomes a problem; one that is not foreseen says no more than its phrase."""
    made = of_status(status, "id-1")

    assert (type_, status, "id-1") == (made["type"], made["status"], made["instance"])
    assert Problem.model_validate(made, extra="forbid").status == status


def test_every_kind_has_words_and_a_slug_of_its_own() -> None:
    """No two kinds share a slug, since the slug is the address of what it means."""
    assert {kind.slug: kind for kind in BY_ERROR.values()}.items() <= kinds().items()
    assert len({kind.slug for kind in BY_ERROR.values()}) == len(BY_ERROR)
    assert all(kind.title and kind.meaning and f"/problems/{slug}" == kind.type for slug, kind in kinds().items())
