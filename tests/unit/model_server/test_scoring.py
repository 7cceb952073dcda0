"""Blocks of several callers are scored together, and none of them can harm another."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter, model_serializer
from sklearn.linear_model import LogisticRegression
from structlog.testing import capture_logs

from tests.examples import CoinAnswer, card, family
from twotier.errors import DigestMismatch, UnknownFamily, UnknownVersion
from twotier.model_server.scoring import score
from twotier.reasons import Explained
from twotier.scorer import Scorer
from twotier.wire import Block, Refusal, Refused, RowFault, Scored

POISON = 13.0


class Slope:
    """A model in closed form: the more a + b, the likelier `high`. It cannot bear POISON. It counts its calls."""

    classes_ = np.array(["high", "low"])

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """(rows, 2) -> (rows, 2)."""
        self.sizes.append(len(X))
        if (X == POISON).any():
            raise ArithmeticError("thirteen at /secret/place")
        high: NDArray[np.float64] = 1 / (1 + np.exp(-X.sum(axis=1)))
        return np.column_stack([high, 1 - high])


class Versions:
    """log_reg_1, also called champion, and log_reg_2 of the family coin."""

    def __init__(self, **changes: Any) -> None:
        self.models = {name: Slope() for name in ("log_reg_1", "log_reg_2")}
        self.scorers = {name: Scorer(family(**changes), card(version=name), model) for name, model in self.models.items()}
        self.scorers["champion"] = self.scorers["log_reg_1"]

    def find(self, family: str, version: str) -> Scorer:
        """As a shelf does."""
        if family != "coin":
            raise UnknownFamily("there is no family of that name")
        if version not in self.scorers:
            raise {"broken": DigestMismatch("a byte was flipped"), "odd": OSError("/secret/place")}.get(version, UnknownVersion("no such"))
        return self.scorers[version]


def block(*rows: Any, version: str = "champion", family: str = "coin", budget_ms: float | list[float] | None = None) -> Block:
    """A block of rows."""
    return Block(family=family, version=version, rows=list(rows), wanted=["share"], budget_ms=budget_ms)


def labels(result: Scored | Refused) -> list[Any]:
    """The labels of a block's answers."""
    assert isinstance(result, Scored), result
    return [answer and answer["label"] for answer in result.answers]


def now() -> float:
    """A moment at which nothing without a budget has expired."""
    return 0.0


def test_blocks_of_one_version_are_scored_in_one_call() -> None:
    """Whether they name the version or its alias; each gets its own answers, in its own order, and is told the version."""
    versions = Versions()
    results = score([block([1, 1], [-1, -1]), block([2, 2], version="log_reg_1"), block([-3, -3], version="log_reg_2")], versions.find, now)
    assert [["high", "low"], ["high"], ["low"]] == [labels(result) for result in results]
    assert ["log_reg_1", "log_reg_1", "log_reg_2"] == [getattr(result, "version") for result in results]
    assert {"log_reg_1": [3], "log_reg_2": [1]} == {name: model.sizes for name, model in versions.models.items()}


def test_answer_does_not_depend_on_its_neighbours() -> None:
    """Alone and among others, a row has the same answer but for the last bit, which depends on how arithmetic is done on many rows."""
    rows = [[float(a), float(-a % 3)] for a in range(-5, 6)]
    together = score([block(*rows), block(*reversed(rows))], Versions().find, now)
    alone = [score([block(row)], Versions().find, now)[0] for row in rows]
    expected = [answer for result in alone if isinstance(result, Scored) for answer in result.answers if answer]
    for result, wanted in zip(together, (expected, expected[::-1]), strict=True):
        assert isinstance(result, Scored)
        assert [each["label"] for each in wanted] == labels(result)
        assert pytest.approx([each["share"] for each in wanted], abs=1e-12) == [each and each["share"] for each in result.answers]


def test_only_the_guilty_row_has_a_fault() -> None:
    """Its neighbours in its block and the other callers have their answers; the fault says no more than the kind of error."""
    with capture_logs() as logs:
        guilty, innocent = score([block([1, 1], [POISON, 0], [-1, -1], [1]), block([2, 2])], Versions().find, now)
    assert ["high", None, "low", None] == labels(guilty)
    assert ["high"] == labels(innocent)
    assert isinstance(guilty, Scored) and isinstance(innocent, Scored)
    expected = [
        RowFault(row=1, detail="ArithmeticError: this row could not be scored"),
        RowFault(row=3, detail="ValueError: this row could not be scored"),
    ]
    assert expected == guilty.faults
    assert [] == innocent.faults
    assert [("rows_failed", 4, 2, "log_reg_1")] == [(log["event"], log["rows"], log["failed"], log["version"]) for log in logs]
    assert "thirteen at /secret/place" == str(logs[0]["exc_info"])


@pytest.mark.parametrize(
    ("bad", "refused", "detail"),
    [
        (block([1, 1], family="nope"), Refusal.UNKNOWN_FAMILY, "there is no family of that name"),
        (block([1, 1], version="log_reg_9"), Refusal.UNKNOWN_VERSION, "no such"),
        (block([1, 1], version="broken"), Refusal.NOT_SERVABLE, "a byte was flipped"),
        (block([1, 1], version="odd"), Refusal.FAILED, "OSError: see the model server's log"),
        (block([1, 1], budget_ms=0), Refusal.EXPIRED, "its budget was used up before it could be scored"),
    ],
    ids=lambda value: value.value if isinstance(value, Refusal) else "",
)
def test_refused_block_leaves_the_others_alone(bad: Block, refused: Refusal, detail: str) -> None:
    """It says why, without the inside of an unforeseen error, and stands where it was sent."""
    before, result, after = score([block([1, 1]), bad, block([-1, -1])], Versions().find, lambda: bad._arrived)
    assert Refused(refused=refused, detail=detail) == result
    assert [["high"], ["low"]] == [labels(before), labels(after)]


def test_expired_block_is_not_scored() -> None:
    """Its rows do not reach the model, and the same block with time left does."""
    late, early = block([1, 1], budget_ms=100), block([1, 1], budget_ms=100)
    versions = Versions()
    (result,) = score([late], versions.find, lambda: late._arrived + 0.11)
    assert isinstance(result, Refused) and Refusal.EXPIRED is result.refused
    assert [] == versions.models["log_reg_1"].sizes
    (result,) = score([early], versions.find, lambda: early._arrived + 0.09)
    assert ["high"] == labels(result)


def test_a_late_row_is_not_scored_and_its_neighbours_are() -> None:
    """Each caller's rows have a deadline of their own; that one was late is no failure of anybody's."""
    mixed, other = block([1, 1], [13, 13], [-1, -1], budget_ms=[200, 100, 200]), block([1, 1])
    versions = Versions()
    with capture_logs() as logs:
        first, second = score([mixed, other], versions.find, lambda: mixed._arrived + 0.15)
    assert [["high", None, "low"], ["high"]] == [labels(first), labels(second)]
    assert isinstance(first, Scored)
    assert [RowFault(row=1, detail="its budget was used up before it could be scored", late=True)] == first.faults
    assert ([3], []) == (versions.models["log_reg_1"].sizes, logs)


def test_a_block_without_rows_is_not_late() -> None:
    """It has none that could be."""
    empty = block(budget_ms=0)
    (result,) = score([empty], Versions().find, lambda: empty._arrived + 1)
    assert [] == labels(result)


def test_unforeseen_failure_is_told_in_the_log_alone() -> None:
    """The caller learns the kind of error; the log has the whole of it."""
    with capture_logs() as logs:
        score([block([1, 1], version="odd")], Versions().find, now)
    (line,) = logs
    assert ("failed", "coin", "odd", "/secret/place") == (line["event"], line["family"], line["version"], str(line["exc_info"]))


def test_scorer_that_breaks_its_promise_fails_its_own_blocks() -> None:
    """If it raises in spite of all, those blocks are refused, and another version's are answered."""

    class Raising(Scorer):
        def answers(self, rows: Any, *, explain: bool = False) -> Any:
            raise RecursionError("deep")

    versions = Versions()
    versions.scorers["log_reg_2"] = Raising(family(), card(version="log_reg_2"), Slope())
    blocks = [block([1, 1], version="log_reg_2"), block([1, 1]), block([2, 2], version="log_reg_2")]
    first, second, third = score(blocks, versions.find, now)
    expected = Refused(refused=Refusal.FAILED, detail="RecursionError: see the model server's log")
    assert [expected, expected] == [first, third]
    assert ["high"] == labels(second)


def test_answer_that_cannot_be_written_is_a_fault() -> None:
    """An answer whose own code fails when it is written is no reason to fail its neighbours."""

    class Touchy(CoinAnswer):
        @model_serializer
        def write(self) -> dict[str, Any]:
            if self.label == "low":
                raise LookupError("no words")
            return {"label": self.label}

    versions = Versions(answer=Touchy, decide=lambda scores, card: Touchy(label="high" if scores[0] > 0.5 else "low"))
    (result,) = score([block([1, 1], [-1, -1])], versions.find, now)
    assert isinstance(result, Scored)
    assert ["high", None] == labels(result)
    assert [1] == [fault.row for fault in result.faults]


def test_results_hold_no_nan() -> None:
    """A row that makes the model answer NaN has a fault, even where the decision would hide it; what is sent is JSON."""
    versions = Versions(decide=lambda scores, card: CoinAnswer(label="high"))
    results = score([block([float("nan"), 1], [1, 1])], versions.find, now)
    assert [None, "high"] == labels(results[0])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(TypeAdapter(list[Scored | Refused]).dump_json(results), parse_constant=refuse)


def test_block_without_rows_is_answered_without_answers() -> None:
    """There is nothing to score, and nothing is wrong."""
    assert [Scored(version="log_reg_1", answers=[])] == score([block()], Versions().find, now)


def test_no_blocks_no_results() -> None:
    """An empty call has an empty answer."""
    assert [] == score([], Versions().find, now)


class Because(Explained):
    """A label with reasons."""

    label: str


def test_reasons_are_given_to_those_who_want_them() -> None:
    """Blocks that want reasons are scored apart; the others share one call, and only they are answered if there are no reasons."""
    linear = LogisticRegression().fit([[-1.0, -1.0], [1.0, 1.0], [2.0, 0.0], [-2.0, 0.0]], ["low", "high", "high", "low"])
    versions = Versions(answer=Because, decide=lambda probabilities, card: Because(label="any"))
    versions.scorers["linear"] = Scorer(versions.scorers["champion"].family, card(version="log_reg_3"), linear)
    why = {"wanted": ["reasons"]}
    plain, slope = block([1, 1]), block([1, 1]).model_copy(update=why)
    explained, bare = block([1, 1], version="linear").model_copy(update=why), block([2, 2], version="linear")
    first, refused, third, fourth, fifth = score([plain, slope, explained, bare, plain], versions.find, now)

    assert [2] == versions.models["log_reg_1"].sizes
    assert isinstance(refused, Refused) and Refusal.NOT_EXPLAINABLE == refused.refused
    assert isinstance(first, Scored) and isinstance(third, Scored) and isinstance(fourth, Scored)
    assert first == fifth and [{"label": "any"}] == first.answers == fourth.answers
    (answer,) = third.answers
    assert answer is not None and {"a", "b"} == answer["reasons"]["inputs"].keys()
