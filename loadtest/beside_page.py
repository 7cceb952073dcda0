"""What `loadtest.beside` found -> its page. Every number in it comes from the run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.busy import Busy
from loadtest.compare.tables import table
from loadtest.machine import described
from loadtest.tally import Latencies

MOST_SECONDS = 5.0
"""How long a large call may take."""

MOST_TIMES = 2.0
"""How many times that of a caller who is alone the p99 of one who is not may be."""

HEAD = (
    "round", "alone: p50, ms", "p99, ms", "beside large calls: p50, ms", "p99, ms", "p99, times alone", "the longest call, s",
    "beside a training: p50, ms", "p99, ms", "p99, times alone", "the training, s",
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the lone caller."""

    sent: float
    """When, by the clock that all processes share."""

    seconds: float
    right: bool


def within(busy: Busy, calls: Iterable[Call]) -> list[Call]:
    """Those that were sent while that went on."""
    return [call for call in calls if busy.begun <= call.sent <= busy.ended]


@dataclass(frozen=True, slots=True)
class Round:
    """The caller's calls, and what was beside them."""

    alone: Sequence[Call]
    beside_large: Sequence[Call]
    large: Busy
    beside_training: Sequence[Call]
    training: Busy

    def figures(self) -> list[float]:
        """Its line of the table, without its number."""
        (p50, p99), large, training = map(_quantiles, (self.alone, self.beside_large, self.beside_training))
        return [
            p50, p99, *large, large[1] / p99, max(self.large.seconds), *training, training[1] / p99, max(self.training.seconds),
        ]

    def wrong(self) -> list[str]:
        """Which answers were."""
        calls = [*self.alone, *self.beside_large, *self.beside_training]
        lone = [f"the lone caller, at {call.sent:.3f}" for call in calls if not call.right]
        return [*lone, *self.large.wrong, *self.training.wrong]


def _quantiles(calls: Sequence[Call]) -> tuple[float, float]:
    """The p50 and p99 in milliseconds."""
    latencies = Latencies()
    for call in calls:
        latencies.add(call.seconds)
    found = latencies.summary()
    return found["p50"], found["p99"]


def page(run: Mapping[str, Any], rounds: Sequence[Round]) -> str:
    """The page."""
    lines = [each.figures() for each in rounds]
    middle = [statistics.median(values) for values in zip(*lines, strict=True)]
    bars = (
        ("the longest of the large calls, s", max(line[5] for line in lines), MOST_SECONDS),
        ("p99 of the lone caller beside large calls, times that of one alone: median of the rounds", middle[4], MOST_TIMES),
        ("p99 of the lone caller beside a training, times that of one alone: median of the rounds", middle[8], MOST_TIMES),
        ("wrong answers", sum(len(each.wrong()) for each in rounds), 0),
    )
    parts = [
        "# A lone caller beside what is large",
        f"One run of `{run['command']}` on {run['started']}: {described(run['machine'])}; load average before the run: "
        f"{run['machine']['load']:.2f}.\nThis page is written by that command.",
        "Both tiers and the training service have their default settings, but for the gateway's access log, which is off. The clients\n"
        f"share the machine with them. A large call is {run['rows']:,} full rows of `outcome`, {run['megabytes']:.1f} MB; one follows the\n"
        "other. The training is `POST /models/outcome/train`. The lone caller asks for one iris after the other over one connection: in\n"
        "each round alone before either, and beside them. Beside them, those of its calls count that were sent while the large calls were\n"
        "under way, or between when the training was first seen running and when it last was.",
        "## The bars",
        table(
            ("bar", "wanted", "measured", "met"),
            ((what, f"<= {most:g}", f"{found:.3g}", "yes" if found <= most else "**no**") for what, found, most in bars),
        ),
        "## The rounds",
        table(HEAD, (_line(name, line) for name, line in [*enumerate(lines, 1), ("median", middle)])),
        "The large calls took, round by round, in seconds: "
        + "; ".join(", ".join(f"{took:.2f}" for took in each.large.seconds) for each in rounds) + ".",
        f"The lone caller had {_count(each.alone for each in rounds)} answers alone, {_count(each.beside_large for each in rounds)} beside "
        f"large calls and {_count(each.beside_training for each in rounds)} beside trainings.",
    ]
    return "\n\n".join(parts) + "\n"


def _line(name: object, figures: Iterable[float]) -> list[str]:
    return [str(name), *(f"{value:.3g}" for value in figures)]


def _count(rounds: Iterable[Sequence[Call]]) -> str:
    return f"{sum(map(len, rounds)):,}"
