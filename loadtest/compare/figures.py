"""The plots of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from loadtest.compare.bars import Systems

_OWN = "twotier"


def draw(systems: Systems, folder: Path) -> None:
    """Write throughput.png, latency.png and overload.png to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _lines(
        systems, folder / "throughput.png", _points("closed", "connections", lambda found: found.get("good_per_second")),
        "connections", "good answers per second", "Throughput, single rows",
    )
    _lines(
        systems, folder / "latency.png", _points("closed", "connections", lambda found: found.get("p99")),
        "connections", "p99, ms", "Latency, single rows", logarithmic=True,
    )
    _lines(
        systems, folder / "overload.png", _points("open", "multiple", lambda found: found.get("goodput_per_second")),
        "offered load, times the system's own peak", "good answers per second within 1 s", "Goodput under overload",
    )


Points = Callable[[Mapping[str, Any]], list[tuple[float, float]]]


def _points(kind: str, axis: str, value: Callable[[Mapping[str, Any]], float | None]) -> Points:
    def points(system: Mapping[str, Any]) -> list[tuple[float, float]]:
        pairs = ((found.get(axis), value(found)) for found in system.get(kind, []))
        return [(x, y) for x, y in pairs if x is not None and y is not None]

    return points


def _lines(
    systems: Systems, file: Path, points: Points, across: str, up: str, title: str, *, logarithmic: bool = False
) -> None:
    # Imported here: everything else of the comparison runs without it.
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), dpi=90, layout="constrained")
    colours = matplotlib.color_sequences["tab20"]
    axes.set_prop_cycle(color=[*colours[::2], *colours[1::2]])
    for name, system in systems.items():
        if found := points(system):
            own = name == _OWN
            across_up = zip(*found, strict=True)
            axes.plot(*across_up, marker="o", markersize=4, linewidth=3 if own else 1.2, label=system["title"], zorder=3 if own else 2)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xticks(sorted({x for system in systems.values() for x, _ in points(system)}))
    axes.minorticks_off()
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set(xlabel=across, ylabel=up, title=title)
    axes.grid(alpha=0.3)
    if axes.lines:
        figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    figure.savefig(file)
    pyplot.close(figure)
