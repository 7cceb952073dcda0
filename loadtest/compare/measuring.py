"""The measurements of one system. Each is a plain value for JSON; one that fails says so in its place, and the rest go on."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from loadtest.callers import Caller
from loadtest.compare.running import NotRunning, Running
from loadtest.compare.systems import SPECIES
from loadtest.http_target import Unreadable, target
from loadtest.tally import Latencies

WRK_SCRIPT = Path(__file__).with_name("wrk.lua")

DEADLINE_MS = 1000
BURST_CONNECTIONS = 256
LONE_CALLS = 50
"""What "at once" after a burst is: this many calls of a lone caller, a tenth of a second. Seconds of them would hide how it begins."""

RAMP = (0.6, 0.8, 1.0)
"""Shares of the closed loop's peak at which that of the open loop is sought: its generator takes more of the machine than wrk does."""

CALM = 0.5
"""The share of the peak at which a server is taken to be at ease: before and after an overload."""

BULK_ROWS = 10_000
UNREACHABLE = 200_000.0
"""More requests per second than the generator can send."""

ERRORS = ("not_2xx", "connect", "read", "write", "timeout")

Measurement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how thoroughly to measure."""

    connections: tuple[int, ...]
    multiples: tuple[float, ...]
    """Of the peak, for the open loop."""

    warm_seconds: int
    closed_seconds: int
    open_seconds: int
    lone_seconds: int
    bulk_calls: int
    bulk_seconds: int
    """How long a lone caller is measured alone, and beside calls of many rows: of its calls, one in a hundred meets some of them."""

    bursts: int = 1
    rounds: int = 0
    """How often the points that bars are about are measured once more, the systems by turns."""

    happenings: bool = False
    """Whether to see what callers of twotier see when something happens behind it."""


FULL = Effort(
    (1, 16, 64, 256, 1024), (0.8, 2, 5, 10), warm_seconds=1, closed_seconds=5, open_seconds=6, lone_seconds=3, bulk_calls=5,
    bulk_seconds=10, bursts=5, rounds=3, happenings=True,
)
QUICK = Effort(
    (1, 64), (0.8, 2), warm_seconds=1, closed_seconds=1, open_seconds=1, lone_seconds=1, bulk_calls=1,
    bulk_seconds=1, rounds=1,
)


def measure(server: Running, effort: Effort, note: Callable[[str], None]) -> Measurement:
    """Start the system and measure everything about it. `note` is told what is being done. Raises NotRunning if it does not start."""
    note("start")
    found: Measurement = {"start_seconds": round(server.start(), 2), "memory_mb": {"idle": server.memory_mb()}}
    found["closed"] = []
    for connections in effort.connections:
        note(f"{connections} connections")
        found["closed"].append(guarded(server, lambda: closed(server, connections, effort.closed_seconds, effort.warm_seconds)))
    note("a burst")
    found["burst"] = guarded(server, lambda: burst(server, effort))
    if server.system.bulk is not None:
        note(f"{BULK_ROWS} rows in one call")
        found["bulk"] = guarded(server, lambda: bulk(server, effort))
    found["memory_mb"]["loaded"] = server.memory_mb()
    if effort.multiples and (peak := _peak(server, found["closed"], effort, note)):
        found["peak_per_second"], found["open"] = peak, []
        calm = guarded(server, lambda: opened(server, CALM * peak, effort.open_seconds))
        for multiple in effort.multiples:
            note(f"{multiple:g} x peak")
            found["open"].append(guarded(server, lambda: overload(server, multiple, peak, calm, effort.open_seconds)))
        found["calm"] = calm
        found["memory_mb"]["overloaded"] = server.memory_mb()
    return found


def _peak(server: Running, points: list[Measurement], effort: Effort, note: Callable[[str], None]) -> float:
    """The most good answers per second in the open loop."""
    highest = max((point.get("good_per_second", 0.0) for point in points), default=0.0)
    if not highest:
        return 0.0
    note("the peak of the open loop")
    ramp = [guarded(server, partial(opened, server, share * highest, effort.lone_seconds)) for share in RAMP]
    return max(float(found.get("goodput_per_second", 0)) for found in ramp)


def guarded(server: Running, measurement: Callable[[], Measurement]) -> Measurement:
    """The measurement, or why there is none. A server that no longer answers is started anew, so that the next is not spoilt."""
    try:
        found = measurement()
    except (NotRunning, OSError, Unreadable, subprocess.SubprocessError, ValueError) as error:
        found = {"error": f"{type(error).__name__}: {error}"[:2000]}
    try:
        server.ask(timeout=5)
    except (NotRunning, OSError, ValueError) as error:
        found["restarted"] = f"it did not answer within 5 s afterwards: {type(error).__name__}"
        server.stop()
        server.start()
    return found


def closed(server: Running, connections: int, seconds: int, warm_seconds: int) -> Measurement:
    """As many callers as connections, each of whom waits for its answer before it asks again. Times in milliseconds."""
    if warm_seconds:
        _wrk(server, connections, warm_seconds)
    server.ask()
    cpu = server.cpu_seconds()
    found = _wrk(server, connections, seconds)
    cpu = server.cpu_seconds() - cpu
    server.ask()
    failures = sum(found[error] for error in ERRORS)
    good = max(found["requests"] - found["not_2xx"], 0)
    return {
        "connections": connections,
        "good_per_second": round(good / found["seconds"], 1),
        "failures": failures,
        "cpu_cores": round(cpu / found["seconds"], 2),
        "cpu_ms_per_request": round(cpu / good * 1000, 3) if good else None,
        **found,
    }


def clients(server: Running, seconds: int) -> Measurement:
    """What the clients themselves can do: start a server that does nothing, and ask it for more than they can send."""
    server.start()
    wrk = closed(server, 64, seconds, 1)
    generator = opened(server, UNREACHABLE, seconds)
    return {"wrk_per_second": wrk["good_per_second"], "generator_per_second": generator["goodput_per_second"]}


def _wrk(server: Running, connections: int, seconds: int) -> Measurement:
    with tempfile.NamedTemporaryFile() as body:
        body.write(server.system.body)
        body.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(WRK_SCRIPT), server.url]
        environment = {**os.environ, "COMPARE_BODY": body.name}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds + 60)
    _, marker, result = done.stdout.partition("RESULT ")
    if not marker:
        raise NotRunning(f"wrk did not finish: {(done.stdout + done.stderr)[-500:]}")
    summary: Measurement = json.loads(result)
    return summary


def burst(server: Running, effort: Effort) -> Measurement:
    """The first calls of a lone caller at once after a burst of many, and as many before it. Several bursts, all calls together."""
    before, after = Latencies(), Latencies()
    lone(server, Latencies())
    for _ in range(effort.bursts):
        lone(server, before)
        _wrk(server, BURST_CONNECTIONS, 1)
        lone(server, after)
    return {"calls": len(after), "before": before.summary(), "after": after.summary()}


def lone(server: Running, latencies: Latencies) -> None:
    """One call after the other over one connection; how long each takes is added to the latencies. Raises NotRunning."""
    caller = Caller(target(server.url, server.system.body, server.system.headers))
    try:
        for _ in range(LONE_CALLS):
            call = caller.ask()
            latencies.add(call.seconds)
            if call.status != 200 or SPECIES not in call.body:
                raise NotRunning(f"status {call.status}: {call.body[:300].decode('utf-8', 'replace')}")
    finally:
        caller.close()


def bulk(server: Running, effort: Effort) -> Measurement:
    """Many rows in one call, by themselves and one call after the other beside a lone caller."""
    server.ask(BULK_ROWS, timeout=120)
    seconds = [server.ask(BULK_ROWS, timeout=120) for _ in range(effort.bulk_calls)]
    alone = closed(server, 1, effort.bulk_seconds, 0)
    done = threading.Event()
    calls: list[float] = []
    problems: list[str] = []

    def ask_on() -> None:
        try:
            while not done.is_set():
                calls.append(server.ask(BULK_ROWS, timeout=120))
        except (NotRunning, OSError) as error:
            problems.append(str(error)[:300])

    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        beside = closed(server, 1, effort.bulk_seconds, 0)
    finally:
        done.set()
        thread.join()
    return {
        "rows": BULK_ROWS,
        "seconds": [round(took, 4) for took in seconds],
        "median_seconds": round(statistics.median(seconds), 4),
        "single_alone": alone,
        "single_beside": beside,
        "calls_beside": len(calls),
        "problems_beside": problems,
    }


def opened(server: Running, rate: float, seconds: int) -> Measurement:
    """Poisson arrivals at that rate, by the open-loop generator in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        body, out = Path(folder, "body"), Path(folder, "out.json")
        body.write_bytes(server.system.body)
        command = [sys.executable, "-m", "loadtest.open_loop", "--url", server.url, "--body", f"@{body}", "--json", str(out)]
        command += ["--rate", f"{rate:.1f}", "--seconds", str(seconds), "--deadline-ms", str(DEADLINE_MS), "--expect", "Iris-virginica"]
        command += [word for name, value in server.system.headers.items() for word in ("--header", f"{name}: {value}")]
        cpu, began = server.cpu_seconds(), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60, cwd=Path(__file__).parents[2])
        cores = (server.cpu_seconds() - cpu) / (time.perf_counter() - began)
        found: Measurement = json.loads(out.read_text())
    return {**found, "cpu_cores": round(cores, 2)}


def overload(server: Running, multiple: float, peak: float, calm: Measurement, seconds: int) -> Measurement:
    """The open loop at a multiple of the peak and, if that is more than the server can do, at ease right after it."""
    found = opened(server, multiple * peak, seconds)
    found |= {"multiple": multiple, "goodput_of_peak": round(found["goodput_per_second"] / peak, 3)}
    if multiple > 1:
        after = opened(server, CALM * peak, seconds)
        found |= {"after": after, "recovery_seconds": recovery(calm, after)}
    return found


def recovery(calm: Measurement, after: Measurement) -> int | None:
    """Seconds until p99 is back at most at twice what it was at ease, with every request answered, and stays; None if it is not."""
    wanted = calm.get("accepted_ms", {}).get("p99")
    seconds = [
        wanted is not None and second["good"] == second["offered"] and second["p99_ms"] <= 2 * wanted for second in after["timeline"]
    ]
    if not seconds or not seconds[-1]:
        return None
    return max((at + 1 for at, well in enumerate(seconds) if not well), default=0)
