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
        ("an overload not measured", "least goodput"),
        ("a point not measured", "failures"),
    ],
)
def test_one_missing_measurement_leaves_the_bar_open(broken: str, bar: str) -> None:
    """The worst of several is not known when one of them is not."""
    systems = run()["systems"]
    if broken == "an overload not measured":
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


@pytest.mark.parametrize(
    ("what", "bar"),
    [
        (("open", 1, "recovery_seconds"), "longest recovery"),
        (("killed", "serves_after_seconds"), "seconds from its return"),
        (("stopped", "serves_after_seconds"), "seconds from when it goes on"),
        (("promoted", "serves_after_seconds", "roll-back"), "seconds from promoting"),
    ],
)
def test_what_was_waited_for_in_vain_breaks_its_promise(what: tuple[str | int, ...], bar: str) -> None:
    """That is not the same as not having been measured."""
    systems = run()["systems"]
    (promise,) = [promise for promise in BARS if promise.what.startswith(bar)]
    assert promise.measure(systems) not in (None, math.inf)

    *path, last = what
    found = systems["twotier"]
    for step in path:
        found = found[step]
    found[last] = None
    assert (math.inf, False) == (promise.measure(systems), promise.met(math.inf))
    del found[last]
    if last != "roll-back":
        assert promise.measure(systems) is None


@pytest.mark.parametrize(("value", "base", "expected"), [(3.0, 2.0, 1.5), (None, 2.0, None), (3.0, None, None), (3.0, 0.0, None)])
def test_a_ratio_needs_both_values(value: float | None, base: float | None, expected: float | None) -> None:
    """Nothing is divided by nothing."""
    assert ratio(value, base) == expected
