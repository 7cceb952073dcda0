"""What is computed from a lone caller's calls, what goes on beside it, and what is taken for a right answer to a large call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtest.beside_page import Call, Round, page, within
from loadtest.busy import Busy, full_rows, megabytes, why_wrong

RUN = {
    "command": "python -m loadtest.beside",
    "started": "2026-01-02 03:04 UTC",
    "machine": {"cpu": "a CPU", "cores": 2, "memory_gb": 24.0, "system": "Linux 6", "python": "3.11", "load": 0.5},
    "rows": 10_000,
    "megabytes": 17.3,
}


def _calls(p50: float, p99: float, right: bool = True) -> list[Call]:
    """A hundred calls with those quantiles, in milliseconds."""
    return [Call(float(at), (p50 if at < 98 else p99) / 1000, right) for at in range(100)]


def _round(large: float = 6.0, training: float = 4.5, seconds: tuple[float, ...] = (3.1, 2.9), wrong: tuple[str, ...] = ()) -> Round:
    """One in which the caller alone has a p99 of 3 ms."""
    calls = Busy(0, 100, seconds, wrong)
    return Round(_calls(1, 3), _calls(2, large), calls, _calls(1.5, training), Busy(0, 100, (20.0,), ()))


def test_calls_count_that_were_sent_meanwhile() -> None:
    """Whenever they were answered."""
    calls = [Call(sent, 5, True) for sent in (0.9, 1.0, 1.5, 2.0, 2.1)]
    assert calls[1:4] == within(Busy(1, 2, (1,), ()), calls)


def test_a_round() -> None:
    """Quantiles in milliseconds, each p99 beside something also as times that of the caller alone, and the longest call."""
    assert pytest.approx([1, 3, 2, 6, 2, 3.1, 1.5, 4.5, 1.5, 20]) == _round().figures()
    assert [] == _round().wrong()


def test_every_wrong_answer_is_told() -> None:
    """Those of the caller, of the large calls and of the training."""
    training = Busy(0, 100, (20.0,), ("not seen running",))
    made = Round([Call(1, 1, False)], _calls(1, 1), Busy(0, 1, (1,), ("a large one",)), [Call(2, 1, False)], training)
    assert ["the lone caller, at 1.000", "the lone caller, at 2.000", "a large one", "not seen running"] == made.wrong()


def test_the_page() -> None:
    """Each round has a line, the medians have the last, and the bars are about medians and the longest call of all."""
    text = page(RUN, [_round(), _round(large=3.0), _round(large=5.4, seconds=(1.0, 4.9), training=9)])
    lines = text.splitlines()
    for line in (
        "| the longest of the large calls, s | <= 5 | 4.9 | yes |",
        "| p99 of the lone caller beside large calls, times that of one alone: median of the rounds | <= 2 | 1.8 | yes |",
        "| p99 of the lone caller beside a training, times that of one alone: median of the rounds | <= 2 | 1.5 | yes |",
        "| wrong answers | <= 0 | 0 | yes |",
        "| 2 | 1 | 3 | 2 | 3 | 1 | 3.1 | 1.5 | 4.5 | 1.5 | 20 |",
        "| median | 1 | 3 | 2 | 5.4 | 1.8 | 3.1 | 1.5 | 4.5 | 1.5 | 20 |",
        "The large calls took, round by round, in seconds: 3.10, 2.90; 3.10, 2.90; 1.00, 4.90.",
        "The lone caller had 300 answers alone, 300 beside large calls and 300 beside trainings.",
    ):
        assert line in lines
    assert "One run of `python -m loadtest.beside` on 2026-01-02 03:04 UTC: a CPU, 2 cores, 24 GB" in text
    assert "10,000 full rows of `outcome`, 17.3 MB" in text


def test_bars_that_are_not_met() -> None:
    """Are said to be so, each for itself."""
    lines = page(RUN, [_round(large=6.3, training=6.3, seconds=(5.1,), wrong=("this",))]).splitlines()
    assert ["5.1", "2.1", "2.1", "1"] == [line.split(" | ")[2] for line in lines if line.endswith("**no** |")]


def _answers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "business_outcome": 0, "phat": 0.25, "model_name": "log_reg_1"} for row in rows]


def test_full_rows() -> None:
    """All have a hundred columns, and 10,000 of them would be 17 MB."""
    rows, body = full_rows(200)
    assert 200 == len(rows) and rows == json.loads(body)
    assert {100} == {len(row) for row in rows}
    assert 17 == round(megabytes(200) * 50)


def test_a_right_answer_to_a_large_call() -> None:
    """A decision and its own row for each."""
    rows, _ = full_rows(200)
    assert why_wrong(rows, 200, json.dumps(_answers(rows)).encode()) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda answers: answers.pop(), "200 rows had 199 answers"),
        (lambda answers: answers.reverse(), "200 of 200 answers are wrong, that to row 0 first"),
        (lambda answers: answers[7].update(business_outcome=None), "1 of 200 answers are wrong, that to row 7 first"),
        (lambda answers: answers[8].update(phat=1.1), "1 of 200 answers are wrong, that to row 8 first"),
        (lambda answers: answers[9].update(x12="$1.00"), "1 of 200 answers are wrong, that to row 9 first"),
    ],
    ids=["few", "turned", "no decision", "no probability", "another row's"],
)
def test_a_wrong_answer_to_a_large_call(change: Any, why: str) -> None:
    """It is said what is wrong."""
    rows, _ = full_rows(200)
    answers = _answers(rows)
    change(answers)
    assert why == why_wrong(rows, 200, json.dumps(answers).encode())


def test_a_refused_large_call() -> None:
    """Its status and the beginning of what it says are told."""
    assert "a large call was answered 504: b'too late'" == why_wrong(full_rows(200)[0], 504, b"too late")
