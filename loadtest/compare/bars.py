"""What twotier promises about its speed and calm, as ratios of one run; whether it keeps them is computed here and typed nowhere."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Systems = Mapping[str, Mapping[str, Any]]
"""Name of a system -> what was measured of it."""

CONNECTIONS = 64
"""Where throughput is compared."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise."""

    what: str
    sign: str
    """`>=` or `<=`."""

    wanted: float
    measure: Callable[[Systems], float | None]
    """None if the run does not say."""

    def met(self, value: float | None) -> bool | None:
        """Whether that value keeps the promise; None if there is none."""
        if value is None:
            return None
        return value >= self.wanted if self.sign == ">=" else value <= self.wanted


def point(systems: Systems, name: str, connections: int) -> Mapping[str, Any]:
    """What was measured of a system in the closed loop at that many connections; empty if nothing was."""
    points = systems.get(name, {}).get("closed", [])
    return next((found for found in points if found.get("connections") == connections), {})


def look(tree: Any, *path: str) -> Any:
    """The value at a path of keys, or None if one of them is missing."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def ratio(value: float | None, base: float | None) -> float | None:
    """Their ratio, or None if there is not both."""
    return value / base if value is not None and base else None


def middle(systems: Systems, name: str, connections: int, value: str) -> float | None:
    """The median of what was measured of a system at that many connections, in the rounds and before them; None if nothing was."""
    points = [point(systems, name, connections), *(look(each, str(connections)) or {} for each in systems.get(name, {}).get("rounds", []))]
    values = [found[value] for found in points if found.get(value) is not None]
    return statistics.median(values) if values else None


def _throughput(peer: str) -> Callable[[Systems], float | None]:
    return lambda systems: ratio(*(middle(systems, name, CONNECTIONS, "good_per_second") for name in ("twotier", peer)))


def _lone_p50(systems: Systems) -> float | None:
    return ratio(middle(systems, "twotier", 1, "p50"), middle(systems, "bentoml", 1, "p50"))


def _lone_p99(systems: Systems) -> float | None:
    return ratio(middle(systems, "twotier", 1, "p99"), middle(systems, "twotier", 1, "p50"))


def _failures(systems: Systems) -> float | None:
    counts = [found.get("failures") for found in look(systems, "twotier", "closed") or []]
    return None if not counts or None in counts else float(sum(count for count in counts if count is not None))


def _overloads(systems: Systems, value: Callable[[Mapping[str, Any]], float | None], worst: Callable[[list[float]], float]) -> float | None:
    values = [value(found) for found in look(systems, "twotier", "open") or [] if found.get("multiple", 2) > 1]
    known = [found for found in values if found is not None]
    return worst(known) if known and len(known) == len(values) else None


def _goodput(systems: Systems) -> float | None:
    return _overloads(systems, lambda found: look(found, "goodput_of_peak"), min)


def _refusals(share: str) -> Callable[[Systems], float | None]:
    def value(found: Mapping[str, Any]) -> float | None:
        if "refused_ms" not in found:
            return None
        # An overload that was answered in full has no refusal to be slow; one in which callers heard nothing refused them far too late.
        return look(found, "refused_ms", share) or (math.inf if found["timed_out"] else 0.0)

    return lambda systems: _overloads(systems, value, max)


def _recovery(systems: Systems) -> float | None:
    return _overloads(systems, lambda found: _until(found, "recovery_seconds"), max)


def _after_burst(systems: Systems) -> float | None:
    return ratio(look(systems, "twotier", "burst", "after", "p50"), look(systems, "twotier", "burst", "before", "p50"))


def _beside_bulk(systems: Systems) -> float | None:
    return ratio(look(systems, "twotier", "bulk", "single_beside", "p99"), look(systems, "twotier", "bulk", "single_alone", "p99"))


def _own(*path: str) -> Callable[[Systems], float | None]:
    return lambda systems: look(systems, "twotier", *path)


def _until(found: Any, moment: str) -> float | None:
    """Seconds until something came; infinite if it was waited for, and did not come."""
    if not isinstance(found, Mapping) or moment not in found:
        return None
    return math.inf if found[moment] is None else float(found[moment])


def _serves_after(happening: str) -> Callable[[Systems], float | None]:
    return lambda systems: _until(look(systems, "twotier", happening), "serves_after_seconds")


def _slowest_move(systems: Systems) -> float | None:
    took = look(systems, "twotier", "promoted", "serves_after_seconds") or {}
    return max((math.inf if seconds is None else seconds for seconds in took.values()), default=None)


def _memory(role: str) -> Callable[[Systems], float | None]:
    def measure(systems: Systems) -> float | None:
        moments = (look(systems, "twotier", "memory_mb") or {}).values()
        return max((found[role] for found in moments if role in found), default=None)

    return measure


BARS = (
    Bar("requests/s at 64 connections, times FastAPI with the model in process", ">=", 3, _throughput("fastapi")),
    Bar("requests/s at 64 connections, times BentoML called directly", ">=", 5, _throughput("bentoml")),
    Bar("requests/s at 64 connections, times the same FastAPI app answering a constant", ">=", 0.7, _throughput("fastapi-constant")),
    Bar("p50 of a lone caller, times BentoML called directly", "<=", 1.5, _lone_p50),
    Bar("p99 of a lone caller, times its own p50", "<=", 3, _lone_p99),
    Bar("failures at 1 to 1,024 connections", "<=", 0, _failures),
    Bar("least goodput at 2, 5 and 10 times the peak, as a share of the peak", ">=", 0.9, _goodput),
    Bar("median of refusals at 2, 5 and 10 times the peak, ms", "<=", 10, _refusals("p50")),
    Bar("p99 of refusals at 2, 5 and 10 times the peak, ms", "<=", 10, _refusals("p99")),
    Bar("longest recovery after an overload, s", "<=", 5, _recovery),
    Bar("p50 of a lone caller right after a burst, times before", "<=", 1.2, _after_burst),
    Bar("10,000 rows in one call, s", "<=", 0.5, _own("bulk", "median_seconds")),
    Bar("p99 of a lone caller beside such calls, times alone", "<=", 2, _beside_bulk),
    Bar("most memory of the gateway, MB", "<=", 120, _memory("gateway")),
    Bar("most memory of the model server, MB", "<=", 260, _memory("model server")),
    Bar("seconds from `twotier up`, over raw data alone, to the first right answer", "<=", 20, _own("up_seconds", "first")),
    Bar("p99 of refusals while the only model server is gone, ms", "<=", 50, _own("killed", "refused_ms", "p99")),
    Bar("calls sent to it per call, meanwhile", "<=", 1.1, _own("killed", "sent_per_call")),
    Bar("seconds from its return under load to the first right answer", "<=", 2, _serves_after("killed")),
    Bar("latest 504 while it hangs, times the deadline", "<=", 1.1, _own("stopped", "latest_of_deadline")),
    Bar("seconds from when it goes on to the first right answer", "<=", 1, _serves_after("stopped")),
    Bar("seconds from promoting a version, or back, to its first answer", "<=", 2, _slowest_move),
    Bar("calls that fail meanwhile", "<=", 0, _own("promoted", "failures")),
)
