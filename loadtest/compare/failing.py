"""What callers of twotier see while something happens behind it: a model server that is killed, or hangs; a version that is promoted."""

from __future__ import annotations

import http.client
import json
import signal
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from loadtest.callers import Call, Caller, Callers
from loadtest.compare.measuring import Measurement
from loadtest.compare.running import NotRunning, Running
from loadtest.http_target import Target, target
from loadtest.tally import Latencies

CALLERS = 8
DEADLINE_MS = 1000
PATIENCE = 30.0
"""Seconds in which something is expected to happen that is to be measured."""

GONE_SECONDS = 2.0
"""How long the model server is away, and how long callers are watched before and after."""

STOPPED_SECONDS = 5.0

SCORED = 'twotier_gateway_upstream_calls_total{'
RETRIED = "twotier_gateway_upstream_retries_total{"


def killed(server: Running) -> Measurement:
    """The model server is killed under load, and started again."""
    with Callers(_target(server), CALLERS) as callers:
        time.sleep(GONE_SECONDS)
        gone_at = time.monotonic()
        calls, retries = _metric(server, SCORED), _metric(server, RETRIED)
        server.send("model server", signal.SIGKILL)
        time.sleep(GONE_SECONDS)
        server.start_again("model server")
        _wait_ready(server.stage.url(1))
        back_at = time.monotonic()
        serves_after = callers.first(back_at, lambda call: call.status == 200, PATIENCE)
        time.sleep(GONE_SECONDS)
        calls, retries = _metric(server, SCORED) - calls, _metric(server, RETRIED) - retries
    while_gone = callers.since(gone_at)
    return {
        "answers": _statuses(while_gone),
        "refused_ms": _latencies(call for call in while_gone if call.status == 503),
        "sent_per_call": round((calls + retries) / calls, 3),
        "serves_after_seconds": serves_after,
    }


def stopped(server: Running) -> Measurement:
    """The model server is stopped in its tracks, and let go again: it takes connections, and answers nothing."""
    asked = [Caller(_target(server)) for _ in range(CALLERS)]
    server.send("model server", signal.SIGSTOP)
    try:
        began = time.monotonic()
        with ThreadPoolExecutor(CALLERS) as pool:
            calls = list(pool.map(Caller.ask, asked))
        time.sleep(max(0.0, began + STOPPED_SECONDS - time.monotonic()))
    finally:
        server.send("model server", signal.SIGCONT)
        for caller in asked:
            caller.close()
    going_on = time.monotonic()
    with Callers(_target(server), 1) as callers:
        serves_after = callers.first(going_on, lambda call: call.status == 200, PATIENCE)
    return {
        "deadline_ms": DEADLINE_MS,
        "answers": _statuses(calls),
        "latest_of_deadline": round(max(call.seconds for call in calls) * 1000 / DEADLINE_MS, 3),
        "serves_after_seconds": serves_after,
    }


def promoted(server: Running) -> Measurement:
    """Another version is promoted under load, and then the first one again: how long until callers are answered by it."""
    first, second = "log_reg_1", "log_reg_2"
    took = {}
    with Callers(_target(server), CALLERS) as callers:
        time.sleep(GONE_SECONDS / 2)
        began = time.monotonic()
        for what, version in (("promotion", second), ("roll-back", first)):
            moved_at = time.monotonic()
            _point_champion_at(server, version)
            named = f'"model_name":"{version}"'.encode()
            took[what] = callers.first(moved_at, lambda call: named in call.body, PATIENCE)
            time.sleep(GONE_SECONDS / 2)
    calls = callers.since(began)
    return {"answers": _statuses(calls), "failures": sum(call.status != 200 for call in calls), "serves_after_seconds": took}


def _target(server: Running) -> Target:
    return target(server.url, server.system.body, {"X-Request-Deadline-Ms": str(DEADLINE_MS)})


def _statuses(calls: Iterable[Call]) -> dict[str, int]:
    return {str(status) if status else "broken off": count for status, count in sorted(Counter(call.status for call in calls).items())}


def _latencies(calls: Iterable[Call]) -> dict[str, Any]:
    latencies = Latencies()
    for call in calls:
        latencies.add(call.seconds)
    return latencies.summary()


def _metric(server: Running, name: str) -> float:
    """The sum of a metric over its labels; of calls, of those to score alone."""
    with urllib.request.urlopen(f"{server.stage.url()}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name) and (name != SCORED or 'path="/score"' in line))


def _wait_ready(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
    raise NotRunning(f"the model server was not ready within {PATIENCE:.0f} s\n")


def _point_champion_at(server: Running, version: str) -> None:
    order = {"version": version, "who": "the comparison", "why": "to see how long it takes"}
    request = urllib.request.Request(
        f"{server.stage.url()}/models/iris/aliases/champion", json.dumps(order).encode(), {"Content-Type": "application/json"}, method="PUT"
    )
    try:
        urllib.request.urlopen(request, timeout=PATIENCE).close()
    except urllib.error.HTTPError as error:
        raise NotRunning(f"the alias was not moved: {error.read()[:300].decode('utf-8', 'replace')}") from error
