"""What twotier promises about its speed and calm, as ratios of one run; whether it keeps them is computed here and typed nowhere."""

from __future__ import annotations

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


def _throughput(peer: str) -> Callable[[Systems], float | None]:
    def measure(systems: Systems) -> float | None:
        own, other = (point(systems, name, CONNECTIONS).get("good_per_second") for name in ("twotier", peer))
        return ratio(own, other)

    return measure


def _lone_p50(systems: Systems) -> float | None:
    return ratio(point(systems, "twotier", 1).get("p50"), point(systems, "bentoml", 1).get("p50"))


def _lone_p99(systems: Systems) -> float | None:
    alone = point(systems, "twotier", 1)
    return ratio(alone.get("p99"), alone.get("p50"))


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
    def measure(systems: Systems) -> float | None:
        # An overload that was answered in full has no refusal to be slow.
        return _overloads(systems, lambda found: (look(found, "refused_ms", share) or 0.0) if "refused_ms" in found else None, max)

    return measure


def _recovery(systems: Systems) -> float | None:
    return _overloads(systems, lambda found: look(found, "recovery_seconds"), max)


def _after_burst(systems: Systems) -> float | None:
    return ratio(look(systems, "twotier", "burst", "after", "p50"), look(systems, "twotier", "burst", "before", "p50"))


def _beside_bulk(systems: Systems) -> float | None:
    return ratio(look(systems, "twotier", "bulk", "single_beside", "p99"), look(systems, "twotier", "bulk", "single_alone", "p99"))


def _memory(role: str) -> Callable[[Systems], float | None]:
    def measure(systems: Systems) -> float | None:
        moments = (look(systems, "twotier", "memory_mb") or {}).values()
        return max((found[role] for found in moments if role in found), default=None)

    return measure


BARS = (
    Bar("requests/s at 64 connections, times FastAPI with the model in process", ">=", 3, _throughput("fastapi")),
    Bar("requests/s at 64 connections, times BentoML called directly", ">=", 5, _throughput("bentoml")),
    Bar("requests/s at 64 connections, times the same gateway answering a constant", ">=", 0.7, _throughput("constant")),
    Bar("p50 of a lone caller, times BentoML called directly", "<=", 1.5, _lone_p50),
    Bar("p99 of a lone caller, times its own p50", "<=", 3, _lone_p99),
    Bar("failures at 1 to 1,024 connections", "<=", 0, _failures),
    Bar("least goodput at 2, 5 and 10 times the peak, as a share of the peak", ">=", 0.9, _goodput),
    Bar("median of refusals at 2, 5 and 10 times the peak, ms", "<=", 10, _refusals("p50")),
    Bar("p99 of refusals at 2, 5 and 10 times the peak, ms", "<=", 10, _refusals("p99")),
    Bar("longest recovery after an overload, s", "<=", 5, _recovery),
    Bar("p50 of a lone caller right after a burst, times before", "<=", 1.2, _after_burst),
    Bar("10,000 rows in one call, s", "<=", 0.5, lambda systems: look(systems, "twotier", "bulk", "median_seconds")),
    Bar("p99 of a lone caller beside such calls, times alone", "<=", 2, _beside_bulk),
    Bar("most memory of the gateway, MB", "<=", 120, _memory("gateway")),
    Bar("most memory of the model server, MB", "<=", 260, _memory("model server")),
    Bar("seconds from starting both tiers to the first right answer", "<=", 20, lambda systems: look(systems, "twotier", "start_seconds")),
)
