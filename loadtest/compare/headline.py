"""What the README shows of a run, and how it gets there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.compare.bars import CONNECTIONS, Systems, look, middle, point
from loadtest.compare.tables import number, table, whole

BEGIN, END = "<!-- made by make compare -->\n", "<!-- until here -->\n"

HEADLINED = ("twotier", "literal", "bentoml", "fastapi", "mlserver", "litserve", "mlflow")
"""Whom the README shows."""


def headline(run: Mapping[str, Any]) -> str:
    """What the README shows of a run."""
    systems: Systems = run["systems"]
    head = ("single rows, 64 connections", "requests/s", "p99, ms", "lone p50, ms", "10,000 rows, s", "goodput at twice the peak")

    def goodput(found: Mapping[str, Any]) -> str:
        shares = [each["goodput_of_peak"] for each in found.get("open", []) if each.get("multiple") == 2]
        return f"{shares[0]:.0%}" if shares else "–"

    return table(
        head,
        (
            (
                found["title"],
                whole(middle(systems, name, CONNECTIONS, "good_per_second")),
                number(point(systems, name, CONNECTIONS).get("p99")),
                number(middle(systems, name, 1, "p50")),
                number(look(found, "bulk", "median_seconds")),
                goodput(found),
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
