"""The promises, computed from a run."""

from __future__ import annotations

import math

import pytest

from loadtest.compare.bars import BARS, ratio
from tests.unit.loadtest.compare.runs import run


def test_every_bar_is_computed_from_the_run() -> None:
    """Each value follows from the made-up run by hand; what the run does not say is None, and neither kept nor broken."""
    run_ = run()
    values = [bar.measure(run_["systems"]) for bar in BARS]
    assert values == [
        pytest.approx(2.4), pytest.approx(6.0), None, pytest.approx(1.2), pytest.approx(2.5), 0.0, 0.91, 1.2, 12.0, 3.0, pytest.approx(1.5),
        0.25, pytest.approx(3.0), 110.0, 270.0, 25.0, 40.0, 1.02, 0.3, 1.01, 1.5, 0.5, 0,
    ]
    assert [bar.met(value) for bar, value in zip(BARS, values, strict=True)] == [
        False, True, None, True, True, True, True, True, False, True, False, True, False, True, False, False, True, True, True, True, False,
        True, True,
    ]


def test_a_run_without_twotier_says_nothing() -> None:
    """No promise is kept by not being measured."""
    assert {bar.measure({}) for bar in BARS} == {None}


@pytest.mark.parametrize(
    ("broken", "bar"),
    [
        ("an overload that never ends", "longest recovery"),
        ("an overload not measured", "least goodput"),
        ("a point not measured", "failures"),
    ],
)
def test_one_missing_measurement_leaves_the_bar_open(broken: str, bar: str) -> None:
    """The worst of several is not known when one of them is not."""
    systems = run()["systems"]
    if broken == "an overload that never ends":
        systems["twotier"]["open"][1]["recovery_seconds"] = None
    elif broken == "an overload not measured":
        systems["twotier"]["open"][2] = {"error": "NotRunning"}
    else:
        systems["twotier"]["closed"].append({"error": "NotRunning"})
    assert [promise.measure(systems) for promise in BARS if promise.what.startswith(bar)] == [None]


def test_an_overload_that_refused_nobody_has_no_slow_refusal() -> None:
    """Nobody waited for a refusal, so the longest wait is 0."""
    systems = run()["systems"]
    for found in systems["twotier"]["open"]:
        found |= {"refused_ms": {"p50": None, "p99": None}, "timed_out": 0}
    assert [bar.measure(systems) for bar in BARS if "of refusals at" in bar.what] == [0.0, 0.0]


def test_an_overload_in_which_callers_heard_nothing_has() -> None:
    """They waited for all of their time, and were not even refused."""
    systems = run()["systems"]
    for found in systems["twotier"]["open"]:
        found |= {"refused_ms": {"p50": None, "p99": None}, "timed_out": 7}
    assert [bar.measure(systems) for bar in BARS if "of refusals at" in bar.what] == [math.inf] * 2


def test_a_version_that_never_answered_was_not_promoted_in_time() -> None:
    """The slowest of the moves is not known then."""
    systems = run()["systems"]
    systems["twotier"]["promoted"]["serves_after_seconds"]["roll-back"] = None
    assert [bar.measure(systems) for bar in BARS if "promoting" in bar.what] == [None]


@pytest.mark.parametrize(("value", "base", "expected"), [(3.0, 2.0, 1.5), (None, 2.0, None), (3.0, None, None), (3.0, 0.0, None)])
def test_a_ratio_needs_both_values(value: float | None, base: float | None, expected: float | None) -> None:
    """Nothing is divided by nothing."""
    assert ratio(value, base) == expected
