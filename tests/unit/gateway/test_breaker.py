"""The breaker, by a clock of our own: whatever is called in whatever order, it keeps what it promises."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from twotier.gateway.breaker import PAUSE_SECONDS, STRIKES, Breaker, State


class Clock:
    """Stands still unless it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="breaker")
def _breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def call(breaker: Breaker, *outcomes: bool | None) -> None:
    """One call after another."""
    for sound in outcomes:
        breaker.leave(breaker.enter(), sound)


def opened(breaker: Breaker) -> Breaker:
    """After as many failures as it takes."""
    call(breaker, *[False] * STRIKES)
    return breaker


def test_opens_when_failures_outnumber_successes(breaker: Breaker) -> None:
    """One failure less than it takes changes nothing; the next one does."""
    call(breaker, *[False] * (STRIKES - 1))
    assert (State.CLOSED, True) == (breaker.state, breaker.admits())

    call(breaker, False)
    assert (State.OPEN, False) == (breaker.state, breaker.admits())


def test_half_of_the_calls_may_fail(breaker: Breaker) -> None:
    """A model server that answers every other call is better than none."""
    call(breaker, *[False, True] * 1000)
    assert State.CLOSED == breaker.state.value

    call(breaker, *[False, False, True] * (STRIKES - 2), False, False)
    assert State.OPEN == breaker.state.value


def test_calls_that_show_nothing_do_not_count(breaker: Breaker) -> None:
    """Neither for nor against."""
    call(breaker, *[False] * (STRIKES - 1), *[None] * 100)
    assert State.CLOSED == breaker.state.value

    call(breaker, False)
    assert State.OPEN == breaker.state.value


def test_one_call_tries_it_after_the_pause(breaker: Breaker, clock: Clock) -> None:
    """Until the pause is over nobody is let through, then one, and everybody once that one has succeeded."""
    opened(breaker)
    clock.now += PAUSE_SECONDS - 0.001
    assert not breaker.admits()

    clock.now += 0.001
    assert breaker.admits()
    trial = breaker.enter()
    assert (State.HALF_OPEN, False) == (breaker.state, breaker.admits())

    breaker.leave(trial, True)
    assert (State.CLOSED, True) == (breaker.state, breaker.admits())
    call(breaker, *[False] * (STRIKES - 1))
    assert State.CLOSED == breaker.state.value


@pytest.mark.parametrize(("sound", "admits"), [(False, False), (None, True)])
def test_a_trial_that_did_not_succeed(breaker: Breaker, clock: Clock, sound: bool | None, admits: bool) -> None:
    """One that failed is followed by another pause, one that showed nothing by the next trial."""
    opened(breaker)
    clock.now += PAUSE_SECONDS
    call(breaker, sound)

    assert (State.OPEN, admits) == (breaker.state, breaker.admits())
    clock.now += PAUSE_SECONDS
    assert breaker.admits()


def test_a_sign_of_life_ends_the_pause(breaker: Breaker) -> None:
    """The next call is the trial, without a wait."""
    opened(breaker).end_pause()
    assert breaker.admits()

    call(breaker, True)
    assert State.CLOSED == breaker.state.value


def test_late_outcomes_change_nothing(breaker: Breaker, clock: Clock) -> None:
    """What calls tell that were sent before it opened is about the past."""
    before = breaker.enter()
    opened(breaker)
    breaker.leave(before, True)
    assert State.OPEN == breaker.state.value

    clock.now += PAUSE_SECONDS
    trial = breaker.enter()
    breaker.leave(before, True)
    breaker.leave(before, False)
    assert State.HALF_OPEN == breaker.state.value
    breaker.leave(trial, True)
    breaker.leave(before, False)
    call(breaker, *[False] * (STRIKES - 1))
    assert State.CLOSED == breaker.state.value


class AnyOrder(RuleBasedStateMachine):
    """Calls come, end in any order and way, and time passes."""

    under_way: Bundle[int] = Bundle("under_way")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(self.clock)
        self.trials: set[int] = set()

    @rule(target=under_way)
    def enter(self) -> int:
        """A call comes; it is sent if it is let through. Only one at a time is ever a trial."""
        if not self.breaker.admits():
            return -1
        was = self.breaker.state
        era = self.breaker.enter()
        if was is not State.CLOSED:
            assert not self.trials
            self.trials.add(era)
        return era

    @rule(era=under_way, sound=st.sampled_from([True, False, None]))
    def leave(self, era: int, sound: bool | None) -> None:
        """A call ends. Whoever failed or showed nothing never closes it; whoever succeeded never opens it."""
        before = self.breaker.state
        self.breaker.leave(era, sound)
        self.trials.discard(era)
        if self.breaker.state is State.CLOSED:
            assert before is State.CLOSED or sound
        if self.breaker.state is State.OPEN:
            assert before is State.OPEN or not sound

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 10.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now += seconds

    @rule()
    def end_pause(self) -> None:
        """There is a sign of life."""
        self.breaker.end_pause()

    @invariant()
    def never_stuck(self) -> None:
        """It lets calls through, or will do so when time has passed or the trial ends."""
        if not self.breaker.admits():
            assert self.trials if self.breaker.state is State.HALF_OPEN else self.breaker.state is State.OPEN
        self.clock.now += PAUSE_SECONDS
        assert self.breaker.admits() or self.breaker.state is State.HALF_OPEN
        self.clock.now -= PAUSE_SECONDS


TestAnyOrder = AnyOrder.TestCase
