"""Replies of the model server are read strictly."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from twotier.errors import TwotierError, UpstreamInvalid
from twotier.families.iris import FAMILY, IrisAnswer
from twotier.gateway.forwarding import Ask, Scores
from twotier.gateway.replies import read_scores, refusal
from twotier.wire import Refusal, Refused


@pytest.mark.parametrize("name", Refusal)
def test_every_refusal_is_an_error_of_ours(name: Refusal) -> None:
    """No refusal is without an error, and none is told in the model server's own words."""
    body = json.dumps([{"refused": name, "detail": "secret"}]).encode()
    refused = read_scores(Ask(FAMILY, "log_reg_1"), 1, body)

    assert isinstance(refused, Refused)
    assert isinstance(error := refusal(refused, "iris", "log_reg_1"), TwotierError)
    assert "secret" not in str(error)


def test_answers_are_read_as_the_familys_own() -> None:
    """Each answer is of the family's class, in the order of the rows."""
    body = b'[{"version": "log_reg_1", "answers": [{"output": "a"}, null], "faults": [{"row": 1, "detail": "no"}]}]'

    assert Scores("log_reg_1", [IrisAnswer(output="a"), None]) == read_scores(Ask(FAMILY, "champion"), 2, body)


def test_a_fault_is_told_in_the_log_unless_the_row_was_late() -> None:
    """Whoever sent that one was told by the gateway's own clock."""
    faults = [{"row": 0, "detail": "its budget was used up", "late": True}, {"row": 1, "detail": "ArithmeticError"}]
    body = json.dumps([{"version": "log_reg_1", "answers": [None, None], "faults": faults}]).encode()
    with capture_logs() as logs:
        assert Scores("log_reg_1", [None, None]) == read_scores(Ask(FAMILY, "champion"), 2, body)
    assert [("row not scored", 1)] == [(line["event"], line["row"]) for line in logs]


@pytest.mark.parametrize("rows", [[0], [2], [1, 1], [-1]], ids=str)
def test_faults_must_be_those_of_the_unanswered_rows(rows: list[int]) -> None:
    """A fault of another row, twice the same, or out of range shows that the reply is not to be trusted."""
    faults = [{"row": row, "detail": "no"} for row in rows]
    body = json.dumps([{"version": "log_reg_1", "answers": [{"output": "a"}, None], "faults": faults}]).encode()
    with pytest.raises(UpstreamInvalid, match="faults are not those"):
        read_scores(Ask(FAMILY, "champion"), 2, body)
