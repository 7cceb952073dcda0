"""What the tiers say to each other is closed, finite, and the same after a round trip through JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.examples import card
from twotier.wire import AliasInfo, Block, FamilyInfo, Info, Refusal, Refused, RowFault, Scored, VersionInfo

INFO = Info(
    server={"twotier": "0.1.0"},
    families={
        "iris": FamilyInfo(
            aliases={"champion": AliasInfo(version="log_reg_2", serving="log_reg_1", problem="it is broken")},
            versions=[
                VersionInfo(
                    version="log_reg_1",
                    estimator="log_reg",
                    created_at=datetime(2026, 1, 1, tzinfo=UTC),
                    metrics={"test": {"accuracy": 0.9473684210526315}},
                    gate_passed=True,
                    gate_findings=["passed: accuracy is 0.9474."],
                    loaded=False,
                )
            ],
        )
    },
)

MESSAGES = [
    Block(family="iris", version="champion", rows=[[5.1, "x", None]], budget_ms=12.5),
    Refused(refused=Refusal.EXPIRED, detail="too late"),
    Scored(version="log_reg_1", answers=[{"output": "a"}, None], faults=[RowFault(row=1, detail="no")]),
    INFO,
    card(),
    Block(family="iris", version="champion", rows=[[5.1], [4.9]], budget_ms=[12.5, 0]),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_message_survives_json(message: BaseModel) -> None:
    """Every message written as JSON and read back is the same message."""
    assert message.model_dump() == type(message).model_validate_json(message.model_dump_json()).model_dump()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_message_is_closed(message: BaseModel) -> None:
    """No message takes a key that the other side does not know."""
    with pytest.raises(ValidationError, match="extra_forbidden"):
        type(message).model_validate(message.model_dump() | {"more": 1})


def test_a_model_server_that_tells_no_findings_is_understood() -> None:
    """One of an earlier release does not."""
    said = INFO.model_dump(mode="json")
    del said["families"]["iris"]["versions"][0]["gate_findings"]
    assert None is Info.model_validate(said).families["iris"].versions[0].gate_findings


def test_result_of_a_block_is_told_apart() -> None:
    """What is sent for a block reads back as an answer or as a refusal, never as the other."""
    either: TypeAdapter[Scored | Refused] = TypeAdapter(Scored | Refused)
    for message in MESSAGES[1:3]:
        assert message == either.validate_json(message.model_dump_json())


def test_rows_are_late_when_their_budget_is_spent() -> None:
    """The budget runs from the block's arrival; before its end the rows are wanted, at its end no more."""
    before = time.monotonic()
    block = Block(family="iris", version="champion", rows=[[1], [2]], budget_ms=1000)
    after = time.monotonic()
    assert [] == [*block.late(before + 0.999)]
    assert [0, 1] == [*block.late(after + 1.001)]


def test_each_row_may_have_a_budget_of_its_own() -> None:
    """One is late, and the next is not."""
    block = Block(family="iris", version="champion", rows=[[1], [2], [3]], budget_ms=[1000, 3000, 0])
    assert [[2], [0, 2], [0, 1, 2]] == [[*block.late(time.monotonic() + seconds)] for seconds in (0, 2, 4)]


def test_budgets_that_are_not_one_for_each_row_are_refused() -> None:
    """Nobody can say whose they are."""
    with pytest.raises(ValidationError, match="1 budgets for 2 rows"):
        Block(family="iris", version="champion", rows=[[1], [2]], budget_ms=[1000])


def test_block_without_a_budget_is_never_late() -> None:
    """Without a budget, somebody waits for ever."""
    assert [] == [*Block(family="iris", version="champion", rows=[[1]]).late(time.monotonic() + 1e9)]


def test_spent_budget_is_late_on_arrival() -> None:
    """A budget of nought is over before anything is scored."""
    assert [0] == [*Block(family="iris", version="champion", rows=[[1]], budget_ms=0).late(time.monotonic())]


def test_arrival_is_not_sent() -> None:
    """When a block arrived is its receiver's own business."""
    assert {"family", "version", "rows", "wanted", "budget_ms"} == Block(family="a", version="b", rows=[]).model_dump().keys()
