"""What became of each request of a run, and the summary of it."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

REFUSALS = (429, 503)
"""Statuses by which a server says that it does not take the request now."""

OUTCOMES = ("good", "wrong", "refused", "failed", "timed_out", "error", "unsent")
"""Every request that is due ends in exactly one of these."""

BUCKETS_PER_DECADE = 10


class Latencies:
    """Durations in seconds, every one of them kept: quantiles are exact, and 8 bytes per request are little for a bounded run."""

    def __init__(self) -> None:
        self._seconds = array("d")
        self.add = self._seconds.append

    def __len__(self) -> int:
        return len(self._seconds)

    def summary(self) -> dict[str, Any]:
        """Count, p50, p90, p99 and max in milliseconds (None if there are none), and the histogram: [upper bound in ms, count] pairs."""
        ordered = sorted(self._seconds)
        quantiles = {f"p{percent}": _rounded(quantile(ordered, percent / 100)) for percent in (50, 90, 99)}
        return {"count": len(ordered), **quantiles, "max": _rounded(ordered[-1] if ordered else None), "histogram": histogram(ordered)}


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of the ascending values do not exceed (nearest rank); None if there are none."""
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1] if ordered else None


def histogram(seconds: Sequence[float]) -> list[list[float]]:
    """[upper bound in ms, count] of each bucket that holds any, ten buckets per decade, from 0.01 ms up."""
    buckets: Counter[int] = Counter()
    for value in seconds:
        buckets[math.ceil(BUCKETS_PER_DECADE * math.log10(max(value * 1000, 0.01)))] += 1
    return [[float(f"{10 ** (bucket / BUCKETS_PER_DECADE):.3g}"), count] for bucket, count in sorted(buckets.items())]


class Tally:
    """Counts what became of each request; `moment` is when it was meant to be sent, in seconds from the start of the run."""

    def __init__(self) -> None:
        self.offered = self.wrong = self.timed_out = 0
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.unsent: Counter[str] = Counter()
        self.accepted = Latencies()
        self.refused = Latencies()
        self.lag = Latencies()
        self._seconds: dict[int, tuple[Counter[str], Latencies]] = {}

    def offer(self, moment: float) -> None:
        """A request was due."""
        self.offered += 1
        self._second(moment)[0]["offered"] += 1

    def answer(self, moment: float, latency: float, status: int, expected: bool) -> None:
        """An answer came inside the deadline, `latency` seconds after its request was due; `expected`: its body is what it should be."""
        self.statuses[status] += 1
        if status == 200 and expected:
            self.accepted.add(latency)
            self._second(moment)[1].add(latency)
        elif status == 200:
            self.wrong += 1
        elif status in REFUSALS:
            self.refused.add(latency)

    def summary(self, seconds: float) -> dict[str, Any]:
        """All of it as JSON. Rates are per second of the `seconds` that the arrivals were spread over."""
        good, refused, answered = len(self.accepted), len(self.refused), self.statuses.total()
        return {
            "offered": self.offered,
            "sent": self.offered - self.unsent.total(),
            "good": good,
            "wrong": self.wrong,
            "refused": refused,
            "failed": answered - good - self.wrong - refused,
            "timed_out": self.timed_out,
            "error": self.errors.total(),
            "unsent": self.unsent.total(),
            "offered_per_second": round(self.offered / seconds, 1),
            "sent_per_second": round((self.offered - self.unsent.total()) / seconds, 1),
            "goodput_per_second": round(good / seconds, 1),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "errors": dict(self.errors),
            "unsent_because": dict(self.unsent),
            "accepted_ms": self.accepted.summary(),
            "refused_ms": self.refused.summary(),
            "lag_ms": self.lag.summary(),
            "timeline": [
                {"second": second, "offered": counts["offered"], "good": len(latencies), "p99_ms": latencies.summary()["p99"]}
                for second, (counts, latencies) in sorted(self._seconds.items())
            ],
        }

    def _second(self, moment: float) -> tuple[Counter[str], Latencies]:
        try:
            return self._seconds[int(moment)]
        except KeyError:
            return self._seconds.setdefault(int(moment), (Counter(), Latencies()))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
