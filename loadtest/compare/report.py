"""A run's raw values -> RESULTS.md. Every number in it comes from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loadtest.compare.bars import BARS, CONNECTIONS, Systems, look, middle, point
from loadtest.compare.happenings import happenings
from loadtest.compare.tables import number, table, whole
from loadtest.machine import described

Run = Mapping[str, Any]

_BURST = (("before", "p50"), ("before", "p99"), ("after", "p50"), ("after", "p99"))
_ROUNDS = ((CONNECTIONS, "good_per_second"), (1, "p50"), (1, "p99"))

_WORDS = {True: "yes", False: "**no**", None: "not measured"}


def markdown(run: Run) -> str:
    """The page."""
    systems: Systems = run["systems"]
    parts = [
        "# twotier and its peers",
        _preface(run),
        "## The bars",
        table(("bar", "wanted", "measured", "met"), (_bar_row(bar, systems) for bar in BARS)),
        "Where the time goes, and what was tried where a bar is not met: [lanes](../docs/decisions/0011-lanes.md),\n"
        "[overload](../docs/decisions/0013-overload.md), [what a call costs](../docs/decisions/0015-what-a-call-costs.md),\n"
        "[long calls beside short ones](../docs/decisions/0017-short-calls-go-first.md).\n"
        "Throughput and the latency of a lone caller are medians of all that was measured of them, also in the rounds at the end, in\n"
        "which systems take turns:",
        table(
            ("system", f"requests/s at {CONNECTIONS}", "lone p50, ms", "lone p99, ms"),
            (
                (found["title"], *(_spread(systems, name, count, value) for count, value in _ROUNDS))
                for name, found in systems.items()
                if "rounds" in found
            ),
        ),
        "## Throughput",
        "Good answers per second in the closed loop, by connections; in brackets how many calls failed.\n"
        "CPU is what the servers' processes used for one good answer at 64 connections.",
        "![Throughput by connections](figures/throughput.png)",
        _throughput(systems),
        "## Latency of a lone caller",
        "Milliseconds: at its leisure, and in the first fifty calls before, and at once after, each of five bursts of 256 connections.",
        "![Latency by connections](figures/latency.png)",
        table(
            ("system", "p50", "p99", "p50 before bursts", "p99 before", "p50 after bursts", "p99 after"),
            (
                (
                    found["title"],
                    *(number(point(systems, name, 1).get(share)) for share in ("p50", "p99")),
                    *(number(look(found, "burst", *path)) for path in _BURST),
                )
                for name, found in systems.items()
            ),
        ),
        "## Overload",
        "Poisson arrivals at multiples of the system's own peak, which is the most that it answers to this generator at any of three\n"
        "rates. Each is good only if answered rightly within a second of when it was due. Goodput is shown as a share of the peak.\n"
        "`sent` is how much of the offered load left the generator, which has one of the two processors at most: an arrival that found\n"
        "none of its connections free, or was reached 50 ms late, is offered, but not good. `late` is how late it was itself with the\n"
        "median call; all times count from when a call was due, and hold that too.\n"
        "Recovery is how long p99 took to be back within twice its value at half the peak, with every call answered.",
        "![Goodput under overload](figures/overload.png)",
        _overload(systems),
        "## Many rows, memory, start",
        "10,000 rows in one call, by themselves, and what a lone caller's p99 becomes beside them. Memory is the resident set of all the\n"
        "processes of a system, shared pages counted in each. Start is from launching the processes to the first right answer.",
        _rest(systems),
        happenings(systems),
        "## What was measured",
        table(("system", "versions"), ((found["title"], _versions(found)) for found in systems.values())),
        _problems(systems),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _preface(run: Run) -> str:
    machine, clients = run["machine"], run["clients"]
    return (
        f"One run of `{run['command']}` on {run['started']}, {run['minutes']:.0f} minutes: {described(machine)}. "
        "The clients share the cores with the servers; against one that does nothing wrk reaches "
        f"{whole(clients['wrk_per_second'])} requests/s and the open-loop generator {whole(clients['generator_per_second'])}. "
        f"Same model, same row, one system after the other; load average before the run: {machine['load']:.2f}. "
        f"This page, its plots and the raw values behind them ([RESULTS.json](RESULTS.json)) are written by that command."
    )


def _bar_row(bar: Any, systems: Systems) -> Sequence[str]:
    value = bar.measure(systems)
    return bar.what, f"{bar.sign} {bar.wanted:g}", number(value), _WORDS[bar.met(value)]


def _throughput(systems: Systems) -> str:
    points = [found for system in systems.values() for found in system.get("closed", [])]
    connections = sorted({found["connections"] for found in points if "connections" in found})

    def cell(name: str, count: int) -> str:
        found = point(systems, name, count)
        failed = f" ({found['failures']})" if found.get("failures") else ""
        return whole(found.get("good_per_second")) + failed

    return table(
        ("system", *map(str, connections), "p99 at 64, ms", "CPU, ms"),
        (
            (
                found["title"],
                *(cell(name, count) for count in connections),
                number(point(systems, name, 64).get("p99")),
                number(point(systems, name, 64).get("cpu_ms_per_request")),
            )
            for name, found in systems.items()
        ),
    )


def _overload(systems: Systems) -> str:
    rows: list[Sequence[str]] = []
    for system in systems.values():
        for found in system.get("open", []):
            if "multiple" in found:
                rows.append(
                    (
                        system["title"],
                        whole(system.get("peak_per_second")),
                        f"{found['multiple']:g} x",
                        f"{found['sent'] / found['offered']:.0%}",
                        number(look(found, "lag_ms", "p50")),
                        f"{found['goodput_of_peak']:.0%}",
                        number(look(found, "accepted_ms", "p50")),
                        number(look(found, "accepted_ms", "p99")),
                        whole(found["refused"]),
                        number(look(found, "refused_ms", "p50")),
                        number(look(found, "refused_ms", "p99")),
                        whole(found["timed_out"]),
                        whole(found["error"] + found["failed"] + found["wrong"]),
                        _recovery(found),
                    )
                )
    answers = ("goodput", "p50, ms", "p99, ms", "refused", "their p50, ms", "p99, ms", "timed out", "failed")
    return table(("system", "peak", "offered", "sent", "late, ms", *answers, "recovery, s"), rows)


def _recovery(found: Mapping[str, Any]) -> str:
    if "after" not in found:
        return "–"
    return f"> {found['after']['load']['seconds']:.0f}" if found["recovery_seconds"] is None else str(found["recovery_seconds"])


def _rest(systems: Systems) -> str:
    return table(
        ("system", "10,000 rows, s", "p99 alone, ms", "p99 beside, ms", "idle, MB", "after the load, MB", "start, s"),
        (
            (
                found["title"],
                number(look(found, "bulk", "median_seconds")),
                number(look(found, "bulk", "single_alone", "p99")),
                number(look(found, "bulk", "single_beside", "p99")),
                _memory(found, "idle"),
                _memory(found, "overloaded"),
                number(found.get("start_seconds")),
            )
            for found in systems.values()
        ),
    )


def _spread(systems: Systems, name: str, connections: int, value: str) -> str:
    """The median, and from where to where."""
    points = [point(systems, name, connections), *(look(each, str(connections)) or {} for each in systems[name].get("rounds", []))]
    values = sorted(found[value] for found in points if found.get(value) is not None)
    return f"{number(middle(systems, name, connections, value))} ({number(values[0])} to {number(values[-1])})" if values else "–"


def _memory(found: Mapping[str, Any], moment: str) -> str:
    roles = look(found, "memory_mb", moment)
    return whole(sum(roles.values()) if roles else None)


def _versions(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.get("versions", {}).items()) or "–"


def _problems(systems: Systems) -> str:
    lines = [
        f"- {system['title']}, {where}: {' '.join(problem.split())[:600]}"
        for system in systems.values()
        for where, problem in sorted(_errors(system))
    ]
    return "\n".join(["## What could not be measured, or had to be started anew", *lines]) if lines else ""


def _errors(tree: Any, where: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key in ("error", "restarted") and isinstance(value, str):
                yield where.strip() or "start", value
            yield from _errors(value, f"{where} {key}")
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _errors(value, f"{where} {index + 1}")
