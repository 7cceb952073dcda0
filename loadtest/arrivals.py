"""When requests are meant to be sent, decided before the first of them is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal, get_args

Arrivals = Literal["constant", "poisson"]
"""`constant`: evenly spaced. `poisson`: independent of each other, as the requests of many callers are."""

ARRIVALS: tuple[Arrivals, ...] = get_args(Arrivals)


def schedule(arrivals: Arrivals, rate: float, seconds: float, seed: int = 0) -> Iterator[float]:
    """Ascending moments in [0, seconds), in seconds from the start, `rate` of them per second.

    The same seed gives the same moments. Raises ValueError unless rate and seconds are positive.
    """
    if rate <= 0 or seconds <= 0:
        raise ValueError(f"a rate of {rate} for {seconds} s sends nothing: both must be above 0")
    return _constant(rate, seconds) if arrivals == "constant" else _poisson(rate, seconds, random.Random(seed))


def _constant(rate: float, seconds: float) -> Iterator[float]:
    # Multiplied rather than summed, so that rounding errors do not add up over a long run.
    sent = 0
    while (moment := sent / rate) < seconds:
        yield moment
        sent += 1


def _poisson(rate: float, seconds: float, source: random.Random) -> Iterator[float]:
    moment = source.expovariate(rate)
    while moment < seconds:
        yield moment
        moment += source.expovariate(rate)
