"""The summary of a run."""

from __future__ import annotations

import pytest

from loadtest.tally import OUTCOMES, Latencies, Tally, histogram, quantile


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, 50), (0.9, 90), (0.99, 99), (0.991, 100), (1.0, 100), (0.001, 1), (0.0, 1)],
)
def test_quantiles_are_by_nearest_rank(share: float, expected: float) -> None:
    """Of 1 to 100 the p99 is 99: the smallest value that 99 % do not exceed."""
    assert quantile(range(1, 101), share) == expected


def test_a_quantile_of_nothing_is_none() -> None:
    """No answer has no latency, rather than one of zero."""
    assert quantile([], 0.99) is None
    assert Latencies().summary() == {"count": 0, "p50": None, "p90": None, "p99": None, "max": None, "histogram": []}


def test_latencies_are_summed_up_in_milliseconds_whatever_their_order() -> None:
    """Quantiles are of the sorted values."""
    latencies = Latencies()
    for seconds in (0.004, 0.001, 0.003, 0.002):
        latencies.add(seconds)
    assert {"count": 4, "p50": 2.0, "p90": 4.0, "p99": 4.0, "max": 4.0}.items() <= latencies.summary().items()


def test_a_histogram_loses_no_value_and_its_bounds_are_not_exceeded() -> None:
    """Ten buckets per decade; what is too small for the first is in the first."""
    assert histogram([0.0, 0.000001]) == [[0.01, 2]]
    assert histogram([0.001, 0.00101, 0.0012, 0.0013, 2.0]) == [[1.0, 1], [1.26, 2], [1.58, 1], [2510.0, 1]]


def test_every_request_ends_in_exactly_one_outcome_and_they_add_up() -> None:
    """Fast refusals and wrong answers are no goodput."""
    tally = Tally()
    for moment in (0.1, 0.2, 0.3, 0.4, 0.5, 1.1, 1.2, 1.3):
        tally.offer(moment)
    tally.answer(0.1, 0.010, 200, expected=True)
    tally.answer(0.2, 0.001, 200, expected=False)
    tally.answer(0.3, 0.002, 503, expected=False)
    tally.answer(0.4, 0.003, 429, expected=True)
    tally.answer(0.5, 0.004, 500, expected=True)
    tally.answer(1.1, 0.020, 200, expected=True)
    tally.timed_out += 1
    tally.errors["ECONNRESET"] += 1
    summary = tally.summary(seconds=2)
    assert {name: summary[name] for name in OUTCOMES} == {
        "good": 2, "wrong": 1, "refused": 2, "failed": 1, "timed_out": 1, "error": 1, "unsent": 0,
    }
    assert sum(summary[name] for name in OUTCOMES) == summary["offered"] == 8
    assert summary["goodput_per_second"] == 1.0
    assert summary["statuses"] == {"200": 3, "429": 1, "500": 1, "503": 1}
    assert summary["accepted_ms"]["p50"] == 10.0 and summary["refused_ms"]["max"] == 3.0


def test_what_was_not_sent_is_offered_all_the_same() -> None:
    """An arrival that found no connection counts against the goodput of what was offered."""
    tally = Tally()
    for moment in (0.0, 0.5):
        tally.offer(moment)
    tally.answer(0.0, 0.01, 200, expected=True)
    tally.unsent["no connection is free"] += 1
    summary = tally.summary(seconds=1)
    assert (summary["offered"], summary["sent"], summary["unsent"]) == (2, 1, 1)
    assert summary["offered_per_second"] == 2.0 and summary["sent_per_second"] == 1.0


def test_the_timeline_counts_by_the_second_in_which_a_request_was_due() -> None:
    """A late answer belongs to the second of its request: that is how recovery is seen."""
    tally = Tally()
    for moment in (0.9, 2.0, 2.5):
        tally.offer(moment)
    tally.answer(0.9, 0.8, 200, expected=True)
    tally.answer(2.0, 0.1, 200, expected=True)
    assert tally.summary(seconds=3)["timeline"] == [
        {"second": 0, "offered": 1, "good": 1, "p99_ms": 800.0},
        {"second": 2, "offered": 2, "good": 1, "p99_ms": 100.0},
    ]
