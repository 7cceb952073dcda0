"""What the README shows of a run, and how it gets there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.compare.bars import CONNECTIONS, Systems, look, middle, point
from loadtest.compare.tables import number, table, whole

BEGIN, END = "<!-- made by make compare -->\n", "<!-- until here -->\n"

HEADLINED = ("twotier", "literal", "bentoml", "fastapi", "fastapi-2", "mlserver", "litserve", "mlflow")
"""Whom the README shows."""


def headline(run: Mapping[str, Any]) -> str:
    """What the README shows of a run."""
    systems: Systems = run["systems"]
    latencies = ("requests/s", "p99, ms", "lone p50, ms", "10,000 rows, s")
    head = ("single rows, 64 connections", *latencies, "at twice the peak: answered", "left without a word")

    def overloaded(found: Mapping[str, Any]) -> tuple[str, str]:
        for each in found.get("open", []):
            if each.get("multiple") == 2:
                return f"{each['goodput_of_peak']:.0%} of the peak", f"{each['timed_out'] / each['offered']:.1%} of calls"
        return "–", "–"

    return table(
        head,
        (
            (
                found["title"],
                whole(middle(systems, name, CONNECTIONS, "good_per_second")),
                number(point(systems, name, CONNECTIONS).get("p99")),
                number(middle(systems, name, 1, "p50")),
                number(look(found, "bulk", "median_seconds")),
                *overloaded(found),
            )
            for name, found in systems.items()
            if name in HEADLINED
        ),
    )


def show(run: Mapping[str, Any], readme: Path) -> None:
    """Put a run's headline where the README has that of the run before."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{headline(run)}\n\n{END}{after}", encoding="utf-8")
