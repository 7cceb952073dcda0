"""When requests are due."""

from __future__ import annotations

import itertools
import statistics

import pytest

from loadtest.arrivals import ARRIVALS, Arrivals, schedule


def test_constant_arrivals_are_evenly_spaced_and_as_many_as_asked_for() -> None:
    """Ten a second for half a second are five, a tenth of a second apart."""
    assert list(schedule("constant", rate=10, seconds=0.5)) == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_poisson_arrivals_have_the_rate_and_the_spread_of_independent_callers() -> None:
    """Gaps of a Poisson process average 1/rate and vary as much as they are long; constant ones do not vary."""
    moments = list(schedule("poisson", rate=1000, seconds=20, seed=3))
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert statistics.mean(gaps) == pytest.approx(0.001, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(0.001, rel=0.05)
    assert len(moments) == pytest.approx(20_000, rel=0.03)


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_others() -> None:
    """A run can be repeated."""
    first = list(schedule("poisson", 100, 1, seed=1))
    assert first == list(schedule("poisson", 100, 1, seed=1))
    assert first != list(schedule("poisson", 100, 1, seed=2))


@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_arrivals_ascend_and_end_in_time(arrivals: Arrivals) -> None:
    """Every moment lies in the run, and none before the one that precedes it."""
    moments = list(schedule(arrivals, 997, 2, seed=5))
    assert moments == sorted(moments)
    assert 0 <= moments[0] and moments[-1] < 2


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (1, 0), (1, -1)])
def test_a_load_of_nothing_is_refused(rate: float, seconds: float) -> None:
    """A rate or a duration of zero is a mistake, not an empty run that looks like success."""
    with pytest.raises(ValueError, match="above 0"):
        schedule("constant", rate, seconds)
