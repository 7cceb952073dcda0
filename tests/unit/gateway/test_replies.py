"""Replies of the model server are read strictly."""

from __future__ import annotations

import json

import pytest

from twotier.errors import TwotierError, UpstreamInvalid
from twotier.families.iris import FAMILY, IrisAnswer
from twotier.gateway.forwarding import Ask, Scores
from twotier.gateway.replies import read_scores
from twotier.wire import Refusal


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_is_an_error_of_ours(refusal: Refusal) -> None:
    """No refusal is without an error, and none is told in the model server's own words."""
    with pytest.raises(TwotierError) as raised:
        read_scores(Ask(FAMILY, "log_reg_1"), 1, json.dumps([{"refused": refusal, "detail": "secret"}]).encode())
    assert "secret" not in str(raised.value)


def test_answers_are_read_as_the_familys_own() -> None:
    """Each answer is of the family's class, in the order of the rows."""
    body = b'[{"version": "log_reg_1", "answers": [{"output": "a"}, null], "faults": [{"row": 1, "detail": "no"}]}]'

    assert Scores("log_reg_1", [IrisAnswer(output="a"), None]) == read_scores(Ask(FAMILY, "champion"), 2, body)


@pytest.mark.parametrize("rows", [[0], [2], [1, 1], [-1]], ids=str)
def test_faults_must_be_those_of_the_unanswered_rows(rows: list[int]) -> None:
    """A fault of another row, twice the same, or out of range shows that the reply is not to be trusted."""
    faults = [{"row": row, "detail": "no"} for row in rows]
    body = json.dumps([{"version": "log_reg_1", "answers": [{"output": "a"}, None], "faults": faults}]).encode()
    with pytest.raises(UpstreamInvalid, match="faults are not those"):
        read_scores(Ask(FAMILY, "champion"), 2, body)
