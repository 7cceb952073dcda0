"""A made-up run whose every ratio is known."""

from __future__ import annotations

from typing import Any


def point(connections: int, rate: float, p50: float = 1.0, p99: float = 2.0, failures: int = 0) -> dict[str, Any]:
    """A closed-loop measurement."""
    return {
        "connections": connections, "good_per_second": rate, "p50": p50, "p99": p99, "failures": failures, "cpu_ms_per_request": 0.2,
    }


def overload(multiple: float, share: float, refused_p99: float | None = 5.0, recovery: int | None = 1) -> dict[str, Any]:
    """An open-loop measurement."""
    found: dict[str, Any] = {
        "multiple": multiple, "goodput_of_peak": share, "goodput_per_second": share * 6000, "offered": 100, "sent": 90, "refused": 7,
        "timed_out": 2, "error": 1, "failed": 0, "wrong": 0, "accepted_ms": {"p50": 5.0, "p99": 20.0},
        "refused_ms": {"p50": refused_p99 and refused_p99 / 10, "p99": refused_p99},
        "lag_ms": {"p50": 0.2},
    }
    if multiple > 1:
        found |= {"after": {"load": {"seconds": 3.0}}, "recovery_seconds": recovery}
    return found


def run() -> dict[str, Any]:
    """twotier and three peers, of whom one could not be started."""
    twotier = {
        "title": "twotier, both tiers",
        "versions": {"twotier": "0.1.0"},
        "start_seconds": 4.0,
        "peak_per_second": 5500.0,
        "memory_mb": {
            "idle": {"gateway": 90.0, "model server": 200.0},
            "overloaded": {"gateway": 110.0, "model server": 270.0},
        },
        "closed": [point(1, 800, p50=1.2, p99=3.0), point(64, 6000, p99=25.0)],
        "burst": {"before": point(1, 800, p50=1.0), "after": point(1, 800, p50=1.5)},
        "bulk": {"median_seconds": 0.25, "single_alone": point(1, 800, p99=3.0), "single_beside": point(1, 200, p99=9.0)},
        "rounds": [
            {"1": point(1, 800, p50=1.4, p99=2.0), "64": point(64, 5000)},
            {"1": point(1, 800, p50=1.1, p99=4.0), "64": point(64, 7000)},
        ],
        "killed": {
            "answers": {"200": 4000, "503": 9000},
            "refused_ms": {"p50": 2.0, "p99": 40.0},
            "sent_per_call": 1.02,
            "serves_after_seconds": 0.3,
        },
        "stopped": {"answers": {"504": 8}, "latest_of_deadline": 1.01, "serves_after_seconds": 1.5},
        "promoted": {"answers": {"200": 5000}, "failures": 0, "serves_after_seconds": {"promotion": 0.25, "roll-back": 0.5}},
        "up_seconds": {"first": 25.0, "again": 5.0},
        "open": [overload(0.8, 0.8, None), overload(2, 0.97), overload(5, 0.95, 12.0), overload(10, 0.91, recovery=3)],
    }
    bentoml = {"title": "BentoML, called directly", "closed": [point(1, 700, p50=1.0), point(64, 1000, failures=3)], "start_seconds": 1}
    failed = {"error": "NotRunning: status 500"}
    fastapi = {"title": "FastAPI, model in process", "closed": [point(1, 2000), failed, point(64, 2500)], "open": [{}]}
    return {
        "command": "python -m loadtest.compare",
        "started": "2026-01-02 03:04 UTC",
        "minutes": 31.4,
        "machine": {"cpu": "a CPU", "cores": 2, "memory_gb": 24.0, "system": "Linux 6", "python": "3.11.7", "load": 0.1},
        "clients": {"wrk_per_second": 70_000.4, "generator_per_second": 30_000.0},
        "systems": {
            "twotier": twotier, "bentoml": bentoml, "fastapi": fastapi,
            "litserve": {"title": "LitServe", "error": "CannotInstall: no such\nversion"},
        },
    }
