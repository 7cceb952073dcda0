"""The gateway's metrics. Every label has few values: no path, name or id of a caller's making becomes one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics", "UpstreamCall"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass
class UpstreamCall:
    """One call to a model server, under way."""

    outcome: str = "ok"
    """`ok`, or the class of the error that it ended with."""


class Metrics:
    """All of them, in a registry of their own, so that two gateways in one process do not collide."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "twotier_gateway_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        # prometheus_client looks a child up anew each time, under a lock; as there are few, they can be remembered.
        self._request = cache(self._requests.labels)
        self._refused = self._requests.labels("refused unread", "POST", 503)
        self._seconds = Histogram(
            "twotier_gateway_request_seconds", "Time to answer a request.", ("route", "method"), buckets=_SECONDS, registry=self._registry
        )
        self._duration = cache(self._seconds.labels)
        self.in_flight = Gauge("twotier_gateway_requests_in_flight", "Requests being answered.", registry=self._registry)
        self._rows = Counter("twotier_gateway_rows", "Rows answered.", ("family", "version"), registry=self._registry)
        self._answered = cache(self._rows.labels)
        self._calls = Counter(
            "twotier_gateway_upstream_calls", "Calls to the model servers.", ("path", "outcome"), registry=self._registry
        )
        self._call_seconds = Histogram(
            "twotier_gateway_upstream_call_seconds", "Time of a call.", ("path",), buckets=_SECONDS, registry=self._registry
        )
        self.calls_in_flight = Gauge("twotier_gateway_upstream_calls_in_flight", "Calls under way.", registry=self._registry)
        self._parcel_rows = Histogram(
            "twotier_gateway_rows_per_call", "Rows merged into one call.", ("family",), buckets=_ROWS, registry=self._registry
        )
        self._dispatched = Counter(
            "twotier_gateway_dispatched",
            "Calls by why they were sent then: a slot was free, or freed; the call was full, or halved to find a bad row.",
            ("reason",),
            registry=self._registry,
        )
        self.queue_seconds = Histogram(
            "twotier_gateway_queue_seconds", "Time that rows waited to be sent.", buckets=_SECONDS, registry=self._registry
        )
        self.tasks = Gauge("twotier_gateway_tasks", "Tasks of the event loop when the metrics were read.", registry=self._registry)
        self.rows_queued = Gauge("twotier_gateway_rows_queued", "Rows that wait to be sent.", registry=self._registry)
        self._shed = Counter(
            "twotier_gateway_rows_shed",
            "Rows that were not sent: too_many_calls (refused unread: each call counts as one row), queue_full, hopeless at the pace of "
            "late, expired while they waited, or left by their caller.",
            ("reason",),
            registry=self._registry,
        )
        self._shed_unread = self._shed.labels("too_many_calls")
        self.retries = Counter(
            "twotier_gateway_upstream_retries", "Calls that were sent once more, by why.", ("reason",), registry=self._registry
        )
        self.server_up = Gauge(
            "twotier_gateway_model_server_up", "Whether the last poll of a model server succeeded.", ("server",), registry=self._registry
        )
        self.canary = Counter(
            "twotier_gateway_canary_calls",
            "Calls in a canary's share: answered by the challenger, or by the champion since it failed, rests after that, or is absent.",
            ("family", "outcome"),
            registry=self._registry,
        )
        self.shadow = Counter(
            "twotier_gateway_shadow_rows",
            "Rows compared in the background: decided alike or not, failed by the challenger, or dropped before.",
            ("family", "outcome"),
            registry=self._registry,
        )

        self.circuit = Gauge(
            "twotier_gateway_model_server_circuit",
            "The circuit breaker of a model server: 0 closed, 1 half open, 2 open.",
            ("server",),
            registry=self._registry,
        )

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._request(route, method, status).inc()
        self._duration(route, method).observe(seconds)

    def observe_refused(self) -> None:
        """Count a call that was refused unread. Nobody knows how many rows it had."""
        self._refused.inc()
        self._shed_unread.inc()

    def observe_rows(self, family: str, version: str, rows: int) -> None:
        """Count rows that a version answered; the model server, not the caller, names the version."""
        self._answered(family, version).inc(rows)

    def observe_dispatch(self, family: str, rows: int, reason: str) -> None:
        """Count a call that a lane sends."""
        self._parcel_rows.labels(family).observe(rows)
        self._dispatched.labels(reason).inc()

    def observe_shed(self, reason: str, rows: int) -> None:
        """Count rows that will not be answered."""
        self._shed.labels(reason).inc(rows)

    @contextmanager
    def upstream_call(self, path: str) -> Iterator[UpstreamCall]:
        """Measure a call to a model server."""
        call = UpstreamCall()
        self.calls_in_flight.inc()
        begun = time.perf_counter()
        try:
            yield call
        finally:
            self.calls_in_flight.dec()
            self._calls.labels(path, call.outcome).inc()
            self._call_seconds.labels(path).observe(time.perf_counter() - begun)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
